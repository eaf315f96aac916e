"""The scribe: writes what happens to jobs into the ledger, many in one transaction, in the order they happened."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from film_pipeline.core.jobs import IllegalMove, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger

_AT_ONCE = 256


class Scribe:
    """While one transaction is on its way to the disk, the next moves gather for the one after it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._moves: asyncio.Queue[tuple[Move, asyncio.Future[None]]] = asyncio.Queue()
        # One thread: moves of a job must not overtake each other.
        self._pen = ThreadPoolExecutor(1, "scribe")
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._write())

    def move(self, move: Move) -> Awaitable[None]:
        """Enter a move. Awaited, it is on the disk; not awaited, it will be, in order.

        Raises (when awaited) IllegalMove or FilmProblem, of this move alone.
        """
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A failure that nobody waits for is raised by `end`.
        self._moves.put_nowait((move, entered))
        return entered

    async def end(self) -> None:
        """Write what is left, then stop."""
        await self._moves.join()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._pen.shutdown()

    async def _write(self) -> None:
        while True:
            batch = [await self._moves.get()]
            while len(batch) < _AT_ONCE and not self._moves.empty():
                batch.append(self._moves.get_nowait())
            try:
                await self._enter(batch)
            finally:
                for _ in batch:
                    self._moves.task_done()

    async def _enter(self, batch: list[tuple[Move, asyncio.Future[None]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pen, self._ledger.move, *(move for move, _ in batch))
        except (IllegalMove, FilmProblem) as error:
            if len(batch) == 1:
                _tell(batch[0][1], error)
                return
            # The ledger moved none of them: each alone, so that one bad move costs no other its place.
            for one in batch:
                await self._enter([one])
        else:
            for _, entered in batch:
                _tell(entered, None)


def _tell(entered: "asyncio.Future[None]", error: Exception | None) -> None:
    if entered.done():
        return
    if error is None:
        entered.set_result(None)
    else:
        entered.set_exception(error)
