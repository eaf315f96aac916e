"""Files that are there whole or not at all: written to a temporary name, brought to the disk, renamed."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from film_pipeline.core.problems import FilmProblem

_FLUSHED_AT_ONCE = 16
"""Files that are fsynced side by side: the journal of the disk's file system then commits many with one write."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, data: bytes | Callable[[Path], None], token: str = "") -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops.

    data: the bytes, or a function that writes the file at the path it is given (in the same folder, with the same
    suffix, so that picture libraries know the format).
    token: as of `partial_of`.
    Raises FilmProblem where the disk is full or refuses; nothing half-written is left, and what stood there before
    still stands.
    """
    partial = partial_of(path, token)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            partial.write_bytes(data)
        else:
            data(partial)
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            partial.unlink()


def partial_of(path: Path, token: str = "") -> Path:
    """The hidden name beside `path` that a file is written to before it is renamed.

    token: marks the partial files of one filing, so that they can be found and removed after a crash.
    """
    return Path(partial_name(str(path), token))


def partial_name(path: str, token: str = "") -> str:
    """`partial_of` for those who do it for thousands of files: making a Path takes longer than making a link."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{token or uuid.uuid4().hex[:12]}.partial{os.path.splitext(name)[1]}")


def link_atomically(stored: str, place: str, token: str = "") -> bool:
    """Make `place` another name of `stored`, in one step from whatever stood there before.

    Returns False, and has then copied, where the disk can't link (no hard links, or too many of this file).
    Raises OSError.
    """
    partial = partial_name(place, token)
    linked = True
    try:
        try:
            os.link(stored, partial)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            shutil.copyfile(stored, partial)
            flush(partial)
            linked = False
        if linked and is_same_file(place, stored):
            # Renaming one name of a file onto another name of the same file does nothing at all.
            os.unlink(partial)
        else:
            os.replace(partial, place)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
    return linked


def is_same_file(one: Path | str, other: Path | str) -> bool:
    """Whether two names are of one file. False where either is missing."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except (FileNotFoundError, NotADirectoryError):
        return False


def flush(path: Path | str) -> None:
    """Bring a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(paths: Iterable[Path | str]) -> None:
    """Bring many files to the disk, side by side. Raises the first refusal."""
    waiting: Sequence[Path | str] = list(dict.fromkeys(paths))
    if len(waiting) < 3:
        for path in waiting:
            flush(path)
        return
    stripes = [waiting[start::_FLUSHED_AT_ONCE] for start in range(min(_FLUSHED_AT_ONCE, len(waiting)))]
    with ThreadPoolExecutor(len(stripes)) as pool:
        for _ in pool.map(_flush_each, stripes):
            pass


def _flush_each(paths: Iterable[Path | str]) -> None:
    for path in paths:
        flush(path)


def disk_problem(error: OSError, path: Path) -> FilmProblem:
    """What an operating system's refusal means to the film."""
    if error.errno in _FULL:
        return FilmProblem("the disk is full", "free some space and run it again; what was made is kept", file=path)
    said = error.strerror or str(error)
    return FilmProblem(f"the file can't be written: {said}", "check the folder's owner and its disk", file=path)
