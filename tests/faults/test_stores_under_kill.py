"""What the stores promise when processes are killed and disks fill up.

FILM_FAULT_RUNS sets how many seeded kills are tried (20 if it is not set), FILM_FAULT_SEED the first seed.
"""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from filer import FOLDER, SHOT, film, place_of, record_of
from lanes import in_lanes

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.stores import disk
from film_pipeline.stores.filing import TURNOVER_FILE, file_frames, read_record, recover, sidecar_of
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore
from film_pipeline.stores.rebuild import rebuild, verify

RUNS = int(os.environ.get("FILM_FAULT_RUNS", "20"))
FIRST_SEED = int(os.environ.get("FILM_FAULT_SEED", "1"))
FRAMES = 24


def start_filming(made: Path, batch: int) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).with_name("filer.py")), str(made), str(FRAMES), str(batch)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)


def film_in_a_fork(made: Path, batch: int) -> tuple[int, TextIO]:
    """The same without the time that a new Python takes: the process, and what it says."""
    hears, says = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.dup2(says, 1)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            film(made, FRAMES, batch)
            status = 0
        finally:
            os._exit(status)
    os.close(says)
    return process, os.fdopen(hears)


def film_and_kill(made: Path, batch: int, chance: random.Random) -> list[str]:
    """Film until a random frame is made, then kill within the milliseconds in which it comes home."""
    process, said_there = film_in_a_fork(made, batch)
    said: list[str] = []
    fatal = chance.randrange(1, FRAMES + 1)
    with said_there:
        for line in said_there:
            said.append(line.strip())
            if len([heard for heard in said if heard.startswith("made")]) >= fatal:
                break
        time.sleep(chance.random() * 0.02)
        os.kill(process, signal.SIGKILL)
        said += [line.strip() for line in said_there]
    os.waitpid(process, 0)
    return said


def film_to_the_end(made: Path, batch: int) -> list[str]:
    process, said_there = film_in_a_fork(made, batch)
    with said_there:
        said = said_there.read().splitlines()
    assert os.waitpid(process, 0)[1] == 0, said
    return said


def check_that_nothing_false_is_reported(made: Path, frames: FrameStore) -> None:
    """Every row of the index has its file, with the bytes of its record, and the record beside it."""
    for row in frames.records():
        place = made / row.media_path
        assert sha256_of_file(place) == row.content_hash_sha256
        assert read_record(sidecar_of(place), made) == row
    for place in made.rglob("*.exr"):
        if "shots" in place.parts and not place.name.startswith("."):
            assert sidecar_of(place).is_file(), f"{place} is seen without a record"


def check_that_the_film_is_whole(made: Path, spare: Path) -> None:
    frames, rebuilt = FrameStore(made / "film.sqlite"), FrameStore(spare)
    assert sorted(record.frame or 0 for record in frames.records()) == list(range(1001, 1001 + FRAMES))
    assert rebuild(made, rebuilt).problems == []
    assert rebuilt.rows() == frames.rows()
    assert list(verify(made, frames)) == []
    laid_out = sorted(path.name for path in (made / FOLDER).iterdir())
    names = [Path(place_of(1001 + number)).name for number in range(FRAMES)]
    assert laid_out == sorted([*names, *(f"{name}.json" for name in names), TURNOVER_FILE])
    assert list((made / "filing").iterdir()) == []
    frames.close()
    rebuilt.close()


@pytest.mark.slow
def test_a_run_that_is_killed_while_frames_come_home_loses_nothing_and_makes_nothing_twice(tmp_path: Path) -> None:
    in_lanes(lambda seed, _: kill_a_run(seed, tmp_path / f"film-{seed}"), range(FIRST_SEED, FIRST_SEED + RUNS))


def kill_a_run(seed: int, made: Path) -> None:
    """Once or twice, then let it finish."""
    chance = random.Random(seed)
    batch = chance.choice([1, 1, 4, FRAMES])
    said: list[str] = []
    for _ in range(chance.choice([1, 1, 2])):
        said += film_and_kill(made, batch, chance)
    if (made / "film.sqlite").exists():
        frames, rebuilt = FrameStore(made / "film.sqlite"), FrameStore(made.with_suffix(".killed.sqlite"))
        check_that_nothing_false_is_reported(made, frames)
        recover(MediaStore(made), frames)
        check_that_nothing_false_is_reported(made, frames)
        assert rebuild(made, rebuilt).problems == []
        assert rebuilt.rows() == frames.rows()
        home = {record.frame for record in frames.records()}
        filed = {int(number) for line in said if line.startswith("filed") for number in line.split()[1:]}
        assert filed <= home, "a frame that was filed is lost"
        frames.close()
        rebuilt.close()
    else:
        home = set()
    rest = film_to_the_end(made, batch)
    assert rest[-1] == "wrapped", rest
    again = {int(line.split()[1]) for line in rest if line.startswith("made")}
    assert again == set(range(1001, 1001 + FRAMES)) - home, "a frame that is home is made again"
    check_that_the_film_is_whole(made, made.with_suffix(".sqlite"))
    shutil.rmtree(made)


def test_a_turnover_that_is_killed_half_written_is_swept_up_and_handed_over_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = disk.flush

    def dies_at_the_turnover(path: Path | str) -> None:
        if TURNOVER_FILE in os.path.basename(path):
            os._exit(9)
        flushed(path)

    with monkeypatch.context() as patched:
        patched.setattr(disk, "flush", dies_at_the_turnover)
        process, said_there = film_in_a_fork(tmp_path, FRAMES)
    with said_there:
        said_there.read()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert len(list((tmp_path / FOLDER).glob(f".{TURNOVER_FILE}.*"))) == 1
    assert film_to_the_end(tmp_path, FRAMES) == ["wrapped"]
    check_that_the_film_is_whole(tmp_path, tmp_path / "spare.sqlite")


class Interrupted(Exception):
    """The process is taken to have died here."""


def die_at(media: MediaStore, frames: FrameStore, step: str) -> tuple[MediaStore, FrameStore]:
    """Stores that stop for ever at one step of a filing."""

    class DyingMedia(MediaStore):
        def store(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            if step == "before the bytes":
                raise Interrupted
            kept = super().store(*args, **kwargs)  # type: ignore[arg-type]
            if step == "after the bytes":
                raise Interrupted
            return kept

        def lay_out(self, *args: object, **kwargs: object) -> None:
            if step == "after the record":
                raise Interrupted
            super().lay_out(*args, **kwargs)  # type: ignore[arg-type]

    class DyingIndex(FrameStore):
        def file(self, records: object) -> int:  # type: ignore[override]
            if step == "after the place":
                raise Interrupted
            return super().file(records)  # type: ignore[arg-type]

    return DyingMedia(media.root), DyingIndex(media.root / "film.sqlite")


@pytest.mark.parametrize(
    ("step", "comes_back"),
    [
        ("before the bytes", False),
        ("after the bytes", False),
        ("after the record", True),
        ("after the place", True),
    ],
)
@pytest.mark.parametrize("by", ["recover", "rebuild"])
@pytest.mark.parametrize("over_an_old_one", [False, True])
def test_a_filing_that_stops_at_any_step_leaves_nothing_or_what_can_be_completed(
    tmp_path: Path, step: str, comes_back: bool, by: str, over_an_old_one: bool
) -> None:
    media, frames = MediaStore(tmp_path), FrameStore(tmp_path / "film.sqlite")
    work = tmp_path / "bench"
    work.mkdir()

    def one(text: str) -> list[tuple[Path, object, str]]:
        (work / "f.exr").write_text(text)
        return [(work / "f.exr", record_of(1001), place_of(1001))]

    if over_an_old_one:
        file_frames(media, frames, one("old"))  # type: ignore[arg-type]
    dying_media, dying_frames = die_at(media, frames, step)
    with pytest.raises(Interrupted):
        file_frames(dying_media, dying_frames, one("new"))  # type: ignore[arg-type]
    if by == "recover":
        assert recover(media, frames).problems == []
        assert list((tmp_path / "filing").iterdir()) == []
    else:
        assert rebuild(tmp_path, frames).problems == []
    expected = "new" if comes_back else "old" if over_an_old_one else None
    record = frames.record_at(place_of(1001))
    assert (record is None) == (expected is None)
    if expected is not None:
        assert (tmp_path / place_of(1001)).read_text() == expected
        check_that_nothing_false_is_reported(tmp_path, frames)
    dying_frames.close()
    frames.close()


@pytest.mark.slow
def test_two_runs_at_once_on_one_shot_make_every_frame_once(tmp_path: Path) -> None:
    runs = [start_filming(tmp_path, 2) for _ in range(2)]
    said = [run.communicate(timeout=60)[0].splitlines() for run in runs]
    assert [lines[-1] for lines in said] == ["wrapped", "wrapped"]
    made = [line for lines in said for line in lines if line.startswith("made")]
    assert sorted(made) == [f"made {number}" for number in range(1001, 1001 + FRAMES)]
    check_that_the_film_is_whole(tmp_path, tmp_path / "spare.sqlite")


@pytest.mark.slow
def test_a_filing_in_progress_is_left_to_the_process_that_does_it(tmp_path: Path) -> None:
    """`recover` beside a living run completes nothing of it and breaks nothing."""
    run = start_filming(tmp_path, 1)
    assert run.stdout is not None
    media, frames = MediaStore(tmp_path), FrameStore(tmp_path / "film.sqlite")
    completed = 0
    while run.poll() is None:
        completed += len(recover(media, frames).records)
        select.select([run.stdout], [], [], 0.05)
        if run.stdout in select.select([run.stdout], [], [], 0)[0]:
            run.stdout.readline()
    run.stdout.close()
    frames.close()
    assert run.returncode == 0
    assert completed == 0
    check_that_the_film_is_whole(tmp_path, tmp_path / "spare.sqlite")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_stops_the_run_with_a_mend_and_it_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    """The disk fills up at some frame of the shot; what came home before stays, and the rest follows."""
    for spare_bytes in (0, 40_000, 80_000, 120_000, 160_000):
        made = small_disk / f"film-{spare_bytes}"
        made.mkdir()
        frames = FrameStore(made / "film.sqlite")
        filler = small_disk / "filler"
        room = os.statvfs(small_disk)
        filler.write_bytes(b"x" * max(0, room.f_bavail * room.f_frsize - spare_bytes))
        with pytest.raises(FilmProblem) as full:
            film(made, FRAMES, 4)
        assert "full" in full.value.problem
        assert "free some space" in full.value.mend
        assert full.value.file is not None
        check_that_nothing_false_is_reported(made, frames)
        before = {record.frame for record in frames.records()}
        filler.unlink()
        film(made, FRAMES, 4)
        assert before <= {record.frame for record in frames.records()}
        frames.close()
        check_that_the_film_is_whole(made, tmp_path / f"{spare_bytes}.sqlite")
        subprocess.run(["rm", "-rf", made], check=True)


def test_the_shot_of_the_filer_is_the_one_that_is_checked() -> None:
    assert place_of(1001).startswith(f"shots/{SHOT}/")
