"""The database under the stores: versions, writers, forks, SQLite and Postgres."""

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from at_once import at_once
from sqlalchemy import inspect, make_url, text

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.database import Database
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.schema import FRAME_STORE, METADATA


@pytest.fixture
def frames(tmp_path: Path) -> Iterator[FrameStore]:
    store = FrameStore(tmp_path / "film.sqlite")
    yield store
    store.close()


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = Database(tmp_path / "film.sqlite", FRAME_STORE)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()
    assert ScriptDirectory(str(FRAME_STORE.migrations)).get_current_head() == FRAME_STORE.head


def test_a_store_of_newer_software_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "film.sqlite", FRAME_STORE)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(FilmProblem, match=r"version 9999.*install the newer"):
        Database(tmp_path / "film.sqlite", FRAME_STORE)


def test_a_broken_store_is_a_problem_with_its_file_and_mend(tmp_path: Path) -> None:
    (tmp_path / "film.sqlite").write_bytes(b"this is no database, however long one looks at it" * 100)
    with pytest.raises(FilmProblem, match=r"film.sqlite.*not a database.*film reindex"):
        FrameStore(tmp_path / "film.sqlite")


def test_a_transaction_that_fails_leaves_nothing(frames: FrameStore) -> None:
    with pytest.raises(RuntimeError), frames.database.writing() as connection:
        connection.execute(text("INSERT INTO noted VALUES ('a', '1')"))
        raise RuntimeError("stopped")
    assert frames.get_value("a") is None


def _write_notes(place: str, writer: int, notes: int) -> None:
    frames = FrameStore(place)
    for number in range(notes):
        frames.set_value(f"{writer}.{number}", number)
    frames.close()


def test_many_processes_write_at_once_and_none_is_refused(tmp_path: Path) -> None:
    place = str(tmp_path / "film.sqlite")
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_notes, args=(place, writer, 40)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    frames = FrameStore(place)
    assert all(frames.get_value(f"{writer}.{number}") == number for writer in range(4) for number in range(40))
    frames.close()


def test_processes_that_make_one_store_at_the_same_moment_all_get_it(tmp_path: Path) -> None:
    for number in range(40):
        place = tmp_path / f"{number}.sqlite"
        assert at_once(4, lambda place=place: Database(place, FRAME_STORE).close()) == []


def test_a_forked_worker_uses_connections_of_its_own(frames: FrameStore) -> None:
    frames.set_value("parent", 1)
    worker = multiprocessing.get_context("fork").Process(target=frames.set_value, args=("child", 2))
    worker.start()
    frames.set_value("parent", 3)
    worker.join(30)
    assert worker.exitcode == 0
    assert (frames.get_value("parent"), frames.get_value("child")) == (3, 2)


def test_many_processes_write_to_postgres_at_once(postgres: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_notes, args=(postgres, writer, 20)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 3


def test_an_unreachable_postgres_is_a_problem_that_hides_the_password() -> None:
    with pytest.raises(FilmProblem) as unreachable:
        FrameStore("postgresql://film:secret@127.0.0.1:1/film")
    assert "secret" not in str(unreachable.value)
    assert "start the database" in unreachable.value.mend


def test_a_plain_path_and_a_sqlite_url_are_the_same_store(tmp_path: Path) -> None:
    one = FrameStore(f"sqlite:///{tmp_path / 'film.sqlite'}")
    one.set_value("a", 1)
    other = FrameStore(str(tmp_path / "film.sqlite"))
    assert other.get_value("a") == 1
    with other.database.reading() as connection:
        assert inspect(connection).has_table("frames")
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    assert make_url(f"sqlite:///{tmp_path}").get_backend_name() == "sqlite"
    one.close()
    other.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_reader_sees_one_state_of_the_tables_while_others_write(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue("postgres") if kind == "postgres" else tmp_path / "film.sqlite"
    frames = FrameStore(place)
    frames.set_value("a", 1)
    count = text("SELECT count(*) FROM noted")
    with frames.database.reading() as connection:
        before = connection.execute(count).scalar()
        writer = threading.Thread(target=frames.set_value, args=("b", 2))
        writer.start()
        writer.join(30)
        assert connection.execute(count).scalar() == before == 1
    with frames.database.reading() as connection:
        assert connection.execute(count).scalar() == 2
    frames.close()
