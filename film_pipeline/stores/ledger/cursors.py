"""Cursors: how far sensors and sweeps have got, so that nothing is seen twice or missed after a pause."""

import datetime

from sqlalchemy import insert, select, update

from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.schema import CURSORS


class Cursors:
    """Named places in a sequence."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def at(self, name: str) -> str:
        """Where a cursor stands; empty where it never moved."""
        with self._books.reading() as connection:
            return connection.execute(select(CURSORS.c.value).where(CURSORS.c.name == name)).scalar() or ""

    def move(self, name: str, value: str, before: str | None = None, now: datetime.datetime | None = None) -> bool:
        """Move a cursor. before: only if it still stands there, which of two who try at once one can do."""
        row = {"value": value, "moved_at": stamp(self._books.time(now))}
        with self._books.writing() as connection:
            there = connection.execute(select(CURSORS.c.value).where(CURSORS.c.name == name)).scalar()
            if before is not None and (there or "") != before:
                return False
            if there is None:
                connection.execute(insert(CURSORS).values(name=name, **row))
            else:
                connection.execute(update(CURSORS).where(CURSORS.c.name == name).values(row))
        return True

    def all(self) -> dict[str, str]:
        with self._books.reading() as connection:
            rows = connection.execute(select(CURSORS.c.name, CURSORS.c.value).order_by(CURSORS.c.name))
            return {row.name: row.value for row in rows}
