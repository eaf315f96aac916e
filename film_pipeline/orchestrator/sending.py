"""Sending frames out: a ticket and its money first, then the order kept on disk, then through the gate to a backend."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

import httpx

from film_pipeline.core.gate import GateLocked, Order, Placed, Reserved
from film_pipeline.core.generating import SubmitFailed, SubmitUncertain
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.doubts import Doubts
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.wanted import Frame
from film_pipeline.stores.database import StoreRefused
from film_pipeline.stores.ledger import Ledger

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], None]
Outgoing = tuple[Desk, Frame]
_AT_ONCE = 64
"""Frames that are reserved in one transaction."""


class Sending:
    """Everything between the choice of a backend and the provider's id.

    on_the_way: jobs with a ticket whose order has not come to anything yet, for whoever tidies up after a stop.
    """

    def __init__(
        self,
        ledger: Ledger,
        sheet: CallSheet,
        scribe: Scribe,
        orders: Orders,
        ending: Ending,
        doubts: Doubts,
        spawn: Spawn,
    ) -> None:
        self._ledger, self._sheet, self._scribe, self._orders = ledger, sheet, scribe, orders
        self._ending, self._doubts, self._spawn = ending, doubts, spawn
        self._chosen: deque[Outgoing] = deque()
        self._some = asyncio.Event()
        self.on_the_way: dict[str, InHand] = {}
        self._stopped = False

    def send(self, desk: Desk, frame: Frame) -> None:
        """Send a frame to a backend that has room for it."""
        desk.going(1)
        self._sheet.occupy(frame.wanted.key)
        self._chosen.append((desk, frame))
        self._some.set()

    @property
    def waiting(self) -> bool:
        """Whether frames were chosen that have no ticket yet."""
        return bool(self._chosen)

    async def reserve(self) -> None:
        """Get tickets for what was chosen, for as long as the run goes on.

        While one transaction is on its way, what is chosen gathers for the next one.
        """
        while True:
            await self._some.wait()
            outgoing = list(islice(self._chosen, _AT_ONCE))
            await self._reserved(outgoing)
            for _ in outgoing[: len(self._chosen)]:
                self._chosen.popleft()
            if not self._chosen:
                self._some.clear()

    async def _reserved(self, outgoing: Sequence[Outgoing]) -> None:
        placed = await self._scribe.do(self._ledger.reserve, [_order(desk, frame) for desk, frame in outgoing])
        if isinstance(placed, Reserved):
            self._spawn(self._go(self._ticketed(outgoing, placed.placed)))
        elif len(outgoing) > 1:
            # One take that is locked, or one frame that is too dear, must not keep the others in.
            half = len(outgoing) // 2
            await self._reserved(outgoing[:half])
            await self._reserved(outgoing[half:])
        else:
            [(desk, frame)] = outgoing
            self._stays(desk, frame)
            self._sheet.refused(frame, str(placed))

    def _ticketed(self, outgoing: Sequence[Outgoing], placed: Sequence[Placed]) -> list[InHand]:
        """Those that go out, with their tickets in hand."""
        going = [
            InHand(frame, one.ticket, desk)
            for (desk, frame), one in zip(outgoing, placed, strict=True)
            if self._is_ours(desk, frame, one)
        ]
        for one in going:
            self.on_the_way[one.job] = one
            self._sheet.take(one)
            self._sheet.vacate(one.frame.wanted.key)
        return going

    async def _go(self, going: Sequence[InHand]) -> None:
        """Keep the orders, then send each."""
        await asyncio.to_thread(self._orders.keep, {one.job: one.frame.wanted.work for one in going})
        for one in going:
            self._spawn(self._submit(one))

    def _is_ours(self, desk: Desk, frame: Frame, placed: Placed) -> bool:
        """Whether there is a ticket that nobody but this run has, so that the frame goes out."""
        if placed.new:
            return True
        self._stays(desk, frame)
        job = placed.ticket.job
        if placed.made:
            self._sheet.made(frame.wanted)
        elif placed.state is JobState.UNCERTAIN:
            self._sheet.uncertain(frame.wanted.key, job, "an order of it is uncertain")
        else:
            self._sheet.refused(frame, f"job {job} of another run has it in hand ({placed.state.value})")
        return False

    def _stays(self, desk: Desk, frame: Frame) -> None:
        desk.gone(arrived=False)
        self._sheet.vacate(frame.wanted.key)

    async def _submit(self, one: InHand) -> None:
        desk, arrived = one.desk, False
        try:
            if self._stopped:
                return
            one.provider_id = await desk.backend.submit(self._scribe, one.ticket, one.frame.wanted.work)
            arrived = True
        except StoreRefused:
            raise
        except GateLocked as locked:
            await self._ending.failed(one, locked.problem, again=False)
        except SubmitFailed as error:
            await self._not_taken(one, error)
        except SubmitUncertain as error:
            await self._in_doubt(one, str(error), error.ask_again)
        except (FilmProblem, OSError, httpx.HTTPError) as error:
            await self._unclear(one, error)
        else:
            one.worker = desk.machine_of(one.provider_id)
            await self._scribe.move(Move(one.job, JobState.SUBMITTED, one.provider_id, one.worker))
            desk.follow(one)
        finally:
            desk.gone(arrived)
            self._sheet.changed.set()
            if arrived or one.job not in self._sheet.in_hand:
                self.on_the_way.pop(one.job, None)

    async def _not_taken(self, one: InHand, error: SubmitFailed) -> None:
        """The backend does not take it, and surely has not."""
        desk, wait_s = one.desk, error.retry_after_s
        if wait_s and error.spill:
            desk.can_not(wait_s)
        elif wait_s:
            desk.asks_to_wait(wait_s)
        elif error.spill:
            one.frame.shunned.add(desk.name)
        if not wait_s:
            desk.breaker.failed()
        await self._ending.failed(one, str(error), again=error.spill or wait_s > 0, counted=not wait_s)

    async def _in_doubt(self, one: InHand, why: str, ask_again: bool) -> None:
        one.desk.breaker.failed()
        if not ask_again:
            await self._ending.uncertain(one, why)
            return
        await self._scribe.move(Move(one.job, JobState.UNCERTAIN, error=why))
        self._sheet.let_go(one.job)
        self._doubts.add(one, why)

    async def _unclear(self, one: InHand, error: Exception) -> None:
        """Something broke on our side. Whether the ticket went through the gate before, the ledger knows."""
        log.warning("job %s: %s", one.job, error)
        job = await asyncio.to_thread(self._ledger.jobs.one, one.job)
        if job is not None and job.state is JobState.RESERVED:
            await self._ending.failed(one, str(error), again=True)
        else:
            await self._in_doubt(one, str(error), ask_again=True)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        self._chosen.clear()

    async def tidy_up(self) -> None:
        """Once nothing is sent any more: let go of tickets that nobody took to the gate, and of orders that ended."""
        for one in list(self.on_the_way.values()):
            job = await asyncio.to_thread(self._ledger.jobs.one, one.job)
            if job is None or job.state is JobState.RESERVED:
                await self._ending.end(one, JobState.CANCELLED, "the run was stopped before it was sent")
            elif not await asyncio.to_thread(self._ledger.jobs.live, [one.job]):
                self._ending.forget(one)


def _order(desk: Desk, frame: Frame) -> Order:
    work = frame.wanted.work
    quoted = desk.quoted(work)
    return Order(work.shot, work.work, work.take, work.frame, work.sha256, work.covered, desk.name, quoted)
