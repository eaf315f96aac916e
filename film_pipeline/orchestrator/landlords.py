"""Rented machines and their money: found again, kept paid for, ended when nobody needs them, and settled."""

import asyncio
import datetime
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx

from film_pipeline.core.gate import Locked, OverBudget, Ticket
from film_pipeline.core.generating import GeneratingBackend, RentingBackend, WorkerReport, rents
from film_pipeline.core.jobs import ENDED, LIVE, Charge, IllegalMove, JobState
from film_pipeline.core.money import usd
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.hiring import Hire, Hiring, frame_job_of
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.stores.database import StoreRefused
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.workers import Worker

log = logging.getLogger(__name__)

_AWAY = (FilmProblem, OSError, httpx.HTTPError)
_SENDING = (JobState.SUBMITTING, JobState.UNCERTAIN)
_TOP_UP_AT = Decimal("0.8")
_VANISHED = "it ended while nobody looked: reckoned to the end of its lease"
_UNNEEDED = "it has had nothing to do for too long"
_STRAY = "the ledger does not know it"


class Landlords:
    """The backends that rent machines, and what the ledger knows of their machines.

    A machine belongs to the production, not to the run that rented it: any run may use it, and whoever sees it end
    settles it. scribe: the run's; without one it has one of its own from `begin` to `end`.
    """

    def __init__(
        self,
        ledger: Ledger,
        backends: Mapping[str, GeneratingBackend],
        scribe: Scribe | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._ledger = ledger
        self._patience = patience or Patience()
        self._own_scribe = None if scribe is not None else Scribe(ledger)
        self._scribe = scribe or self._own_scribe or Scribe(ledger)
        self._renting = {name: backend for name, backend in backends.items() if rents(backend)}
        self.hiring = Hiring(ledger, self._renting, self._scribe)
        for backend in self._renting.values():
            backend.rent_with(self.hiring)
        self._called = False

    @property
    def names(self) -> Collection[str]:
        """The backends that rent."""
        return self._renting.keys()

    # From the beginning to the end

    async def begin(self, shots: Collection[str] = ()) -> None:
        """Take up what runs before this one rented, settle what is gone, and end what nobody needs.

        shots: those whose claims are held. No machine is called, so none lives longer for this.
        """
        if self._own_scribe is not None:
            self._own_scribe.begin()
        for name, backend in self._renting.items():
            for job in await asyncio.to_thread(self._ledger.jobs.of, backend=name, states=LIVE):
                if job.ticket.work == "worker":
                    await self.hiring.take_up(job, claimed=job.ticket.shot in shots)
            try:
                await self._sweep(name, backend)
            except StoreRefused:
                raise
            except _AWAY as error:
                log.warning("the machines of %s can't be looked at: %s", name, error)

    async def look(self) -> None:
        """See how the machines are: settle what ended, set more aside for what goes on."""
        self._called = True
        for name, backend in self._renting.items():
            try:
                await self._look_at(name, await backend.workers())
            except StoreRefused:
                raise
            except _AWAY as error:
                log.warning("the machines of %s can't be looked at: %s", name, error)

    async def end(self) -> None:
        """The run is over: end what has idled for long enough and settle it. What is warm stays for the next run."""
        try:
            if self._called:
                for name, backend in self._renting.items():
                    try:
                        await backend.end_idle()
                    except _AWAY as error:
                        log.warning("idle machines of %s can't be ended: %s", name, error)
                await self.look()
        finally:
            if self._own_scribe is not None:
                await self._own_scribe.end()

    # Looking

    async def _look_at(self, name: str, reports: Sequence[WorkerReport]) -> None:
        for report in reports:
            hire = await self._hire_of(name, report)
            if report.state == "ended":
                if hire is not None:
                    await self._settle(name, report.worker, report.cost_usd, report.why)
            elif hire is not None:
                await self._scribe.do(self._ledger.workers.heard, _worker(report, hire))
                await self._top_up(name, report, hire)
            elif await self._is_stray(name, report):
                await self._end_stray(self._renting[name], report)
        await self._forget_what_never_came(name, {report.ticket for report in reports})

    async def _hire_of(self, name: str, report: WorkerReport) -> Ticket | None:
        """The ticket that a machine is paid on, ours or another run's; None where there is none."""
        known = self.hiring.hired.get((name, report.worker))
        if known is not None:
            return known
        waiting = self.hiring.on_the_way.get(report.ticket)
        if waiting is not None and waiting.in_doubt_since and waiting.ticket.backend == name:
            await self._found(waiting, report.worker)
            return self.hiring.hired.get((name, report.worker))
        job = await asyncio.to_thread(self._ledger.jobs.at_provider, name, report.worker)
        if job is None or job.ticket.work != "worker" or job.state in ENDED:
            return None
        self.hiring.hired[name, report.worker] = job.ticket
        return job.ticket

    async def _found(self, waiting: Hire, worker: str) -> None:
        try:
            await self.hiring.found(waiting, worker)
        except IllegalMove as moved:
            # Another run that looked at the same moment was quicker.
            log.info("the hire of %s: %s", worker, moved)
            self.hiring.on_the_way.pop(waiting.frame_job, None)

    async def _is_stray(self, name: str, report: WorkerReport) -> bool:
        """Whether nobody answers for a machine: neither this run nor another one that is just about to hear of it."""
        hires = await asyncio.to_thread(self._ledger.jobs.of, backend=report.backend or name, states=LIVE)
        return not any(
            job.provider_id == report.worker or (not job.provider_id and frame_job_of(job.ticket) == report.ticket)
            for job in hires
            if job.ticket.work == "worker"
        )

    async def _forget_what_never_came(self, name: str, seen: Collection[str]) -> None:
        """Hires of machines that had the time to appear, and did not, came to nothing."""
        longest_s = self._patience.in_flight_s + self._renting[name].listed_after_s
        for hire in list(self.hiring.on_the_way.values()):
            if hire.ticket.backend != name or hire.frame_job in seen or not hire.in_doubt_since:
                continue
            if self._seconds_since(hire.in_doubt_since) > longest_s:
                try:
                    await self.hiring.came_to_nothing(hire, "no machine has appeared")
                except IllegalMove as moved:
                    # Another run was quicker, or a look of this one that was cut off had written it already.
                    log.info("the hire for %s: %s", hire.frame_job, moved)
                    self.hiring.on_the_way.pop(hire.frame_job, None)

    async def _top_up(self, name: str, report: WorkerReport, hire: Ticket) -> None:
        job = await asyncio.to_thread(self._ledger.jobs.one, hire.job)
        if job is None or report.overhead_usd is None or report.overhead_usd < job.held_usd * _TOP_UP_AT:
            return
        topped = await self._scribe.do(self._ledger.top_up, hire.job, usd(self._step(name, hire)))
        if isinstance(topped, Locked | OverBudget):
            log.warning("no more money for machine %s of %s: %s", report.worker, name, topped)

    def _step(self, name: str, hire: Ticket) -> Decimal:
        return self._renting[name].overhead_usd() or hire.reserved_usd

    # Sweeping

    async def _sweep(self, name: str, backend: RentingBackend) -> None:
        reports = await backend.listed()
        for report in reports:
            hire = await self._hire_of(report.backend, report)
            if hire is not None and (report.state == "ended" or not await self._is_needed(report, hire)):
                await self._end_hired(report.backend, backend, report)
            elif hire is None and await self._is_stray(report.backend, report):
                await self._end_stray(backend, report)
        there = {report.worker for report in reports}
        for place in [place for place in self.hiring.hired if place[0] == name and place[1] not in there]:
            await self._settle_vanished(*place)
        await self._forget_what_never_came(name, {report.ticket for report in reports})

    async def _is_needed(self, report: WorkerReport, hire: Ticket) -> bool:
        """Whether a machine has frames in work, had some a moment ago, or may be getting one just now.

        Where an order is on its way or in doubt, nobody knows to which machine. A run that died leaves such orders
        behind for good: after the time that a machine lives without being called, they count no more.
        """
        landlord = self._renting.get(report.backend)
        if landlord is None:
            return False
        busy, moved_at = await asyncio.to_thread(self._ledger.jobs.last_on, report.backend, report.worker)
        rented = await asyncio.to_thread(self._ledger.jobs.one, hire.job)
        sending = await asyncio.to_thread(self._ledger.jobs.of, backend=report.backend, states=_SENDING)
        sent_at = max((job.moved_at for job in sending if job.ticket.work != "worker"), default="")
        coming = bool(sent_at) and self._seconds_since(sent_at) < landlord.silent_s
        last = max(moved_at, rented.moved_at if rented is not None else "")
        return busy or coming or self._seconds_since(last) < landlord.idle_s

    async def _end_hired(self, name: str, backend: RentingBackend, report: WorkerReport) -> None:
        ended = await backend.end_machine(report.worker, _UNNEEDED)
        await self._settle(name, report.worker, (ended or report).cost_usd, (ended or report).why or _UNNEEDED)

    async def _end_stray(self, backend: RentingBackend, report: WorkerReport) -> None:
        """End a machine that nobody answers for. What it cost is entered first, should we die meanwhile."""
        log.warning("machine %s of %s is ended: %s", report.worker, report.backend, _STRAY)
        await self._enter_stray(report)
        ended = await backend.end_machine(report.worker, _STRAY)
        await self._enter_stray(ended or report)

    async def _enter_stray(self, report: WorkerReport) -> None:
        if report.cost_usd is not None:
            await self._scribe.do(self._ledger.spend.stray, report.backend, report.worker, report.cost_usd)

    # Settling

    async def _settle_vanished(self, name: str, worker: str) -> None:
        """A machine that ended while nobody looked lived at most for so long after it was last heard of."""
        hire = self.hiring.hired[name, worker]
        job = await asyncio.to_thread(self._ledger.jobs.one, hire.job)
        heard = await self._heard(name, worker)
        cost = None
        if job is not None and heard is not None and heard.price_hour_usd is not None:
            silent_s = self._renting[name].silent_s
            lived_s = self._seconds_since(job.reserved_at) - max(self._seconds_since(heard.heard_at) - silent_s, 0.0)
            cost = Decimal(str(round(lived_s, 3))) * heard.price_hour_usd / 3600
        await self._settle(name, worker, cost, _VANISHED)

    async def _settle(self, name: str, worker: str, cost_usd: Decimal | None, why: str) -> None:
        """Enter a machine's bill. cost_usd: None where nobody knows; then all that is set aside for it is spent."""
        hire = self.hiring.hired.pop((name, worker), None)
        if hire is None:
            return
        job = await asyncio.to_thread(self._ledger.jobs.one, hire.job)
        cost = cost_usd if cost_usd is not None else job.held_usd if job is not None else hire.reserved_usd
        try:
            await self._scribe.do(self._ledger.return_worker, hire.job, Charge(usd(cost), estimated=True), why)
        except IllegalMove as moved:
            if moved.before not in ENDED:
                raise
            log.info("machine %s was settled by another run", worker)
            return
        known = await self._heard(name, worker) or Worker(name, worker, job=hire.job)
        await self._scribe.do(self._ledger.workers.ended, replace(known, state="ended", why=why))

    async def _heard(self, name: str, worker: str) -> Worker | None:
        """A machine as it was last heard of."""
        known = await asyncio.to_thread(self._ledger.workers.all, name)
        return next((one for one in known if one.provider_id == worker), None)

    def _seconds_since(self, stamp: str) -> float:
        return (self._ledger.books.time(None) - datetime.datetime.fromisoformat(stamp)).total_seconds()


def _worker(report: WorkerReport, hire: Ticket) -> Worker:
    return Worker(
        backend=report.backend,
        provider_id=report.worker,
        name=report.name,
        job=hire.job,
        state=report.state,
        model=report.model,
        job_in_hand=report.job,
        price_hour_usd=report.usd_per_hour,
        why=report.why,
    )
