"""The ink line: where depth, identity or normals break, a pen of varied weight draws at the delivered size.

Breaks are found on the passes as they were rendered, softened into a field whose value tells how far the line's middle
is, and drawn from that at the delivered size: crisp lines from passes of half the size.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from film_pipeline.core.look_operations import Ink
from film_pipeline.finishing.hand import STEP, Hand
from film_pipeline.finishing.kernels import Kernel
from film_pipeline.finishing.resize import largest, resize_plane
from film_pipeline.finishing.tone import tone_stops

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]
FAR_M = 1e6
SOFTENING = 1.3
"""Of the field, in pixels of the passes: enough to make a straight line of a staircase."""
ROOMY = 0.22
"""The share of pixels that lines mark (two pixels each) before they crowd: one line in nine pixels."""
FINER = 0.7
LEAST_PEN = 0.3
"""Of the pen's width, left at any distance."""


def breaks(
    depth: Plane, normal: Picture, mattes: Mapping[str, Plane], depth_threshold: float, normal_threshold_deg: float
) -> tuple[Plane, Plane]:
    """Where forms end and where they fold: (h, w) each, 0..1, marked on both sides of the break.

    depth: metres (beyond 1,000 km there is nothing). A plane seen at any slant has no break: 1 / depth is linear on it.
    """
    near = np.where(depth < FAR_M, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    ends = np.zeros_like(near)
    folds = np.zeros_like(near)
    there = (largest(np.abs(normal)) > 0.1).astype(np.float32)
    least = np.float32(1 - math.cos(math.radians(normal_threshold_deg)))
    identity = _identities(mattes, depth.shape)
    for axis in (0, 1):
        before, here, after = (_cut(near, axis, place) for place in ("before", "here", "after"))
        bend = np.abs(before + after - 2 * here) / np.maximum(np.maximum(np.maximum(before, after), here), 1e-9)
        middle = _cut(ends, axis, "here")
        np.maximum(middle, _ramp(bend, depth_threshold), out=middle)
        facing = np.zeros(_halves(near, axis)[0].shape, np.float32)
        for part in range(3):
            first, second = _halves(normal[..., part], axis)
            facing += first * second
        first_there, second_there = _halves(there, axis)
        _mark(folds, axis, first_there * second_there * _ramp(1 - facing, float(least)))
        if identity is not None:
            first_id, second_id = _halves(identity, axis)
            _mark(ends, axis, (first_id != second_id).astype(np.float32))
    return ends, folds * (1 - ends)


def draw_ink(
    picture: Picture, ink: Ink, hand: Hand, depth: Plane, normal: Picture, mattes: Mapping[str, Plane], shot: str
) -> Picture:
    """Draw the lines over a scene-linear picture (h, w, 3) of the delivered size; the passes may be smaller."""
    height = picture.shape[0]
    to_pass = depth.shape[0] / height
    half = np.float32(0.5 * height / 720)
    marks = breaks(depth, normal, mattes, ink.depth_threshold, ink.normal_threshold_deg)
    sigma = max(SOFTENING, 0.6 * max(ink.width, ink.crease_width) * float(half) * to_pass)
    # How much of the neighbourhood is marked beyond what lines with room between them mark.
    crowd = np.maximum(ndimage.gaussian_filter(np.maximum(*marks), 3 * sigma, truncate=2.0) - ROOMY, 0)
    # Where lines crowd, the pen gets finer, or books and papers would be blots.
    pen = (LEAST_PEN + 1 / (1 + np.minimum(depth, FAR_M) / np.float32(ink.fade_m))) / (1 + FINER * crowd / ROOMY)
    tone = tone_stops(picture)
    dark = ink.scratch * np.clip((ink.scratch_stops + 1 - tone) / 2, 0, 1)
    # A break is marked two pixels wide: so wide is its softened profile, and so high its middle.
    spread, peak = math.sqrt(sigma**2 + 1 / 3), math.erf(1 / (sigma * math.sqrt(2)))
    _DRAW(
        picture,
        np.ascontiguousarray(np.stack([_field(mark, sigma, peak, crowd) for mark in marks])),
        np.ascontiguousarray(pen, dtype=np.float32),
        resize_plane(dark.astype(np.float32), (depth.shape[1], depth.shape[0])),
        hand.errors,
        np.array([ink.width * half, ink.crease_width * half], np.float32),
        np.float32(spread / to_pass),
        np.float32(spread),
        np.float32(peak),
        np.float32(ink.jitter),
        np.float32(ink.amount),
        np.array([ink.color, ink.scratch_color], np.float32),
    )
    return picture


def _field(marks: Plane, sigma: float, peak: float, crowd: Plane) -> NDArray[np.float32]:
    """(h, w, 3): the softened marks, and their slopes to the right and down.

    Crowded lines soften into one grey with hardly a slope, which reads as the middle of a line everywhere. What the
    crowd adds is taken off, and the ridges that are left stand as high again as a lone line, which is `peak`.
    """
    soft = ndimage.gaussian_filter(marks, sigma, truncate=3.0)
    down, across = np.gradient(soft)
    left = peak / np.maximum(peak - crowd, 0.6 * peak)
    return np.asarray(np.stack([np.maximum(soft - crowd, 0), across, down], axis=-1) * left[..., None], np.float32)


def _identities(mattes: Mapping[str, Plane], shape: tuple[int, ...]) -> NDArray[np.int16] | None:
    """The identity that covers most of each pixel, as a number; -1 where there is none."""
    most = np.full(shape, 0.25, np.float32)
    identity = np.full(shape, -1, np.int16)
    for place, name in enumerate(sorted(mattes)):
        matte = mattes[name]
        if matte.shape != shape:
            return None
        more = matte > most
        identity[more] = place
        np.copyto(most, matte, where=more)
    return identity


def _ramp(value: Plane, threshold: float) -> Plane:
    return np.asarray(np.clip(value / np.float32(threshold) - 1, 0, 1), dtype=np.float32)


def _cut(plane: Plane, axis: int, place: str) -> Plane:
    rows = {"before": slice(None, -2), "here": slice(1, -1), "after": slice(2, None)}[place]
    return plane[rows] if axis == 0 else plane[:, rows]


def _halves(plane: NDArray[np.generic], axis: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return (plane[:-1], plane[1:]) if axis == 0 else (plane[:, :-1], plane[:, 1:])  # type: ignore[return-value]


def _mark(field: Plane, axis: int, strength: Plane) -> None:
    for side in _halves(field, axis):
        np.maximum(side, strength, out=side)


def _draw_loop(
    picture: Picture,
    fields: NDArray[np.float32],
    pen: Plane,
    darkness: Plane,
    errors: NDArray[np.float32],
    half_widths: NDArray[np.float32],
    spread: np.float32,
    pass_spread: np.float32,
    peak: np.float32,
    jitter: np.float32,
    amount: np.float32,
    colors: NDArray[np.float32],
) -> None:
    """Across a softened line f = A exp(-d^2 / 2 s^2), so d = s^2 |slope of f| / f, whatever its strength A is."""
    height, width = picture.shape[:2]
    pass_height, pass_width = pen.shape
    scale_x, scale_y = np.float32(pass_width / width), np.float32(pass_height / height)
    for y in range(height):
        row = y // STEP
        down = np.float32(y - row * STEP) / np.float32(STEP)
        for x in range(width):
            column = x // STEP
            across = np.float32(x - column * STEP) / np.float32(STEP)
            a, b = (1 - across) * (1 - down), across * (1 - down)
            c, d = (1 - across) * down, across * down
            aside_x = a * errors[row, column, 0] + b * errors[row, column + 1, 0]
            aside_x += c * errors[row + 1, column, 0] + d * errors[row + 1, column + 1, 0]
            aside_y = a * errors[row, column, 1] + b * errors[row, column + 1, 1]
            aside_y += c * errors[row + 1, column, 1] + d * errors[row + 1, column + 1, 1]
            at_x = (np.float32(x) + np.float32(0.5) + aside_x) * scale_x - np.float32(0.5)
            at_y = (np.float32(y) + np.float32(0.5) + aside_y) * scale_y - np.float32(0.5)
            at_x = min(max(at_x, np.float32(0.0)), np.float32(pass_width - 1.001))
            at_y = min(max(at_y, np.float32(0.0)), np.float32(pass_height - 1.001))
            left, top = int(at_x), int(at_y)
            part_x, part_y = at_x - np.float32(left), at_y - np.float32(top)
            p, q = (1 - part_x) * (1 - part_y), part_x * (1 - part_y)
            r, s = (1 - part_x) * part_y, part_x * part_y
            cover = np.float32(0.0)
            for kind in range(2):
                field = fields[kind]
                strength = p * field[top, left, 0] + q * field[top, left + 1, 0]
                strength += r * field[top + 1, left, 0] + s * field[top + 1, left + 1, 0]
                if strength < np.float32(0.02) or half_widths[kind] <= 0:
                    continue
                slope_x = p * field[top, left, 1] + q * field[top, left + 1, 1]
                slope_x += r * field[top + 1, left, 1] + s * field[top + 1, left + 1, 1]
                slope_y = p * field[top, left, 2] + q * field[top, left + 1, 2]
                slope_y += r * field[top + 1, left, 2] + s * field[top + 1, left + 1, 2]
                away = pass_spread * math.sqrt(slope_x * slope_x + slope_y * slope_y) / strength
                whole = min(strength * math.exp(min(np.float32(0.5) * away * away, np.float32(6.0))) / peak, 1.0)
                weight = a * errors[row, column, 2] + b * errors[row, column + 1, 2]
                weight += c * errors[row + 1, column, 2] + d * errors[row + 1, column + 1, 2]
                wide = p * pen[top, left] + q * pen[top, left + 1]
                wide += r * pen[top + 1, left] + s * pen[top + 1, left + 1]
                half = half_widths[kind] * (1 + jitter * weight) * wide * whole
                cover = max(cover, np.float32(min(max(half + 0.5 - away * spread, 0.0), 1.0, 2 * half)))
            if cover > 0:
                dark = p * darkness[top, left] + q * darkness[top, left + 1]
                dark += r * darkness[top + 1, left] + s * darkness[top + 1, left + 1]
                cover *= amount
                for channel in range(3):
                    color = colors[0, channel] + dark * (colors[1, channel] - colors[0, channel])
                    picture[y, x, channel] += cover * (color - picture[y, x, channel])


def _draw_numpy(
    picture: Picture,
    fields: NDArray[np.float32],
    pen: Plane,
    darkness: Plane,
    errors: NDArray[np.float32],
    half_widths: NDArray[np.float32],
    spread: np.float32,
    pass_spread: np.float32,
    peak: np.float32,
    jitter: np.float32,
    amount: np.float32,
    colors: NDArray[np.float32],
) -> None:
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    aside_x, aside_y, weight = (_at(errors[..., part], x / STEP, y / STEP) for part in range(3))
    at_x = np.clip((x + 0.5 + aside_x) * pen.shape[1] / width - 0.5, 0, pen.shape[1] - 1.001)
    at_y = np.clip((y + 0.5 + aside_y) * pen.shape[0] / height - 0.5, 0, pen.shape[0] - 1.001)
    wide = _at(pen, at_x, at_y)
    cover = np.zeros((height, width), np.float32)
    for kind in range(2):
        strength, slope_x, slope_y = (_at(fields[kind, ..., part], at_x, at_y) for part in range(3))
        away = pass_spread * np.sqrt(slope_x**2 + slope_y**2) / np.maximum(strength, 1e-6)
        whole = np.minimum(strength * np.exp(np.minimum(0.5 * away**2, 6)) / peak, 1)
        half = half_widths[kind] * (1 + jitter * weight) * wide * whole
        drawn = np.minimum(np.clip(half + 0.5 - away * spread, 0, 1), 2 * half)
        cover = np.maximum(cover, np.where((strength < 0.02) | (half_widths[kind] <= 0), 0, drawn))
    color = colors[0] + _at(darkness, at_x, at_y)[..., None] * (colors[1] - colors[0])
    picture += (amount * cover)[..., None] * (color - picture)


def _at(plane: Plane, x: Plane, y: Plane) -> Plane:
    """Bilinear samples of a plane."""
    left, top = x.astype(np.int32), y.astype(np.int32)
    part_x, part_y = x - left, y - top
    right, bottom = np.minimum(left + 1, plane.shape[1] - 1), np.minimum(top + 1, plane.shape[0] - 1)
    above = plane[top, left] * (1 - part_x) + plane[top, right] * part_x
    below = plane[bottom, left] * (1 - part_x) + plane[bottom, right] * part_x
    return np.asarray(above * (1 - part_y) + below * part_y, dtype=np.float32)


_DRAW = Kernel(_draw_loop, _draw_numpy)
