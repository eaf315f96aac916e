"""Hiring machines: their money is set aside before one is rented, and kept until it is known whether there is one."""

from collections.abc import Mapping
from dataclasses import dataclass

from film_pipeline.core.gate import GateLocked, Locked, OverBudget, Ticket, WorkerOrder
from film_pipeline.core.generating import FrameWork, RentingBackend, SubmitFailed
from film_pipeline.core.jobs import Found, JobState, Move, NeverSubmitted
from film_pipeline.core.money import usd
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.books import stamp
from film_pipeline.stores.ledger.jobs import Job

_SHORTLY_S = 5.0


@dataclass(frozen=True)
class Hire:
    """The ticket that a machine's time is paid on. frame_job: the order that it is rented for.

    in_doubt_since: as the ledger says it; empty while its backend will still say what comes of it.
    """

    ticket: Ticket
    in_doubt_since: str = ""

    @property
    def frame_job(self) -> str:
        return frame_job_of(self.ticket)


class Hiring:
    """The tenant of every backend that rents.

    on_the_way: hires of machines of which it is not known yet whether they are there, by the job of their order.
    hired: those of machines that are, by backend and the provider's id.
    """

    def __init__(self, ledger: Ledger, renting: Mapping[str, RentingBackend], scribe: Scribe) -> None:
        self._ledger, self._renting, self._scribe = ledger, renting, scribe
        self.on_the_way: dict[str, Hire] = {}
        self.hired: dict[tuple[str, str], Ticket] = {}

    async def about_to_rent(self, backend: str, ticket: Ticket, work: FrameWork) -> None:
        """See `core.generating.Tenant`. The hire passes the gate now: a crash leaves it in doubt, and not free."""
        overhead = self._renting[backend].overhead_usd()
        if overhead is None:
            raise SubmitFailed(f"what a machine of {backend} costs is unknown: nothing is rented", _SHORTLY_S)
        order = WorkerOrder(name_of(backend, ticket.job), work.shot, work.work, work.covered, backend, usd(overhead))
        hired = await self._scribe.do(self._ledger.hire, order)
        if isinstance(hired, Locked | OverBudget):
            raise SubmitFailed(f"no machine can be rented: {hired}", spill=True)
        placed = hired.placed[0]
        if placed.state is not JobState.RESERVED:
            raise SubmitFailed(f"a machine for this order is {placed.state.value} already", _SHORTLY_S)
        try:
            await self._scribe.admit(placed.ticket, work.covered)
        except GateLocked as locked:
            await self._scribe.move(Move(placed.ticket.job, JobState.CANCELLED, error=str(locked)))
            raise SubmitFailed(f"no machine can be rented: {locked}", spill=True) from locked
        self.on_the_way[ticket.job] = Hire(placed.ticket)

    async def rented(self, backend: str, ticket: Ticket, worker: str) -> None:
        await self.found(self.on_the_way[ticket.job], worker)

    async def not_rented(self, backend: str, ticket: Ticket, why: str) -> None:
        await self.came_to_nothing(self.on_the_way[ticket.job], why)

    async def in_doubt(self, backend: str, ticket: Ticket, why: str) -> None:
        hire = self.on_the_way[ticket.job]
        await self._scribe.move(Move(hire.ticket.job, JobState.UNCERTAIN, error=why))
        self.on_the_way[ticket.job] = Hire(hire.ticket, stamp(self._ledger.books.time(None)))

    async def found(self, hire: Hire, worker: str) -> None:
        """There is a machine for the hire."""
        job = hire.ticket.job
        # Known before it is written, so that nobody takes the machine for a stranger's meanwhile.
        self.hired[hire.ticket.backend, worker] = hire.ticket
        self.on_the_way.pop(hire.frame_job, None)
        if hire.in_doubt_since:
            await self._scribe.do(self._ledger.resolve, job, Found(worker), hire.ticket.backend)
        else:
            await self._scribe.move(Move(job, JobState.SUBMITTED, worker, worker))

    async def came_to_nothing(self, hire: Hire, why: str) -> None:
        """There is none, and there will be none."""
        job = hire.ticket.job
        if hire.in_doubt_since:
            await self._scribe.do(self._ledger.resolve, job, NeverSubmitted(), hire.ticket.backend)
        else:
            await self._scribe.move(Move(job, JobState.FAILED, error=why))
        self.on_the_way.pop(hire.frame_job, None)

    async def take_up(self, job: Job, claimed: bool) -> None:
        """Take up a hire that a run before this one left. claimed: whether its shot is ours, so that no other run's is.

        Where it was only reserved, nothing was rented on it: the gate comes before renting.
        """
        match job.state:
            case JobState.SUBMITTED | JobState.RUNNING:
                self.hired[job.ticket.backend, job.provider_id] = job.ticket
            case JobState.UNCERTAIN:
                self.on_the_way[frame_job_of(job.ticket)] = Hire(job.ticket, job.moved_at)
            case JobState.RESERVED if claimed:
                await self._scribe.move(Move(job.ticket.job, JobState.CANCELLED, error="nothing was rented on it"))


def name_of(backend: str, frame_job: str) -> str:
    """What a hire is called: its machine is rented for the order of that job."""
    return f"{backend}/{frame_job}"


def frame_job_of(hire: Ticket) -> str:
    return hire.task.rpartition("/")[2]
