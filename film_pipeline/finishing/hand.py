"""The hand that draws lines over the picture, and its unrest: boil.

Which hand draws is decided by the drawing, not by the film frame, so that a hold holds still; or, where the look says
`on_frames: 4`, by every fourth film frame all through.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Look
from film_pipeline.core.look_operations import Boil
from film_pipeline.core.timing import FIRST_FRAME, ExposureSheet
from film_pipeline.finishing.noise import key_of, smooth

STEP = 8
"""The hand's errors are kept on a grid this many pixels apart."""


@dataclass(frozen=True)
class Hand:
    """(gh, gw, 3) on a grid of STEP pixels: aside x, aside y (delivered pixels), and weight (about -1..1)."""

    errors: NDArray[np.float32]


def hand_of(boil: Boil | None, shot: str, frame: int, drawing: int, size: tuple[int, int]) -> Hand:
    """The hand of a drawing at the delivered size (w, h); without boil it still varies in weight, but never changes."""
    if boil is None:
        return _draw(0.0, 60.0, key_of("hand", shot), size)
    return _draw(boil.amount, boil.size, key_of("hand", shot, boil.seed, boil_step(boil, frame, drawing)), size)


def boil_step(boil: Boil, frame: int, drawing: int) -> int:
    """What a hand is chosen by: the drawing, or the film frames counted in steps."""
    return drawing if boil.on_frames is None else (frame - FIRST_FRAME) // boil.on_frames


def frames_to_comp(look: Look, sheet: ExposureSheet) -> tuple[tuple[int, int, int], ...]:
    """Every film frame at which a shot's comp changes, as (frame, exposed frame, drawing).

    These are the unique frames, and within a hold those where the boil takes a new hand by film frames.
    """
    boil = next((operation for operation in look.vfx if isinstance(operation, Boil)), None)
    found: list[tuple[int, int, int]] = []
    for drawing, exposure in enumerate(sheet.exposures):
        last_step: int | None = None
        for frame in range(exposure.frame, exposure.frame + exposure.held_frames):
            step = boil_step(boil, frame, drawing) if boil and boil.on_frames else 0
            if step != last_step:
                found.append((frame, exposure.frame, drawing))
                last_step = step
    return tuple(found)


@lru_cache(maxsize=8)
def _draw(amount: float, scale: float, key: int, size: tuple[int, int]) -> Hand:
    width, height = size
    unit = height / 720
    grid = (width // STEP + 2, height // STEP + 2)
    hills = scale * unit / STEP
    aside = [amount * unit * smooth(key + axis * 100, grid, hills, 2) for axis in (0, 1)]
    weight = smooth(key + 200, grid, 0.6 * hills, 2)
    return Hand(np.ascontiguousarray(np.stack([*aside, weight], axis=-1), dtype=np.float32))
