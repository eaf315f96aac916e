"""Taking up what runs before this one left: what is under way is followed, what is in doubt is asked about."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from film_pipeline.core.gate import Ticket, Work
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.doubts import Doubts
from film_pipeline.orchestrator.homecoming import Homecoming
from film_pipeline.orchestrator.landlords import Landlords
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.sending import Spawn
from film_pipeline.orchestrator.wanted import Frame, Wanted, key_of
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.jobs import Job

log = logging.getLogger(__name__)


class TakingUp:
    """What a run does before anything else."""

    def __init__(
        self,
        ledger: Ledger,
        desks: Mapping[str, Desk],
        sheet: CallSheet,
        scribe: Scribe,
        orders: Orders,
        doubts: Doubts,
        homecoming: Homecoming,
        landlords: Landlords,
        spawn: Spawn,
        kind: Work | None = None,
    ) -> None:
        """kind: only frames of this kind are taken up, of every kind unless given."""
        self._ledger, self._desks, self._sheet, self._scribe, self._orders = ledger, desks, sheet, scribe, orders
        self._doubts, self._homecoming, self._landlords, self._spawn = doubts, homecoming, landlords, spawn
        self._kind = kind

    async def take_up(self, shots: Collection[str], wanted: Sequence[Wanted]) -> None:
        """shots: those whose claims are held. What is under way already is not ordered besides."""
        left = await self._scribe.do(self._ledger.after_crash, shots)
        await self._landlords.begin(shots)
        by_task = {one.task: one for one in wanted}
        for job in self._frames(left.reserved):
            # Nothing was sent. Its frame gets a new ticket at a price of today.
            await self._let_go(job.ticket)
        await asyncio.to_thread(self._tidy)
        for job in self._frames(left.in_doubt):
            one = self._known_again(job, by_task)
            if one is not None:
                self._doubts.add(one, job.error or "nobody knows whether it was submitted")
        for job in self._frames(left.to_resume):
            one = self._known_again(job, by_task)
            if one is not None:
                self._sheet.take(one)
                one.desk.follow(one)
        for job in self._frames(left.to_index):
            one = self._known_again(job, by_task)
            if one is not None:
                self._sheet.take(one)
                self._spawn(self._index(one, job))
        self._sheet.want(wanted)

    def _frames(self, jobs: Sequence[Job]) -> list[Job]:
        """Without the time of rented machines, which the landlords see to, and what another department files."""
        kinds = ("take", "hero") if self._kind is None else (self._kind,)
        return [job for job in jobs if job.ticket.work in kinds]

    def _tidy(self) -> None:
        """Remove what killed runs left of jobs that have ended."""
        self._orders.tidy(self._ledger.jobs.live)
        on_disk = self._homecoming.jobs_on_disk()
        for job in set(on_disk) - self._ledger.jobs.live(on_disk):
            self._homecoming.clear(job)

    async def _let_go(self, ticket: Ticket) -> None:
        await self._scribe.move(Move(ticket.job, JobState.CANCELLED, error="the run before ended first"))
        self._orders.done(ticket.job)

    def _known_again(self, job: Job, by_task: Mapping[str, Wanted]) -> InHand | None:
        """A job as this run has it in hand: what was ordered decides, not what the author's files say by now."""
        desk, wanted = self._desks.get(job.ticket.backend), by_task.get(job.ticket.task)
        self._sheet.know(job.ticket.task)
        try:
            work = wanted.work if wanted is not None else self._orders.read(job.ticket.job)
            why = "its order is gone from .film/orders"
        except FilmProblem as problem:
            work, why = None, str(problem)
        if desk is None or work is None:
            self._can_not_be_followed(job, f"{job.ticket.backend} is not in production.yaml" if desk is None else why)
            return None
        frame = Frame(wanted or Wanted(work, (desk.name,)), tries=1, again=wanted is not None)
        running = job.state is JobState.RUNNING
        return InHand(frame, job.ticket, desk, job.provider_id, running, job.worker)

    def _can_not_be_followed(self, job: Job, why: str) -> None:
        self._sheet.occupy(key_of(job))
        if job.state is JobState.UNCERTAIN:
            self._sheet.uncertain(key_of(job), job.ticket.job, why)
        else:
            said = f"job {job.ticket.job} is under way and can't be followed: {why}"
            self._sheet.problem(key_of(job), said)

    async def _index(self, one: InHand, job: Job) -> None:
        """Its picture is on our disk; where somebody removed it, its provider may still have it."""
        if not await self._homecoming.bring_from_disk(one, job):
            await self._homecoming.bring(one, None, job)
