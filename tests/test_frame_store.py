import datetime
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_makers import SHOT, a_frame_file, a_place, a_record, a_turnover, digest, open_stores

from film_pipeline.core.record import Record, Reference
from film_pipeline.stores.filing import (
    file_frame,
    file_frames,
    file_turnover,
    recover,
    sidecar_bytes,
    sidecar_of,
)
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.leases import claim, claim_if_free, claim_production
from film_pipeline.stores.media import MediaStore
from film_pipeline.stores.rebuild import rebuild, verify

Stores = tuple[MediaStore, FrameStore]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    media, frames = open_stores(tmp_path)
    yield media, frames
    frames.close()


def file_some(stores: Stores, frames: range, version: int = 1) -> list[Record]:
    media, index = stores
    return file_frames(
        media,
        index,
        [(a_frame_file(media, frame), a_record(frame, version), a_place(frame, version)) for frame in frames],
    )


# Filing


def test_a_filed_frame_is_found_by_recipe_by_content_and_by_place(stores: Stores) -> None:
    media, frames = stores
    filed = file_frame(media, frames, a_frame_file(media, 1001), a_record(1001), a_place(1001))
    assert filed.content_hash_sha256 == digest("pixels of 1001")
    assert filed.media_bytes == len("pixels of 1001")
    assert frames.frame_made(filed.recipe_sha256) == filed
    assert frames.frame_made(filed.recipe_sha256, role="depth") is None
    assert frames.record_of(filed.content_hash_sha256) == filed
    assert frames.record_of(Path(a_place(1001))) == filed
    assert frames.record_of("shots/nowhere.exr") is None


def test_the_record_stands_beside_the_frame(stores: Stores) -> None:
    media, _ = stores
    [filed] = file_some(stores, range(1001, 1002))
    sidecar = sidecar_of(media.root / a_place(1001))
    assert Record.model_validate_json(sidecar.read_text()) == filed
    assert json.loads(sidecar.read_text())["lineage"]["events"][0]["author"] == "Ödile 墨"


def test_filing_the_same_again_changes_nothing(stores: Stores) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1006))
    before, files = frames.rows(), sorted(media.root.rglob("*"))
    file_some(stores, range(1001, 1006))
    assert frames.rows() == before
    assert sorted(media.root.rglob("*")) == files
    assert frames.count() == 5


def test_a_frame_made_before_is_laid_out_in_a_new_version_without_being_made(stores: Stores) -> None:
    media, frames = stores
    [first] = file_some(stores, range(1001, 1002))
    again = file_frame(media, frames, media.path_of(first.content_hash_sha256), a_record(1001, 2), a_place(1001, 2))
    assert again.content_hash_sha256 == first.content_hash_sha256
    assert os.path.samefile(media.root / a_place(1001), media.root / a_place(1001, 2))
    assert frames.count() == 2


def test_many_recipes_are_asked_for_at_once(stores: Stores) -> None:
    filed = file_some(stores, range(1001, 2202))
    found = stores[1].frames_made([*(record.recipe_sha256 for record in filed), digest("never made")])
    assert found == {record.recipe_sha256: record for record in filed}


def test_a_frame_outside_of_the_laid_out_folders_is_refused(stores: Stores) -> None:
    media, frames = stores
    with pytest.raises(ValueError, match="would not be found again"):
        file_frame(media, frames, a_frame_file(media, 1001), a_record(), "elsewhere/f.exr")
    assert frames.count() == 0


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
@settings(max_examples=60, deadline=None)
def test_a_record_read_back_from_its_sidecar_is_written_the_same(value: object) -> None:
    record = a_record().model_copy(update={"recipe": {"value": value}})
    assert sidecar_bytes(Record.model_validate_json(sidecar_bytes(record))) == sidecar_bytes(record)


# Lineage


def test_lineage_is_followed_to_the_authors_files_and_back(stores: Stores) -> None:
    media, frames = stores
    plate = file_frame(
        media,
        frames,
        a_frame_file(media, 1, "plate"),
        a_record(1, references=(Reference(role="script", name="script.fountain", sha256=digest("script")),)),
        a_place(1),
    )
    made_from = (Reference(role="plate", name="plate.1", sha256=plate.content_hash_sha256),)
    final = file_frame(media, frames, a_frame_file(media, 2, "final"), a_record(2, references=made_from), a_place(2))
    upstream = frames.made_from(final.content_hash_sha256)
    assert [(edge.role, edge.steps) for edge in upstream] == [("plate", 1), ("script", 2)]
    downstream = frames.made_into(digest("script"))
    assert [(edge.sha256, edge.steps) for edge in downstream] == [
        (plate.content_hash_sha256, 1),
        (final.content_hash_sha256, 2),
    ]
    assert frames.made_from(digest("nobody knows it")) == []


def test_a_lineage_that_bites_its_tail_ends(stores: Stores) -> None:
    media, frames = stores
    one = (Reference(role="a", name="two", sha256=digest("pixels of 2")),)
    two = (Reference(role="b", name="one", sha256=digest("pixels of 1")),)
    file_frame(media, frames, a_frame_file(media, 1), a_record(1, references=one), a_place(1))
    file_frame(media, frames, a_frame_file(media, 2), a_record(2, references=two), a_place(2))
    assert [edge.name for edge in frames.made_from(digest("pixels of 1"))] == ["two", "one"]


# Turnovers


def test_the_turnover_handed_over_last_is_the_current_one(stores: Stores) -> None:
    media, frames = stores
    warm, cold = a_turnover(1, "warm"), a_turnover(2, "cold")
    for turnover in (warm, cold):
        file_turnover(media, frames, turnover, f"shots/{SHOT}/color/v{turnover.version:03d}")
    assert frames.latest("color", SHOT) == cold
    file_turnover(media, frames, warm, f"shots/{SHOT}/color/v001")
    assert frames.latest("color", SHOT) == warm
    assert frames.latest_all() == {("color", SHOT): warm}
    assert frames.turnover("color", SHOT, digest("cold")) == cold
    assert frames.versions("color", SHOT) == [warm, cold]
    assert frames.next_version("color", SHOT) == 3
    assert frames.next_version("color", "SC010_SH020") == 1
    assert frames.latest("color", "SC010_SH020") is None


def test_thousands_of_current_turnovers_come_in_one_query(stores: Stores) -> None:
    _, frames = stores
    shots = [f"SC{number:03d}_SH010" for number in range(300)]
    for shot in shots:
        frames.hand_over(a_turnover(1, shot=shot))
        frames.hand_over(a_turnover(2, shot=shot))
    latest = frames.latest_all()
    assert {shot for _, shot in latest} == set(shots)
    assert {turnover.version for turnover in latest.values()} == {2}


# Notes, failures, heartbeats


def test_a_failure_stands_until_it_is_cleared(stores: Stores) -> None:
    _, frames = stores
    frames.fail("render", SHOT, {"problem": "no lamp"})
    frames.fail("render", SHOT, {"problem": "no puppet"}, run_id="run-1")
    assert frames.failures() == {("render", SHOT): {"problem": "no puppet"}}
    frames.clear_failure("render", SHOT)
    frames.clear_failure("render", SHOT)
    assert frames.failures() == {}


def test_noted_values_are_kept_as_json(stores: Stores) -> None:
    _, frames = stores
    assert frames.get_value("scenes") is None
    frames.set_value("scenes", {"SC010": ["INT. STUDY", None]})
    frames.set_value("scenes", {"SC010": ["INT. STÜDY", 2]})
    assert frames.get_value("scenes") == {"SC010": ["INT. STÜDY", 2]}


def test_a_run_that_falls_silent_is_noticed_and_an_ended_one_is_not(stores: Stores) -> None:
    _, frames = stores
    for run in ("alive", "ended"):
        frames.heartbeat(run)
        frames.heartbeat(run)
    frames.end_run("ended")
    assert frames.silent_runs(datetime.timedelta(minutes=1)) == []
    time.sleep(0.01)
    assert frames.silent_runs(datetime.timedelta(milliseconds=5)) == ["alive"]


# Rebuilding and checking


def film_with_everything(stores: Stores) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1006))
    file_some(stores, range(1001, 1004), version=2)
    script = (Reference(role="script", name="script.fountain", sha256=digest("script"), licence="own work"),)
    file_frame(
        media,
        frames,
        a_frame_file(media, 9, '{"a": 1}'),
        a_record(9, references=script),
        "film/edit/v001/cut.1001.json",
    )
    for version, recipe in ((1, "warm"), (2, "cold"), (1, "warm")):
        file_turnover(media, frames, a_turnover(version, recipe), f"shots/{SHOT}/color/v{version:03d}")


def test_the_index_rebuilt_from_the_sidecars_has_the_same_rows(stores: Stores, tmp_path: Path) -> None:
    media, frames = stores
    film_with_everything(stores)
    other = FrameStore(tmp_path / "rebuilt.sqlite")
    rebuilt = rebuild(media.root, other)
    assert (rebuilt.records, rebuilt.turnovers, rebuilt.problems) == (9, 2, [])
    assert other.rows() == frames.rows()
    assert other.latest("color", SHOT) == a_turnover(1, "warm")
    assert list(verify(media.root, other)) == []
    other.close()


def test_rebuilding_in_place_forgets_what_is_gone_and_keeps_notes(stores: Stores) -> None:
    media, frames = stores
    film_with_everything(stores)
    frames.set_value("scenes", 3)
    before = frames.rows()
    assert rebuild(media.root).forgotten == 0
    assert frames.rows() == before
    shutil.rmtree(media.root / "shots" / SHOT)
    assert rebuild(media.root).forgotten == 8
    assert frames.count() == 1
    assert frames.latest_all() == {}
    assert frames.get_value("scenes") == 3


def test_a_production_copied_without_its_hard_links_is_rebuilt(stores: Stores, tmp_path: Path) -> None:
    media, _ = stores
    film_with_everything(stores)
    copied = tmp_path / "copied"
    shutil.copytree(media.root, copied, ignore=shutil.ignore_patterns("objects", "film.sqlite*"))
    assert rebuild(copied).problems == []
    there = FrameStore(copied / "film.sqlite")
    assert there.rows() == stores[1].rows()
    assert MediaStore(copied).verify(digest("pixels of 1001"))
    there.close()


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"deliverable": 3}', b"\xff\xfe", b"null"])
def test_a_broken_record_is_reported_and_stops_nothing_else(stores: Stores, broken: bytes) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1004))
    sidecar = sidecar_of(media.root / a_place(1002))
    sidecar.write_bytes(broken)
    assert [problem.file for problem in verify(media.root, frames)] == [sidecar]
    rebuilt = rebuild(media.root, frames)
    assert [problem.file for problem in rebuilt.problems] == [sidecar]
    assert "can't be read" in rebuilt.problems[0].problem
    assert rebuilt.problems[0].mend
    assert (rebuilt.records, rebuilt.forgotten) == (2, 1)
    assert frames.record_at(a_place(1002)) is None


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"handed_over": "x"}', b'{"stage": "color"}', b"\xff"])
def test_a_broken_turnover_is_reported_and_stops_nothing_else(stores: Stores, broken: bytes) -> None:
    media, frames = stores
    film_with_everything(stores)
    path = media.root / f"shots/{SHOT}/color/v002/turnover.json"
    path.write_bytes(broken)
    rebuilt = rebuild(media.root, frames)
    assert [problem.file for problem in rebuilt.problems] == [path]
    assert frames.versions("color", SHOT) == [a_turnover(1, "warm")]


def test_changed_bytes_are_reported_with_file_and_mend(stores: Stores) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1004))
    place = media.root / a_place(1002)
    os.chmod(place, 0o644)
    place.write_bytes(b"Pixels of 1002")
    [problem] = verify(media.root, frames)
    assert problem.file == place
    assert "not those of its record" in problem.problem
    assert "restore it" in problem.mend
    place.write_bytes(b"longer than it was")
    assert [found.file for found in rebuild(media.root, frames).problems] == [place]
    assert frames.record_at(a_place(1002)) is None


def test_missing_and_unrecorded_files_are_reported(stores: Stores) -> None:
    media, frames = stores
    film_with_everything(stores)
    (media.root / a_place(1001)).unlink()
    sidecar_of(media.root / a_place(1002)).unlink()
    stray = media.root / f"shots/{SHOT}/render/t001/from-elsewhere.exr"
    stray.write_bytes(b"?")
    found = {problem.file: problem.problem for problem in verify(media.root, frames)}
    assert found == {
        media.root / a_place(1001): "the file is missing",
        media.root / a_place(1002): "the record beside the file is missing",
        stray: "the file is not in the index",
    }


def test_a_record_that_was_moved_to_another_file_is_not_believed(stores: Stores) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1003))
    shutil.copy(sidecar_of(media.root / a_place(1001)), sidecar_of(media.root / a_place(1002)))
    assert [problem.problem for problem in rebuild(media.root, frames).problems] == [
        f"the record is of {a_place(1001)} and lies beside another file"
    ]


def test_an_edited_record_is_noticed(stores: Stores) -> None:
    media, frames = stores
    file_some(stores, range(1001, 1002))
    sidecar = sidecar_of(media.root / a_place(1001))
    sidecar.write_text(sidecar.read_text().replace('"certified_by": ""', '"certified_by": "somebody"'))
    assert [problem.mend for problem in verify(media.root, frames)] == ["film reindex"]


def test_there_is_nothing_to_recover_after_a_filing_that_ended(stores: Stores) -> None:
    film_with_everything(stores)
    before = stores[1].rows()
    recovered = recover(*stores)
    assert (recovered.records, recovered.turnovers, recovered.problems) == ([], [], [])
    assert stores[1].rows() == before


# Claims


def test_the_second_claim_waits_says_so_and_comes_when_the_first_ends(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        def told(what: str) -> None:
            order.append(what)
            waiting.set()

        with claim(tmp_path, "render", SHOT, told):
            order.append("second")

    with claim(tmp_path, "render", SHOT), claim(tmp_path, "render", "SC010_SH020"), claim_production(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == [
        f"render of {SHOT} is in work at process {os.getpid()} on {os.uname().nodename}",
        "first",
        "second",
    ]


def test_a_claim_that_is_not_free_is_not_waited_for(tmp_path: Path) -> None:
    with claim_if_free(tmp_path, "render", SHOT) as first, claim_if_free(tmp_path, "render", SHOT) as second:
        assert (first, second) == (True, False)
    with claim(tmp_path, "render", SHOT), claim_if_free(tmp_path, "render", SHOT) as third:
        assert not third
    with claim_if_free(tmp_path, "render", SHOT) as fourth:
        assert fourth


def test_a_killed_process_frees_its_claim_even_if_its_forked_worker_lives(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from film_pipeline.stores.leases import claim\n"
        "with claim(Path(sys.argv[1]), 'render', 'SC010_SH010'):\n"
        "    child = os.fork()\n"
        "    if child: print(child, flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    try:
        process.kill()
        process.wait()
        with claim(tmp_path, "render", SHOT):
            os.kill(worker, 0)
    finally:
        os.kill(worker, 9)
        process.stdout.close()


# Postgres


def test_postgres_holds_the_same_rows_as_sqlite(stores: Stores, postgres: str) -> None:
    media, frames = stores
    film_with_everything(stores)
    served = FrameStore(postgres)
    rebuilt = rebuild(media.root, served)
    assert (rebuilt.records, rebuilt.problems) == (9, [])
    assert served.rows() == frames.rows()
    assert served.latest_all() == frames.latest_all()
    assert served.made_from(digest('{"a": 1}')) == frames.made_from(digest('{"a": 1}')) != []
    assert rebuild(media.root, served).forgotten == 0
    served.fail("render", SHOT, {"problem": "no lamp"})
    served.clear_failure("render", SHOT)
    served.heartbeat("run")
    served.heartbeat("run")
    served.set_value("scenes", [1])
    assert (served.failures(), served.get_value("scenes")) == ({}, [1])
    served.close()
