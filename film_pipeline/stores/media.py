"""The media store: files kept once by content hash, and laid out for people by hard link."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A file that the store holds."""

    sha256: str
    bytes: int


def write_atomically(path: Path, data: bytes | Callable[[Path], None]) -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops.

    data: the bytes, or a function that writes the file at the path it is given.
    Raises FilmProblem where the disk is full or read-only; nothing half-written is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        if isinstance(data, bytes):
            partial.write_bytes(data)
        else:
            data(partial)
        _to_disk(partial)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
        _to_disk(path.parent)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


def disk_problem(error: OSError, path: Path) -> FilmProblem:
    """What an operating system's refusal means to the film."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FilmProblem("the disk is full", "free some space and run it again; what was made is kept", file=path)
    return FilmProblem(f"the file can't be written: {error.strerror}", "check the folder's owner and its disk", file=path)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class MediaStore:
    """Everything made, below one folder (`.film`). Same bytes are kept once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"

    def keep(self, made: Path, at: str, sha256: str = "") -> Kept:
        """Take a finished file into the store and lay it out at `at` (relative to the root).

        sha256: of the file's bytes, where the caller has just worked it out. The file made is moved, not copied, where it lies on the same disk. Keeping the same file again changes nothing.
        Raises FilmProblem where the disk refuses.
        """
        sha256 = sha256 or sha256_of_file(made)
        stored = self.path_of(sha256)
        place = self.root / at
        try:
            size = made.stat().st_size
            if not stored.exists():
                stored.parent.mkdir(parents=True, exist_ok=True)
                _to_disk(made)
                self._move(made, stored)
                # Read-only, so that no program that opens the hard link can change the kept bytes by accident.
                os.chmod(stored, 0o444)
            place.parent.mkdir(parents=True, exist_ok=True)
            self._link(stored, place)
        except OSError as error:
            raise disk_problem(error, place) from error
        if made != stored and made != place:
            made.unlink(missing_ok=True)
        return Kept(sha256, size)

    def path_of(self, sha256: str) -> Path:
        return self.objects / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        return self.path_of(sha256).is_file()

    def verify(self, sha256: str) -> bool:
        """Whether the stored bytes still are what their name says."""
        return self.has(sha256) and sha256_of_file(self.path_of(sha256)) == sha256

    def _move(self, made: Path, stored: Path) -> None:
        try:
            os.replace(made, stored)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            log.warning("%s lies on another disk than the production: it is copied, not moved", made)
            write_atomically(stored, lambda partial: _copy(made, partial))

    def _link(self, stored: Path, place: Path) -> None:
        if place.exists():
            if place.samefile(stored):
                return
            place.unlink()
        try:
            os.link(stored, place)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            log.warning("this disk has no hard links: %s is a copy", place)
            write_atomically(place, lambda partial: _copy(stored, partial))


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


