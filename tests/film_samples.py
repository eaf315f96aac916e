"""Small films to encode, and what is decoded of them."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

SIZE = (256, 144)
SAMPLE_RATE = 48_000


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A drawing with a puppet that moves ten pixels a frame, and grain. Yours to draw on."""
    return _picture(number, size).copy()


@cache
def _picture(number: int, size: tuple[int, int]) -> np.ndarray:
    width, height = size
    across = np.linspace(30, 200, width)[None, :, None]
    down = np.linspace(0.6, 1.0, height)[:, None, None]
    drawn = across * down * np.array([1.0, 0.9, 0.8])
    left = (20 + 10 * number) % (width * 3 // 4)
    drawn[height // 3 : height // 3 + height // 4, left : left + width // 8] = (235, 205, 120)
    grain = np.random.default_rng(number).normal(0, 4, (height, width, 1))
    return np.clip(drawn + grain, 0, 255).astype(np.uint8)


def pictures(count: int) -> Iterator[np.ndarray]:
    return (picture(number) for number in range(count))


def a_mix(samples: int, seed: int = 1) -> np.ndarray:
    """Notes and hiss, (n, 2), at about -16 LUFS."""
    time = np.arange(samples) / SAMPLE_RATE
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * time)
    note = 0.19 * np.sin(2 * np.pi * 440 * time) * swell
    hiss = np.random.default_rng(seed).normal(0, 0.004, (samples, 2))
    return (note[:, None] * np.array([1.0, 0.8]) + hiss).astype(np.float32)


def video_frames(path: Path) -> tuple[list[Any], list[Fraction]]:
    """Decoded frames, and the time of each in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return frames, [frame.pts * stream.time_base for frame in frames]


def planes(frame: Any) -> list[np.ndarray]:
    """Y, Cb and Cr of a frame as they stand in the file, in 8-bit code values."""
    depth = frame.format.components[0].bits
    dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
    return [
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].astype(float) / 2 ** (depth - 8)
        for plane in frame.planes
    ]


def rgb_of(luma: float, cb: float, cr: float) -> tuple[float, float, float]:
    """8-bit RGB of limited-range BT.709 code values. Source: Rec. ITU-R BT.709-6."""
    y, b, r = (luma - 16) * 255 / 219, (cb - 128) * 255 / 224, (cr - 128) * 255 / 224
    red, blue = y + 1.5748 * r, y + 1.8556 * b
    return red, (y - 0.2126 * red - 0.0722 * blue) / 0.7152, blue
