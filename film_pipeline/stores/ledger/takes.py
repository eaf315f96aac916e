"""Takes: numbered once and for ever, in the transaction that opens them."""

import datetime
import json
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from film_pipeline.core.gate import Cleared, Covered, Locked, OverBudget, Work
from film_pipeline.stores.ledger.approvals import count_takes
from film_pipeline.stores.ledger.books import Books, stamp, storable
from film_pipeline.stores.ledger.clearing import Ask, Plan, clear
from film_pipeline.stores.ledger.schema import TAKES
from film_pipeline.stores.ledger.verdicts import Verdicts, Via

Standing = Literal["", "circled", "rejected"]

_OVERLAP = datetime.timedelta(seconds=60)
"""Clocks of machines that share a ledger may differ by so much."""
_OPENED = select(TAKES).where(*(TAKES.c[name] == bindparam(name) for name in ("shot", "work", "take")))


@dataclass(frozen=True)
class TakeWish:
    """A take that somebody wants. direction: what is said for this take alone.

    asked_as: the asker's own name of the wish (a Discord message, an approval and a number): the same wish gets the
    same take. above: the last number that was given elsewhere, by the free renderer.
    """

    shot: str
    covered: Covered
    backends: tuple[str, ...]
    asked_by: str
    via: Via
    work: Work = "take"
    direction: str = ""
    asked_as: str = ""
    above: int = 0


@dataclass(frozen=True)
class Take:
    """A take of a shot, and whether somebody circled or rejected it."""

    shot: str
    work: Work
    take: int
    approval: str
    backends: tuple[str, ...]
    direction: str
    asked_by: str
    via: Via
    opened_at: str
    standing: Standing = ""


class Takes:
    """The takes that were opened through the gate."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def open(self, wish: TakeWish, now: datetime.datetime | None = None) -> Take | Locked | OverBudget:
        """Give a take its number and count it against the approval that lets it through."""
        moment = self._books.time(now)
        with self._books.writing() as connection:
            if wish.asked_as:
                known = connection.execute(select(TAKES).where(TAKES.c.asked_as == wish.asked_as)).first()
                if known is not None:
                    return _take(known)
            ask = Ask(wish.shot, wish.work, wish.covered, wish.backends)
            verdict = clear(self._books, connection, ask, Plan(self._books.balances(connection)), moment)
            if not isinstance(verdict, Cleared):
                return verdict
            row = _row(wish, verdict, self._next(connection, wish), stamp(moment))
            connection.execute(insert(TAKES).values(row))
            count_takes(connection, [(verdict.approval.id, row["take"])], stamp(moment))
            return _take(connection.execute(_OPENED, {name: row[name] for name in ("shot", "work", "take")}).one())

    def one(self, shot: str, take: int, work: Work = "take") -> Take | None:
        return next((found for found in self.of(shot, work) if found.take == take), None)

    def of(self, shot: str, work: Work = "take") -> list[Take]:
        """The takes of a shot, in order."""
        words = Verdicts(self._books).standing(shot, work)
        said: dict[int, Standing] = {
            take: "circled" if verdict.word == "circle" else "rejected" for take, verdict in words.items()
        }
        query = select(TAKES).where(TAKES.c.shot == shot, TAKES.c.work == work).order_by(TAKES.c.take)
        with self._books.reading() as connection:
            return [_take(row, said.get(row.take, "")) for row in connection.execute(query)]

    def opened_since(self, moment: str) -> list[Take]:
        """Takes that were opened at that moment (UTC, as `Take.opened_at` has it) or later, of all shots, in order."""
        query = select(TAKES).where(TAKES.c.opened_at >= moment).order_by(TAKES.c.opened_at, TAKES.c.shot, TAKES.c.take)
        with self._books.reading() as connection:
            return [_take(row) for row in connection.execute(query)]

    def news(self) -> "TakeNews":
        """Takes that are opened from now on."""
        return TakeNews(self, self._books.time(None))

    def _next(self, connection: Connection, wish: TakeWish) -> int:
        highest = select(func.max(TAKES.c.take)).where(TAKES.c.shot == wish.shot, TAKES.c.work == wish.work)
        return max(connection.execute(highest).scalar() or 0, wish.above) + 1


class TakeNews:
    """Takes as they are opened, each told once. since: what was opened long before is no news."""

    def __init__(self, takes: Takes, since: datetime.datetime) -> None:
        self._takes, self._since = takes, stamp(since - _OVERLAP)
        self._told: set[tuple[str, Work, int]] = set()

    def read(self) -> list[Take]:
        """What was opened since this was asked last, in order. May name some of the minute before the first time."""
        fresh = []
        for take in self._takes.opened_since(self._since):
            key = (take.shot, take.work, take.take)
            if key not in self._told:
                self._told.add(key)
                fresh.append(take)
        if fresh:
            newest = datetime.datetime.fromisoformat(fresh[-1].opened_at)
            self._since = max(self._since, stamp(newest - _OVERLAP))
        return fresh


def is_open(connection: Connection, shot: str, work: Work, take: int) -> bool:
    """Whether a take was ever opened."""
    return connection.execute(_OPENED, {"shot": shot, "work": work, "take": take}).first() is not None


def _row(wish: TakeWish, verdict: Cleared, number: int, at: str) -> dict[str, Any]:
    return {
        "shot": wish.shot,
        "work": wish.work,
        "take": number,
        "approval": verdict.approval.id,
        "backends": json.dumps(list(verdict.backends)),
        "direction": storable(wish.direction),
        "asked_by": storable(wish.asked_by),
        "via": wish.via,
        "asked_as": wish.asked_as or None,
        "opened_at": at,
    }


def _take(row: Row[Any], standing: Standing = "") -> Take:
    return Take(
        shot=row.shot,
        work=cast(Work, row.work),
        take=row.take,
        approval=row.approval,
        backends=tuple(json.loads(row.backends)),
        direction=row.direction,
        asked_by=row.asked_by,
        via=cast(Via, row.via),
        opened_at=row.opened_at,
        standing=standing,
    )
