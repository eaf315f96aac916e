"""Invitations: links that let somebody choose a password, once. The first owner's is printed in the terminal."""

import datetime
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.people import Person, checked_name, has_owner, named
from film_pipeline.stores.ledger.schema import INVITATIONS, PEOPLE, SESSIONS

LASTS = datetime.timedelta(days=7)
OWNER_LASTS = datetime.timedelta(hours=24)


@dataclass(frozen=True)
class Invitation:
    """Whom a link is for: somebody by name, or the first owner, who has none yet."""

    person: str
    expires_at: str

    @property
    def of_owner(self) -> bool:
        return not self.person


class Invitations:
    """The links that were given out."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def make(self, person: str, token_sha256: str, by: str, now: datetime.datetime | None = None) -> None:
        """Give a link out to somebody; those that they had before open nothing any more.

        person: empty for the first owner. Raises FilmProblem where the film has an owner, or nobody has that name.
        """
        moment = self._books.time(now)
        with self._books.writing() as connection:
            if not person:
                _refuse_second_owner(connection)
            elif (known := named(connection, person)) is None or not known.active:
                raise FilmProblem(f"there is nobody called {person}", "film people add NAME")
            else:
                person = known.name
            connection.execute(delete(INVITATIONS).where(INVITATIONS.c.person == person))
            connection.execute(
                insert(INVITATIONS).values(
                    token_sha256=token_sha256,
                    person=person,
                    made_by=by,
                    made_at=stamp(moment),
                    expires_at=stamp(moment + (LASTS if person else OWNER_LASTS)),
                )
            )

    def waiting(self, token_sha256: str, now: datetime.datetime | None = None) -> Invitation | None:
        """The invitation of a link, as long as it can be accepted."""
        with self._books.reading() as connection:
            return _waiting(connection, token_sha256, stamp(self._books.time(now)))

    def accept(self, token_sha256: str, name: str, password_hash: str, now: datetime.datetime | None = None) -> Person:
        """Take a link up, once: its person has this password from now on, and no other session.

        name: of the first owner; everybody else has one. Raises FilmProblem where the link opens nothing.
        """
        moment = stamp(self._books.time(now))
        with self._books.writing() as connection:
            invitation = _waiting(connection, token_sha256, moment)
            if invitation is None:
                raise FilmProblem("this link was used, has expired, or never was", "ask for a new one")
            person = invitation.person or _enter_owner(connection, name, moment)
            mine = update(PEOPLE).where(PEOPLE.c.name == person)
            connection.execute(mine.values(password_hash=password_hash, active=True))
            accepted = update(INVITATIONS).where(INVITATIONS.c.token_sha256 == token_sha256)
            connection.execute(accepted.values(accepted_at=moment))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.person == person))
            known = named(connection, person)
        assert known is not None
        return known


def _waiting(connection: Connection, token_sha256: str, moment: str) -> Invitation | None:
    row = connection.execute(select(INVITATIONS).where(INVITATIONS.c.token_sha256 == token_sha256)).first()
    if row is None or row.accepted_at is not None or row.expires_at <= moment:
        return None
    if not row.person:
        return None if has_owner(connection) else Invitation("", row.expires_at)
    known = named(connection, row.person)
    return Invitation(row.person, row.expires_at) if known is not None and known.active else None


def _enter_owner(connection: Connection, name: str, moment: str) -> str:
    _refuse_second_owner(connection)
    known = named(connection, checked_name(name))
    if known is not None and known.password_hash:
        raise FilmProblem(f"there is a {known.name} already", "choose another name")
    if known is not None:
        connection.execute(update(PEOPLE).where(PEOPLE.c.name == known.name).values(role="owner", active=True))
        return known.name
    connection.execute(insert(PEOPLE).values(name=name, role="owner", active=True, added_at=moment))
    return name


def _refuse_second_owner(connection: Connection) -> None:
    if has_owner(connection):
        raise FilmProblem("the film has an owner", "ask them to let you in: film people add NAME")
