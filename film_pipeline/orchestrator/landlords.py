"""Rented machines and their money: set aside before one is rented, settled when it is back with its provider."""

import asyncio
import datetime
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol, cast

import httpx

from film_pipeline.core.gate import Locked, OverBudget, Ticket, WorkerOrder
from film_pipeline.core.generating import FrameWork, GeneratingBackend, Health, Landlord, SubmitFailed, WorkerReport
from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.core.money import usd
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.jobs import Job
from film_pipeline.stores.ledger.workers import Worker

log = logging.getLogger(__name__)

_LOOK_S = 5.0
SILENT_S = 300.0
"""How long a machine that nobody hears of lives at most: then it ends itself."""
_AWAY = (FilmProblem, OSError, httpx.HTTPError)


class _RentsMachines(GeneratingBackend, Landlord, Protocol):
    """A backend that is a landlord too."""


@dataclass(frozen=True)
class _Hired:
    """A machine and the ticket that its time is paid on. holds_usd: set aside so far."""

    ticket: Ticket
    holds_usd: Decimal


class Landlords:
    """The backends of a run that rent machines, and what the ledger knows of their machines."""

    def __init__(self, ledger: Ledger, backends: Mapping[str, GeneratingBackend]) -> None:
        self._ledger, self._backends = ledger, backends
        self._renting: dict[str, _RentsMachines] = {
            name: cast(_RentsMachines, backend) for name, backend in backends.items() if hasattr(backend, "sweep")
        }
        # As many orders at once as can each rent a machine would set the money of too many machines aside.
        self._one_by_one = {name: asyncio.Lock() for name in self._renting}
        self._waiting: dict[str, Ticket] = {}
        self._hired: dict[tuple[str, str], _Hired] = {}
        self._looked_at = float("-inf")

    async def begin(self) -> None:
        """Take up the machines of runs before this one, settle those that are gone, and end those that nobody needs."""
        for name, backend in self._renting.items():
            hired = [job for job in self._ledger.jobs.of(backend=name) if job.ticket.work == "worker"]
            living = [job for job in hired if job.state in (JobState.SUBMITTED, JobState.RUNNING)]
            for job in living:
                self._hired[name, job.provider_id] = _Hired(job.ticket, job.held_usd)
            for job in hired:
                if job.state is JobState.RESERVED:
                    self._ledger.move(Move(job.ticket.job, JobState.CANCELLED, error="nothing was rented on it"))
            try:
                await self._settle_ended(name, backend, await backend.sweep(self._known()))
                await self._look_at(name, backend)
                await self._settle_vanished(name, backend, living)
            except _AWAY as error:
                log.warning("the machines of %s can't be looked at: %s", name, error)

    def _known(self) -> set[str]:
        """Jobs and machines of the whole production that are still needed."""
        frames = {job.ticket.job for job in self._ledger.jobs.of() if job.ticket.work != "worker" and _lives(job)}
        return frames | {worker for _, worker in self._hired}

    async def renting(self, name: str, ticket: Ticket, work: FrameWork) -> AsyncExitStack:
        """Enter before an order goes to a backend and leave after it: money for a machine is set aside meanwhile.

        Raises SubmitFailed where the money does not reach: another backend may do it.
        """
        stack = AsyncExitStack()
        backend = self._renting.get(name)
        if backend is not None:
            await stack.enter_async_context(self._one_by_one[name])
            try:
                self._set_aside(name, backend, ticket, work)
            except BaseException:
                await stack.aclose()
                raise
            stack.push_async_callback(self._after_order, name, backend, ticket, work)
        return stack

    def _set_aside(self, name: str, backend: _RentsMachines, ticket: Ticket, work: FrameWork) -> None:
        overhead = backend.overhead_usd()
        if overhead is None:
            raise SubmitFailed(f"what a machine of {name} costs is unknown: nothing is rented", 5.0)
        order = WorkerOrder(f"{name}/{ticket.job}", work.shot, work.work, work.covered, name, usd(overhead))
        hired = self._ledger.hire(order)
        if isinstance(hired, Locked | OverBudget):
            raise SubmitFailed(f"no machine can be rented: {hired}", spill=True)
        self._waiting[ticket.job] = hired.placed[0].ticket

    async def _after_order(self, name: str, backend: _RentsMachines, ticket: Ticket, work: FrameWork) -> None:
        """Keep the money of a machine that was rented for the order; let go of it where an older one had room."""
        hire = self._waiting.pop(ticket.job)
        try:
            reports = await backend.workers()
        except _AWAY as error:
            log.warning("%s does not say which machines there are: %s", name, error)
            reports = []
        rented = next((report for report in reports if report.ticket == ticket.job), None)
        if rented is None or (name, rented.worker) in self._hired:
            self._ledger.move(Move(hire.job, JobState.CANCELLED, error="an older machine had room"))
            return
        self._ledger.admit(hire, work.covered)
        self._ledger.move(Move(hire.job, JobState.SUBMITTED, rented.worker, rented.worker))
        self._hired[name, rented.worker] = _Hired(hire, hire.reserved_usd)
        await self._settle_ended(name, backend, [report for report in reports if report.state == "ended"])

    async def look(self) -> None:
        """See how the machines are, now and then; settle what ended, set more aside for what goes on."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        for name, backend in self._renting.items():
            try:
                await self._look_at(name, backend)
            except _AWAY as error:
                log.warning("the machines of %s can't be looked at: %s", name, error)

    async def _look_at(self, name: str, backend: _RentsMachines) -> None:
        reports = await backend.workers()
        for report in reports:
            hired = self._hired.get((name, report.worker))
            if report.state != "ended":
                self._ledger.workers.heard(_worker(report, hired))
                self._top_up(name, report, hired)
        await self._settle_ended(name, backend, [report for report in reports if report.state == "ended"])

    def _top_up(self, name: str, report: WorkerReport, hired: _Hired | None) -> None:
        if hired is None or report.overhead_usd is None or report.overhead_usd < hired.holds_usd * Decimal("0.8"):
            return
        more = usd(hired.ticket.reserved_usd)
        topped = self._ledger.top_up(hired.ticket.job, more)
        if isinstance(topped, Locked | OverBudget):
            log.warning("no more money for machine %s of %s: %s", report.worker, name, topped)
            return
        self._hired[name, report.worker] = _Hired(hired.ticket, hired.holds_usd + more)

    async def _settle_ended(self, name: str, backend: _RentsMachines, ended: Sequence[WorkerReport]) -> None:
        for report in ended:
            hired = self._hired.pop((name, report.worker), None)
            if hired is None:
                continue
            cost = report.cost_usd if report.cost_usd is not None else hired.holds_usd
            self._ledger.return_worker(hired.ticket.job, Charge(usd(cost), estimated=True), report.why)
            self._ledger.workers.ended(_worker(report, hired))

    async def _settle_vanished(self, name: str, backend: _RentsMachines, before: Sequence[Job]) -> None:
        """Machines that ended while nobody looked: they lived at most for so long after they were last heard of."""
        there = {report.worker for report in await backend.workers()}
        heard = {worker.provider_id: worker for worker in self._ledger.workers.all(name)}
        for job in before:
            hired = self._hired.get((name, job.provider_id))
            if hired is None or job.provider_id in there:
                continue
            worker = heard.get(job.provider_id)
            self._hired.pop((name, job.provider_id))
            bill = _last_bill(worker) if worker is not None else None
            said = "it ended while nobody looked: reckoned to the end of its lease"
            self._ledger.return_worker(job.ticket.job, Charge(usd(bill or job.held_usd), estimated=True), said)
            if worker is not None:
                self._ledger.workers.ended(worker)

    def note(self, name: str, health: Health, in_hand: str, seconds_per_frame: float | None) -> None:
        """Note how a backend that rents no machines is, so that it stands in the table of workers."""
        if name not in self._renting:
            state = "ready" if health.ready else "away"
            worker = Worker(name, name, state=state, job_in_hand=in_hand, why=health.why)
            self._ledger.workers.heard(replace(worker, seconds_per_frame=seconds_per_frame))

    async def end(self) -> None:
        """The run is over: end what has idled for long enough and settle it. What is warm stays for the next run."""
        for name, backend in self._renting.items():
            try:
                await backend.end_idle()
                await self._look_at(name, backend)
            except _AWAY as error:
                log.warning("the machines of %s can't be looked at: %s", name, error)


def _lives(job: Job) -> bool:
    return job.state not in (
        JobState.INDEXED,
        JobState.RETURNED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.LOST,
    )


def _worker(report: WorkerReport, hired: _Hired | None) -> Worker:
    return Worker(
        backend=report.backend,
        provider_id=report.worker,
        name=report.name,
        job=hired.ticket.job if hired else "",
        state=report.state,
        model=report.model,
        job_in_hand=report.job,
        price_hour_usd=report.usd_per_hour,
        why=report.why,
    )


def _last_bill(worker: Worker) -> Decimal | None:
    if worker.price_hour_usd is None:
        return None
    started, heard = (datetime.datetime.fromisoformat(time_) for time_ in (worker.started_at, worker.heard_at))
    seconds = (heard - started).total_seconds() + SILENT_S
    return Decimal(str(round(seconds, 3))) * worker.price_hour_usd / 3600
