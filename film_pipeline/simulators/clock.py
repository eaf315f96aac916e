"""A provider's time: it can run faster than the wall and be moved on, so that hours pass within a test."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any


class Clock:
    """Seconds since the provider was switched on.

    scale: how many of its seconds pass in one second on the wall. Thread-safe.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError(f"a clock can't run {scale} times as fast as the wall: give a positive scale")
        self.scale = scale
        self._began = time.monotonic()
        self._began_on = datetime.now(UTC)
        self._moved_s = 0.0
        self._asleep: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def now(self) -> float:
        return (time.monotonic() - self._began) * self.scale + self._moved_s

    def date(self, at_s: float | None = None) -> datetime:
        return self._began_on + timedelta(seconds=self.now() if at_s is None else at_s)

    def stamp(self, at_s: float | None = None) -> str:
        """RFC 3339, in whole seconds."""
        return self.date(at_s).strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self, seconds: float) -> None:
        """Move on at once; whoever sleeps looks at the time again. It never goes back."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._moved_s += seconds
        for waiting, loop in list(self._asleep.items()):
            loop.call_soon_threadsafe(_wake, waiting)

    async def sleep(self, seconds: float) -> None:
        """Wait until that much of the provider's time has passed."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            loop = asyncio.get_running_loop()
            moved: asyncio.Future[None] = loop.create_future()
            self._asleep[moved] = loop
            timer = loop.call_later(left / self.scale, _wake, moved)
            try:
                await moved
            finally:
                timer.cancel()
                self._asleep.pop(moved, None)
        await asyncio.sleep(0)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


async def first_of(*works: Coroutine[Any, Any, Any]) -> None:
    """Wait until the first of them is done; the others are given up."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
