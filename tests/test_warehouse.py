import multiprocessing
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Reference, Signature
from film_pipeline.stores.filing import file_frame
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore
from film_pipeline.stores.warehouse import CURRENT, lineage_of, open_current, publish
from tests.store_makers import SHOT, a_frame_file, a_place, a_record, a_turnover, open_stores

Stores = tuple[MediaStore, FrameStore]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    media, frames = open_stores(tmp_path)
    yield media, frames
    frames.close()


@pytest.fixture
def folder(stores: Stores) -> Path:
    return stores[0].root / "warehouse"


def film_three_frames(stores: Stores) -> None:
    media, frames = stores
    plate = file_frame(media, frames, a_frame_file(media, 1), a_record(1, cost_usd=None), a_place(1))
    from_plate = (Reference(role="plate", name="plate.1", sha256=plate.content_hash_sha256, licence="own work"),)
    take = file_frame(
        media, frames, a_frame_file(media, 2), a_record(2, cost_usd=0.125, references=from_plate), a_place(2)
    )
    from_take = (Reference(role="frame", name="take.2", sha256=take.content_hash_sha256),)
    signed = a_record(3, cost_usd=0.25, references=from_take, made_at="2026-11-24T01:00:00+00:00").model_copy(
        update={"signoffs": (Signature(name="A", role="director", signed_at="2026-11-24", subject="take 1"),)}
    )
    file_frame(media, frames, a_frame_file(media, 3), signed, a_place(3))


def test_every_record_is_in_the_published_snapshot(stores: Stores, folder: Path) -> None:
    film_three_frames(stores)
    publish(stores[1], folder)
    with open_current(folder) as lineage:
        frames = lineage.execute("SELECT media_path, kind, frame, recipe->>'a' FROM frames ORDER BY frame").fetchall()
        assert frames == [(a_place(frame), "render", frame, "[0.1,1099511627776]") for frame in (1, 2, 3)]
        assert lineage.execute('SELECT "role", "name", licence FROM edges ORDER BY "name"').fetchall() == [
            ("plate", "plate.1", "own work"),
            ("frame", "take.2", ""),
        ]
        assert (
            lineage.execute("SELECT author, detail->>'$.a.nested' FROM events").fetchall() == [("Ödile 墨", "true")] * 3
        )
        assert lineage.execute('SELECT "name", subject FROM signoffs').fetchall() == [("A", "take 1")]
        assert lineage.execute("SELECT shot, files FROM shots").fetchall() == [(SHOT, 3)]


def test_an_unknown_price_is_counted_and_is_not_zero(stores: Stores, folder: Path) -> None:
    film_three_frames(stores)
    publish(stores[1], folder)
    with open_current(folder) as lineage:
        by_day = lineage.execute(
            "SELECT day, cost_usd, files_of_unknown_price FROM cost_by_day ORDER BY day"
        ).fetchall()
        assert by_day == [("2026-11-23", Decimal("0.125000"), 1), ("2026-11-24", Decimal("0.250000"), 0)]
        by_engine = "SELECT engine, provider, files, cost_usd FROM cost_by_engine"
        assert lineage.execute(by_engine).fetchall() == [("cycles", "local", 3, Decimal("0.375000"))]
        assert lineage.execute("SELECT shot, cost_usd FROM cost_by_shot").fetchall() == [(SHOT, Decimal("0.375000"))]


def test_the_snapshot_answers_lineage_as_the_store_does(stores: Stores, folder: Path) -> None:
    film_three_frames(stores)
    publish(stores[1], folder)
    final = stores[1].record_at(a_place(3))
    assert final is not None
    with open_current(folder) as lineage:
        found = lineage_of(lineage, final.content_hash_sha256)
        assert found == stores[1].made_from(final.content_hash_sha256)
        assert [edge.name for edge in found] == ["take.2", "plate.1"]
        closure = "SELECT count(*) FROM lineage WHERE sha256 = ?"
        assert lineage.execute(closure, [final.content_hash_sha256]).fetchall() == [(2,)]


def test_turnovers_say_which_one_is_current(stores: Stores, folder: Path) -> None:
    _, frames = stores
    for version in (1, 2, 1):
        frames.hand_over(a_turnover(version))
    publish(frames, folder)
    with open_current(folder) as lineage:
        rows = lineage.execute(
            "SELECT version, is_current, turnover->>'stage' FROM turnovers ORDER BY version"
        ).fetchall()
    assert rows == [(1, True, "color"), (2, False, "color")]


def test_a_film_with_nothing_made_publishes_empty_tables(stores: Stores, folder: Path) -> None:
    publish(stores[1], folder)
    with open_current(folder) as lineage:
        assert lineage.execute("SELECT count(*) FROM frames").fetchall() == [(0,)]


def test_readers_keep_what_they_opened_and_the_last_three_are_kept(stores: Stores, folder: Path) -> None:
    media, frames = stores
    publish(frames, folder)
    with open_current(folder) as reader:
        for frame in range(1, 6):
            file_frame(media, frames, a_frame_file(media, frame), a_record(frame), a_place(frame))
            publish(frames, folder)
            with open_current(folder) as newest:
                assert newest.execute("SELECT count(*) FROM frames").fetchall() == [(frame,)]
        assert reader.execute("SELECT count(*) FROM frames").fetchall() == [(0,)]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        CURRENT,
        "provenance-004.duckdb",
        "provenance-005.duckdb",
        "provenance-006.duckdb",
    ]


def test_what_a_killed_publisher_left_is_cleared_away(stores: Stores, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "provenance-001.duckdb.tmp").write_bytes(b"half a snapshot")
    (folder / "provenance-001.duckdb.tmp.wal").write_bytes(b"and its log")
    assert publish(stores[1], folder).name == "provenance-001.duckdb"
    assert list(folder.glob("*.tmp*")) == []


def test_the_snapshot_cannot_be_written(stores: Stores, folder: Path) -> None:
    publish(stores[1], folder)
    with open_current(folder) as lineage, pytest.raises(duckdb.Error, match="read-only"):
        lineage.execute("DELETE FROM frames")


def test_a_missing_or_broken_snapshot_is_a_problem_with_its_file(stores: Stores, folder: Path) -> None:
    with pytest.raises(FilmProblem, match="no lineage was published yet"):
        open_current(folder)
    snapshot = publish(stores[1], folder)
    snapshot.write_bytes(b"no database at all" * 1000)
    with pytest.raises(FilmProblem, match=f"{snapshot.name}.*can't be read"):
        open_current(folder)
    snapshot.unlink()
    with pytest.raises(FilmProblem, match="can't be read"):
        open_current(folder)
    publish(stores[1], folder)
    open_current(folder).close()


def _publish_often(place: str, folder: str) -> None:
    frames = FrameStore(place)
    for _ in range(4):
        publish(frames, Path(folder))
    frames.close()


def test_two_publishers_and_a_reader_do_not_disturb_each_other(stores: Stores, folder: Path) -> None:
    film_three_frames(stores)
    publish(stores[1], folder)
    spawn = multiprocessing.get_context("spawn")
    place = str(stores[0].root / "film.sqlite")
    publishers = [spawn.Process(target=_publish_often, args=(place, str(folder))) for _ in range(2)]
    for publisher in publishers:
        publisher.start()
    reads = 0
    while any(publisher.is_alive() for publisher in publishers):
        with open_current(folder) as lineage:
            assert lineage.execute("SELECT count(*) FROM frames").fetchall() == [(3,)]
        reads += 1
        publishers[0].join(0.02)
        publishers[1].join(0.02)
    assert [publisher.exitcode for publisher in publishers] == [0, 0]
    assert (folder / CURRENT).read_text() == "provenance-009.duckdb"
    assert reads > 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_the_last_snapshot_standing(stores: Stores, tmp_path: Path, small_disk: Path) -> None:
    film_three_frames(stores)
    publish(stores[1], small_disk)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 65536)
    with pytest.raises(FilmProblem) as full:
        publish(stores[1], small_disk)
    assert full.value.file is not None
    assert full.value.mend
    assert list(small_disk.glob("*.tmp*")) == []
    with open_current(small_disk) as lineage:
        assert lineage.execute("SELECT count(*) FROM frames").fetchall() == [(3,)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    import subprocess

    disk = tmp_path / "small"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)
