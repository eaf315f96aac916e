"""What the supervisor is asked for, and what it reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from film_pipeline.core.gate import Ticket, Work
from film_pipeline.core.generating import Fetched, FrameWork, GeneratingBackend
from film_pipeline.core.jobs import Charge
from film_pipeline.orchestrator.indexer import Rgb

Key = tuple[str, Work, int, int | None]
"""Shot, work, take and frame: what is made once."""


@dataclass(frozen=True)
class Wanted:
    """A frame that is to be made. backends: those that its take may use, in order of preference."""

    work: FrameWork
    backends: tuple[str, ...]

    @property
    def key(self) -> Key:
        return (self.work.shot, self.work.work, self.work.take, self.work.frame)


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
    """What became of the frames. made: those that are on the board now. problems: why others are not, by key."""

    made: set[Key] = field(default_factory=set)
    problems: dict[Key, str] = field(default_factory=dict)
    uncertain: list[str] = field(default_factory=list)
    """Jobs that wait for a person."""


@dataclass
class Frame:
    """A frame on its way: how often it was tried, and what was said."""

    wanted: Wanted
    tries: int = 0
    waits: int = 0
    not_before: float = 0.0
    shunned: set[str] = field(default_factory=set)
    """Backends that said they can't."""
    said: str = ""


Index = Callable[[Landed], None]
"""Files a frame: its record, its place, its row. Called in a thread; the same frame twice is one frame."""
Told = Callable[[str, int, str, float], None]
"""Hears of progress: shot, take, frame as text, 0..1."""
