"""The supervisor: within a render run, fans frames over backends, watches them, and sees that each comes home once.

It decides which frame goes where and when the run is over. The rooms beside it do the work: `taking_up`, `sending`,
`doubts`, `watching`, `homecoming` and `landlords`, in the order in which a frame meets them.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from film_pipeline.core.gate import Work
from film_pipeline.core.generating import GeneratingBackend
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet
from film_pipeline.orchestrator.desk import Breaker, Desk
from film_pipeline.orchestrator.doubts import Doubts
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.homecoming import Homecoming
from film_pipeline.orchestrator.landlords import Landlords
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.sending import Sending
from film_pipeline.orchestrator.taking_up import TakingUp
from film_pipeline.orchestrator.wanted import Frame, Index, More, Report, Told, Wanted
from film_pipeline.orchestrator.watching import Watching
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.workers import Worker

log = logging.getLogger(__name__)

_GO_ON = "film run goes on from here"
_HUNGRY = 8
"""A backend that has no room for what waits is asked so many times as often how it is."""
_NOTED_EVERY = 5


def _nobody(shot: str, take: int, frame: str, done: float) -> None:
    """Progress that nobody watches."""


class Supervisor:
    """Works through the frames of one run. The claims of their shots must be held, so that no other run does too."""

    def __init__(
        self,
        ledger: Ledger,
        backends: Mapping[str, GeneratingBackend],
        made: Path,
        index: Index,
        told: Told = _nobody,
        patience: Patience | None = None,
        more: More | None = None,
        kind: Work | None = None,
    ) -> None:
        """made: the production's `.film`. index: files what came home. more: asked again and again, while the run goes
        on, what is wanted by then. kind: only takes, or only heroes, are taken up of what runs before left."""
        self._ledger, self._more, self._kind = ledger, more, kind
        self._patience = patience or Patience()
        self._desks = {
            name: Desk(backend, place, breaker=Breaker(share=self._patience.rest))
            for place, (name, backend) in enumerate(backends.items())
        }
        self._made, self._index, self._told, self._backends = made, index, told, backends
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    # Running and stopping

    def run(self, wanted: Sequence[Wanted], shots: Collection[str] | None = None) -> Report:
        """Make every frame, or say why it was not made. What is stopped goes on with the next run.

        shots: all whose claims are held; what is under way of them is taken up too. Those of the frames unless given.
        SIGINT and SIGTERM stop the run in order: what is on its way gets a moment to arrive, what was only reserved is
        free again; then the signal is passed on. A second one does not wait. Raises FilmProblem where our own disk or
        the ledger refuses.
        """
        with self._signals() as caught:
            report = asyncio.run(self.supervise(wanted, shots))
        for number in caught[:1]:
            signal.raise_signal(number)
        return report

    def stop(self) -> None:
        """Stop in order. From any thread, and from signal handlers."""
        self._stopping.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._sheet.changed.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[list[int]]:
        """Stop on signals, where they can be heard: in a process's main thread."""
        caught: list[int] = []
        if threading.current_thread() is not threading.main_thread():
            yield caught
            return

        def heard(number: int, _: object) -> None:
            caught.append(number)
            self.stop()
            if len(caught) > 1:
                raise KeyboardInterrupt

        before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield caught
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def supervise(self, wanted: Sequence[Wanted], shots: Collection[str] | None = None) -> Report:
        """See `run`."""
        self._open_rooms()
        self._keep(self._scribe.begin())
        try:
            claimed = {one.work.shot for one in wanted} if shots is None else set(shots)
            await self._taking_up.take_up(claimed, wanted)
            keepers = [self._sending.reserve(), self._look_after_machines(), self._ask_for_more()]
            for desk in self._desks.values():
                keepers += [self._doubts.ask(desk.name), self._look_after(desk), self._watching.watch(desk)]
            for keeper in keepers:
                self._keep(asyncio.create_task(keeper))
            await self._work_through()
        finally:
            await self._leave()
        if self._failure is not None:
            raise self._failure
        return self._sheet.report

    def _open_rooms(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._keepers: set[asyncio.Task[None]] = set()
        self._one_asks = asyncio.Lock()
        orders = Orders(self._made / "orders")
        self._sheet = CallSheet(self._told, self._patience.rest)
        self._scribe = Scribe(self._ledger)
        self._ending = Ending(self._sheet, self._scribe, orders)
        self._doubts = Doubts(self._ledger, self._sheet, self._scribe, self._ending, self._patience)
        self._landlords = Landlords(self._ledger, self._backends, self._scribe, self._patience)
        self._homecoming = Homecoming(
            self._sheet, self._scribe, self._ending, self._index, self._made / "incoming", self._patience
        )
        self._watching = Watching(
            self._sheet, self._scribe, self._ending, self._homecoming, self._spawn, self._patience
        )
        self._sending = Sending(
            self._ledger, self._sheet, self._scribe, orders, self._ending, self._doubts, self._spawn
        )
        self._taking_up = TakingUp(
            self._ledger,
            self._desks,
            self._sheet,
            self._scribe,
            orders,
            self._doubts,
            self._homecoming,
            self._landlords,
            self._spawn,
            self._kind,
        )

    # Deciding

    async def _work_through(self) -> None:
        while self._going_on or await self._takes_in_more():
            self._sheet.changed.clear()
            self._dispatch()
            self._give_up()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sheet.changed.wait(), 0.1 if self._sheet.waiting else 0.5)

    @property
    def _going_on(self) -> bool:
        if self._stopping.is_set() or self._failure is not None:
            return False
        return bool(self._sheet.waiting or self._sheet.in_hand or self._busy)

    @property
    def _busy(self) -> bool:
        return bool(self._tasks or self._sending.waiting)

    def _dispatch(self) -> None:
        """Send out whatever there is room for."""
        room = {name: desk.free for name, desk in self._desks.items()}
        held = self._sheet.held()
        for frame in [frame for frame in held if self._sheet.may_go(frame)] if any(room.values()) else []:
            desk = self._choose(frame, room)
            if desk is not None:
                held.remove(frame)
                self._send(desk, frame, room)
        for queue in self._sheet.queues():
            while queue:
                if not self._sheet.may_go(queue[0]):
                    self._sheet.hold(queue.popleft())
                    continue
                desk = self._choose(queue[0], room)
                if desk is None:
                    break
                self._send(desk, queue.popleft(), room)

    def _send(self, desk: Desk, frame: Frame, room: dict[str, int]) -> None:
        room[desk.name] -= 1
        self._sending.send(desk, frame)

    def _choose(self, frame: Frame, room: Mapping[str, int]) -> Desk | None:
        """The desk for a frame: the cheapest with room, the warm before the cold, then in order of preference."""
        open_to_it = [
            self._desks[name] for name in frame.wanted.backends if room.get(name, 0) > 0 and name not in frame.shunned
        ]
        work = frame.wanted.work
        return min(open_to_it, key=lambda desk: (desk.price(work), not desk.warm(work), desk.place), default=None)

    def _give_up(self) -> None:
        """Leave what can't be had in this run, so that no run goes on for ever for nothing."""
        for desk in self._desks.values():
            if desk.jobs and desk.silent_s > self._patience.in_hand_s:
                self._leave_to_the_next_run(desk)
        if self._busy or len(self._sheet.in_hand) > len(self._doubts):
            return
        self._doubts.give_up()
        for frame in self._sheet.drop(self._is_hopeless):
            self._sheet.refused(frame, frame.said or self._why_nobody_takes(frame))

    def _leave_to_the_next_run(self, desk: Desk) -> None:
        for one in list(desk.jobs.values()):
            why = f"{desk.name} has it and does not answer: {desk.health.why}; {_GO_ON}"
            self._sheet.problem(one.frame.wanted.key, why)
            self._sheet.let_go(one.job)

    def _is_hopeless(self, frame: Frame) -> bool:
        """Whether no backend of a frame has taken orders for long enough."""
        desks = [self._desks[name] for name in frame.wanted.backends if name in self._desks]
        return all(desk.name in frame.shunned or desk.unwilling_s > self._patience.away_s for desk in desks)

    def _why_nobody_takes(self, frame: Frame) -> str:
        asked = [self._desks[name] for name in frame.wanted.backends if name in self._desks]
        if not asked:
            return f"none of {', '.join(frame.wanted.backends)} is in production.yaml"
        return "; ".join(f"{desk.name}: {desk.health.why or 'it takes no orders'}" for desk in asked)

    # Keeping an eye on things

    async def _look_after(self, desk: Desk) -> None:
        """Ask a backend how it is, more often while there is work that it has no room for."""
        patience, looks = self._patience, 0
        while True:
            desk.looked(await desk.backend.health())
            self._sheet.changed.set()
            if looks % _NOTED_EVERY == 0 and desk.name not in self._landlords.names:
                await self._note(desk)
            looks += 1
            hungry = self._sheet.waiting > 0 and desk.free == 0
            await asyncio.sleep(patience.look_s / _HUNGRY if hungry else patience.look_s)

    async def _note(self, desk: Desk) -> None:
        """Note how a backend that rents no machines is, so that it stands in the table of workers."""
        health = desk.told
        state = "ready" if health.ready else "away"
        in_hand = next((one.job for one in desk.jobs.values()), "")
        worker = Worker(desk.name, desk.name, state=state, job_in_hand=in_hand, why=health.why)
        worker = Worker(**{**vars(worker), "seconds_per_frame": desk.seconds_per_frame})
        await self._scribe.do(self._ledger.workers.heard, worker)

    async def _look_after_machines(self) -> None:
        while True:
            await self._landlords.look()
            await asyncio.sleep(2 * self._patience.look_s)

    async def _ask_for_more(self) -> None:
        """Take in what was asked for meanwhile, as long as the run goes on."""
        while self._more is not None:
            await asyncio.sleep(self._patience.more_s)
            await self._takes_in_more()

    async def _takes_in_more(self) -> bool:
        """Whether anything was asked for that is to be made now. What is asked for last must not fall between runs."""
        if self._more is None or self._stopping.is_set() or self._failure is not None:
            return False
        async with self._one_asks:
            try:
                self._sheet.want(await asyncio.to_thread(self._more))
            except FilmProblem as problem:
                # What is under way is no worse for it, and it is asked again in a moment.
                log.warning("what else is wanted can't be told: %s", problem)
        return self._going_on

    # House-keeping

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that ends by itself. The run is not over before it has."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _keep(self, keeper: "asyncio.Task[None]") -> None:
        """Do something for as long as the run goes on."""
        self._keepers.add(keeper)
        keeper.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._failure is None:
            self._failure = task.exception()
        self._sheet.changed.set()

    async def _leave(self) -> None:
        """Let go. Orders go on at their providers, and the next run takes them up."""
        report = self._sheet.report
        report.stopped = self._stopping.is_set()
        self._sending.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.goodbye_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        scribe = next(task for task in self._keepers if task.get_name() == "scribe")
        await self._cancel([*self._tasks, *self._keepers - {scribe}])
        for last in (self._sending.tidy_up, self._landlords.end, self._scribe.end):
            try:
                await last()
            except FilmProblem as problem:
                # What is not tidied up now is by the next run; what went wrong first is what is told.
                self._failure = self._failure or problem
        for key in self._sheet.unfinished():
            report.problems.setdefault(key, f"the run was stopped; {_GO_ON}")
        await asyncio.gather(*(desk.backend.close() for desk in self._desks.values()), return_exceptions=True)
        self._loop = None

    async def _cancel(self, tasks: Collection["asyncio.Task[None]"]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
