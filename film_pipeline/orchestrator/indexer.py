"""The indexer looks at what a backend gave: nothing comes onto the board that nobody has looked at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from film_pipeline.core.generating import Fit, FrameWork

Rgb = NDArray[np.uint8]
_BLACK = 4
_FLAT = 1.0
_SAME = 1.0
_LOOKED_AT = (160, 90)
_MULTIPLE = 16
_SHAPE = 0.04
_SMALLEST = 2
"""A picture may be this much smaller than asked for, and is scaled up."""


@dataclass(frozen=True)
class Refused:
    """The picture is none that can be used, and why."""

    why: str


def look_at(path: Path, work: FrameWork) -> Rgb | Refused:
    """The picture at the size that was asked for, (h, w, 3) as encoded for display, or why it is refused.

    It is refused where it is truncated or no picture, of a shape that no fitting explains, black, of one tone, or one
    of the pictures that went in as guides.
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Refused(f"it can't be opened: {error}")
    fitted = _fitted(picture, work)
    if isinstance(fitted, Refused):
        return fitted
    small = np.asarray(fitted.resize(_LOOKED_AT, Image.Resampling.BOX), np.float32)
    if float(np.percentile(small, 99.5)) <= _BLACK:
        return Refused("it is black")
    if float(small.reshape(-1, 3).std(axis=0).max()) < _FLAT:
        return Refused("the whole picture is one tone")
    for guide in work.guides:
        if _is_the_same(small, guide.path):
            return Refused(f"it is the {guide.role} that went in, handed back")
    return np.asarray(fitted)


def _fitted(picture: Image.Image, work: FrameWork) -> Image.Image | Refused:
    wanted = (work.width, work.height)
    if picture.size == wanted:
        return picture
    # Models work in multiples of 16, or in sizes of their own: those are fitted. Another shape is another picture.
    whole = tuple(side - side % _MULTIPLE for side in wanted)
    shape = (picture.width / picture.height) / (work.width / work.height)
    if picture.size != whole and (not 1 - _SHAPE <= shape <= 1 + _SHAPE or picture.width * _SMALLEST < work.width):
        return Refused(f"it is {picture.width} x {picture.height}, asked for was {work.width} x {work.height}")
    fit = Fit(rendered=picture.size, delivered=wanted)
    left, top = fit.crop
    scaled = picture.resize(fit.scaled, Image.Resampling.LANCZOS)
    return scaled.crop((left, top, left + wanted[0], top + wanted[1]))


def _is_the_same(small: NDArray[np.float32], guide: Path) -> bool:
    try:
        with Image.open(guide) as opened:
            given = np.asarray(opened.convert("RGB").resize(_LOOKED_AT, Image.Resampling.BOX), np.float32)
    except (UnidentifiedImageError, OSError):
        # A guide that PIL can't open (an EXR) can't have been handed back as a PNG either.
        return False
    return float(np.abs(small - given).mean()) < _SAME


def to_linear(picture: Rgb) -> NDArray[np.float32]:
    """Scene-linear Rec.709 of an sRGB picture, (h, w, 3), as models give it. Source: IEC 61966-2-1."""
    encoded = picture.astype(np.float32) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)
