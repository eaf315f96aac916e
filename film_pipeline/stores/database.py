"""A store's database: SQLite in WAL mode or Postgres by URL, one writer at a time, any number of readers.

Several stores may share one Postgres database: each has its own tables, its own version and its own writer's turn.
Processes may fork: a child never uses the connections of its parent.
"""

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NoSuchModuleError, ProgrammingError
from sqlalchemy.pool import Pool

from film_pipeline.core.problems import FilmProblem

_BUSY_S = 60
_ASK_AGAIN_S = 0.01

_open: "weakref.WeakSet[Database]" = weakref.WeakSet()
_of_parents: list[Pool] = []


@dataclass(frozen=True)
class Schema:
    """Which tables a database is opened for.

    called: how problems name it. head: the newest migration; it stands here so that opening need not load Alembic.
    version_table: where the database keeps its version. writers: the key of the Postgres advisory lock that writers
    take in turn, as SQLite's writers do by BEGIN IMMEDIATE. broken, refused: how a person mends a file that is no
    database any more, and one that can't be written.
    """

    called: str
    head: str
    migrations: Path
    version_table: str
    writers: int
    broken: str
    refused: str


class StoreRefused(FilmProblem):
    """The database itself refused: it is locked, full, broken or away. Only one that breaks off at the very end of a
    transaction may have kept it all the same."""


class Database:
    """An opened store, its tables at the newest version.

    place: the path of an SQLite file, or a URL (sqlite:///film.sqlite, postgresql+psycopg2://user@host/film).
    Raises FilmProblem where it can't be opened, or was written by newer software.
    """

    def __init__(self, place: Path | str, schema: Schema) -> None:
        self.schema = schema
        self.file, self.url = _place(place)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _sqlite(self.file, "BEGIN IMMEDIATE")
            self._reader = _sqlite(self.file, "BEGIN")
        else:
            self._writer = _postgres(self.url)
            # Postgres by itself shows every statement of a transaction another state of the tables.
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")
        _open.add(self)
        self._bring_up_to_date()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the tables for as long as the block runs."""
        with self._told(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, alone among all writers. It is kept when the block ends and undone when it fails."""
        with self._told(), self._writer.begin() as connection:
            if self.file is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self.schema.writers})
            yield connection

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    def leave_connections_to_parent(self) -> None:
        """In a forked child: forget the parent's connections without closing them."""
        for engine in {self._writer, self._reader}:
            # Kept for ever, because closing an inherited SQLite connection may undo the parent's locks.
            _of_parents.append(engine.pool)
            engine.dispose(close=False)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (ProgrammingError, IntegrityError, DataError):
            # A mistake of this software, which no user can mend: it keeps its name.
            raise
        except DBAPIError as error:
            raise self._problem(error) from error

    def _problem(self, error: DBAPIError) -> FilmProblem:
        said = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        lowered = said.lower()
        if "full" in lowered or "no space" in lowered:
            mend = "free some space and run it again; what was made is kept"
        elif "malformed" in lowered or "not a database" in lowered:
            mend = self.schema.broken
        elif "locked" in lowered:
            mend = f"another program has held {self.schema.called} for {_BUSY_S} s: close it and run again"
        elif "connect" in lowered:
            mend = "start the database, or correct its URL"
        else:
            mend = self.schema.refused
        where = "" if self.file else f" ({make_url(self.url).render_as_string(hide_password=True)})"
        return StoreRefused(f"{self.schema.called}{where} says: {said}", mend, file=self.file)

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            if self._version(connection) == self.schema.head:
                return
        with self.writing() as connection:
            version = self._version(connection)
            if version == self.schema.head:
                return
            if version > self.schema.head:
                raise FilmProblem(
                    f"{self.schema.called} is of version {version}, this software knows {self.schema.head}",
                    "install the newer film-pipeline",
                    file=self.file,
                )
            self._migrate(connection)

    def _version(self, connection: Connection) -> str:
        table = self.schema.version_table
        if not inspect(connection).has_table(table):
            return ""
        return str(connection.execute(text(f"SELECT max(version_num) FROM {table}")).scalar() or "")

    def _migrate(self, connection: Connection) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self.schema.migrations))
        config.attributes |= {"connection": connection, "version_table": self.schema.version_table}
        command.upgrade(config, "head")


def _place(place: Path | str) -> tuple[Path | None, str]:
    if isinstance(place, Path):
        return place, ""
    if "://" not in place:
        return Path(place), ""
    url = make_url(place)
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "film.sqlite"), ""
    if url.drivername in ("postgresql", "postgres"):
        # Dagster's Postgres storage knows psycopg2 only, so that is the one driver of the house.
        url = url.set(drivername="postgresql+psycopg2")
    return None, url.render_as_string(hide_password=False)


def _sqlite(path: Path, begin: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", pool_size=2, max_overflow=14, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _: Any) -> None:
        # The driver's own transactions start too late to be IMMEDIATE, so it is told to start none.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={_BUSY_S * 1000}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two that do so with a new file at once would wait for each other, so SQLite refuses one of them
    at once, whatever its busy_timeout; when it asks again it is done."""
    ends = monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > ends:
                raise
        sleep(_ASK_AGAIN_S)


def _postgres(url: str) -> Engine:
    try:
        return create_engine(url, pool_size=2, max_overflow=14, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise FilmProblem("the Postgres driver is not installed", "pip install 'film-pipeline[postgres]'") from error
    except NoSuchModuleError as error:
        raise FilmProblem(f"no such database: {error}", "write postgresql+psycopg2://user@host/film") from error


def _forget_parents_connections() -> None:
    for database in list(_open):
        database.leave_connections_to_parent()


os.register_at_fork(after_in_child=_forget_parents_connections)
