"""Names on the slate: scene, shot, stage, take and frame."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from film_pipeline.core.stages import Stage

SCENE_PATTERN = re.compile(r"SC[0-9]{3,5}[A-Z]{0,2}")
WHOLE_FILM_SLATE = "film"
"""What stands on the slate of work that belongs to no single shot."""
SHOT_PATTERN = re.compile(r"SH[0-9]{3,5}[A-Z]{0,2}")


@dataclass(frozen=True, order=True)
class ShotName:
    """A shot's name, such as SC010_SH020: the partition key, the folder and the column heading."""

    scene: str
    shot: str

    @classmethod
    def parse(cls, text: str) -> "ShotName":
        """Read SC010_SH020. Raises ValueError for anything else."""
        scene, _, shot = text.partition("_")
        if not SCENE_PATTERN.fullmatch(scene) or not SHOT_PATTERN.fullmatch(shot):
            raise ValueError(f"{text!r} is no shot name: write it as SC010_SH020")
        return cls(scene, shot)

    def __str__(self) -> str:
        return f"{self.scene}_{self.shot}"


@dataclass(frozen=True)
class Slate:
    """What stands on the clapper board: shot, stage and version (a take for the render stage)."""

    shot: str
    stage: Stage
    version: int

    @property
    def version_label(self) -> str:
        """t003 for a take of the render stage, v003 for a version of any other."""
        return f"{'t' if self.stage is Stage.RENDER else 'v'}{self.version:03d}"

    @property
    def folder(self) -> str:
        """Where it lies below `.film`: shots/SC010_SH020/render/t003; film/edit/v001 for what is of the whole film."""
        place = "film" if self.shot == WHOLE_FILM_SLATE else f"shots/{self.shot}"
        return f"{place}/{self.stage.value}/{self.version_label}"

    def filename(self, role: str, extension: str, frame: int | None = None) -> str:
        """SC010_SH020_render_t003.1001.exr; a role other than the stage's own follows the stage's name."""
        named = self.stage.value if role == self.stage.value else f"{self.stage.value}_{role}"
        stem = f"{self.shot}_{named}_{self.version_label}"
        return f"{stem}.{extension}" if frame is None else f"{stem}.{frame:04d}.{extension}"


def spans(wanted: Sequence[bool]) -> list[tuple[int, int]]:
    """The first and last place of every unbroken run of what is wanted."""
    found: list[tuple[int, int]] = []
    for place, want in enumerate(wanted):
        if want and found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        elif want:
            found.append((place, place))
    return found
