"""The ledger of a production: one door to all its rooms."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Self

from film_pipeline.core.gate import (
    Admission,
    Approval,
    Covered,
    GateLocked,
    Locked,
    Order,
    OverBudget,
    Reserved,
    Ticket,
    Verdict,
    Work,
    WorkerOrder,
)
from film_pipeline.core.jobs import Charge, JobState, Move, Outcome
from film_pipeline.core.money import micros_of, usd
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver, Production
from film_pipeline.stores.ledger.admitting import Admitting
from film_pipeline.stores.ledger.approvals import Approvals
from film_pipeline.stores.ledger.books import Books, Clock, utc_now
from film_pipeline.stores.ledger.clearing import Ask, Plan, Price, clear
from film_pipeline.stores.ledger.cursors import Cursors
from film_pipeline.stores.ledger.invitations import Invitations
from film_pipeline.stores.ledger.jobs import AfterCrash, Job, Jobs
from film_pipeline.stores.ledger.news import Newsroom
from film_pipeline.stores.ledger.notes import Notes
from film_pipeline.stores.ledger.people import People
from film_pipeline.stores.ledger.reserving import Reserving
from film_pipeline.stores.ledger.sessions import Sessions
from film_pipeline.stores.ledger.shares import Shares
from film_pipeline.stores.ledger.spend import Spend
from film_pipeline.stores.ledger.takes import Take, Takes, TakeWish
from film_pipeline.stores.ledger.tally import Tally
from film_pipeline.stores.ledger.verdicts import Verdicts
from film_pipeline.stores.ledger.workers import Workers

LEDGER_FILE = "ledger.sqlite"


class Ledger:
    """Approvals, tickets, jobs and money of one production. Behind the `core.gate.Gate` of backends is its `admit`.

    place: an SQLite file, or the URL of a Postgres database, which may be the frame store's own. Every method raises
    FilmProblem where the database refuses. `now` is the clock's where it is not given.
    """

    def __init__(
        self,
        place: Path | str,
        production: str,
        approvers: Sequence[Approver],
        budget_usd: Decimal,
        clock: Clock = utc_now,
    ) -> None:
        books = Books(place, production, approvers, budget_usd, clock)
        self.books = books
        self.approvals = Approvals(books)
        self.takes = Takes(books)
        self.jobs = Jobs(books)
        self.spend = Spend(books)
        self.tally = Tally(books)
        self.people = People(books)
        self.notes = Notes(books)
        self.verdicts = Verdicts(books)
        self.workers = Workers(books)
        self.cursors = Cursors(books)
        self.sessions = Sessions(books)
        self.invitations = Invitations(books)
        self.shares = Shares(books)
        self.news = Newsroom(books)
        self._reserving = Reserving(books)
        self._admitting = Admitting(books)

    @classmethod
    def of(cls, production: Production, place: Path | str, clock: Clock = utc_now) -> Self:
        """The ledger of a production, opened on the word of its production.yaml.

        Raises FilmProblem where its budget is in another currency than the one that providers charge in.
        """
        _check_currency(production)
        return cls(place, production.name, production.approvers, production.budget, clock)

    def reread(self, production: Production) -> None:
        """Go on on the word of production.yaml as it is now: who may sign, and how much may be spent."""
        _check_currency(production)
        self.books.check_name(production.name)
        self.books.heed(production.approvers, production.budget)

    @property
    def id(self) -> str:
        """What approvals name, so that they open no other ledger."""
        return self.books.id

    def close(self) -> None:
        self.books.database.close()

    # The gate

    def add(self, approval: Approval, now: datetime.datetime | None = None) -> int:
        """Enter what was signed. Raises GateLocked where it opens nothing."""
        return self.approvals.add(approval, now)

    def revoke(self, approval: str, by: str, why: str, now: datetime.datetime | None = None) -> list[str]:
        """Take an approval back; the jobs are returned that were reserved on it, which are cancelled."""
        return self.approvals.revoke(approval, by, why, now)

    def verdict(
        self,
        shot: str,
        work: Work,
        covered: Covered,
        backends: Sequence[str],
        now: datetime.datetime | None = None,
        asking_usd: Decimal = Decimal(0),
        take: int | None = None,
    ) -> Verdict:
        """Whether the gate is open for a shot as it is now, at any of these backends, and why it is not: every reason.

        asking_usd: what it would cost, where that is known. take: one that was opened; a new one where it is not given.
        """
        price = Price(known=micros_of(usd(asking_usd)))
        ask = Ask(shot, work, covered, tuple(backends), take, False, price)
        with self.books.reading() as connection:
            plan = Plan(self.books.balances(connection))
            return clear(self.books, connection, ask, plan, self.books.time(now))

    def open_take(self, wish: TakeWish, now: datetime.datetime | None = None) -> Take | Locked | OverBudget:
        """Give a take its number. The same wish again gets the same take."""
        return self.takes.open(wish, now)

    def reserve(self, orders: Sequence[Order], now: datetime.datetime | None = None) -> Reserved | Locked | OverBudget:
        """Tickets for frames, all in one transaction, or none and why."""
        return self._reserving.reserve(orders, now)

    def hire(self, order: WorkerOrder, now: datetime.datetime | None = None) -> Reserved | Locked | OverBudget:
        """A ticket for the time of a worker."""
        return self._reserving.hire(order, now)

    def top_up(
        self, worker: str, more_usd: Decimal, now: datetime.datetime | None = None
    ) -> Ticket | Locked | OverBudget:
        """More time for a hired worker: its ticket as it is then."""
        return self._reserving.top_up(worker, more_usd, now)

    def admit(self, ticket: Ticket, covered: Covered, now: datetime.datetime | None = None) -> Admission:
        """Let a ticket through, once. Raises GateLocked."""
        return self._admitting.admit(ticket, covered, now)

    def admit_all(
        self, asked: Sequence[tuple[Ticket, Covered]], now: datetime.datetime | None = None
    ) -> list[Admission | GateLocked]:
        """Let tickets through, each once and by itself, in one transaction: what `admit` gives or raises for each."""
        return self._admitting.admit_all(asked, now)

    # Jobs

    def move(self, *moves: Move, now: datetime.datetime | None = None) -> list[Job]:
        """Move jobs, all in one transaction. Raises IllegalMove, and has then moved none."""
        return self.jobs.move(moves, now)

    def settle(self, charges: Mapping[str, Charge], now: datetime.datetime | None = None) -> list[Job]:
        """Enter what jobs cost; the newest word on a job replaces the older one."""
        return self.jobs.settle(charges, now)

    def return_worker(self, worker: str, bill: Charge, error: str = "", now: datetime.datetime | None = None) -> Job:
        """A hired worker is back with its provider. bill: for all its time, what its frames were charged included."""
        moved = self.jobs.move([Move(worker, JobState.RETURNED, error=error, charge=bill)], now)
        return next(job for job in moved if job.ticket.job == worker)

    def resolve(self, job: str, outcome: Outcome, by: str, now: datetime.datetime | None = None) -> Job:
        """Say what came of a job that was in doubt."""
        return self.jobs.resolve(job, outcome, by, now)

    def after_crash(self, shots: Collection[str] | None = None, now: datetime.datetime | None = None) -> AfterCrash:
        """Take up what a dead run left. Only who holds the claims of these shots may ask."""
        return self.jobs.after_crash(shots, now)


def _check_currency(production: Production) -> None:
    if production.budget and production.currency != "USD":
        raise FilmProblem(
            f"the budget is in {production.currency}, and providers charge USD",
            "write the budget in USD: `currency: USD`",
            field_name="currency",
        )
