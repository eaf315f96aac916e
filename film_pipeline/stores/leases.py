"""Claims: one process at a time makes a stage of a shot. The kernel frees a claim when its process dies."""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.2


def _say(what: str) -> None:
    log.info("%s is being made by another run: waiting for it", what)


@contextmanager
def claim(root: Path, stage: str, shot: str, waiting: Callable[[str], None] = _say) -> Iterator[None]:
    """Hold a stage of a shot for as long as the block runs, waiting for whoever holds it now.

    root: the production's `.film`. waiting: told once, where there is somebody to wait for.
    """
    folder = root / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{shot}.{stage}").open("a") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting(f"{stage} of {shot}")
                    told = True
                time.sleep(_LOOK_AGAIN_S)
        yield
