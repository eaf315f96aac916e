"""What the tests of several files share: a real Postgres, started once a session."""

import itertools
from collections.abc import Iterator

import psycopg2
import pytest
from postgres_server import postgres_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_of_the_session() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres(postgres_of_the_session: str) -> str:
    """The URL of an empty database of the test's own."""
    name = f"film_{next(_numbers)}"
    connection = psycopg2.connect(postgres_of_the_session)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    return postgres_of_the_session.rpartition("/")[0] + f"/{name}"
