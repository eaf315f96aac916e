"""What the film needs from its engines, in film terms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FrameShot = Callable[[int, Path, float], None]
"""Called as each frame is complete on disk: its number, its file and the seconds it took."""


@dataclass(frozen=True)
class ShootSettings:
    """How an engine shoots frames: size in pixels, samples a pixel, bounces of light.

    passes: also write depth, normal and cryptomatte layers. clay: every surface in grey clay.
    """

    width: int
    height: int
    samples: int
    bounces: int = 1
    denoise: bool = True
    seed: int = 0
    passes: bool = False
    clay: bool = False


class SceneEngine(Protocol):
    """An engine that opens a composed USD stage and shoots it."""

    name: str

    def version(self) -> str:
        """Name and version of the program, for the records."""

    def shoot(
        self, stage: Path, frames: Mapping[int, Path], settings: ShootSettings, landed: FrameShot | None = None
    ) -> None:
        """Render frames of a stage into multilayer EXR files, each written atomically at the path given for it.

        Beauty is scene-linear Rec.709; depth in metres from the camera; normals in world space.
        Frames that landed before a failure stay. Raises FilmProblem where the engine can't go on.
        """

    def joints(self, stage: Path, frames: Sequence[int]) -> dict[int, dict[str, dict[str, tuple[float, float, float]]]]:
        """Every puppet's joints in world space, metres, as the engine poses them: frame -> puppet -> joint."""

    def export_glb(self, stage: Path, out: Path, frame: int | None = None) -> None:
        """Write the stage as a .glb for viewers."""

    def turnaround(
        self, stage: Path, folder: Path, angles: int, size: tuple[int, int], clay: bool, samples: int
    ) -> list[Path]:
        """Pictures (PNG) of what the stage holds from evenly spaced angles, the first from the front."""
