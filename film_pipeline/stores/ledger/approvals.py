"""Approvals as they were signed, and those that were taken back. No row of this table is believed by itself."""

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, insert, select, update

from film_pipeline.core.gate import Approval, Covered, GateLocked, Work, why_not
from film_pipeline.core.jobs import JobState
from film_pipeline.core.money import dollars, micros_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, number_of, stamp, storable
from film_pipeline.stores.ledger.entries import Entry, post
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS, REVOCATIONS, TAKE_APPROVALS

_ALL: Select[Any] = select(APPROVALS, REVOCATIONS).outerjoin(REVOCATIONS, REVOCATIONS.c.approval == APPROVALS.c.id)
_ONE = _ALL.where(APPROVALS.c.id == bindparam("id"))
_TAKES = select(TAKE_APPROVALS.c.take).where(TAKE_APPROVALS.c.approval == bindparam("approval"))


@dataclass(frozen=True)
class Signed:
    """A row of approvals, looked at anew. approval: None where the row can't even be read. reasons: why it is void."""

    number: int
    id: str
    approval: Approval | None
    reasons: tuple[str, ...]
    revoked_at: str = ""

    @property
    def good(self) -> bool:
        return self.approval is not None and not self.reasons

    @property
    def said(self) -> str:
        """Whose it is, for a list of reasons."""
        if self.approval is None:
            return f"the approval {self.id}"
        return f"{self.approval.signer}'s approval of {self.approval.signed_at[:10]}"


class Approvals:
    """What was signed."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def add(self, approval: Approval, now: datetime.datetime | None = None) -> int:
        """Enter an approval and return its number. The same one entered again changes nothing.

        Raises GateLocked where it opens nothing: forged, edited, of another production or ledger, expired.
        """
        moment = self._books.time(now)
        reasons = self._why_not(approval, moment)
        if reasons:
            raise GateLocked.because(reasons, approval.shot)
        row = row_of(approval)
        with self._books.writing() as connection:
            there = connection.execute(select(APPROVALS).where(APPROVALS.c.id == approval.id)).first()
            if there is not None:
                if {name: there._mapping[name] for name in row} != row:
                    raise GateLocked.because([f"another approval has the id {approval.id} already"], approval.shot)
                return int(there.number)
            return number_of(connection, APPROVALS, row | {"added_at": stamp(moment)})

    def revoke(self, approval: str, by: str, why: str, now: datetime.datetime | None = None) -> list[str]:
        """Take an approval back. What was reserved on it and not sent is cancelled; those jobs are returned.

        What was sent goes on, because it is paid for. Raises FilmProblem where there is no such approval.
        """
        moment = stamp(self._books.time(now))
        with self._books.writing() as connection:
            if connection.execute(select(APPROVALS.c.id).where(APPROVALS.c.id == approval)).first() is None:
                raise FilmProblem(f"there is no approval {approval}", "film approvals lists them")
            revoked = select(REVOCATIONS.c.approval).where(REVOCATIONS.c.approval == approval)
            if connection.execute(revoked).first() is None:
                row = {"approval": approval, "revoked_by": storable(by), "why": storable(why), "revoked_at": moment}
                connection.execute(insert(REVOCATIONS).values(row))
            return _cancel_reserved(connection, approval, f"revoked by {by}", moment)

    def all(self, shot: str = "", now: datetime.datetime | None = None) -> list[Signed]:
        """Every approval (of a shot), oldest first, with what is wrong with it now."""
        where = APPROVALS.c.shot == shot if shot else None
        with self._books.reading() as connection:
            return self._signed(connection, where, self._books.time(now))

    def listed(self, first: int, many: int, now: datetime.datetime | None = None) -> tuple[list[Signed], int]:
        """So many approvals from the `first` on, the newest first, looked at anew; and how many there are in all."""
        query = _ALL.order_by(APPROVALS.c.number.desc()).limit(many).offset(first)
        with self._books.reading() as connection:
            moment = self._books.time(now)
            signed = [self._look_at(row, moment) for row in connection.execute(query)]
            count = connection.execute(select(func.count()).select_from(APPROVALS)).scalar_one()
        return signed, int(count)

    def since(self, number: int, now: datetime.datetime | None = None) -> list[Signed]:
        """Approvals entered after that number, in order: what a sensor with a cursor asks for."""
        with self._books.reading() as connection:
            return self._signed(connection, APPROVALS.c.number > number, self._books.time(now))

    def one(self, approval: str, now: datetime.datetime | None = None) -> Signed | None:
        with self._books.reading() as connection:
            return self.looked_at(connection, approval, self._books.time(now))

    def looked_at(self, connection: Connection, approval: str, now: datetime.datetime) -> Signed | None:
        """One approval, its signature and its revocation looked at in this transaction."""
        row = connection.execute(_ONE, {"id": approval}).first()
        return None if row is None else self._look_at(row, now)

    def of_shot(self, connection: Connection, shot: str, work: Work, now: datetime.datetime) -> list[Signed]:
        """Every approval for this work on a shot, oldest first."""
        return self._signed(connection, (APPROVALS.c.shot == shot) & (APPROVALS.c.work == work), now)

    def _signed(
        self, connection: Connection, where: ColumnElement[bool] | None, now: datetime.datetime
    ) -> list[Signed]:
        query = _ALL if where is None else _ALL.where(where)
        return [self._look_at(row, now) for row in connection.execute(query.order_by(APPROVALS.c.number))]

    def _look_at(self, row: Row[Any], now: datetime.datetime) -> Signed:
        revoked_at = row.revoked_at or ""
        try:
            approval = _approval(row)
        except (ValidationError, ValueError, TypeError) as error:
            said = str(error).splitlines()[0]
            return Signed(row.number, row.id, None, (f"the row is no approval: {said}",), revoked_at)
        reasons = self._why_not(approval, now)
        if revoked_at:
            because = f": {row.why}" if row.why else ""
            reasons.append(f"{row.revoked_by} took it back at {revoked_at[:16]}{because}")
        return Signed(row.number, row.id, approval, tuple(reasons), revoked_at)

    def _why_not(self, approval: Approval, now: datetime.datetime) -> list[str]:
        return why_not(approval, self._books.production, self._books.id, self._books.approvers, now)


def takes_of(connection: Connection, approval: str) -> set[int]:
    """The takes that count against an approval."""
    return set(connection.execute(_TAKES, {"approval": approval}).scalars())


def count_takes(connection: Connection, counted: Iterable[tuple[str, int]], moment: str) -> None:
    """Count takes against approvals that they do not count against yet."""
    rows = [{"approval": approval, "take": take, "counted_at": moment} for approval, take in counted]
    if rows:
        connection.execute(insert(TAKE_APPROVALS), rows)


def _cancel_reserved(connection: Connection, approval: str, why: str, moment: str) -> list[str]:
    waiting = (JOBS.c.approval == approval) & (JOBS.c.state == JobState.RESERVED.value)
    rows = connection.execute(select(JOBS).where(waiting).order_by(JOBS.c.job)).mappings().all()
    gone = {"state": JobState.CANCELLED.value, "held_micros": 0, "error": why, "moved_at": moment}
    connection.execute(update(JOBS).where(waiting).values(gone))
    post(connection, [Entry.of_job("release", row, reserved=-row["held_micros"], note=why) for row in rows], moment)
    return [row["job"] for row in rows]


def row_of(approval: Approval) -> dict[str, Any]:
    """What stands of an approval in the table; its number and when it was entered are added there."""
    plain = approval.model_dump(mode="json", exclude={"covered", "backends", "cap_usd", "frame_cap_usd"})
    return plain | {
        "covered": json.dumps(approval.covered.model_dump(mode="json"), sort_keys=True, ensure_ascii=False),
        "backends": json.dumps(list(approval.backends), ensure_ascii=False),
        "cap_micros": micros_of(approval.cap_usd),
        "frame_cap_micros": None if approval.frame_cap_usd is None else micros_of(approval.frame_cap_usd),
    }


def _approval(row: Row[Any]) -> Approval:
    """The approval that the row's own columns say: its signature is of exactly these."""
    return Approval(
        **{
            name: row._mapping[APPROVALS.c[name]]
            for name in Approval.model_fields
            if name not in ("covered", "backends", "cap_usd", "frame_cap_usd")
        },
        covered=Covered.model_validate_json(row.covered),
        backends=tuple(json.loads(row.backends)),
        cap_usd=dollars(row.cap_micros),
        frame_cap_usd=None if row.frame_cap_micros is None else dollars(row.frame_cap_micros),
    )
