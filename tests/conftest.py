"""What the tests of several files share: the small production, a real Postgres started once a session, and ledgers."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from ledger_makers import emptied, open_ledger
from postgres_server import postgres_server, run_in_postgres
from simulated_stage import PLAY, QUICK, Stage
from small_film import SmallFilm, small_film

from film_pipeline.simulating import simulated_copy
from film_pipeline.simulators.studio import start_all
from film_pipeline.stores.database import Database
from film_pipeline.stores.leases import FileLock
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.schema import LEDGER_STORE

# Machines are shared: how long an example takes says nothing of the code.
settings.register_profile("film", deadline=None)
settings.load_profile("film")


@pytest.fixture
def new_film(tmp_path: Path) -> SmallFilm:
    """The small production, with nothing made yet."""
    return small_film(tmp_path)


def _made_by_one(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the workers of one session share: the first that wants it makes it, and the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, lock = base / name, FileLock(base / f"{name}.lock")
    lock.take(wait=True)
    try:
        if lock.read() != "made":
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            lock.write("made")
    finally:
        lock.let_go()
    return folder


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> SmallFilm:
    """The small production with everything made, to be looked at and copied."""

    def make(folder: Path) -> None:
        film = small_film(folder)
        done = film.film("run", "--json")
        assert done.returncode == 0, done.stderr
        (film.root / "run.json").write_text(done.stdout, encoding="utf-8")

    return SmallFilm(_made_by_one(tmp_path_factory, "made", make) / "small-film")


@pytest.fixture
def made_film(_made_once: SmallFilm, tmp_path: Path) -> SmallFilm:
    """A copy of the small production with everything made, from script to masters."""
    shutil.copytree(_made_once.root, tmp_path / "small-film", symlinks=True)
    return SmallFilm(tmp_path / "small-film")


@pytest.fixture(scope="session")
def _composed_once(_made_once: SmallFilm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated production with a signing key, made up to the gate, to be copied."""

    def make(folder: Path) -> None:
        film = SmallFilm(
            simulated_copy(_made_once.root, folder / "film"), {**PLAY, "XDG_CONFIG_HOME": str(folder / "config")}
        )
        for words in (("key", "new", "director", "--add"), ("run", "--through", "cameras")):
            done = film.film(*words)
            assert done.returncode == 0, done.stderr

    return _made_by_one(tmp_path_factory, "simulated", make)


@pytest.fixture
def stage(_composed_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    shutil.copytree(_composed_once, tmp_path / "simulated", symlinks=True)
    with start_all(tmp_path / "stand-ins", QUICK) as studio:
        environment = {**studio.addresses, **PLAY, "XDG_CONFIG_HOME": str(tmp_path / "simulated" / "config")}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield Stage(SmallFilm(tmp_path / "simulated" / "film", environment), studio)


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
def new_postgres_ledger(postgres_of_the_session: str) -> Callable[[], str]:
    """Makes a database with the ledger's tables."""

    def make() -> str:
        url = _new_database(postgres_of_the_session)
        Database(url, LEDGER_STORE).close()
        return url

    return make


@pytest.fixture(scope="session")
def postgres_ledger(new_postgres_ledger: Callable[[], str]) -> str:
    """One of them, to be emptied for each test: making a new one takes a fifth of a second."""
    return new_postgres_ledger()


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger is, once in SQLite and once in Postgres."""
    if request.param == "sqlite":
        place = tmp_path / "ledger.sqlite"
        shutil.copy(request.getfixturevalue("empty_sqlite_ledger"), place)
        return str(place)
    return emptied(request.getfixturevalue("postgres_ledger"))


@pytest.fixture
def ledger(ledger_place: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place)
    yield opened
    opened.close()


def _new_database(url: str) -> str:
    name = f"film_{next(_numbers)}"
    run_in_postgres(url, f"CREATE DATABASE {name}")
    return f"{url.rpartition('/')[0]}/{name}"
