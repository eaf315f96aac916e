"""Resizing pictures to the delivered size, without ringing."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from film_pipeline.finishing.kernels import Kernel

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]
LOBES = 3


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """A scene-linear picture (h, w, 3) at the size (w, h), Lanczos of three lobes.

    Light is compressed to x / (1 + x) on the way, so that a lamp's edge stays smooth, and every pixel stays between its
    neighbours' values when it grows, so that no edge rings. Negative light is 0. The same size comes back as it is.
    """
    width, height = size
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture, dtype=np.float32)
    compressed = np.maximum(picture, 0, dtype=np.float32)
    compressed = np.minimum(compressed / (1 + compressed), np.float32(0.9999))
    across = _RESAMPLE(np.ascontiguousarray(compressed), *_taps(picture.shape[1], width))
    turned = np.ascontiguousarray(across.transpose(1, 0, 2))
    down = _RESAMPLE(turned, *_taps(picture.shape[0], height))
    resized = np.clip(down.transpose(1, 0, 2), 0, np.float32(0.9999))
    return np.ascontiguousarray(resized / (1 - resized))


def resize_plane(plane: Plane, size: tuple[int, int]) -> Plane:
    """A plane (h, w) of depth, matte or any factor at the size (w, h), bilinear: nothing rings, nothing is invented."""
    width, height = size
    if plane.shape == (height, width):
        return np.ascontiguousarray(plane, dtype=np.float32)
    source = np.ascontiguousarray(plane, dtype=np.float32)
    return np.asarray(_BILINEAR(source, *_places(plane.shape[0], height), *_places(plane.shape[1], width)))


def largest(picture: Picture) -> Plane:
    """The largest of a pixel's three values, (h, w)."""
    return np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])


def reduce(picture: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """The means of blocks of `by` x `by` pixels of a picture or plane; its last row and column fill the last blocks."""
    spare = [(0, -side % by) for side in picture.shape[:2]] + [(0, 0)] * (picture.ndim - 2)
    padded = np.pad(picture, spare, mode="edge") if any(after for _, after in spare) else picture
    # One axis at a time by strides: numpy sums these in one order, and fast.
    rows = padded[::by].astype(np.float32)
    for step in range(1, by):
        rows += padded[step::by]
    blocks = rows[:, ::by].copy()
    for step in range(1, by):
        blocks += rows[:, step::by]
    blocks *= np.float32(1 / (by * by))
    return blocks


@lru_cache(maxsize=32)
def _places(source: int, target: int) -> tuple[NDArray[np.int32], Plane]:
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    base = np.clip(position.astype(np.int32), 0, max(source - 2, 0))
    return base, (position - base).astype(np.float32)


def _bilinear_loop(
    source: Plane, rows: NDArray[np.int32], row_part: Plane, columns: NDArray[np.int32], column_part: Plane
) -> Plane:
    height, width = source.shape
    result = np.empty((rows.size, columns.size), np.float32)
    for y in range(rows.size):
        top, bottom, down = rows[y], min(rows[y] + 1, height - 1), row_part[y]
        for x in range(columns.size):
            left, right, across = columns[x], min(columns[x] + 1, width - 1), column_part[x]
            above = source[top, left] + across * (source[top, right] - source[top, left])
            below = source[bottom, left] + across * (source[bottom, right] - source[bottom, left])
            result[y, x] = above + down * (below - above)
    return result


def _bilinear_numpy(
    source: Plane, rows: NDArray[np.int32], row_part: Plane, columns: NDArray[np.int32], column_part: Plane
) -> Plane:
    right = np.minimum(columns + 1, source.shape[1] - 1)
    across = source[:, columns] + column_part * (source[:, right] - source[:, columns])
    below = across[np.minimum(rows + 1, source.shape[0] - 1)]
    return np.ascontiguousarray(across[rows] + row_part[:, None] * (below - across[rows]), dtype=np.float32)


@lru_cache(maxsize=32)
def _taps(source: int, target: int) -> tuple[NDArray[np.int32], NDArray[np.float32], bool]:
    """For every target pixel: its source pixels (target, taps), their weights, and whether the picture grows."""
    shrink = max(source / target, 1.0)
    reach = LOBES * shrink
    center = (np.arange(target) + 0.5) * source / target - 0.5
    first = np.floor(center - reach).astype(int) + 1
    count = int(np.ceil(2 * reach)) + 1 if shrink > 1 else 2 * LOBES
    places = first[:, None] + np.arange(count)
    distance = (places - center[:, None]) / shrink
    weights = np.sinc(distance) * np.sinc(distance / LOBES) * (np.abs(distance) < LOBES)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(places, 0, source - 1).astype(np.int32), weights.astype(np.float32), shrink <= 1


def _resample_loop(source: Picture, places: NDArray[np.int32], weights: Plane, grows: bool) -> Picture:
    """Along the second axis: source (n, s, 3) to (n, t, 3)."""
    lines, channels = source.shape[0], source.shape[2]
    targets, taps = places.shape
    result = np.empty((lines, targets, channels), np.float32)
    middle = taps // 2 - 1
    for line in range(lines):
        for target in range(targets):
            for channel in range(channels):
                total = np.float32(0.0)
                for tap in range(taps):
                    total += source[line, places[target, tap], channel] * weights[target, tap]
                if grows:
                    left = source[line, places[target, middle], channel]
                    right = source[line, places[target, middle + 1], channel]
                    total = min(max(total, min(left, right)), max(left, right))
                result[line, target, channel] = total
    return result


def _resample_numpy(source: Picture, places: NDArray[np.int32], weights: Plane, grows: bool) -> Picture:
    result = np.zeros((source.shape[0], places.shape[0], source.shape[2]), np.float32)
    for tap in range(places.shape[1]):
        result += source[:, places[:, tap]] * weights[:, tap, None]
    if grows:
        middle = places.shape[1] // 2 - 1
        left, right = source[:, places[:, middle]], source[:, places[:, middle + 1]]
        result = np.clip(result, np.minimum(left, right), np.maximum(left, right))
    return result


_RESAMPLE = Kernel(_resample_loop, _resample_numpy)
_BILINEAR = Kernel(_bilinear_loop, _bilinear_numpy)
