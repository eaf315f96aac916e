"""Seeds that are played side by side: most of what a seed takes is waiting for a process or a disk."""

import multiprocessing
import traceback
from collections.abc import Callable
from typing import Any

LANES = 4
_MOST_SAID = 20_000


def in_lanes(play: Callable[[int, int], None], seeds: range, lanes: int = LANES) -> None:
    """Play every seed, in that many processes. A lane ends with the first seed that breaks something.

    play: is given the seed and the number of its lane, from 0. Raises AssertionError with what broke in any lane.
    """
    context = multiprocessing.get_context("fork")
    broken: Any = context.SimpleQueue()
    started = [context.Process(target=_lane, args=(play, lane, seeds[lane::lanes], broken)) for lane in range(lanes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    said = []
    while not broken.empty():
        said.append(broken.get())
    assert not said, "\n\n".join(said)
    assert [process.exitcode for process in started] == [0] * lanes


def _lane(play: Callable[[int, int], None], lane: int, seeds: range, broken: Any) -> None:
    for seed in seeds:
        try:
            play(seed, lane)
        except BaseException:
            broken.put(f"seed {seed}: {traceback.format_exc()[-_MOST_SAID:]}")
            return
