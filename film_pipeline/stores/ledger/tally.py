"""A tally of all entries by day, shot, backend and what the money went to: what was added up once is only added to.

`Spend` asks the database for every sum. Of a million frames that takes seconds each time; a page has no seconds.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import Connection, String, and_, case, func, literal, select

from film_pipeline.core.jobs import LIVE, JobState
from film_pipeline.core.money import dollars
from film_pipeline.stores.ledger.books import Balances, Books
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS, SPEND
from film_pipeline.stores.ledger.settling import WORKER
from film_pipeline.stores.ledger.spend import Money, Total, overrun

Sort = Literal["frames", "machines", "corrections"]
"""What money goes to. machines: their start and their waiting, and bills for machines that nobody signed for.
corrections: what people entered by hand because an invoice said otherwise."""
Key = Literal["day", "shot", "engine", "sort"]
SORTS: tuple[Sort, ...] = ("frames", "machines", "corrections")


class Heap(NamedTuple):
    """What is added up together. day: in UTC; of what is set aside, the day on which it was."""

    day: str
    shot: str
    engine: str
    sort: str


@dataclass(frozen=True)
class Sums:
    """All sums as of one moment, in millionths of a dollar. last: the number of the last entry that is in them."""

    last: int = 0
    settled: Mapping[Heap, int] = field(default_factory=dict)
    held: Mapping[Heap, tuple[int, int]] = field(default_factory=dict)
    """What is set aside for jobs that have not ended, and how much of it is in doubt."""
    estimated: int = 0
    budget: int = 0
    balances: Balances = field(default_factory=Balances)
    overruns: Mapping[str, Decimal] = field(default_factory=dict)
    """By how much approvals cost more than their caps; under the empty key, the production more than its budget."""
    known: bool = False
    """False before anything was added up."""

    @property
    def total(self) -> Total:
        """The whole production, as `Spend.total` has it."""
        return Total(
            reserved_usd=dollars(sum(held for held, _ in self.held.values())),
            uncertain_usd=dollars(sum(doubt for _, doubt in self.held.values())),
            settled_usd=dollars(sum(self.settled.values())),
            estimated_usd=dollars(self.estimated),
            budget_usd=dollars(self.budget),
        )

    def by(self, what: Key, where: Callable[[Heap], bool] = lambda _: True) -> dict[str, Money]:
        """Sums by UTC day, shot, engine (the backend) or sort, of the heaps that are asked for, in order of their keys.

        As in `Spend.by` the key is empty where no shot or engine is known.
        """
        settled: dict[str, int] = {}
        held: dict[str, tuple[int, int]] = {}
        for heap, micros in self.settled.items():
            if where(heap):
                key = getattr(heap, what)
                settled[key] = settled.get(key, 0) + micros
        for heap, (aside, doubt) in self.held.items():
            if where(heap):
                before = held.get(getattr(heap, what), (0, 0))
                held[getattr(heap, what)] = (before[0] + aside, before[1] + doubt)
        return {key: _money(held.get(key, (0, 0)), settled.get(key, 0)) for key in sorted({*settled, *held})}


def _money(held: tuple[int, int], settled: int) -> Money:
    return Money(dollars(held[0]), dollars(held[1]), dollars(settled))


class Tally:
    """Keeps the sums of one ledger. Safe to use from several threads."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._sums = Sums()
        self._lock = threading.Lock()

    @property
    def known(self) -> Sums:
        """What was added up last."""
        return self._sums

    def add_up(self) -> Sums:
        """The sums as they are now: only entries that are new are read, and the jobs that have not ended."""
        with self._lock, self._books.reading() as connection:
            before = self._sums
            last, settled = _settled(connection, before)
            balances = self._books.balances(connection)
            self._sums = Sums(
                last=last,
                settled=settled,
                held=_held(connection),
                estimated=_estimated(connection),
                budget=self._books.budget,
                balances=balances,
                overruns=_overruns(connection, balances, self._books.budget),
                known=True,
            )
            return self._sums


def _settled(connection: Connection, before: Sums) -> tuple[int, Mapping[Heap, int]]:
    last = connection.execute(select(func.max(SPEND.c.number))).scalar() or 0
    if last == before.last:
        return last, before.settled
    day, by_hand = func.substr(SPEND.c.at, 1, 10), SPEND.c.job == ""
    sort = case(
        (JOBS.c.work == WORKER, "machines"),
        (and_(by_hand, SPEND.c.kind == "overhead"), "machines"),
        (by_hand, "corrections"),
        else_="frames",
    )
    query = (
        select(day, SPEND.c.shot, SPEND.c.backend, sort, func.sum(SPEND.c.settled_micros))
        .outerjoin(JOBS, JOBS.c.job == SPEND.c.job)
        .where(SPEND.c.number > before.last, SPEND.c.number <= last, SPEND.c.settled_micros != 0)
        .group_by(day, SPEND.c.shot, SPEND.c.backend, sort)
    )
    settled = dict(before.settled)
    for *heap, micros in connection.execute(query):
        key = Heap(*heap)
        settled[key] = settled.get(key, 0) + int(micros)
    return last, settled


def _held(connection: Connection) -> dict[Heap, tuple[int, int]]:
    day = func.substr(JOBS.c.reserved_at, 1, 10)
    sort = case((JOBS.c.work == WORKER, "machines"), else_=literal("frames", String))
    doubt = case((JOBS.c.state == JobState.UNCERTAIN.value, JOBS.c.held_micros), else_=0)
    query = (
        select(day, JOBS.c.shot, JOBS.c.backend, sort, func.sum(JOBS.c.held_micros), func.sum(doubt))
        .where(JOBS.c.state.in_([state.value for state in LIVE]))
        .group_by(day, JOBS.c.shot, JOBS.c.backend, sort)
    )
    return {Heap(*heap): (int(held), int(doubted)) for *heap, held, doubted in connection.execute(query)}


def _estimated(connection: Connection) -> int:
    return int(connection.execute(select(func.sum(JOBS.c.charged_micros)).where(JOBS.c.estimated)).scalar() or 0)


def _overruns(connection: Connection, balances: Balances, budget: int) -> dict[str, Decimal]:
    caps = connection.execute(select(APPROVALS.c.id, APPROVALS.c.cap_micros)).all()
    return overrun({row.id: row.cap_micros for row in caps}, balances, budget)
