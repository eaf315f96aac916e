"""What the tests of several files share: a real Postgres, started once a session, and ledgers in both databases."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from ledger_makers import open_ledger
from postgres_server import postgres_server

from film_pipeline.stores.database import Database
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.schema import LEDGER_STORE

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_of_the_session() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres(postgres_of_the_session: str) -> str:
    """The URL of an empty database of the test's own."""
    return _new_database(postgres_of_the_session)


@pytest.fixture(scope="session")
def empty_sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables alone, to be copied: making them takes longer than most tests."""
    place = tmp_path_factory.mktemp("ledger") / "empty.sqlite"
    Database(place, LEDGER_STORE).close()
    return place


@pytest.fixture(scope="session")
def empty_postgres_ledger(postgres_of_the_session: str) -> str:
    url = _new_database(postgres_of_the_session)
    Database(url, LEDGER_STORE).close()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger is, once in SQLite and once in Postgres."""
    if request.param == "sqlite":
        place = tmp_path / "ledger.sqlite"
        shutil.copy(request.getfixturevalue("empty_sqlite_ledger"), place)
        return str(place)
    return _new_database(request.getfixturevalue("empty_postgres_ledger"), like=True)


@pytest.fixture
def ledger(ledger_place: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place)
    yield opened
    opened.close()


def _new_database(url: str, like: bool = False) -> str:
    name = f"film_{next(_numbers)}"
    server, _, template = url.rpartition("/")
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template if like else 'template0'}")
    connection.close()
    return f"{server}/{name}"
