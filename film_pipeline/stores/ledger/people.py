"""People: who they are on Discord and in the review app. Who may sign for money stands in production.yaml, not here."""

import datetime
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, func, insert, select, update

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.schema import PEOPLE, SESSIONS

Role = Literal["viewer", "reviewer", "approver", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "approver", "owner")
"""Each may do what those before it may. viewer: look. reviewer: say of takes, draw and write notes. approver: sign with
a key of their own, take back, share, settle what is uncertain. owner: say who is who."""
LONGEST_NAME = 64


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

    def may(self, role: Role) -> bool:
        """Whether they may do what somebody of that role may."""
        return self.active and ROLES.index(self.role) >= ROLES.index(role)


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

    def add(self, name: str, role: Role, now: datetime.datetime | None = None) -> Person:
        """Enter somebody new, or again who had left. Raises FilmProblem for a name that is taken or is none."""
        checked_name(name)
        with self._books.writing() as connection:
            known = named(connection, name)
            if known is not None and known.active:
                raise FilmProblem(f"there is a {known.name} already", "choose another name, or change their role")
            if known is not None:
                connection.execute(
                    update(PEOPLE).where(PEOPLE.c.name == known.name).values(role=role, active=True, password_hash=None)
                )
            else:
                added_at = stamp(self._books.time(now))
                connection.execute(
                    insert(PEOPLE).values(name=name, role=role, active=True, discord_id=None, added_at=added_at)
                )
            return _there(connection, name)

    def give_role(self, name: str, role: Role) -> Person:
        """Raises FilmProblem where there is nobody of that name, and for the last owner."""
        with self._books.writing() as connection:
            known = _there(connection, name)
            if role != "owner":
                _keep_an_owner(connection, known)
            connection.execute(update(PEOPLE).where(PEOPLE.c.name == known.name).values(role=role))
            return _there(connection, name)

    def remove(self, name: str) -> Person:
        """Let somebody in no more, at once. Their words stay. Raises FilmProblem for the last owner."""
        with self._books.writing() as connection:
            known = _there(connection, name)
            _keep_an_owner(connection, known)
            gone = update(PEOPLE).where(PEOPLE.c.name == known.name)
            connection.execute(gone.values(active=False, password_hash=None))
            connection.execute(SESSIONS.delete().where(SESSIONS.c.person == known.name))
            return _there(connection, name)

    def named(self, name: str) -> Person | None:
        with self._books.reading() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.name == name)).first()
        return None if row is None else _person(row)

    def like(self, name: str) -> Person | None:
        """Somebody by their name, written in any case."""
        with self._books.reading() as connection:
            return named(connection, name)

    def on_discord(self, discord_id: str) -> Person | None:
        """Who an account of Discord is; nobody for an empty id."""
        with self._books.reading() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.discord_id == discord_id)).first()
        return None if row is None else _person(row)

    def all(self) -> list[Person]:
        with self._books.reading() as connection:
            return [_person(row) for row in connection.execute(select(PEOPLE).order_by(PEOPLE.c.name))]

    def owned(self) -> bool:
        """Whether somebody owns the film who can get in."""
        with self._books.reading() as connection:
            return has_owner(connection)


def checked_name(name: str) -> str:
    """The name, if people can have it. Raises FilmProblem for an empty, long or unprintable one."""
    if not name or len(name) > LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise FilmProblem(
            f"{name[:LONGEST_NAME]!r} is no name", f"use up to {LONGEST_NAME} printable characters, such as: ada"
        )
    return name


def named(connection: Connection, name: str) -> Person | None:
    """Somebody by their name, written in any case: two people whose names differ only by that are mixed up."""
    rows = connection.execute(select(PEOPLE).where(func.lower(PEOPLE.c.name) == func.lower(name))).all()
    row = next((row for row in rows if row.name == name), rows[0] if rows else None)
    return None if row is None else _person(row)


def has_owner(connection: Connection) -> bool:
    return _owners(connection) > 0


def _owners(connection: Connection, but: str = "") -> int:
    can_get_in = (PEOPLE.c.role == "owner") & PEOPLE.c.active & PEOPLE.c.password_hash.is_not(None)
    return int(connection.execute(select(func.count()).where(can_get_in, PEOPLE.c.name != but)).scalar() or 0)


def _there(connection: Connection, name: str) -> Person:
    known = named(connection, name)
    if known is None:
        raise FilmProblem(f"there is nobody called {name}", "film people list shows everybody")
    return known


def _keep_an_owner(connection: Connection, leaving: Person) -> None:
    if leaving.role == "owner" and leaving.active and not _owners(connection, leaving.name):
        raise FilmProblem(
            f"{leaving.name} is the last owner", "make somebody else an owner first: film people role NAME owner"
        )


def _person(row: Row[Any]) -> Person:
    return Person(
        name=row.name,
        role=cast(Role, row.role),
        discord_id=row.discord_id or "",
        password_hash=row.password_hash or "",
        active=row.active,
        added_at=row.added_at,
    )
