"""Where the money is: what is reserved, settled and uncertain, by day, shot, engine and approval, and line by line."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, true

from film_pipeline.core.jobs import ENDED, LIVE, UNDONE, JobState
from film_pipeline.core.money import dollars, micros_of, usd
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.approvals import Approvals, takes_of
from film_pipeline.stores.ledger.books import Balances, Books, stamp
from film_pipeline.stores.ledger.entries import Entry, post
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS, SPEND

By = Literal["day", "shot", "engine", "approval"]
COLUMNS = (
    "number",
    "at",
    "kind",
    "reserved_usd",
    "settled_usd",
    "estimated",
    "shot",
    "take",
    "frame",
    "engine",
    "worker",
    "signer",
    "approval",
    "job",
    "provider_id",
    "entered_by",
    "note",
)
"""The columns of the table of entries, in order."""
_LIVE = [state.value for state in LIVE]


@dataclass(frozen=True)
class Money:
    """Sums. settled_usd: spent. reserved_usd: set aside, not spent; of it uncertain_usd for jobs that are in doubt."""

    reserved_usd: Decimal
    uncertain_usd: Decimal
    settled_usd: Decimal

    @property
    def used_usd(self) -> Decimal:
        return self.reserved_usd + self.settled_usd


@dataclass(frozen=True)
class Total(Money):
    """The whole production. estimated_usd: of what is settled, that which is our own reckoning until the provider says.

    left_usd is less than nothing where providers charged more than was set aside.
    """

    estimated_usd: Decimal
    budget_usd: Decimal

    @property
    def left_usd(self) -> Decimal:
        return self.budget_usd - self.used_usd


@dataclass(frozen=True)
class Left:
    """What an approval still lets through."""

    takes: int
    usd: Decimal


class Spend:
    """Questions about money, and the two entries that people make by hand."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def total(self) -> Total:
        with self._books.reading() as connection:
            all_of_it = self._books.balances(connection).total
            uncertain = _sum(connection, JOBS.c.held_micros, JOBS.c.state == JobState.UNCERTAIN.value)
            estimated = _sum(connection, JOBS.c.charged_micros, JOBS.c.estimated)
        return Total(
            reserved_usd=dollars(all_of_it.reserved),
            uncertain_usd=dollars(uncertain),
            settled_usd=dollars(all_of_it.settled),
            estimated_usd=dollars(estimated),
            budget_usd=dollars(self._books.budget),
        )

    def by(self, what: By, day: str = "") -> dict[str, Money]:
        """Sums by UTC day, shot, engine (the backend) or approval. day: only what was reserved or spent on that one.

        Where nobody signed, or no shot or engine is known, the key is empty.
        """
        settled_on, reserved_on = _on(SPEND.c.at, day), _on(JOBS.c.reserved_at, day)
        with self._books.reading() as connection:
            settled = _sums(connection, SPEND, _key(SPEND, what), SPEND.c.settled_micros, settled_on)
            live = and_(JOBS.c.state.in_(_LIVE), reserved_on)
            held = _sums(connection, JOBS, _key(JOBS, what), JOBS.c.held_micros, live)
            in_doubt = and_(JOBS.c.state == JobState.UNCERTAIN.value, reserved_on)
            uncertain = _sums(connection, JOBS, _key(JOBS, what), JOBS.c.held_micros, in_doubt)
        return {
            key: Money(dollars(held.get(key, 0)), dollars(uncertain.get(key, 0)), dollars(settled.get(key, 0)))
            for key in sorted({*settled, *held})
        }

    def left(self, approval: str, now: datetime.datetime | None = None) -> Left:
        """What is left of an approval; nothing where it is void. Raises FilmProblem where there is none."""
        with self._books.reading() as connection:
            signed = Approvals(self._books).looked_at(connection, approval, self._books.time(now))
            if signed is None:
                raise FilmProblem(f"there is no approval {approval}", "film approvals lists them")
            if signed.approval is None or not signed.good:
                return Left(0, Decimal(0))
            used = self._books.balances(connection).of(approval).used
            takes = takes_of(connection, approval)
        return Left(signed.approval.takes - len(takes), signed.approval.cap_usd - dollars(used))

    def rows(self, day: str = "") -> Iterator[dict[str, str]]:
        """Every entry as text, in order, with the columns of `COLUMNS`: for CSV and for tables."""
        job = (JOBS.c.take, JOBS.c.frame, JOBS.c.worker, JOBS.c.provider_id)
        query = (
            select(SPEND, APPROVALS.c.signer, *job)
            .outerjoin(JOBS, JOBS.c.job == SPEND.c.job)
            .outerjoin(APPROVALS, APPROVALS.c.id == SPEND.c.approval)
            .where(_on(SPEND.c.at, day))
            .order_by(SPEND.c.number)
        )
        with self._books.reading() as connection:
            for row in connection.execution_options(stream_results=True).execute(query).mappings():
                yield {column: _written(row, column) for column in COLUMNS}

    def overhead(
        self, amount: Decimal, backend: str, note: str, by: str = "", now: datetime.datetime | None = None
    ) -> None:
        """Enter what a provider charged for something that nobody signed for: a machine that the ledger never knew."""
        self._enter(Entry("overhead", backend=backend, settled=micros_of(usd(amount)), entered_by=by, note=note), now)

    def stray(self, backend: str, worker: str, cost: Decimal, now: datetime.datetime | None = None) -> None:
        """Enter what a machine that the ledger never knew has cost by now, less what of it was entered before."""
        note = f"machine {worker}, which nobody signed for"
        with self._books.writing() as connection:
            known = (SPEND.c.backend == backend) & (SPEND.c.job == "") & (SPEND.c.note == note)
            more = micros_of(usd(cost)) - _sum(connection, SPEND.c.settled_micros, known)
            if more > 0:
                entry = Entry("overhead", backend=backend, settled=more, estimated=True, note=note)
                post(connection, [entry], stamp(self._books.time(now)))

    def adjust(
        self, more: Decimal, by: str, note: str, approval: str = "", now: datetime.datetime | None = None
    ) -> None:
        """Correct what was spent by so much more (or less, where negative), because an invoice says otherwise.

        Raises FilmProblem where nobody says who corrects and why.
        """
        if not by or not note:
            raise FilmProblem("a correction needs a name and a reason", "say who corrects it, and why")
        entry = Entry("adjust", approval=approval, settled=micros_of(more), entered_by=by, note=note)
        self._enter(entry, now)

    def overruns(self) -> dict[str, Decimal]:
        """By how much approvals cost more than their caps; under the empty key the production more than its budget.

        Providers may charge more than was set aside. It is spent then, and nothing more is let through.
        """
        with self._books.reading() as connection:
            balances = self._books.balances(connection)
            caps = connection.execute(select(APPROVALS.c.id, APPROVALS.c.cap_micros)).all()
        return overrun({row.id: row.cap_micros for row in caps}, balances, self._books.budget)

    def audit(self) -> list[str]:
        """What does not add up: nothing, unless somebody wrote into the database by hand."""
        with self._books.reading() as connection:
            entered = select(
                SPEND.c.job,
                func.sum(SPEND.c.reserved_micros).label("reserved"),
                func.sum(SPEND.c.settled_micros).label("settled"),
            )
            sums = {row.job: row for row in connection.execute(entered.where(SPEND.c.job != "").group_by(SPEND.c.job))}
            jobs = connection.execute(select(JOBS)).all()
            several = (
                select(JOBS.c.task)
                .where(JOBS.c.state.not_in([state.value for state in UNDONE]))
                .group_by(JOBS.c.task)
                .having(func.count() > 1)
            )
            doubled = connection.execute(several).scalars().all()
        wrong = [f"{task} has several jobs in work or made" for task in doubled]
        wrong += [f"job {job} has entries and does not exist" for job in sorted({*sums} - {row.job for row in jobs})]
        for row in jobs:
            held, settled = (int(sums[row.job].reserved), int(sums[row.job].settled)) if row.job in sums else (0, 0)
            if (held, settled) != (row.held_micros, row.charged_micros or 0):
                wrong.append(
                    f"job {row.job} says {row.held_micros} and {row.charged_micros}, entries {held}, {settled}"
                )
            if row.state in ENDED and row.held_micros:
                wrong.append(f"job {row.job} has ended and holds money")
        return wrong

    def _enter(self, entry: Entry, now: datetime.datetime | None) -> None:
        with self._books.writing() as connection:
            post(connection, [entry], stamp(self._books.time(now)))


def overrun(caps: Mapping[str, int], balances: Balances, budget: int) -> dict[str, Decimal]:
    """See `Spend.overruns`. caps: of each approval, in millionths of a dollar."""
    over = {approval: balances.of(approval).used - cap for approval, cap in caps.items()}
    over[""] = balances.total.used - budget
    return {key: dollars(micros) for key, micros in over.items() if micros > 0}


def _on(moment: ColumnElement[str], day: str) -> ColumnElement[bool]:
    """Moments of one UTC day, or all. As a range, because no index is asked for the beginning of a text."""
    if not day:
        return true()
    after = datetime.date.fromisoformat(day) + datetime.timedelta(days=1)
    return and_(moment >= day, moment < after.isoformat())


def _key(table: Table, what: By) -> ColumnElement[str]:
    if what == "day":
        return func.substr(table.c.reserved_at if table is JOBS else table.c.at, 1, 10)
    return table.c["backend" if what == "engine" else what]


def _sum(connection: Connection, column: ColumnElement[Any], where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.sum(column)).where(where)).scalar() or 0)


def _sums(
    connection: Connection, table: Table, key: ColumnElement[str], column: ColumnElement[Any], where: Any
) -> dict[str, int]:
    query = select(key.label("key"), func.sum(column).label("sum")).select_from(table).where(where).group_by(key)
    return {row.key: int(row.sum or 0) for row in connection.execute(query)}


def _written(row: Any, column: str) -> str:
    names = {"engine": "backend"}
    if column in ("reserved_usd", "settled_usd"):
        return f"{dollars(row[column.replace('usd', 'micros')]):f}"
    value = row[names.get(column, column)]
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
