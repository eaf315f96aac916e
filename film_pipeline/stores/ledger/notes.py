"""Notes on shots, takes and frames, with drawings, in threads. A note stays as it was written."""

import datetime
import json
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, select

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, number_of, stamp, storable
from film_pipeline.stores.ledger.schema import NOTES
from film_pipeline.stores.ledger.verdicts import Via


@dataclass(frozen=True)
class Note:
    """A note. frame: as everywhere, from 1001. drawing: JSON of whoever draws. reply_to: the note that it answers.

    said_as: the sender's own name of it (a Discord message), so that none is written twice.
    """

    shot: str
    author: str
    text: str
    via: Via
    take: int | None = None
    frame: int | None = None
    drawing: Any = None
    reply_to: int | None = None
    said_as: str = ""
    at: str = ""
    number: int = 0


class Notes:
    """Notes, oldest first."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def add(self, note: Note, now: datetime.datetime | None = None) -> int:
        """Write a note and return its number; one written before under the same `said_as` is not written again.

        Raises FilmProblem where it answers a note that there is not on this shot.
        """
        with self._books.writing() as connection:
            if note.said_as:
                known = select(NOTES.c.number).where(NOTES.c.said_as == note.said_as)
                number = connection.execute(known).scalar()
                if number is not None:
                    return int(number)
            if note.reply_to is not None:
                answered = select(NOTES.c.shot).where(NOTES.c.number == note.reply_to)
                if connection.execute(answered).scalar() != note.shot:
                    raise FilmProblem(f"there is no note {note.reply_to} on {note.shot}", "answer one that is there")
            return number_of(connection, NOTES, _row(note, stamp(self._books.time(now))))

    def of(self, shot: str, take: int | None = None) -> list[Note]:
        """Every note on a shot, or on one take of it."""
        query = select(NOTES).where(NOTES.c.shot == shot)
        if take is not None:
            query = query.where(NOTES.c.take == take)
        with self._books.reading() as connection:
            return [_note(row) for row in connection.execute(query.order_by(NOTES.c.number))]

    def all(self) -> list[Note]:
        """Every note on the film."""
        with self._books.reading() as connection:
            return [_note(row) for row in connection.execute(select(NOTES).order_by(NOTES.c.number))]

    def thread(self, number: int) -> list[Note]:
        """The conversation that a note belongs to, from its first note on."""
        with self._books.reading() as connection:
            start = connection.execute(select(NOTES).where(NOTES.c.number == number)).first()
        if start is None:
            return []
        notes = self.of(start.shot)
        by_number = {note.number: note for note in notes}
        roots = {note.number: _root(note, by_number) for note in notes}
        return [note for note in notes if roots[note.number] == roots[number]]


def _root(note: Note, notes: dict[int, Note]) -> int:
    # A note answers only what is older, so this ends.
    while note.reply_to is not None and note.reply_to < note.number and note.reply_to in notes:
        note = notes[note.reply_to]
    return note.number


def _row(note: Note, at: str) -> dict[str, Any]:
    return {
        "at": at,
        "shot": note.shot,
        "take": note.take,
        "frame": note.frame,
        "author": storable(note.author),
        "text": storable(note.text),
        "drawing": None if note.drawing is None else json.dumps(note.drawing),
        "reply_to": note.reply_to,
        "via": note.via,
        "said_as": note.said_as or None,
    }


def _note(row: Row[Any]) -> Note:
    return Note(
        shot=row.shot,
        author=row.author,
        text=row.text,
        via=cast(Via, row.via),
        take=row.take,
        frame=row.frame,
        drawing=None if row.drawing is None else json.loads(row.drawing),
        reply_to=row.reply_to,
        said_as=row.said_as or "",
        at=row.at,
        number=row.number,
    )
