"""The call sheet of one run: which frames wait, which are in hand where, and what became of the others."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from film_pipeline.core.gate import Ticket
from film_pipeline.orchestrator.wanted import Frame, Key, Report, Told, Wanted

if TYPE_CHECKING:
    from film_pipeline.orchestrator.desk import Desk

MOST_TRIES = 3
"""How often a frame is ordered in one run, whatever became of the orders before."""
MOST_WAITS = 60
"""How often a frame is held back by backends that ask for patience."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


@dataclass
class InHand:
    """A frame with a job in the ledger that has not ended. provider_id: empty while the order is on its way."""

    frame: Frame
    ticket: Ticket
    desk: "Desk"
    provider_id: str = ""
    running: bool = False
    worker: str = ""

    @property
    def job(self) -> str:
        return self.ticket.job


class CallSheet:
    """changed: set whenever something happened that may let another frame go out, or end the run."""

    def __init__(self, told: Told, rest: float = 1.0) -> None:
        self.report = Report()
        self.changed = asyncio.Event()
        self.in_hand: dict[str, InHand] = {}
        self._told, self._rest = told, rest
        self._fresh: dict[tuple[bool, tuple[str, ...]], deque[Frame]] = {}
        self._takes: set[tuple[str, str, int]] = set()
        self._held: list[Frame] = []
        self._known: set[str] = set()
        self._places: Counter[Key] = Counter()

    # What is wanted

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Take frames in; what is known already is passed over.

        The first frame of a take goes out before the others of every take: somebody has just signed for it and waits.
        """
        for one in wanted:
            if one.task not in self._known:
                self._known.add(one.task)
                take = one.key[:3]
                self._fresh.setdefault((take in self._takes, one.backends), deque()).append(Frame(one))
                self._takes.add(take)
                self.changed.set()

    def know(self, task: str) -> None:
        """A job of this task is under way or in doubt: it is not to be ordered besides."""
        self._known.add(task)

    def free(self, task: str, wanted: Wanted | None) -> None:
        """A job of this task has come to nothing: it is ordered if anybody wants it."""
        self._known.discard(task)
        if wanted is not None:
            self.want([wanted])

    @property
    def waiting(self) -> int:
        return len(self._held) + sum(len(frames) for frames in self._fresh.values())

    def queues(self) -> Iterator[deque[Frame]]:
        """Frames that were never tried, by the backends that they may use: they only differ in what they show."""
        return iter([frames for _, frames in sorted(self._fresh.items(), key=_is_later) if frames])

    def held(self) -> list[Frame]:
        """Frames that were tried before, or whose place another order of the same place has to leave first."""
        return self._held

    def hold(self, frame: Frame) -> None:
        self._held.append(frame)

    def drop(self, hopeless: Callable[[Frame], bool]) -> list[Frame]:
        """Take those frames off the sheet that nothing will come of."""
        dropped = [frame for frame in self._all_waiting() if hopeless(frame)]
        gone = set(map(id, dropped))
        self._held = [frame for frame in self._held if id(frame) not in gone]
        for which, frames in self._fresh.items():
            self._fresh[which] = deque(frame for frame in frames if id(frame) not in gone)
        return dropped

    def unfinished(self) -> list[Key]:
        """Places of frames that wait or are in hand."""
        in_hand = [one.frame.wanted.key for one in self.in_hand.values()]
        return [*in_hand, *(frame.wanted.key for frame in self._all_waiting())]

    def _all_waiting(self) -> list[Frame]:
        return [*self._held, *(frame for frames in self._fresh.values() for frame in frames)]

    def may_go(self, frame: Frame) -> bool:
        """Whether it is time for a frame, and nothing else is on its way to the same place on the board."""
        return frame.not_before <= time.monotonic() and not self._places[frame.wanted.key]

    # What is in hand

    def take(self, one: InHand) -> None:
        self.in_hand[one.job] = one
        self._places[one.frame.wanted.key] += 1
        self._known.add(one.frame.wanted.task)

    def occupy(self, key: Key) -> None:
        """A job in doubt may still come to this place."""
        self._places[key] += 1

    def vacate(self, key: Key) -> None:
        self._places[key] -= 1
        self.changed.set()

    def let_go(self, job: str) -> None:
        one = self.in_hand.pop(job, None)
        if one is not None:
            one.desk.let_go(one)
            self.vacate(one.frame.wanted.key)

    # What becomes of them

    def progress(self, one: InHand, done: float) -> None:
        work = one.frame.wanted.work
        self._told(work.shot, work.take, str(work.frame or ""), done)

    def made(self, wanted: Wanted) -> None:
        self.report.made.add(wanted.key)
        self.report.problems.pop(wanted.key, None)
        self._told(wanted.work.shot, wanted.work.take, str(wanted.work.frame or ""), 1.0)
        self.changed.set()

    def refused(self, frame: Frame, why: str) -> None:
        self.problem(frame.wanted.key, why)

    def problem(self, key: Key, why: str) -> None:
        self.report.problems[key] = why
        self.changed.set()

    def uncertain(self, key: Key, job: str, why: str) -> None:
        if job not in self.report.uncertain:
            self.report.uncertain.append(job)
        self.problem(key, f"{why}: job {job} waits for a person (film spend --uncertain)")

    def again(self, frame: Frame, said: str, counted: bool = True) -> None:
        """Order the frame once more, on a backend that its take may use, if it was not tried too often."""
        frame.said = said
        frame.tries += 1 if counted else 0
        frame.waits += 0 if counted else 1
        if not frame.again:
            self.refused(frame, f"{said}; nobody wants it any more")
        elif frame.tries >= MOST_TRIES or frame.waits > MOST_WAITS:
            self.refused(frame, f"{said} (tried {frame.tries + frame.waits} times)")
        else:
            pause_s = min(_FIRST_PAUSE_S * 2**frame.tries, _LONGEST_PAUSE_S)
            frame.not_before = time.monotonic() + pause_s * self._rest
            self.hold(frame)
            self.changed.set()


def _is_later(queue: tuple[tuple[bool, tuple[str, ...]], deque[Frame]]) -> bool:
    return queue[0][0]
