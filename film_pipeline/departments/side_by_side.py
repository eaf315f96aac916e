"""Two long works of one job at a time, each with its own progress."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any


class Adding:
    """Adds up how far several works are, told from threads of their own. tell: hears of the sum, one call at a time."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell, self._lock, self._parts = tell, Lock(), list[int]()

    def one(self) -> Callable[[int], None]:
        """What one of the works calls with how much of it is done."""
        number = len(self._parts)
        self._parts.append(0)

        def told(done: int) -> None:
            with self._lock:
                self._parts[number] = done
                self._tell(sum(self._parts))

        return told


def side_by_side(*works: Callable[[], Any]) -> list[Any]:
    """What each returns, in their order. Raises what the first of them raised, after all have ended."""
    with ThreadPoolExecutor(len(works)) as pool:
        begun = [pool.submit(work) for work in works]
    return [one.result() for one in begun]
