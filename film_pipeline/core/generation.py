"""Generating frames: what the film asks of a render backend, free or paid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Quote:
    """What frames would cost on a backend. An unknown price is None, never zero."""

    backend: str
    frames: int
    cost_usd: Decimal | None
    said: str = ""


@dataclass(frozen=True)
class FrameOrder:
    """The frames of one take of one shot that are still to be made."""

    shot: str
    take: int
    stage_file: Path
    frames: Mapping[int, Path]
    width: int
    height: int
    samples: int
    bounces: int
    seed: int


Landed = Callable[[int, Path, float], None]
"""Called as each frame is complete on disk: its number, its file and the seconds it took."""


class FrameBackend(Protocol):
    """Where frames are generated. A paid backend's `generate` also takes the ticket that the gate gave."""

    name: str
    provider: str
    licence: str
    paid: bool

    def software(self) -> str:
        """Name and version of the program that makes the pixels."""

    def settings(self, order_size: tuple[int, int], samples: int, bounces: int) -> dict[str, Any]:
        """What of the backend decides the pixels: it goes into every frame's recipe."""

    def quote(self, frames: int) -> Quote:
        """The price of that many frames."""

    def generate(self, order: FrameOrder, landed: Landed) -> None:
        """Make every frame of the order, each written atomically at the path it names.

        Frames that landed before a failure stay. Raises FilmProblem where the backend cannot go on.
        """
