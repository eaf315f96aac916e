"""The supervisor: within a render run, fans frames over backends, watches them, and sees that each comes home once."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from film_pipeline.core.gate import GateLocked, Locked, Order, OverBudget, Reserved, Ticket
from film_pipeline.core.generating import (
    Fetched,
    FrameWork,
    GeneratingBackend,
    News,
    Progress,
    SubmitFailed,
    SubmitUncertain,
)
from film_pipeline.core.jobs import Charge, Found, JobState, Move, NeverSubmitted
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.indexer import Refused, Rgb, look_at
from film_pipeline.orchestrator.landlords import Landlords
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.wanted import Frame, Index, Key, Landed, Report, Told, Wanted, key_of
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.jobs import Job

log = logging.getLogger(__name__)

MOST_TRIES = 3
MOST_WAITS = 60
"""How often a frame is held back by a backend that asks for patience."""
PATIENCE_S = 20.0
_FETCH_TRIES = 3
_RESERVED_AT_ONCE = 64
_FETCHED_AT_ONCE = 8
_NEWS_S = 1.0
_AWAY = (FilmProblem, OSError, httpx.HTTPError)


class Supervisor:
    """Works through the frames of one run. The claims of their shots must be held, so that no other run does too."""

    def __init__(
        self,
        ledger: Ledger,
        backends: Mapping[str, GeneratingBackend],
        made: Path,
        index: Index,
        told: Told = lambda shot, take, frame, done: None,
        news_s: float = _NEWS_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """made: the production's `.film`. index: files what came home. patience_s: for a backend that is away."""
        self._patience_s = patience_s
        self._ledger, self._index, self._told, self._news_s = ledger, index, told, news_s
        self._desks = {name: Desk(backend, place) for place, (name, backend) in enumerate(backends.items())}
        self._incoming = made / "incoming"
        self._orders = Orders(made / "orders")
        self._scribe = Scribe(ledger)
        self._landlords = Landlords(ledger, backends)
        self._report = Report()
        self._pending: deque[Frame] = deque()
        self._frames: dict[str, tuple[Frame, Ticket, Desk]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._fetching = asyncio.Semaphore(_FETCHED_AT_ONCE)
        self._running: set[str] = set()
        self._failure: BaseException | None = None
        self._kinds: set[str] = set()

    def run(self, wanted: Sequence[Wanted]) -> Report:
        """Make every frame, or say why it was not made. What is stopped goes on with the next run."""
        return asyncio.run(self.supervise(wanted))

    async def supervise(self, wanted: Sequence[Wanted]) -> Report:
        self._scribe.begin()
        self._kinds = {frame.work.work for frame in wanted}
        watchers: list[asyncio.Task[None]] = []
        try:
            await self._take_up({frame.work.shot for frame in wanted}, {frame.key: frame for frame in wanted})
            watchers = [asyncio.create_task(self._watch(desk)) for desk in self._desks.values()]
            await self._work_through()
        finally:
            await self._leave(watchers)
        if self._failure is not None:
            raise self._failure
        return self._report

    # Taking up what another run left

    async def _take_up(self, shots: set[str], wanted: dict[Key, Wanted]) -> None:
        left = await asyncio.to_thread(self._ledger.after_crash, shots)
        await self._landlords.begin()
        for job in left.reserved:
            # Nothing was sent. Its frame gets a new ticket at a price of today.
            await self._scribe.move(Move(job.ticket.job, JobState.CANCELLED, error="the run before ended first"))
        for job in left.in_doubt:
            resumed = await self._ask_about(job)
            if resumed is not None:
                self._resume(resumed, wanted)
            else:
                self._doubtful(job, wanted)
        for job in left.to_resume:
            self._resume(job, wanted)
        for job in left.to_index:
            self._resume(job, wanted)
        self._pending.extend(Frame(frame) for frame in wanted.values())

    async def _ask_about(self, job: Job) -> Job | None:
        """A job in doubt, taken up again where its backend can tell; None where it stays in doubt or is free again."""
        desk = self._desks.get(job.ticket.backend)
        if desk is None or job.ticket.work == "worker":
            return None
        try:
            provider_id = await desk.backend.find(job.ticket)
        except (SubmitUncertain, *_AWAY) as error:
            log.warning("job %s stays uncertain: %s", job.ticket.job, error)
            return None
        outcome = NeverSubmitted() if provider_id is None else Found(provider_id)
        resolved = await asyncio.to_thread(self._ledger.resolve, job.ticket.job, outcome, desk.name)
        return resolved if provider_id is not None else None

    def _resume(self, job: Job, wanted: dict[Key, Wanted]) -> None:
        if job.ticket.work not in self._kinds:
            # A worker's time is its landlord's; takes and heroes of one shot are filed by different departments.
            return
        desk, work = self._desks.get(job.ticket.backend), self._orders.read(job.ticket.job)
        key = key_of(job)
        if desk is None or work is None:
            why = "its backend is not in production.yaml" if desk is None else "its order is gone from .film/orders"
            wanted.pop(key, None)
            self._report.problems[key] = f"job {job.ticket.job} is under way and can't be followed: {why}"
            self._changed.set()
            return
        frame = Frame(wanted[key] if key in wanted else Wanted(work, (desk.name,)), tries=1)
        wanted.pop(key, None)
        if job.state is JobState.FETCHED:
            # Its picture may or may not lie on our disk whole: it is fetched again, and looked at again.
            self._frames[job.ticket.job] = (frame, job.ticket, desk)
            self._spawn(self._bring_home(job.ticket.job, job.provider_id, None, fetched_before=True))
        else:
            self._follow(frame, job.ticket, desk, job.provider_id)

    def _doubtful(self, job: Job, wanted: dict[Key, Wanted]) -> None:
        now = self._ledger.jobs.one(job.ticket.job)
        if now is None or now.state is not JobState.UNCERTAIN:
            return
        key = key_of(job)
        wanted.pop(key, None)
        self._uncertain(key, job.ticket.job, job.error or "nobody knows whether it was submitted")

    # Dispatching

    async def _look(self, desk: Desk) -> None:
        if await desk.look(bool(self._pending)):
            in_hand = next(iter(desk.in_hand.values()), "")
            self._landlords.note(desk.name, desk.told, in_hand, desk.seconds_per_frame)

    async def _work_through(self) -> None:
        while (self._pending or self._frames or self._tasks) and self._failure is None:
            self._changed.clear()
            await asyncio.gather(*(self._look(desk) for desk in self._desks.values()))
            await self._landlords.look()
            dispatched = await self._dispatch()
            if not dispatched:
                self._give_up_hopeless()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.05 if self._pending else 0.5)

    async def _dispatch(self) -> bool:
        """Hand frames to desks that have room. Whether any was handed out."""
        chosen: dict[str, list[Frame]] = {}
        kept: deque[Frame] = deque()
        room = {desk.name: desk.free for desk in self._desks.values()}
        now = time.monotonic()
        while self._pending and any(room.values()):
            frame = self._pending.popleft()
            desk = self._choose(frame, room) if frame.not_before <= now else None
            if desk is None:
                kept.append(frame)
                continue
            room[desk.name] -= 1
            chosen.setdefault(desk.name, []).append(frame)
        self._pending.extendleft(reversed(kept))
        for name, frames in chosen.items():
            for start in range(0, len(frames), _RESERVED_AT_ONCE):
                await self._reserve(self._desks[name], frames[start : start + _RESERVED_AT_ONCE])
        return bool(chosen)

    def _choose(self, frame: Frame, room: Mapping[str, int]) -> Desk | None:
        """The desk for a frame: the cheapest with room, the warm before the cold, then in order of preference."""
        open_to_it = [
            self._desks[name]
            for name in frame.wanted.backends
            if name in self._desks and room.get(name, 0) > 0 and name not in frame.shunned
        ]
        work = frame.wanted.work
        return min(open_to_it, key=lambda desk: (desk.price(work), not desk.warm(work), desk.place), default=None)

    async def _reserve(self, desk: Desk, frames: list[Frame]) -> None:
        orders = [self._order(desk, frame) for frame in frames]
        placed = await asyncio.to_thread(self._ledger.reserve, orders)
        if isinstance(placed, Locked | OverBudget) and len(frames) > 1:
            # One take that is locked must not keep the others out.
            for frame in frames:
                await self._reserve(desk, [frame])
            return
        if not isinstance(placed, Reserved):
            self._refused(frames[0], str(placed))
            return
        desk.take(len(frames))
        for frame, one in zip(frames, placed.placed, strict=True):
            if one.made:
                self._made(frame)
            elif one.state is JobState.RESERVED:
                self._orders.keep(one.ticket.job, frame.wanted.work)
                desk.going_out += 1
                self._spawn(self._submit(frame, one.ticket, desk))
            elif one.state is JobState.UNCERTAIN:
                self._uncertain(frame.wanted.key, one.ticket.job, "an order of it is uncertain")
            else:
                self._refused(frame, f"job {one.ticket.job} of another run has it in hand ({one.state.value})")

    def _order(self, desk: Desk, frame: Frame) -> Order:
        work = frame.wanted.work
        quoted = desk.backend.frame_price((work.width, work.height), work.purpose)
        return Order(work.shot, work.work, work.take, work.frame, work.sha256, work.covered, desk.name, quoted)

    async def _submit(self, frame: Frame, ticket: Ticket, desk: Desk) -> None:
        work, job = frame.wanted.work, ticket.job
        try:
            async with await self._landlords.renting(desk.name, ticket, work):
                provider_id = await desk.backend.submit(self._ledger, ticket, work)
        except GateLocked as locked:
            await self._fail(frame, ticket, desk, str(locked.problem), again=False)
            return
        except SubmitFailed as error:
            if error.retry_after_s:
                desk.breaker.rest(error.retry_after_s)
            elif error.spill:
                frame.shunned.add(desk.name)
            desk.breaker.failed()
            frame.waits += 1 if error.retry_after_s else 0
            again = error.spill or 0 < frame.waits <= MOST_WAITS
            await self._fail(frame, ticket, desk, str(error), again, counted=not error.retry_after_s)
            return
        except (SubmitUncertain, *_AWAY) as error:
            desk.breaker.failed()
            await self._scribe.move(Move(job, JobState.UNCERTAIN, error=str(error)))
            self._uncertain(frame.wanted.key, job, str(error))
            return
        finally:
            desk.going_out -= 1
            self._changed.set()
        await self._scribe.move(Move(job, JobState.SUBMITTED, provider_id))
        self._follow(frame, ticket, desk, provider_id)

    def _follow(self, frame: Frame, ticket: Ticket, desk: Desk, provider_id: str) -> None:
        self._frames[ticket.job] = (frame, ticket, desk)
        desk.in_hand[provider_id] = ticket.job
        self._changed.set()

    # Watching

    async def _watch(self, desk: Desk) -> None:
        while True:
            if not desk.in_hand:
                await asyncio.sleep(0.01)
                continue
            try:
                told = await desk.backend.news(list(desk.in_hand), self._news_s)
            except _AWAY as error:
                log.warning("%s does not answer: %s", desk.name, error)
                desk.breaker.failed()
                await asyncio.sleep(min(self._news_s, 1.0))
                continue
            for news in told:
                job = desk.in_hand.get(news.provider_id)
                if job is not None:
                    await self._hear(job, news)

    async def _hear(self, job: str, news: News) -> None:
        frame, ticket, desk = self._frames[job]
        self._told(ticket.shot, ticket.take, str(ticket.frame or ""), news.progress)
        match news.state:
            case Progress.WAITING:
                return
            case Progress.RUNNING:
                if job not in self._running:
                    self._running.add(job)
                    await self._scribe.move(Move(job, JobState.RUNNING, worker=news.worker))
                return
        desk.in_hand.pop(news.provider_id)
        if news.state is Progress.DONE:
            self._spawn(self._bring_home(job, news.provider_id, news))
            return
        desk.breaker.failed()
        said = news.error or f"{desk.name} says {news.state.value}"
        match news.state:
            case Progress.FAILED:
                await self._fail(frame, ticket, desk, said, again=news.retryable, charge=_charge(news))
            case Progress.CANCELLED:
                await self._end(ticket, JobState.CANCELLED, said, _charge(news))
                self._refused(frame, f"it was cancelled at {desk.name}")
            case Progress.GONE:
                await self._end(ticket, JobState.LOST, said, None)
                self._again(frame, said)
            case _:
                await self._end(ticket, JobState.UNCERTAIN, said, None)
                self._uncertain(frame.wanted.key, job, said)

    # Bringing home

    async def _bring_home(self, job: str, provider_id: str, news: News | None, fetched_before: bool = False) -> None:
        frame, ticket, desk = self._frames[job]
        work = frame.wanted.work
        async with self._fetching:
            fetched, picture = await self._fetch(desk, ticket, provider_id, work)
        if isinstance(picture, Refused):
            await self._unusable(frame, ticket, desk, picture.why, fetched, news, fetched_before)
            return
        assert fetched is not None
        charge = _charge_of(fetched, news)
        if not fetched_before:
            await self._scribe.move(
                Move(job, JobState.FETCHED, worker=news.worker if news else "", seconds=fetched.seconds, charge=charge)
            )
        landed = Landed(work, ticket, desk.backend, fetched.path, picture, fetched, charge)
        await asyncio.to_thread(self._index, landed)
        await self._scribe.move(Move(job, JobState.INDEXED))
        self._measured(desk, fetched, work)
        desk.breaker.worked()
        self._home(ticket, fetched.path)
        self._made(frame)

    async def _fetch(
        self, desk: Desk, ticket: Ticket, provider_id: str, work: FrameWork
    ) -> tuple[Fetched | None, Rgb | Refused]:
        """The picture, looked at. A broken connection and a truncated file are tried again, within bounds."""
        folder = self._incoming / ticket.job
        fetched: Fetched | None = None
        refused = Refused("it was not fetched")
        for attempt in range(_FETCH_TRIES):
            if attempt:
                await asyncio.sleep(min(0.2 * 2**attempt, self._news_s))
            try:
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
                fetched = await desk.backend.fetch(provider_id, folder)
            except _AWAY as error:
                refused = Refused(str(error))
                continue
            seen = await asyncio.to_thread(look_at, fetched.path, work)
            if not isinstance(seen, Refused):
                return fetched, seen
            refused = seen
        return fetched, refused

    async def _unusable(
        self,
        frame: Frame,
        ticket: Ticket,
        desk: Desk,
        why: str,
        fetched: Fetched | None,
        news: News | None,
        fetched_before: bool,
    ) -> None:
        """The provider says it is done, and there is nothing that can be used."""
        desk.breaker.failed()
        charge = _charge_of(fetched, news) if fetched is not None else _charge(news)
        if fetched is None and desk.backend.paid and charge is None and not fetched_before:
            await self._end(ticket, JobState.UNCERTAIN, why, None)
            self._uncertain(frame.wanted.key, ticket.job, f"it was made and can't be fetched: {why}")
            return
        await self._fail(frame, ticket, desk, why, again=True, charge=charge)

    def _home(self, ticket: Ticket, path: Path) -> None:
        self._orders.done(ticket.job)
        self._frames.pop(ticket.job, None)
        path.unlink(missing_ok=True)
        with suppress(OSError):
            (self._incoming / ticket.job).rmdir()

    # Ends

    async def _fail(
        self,
        frame: Frame,
        ticket: Ticket,
        desk: Desk,
        said: str,
        again: bool,
        charge: Charge | None = None,
        counted: bool = True,
    ) -> None:
        await self._end(ticket, JobState.FAILED, said, charge)
        if again:
            self._again(frame, f"{desk.name}: {said}", counted)
        else:
            self._refused(frame, f"{desk.name}: {said}")

    async def _end(self, ticket: Ticket, state: JobState, said: str, charge: Charge | None) -> None:
        await self._scribe.move(Move(ticket.job, state, error=said, charge=charge))
        self._frames.pop(ticket.job, None)
        if state is not JobState.UNCERTAIN:
            self._orders.done(ticket.job)
        self._changed.set()

    def _again(self, frame: Frame, said: str, counted: bool = True) -> None:
        """Order the frame once more, on a backend that its take may use, if it was not tried too often."""
        frame.tries += 1 if counted else 0
        frame.said = said
        if frame.tries >= MOST_TRIES:
            self._refused(frame, f"{said} (tried {frame.tries} times)")
            return
        frame.not_before = time.monotonic() + min(0.2 * 2**frame.tries, 5.0)
        self._pending.append(frame)
        self._changed.set()

    def _refused(self, frame: Frame, why: str) -> None:
        self._report.problems[frame.wanted.key] = why
        self._changed.set()

    def _uncertain(self, key: Key, job: str, why: str) -> None:
        self._report.problems[key] = f"{why}: job {job} waits for a person (film spend --uncertain)"
        self._report.uncertain.append(job)
        self._frames.pop(job, None)
        self._changed.set()

    def _made(self, frame: Frame) -> None:
        self._report.made.add(frame.wanted.key)
        self._told(frame.wanted.work.shot, frame.wanted.work.take, str(frame.wanted.work.frame or ""), 1.0)
        self._changed.set()

    def _give_up_hopeless(self) -> None:
        """Give up frames that no desk will ever take: every backend of theirs is away, and nothing is under way."""
        if self._frames or self._tasks:
            return
        hopeless: list[Frame] = []
        for frame in self._pending:
            desks = [self._desks[name] for name in frame.wanted.backends if name in self._desks]
            if all(desk.name in frame.shunned or desk.away_s > self._patience_s for desk in desks):
                hopeless.append(frame)
        for frame in hopeless:
            self._pending.remove(frame)
            why = frame.said or "; ".join(
                f"{name}: {self._desks[name].health.why or 'it takes no orders'}"
                for name in frame.wanted.backends
                if name in self._desks
            )
            self._refused(frame, why or f"none of {', '.join(frame.wanted.backends)} is in production.yaml")

    # House-keeping

    def _measured(self, desk: Desk, fetched: Fetched, work: FrameWork) -> None:
        if fetched.seconds is not None:
            desk.seconds_per_frame = fetched.seconds
            desk.backend.measured(fetched.seconds, (work.width, work.height), work.purpose)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._failure is None:
            self._failure = task.exception()
        self._changed.set()

    async def _leave(self, watchers: list["asyncio.Task[None]"]) -> None:
        """Let go. Orders go on at their providers; what was only reserved is free again with the next run."""
        tasks = [*watchers, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._scribe.end()
        await self._landlords.end()
        await asyncio.gather(*(desk.backend.close() for desk in self._desks.values()), return_exceptions=True)


def _charge(news: News | None) -> Charge | None:
    return None if news is None or news.charged_usd is None else Charge(news.charged_usd, news.estimated)


def _charge_of(fetched: Fetched, news: News | None) -> Charge | None:
    """The provider's word where it gives one with the picture, else with its news."""
    if fetched.charged_usd is not None:
        return Charge(fetched.charged_usd, fetched.estimated)
    return _charge(news)
