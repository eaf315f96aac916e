"""How light or dark a place of the picture is, for whoever draws on it."""

import numpy as np
from numpy.typing import NDArray

from film_pipeline.finishing.resize import reduce

MID_GREY = 0.18
EVERY = 4


def tone_stops(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luminance in stops from mid grey, softened, on every fourth pixel of a scene-linear picture (h, w, 3)."""
    small = reduce(picture, EVERY)
    luma = np.float32(0.2126) * small[..., 0] + np.float32(0.7152) * small[..., 1] + np.float32(0.0722) * small[..., 2]
    # A small tent: strokes follow the light, not the grain of a texture.
    padded = np.pad(luma, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    soft = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return np.asarray(np.log2(np.maximum(soft, 1e-6) / MID_GREY), dtype=np.float32)
