"""What nobody waits for gives way to what somebody waits for: both want the interpreter, and one thread has it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AT_MOST_S = 0.1
"""So long an errand stands back for the sake of answers. It must get on under steady traffic, too."""
_QUIET_S = 0.02
"""A browser that has an answer asks for the next thing within this time, or for nothing."""


class Courtesy:
    """Knows whether an answer is being worked on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._serving = 0
        self._served_at = 0.0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While somebody waits for an answer."""
        with self._changed:
            self._serving += 1
        try:
            yield
        finally:
            with self._changed:
                self._serving -= 1
                self._served_at = time.monotonic()
                self._changed.notify_all()

    def give_way(self, unless: Callable[[], object] = lambda: False) -> None:
        """Wait until nobody waits for an answer or is about to, or `unless` holds; a tenth of a second at most."""
        began = time.monotonic()
        with self._changed:
            while not unless():
                now = time.monotonic()
                quiet_at = now + _QUIET_S if self._serving else self._served_at + _QUIET_S
                if now >= quiet_at or now - began >= _AT_MOST_S:
                    return
                self._changed.wait(min(quiet_at, began + _AT_MOST_S) - now)

    def gather(self, seconds: float, unless: Callable[[], object]) -> None:
        """Wait for so long, because more of the same may come, or until `unless` holds."""
        with self._changed:
            self._changed.wait_for(unless, max(seconds, 0.0))

    def remind(self) -> None:
        """What `unless` asks for may hold now."""
        with self._changed:
            self._changed.notify_all()
