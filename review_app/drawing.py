"""Drawings on frames: strokes in parts of the picture, so that they lie right on any screen and in any version."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from film_pipeline.core.problems import FilmProblem

COLOURS: Mapping[str, str] = {
    "amber": "#ffb52e",
    "cyan": "#35d6ff",
    "magenta": "#ff6ad5",
    "white": "#ffffff",
}
"""They read on grey, on black and on a bright picture, because every stroke has a dark edge."""
LARGEST_DRAWING = 200_000
MOST_STROKES, MOST_POINTS = 200, 4000

Part = Annotated[float, Field(ge=-0.5, le=1.5, allow_inf_nan=False)]
"""A part of the picture's width or height, from the top left."""
Point = tuple[Part, Part]


class Stroke(BaseModel):
    """A line by hand, an arrow to its last point, or a box between its two points."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Literal["pen", "arrow", "box"]
    colour: Literal["amber", "cyan", "magenta", "white"] = "amber"
    points: tuple[Point, ...] = Field(min_length=1, max_length=MOST_POINTS)


class Drawing(BaseModel):
    """What somebody drew on one frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strokes: tuple[Stroke, ...] = Field(min_length=1, max_length=MOST_STROKES)

    def kept(self) -> dict[str, Any]:
        """As it is kept: points to a ten-thousandth of the picture."""
        return {
            "strokes": [
                {
                    "tool": stroke.tool,
                    "colour": stroke.colour,
                    "points": [[round(x, 4), round(y, 4)] for x, y in stroke.points],
                }
                for stroke in self.strokes
            ]
        }


def read_drawing(text: str) -> dict[str, Any] | None:
    """A drawing as a browser sends it; None where nothing was drawn. Raises FilmProblem for anything else."""
    if not text:
        return None
    if len(text) > LARGEST_DRAWING:
        raise FilmProblem("the drawing is too large", "draw less on one frame")
    try:
        return Drawing.model_validate_json(text).kept()
    except ValidationError as error:
        raise FilmProblem("this is no drawing", "draw it in the viewer") from error


def told_drawing(kept: Any) -> dict[str, Any] | None:
    """A drawing from the ledger, if it is one that the viewer can show: others may come from other software."""
    try:
        return Drawing.model_validate(kept).kept() if kept is not None else None
    except ValidationError:
        return None
