import errno
import hashlib
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.disk import disk_problem, link_atomically
from film_pipeline.stores.media import MediaStore, write_atomically


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / ".film")


def made_in_bench(media: MediaStore, name: str, data: bytes) -> Path:
    path = media.root / "bench" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@contextmanager
def disk_with_room_for(files_of_bytes: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow further, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (files_of_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_kept_by_its_content_and_laid_out_for_people(media: MediaStore) -> None:
    kept = media.keep(made_in_bench(media, "f.exr", b"pixels"), "shots/SC010_SH010/f.exr")
    assert kept.sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert kept.bytes == 6
    assert os.path.samefile(media.path_of(kept.sha256), media.root / "shots/SC010_SH010/f.exr")
    assert not (media.root / "bench/f.exr").exists()
    assert media.verify(kept.sha256)


def test_keeping_the_same_file_again_changes_nothing(media: MediaStore) -> None:
    first = media.keep(made_in_bench(media, "f", b"pixels"), "shots/f")
    before = media.path_of(first.sha256).stat().st_ino
    assert media.keep(made_in_bench(media, "f", b"pixels"), "shots/f") == first
    assert media.keep(media.root / "shots/f", "shots/f") == first
    assert media.path_of(first.sha256).stat().st_ino == before
    assert sorted(path.name for path in media.root.rglob("*") if path.is_file()) == sorted([first.sha256, "f"])


def test_the_same_bytes_take_space_once(media: MediaStore) -> None:
    one = media.keep(made_in_bench(media, "a", b"same"), "shots/a")
    media.keep(made_in_bench(media, "b", b"same"), "shots/b")
    assert media.path_of(one.sha256).stat().st_nlink == 3


def test_a_place_changes_to_the_new_bytes_and_the_old_ones_stay_kept(media: MediaStore) -> None:
    old = media.keep(made_in_bench(media, "f", b"old"), "shots/f")
    media.keep(made_in_bench(media, "f", b"new"), "shots/f")
    assert (media.root / "shots/f").read_bytes() == b"new"
    assert media.path_of(old.sha256).read_bytes() == b"old"


def test_the_authors_own_file_is_copied_and_stays_as_it_is(media: MediaStore, tmp_path: Path) -> None:
    drawing = tmp_path / "storyboard.png"
    drawing.write_bytes(b"drawn")
    before = drawing.stat()
    media.keep(drawing, "shots/panel.png")
    after = drawing.stat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns, after.st_nlink) == (
        before.st_ino,
        before.st_mode,
        before.st_mtime_ns,
        1,
    )


def test_a_kept_file_is_read_only(media: MediaStore) -> None:
    kept = media.keep(made_in_bench(media, "f", b"pixels"), "shots/f")
    assert media.path_of(kept.sha256).stat().st_mode & 0o222 == 0


def test_changed_bytes_are_noticed(media: MediaStore) -> None:
    kept = media.keep(made_in_bench(media, "f", b"pixels"), "shots/f")
    os.chmod(media.path_of(kept.sha256), 0o644)
    media.path_of(kept.sha256).write_bytes(b"pixelz")
    assert not media.verify(kept.sha256)
    with pytest.raises(FilmProblem, match=r"bytes have changed.*Mend: restore it"):
        media.keep(media.path_of(kept.sha256), "shots/again")


def test_a_cut_off_object_is_put_right_by_the_same_file(media: MediaStore) -> None:
    kept = media.keep(made_in_bench(media, "f", b"pixels"), "shots/f")
    os.chmod(media.path_of(kept.sha256), 0o644)
    media.path_of(kept.sha256).write_bytes(b"pix")
    media.keep(made_in_bench(media, "f", b"pixels"), "shots/f")
    assert media.verify(kept.sha256)
    assert (media.root / "shots/f").read_bytes() == b"pixels"


@pytest.mark.parametrize("outside", ["/etc/film", "../film", "shots/../../film", ""])
def test_a_place_outside_of_the_production_is_refused(media: MediaStore, outside: str) -> None:
    with pytest.raises(ValueError, match="no place below"):
        media.keep(made_in_bench(media, "f", b"pixels"), outside)


def test_a_file_from_another_disk_is_copied_and_that_is_said(
    media: MediaStore, caplog: pytest.LogCaptureFixture
) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == media.root.parent.stat().st_dev:
        pytest.skip("this machine has no second disk to try it with")
    other_disk = shared / f"film-test-{os.getpid()}"
    other_disk.mkdir()
    try:
        media.root.mkdir(parents=True)
        (media.root / "bench").symlink_to(other_disk)
        made = made_in_bench(media, "f", b"pixels")
        with caplog.at_level(logging.WARNING):
            kept = media.keep(made, "shots/f")
        assert media.verify(kept.sha256)
        assert "another disk" in caplog.text
        assert list(other_disk.iterdir()) == []
    finally:
        for leftover in other_disk.iterdir():
            leftover.unlink()
        other_disk.rmdir()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "record.json"
    write_atomically(target, b"first")

    def fails_half_way(partial: Path) -> None:
        partial.write_bytes(b"sec")
        raise RuntimeError("the writer broke")

    with pytest.raises(RuntimeError, match="the writer broke"):
        write_atomically(target, fails_half_way)
    assert target.read_bytes() == b"first"
    assert [path.name for path in target.parent.iterdir()] == ["record.json"]


def test_a_picture_library_sees_the_suffix_it_writes_by(tmp_path: Path) -> None:
    write_atomically(tmp_path / "plate.png", lambda partial: Image.new("L", (2, 2)).save(partial))
    with Image.open(tmp_path / "plate.png") as plate:
        assert plate.size == (2, 2)


def test_a_full_disk_is_a_problem_with_file_and_mend_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    write_atomically(target, b"first")
    with disk_with_room_for(1000), pytest.raises(FilmProblem) as full:
        write_atomically(target, b"x" * 5000)
    assert full.value.problem == "the disk is full"
    assert full.value.file == target
    assert "free some space" in full.value.mend
    assert target.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_full_disk_while_keeping_leaves_no_place_and_no_partial_object(media: MediaStore, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.png"
    drawing.write_bytes(b"x" * 5000)
    with disk_with_room_for(1000), pytest.raises(FilmProblem, match="the disk is full"):
        media.keep(drawing, "shots/panel.png")
    assert drawing.stat().st_size == 5000
    assert [path for path in media.root.rglob("*") if path.is_file()] == []


def test_other_refusals_of_the_disk_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    with pytest.raises(FilmProblem, match="can't be written"):
        write_atomically(tmp_path / "a-file" / "record.json", b"x")
    assert disk_problem(OSError(errno.ENOSPC, "No space left on device"), tmp_path).problem == "the disk is full"


def test_linking_a_place_to_its_own_file_again_leaves_no_litter(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"pixels")
    for _ in range(2):
        assert link_atomically(str(tmp_path / "object"), str(tmp_path / "place"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["object", "place"]


@pytest.mark.parametrize("format_", ["png", "png-alpha", "png-16", "jpg", "exr", "exr-depth"])
def test_a_thumbnail_is_made_once_from_any_picture(media: MediaStore, format_: str) -> None:
    path = media.root / "bench" / f"picture.{format_.split('-')[0]}"
    path.parent.mkdir(parents=True)
    if format_ == "exr":
        _write_exr(path, np.full((90, 160, 3), 0.2140, dtype=np.float32), ("R", "G", "B"))
    elif format_ == "exr-depth":
        _write_exr(path, np.full((90, 160, 1), 0.2140, dtype=np.float32), ("Z",))
    elif format_ == "png-16":
        Image.fromarray(np.full((90, 160), 127 * 257, dtype=np.uint16)).save(path)
    elif format_ == "png-alpha":
        Image.new("RGBA", (160, 90), (255, 255, 255, 127)).save(path)
    else:
        Image.new("RGB", (160, 90), (127, 127, 127)).save(path)
    kept = media.keep(path, f"shots/{path.name}")
    thumbnail = media.thumbnail(kept.sha256, 40)
    with Image.open(thumbnail) as small:
        assert (small.format, small.size) == ("JPEG", (40, 23))
        middle = small.getpixel((20, 11))
    assert all(abs(level - 127) <= 2 for level in middle)
    made_at = thumbnail.stat().st_mtime_ns
    assert media.thumbnail(kept.sha256, 40).stat().st_mtime_ns == made_at


def test_a_thumbnail_of_what_is_no_picture_is_a_problem_with_its_file(media: MediaStore) -> None:
    kept = media.keep(made_in_bench(media, "f", b"no picture"), "shots/f")
    with pytest.raises(FilmProblem, match="no picture"):
        media.thumbnail(kept.sha256, 40)
    with pytest.raises(FilmProblem, match="missing from the store"):
        media.thumbnail("0" * 64, 40)
    cut_off = made_in_bench(media, "cut.exr", b"\x76\x2f\x31\x01 cut off")
    with pytest.raises(FilmProblem, match="EXR"):
        media.thumbnail(media.keep(cut_off, "shots/cut.exr").sha256, 40)


def _write_exr(path: Path, pixels: np.ndarray, channels: tuple[str, ...]) -> None:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], oiio.HALF)
    spec.channelnames = channels
    writer = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), spec)
    assert writer.write_image(pixels)
    writer.close()
