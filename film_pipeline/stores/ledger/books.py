"""The opened books: the ledger's database, whose word opens it, and what is reserved and settled at this moment."""

import datetime
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, func, insert, select

from film_pipeline.core.money import limit, micros_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver
from film_pipeline.stores.database import Database
from film_pipeline.stores.ledger.schema import LEDGER, LEDGER_STORE, SPEND

_ASKED_AT_ONCE = 500
_SUMS = (
    select(
        SPEND.c.approval,
        func.sum(SPEND.c.reserved_micros).label("reserved"),
        func.sum(SPEND.c.settled_micros).label("settled"),
        func.max(SPEND.c.number).label("last"),
    )
    .where(SPEND.c.number > bindparam("last"))
    .group_by(SPEND.c.approval)
)
Clock = Callable[[], datetime.datetime]
T = TypeVar("T")


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Balance:
    """Money of one approval or of all, in millionths of a dollar."""

    reserved: int = 0
    settled: int = 0

    @property
    def used(self) -> int:
        return self.reserved + self.settled


@dataclass(frozen=True)
class Balances:
    """What all entries up to a number add up to."""

    last: int = 0
    approvals: Mapping[str, Balance] = field(default_factory=dict)
    total: Balance = Balance()

    def of(self, approval: str) -> Balance:
        return self.approvals.get(approval, Balance())


class Books:
    """The ledger of one production, opened.

    place: an SQLite file or the URL of a Postgres database. approvers, budget_usd: as production.yaml says them now.
    Raises FilmProblem where the ledger is of another production, or can't be opened.
    """

    def __init__(
        self,
        place: Path | str,
        production: str,
        approvers: Sequence[Approver],
        budget_usd: Decimal,
        clock: Clock = utc_now,
    ) -> None:
        self.production, self.clock = production, clock
        self.heed(approvers, budget_usd)
        self.database = Database(place, LEDGER_STORE)
        _hide_from_others(self.database.file)
        self._balances = Balances()
        self.id = self._identity()

    def heed(self, approvers: Sequence[Approver], budget_usd: Decimal) -> None:
        """Take production.yaml's word from now on. Raises ValueError for a budget finer than a millionth."""
        budget = micros_of(limit(budget_usd))
        self.approvers, self.budget = tuple(approvers), budget

    def reading(self) -> AbstractContextManager[Connection]:
        return self.database.reading()

    def writing(self) -> AbstractContextManager[Connection]:
        return self.database.writing()

    def time(self, now: datetime.datetime | None) -> datetime.datetime:
        """The moment that is asked about: the clock's where nobody says. Raises ValueError for one without a zone."""
        moment = self.clock() if now is None else now
        if moment.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return moment.astimezone(datetime.UTC)

    def balances(self, connection: Connection) -> Balances:
        """What is reserved and settled. In a transaction that writes money it is asked before the first entry.

        Entries never change and come one after the other, so what was added up once is only added to.
        """
        known = self._balances
        new = connection.execute(_SUMS, {"last": known.last}).all()
        if not new:
            return known
        approvals = dict(known.approvals)
        for row in new:
            before = known.of(row.approval)
            approvals[row.approval] = Balance(before.reserved + int(row.reserved), before.settled + int(row.settled))
        total = Balance(
            known.total.reserved + sum(int(row.reserved) for row in new),
            known.total.settled + sum(int(row.settled) for row in new),
        )
        self._balances = Balances(max(row.last for row in new), approvals, total)
        return self._balances

    def _identity(self) -> str:
        with self.reading() as connection:
            found = connection.execute(select(LEDGER).order_by(LEDGER.c.opened_at)).first()
        if found is None:
            with self.writing() as connection:
                found = connection.execute(select(LEDGER).order_by(LEDGER.c.opened_at)).first()
                if found is None:
                    row = {"id": str(uuid.uuid4()), "production": self.production, "opened_at": stamp(self.clock())}
                    connection.execute(insert(LEDGER).values(row))
                    return row["id"]
        self._check_names(found.production, self.production)
        return str(found.id)

    def check_name(self, production: str) -> None:
        """Raises FilmProblem where production.yaml has come to name another production."""
        self._check_names(self.production, production)

    def _check_names(self, mine: str, asked: str) -> None:
        if mine != asked:
            raise FilmProblem(
                f"this is the ledger of the production {mine}, not of {asked}",
                "give each production a ledger of its own; its name stays what it was, its title may change",
                file=self.database.file,
            )


def _hide_from_others(file: Path | None) -> None:
    """What people's passwords are checked against is for the owner and the group at most."""
    if file is not None and file.stat().st_uid == os.getuid():
        file.chmod(stat.S_IMODE(file.stat().st_mode) & ~stat.S_IRWXO)


def number_of(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Enter a row, and say which number the table gave it."""
    statement = insert(table).values(dict(row)).returning(table.c.number)
    return int(connection.execute(statement).scalar_one())


def stamp(moment: datetime.datetime) -> str:
    """A moment as it stands in the tables."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def storable(text: str) -> str:
    """What people type, without the two things that no database takes: NUL, and halves of characters."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def in_chunks(values: Iterable[T]) -> Iterable[list[T]]:
    """So many at once as a statement may name."""
    waiting = list(values)
    return (waiting[start : start + _ASKED_AT_ONCE] for start in range(0, len(waiting), _ASKED_AT_ONCE))
