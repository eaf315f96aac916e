"""Burn-in: slate, frame number, timecode and dialogue over a picture."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from film_pipeline.pictures.type import fitted, line_height, measure, shortened, write

Bytes = NDArray[np.uint8]
_DIALOGUE_LINES = 3


def burn(picture: Bytes, slate: str, frame: int, timecode: str, dialogue: str = "", stage: str = "") -> Bytes:
    """The picture (h, w, 3) with its burn-in: slate and stage at the lower left, frame and timecode at the lower right.

    Nothing outside the labels' boxes is touched. Dialogue stands above them, three lines of it at the most.
    """
    height, width = picture.shape[:2]
    size = max(11, height // 36)
    burnt = picture.copy()
    edge = height - size // 2
    clock = _label(f"{frame:04d}  {timecode}", size)
    _put(burnt, clock, width - size - clock.shape[1], edge)
    room = max(size, width - 4 * size - clock.shape[1])
    _put(burnt, _label(shortened(f"{slate}  {stage}".strip(), size, room), size), size, edge)
    if dialogue:
        for number, line in enumerate(reversed(fitted(dialogue, size, round(width * 0.7), _DIALOGUE_LINES))):
            words = _label(line, size)
            _put(burnt, words, (width - words.shape[1]) // 2, edge - (number + 1) * round(size * 1.7))
    return burnt


@lru_cache(maxsize=512)
def _label(text: str, size: int) -> Bytes:
    wide, tall = measure(text, size) + size, round(size * 1.5)
    box = Image.new("L", (wide, tall))
    write(ImageDraw.Draw(box), (size // 2, (tall - line_height(size)) / 2), text, size, 235)
    return np.asarray(box)


def _put(picture: Bytes, label: Bytes, x: int, bottom: int) -> None:
    height, width = picture.shape[:2]
    tall = label.shape[0]
    x, y = max(0, x), max(0, bottom - tall)
    seen = label[: height - y, : width - x]
    under = picture[y : y + seen.shape[0], x : x + seen.shape[1]]
    # A dark plate keeps the words readable over any picture.
    under[...] = np.maximum((under * 0.25).astype(np.uint8), seen[..., None])
