"""What a frame shows, in small: enough to tell pictures apart after a codec, for every frame of a film at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOK_SIZE = (64, 36)
_FACTOR = 4
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

Look = NDArray[np.float16] | NDArray[np.float32]
Luma = NDArray[np.uint8] | NDArray[np.float32]


def look_of(picture: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float16]:
    """Luma of a picture (h, w, 3) as a delivery carries it, (36, 64), in 8-bit code values from 16 to 235."""
    bytes_ = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    wide, high = LOOK_SIZE
    size = (wide * _FACTOR, high * _FACTOR)
    small = np.asarray(Image.fromarray(bytes_).resize(size, Image.Resampling.BOX), np.float32)
    return (16 + 219 / 255 * _mean(small @ _LUMA)).astype(np.float16)


def look_of_luma(luma: Luma) -> NDArray[np.float32]:
    """The same of a decoded frame's luma."""
    return _mean(reduced(luma))


def reduced(luma: Luma) -> NDArray[np.float32]:
    """Luma in a size at which grain is gone and a candle is not, (144, 256)."""
    wide, high = LOOK_SIZE
    size = (wide * _FACTOR, high * _FACTOR)
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), np.float32)


def luma_of(frame: Any) -> Luma:
    """The luma plane of a decoded frame (h, w), in 8-bit code values, as it stands in the file."""
    plane, depth = frame.planes[0], frame.format.components[0].bits
    dtype = np.uint8 if depth == 8 else np.uint16
    rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // np.dtype(dtype).itemsize)
    luma = rows[:, : plane.width]
    return luma if depth == 8 else luma.astype(np.float32) / np.float32(2 ** (depth - 8))


def _mean(small: NDArray[np.float32]) -> NDArray[np.float32]:
    wide, high = LOOK_SIZE
    return np.asarray(small.reshape(high, _FACTOR, wide, _FACTOR).mean(axis=(1, 3)), dtype=np.float32)
