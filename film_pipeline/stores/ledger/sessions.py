"""Sessions: who is in, on which browser. What is kept of one opens nothing: it is the hash of the browser's token."""

import datetime
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.books import Books, stamp
from film_pipeline.stores.ledger.people import Person, named
from film_pipeline.stores.ledger.schema import SESSIONS

LASTS = datetime.timedelta(days=14)
"""However often somebody comes by, they show their password again after so long."""
IDLE = datetime.timedelta(hours=12)


@dataclass(frozen=True)
class Session:
    """Somebody's session as it is kept."""

    token_sha256: str
    person: str
    begun_at: str
    seen_at: str
    expires_at: str


class Sessions:
    """The sessions of the review app."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def begin(self, person: str, token_sha256: str, now: datetime.datetime | None = None) -> None:
        """Let somebody in. Raises FilmProblem where there is nobody of that name who may be let in."""
        moment = self._books.time(now)
        with self._books.writing() as connection:
            known = named(connection, person)
            if known is None or not known.active:
                raise FilmProblem(f"there is nobody called {person}", "film people list shows everybody")
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= stamp(moment)))
            connection.execute(
                insert(SESSIONS).values(
                    token_sha256=token_sha256,
                    person=known.name,
                    begun_at=stamp(moment),
                    seen_at=stamp(moment),
                    expires_at=stamp(moment + LASTS),
                )
            )

    def person_of(self, token_sha256: str, now: datetime.datetime | None = None) -> tuple[Person, Session] | None:
        """Whose session it is; nobody's where it has ended, fell idle, or its person may not be let in any more."""
        moment = self._books.time(now)
        with self._books.reading() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.token_sha256 == token_sha256)).first()
            if row is None or row.expires_at <= stamp(moment) or row.seen_at <= stamp(moment - IDLE):
                return None
            person = named(connection, row.person)
        return (person, Session(**row._mapping)) if person is not None and person.active else None

    def seen(self, token_sha256: str, now: datetime.datetime | None = None) -> None:
        """Note that its person was here just now."""
        with self._books.writing() as connection:
            here = update(SESSIONS).where(SESSIONS.c.token_sha256 == token_sha256)
            connection.execute(here.values(seen_at=stamp(self._books.time(now))))

    def end(self, token_sha256: str) -> None:
        with self._books.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.token_sha256 == token_sha256))

    def end_all(self, person: str, but: str = "") -> int:
        """End every session of somebody, but one (by the hash of its token). Returns how many."""
        mine = (SESSIONS.c.person == person) & (SESSIONS.c.token_sha256 != but)
        with self._books.writing() as connection:
            return int(connection.execute(delete(SESSIONS).where(mine)).rowcount)

    def of(self, person: str) -> list[Session]:
        """Somebody's sessions, the newest first."""
        query = select(SESSIONS).where(SESSIONS.c.person == person).order_by(SESSIONS.c.begun_at.desc())
        with self._books.reading() as connection:
            return [Session(**row._mapping) for row in connection.execute(query)]
