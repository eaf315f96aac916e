"""The scribe: everything that a run writes into the ledger, from one thread, many things in one transaction.

While one transaction is on its way to the disk, what comes in gathers for the one after it. Nobody else of the run
writes, so that none of its threads waits for another's lock, and nothing of it ever holds up the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from film_pipeline.core.gate import Admission, Covered, GateLocked, Ticket
from film_pipeline.core.jobs import IllegalMove, JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.database import StoreRefused
from film_pipeline.stores.ledger import Ledger

T = TypeVar("T")
Asked = tuple[Any, "asyncio.Future[Any]"]
Answer = tuple["asyncio.Future[Any]", Any]
_AT_ONCE = 256
_STOPPED = "the run was stopped before it was sent"


class Scribe:
    """It is the gate of the run's backends too: tickets that come at the same moment pass in one transaction.

    Of two things that are asked at the same moment neither is before the other, but for moves, which stay in order. Who
    needs an order awaits the first.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tickets: list[Asked] = []
        self._moves: list[Asked] = []
        self._deeds: list[Asked] = []
        self._woken = asyncio.Event()
        self._pen = ThreadPoolExecutor(1, "scribe")
        self._task: asyncio.Task[None] | None = None
        self._writing = False

    def begin(self) -> "asyncio.Task[None]":
        """Begin to write. The task that is returned goes on until `end`, or until writing itself is broken."""
        self._task = asyncio.create_task(self._write(), name="scribe")
        return self._task

    async def admit(self, ticket: Ticket, covered: Covered) -> Admission:
        """See `core.gate.Gate`."""
        admission: Admission = await self._ask(self._tickets, (ticket, covered))
        return admission

    def move(self, move: Move) -> Awaitable[None]:
        """Enter a move. Awaited, it is on the disk; whoever stops waiting for it does not undo it.

        Raises (when awaited) IllegalMove or FilmProblem, of this move alone.
        """
        return asyncio.shield(self._ask(self._moves, move))

    async def do(self, deed: Callable[..., T], *args: Any) -> T:
        """Anything else that is written: a method of the ledger's, with what it takes. Raises what it raises."""
        done: T = await self._ask(self._deeds, lambda: deed(*args))
        return done

    async def end(self) -> None:
        """Write what is left, then stop."""
        if self._task is None:
            return
        while not self._task.done() and (self._writing or self._waiting):
            await asyncio.sleep(0.001)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._pen.shutdown()

    @property
    def _waiting(self) -> bool:
        return bool(self._tickets or self._moves or self._deeds)

    def _ask(self, among: list[Asked], what: Any) -> "asyncio.Future[Any]":
        asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        among.append((what, asked))
        self._woken.set()
        return asked

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._woken.wait()
            self._woken.clear()
            # What nobody waits for any more and was not begun is let go; moves tell what has happened, and are not.
            tickets, deeds = _part(self._tickets, cancelled=False), _part(self._deeds, cancelled=False)
            moves = _part(self._moves, cancelled=True)
            self._writing = True
            try:
                for asked, outcome in await loop.run_in_executor(self._pen, self._written, tickets, moves, deeds):
                    self._tell(asked, outcome)
            finally:
                self._writing = False
            if self._waiting:
                self._woken.set()

    def _tell(self, asked: "asyncio.Future[Any]", outcome: Any) -> None:
        if not asked.done():
            if isinstance(outcome, Exception):
                asked.set_exception(outcome)
            else:
                asked.set_result(outcome)
        elif isinstance(outcome, Admission):
            # The gate let it through and its backend never heard of that: surely nothing was sent.
            self._ask(self._moves, Move(outcome.ticket.job, JobState.FAILED, error=_STOPPED))

    # In the scribe's thread: each with what came of it, an exception for what failed

    def _written(self, tickets: Sequence[Asked], moves: Sequence[Asked], deeds: Sequence[Asked]) -> list[Answer]:
        answers = self._admitted(tickets) + self._moved(moves)
        for deed, asked in deeds:
            try:
                answers.append((asked, deed()))
            except Exception as error:  # whoever asked for it is told
                answers.append((asked, error))
        return answers

    def _admitted(self, tickets: Sequence[Asked]) -> list[Answer]:
        if not tickets:
            return []
        try:
            told: Sequence[Admission | GateLocked | Exception] = self._ledger.admit_all([one for one, _ in tickets])
        except Exception as error:  # whoever asked is told
            told = [error] * len(tickets)
        return [(asked, outcome) for (_, asked), outcome in zip(tickets, told, strict=True)]

    def _moved(self, moves: Sequence[Asked]) -> list[Answer]:
        if not moves:
            return []
        try:
            self._ledger.move(*(move for move, _ in moves))
        except (IllegalMove, FilmProblem) as error:
            if len(moves) == 1 or isinstance(error, StoreRefused):
                return [(asked, error) for _, asked in moves]
            # The ledger moved none of them: each alone, so that one bad move costs no other its place.
            return [told for one in moves for told in self._moved([one])]
        except Exception as error:  # whoever asked is told
            return [(asked, error) for _, asked in moves]
        return [(asked, None) for _, asked in moves]


def _part(among: list[Asked], cancelled: bool) -> list[Asked]:
    """What is written in one turn, taken off the list. cancelled: also what nobody waits for any more."""
    part = [one for one in among[:_AT_ONCE] if cancelled or not one[1].cancelled()]
    del among[:_AT_ONCE]
    return part
