"""News: what was entered since somebody last asked, shot by shot, for pages that follow the ledger.

Asked again and again, so every question is answered from an index and tells only what is new.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from film_pipeline.core.jobs import LIVE
from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS, NOTES, REVOCATIONS, SPEND, TAKES, VERDICTS, WORKERS

_LIVE = [state.value for state in LIVE]
_OVERLAP = datetime.timedelta(seconds=60)
"""Clocks of machines that share a ledger may differ by so much: what has no number is asked for once more."""


@dataclass(frozen=True)
class Mark:
    """How far somebody has read: the last number of each kind, and the moment up to which times were read."""

    approvals: int = 0
    verdicts: int = 0
    notes: int = 0
    spend: int = 0
    moment: str = ""


@dataclass(frozen=True)
class Word:
    """A word on a take, in the order in which they were said."""

    shot: str
    work: str
    take: int
    said: str


@dataclass(frozen=True)
class News:
    """What is new. Takes and revocations of the last minute are told again.

    approvals: (shot, when it expires). takes: (shot, work, take). under_way: how many jobs of a take are in each state,
    of all takes that have any. heard_at: when any machine was heard of last.
    """

    approvals: tuple[tuple[str, str], ...] = ()
    revoked: tuple[tuple[str, str], ...] = ()
    """(approval, shot)"""
    takes: tuple[tuple[str, str, int], ...] = ()
    verdicts: tuple[Word, ...] = ()
    noted: tuple[str, ...] = ()
    money: bool = False
    under_way: Mapping[tuple[str, str, int], Mapping[str, int]] = field(default_factory=dict)
    heard_at: str = ""


class Newsroom:
    """Who tells what is new in the ledger."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def since(self, mark: Mark, now: datetime.datetime | None = None) -> tuple[Mark, News]:
        """Everything after a mark, as of one moment, and the mark to go on from."""
        until = stamp(self._books.time(now) - _OVERLAP)
        with self._books.reading() as connection:
            approvals = connection.execute(
                select(APPROVALS.c.number, APPROVALS.c.shot, APPROVALS.c.expires_at)
                .where(APPROVALS.c.number > mark.approvals)
                .order_by(APPROVALS.c.number)
            ).all()
            verdicts = connection.execute(
                select(VERDICTS.c.number, VERDICTS.c.shot, VERDICTS.c.work, VERDICTS.c.take, VERDICTS.c.verdict)
                .where(VERDICTS.c.number > mark.verdicts)
                .order_by(VERDICTS.c.number)
            ).all()
            notes = connection.execute(
                select(NOTES.c.number, NOTES.c.shot).where(NOTES.c.number > mark.notes).order_by(NOTES.c.number)
            ).all()
            spend = connection.execute(select(func.max(SPEND.c.number))).scalar() or 0
            news = News(
                approvals=tuple((row.shot, row.expires_at) for row in approvals),
                revoked=_revoked(connection, mark.moment),
                takes=_takes(connection, mark.moment),
                verdicts=tuple(Word(row.shot, row.work, row.take, row.verdict) for row in verdicts),
                noted=tuple(dict.fromkeys(row.shot for row in notes)),
                money=spend > mark.spend,
                under_way=_under_way(connection),
                heard_at=connection.execute(select(func.max(WORKERS.c.heard_at))).scalar() or "",
            )
        return Mark(
            approvals[-1].number if approvals else mark.approvals,
            verdicts[-1].number if verdicts else mark.verdicts,
            notes[-1].number if notes else mark.notes,
            spend,
            until,
        ), news


def _revoked(connection: Connection, since: str) -> tuple[tuple[str, str], ...]:
    query = (
        select(REVOCATIONS.c.approval, APPROVALS.c.shot)
        .join(APPROVALS, APPROVALS.c.id == REVOCATIONS.c.approval)
        .where(REVOCATIONS.c.revoked_at >= since)
    )
    return tuple((row.approval, row.shot) for row in connection.execute(query))


def _takes(connection: Connection, since: str) -> tuple[tuple[str, str, int], ...]:
    query = select(TAKES.c.shot, TAKES.c.work, TAKES.c.take).where(TAKES.c.opened_at >= since)
    return tuple((row.shot, row.work, row.take) for row in connection.execute(query))


def _under_way(connection: Connection) -> dict[tuple[str, str, int], dict[str, int]]:
    key = (JOBS.c.shot, JOBS.c.work, JOBS.c.take)
    query = select(*key, JOBS.c.state, func.count().label("jobs")).where(JOBS.c.state.in_(_LIVE))
    found: dict[tuple[str, str, int], dict[str, int]] = {}
    for row in connection.execute(query.group_by(*key, JOBS.c.state)):
        found.setdefault((row.shot, row.work, row.take), {})[row.state] = row.jobs
    return found
