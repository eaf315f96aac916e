"""A small film, shot by a real Blender over real MCP: what is made, what is made again, what is never made twice."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import opentimelineio as otio
import pytest
from PIL import Image
from small_film import SmallFilm

from film_pipeline.core.record import Record
from film_pipeline.departments.film import Film
from film_pipeline.stores.filing import sidecar_of
from film_pipeline.stores.rebuild import verify
from film_pipeline.stores.warehouse import lineage_of, open_current

pytestmark = pytest.mark.blender


def made_by(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str | None]]:
    """What a `film run --json` says it made. Its standard output is one JSON document and nothing else."""
    return [(row["department"], row["shot"]) for row in json.loads(done.stdout)["made"]]


def files(film: SmallFilm) -> dict[str, tuple[int, float]]:
    """The author's files with size and time of change."""
    found = (path for path in film.root.rglob("*") if path.is_file() and ".film" not in path.parts)
    return {str(path): (path.stat().st_size, path.stat().st_mtime) for path in found}


def finished(film: SmallFilm, shot: str, version: str = "v001") -> list[Path]:
    return sorted((film.root / ".film" / "shots" / shot / "color" / version).glob("*.png"))


def test_the_master_plays_every_frame_of_the_cut(made_film: SmallFilm) -> None:
    delivered = made_film.root / ".film" / "film" / "deliver" / "v001"
    for name, codec in (("film_deliver_review_v001.mp4", "h264"), ("film_deliver_prores_v001.mov", "prores")):
        with av.open(str(delivered / name)) as master:
            assert master.streams.video[0].codec_context.name == codec
            assert sum(1 for _ in master.decode(video=0)) == 8 + 6 - 4
    assert (delivered / "film_deliver_qc_v001.txt").read_text(encoding="utf-8").count("PASSED") == 2


def test_every_finished_frame_answers_with_its_recipe(made_film: SmallFilm) -> None:
    frames = finished(made_film, "SC010_SH010") + finished(made_film, "SC010_SH020")
    assert len(frames) == 3 + 3
    for frame in frames:
        record = Record.model_validate_json(sidecar_of(frame).read_bytes())
        assert record.engine_summary == ("cycles", "comp", "oiio")
        assert [event.engine for event in record.lineage.events] == ["cycles", "comp", "oiio"]
    told = made_film.film("recipe", str(frames[0]))
    assert told.returncode == 0
    assert json.loads(told.stdout)["frame"] == 1001


def test_lineage_leads_from_a_finished_frame_to_the_authors_files(made_film: SmallFilm) -> None:
    frame = finished(made_film, "SC010_SH010")[0]
    record = Record.model_validate_json(sidecar_of(frame).read_bytes())
    with open_current(made_film.root / ".film" / "warehouse") as lineage:
        names = {edge.name for edge in lineage_of(lineage, record.content_hash_sha256)}
    assert "SC010.yaml" in names
    assert any(name.endswith(".exr") for name in names)


def test_a_second_run_makes_nothing(made_film: SmallFilm) -> None:
    again = made_film.film("run", "--json")
    assert again.returncode == 0, again.stderr
    assert made_by(again) == []


def test_a_new_grade_is_a_new_version_and_renders_nothing(made_film: SmallFilm) -> None:
    made_film.edit("look/look.yaml", "exposure_stops: 1.9", "exposure_stops: 2.2")
    done = made_film.film("run", "--through", "color", "--json")
    assert done.returncode == 0, done.stderr
    assert {name for name, _ in made_by(done)} == {"look", "color"}
    assert finished(made_film, "SC010_SH010", "v001")
    assert finished(made_film, "SC010_SH010", "v002")
    rendered = {path.parent.name for path in (made_film.root / ".film" / "shots").rglob("*_render_*.exr")}
    assert rendered == {"t001"}


def test_going_back_to_an_earlier_grade_brings_its_version_back(made_film: SmallFilm) -> None:
    made_film.edit("look/look.yaml", "grain: {amount: 0.016", "grain: {amount: 0.03")
    assert made_film.film("run", "--through", "color").returncode == 0
    made_film.edit("look/look.yaml", "grain: {amount: 0.03", "grain: {amount: 0.016")
    back = made_film.film("run", "--through", "color", "--json")
    assert back.returncode == 0, back.stderr
    with Film(made_film.root) as film:
        latest = film.frames.latest("color", "SC010_SH010")
    assert latest is not None
    assert latest.version == 1


def test_moving_a_brow_shoots_only_the_frames_in_which_it_moves(made_film: SmallFilm) -> None:
    made_film.edit("shots/SC010.yaml", "face: {jaw_open: 0.8}", "face: {brow_up: 0.8}")
    done = made_film.film("run", "--through", "color", "--json")
    assert done.returncode == 0, done.stderr
    assert {shot for _, shot in made_by(done)} <= {"SC010_SH020", None}
    with Film(made_film.root) as film:
        render = film.frames.latest("render", "SC010_SH020")
    assert render is not None
    assert render.facts["found"] == 1, "the exposure before the change is found, not rendered"


def test_a_failing_shot_takes_no_other_with_it(new_film: SmallFilm) -> None:
    new_film.edit("shots/SC010.yaml", "{frame: 1003, pose: think, face", "{frame: 1003, pose: thnik, face")
    done = new_film.film("run", "--through", "cameras", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert ("cameras", "SC010_SH010") in made_by(done)
    problems = [problem for problem in report["problems"] if "thnik" in problem["problem"]]
    assert len(problems) == 1
    assert problems[0]["shot"] == "SC010_SH020"
    assert problems[0]["file"].endswith("SC010.yaml")
    assert problems[0]["line"]
    assert "think" in problems[0]["mend"]


def test_the_authors_files_are_never_written(new_film: SmallFilm) -> None:
    before = files(new_film)
    assert new_film.film("run", "--through", "storyboard").returncode == 0
    assert files(new_film) == before


def test_the_index_rebuilt_from_the_sidecars_is_the_same(made_film: SmallFilm) -> None:
    with Film(made_film.root) as film:
        before = film.frames.rows()
        film.frames.close()
    for path in (made_film.root / ".film").glob("film.sqlite*"):
        path.unlink()
    assert made_film.film("reindex").returncode == 0
    with Film(made_film.root) as film:
        assert film.frames.rows() == before
    again = made_film.film("run", "--json")
    assert made_by(again) == []


def test_a_changed_frame_is_found_by_verify_and_by_recipe(made_film: SmallFilm) -> None:
    frame = finished(made_film, "SC010_SH010")[0]
    data = bytearray(frame.read_bytes())
    data[-20] ^= 1
    frame.chmod(0o644)
    frame.write_bytes(bytes(data))
    assert made_film.film("verify").returncode == 1
    assert made_film.film("recipe", str(frame)).returncode == 1


def test_two_runs_at_once_make_everything_once(new_film: SmallFilm) -> None:
    command = [sys.executable, "-m", "film_pipeline.cli", "run", "--through", "render", "--json"]
    both = [
        subprocess.Popen(command, cwd=new_film.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for run in both:
        _, told = run.communicate(timeout=300)
        assert run.returncode == 0, told
    with Film(new_film.root) as film:
        assert list(verify(film.made, film.frames)) == []
        assert [len(film.frames.versions("render", shot)) for shot in film.shots] == [1, 1]


def test_a_run_killed_in_mid_render_resumes_and_makes_no_frame_twice(new_film: SmallFilm) -> None:
    new_film.edit("shots/SC010.yaml", "length: 8", "length: 24")
    new_film.edit("shots/SC010.yaml", "holds: [{frame: 1005, frames: 4}]", "holds: []")
    new_film.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1024, pose: think}")
    assert new_film.film("run", "--through", "cameras").returncode == 0
    run = subprocess.Popen(
        [sys.executable, "-m", "film_pipeline.cli", "run", "--through", "render"],
        cwd=new_film.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    before = wait_for_frames(new_film, 3)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    landed = rendered(new_film)
    assert len(landed) >= before
    done = new_film.film("run", "--through", "render", "--json")
    assert done.returncode == 0, done.stderr
    after = rendered(new_film)
    assert {path: made for path, made in after.items() if path in landed} == landed, "what had landed was made again"
    assert len(after) == 12 + 3
    with Film(new_film.root) as film:
        assert list(verify(film.made, film.frames)) == []


def rendered(film: SmallFilm) -> dict[str, Any]:
    """Every render that is filed: its path and when it was made."""
    with sqlite3.connect(f"file:{film.root / '.film' / 'film.sqlite'}?mode=ro", uri=True) as index:
        return dict(index.execute("SELECT media_path, made_at FROM frames WHERE role = 'render'").fetchall())


def wait_for_frames(film: SmallFilm, frames: int, timeout_s: float = 120) -> int:
    """Wait until so many frames are filed. Returns how many there are."""
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        landed = len(rendered(film))
        if landed >= frames:
            return landed
        time.sleep(0.05)
    raise AssertionError(f"{frames} frames were not rendered within {timeout_s} s")


def test_a_wedge_puts_grades_of_one_frame_on_one_sheet(made_film: SmallFilm) -> None:
    done = made_film.film(
        "wedge",
        "SC010_SH010",
        "--look",
        "darker: {exposure_stops: 0.5}",
        "--look",
        "grey: {cdl: {saturation: 0}}",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    with Image.open(json.loads(done.stdout)["sheet"]) as sheet:
        assert sheet.width > 2 * 192
    refused = made_film.film("wedge", "SC010_SH010", "--look", "darker: {exposure_stop: 1}")
    assert refused.returncode == 1
    assert "exposure_stop" in refused.stderr


def test_an_edited_timeline_comes_back_into_the_cut_and_can_be_forgotten(made_film: SmallFilm, tmp_path: Path) -> None:
    timeline = made_film.root / ".film" / "film" / "edit" / "v001" / "film_edit_timeline_v001.otio"
    edited = otio.adapters.read_from_file(str(timeline), adapter_name="otio_json")
    [picture] = edited.video_tracks()
    first = picture[0]
    del picture[0]
    picture.append(first)
    otio.adapters.write_to_file(edited, str(tmp_path / "edited.otio"), adapter_name="otio_json")
    done = made_film.film("conform", str(tmp_path / "edited.otio"), "--json")
    assert done.returncode == 0, done.stderr
    assert [clip["shot"] for clip in json.loads(done.stdout)["clips"]] == ["SC010_SH020", "SC010_SH010"]
    ran = made_film.film("run", "--json")
    assert ran.returncode == 0, ran.stderr
    assert {name for name, _ in made_by(ran)} == {"cut", "master"}
    back = made_film.film("conform", "--forget", "--json")
    assert [clip["shot"] for clip in json.loads(back.stdout)["clips"]] == ["SC010_SH010", "SC010_SH020"]
