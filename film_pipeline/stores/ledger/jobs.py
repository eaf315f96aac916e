"""Jobs: how they move from state to state, and how their money moves with them, many in one transaction."""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, true, update

from film_pipeline.core.gate import Ticket, TicketWork
from film_pipeline.core.jobs import (
    ENDED,
    LIVE,
    UNDONE,
    Charge,
    Found,
    JobState,
    Move,
    NeverSubmitted,
    Outcome,
    PaidAndLost,
    check_move,
)
from film_pipeline.core.money import dollars
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, in_chunks, stamp, storable
from film_pipeline.stores.ledger.entries import post
from film_pipeline.stores.ledger.schema import JOBS
from film_pipeline.stores.ledger.settling import WORKER, Bill, Hand

_NOT_SENT = frozenset({JobState.RESERVED, JobState.SUBMITTING})


@dataclass(frozen=True)
class Job:
    """A job as the ledger knows it. held_usd: still set aside. charged_usd: None where nobody has charged anything."""

    ticket: Ticket
    state: JobState
    recipe_sha256: str
    held_usd: Decimal
    charged_usd: Decimal | None
    estimated: bool
    provider_id: str
    worker: str
    seconds: float | None
    error: str
    decided_by: str
    reserved_at: str
    submitted_at: str
    moved_at: str

    @property
    def over_usd(self) -> Decimal:
        """How much more it cost than was set aside for it."""
        return max(Decimal(0), (self.charged_usd or Decimal(0)) - self.ticket.reserved_usd)


@dataclass(frozen=True)
class UnderWay:
    """The jobs of a take at a backend that have not ended. states: how many are in each."""

    shot: str
    work: str
    take: int
    backend: str
    states: Mapping[JobState, int]
    held_usd: Decimal
    began_at: str
    moved_at: str


@dataclass(frozen=True)
class AfterCrash:
    """What a run that died left behind, for the next one to take up.

    reserved: nothing was sent: take the tickets to the gate, or cancel them. in_doubt: nobody knows whether they were
    sent; all are uncertain now; ask the backend and `resolve` them as Found or NeverSubmitted where it can tell, and
    leave the others to a person. to_resume: ask the provider by their ids. to_index: the picture is on our disk.
    """

    reserved: tuple[Job, ...]
    in_doubt: tuple[Job, ...]
    to_resume: tuple[Job, ...]
    to_index: tuple[Job, ...]


class Jobs:
    """The jobs of the production."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def move(self, moves: Sequence[Move], now: datetime.datetime | None = None) -> list[Job]:
        """Move jobs, all in one transaction and in this order; returns each job that moved, as it is then.

        A job that ends lets go of its money: what it was charged is settled, the rest is free again. Where a frame is
        indexed and nobody knows what it cost, all that was set aside counts as spent, as an estimate.
        Only `admit` moves a job to submitting. Raises IllegalMove or FilmProblem, and has then moved nothing.
        """
        moment = stamp(self._books.time(now))
        with self._books.writing() as connection:
            hands = _in_hand(connection, [move.job for move in moves])
            bill = Bill(connection, hands)
            for move in moves:
                _move(hands[move.job], move, bill, moment)
            return self._put_down(connection, bill, moment)

    def settle(self, charges: Mapping[str, Charge], now: datetime.datetime | None = None) -> list[Job]:
        """Enter what jobs cost, all in one transaction; the newest word on a job replaces the older one.

        More than was set aside is entered too, with a note: it is spent, whatever the cap says. Late bills of jobs that
        have ended are welcome. Raises FilmProblem for a job that was never sent.
        """
        moment = stamp(self._books.time(now))
        with self._books.writing() as connection:
            hands = _in_hand(connection, charges)
            bill = Bill(connection, hands)
            for job, charge in charges.items():
                if hands[job].state in _NOT_SENT:
                    raise FilmProblem(f"job {job} was never sent, so it can't have cost anything", "release it")
                bill.charge(hands[job], charge)
            return self._put_down(connection, bill, moment)

    def resolve(self, job: str, outcome: Outcome, by: str, now: datetime.datetime | None = None) -> Job:
        """Say what came of a job that was in doubt. by: the person, or the backend whose word it is.

        Raises IllegalMove where the job is not in doubt.
        """
        moment = stamp(self._books.time(now))
        with self._books.writing() as connection:
            hands = _in_hand(connection, [job])
            bill = Bill(connection, hands)
            hand, nobody_knows = hands[job], outcome == PaidAndLost()
            if nobody_knows and hand.values["charged_micros"] is None:
                bill.spend_what_is_held(hand, by)
            _move(hand, _resolution(job, outcome, by), bill, moment)
            return next(moved for moved in self._put_down(connection, bill, moment) if moved.ticket.job == job)

    def after_crash(self, shots: Collection[str] | None = None, now: datetime.datetime | None = None) -> AfterCrash:
        """Take up what a dead run left on these shots (on all): what was being submitted is uncertain from now on.

        Only who holds the claims of these shots may ask, or the jobs of a living run are called uncertain.
        """
        moment = stamp(self._books.time(now))
        mine = true() if shots is None else JOBS.c.shot.in_(shots)
        with self._books.writing() as connection:
            in_submission = mine & (JOBS.c.state == JobState.SUBMITTING.value)
            doubt = "the run ended while it was being submitted"
            doubtful = {"state": JobState.UNCERTAIN.value, "error": doubt, "moved_at": moment}
            connection.execute(update(JOBS).where(in_submission).values(doubtful))
            left = _jobs(connection, mine & JOBS.c.state.not_in([state.value for state in ENDED]))
        return AfterCrash(
            reserved=_in_states(left, JobState.RESERVED),
            in_doubt=_in_states(left, JobState.UNCERTAIN),
            to_resume=_in_states(left, JobState.SUBMITTED, JobState.RUNNING),
            to_index=_in_states(left, JobState.FETCHED),
        )

    def one(self, job: str) -> Job | None:
        with self._books.reading() as connection:
            found = _jobs(connection, JOBS.c.job == job)
        return found[0] if found else None

    def live(self, jobs: Collection[str]) -> set[str]:
        """Those of these jobs that have not ended."""
        living = JOBS.c.state.in_([state.value for state in LIVE])
        with self._books.reading() as connection:
            chunks = (select(JOBS.c.job).where(JOBS.c.job.in_(chunk), living) for chunk in in_chunks(jobs))
            return {job for query in chunks for job in connection.execute(query).scalars()}

    def of(
        self, shot: str = "", states: Collection[JobState] = (), backend: str = "", take: int | None = None
    ) -> list[Job]:
        """The jobs of a shot, in some states, at a backend, of a take: whatever is given. Oldest first."""
        where: ColumnElement[bool] = true()
        if shot:
            where &= JOBS.c.shot == shot
        if states:
            where &= JOBS.c.state.in_([state.value for state in states])
        if backend:
            where &= JOBS.c.backend == backend
        if take is not None:
            where &= JOBS.c.take == take
        with self._books.reading() as connection:
            return _jobs(connection, where)

    def last_on(self, backend: str, worker: str) -> tuple[bool, str]:
        """Whether frames are at work on a machine, and when anything last happened to one there; empty if never."""
        on_it = (JOBS.c.backend == backend) & (JOBS.c.worker == worker) & (JOBS.c.work != "worker")
        with self._books.reading() as connection:
            rows = connection.execute(select(JOBS.c.state, JOBS.c.moved_at).where(on_it)).all()
        at_work = {JobState.SUBMITTED.value, JobState.RUNNING.value}
        return any(row.state in at_work for row in rows), max((row.moved_at for row in rows), default="")

    def at_provider(self, backend: str, provider_id: str) -> Job | None:
        """The job that a provider knows by this id."""
        with self._books.reading() as connection:
            found = _jobs(connection, (JOBS.c.backend == backend) & (JOBS.c.provider_id == provider_id))
        return found[-1] if found else None

    def counts(self, states: Collection[JobState] = tuple(JobState)) -> dict[tuple[str, JobState], int]:
        """How many jobs of each backend are in each of these states: its queue, for the table of workers."""
        counted = select(JOBS.c.backend, JOBS.c.state, func.count()).group_by(JOBS.c.backend, JOBS.c.state)
        if len(states) < len(JobState):
            # Answered from the index of states: those that ended are as many as the film has frames.
            counted = counted.where(JOBS.c.state.in_([state.value for state in states]))
        with self._books.reading() as connection:
            return {(backend, JobState(state)): count for backend, state, count in connection.execute(counted)}

    def under_way(self) -> list[UnderWay]:
        """What has not ended, by take and backend, what was sent first first."""
        key = (JOBS.c.shot, JOBS.c.work, JOBS.c.take, JOBS.c.backend)
        sums = (func.count(), func.sum(JOBS.c.held_micros), func.min(JOBS.c.reserved_at), func.max(JOBS.c.moved_at))
        query = select(*key, JOBS.c.state, *sums).where(JOBS.c.state.in_([state.value for state in LIVE]))
        found: dict[tuple[str, str, int, str], UnderWay] = {}
        with self._books.reading() as connection:
            for row in connection.execute(query.group_by(*key, JOBS.c.state)):
                shot, work, take, backend, state, count, held, began, moved = row
                one = found.get((shot, work, take, backend))
                one = one or UnderWay(shot, work, take, backend, {}, Decimal(0), began, moved)
                found[shot, work, take, backend] = replace(
                    one,
                    states={**one.states, JobState(state): count},
                    held_usd=one.held_usd + dollars(held),
                    began_at=min(one.began_at, began),
                    moved_at=max(one.moved_at, moved),
                )
        return sorted(found.values(), key=lambda one: (one.began_at, one.shot, one.take))

    def on_machine(self, backend: str, worker: str) -> tuple[int, Decimal]:
        """How many frames were charged that a machine made, and what they were charged."""
        on_it = (JOBS.c.backend == backend) & (JOBS.c.worker == worker) & (JOBS.c.work != WORKER)
        query = select(func.count(), func.sum(JOBS.c.charged_micros)).where(on_it, JOBS.c.charged_micros.is_not(None))
        with self._books.reading() as connection:
            count, charged = connection.execute(query).one()
        return count, dollars(charged or 0)

    def _put_down(self, connection: Connection, bill: Bill, moment: str) -> list[Job]:
        """Write what was changed, entries and all."""
        changed = [hand for hand in bill.hands.values() if hand.changed]
        if changed:
            statement = update(JOBS).where(JOBS.c.job == bindparam("of_job"))
            columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in Hand.CHANGING}
            connection.execute(statement.values(columns), [hand.row() for hand in changed])
        post(connection, bill.entries, moment)
        return [job_of_row(hand.values) for hand in changed]


def _move(hand: Hand, move: Move, bill: Bill, moment: str) -> None:
    check_move(move.job, hand.state, move.to, hand.is_worker)
    if move.to is JobState.SUBMITTING:
        raise FilmProblem(f"job {move.job} does not get past the gate by itself", "take its ticket to `admit`")
    hand.put(state=move.to.value, moved_at=moment)
    learnt = {"provider_id": move.provider_id, "worker": move.worker, "error": move.error, "decided_by": move.by}
    hand.put(**{name: storable(value) for name, value in learnt.items() if value})
    if move.seconds is not None:
        hand.put(seconds=move.seconds)
    if move.to is JobState.SUBMITTED:
        if not hand.values["provider_id"]:
            raise FilmProblem(f"job {move.job} was submitted and the provider gave no id", "give its id with the move")
        hand.put(submitted_at=moment, error=storable(move.error))
    if move.charge is not None:
        bill.charge(hand, move.charge, move.by)
    if move.to in UNDONE:
        bill.release(hand, move.by)
    elif move.to in ENDED and hand.values["charged_micros"] is None:
        if hand.is_worker:
            raise FilmProblem(f"worker {move.job} is returned without its bill", "give the charge with the move")
        bill.spend_what_is_held(hand, move.by)


def _resolution(job: str, outcome: Outcome, by: str) -> Move:
    match outcome:
        case Found():
            return Move(job, JobState.SUBMITTED, outcome.provider_id, by=by)
        case NeverSubmitted():
            return Move(job, JobState.FAILED, error="it was never submitted", by=by)
        case PaidAndLost():
            return Move(job, JobState.LOST, error="it was paid for and is lost", charge=outcome.charge, by=by)


def _in_hand(connection: Connection, jobs: Iterable[str]) -> dict[str, Hand]:
    """The rows of these jobs, in the order asked. Raises FilmProblem where there is no such job."""
    found: dict[str, Hand] = {}
    wanted = list(dict.fromkeys(jobs))
    for chunk in in_chunks(wanted):
        for row in connection.execute(select(JOBS).where(JOBS.c.job.in_(chunk))).mappings():
            found[row["job"]] = Hand(dict(row))
    for job in wanted:
        if job not in found:
            raise FilmProblem(f"the ledger knows no job {job}", "reserve it first")
    return {job: found[job] for job in wanted}


def _jobs(connection: Connection, where: ColumnElement[bool]) -> list[Job]:
    query = select(JOBS).where(where).order_by(JOBS.c.reserved_at, JOBS.c.task, JOBS.c.attempt)
    return [job_of_row(row) for row in connection.execute(query).mappings()]


def _in_states(jobs: Iterable[Job], *states: JobState) -> tuple[Job, ...]:
    return tuple(job for job in jobs if job.state in states)


def ticket_of_row(row: Mapping[Any, Any]) -> Ticket:
    """The ticket that was issued for a job."""
    return Ticket(
        job=row["job"],
        task=row["task"],
        attempt=row["attempt"],
        approval=row["approval"],
        shot=row["shot"],
        work=cast(TicketWork, row["work"]),
        take=row["take"],
        frame=row["frame"],
        backend=row["backend"],
        reserved_usd=dollars(row["reserved_micros"]),
    )


def job_of_row(row: Mapping[Any, Any]) -> Job:
    charged = row["charged_micros"]
    return Job(
        ticket=ticket_of_row(row),
        state=JobState(row["state"]),
        recipe_sha256=row["recipe_sha256"],
        held_usd=dollars(row["held_micros"]),
        charged_usd=None if charged is None else dollars(charged),
        estimated=bool(row["estimated"]),
        provider_id=row["provider_id"],
        worker=row["worker"],
        seconds=row["seconds"],
        error=row["error"],
        decided_by=row["decided_by"],
        reserved_at=row["reserved_at"],
        submitted_at=row["submitted_at"] or "",
        moved_at=row["moved_at"],
    )
