"""Several processes that do one thing at the same moment."""

import multiprocessing
from collections.abc import Callable
from typing import Any


def at_once(processes: int, do: Callable[[], None]) -> list[str]:
    """Fork that many, let all begin together, and wait for them. Returns what those said that failed."""
    context = multiprocessing.get_context("fork")
    together, failed = context.Barrier(processes), context.SimpleQueue()
    started = [context.Process(target=_do, args=(do, together, failed)) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    said = []
    while not failed.empty():
        said.append(failed.get())
    return said


def _do(do: Callable[[], None], together: Any, failed: Any) -> None:
    together.wait(60)
    try:
        do()
    except Exception as error:
        failed.put(f"{type(error).__name__}: {error}"[:500])
