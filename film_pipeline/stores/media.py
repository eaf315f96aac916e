"""The media store: files kept once by content hash, and laid out for people by hard link."""

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.stores.disk import (
    disk_problem,
    flush_all,
    link_atomically,
    partial_of,
    write_atomically,
)
from film_pipeline.stores.thumbnails import make_thumbnails

__all__ = ["Kept", "MediaStore", "disk_problem", "write_atomically"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A file that the store holds."""

    sha256: str
    bytes: int


class MediaStore:
    """Everything made, below one folder (`.film`). Same bytes are kept once.

    A finished file from below that folder is moved; one from anywhere else is copied, because it may be the author's.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.cache = root / "cache"
        self._own = os.path.abspath(root) + os.sep
        self._kept = os.path.abspath(self.objects) + os.sep

    def keep(self, made: Path, at: str, sha256: str = "") -> Kept:
        """Take a finished file into the store and lay it out at `at` (relative to the root).

        sha256: of the file's bytes, where the caller has just worked it out.
        Keeping the same file again changes nothing. Raises FilmProblem where the disk refuses.
        """
        [kept] = self.store([made], [sha256])
        self.lay_out({at: kept.sha256})
        self.discard([made], [at])
        return kept

    def store(self, made: Sequence[Path], hashes: Sequence[str] = ()) -> list[Kept]:
        """Take files into the store by their content, without giving them a place.

        All of them are on the disk when this returns. Raises FilmProblem where the disk refuses, or where a file that
        the store itself holds no longer has the bytes of its name.
        """
        kept: list[Kept] = []
        new: dict[str, Path] = {}
        try:
            for place, path in enumerate(made):
                known = hashes[place] if place < len(hashes) else ""
                sha256, size = known or self._hash(path), path.stat().st_size
                kept.append(Kept(sha256, size))
                if not self._stands(sha256, size):
                    new[sha256] = path
            incoming = {sha256: self._bring_near(sha256, path) for sha256, path in new.items()}
            flush_all(incoming.values())
            for sha256, path in incoming.items():
                # Read-only, so that no program that opens the hard link changes the kept bytes by accident.
                os.chmod(path, 0o444)
                os.replace(path, self.path_of(sha256))
            flush_all(self.path_of(sha256).parent for sha256 in incoming)
        except OSError as error:
            raise disk_problem(error, Path(error.filename) if error.filename else self.objects) from error
        return kept

    def lay_out(self, places: dict[str, str], token: str = "") -> None:
        """Give stored files their places for people: hash by place, relative to the root.

        Each place changes in one step. Raises FilmProblem where the disk refuses.
        """
        copied = ""
        folders: set[str] = set()
        for at, sha256 in places.items():
            self._check(at)
            place = f"{self.root}/{at}"
            folder = os.path.dirname(place)
            try:
                if folder not in folders:
                    os.makedirs(folder, exist_ok=True)
                    folders.add(folder)
                if not link_atomically(self._name_of(sha256), place, token):
                    copied = at
            except OSError as error:
                raise disk_problem(error, Path(place)) from error
        if copied:
            log.warning("this disk has no hard links to spare: %s is a copy and takes its own space", copied)
        try:
            flush_all(folders)
        except OSError as error:
            raise disk_problem(error, self.root) from error

    def discard(self, made: Iterable[Path], places: Iterable[str]) -> None:
        """Remove finished files of the workbench that the store now holds, but for those that lie at `places`."""
        laid_out = {os.path.abspath(f"{self.root}/{at}") for at in places}
        for path in made:
            name = os.path.abspath(path)
            if name.startswith(self._kept) or name in laid_out or not name.startswith(self._own):
                continue
            if not self._is_placed(path):
                path.unlink(missing_ok=True)

    def place(self, at: str) -> Path:
        """Where `at` lies on the disk. Raises ValueError for a place outside of the root."""
        self._check(at)
        return self.root / at

    def _check(self, at: str) -> None:
        if not at or at.startswith("/") or ".." in at.split("/"):
            raise ValueError(f"{at!r} is no place below {self.root}")

    def path_of(self, sha256: str) -> Path:
        return self.objects / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        return self.path_of(sha256).is_file()

    def verify(self, sha256: str) -> bool:
        """Whether the stored bytes still are what their name says."""
        return self.has(sha256) and sha256_of_file(self.path_of(sha256)) == sha256

    def thumbnail(self, sha256: str, width: int) -> Path:
        """A JPEG of a stored PNG, JPEG, TIFF or EXR, at most `width` pixels wide, made once and cached.

        Raises FilmProblem for a file that is no picture.
        """
        self.make_thumbnails(sha256, [width])
        return self.thumbnail_path(sha256, width)

    def make_thumbnails(self, sha256: str, widths: Iterable[int]) -> None:
        """Have JPEGs of a stored picture ready in these widths. Raises FilmProblem for a file that is no picture."""
        missing = [width for width in widths if not self.thumbnail_path(sha256, width).is_file()]
        if missing:
            for width, jpeg in make_thumbnails(self.path_of(sha256), missing).items():
                write_atomically(self.thumbnail_path(sha256, width), jpeg)

    def thumbnail_path(self, sha256: str, width: int) -> Path:
        """Where a JPEG of a stored picture lies once it has been made."""
        return self.cache / "thumbnails" / sha256[:2] / f"{sha256}.{width}.jpg"

    def _hash(self, path: Path) -> str:
        sha256 = sha256_of_file(path)
        if path.name != sha256 and os.path.abspath(path).startswith(self._kept):
            raise FilmProblem(
                "the stored file's bytes have changed",
                f"restore it from a copy, or remove {path} and run the film again to make it anew",
                file=path,
            )
        return sha256

    def _stands(self, sha256: str, size: int) -> bool:
        """Whether the object is there. One of another size was damaged, and is put right by what comes in."""
        try:
            return os.stat(self._name_of(sha256)).st_size == size
        except FileNotFoundError:
            return False

    def _bring_near(self, sha256: str, made: Path) -> Path:
        """The file under a name on the objects' own disk, ready to be renamed: itself if it may be moved, or a copy."""
        stored = self.path_of(sha256)
        stored.parent.mkdir(parents=True, exist_ok=True)
        movable = os.path.abspath(made).startswith(self._own) and not made.is_symlink()
        if movable and made.stat().st_dev == stored.parent.stat().st_dev:
            return made
        if movable:
            log.warning("%s lies on another disk than the store: it is copied, not moved", made)
        partial = partial_of(stored)
        try:
            shutil.copyfile(made, partial)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return partial

    def _is_placed(self, path: Path) -> bool:
        """Whether the path is a name that the store itself gave to one of its files, and not a leftover."""
        return path.is_file() and path.stat().st_nlink > 1

    def _name_of(self, sha256: str) -> str:
        return f"{self._kept}{sha256[:2]}{os.sep}{sha256}"
