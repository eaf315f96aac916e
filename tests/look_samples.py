"""A frame, and a look with everything in it, for the tests of comp and finisher."""

from functools import cache
from typing import Any

import numpy as np

from film_pipeline.core.look import Look, LookFile, resolve
from film_pipeline.finishing.still_life import StillLife, still_life

SMALL = (320, 180)
SHOT = "SC010_SH010"
STACK: list[dict[str, Any]] = [
    {"op": "flicker"},
    {"op": "atmosphere"},
    {"op": "hatching"},
    {"op": "boil"},
    {"op": "ink"},
    {"op": "glow", "threshold": 0.5},
    {"op": "dust"},
]


@cache
def full_look() -> Look:
    """A look with everything in it."""
    bible = LookFile(
        vfx=STACK,
        exposure_stops=0.5,
        cdl={"slope": [1.2, 1.2, 1.25], "offset": [-0.1, -0.1, -0.1]},
        monochrome={"amount": 0.9, "keep_warm": 0.9, "tint": [0.85, 0.95, 1.1]},
        grain={"amount": 0.02},
        vignette={"amount": 0.5},
        border={"width": 0.04},
    )
    return resolve(bible, "SC010", {})


def sample() -> StillLife:
    return still_life(SMALL)


def white(size: tuple[int, int] = SMALL) -> np.ndarray:
    return np.ones((size[1], size[0], 3), np.float32)
