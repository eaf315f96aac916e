"""The declared operations of a look's VFX stack. Each is a few numbers; what they do is finishing's business.

Colours are scene-linear Rec.709 once a look is resolved; in the files they may be a palette's name or `#rrggbb` (sRGB).
Sizes in pixels are those of a picture 720 high, and grow with the delivered height.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from film_pipeline.core.files import FilmFile
from film_pipeline.core.units import FRAMES, PIXELS_AT_720

Rgb = tuple[float, float, float]


def linear_of_srgb(value: float) -> float:
    """One sRGB-encoded channel, 0..1, as linear light."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _color(written: Any) -> Any:
    if isinstance(written, str):
        digits = written.removeprefix("#")
        if (
            not written.startswith("#")
            or len(digits) != 6
            or not all(digit in "0123456789abcdefABCDEF" for digit in digits)
        ):
            raise ValueError(
                f"{written!r} is no colour: write a name of the palette, '#rrggbb' or [r, g, b] in linear light"
            )
        return tuple(linear_of_srgb(int(digits[place : place + 2], 16) / 255) for place in (0, 2, 4))
    if isinstance(written, list | tuple) and any(
        isinstance(channel, int | float) and channel < 0 for channel in written
    ):
        raise ValueError("a colour's channels are at least 0")
    return written


Color = Annotated[Rgb, BeforeValidator(_color, json_schema_input_type=str | Rgb)]


class Atmosphere(FilmFile):
    """Air between the lens and what is far: from `start_m` to `end_m` the picture goes towards the colour."""

    op: Literal["atmosphere"] = Field(description="which operation this is")
    color: Color = Field(default=(0.02, 0.03, 0.045), description="of the air")
    start_m: float = Field(default=3.0, ge=0, description="where it begins, from the lens")
    end_m: float = Field(default=12.0, gt=0, description="where it is thickest")
    amount: float = Field(default=0.4, ge=0, le=1, description="how thick it gets")


class Glow(FilmFile):
    """The halo of practicals: what is brighter than the threshold (and inside the mattes, if any) spreads."""

    op: Literal["glow"] = Field(description="which operation this is")
    mattes: tuple[str, ...] = Field(
        default=(), description="identities that glow, with all their parts; everything bright unless given"
    )
    threshold: float = Field(default=1.0, ge=0, description="scene-linear")
    warm_only: float = Field(default=0.0, ge=0, le=1, description="1 lets only warm light glow")
    size: float = Field(default=60.0, gt=0, description="how far it reaches", json_schema_extra=PIXELS_AT_720)
    amount: float = Field(default=0.25, ge=0, description="how strong the halo is")
    tint: Color = Field(default=(1.0, 1.0, 1.0), description="of the halo, over the light's own colour")


class Boil(FilmFile):
    """Stop-motion unrest of all lines drawn after it: a new drawing, a new hand.

    on_frames: null changes the hand with every drawing, so that holds hold still; 4 changes it on fours all through.
    """

    op: Literal["boil"] = Field(description="which operation this is")
    amount: float = Field(default=0.8, ge=0, description="how far a line strays", json_schema_extra=PIXELS_AT_720)
    size: float = Field(
        default=60.0, gt=1, description="how far apart the hand's errors are", json_schema_extra=PIXELS_AT_720
    )
    on_frames: int | None = Field(
        default=None, ge=1, description="null with every drawing; 4 on fours all through", json_schema_extra=FRAMES
    )
    seed: int = Field(default=0, description="another number, another hand")


class Ink(FilmFile):
    """The ink line, where depth, identity or normals break."""

    op: Literal["ink"] = Field(description="which operation this is")
    width: float = Field(default=2.0, ge=0, description="of outlines", json_schema_extra=PIXELS_AT_720)
    crease_width: float = Field(default=1.2, ge=0, description="of lines inside a form")
    depth_threshold: float = Field(default=0.04, gt=0, description="break in depth, as a part of the distance")
    normal_threshold_deg: float = Field(default=28.0, gt=0, lt=180, description="break in the surface's direction")
    color: Color = Field(default=(0.0, 0.0, 0.0), description="of the ink")
    amount: float = Field(default=1.0, ge=0, le=1, description="how much the ink covers")
    jitter: float = Field(default=0.45, ge=0, le=1, description="how much the weight of the line varies")
    fade_m: float = Field(default=14.0, gt=0, description="lines are half as wide at this distance")
    scratch: float = Field(default=0.0, ge=0, le=1, description="in the dark, lines are scratched out of the black")
    scratch_color: Color = Field(default=(0.03, 0.036, 0.045), description="of what is scratched out")
    scratch_stops: float = Field(default=-6.0, description="how dark the dark is, in stops from mid grey")


class Hatching(FilmFile):
    """Cross-hatching in the shadows: one set of strokes, then a second, denser as it gets darker."""

    op: Literal["hatching"] = Field(description="which operation this is")
    from_stops: float = Field(default=-2.0, description="first strokes, in stops from mid grey")
    to_stops: float = Field(default=-6.0, description="full strokes; darker than this nothing shows")
    spacing: float = Field(default=6.5, gt=1, description="between strokes", json_schema_extra=PIXELS_AT_720)
    width: float = Field(default=1.6, ge=0, description="of a stroke", json_schema_extra=PIXELS_AT_720)
    amount: float = Field(default=0.5, ge=0, le=1, description="how much the strokes cover")
    color: Color = Field(default=(0.0, 0.0, 0.0), description="of the strokes")
    seed: int = Field(default=0, description="another number, other strokes")


class Dust(FilmFile):
    """Motes that drift where there is light."""

    op: Literal["dust"] = Field(description="which operation this is")
    count: int = Field(default=60, ge=0, le=5000, description="how many motes")
    size: float = Field(default=1.6, gt=0, description="radius of a mote", json_schema_extra=PIXELS_AT_720)
    amount: float = Field(default=0.5, ge=0, description="how bright they are")
    near_m: float = Field(default=0.8, gt=0, description="the nearest, from the lens")
    far_m: float = Field(default=6.0, gt=0, description="the furthest, from the lens")
    drift: float = Field(
        default=0.5, ge=0, description="how far they drift in a frame", json_schema_extra=PIXELS_AT_720
    )
    seed: int = Field(default=0, description="another number, other motes")


class Flicker(FilmFile):
    """The light is never twice the same between two exposures."""

    op: Literal["flicker"] = Field(description="which operation this is")
    stops: float = Field(default=0.03, ge=0, le=1, description="how far the light strays, in stops")
    seed: int = Field(default=0, description="another number, another flicker")


Operation = Annotated[
    Atmosphere | Glow | Boil | Ink | Hatching | Dust | Flicker,
    Field(discriminator="op"),
]
OPERATIONS: dict[str, type[FilmFile]] = {
    "atmosphere": Atmosphere,
    "glow": Glow,
    "boil": Boil,
    "ink": Ink,
    "hatching": Hatching,
    "dust": Dust,
    "flicker": Flicker,
}
