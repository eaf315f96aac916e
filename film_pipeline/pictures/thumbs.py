"""Scene-linear pictures made fit to look at."""

import numpy as np
from numpy.typing import NDArray


def to_display(linear: NDArray[np.float32], exposure: float = 0.0) -> NDArray[np.uint8]:
    """A scene-linear picture (h, w, 3) as sRGB bytes, with a soft shoulder so that lamps keep their shape.

    exposure: in stops.
    """
    picture = np.maximum(linear, 0) * 2.0**exposure
    rolled = np.where(picture < 0.6, picture, 0.6 + 0.4 * (1 - np.exp(-(picture - 0.6) / 0.4)))
    encoded = np.where(rolled <= 0.0031308, rolled * 12.92, 1.055 * np.power(rolled, 1 / 2.4) - 0.055)
    return np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)
