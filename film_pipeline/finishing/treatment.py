"""What is done to a graded picture, display-referred: vignette, border and grain, in one pass to whole numbers."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Look, Vignette
from film_pipeline.finishing.border import border_art
from film_pipeline.finishing.kernels import Kernel
from film_pipeline.finishing.noise import grain_tile, key_of

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]
TILE = 512


@lru_cache(maxsize=16)
def vignette_mask(vignette: Vignette, size: tuple[int, int]) -> Plane:
    """(h, w) of factors: 1 in the middle, never rising outwards, 1 - amount in the corners."""
    width, height = size
    x = np.abs((np.arange(width) + 0.5) / width * 2 - 1)
    y = np.abs((np.arange(height) + 0.5) / height * 2 - 1)
    half_w, half_h = (width / height, 1.0)
    power = 2 + 6 * (1 - vignette.roundness)
    circle = np.sqrt((x[None, :] * half_w) ** 2 + (y[:, None] * half_h) ** 2) / np.hypot(half_w, half_h)
    frame = ((x[None, :] ** power + y[:, None] ** power) / 2) ** (1 / power)
    out = vignette.roundness * circle + (1 - vignette.roundness) * frame
    share = np.clip((out - (1 - vignette.softness)) / vignette.softness, 0, 1)
    return np.ascontiguousarray(1 - vignette.amount * share * share * (3 - 2 * share), dtype=np.float32)


def grain_offsets(look: Look, shot: str, frame: int) -> tuple[int, int]:
    """Where in the tile a film frame's grain begins: the same in every process, another on every frame."""
    key = key_of("grain offset", look.grain.seed, shot, frame)
    return key % TILE, (key >> 16) % TILE


def treat(graded: Picture, look: Look, shot: str, frame: int, bits: int = 8) -> NDArray[np.unsignedinteger]:
    """Vignette, border and grain over a graded picture (h, w, 3) 0..1; rounded to 8 or 16 bits."""
    height, width = graded.shape[:2]
    size = (width, height)
    vignette = vignette_mask(look.vignette, size)
    grain = grain_tile(look.grain.seed, look.grain.size * height / 720, TILE)
    row, column = grain_offsets(look, shot, frame)
    border = border_art(look.border, shot, size)
    keep = border.keep if border else np.ones((1, 1), np.float32)
    art = border.art if border else np.zeros((1, 1, 3), np.float32)
    top = 255 if bits == 8 else 65535
    result = np.empty(graded.shape, np.uint8 if bits == 8 else np.uint16)
    _TREAT(
        graded, vignette, grain, row, column, np.float32(look.grain.amount), keep, art, border is not None, top, result
    )
    return result


def _treat_loop(
    graded: Picture,
    vignette: Plane,
    grain: Plane,
    row: int,
    column: int,
    amount: np.float32,
    keep: Plane,
    art: Picture,
    bordered: bool,
    top: int,
    result: NDArray[np.unsignedinteger],
) -> None:
    height, width = vignette.shape
    side = grain.shape[0]
    scale = np.float32(top)
    for y in range(height):
        for x in range(width):
            r = graded[y, x, 0] * vignette[y, x]
            g = graded[y, x, 1] * vignette[y, x]
            b = graded[y, x, 2] * vignette[y, x]
            if bordered:
                r = r * keep[y, x] + art[y, x, 0]
                g = g * keep[y, x] + art[y, x, 1]
                b = b * keep[y, x] + art[y, x, 2]
            luma = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
            luma = min(max(luma, np.float32(0.0)), np.float32(1.0))
            # Silver grain is strongest in the mid tones and never quite gone in black and white.
            weight = np.float32(0.2) + np.float32(3.2) * luma * (np.float32(1.0) - luma)
            speck = amount * weight * grain[(y + row) % side, (x + column) % side]
            result[y, x, 0] = int(min(max(r + speck, np.float32(0.0)), np.float32(1.0)) * scale + np.float32(0.5))
            result[y, x, 1] = int(min(max(g + speck, np.float32(0.0)), np.float32(1.0)) * scale + np.float32(0.5))
            result[y, x, 2] = int(min(max(b + speck, np.float32(0.0)), np.float32(1.0)) * scale + np.float32(0.5))


def _treat_numpy(
    graded: Picture,
    vignette: Plane,
    grain: Plane,
    row: int,
    column: int,
    amount: np.float32,
    keep: Plane,
    art: Picture,
    bordered: bool,
    top: int,
    result: NDArray[np.unsignedinteger],
) -> None:
    height, width = vignette.shape
    picture = graded * vignette[..., None]
    if bordered:
        picture = picture * keep[..., None] + art
    luma = np.clip(0.2126 * picture[..., 0] + 0.7152 * picture[..., 1] + 0.0722 * picture[..., 2], 0, 1)
    rows = (np.arange(height) + row) % grain.shape[0]
    columns = (np.arange(width) + column) % grain.shape[0]
    speck = amount * (0.2 + 3.2 * luma * (1 - luma)) * grain[np.ix_(rows, columns)]
    result[...] = np.clip(picture + speck[..., None], 0, 1) * np.float32(top) + np.float32(0.5)


_TREAT = Kernel(_treat_loop, _treat_numpy)
