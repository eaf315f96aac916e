"""Strips: the pictures of one version of one stage of a shot, frame by frame, as the player shows them."""

from dataclasses import asdict, dataclass
from typing import Any

from film_pipeline.core.record import Turnover
from film_pipeline.core.stages import Stage

STRIPS = {
    "storyboard": "drawing",
    "cameras": "plate",
    "render": "render",
    "vfx": "vfx",
    "color": "color",
}
"""The stages whose pictures can be played, and the role of those pictures."""
NAMED = {
    "storyboard": "Storyboard",
    "cameras": "Plate",
    "render": "Raw render",
    "vfx": "Comp",
    "color": "Finished",
}
_LOOKED_AT_FIRST = ("color", "vfx", "render", "cameras", "storyboard")


@dataclass(frozen=True)
class Strip:
    """A version of a stage. key: stage.version; current: whether it is the one handed over last."""

    key: str
    stage: str
    version: int
    label: str
    current: bool
    frames: tuple[tuple[int, str], ...] = ()
    """The frames that were made, each shown until the next one: number and content hash."""
    movie: str = ""
    """The content hash of an all-intra film of exactly these pictures; empty where there is none."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def label_of(stage: str, version: int) -> str:
    return f"{NAMED[stage]} {'t' if stage == Stage.RENDER.value else 'v'}{version:03d}"


def strips_of(versions: list[tuple[str, int, int]]) -> list[Strip]:
    """What can be played of a shot, without its frames: finished first, the current version of each stage first."""
    found = []
    for stage in _LOOKED_AT_FIRST:
        of_stage = [version for name, version, _ in versions if name == stage]
        for place, version in enumerate(reversed(of_stage)):
            found.append(Strip(f"{stage}.{version}", stage, version, label_of(stage, version), place == 0))
    return found


def filled(strip: Strip, turnover: Turnover, movie: str = "") -> Strip:
    """The strip with its frames."""
    frames = tuple((item.frame or 1001, item.sha256) for item in turnover.of(STRIPS[strip.stage]))
    return Strip(strip.key, strip.stage, strip.version, strip.label, strip.current, frames, movie)


def movie_of(edit: Turnover | None, color: Turnover) -> str:
    """The clean film of a finished version, where editorial made one of just this version's frames."""
    if edit is None or edit.facts.get("of_color") != color.recipe_sha256:
        return ""
    return next((item.sha256 for item in edit.items if item.role == "playback"), "")
