"""What people say of takes: circled, rejected, do it again. Each word stays; the last one counts."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Row, select

from film_pipeline.core.gate import Work
from film_pipeline.stores.ledger.books import Books, number_of, stamp, storable
from film_pipeline.stores.ledger.schema import VERDICTS

Word = Literal["circle", "reject", "retake"]
Via = Literal["cli", "review", "discord", "sensor"]


@dataclass(frozen=True)
class TakeVerdict:
    """Somebody's word on a take.

    said_as: the sender's own name of it (a Discord message), so that none counts twice.
    """

    shot: str
    work: Work
    take: int
    word: Word
    by: str
    via: Via
    note: str = ""
    said_as: str = ""
    at: str = ""
    number: int = 0


class Verdicts:
    """Words on takes, oldest first."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def give(self, verdict: TakeVerdict, now: datetime.datetime | None = None) -> int:
        """Enter a word and return its number; one that was entered before under the same `said_as` is not again."""
        row = {
            "at": stamp(self._books.time(now)),
            "shot": verdict.shot,
            "work": verdict.work,
            "take": verdict.take,
            "verdict": verdict.word,
            "given_by": storable(verdict.by),
            "via": verdict.via,
            "note": storable(verdict.note),
            "said_as": verdict.said_as or None,
        }
        with self._books.writing() as connection:
            if verdict.said_as:
                known = select(VERDICTS.c.number).where(VERDICTS.c.said_as == verdict.said_as)
                number = connection.execute(known).scalar()
                if number is not None:
                    return int(number)
            return number_of(connection, VERDICTS, row)

    def of(self, shot: str, take: int | None = None, work: Work = "take") -> list[TakeVerdict]:
        """Every word on a shot, or on one take of it."""
        query = select(VERDICTS).where(VERDICTS.c.shot == shot, VERDICTS.c.work == work)
        if take is not None:
            query = query.where(VERDICTS.c.take == take)
        with self._books.reading() as connection:
            return [_verdict(row) for row in connection.execute(query.order_by(VERDICTS.c.number))]

    def since(self, number: int) -> list[TakeVerdict]:
        """Words given after that number, in order: what a sensor with a cursor asks for."""
        query = select(VERDICTS).where(VERDICTS.c.number > number).order_by(VERDICTS.c.number)
        with self._books.reading() as connection:
            return [_verdict(row) for row in connection.execute(query)]

    def standing(self, shot: str, work: Work = "take") -> dict[int, TakeVerdict]:
        """The word that counts for each take that was circled or rejected. Asking for another take is neither."""
        return standing(self.of(shot, work=work))

    def circled(self, shot: str, work: Work = "take") -> TakeVerdict | None:
        """The take that was circled last and not rejected since."""
        circles = [verdict for verdict in self.standing(shot, work).values() if verdict.word == "circle"]
        return max(circles, key=lambda verdict: verdict.number, default=None)


def standing(verdicts: Iterable[TakeVerdict]) -> dict[int, TakeVerdict]:
    """Of words on one shot, oldest first: the one that counts for each take."""
    return {verdict.take: verdict for verdict in verdicts if verdict.word != "retake"}


def _verdict(row: Row[Any]) -> TakeVerdict:
    return TakeVerdict(
        shot=row.shot,
        work=cast(Work, row.work),
        take=row.take,
        word=cast(Word, row.verdict),
        by=row.given_by,
        via=cast(Via, row.via),
        note=row.note,
        said_as=row.said_as or "",
        at=row.at,
        number=row.number,
    )
