"""Cross-hatching in the shadows: strokes in screen space, running as the surface lies, redrawn by the hand."""

import math

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look_operations import Hatching
from film_pipeline.finishing.hand import STEP, Hand
from film_pipeline.finishing.kernels import Kernel
from film_pipeline.finishing.noise import key_of
from film_pipeline.finishing.resize import largest
from film_pipeline.finishing.tone import tone_stops

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]
_DIRECTIONS_DEG = ((38.0, 112.0), (52.0, -14.0), (128.0, 66.0), (146.0, 80.0))
"""First and crossing strokes: where there is nothing, on floors, on walls across the set, on walls along it."""


def draw_hatching(picture: Picture, hatching: Hatching, hand: Hand, normal: Picture, shot: str) -> Picture:
    """Hatch a scene-linear picture (h, w, 3) of the delivered size. normal: world space, may be smaller."""
    unit = picture.shape[0] / 720
    stops = tone_stops(picture)
    shade = np.clip((hatching.from_stops - stops) / max(hatching.from_stops - hatching.to_stops, 1e-3), 0, 1)
    lies = np.abs(normal)
    most = np.maximum(largest(lies), np.float32(0.1))
    kind = np.zeros(most.shape, np.int8)
    # Axis 2 is up: floors; 1 faces along the set's depth, 0 across it. The kinds are the rows of the directions.
    for axis, surface in ((0, 3), (1, 2), (2, 1)):
        kind[lies[..., axis] >= most] = surface
    angles = np.radians(np.array(_DIRECTIONS_DEG, np.float32))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    _HATCH(
        picture,
        np.ascontiguousarray(shade, dtype=np.float32),
        np.ascontiguousarray(kind),
        hand.errors,
        np.ascontiguousarray(directions),
        np.float32(hatching.spacing * unit),
        np.float32(0.5 * hatching.width * unit),
        np.float32(unit),
        np.float32(hatching.amount),
        np.array(hatching.color, np.float32),
        key_of("hatching", shot, hatching.seed) & 0xFFFF,
    )
    return picture


def _hatch_loop(
    picture: Picture,
    shade: Plane,
    kinds: NDArray[np.int8],
    errors: NDArray[np.float32],
    directions: NDArray[np.float32],
    spacing: np.float32,
    half: np.float32,
    unit: np.float32,
    amount: np.float32,
    color: NDArray[np.float32],
    seed: int,
) -> None:
    height, width = picture.shape[:2]
    shade_height, shade_width = shade.shape
    kind_height, kind_width = kinds.shape
    length = np.float32(95.0) * unit
    for y in range(height):
        row = y // STEP
        down = np.float32(y - row * STEP) / np.float32(STEP)
        tone_y = min(max((y - np.float32(1.5)) / np.float32(4.0), np.float32(0.0)), np.float32(shade_height - 1.001))
        tone_row = int(tone_y)
        tone_down = np.float32(tone_y - tone_row)
        kind_row = min((2 * y + 1) * kind_height // (2 * height), kind_height - 1)
        for x in range(width):
            tone_x = min(max((x - np.float32(1.5)) / np.float32(4.0), np.float32(0.0)), np.float32(shade_width - 1.001))
            tone_column = int(tone_x)
            tone_across = np.float32(tone_x - tone_column)
            above = shade[tone_row, tone_column] * (1 - tone_across) + shade[tone_row, tone_column + 1] * tone_across
            below = (
                shade[tone_row + 1, tone_column] * (1 - tone_across)
                + shade[tone_row + 1, tone_column + 1] * tone_across
            )
            dark = above * (1 - tone_down) + below * tone_down
            if dark <= 0:
                continue
            column = x // STEP
            across = np.float32(x - column * STEP) / np.float32(STEP)
            a, b = (1 - across) * (1 - down), across * (1 - down)
            c, d = (1 - across) * down, across * down
            aside_x = a * errors[row, column, 0] + b * errors[row, column + 1, 0]
            aside_x += c * errors[row + 1, column, 0] + d * errors[row + 1, column + 1, 0]
            aside_y = a * errors[row, column, 1] + b * errors[row, column + 1, 1]
            aside_y += c * errors[row + 1, column, 1] + d * errors[row + 1, column + 1, 1]
            weight = a * errors[row, column, 2] + b * errors[row, column + 1, 2]
            weight += c * errors[row + 1, column, 2] + d * errors[row + 1, column + 1, 2]
            kind = kinds[kind_row, min((2 * x + 1) * kind_width // (2 * width), kind_width - 1)]
            at_x, at_y = x + 3 * aside_x, y + 3 * aside_y
            cover = np.float32(0.0)
            for layer in range(2):
                heavy = dark if layer == 0 else (dark - np.float32(0.45)) / np.float32(0.55)
                if heavy <= 0:
                    continue
                cos, sin = directions[kind, layer, 0], directions[kind, layer, 1]
                off, along = at_x * sin - at_y * cos, at_x * cos + at_y * sin
                place = off / spacing + 4096
                stroke = int(place)
                drawn = (stroke * 73856093 + seed * 19349663 + layer * 83492791) & 0x7FFFFFFF
                drawn = ((drawn ^ (drawn >> 13)) * 1274126177) & 0x7FFFFFFF
                start = np.float32(drawn & 1023) / np.float32(1024.0)
                shift = np.float32((drawn >> 10) & 255) / np.float32(255.0) - np.float32(0.5)
                run = along / length + start + 64
                run -= math.floor(run)
                # Each stroke begins with weight and leaves the paper at its end.
                taper = min(run * np.float32(9.0), (1 - run) * np.float32(2.6))
                taper = min(max(taper, np.float32(0.0)), np.float32(1.0))
                thick = half * (np.float32(0.35) + np.float32(0.65) * heavy) * taper * (1 + np.float32(0.4) * weight)
                away = abs(place - stroke - np.float32(0.5) - np.float32(0.4) * shift) * spacing
                shown = min(max(thick + np.float32(0.5) - away, np.float32(0.0)), np.float32(1.0), 2 * thick)
                cover = max(cover, shown * min(heavy * np.float32(3.0), np.float32(1.0)))
            cover *= amount
            for channel in range(3):
                picture[y, x, channel] += cover * (color[channel] - picture[y, x, channel])


def _hatch_numpy(
    picture: Picture,
    shade: Plane,
    kinds: NDArray[np.int8],
    errors: NDArray[np.float32],
    directions: NDArray[np.float32],
    spacing: np.float32,
    half: np.float32,
    unit: np.float32,
    amount: np.float32,
    color: NDArray[np.float32],
    seed: int,
) -> None:
    from film_pipeline.finishing.ink import _at

    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    tone_x = np.clip((x - 1.5) / 4, 0, shade.shape[1] - 1.001)
    tone_y = np.clip((y - 1.5) / 4, 0, shade.shape[0] - 1.001)
    dark = _at(shade, tone_x, tone_y)
    aside_x, aside_y, weight = (_at(errors[..., part], x / STEP, y / STEP) for part in range(3))
    rows = np.minimum((2 * np.arange(height) + 1) * kinds.shape[0] // (2 * height), kinds.shape[0] - 1)
    columns = np.minimum((2 * np.arange(width) + 1) * kinds.shape[1] // (2 * width), kinds.shape[1] - 1)
    kind = kinds[np.ix_(rows, columns)]
    at_x, at_y = x + 3 * aside_x, y + 3 * aside_y
    cover = np.zeros((height, width), np.float32)
    for layer in range(2):
        heavy = dark if layer == 0 else (dark - 0.45) / 0.55
        cos, sin = directions[kind, layer, 0], directions[kind, layer, 1]
        off, along = at_x * sin - at_y * cos, at_x * cos + at_y * sin
        place = off / spacing + 4096
        stroke = place.astype(np.int64)
        drawn = (stroke * 73856093 + seed * 19349663 + layer * 83492791) & 0x7FFFFFFF
        drawn = ((drawn ^ (drawn >> 13)) * 1274126177) & 0x7FFFFFFF
        start = (drawn & 1023).astype(np.float32) / 1024
        shift = ((drawn >> 10) & 255).astype(np.float32) / 255 - 0.5
        run = along / (95 * unit) + start + 64
        run -= np.floor(run)
        taper = np.clip(np.minimum(run * 9, (1 - run) * 2.6), 0, 1)
        thick = half * (0.35 + 0.65 * heavy) * taper * (1 + 0.4 * weight)
        away = np.abs(place - stroke - 0.5 - 0.4 * shift) * spacing
        shown = np.clip(thick + 0.5 - away, 0, np.clip(2 * thick, 0, 1))
        cover = np.maximum(cover, np.where(heavy > 0, shown * np.minimum(heavy * 3, 1), 0))
    picture += (amount * np.where(dark > 0, cover, 0))[..., None] * (color - picture)


_HATCH = Kernel(_hatch_loop, _hatch_numpy)
