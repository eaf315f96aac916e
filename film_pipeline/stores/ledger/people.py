"""People: who they are on Discord and in the review app. Who may sign stands in production.yaml, not here."""

import datetime
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Row, insert, select, update

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.schema import PEOPLE

Role = Literal["viewer", "reviewer", "approver"]


@dataclass(frozen=True)
class Person:
    """Somebody of the film. discord_id, password_hash: empty where they have none; nobody gets in by an empty one.

    active: whether they may still do anything. People are never removed, because their words stay.
    """

    name: str
    role: Role = "viewer"
    discord_id: str = ""
    password_hash: str = ""
    active: bool = True
    added_at: str = ""


class People:
    """The people of the film."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def put(self, person: Person, now: datetime.datetime | None = None) -> None:
        """Enter somebody, or what is new about them. Raises FilmProblem where another one has the Discord account."""
        row = {
            "role": person.role,
            "discord_id": person.discord_id or None,
            "password_hash": person.password_hash or None,
            "active": person.active,
        }
        with self._books.writing() as connection:
            if person.discord_id:
                taken = select(PEOPLE.c.name).where(PEOPLE.c.discord_id == person.discord_id)
                holder = connection.execute(taken).scalar()
                if holder not in (None, person.name):
                    raise FilmProblem(f"this Discord account is {holder}'s", f"give {person.name} their own")
            if not connection.execute(update(PEOPLE).where(PEOPLE.c.name == person.name).values(row)).rowcount:
                added = {"name": person.name, "added_at": stamp(self._books.time(now))}
                connection.execute(insert(PEOPLE).values(added | row))

    def named(self, name: str) -> Person | None:
        with self._books.reading() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.name == name)).first()
        return None if row is None else _person(row)

    def on_discord(self, discord_id: str) -> Person | None:
        """Who an account of Discord is; nobody for an empty id."""
        with self._books.reading() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.discord_id == discord_id)).first()
        return None if row is None else _person(row)

    def all(self) -> list[Person]:
        with self._books.reading() as connection:
            return [_person(row) for row in connection.execute(select(PEOPLE).order_by(PEOPLE.c.name))]


def _person(row: Row[Any]) -> Person:
    return Person(
        name=row.name,
        role=cast(Role, row.role),
        discord_id=row.discord_id or "",
        password_hash=row.password_hash or "",
        active=row.active,
        added_at=row.added_at,
    )
