"""Claims: one process at a time makes a stage of a shot. The kernel frees a claim when its process dies."""

import fcntl
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from film_pipeline.stores.disk import disk_problem

log = logging.getLogger(__name__)

_held: set[int] = set()


class FileLock:
    """A lock on one file, held by one opening of it: threads exclude each other as processes do.

    Needs a disk with `flock` (every local one; NFS from version 4 on). Raises OSError where the file can't be opened.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self._owner = os.getpid()
        self._descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o644)
        _held.add(self._descriptor)

    def take(self, wait: bool) -> bool:
        """Whether it is ours now. Waiting costs nothing and ends at the latest when the holder's process does."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def read(self) -> str:
        return os.pread(self._descriptor, 1 << 26, 0).decode(errors="replace")

    def write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        data, at = text.encode(), 0
        while at < len(data):
            at += os.pwrite(self._descriptor, data[at:], at)

    def is_at(self, path: Path) -> bool:
        """Whether the locked file still is the one of that name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.stat())
        except FileNotFoundError:
            return False

    def let_go(self) -> None:
        if self._owner == os.getpid() and self._descriptor in _held:
            _held.discard(self._descriptor)
            os.close(self._descriptor)


def _let_go_in_child() -> None:
    # A forked worker shares the locks of its parent: were it to keep them open, they would outlive a killed parent.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


def _say(what: str) -> None:
    log.info("%s: waiting for it", what)


@contextmanager
def claim(root: Path, stage: str, shot: str, waiting: Callable[[str], None] = _say) -> Iterator[None]:
    """Hold a stage of a shot for as long as the block runs, waiting for whoever holds it now.

    root: the production's `.film`. waiting: told once who holds it, where there is somebody to wait for.
    A claim must not be taken again inside its own block.
    """
    with _locked(root / "claims" / f"{shot or 'film'}.{stage}", f"{stage} of {shot or 'the film'}", waiting):
        yield


@contextmanager
def claim_if_free(root: Path, stage: str, shot: str) -> Iterator[bool]:
    """Hold a stage of a shot while the block runs, if nobody holds it now. Gives whether it is held."""
    path = root / "claims" / f"{shot or 'film'}.{stage}"
    lock = _opened(path)
    try:
        held = lock.take(wait=False)
        if held:
            _sign(lock, path)
        yield held
    finally:
        lock.let_go()


@contextmanager
def claim_production(root: Path, waiting: Callable[[str], None] = _say) -> Iterator[None]:
    """Hold the whole production, for work on what all its shots share."""
    with _locked(root / "claims" / "production", "the production", waiting):
        yield


@dataclass(frozen=True)
class Held:
    """A claim that a process of this machine holds. shot: empty for the film's own. since: seconds since 1970."""

    stage: str
    shot: str
    by: str
    since: float


def held(root: Path, locks: Path = Path("/proc/locks")) -> list[Held] | None:
    """The claims that are held now, the oldest first; None where the system does not tell.

    It is read from the kernel's list: trying a claim, to see whether it is held, would keep others from it.
    """
    try:
        lines = [line.split() for line in locks.read_text().splitlines()]
    except OSError:
        return None
    # 12: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
    locked = {int(words[5].rpartition(":")[2]) for words in lines if len(words) > 5 and words[1] == "FLOCK"}
    found = []
    try:
        entries = list(os.scandir(root / "claims"))
    except FileNotFoundError:
        return []
    for entry in entries:
        if entry.inode() not in locked:
            continue
        try:
            by, since = Path(entry.path).read_text(encoding="utf-8", errors="replace").strip(), entry.stat().st_mtime
        except FileNotFoundError:
            continue
        shot, _, stage = entry.name.rpartition(".")
        found.append(Held(stage, "" if shot == "film" else shot, by, since))
    return sorted(found, key=lambda one: one.since)


@contextmanager
def _locked(path: Path, what: str, waiting: Callable[[str], None]) -> Iterator[None]:
    lock = _opened(path)
    try:
        if not lock.take(wait=False):
            waiting(f"{what} is in work at {lock.read().strip() or 'another run'}")
            lock.take(wait=True)
        _sign(lock, path)
        yield
    finally:
        lock.let_go()


def _opened(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)
    except OSError as error:
        raise disk_problem(error, path) from error


def _sign(lock: FileLock, path: Path) -> None:
    """Write down who holds it."""
    try:
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    except OSError as error:
        raise disk_problem(error, path) from error
