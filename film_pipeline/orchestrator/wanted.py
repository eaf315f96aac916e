"""What the supervisor is asked for, and what it reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from film_pipeline.core.gate import Ticket, Work
from film_pipeline.core.generating import Fetched, FrameWork, GeneratingBackend
from film_pipeline.core.jobs import Charge
from film_pipeline.orchestrator.indexer import Rgb
from film_pipeline.stores.ledger.jobs import Job

Key = tuple[str, Work, int, int | None]
"""Shot, work, take and frame: one place on the board."""


def key_of(job: Job) -> Key:
    """What a job of the ledger makes."""
    work: Work = "hero" if job.ticket.work == "hero" else "take"
    return (job.ticket.shot, work, job.ticket.take, job.ticket.frame)


@dataclass(frozen=True)
class Wanted:
    """A frame that is to be made. backends: those that its take may use, in order of preference."""

    work: FrameWork
    backends: tuple[str, ...]

    @property
    def key(self) -> Key:
        return (self.work.shot, self.work.work, self.work.take, self.work.frame)

    @property
    def task(self) -> str:
        """What is made once: another prompt for the same place is another task."""
        return self.work.task


@dataclass(frozen=True)
class Landed:
    """A frame that came home and was looked at."""

    work: FrameWork
    ticket: Ticket
    backend: GeneratingBackend
    path: Path
    picture: Rgb
    fetched: Fetched
    charge: Charge | None


@dataclass
class Report:
    """What became of the frames. made: those that are on the board now. problems: why others are not, by key.

    uncertain: jobs that wait for a person. stopped: whether the run was stopped before it was through.
    """

    made: set[Key] = field(default_factory=set)
    problems: dict[Key, str] = field(default_factory=dict)
    uncertain: list[str] = field(default_factory=list)
    stopped: bool = False


@dataclass
class Frame:
    """A frame on its way: how often it was tried, and what was said.

    shunned: backends that said they can't. again: whether anybody wants it made anew if it comes to nothing.
    """

    wanted: Wanted
    tries: int = 0
    waits: int = 0
    not_before: float = 0.0
    shunned: set[str] = field(default_factory=set)
    said: str = ""
    again: bool = True


Index = Callable[[Landed], None]
"""Files a frame: its record, its place, its row. Called in a thread; the same frame twice is one frame."""
Told = Callable[[str, int, str, float], None]
"""Hears of progress: shot, take, frame as text, 0..1."""
More = Callable[[], Sequence[Wanted]]
"""What is wanted by now, of shots whose claims are held. Called in a thread; what is known already is passed over."""
