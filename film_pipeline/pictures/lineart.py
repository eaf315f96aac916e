"""Previz drawn as line art: contours of varied weight, pencil tones and paper."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

Floats = NDArray[np.float32]
_FAR_M = 1e3
_SMALL = 0.002
"""Of the picture."""


def draw_lines(
    depth: Floats,
    normal: Floats,
    mattes: Mapping[str, Floats],
    plate: Floats,
    size: tuple[int, int],
    seed: int = 1,
    parts: Mapping[str, Floats] | None = None,
) -> NDArray[np.uint8]:
    """A storyboard drawing (height, width) in grey from one frame's passes.

    depth: (h, w) metres; normal: (h, w, 3); mattes: (h, w) by identity; plate: (h, w, 3) scene-linear. size: (w, h).
    parts: (h, w) by object, such as a face's eyes and brows: a thin line goes around each, and small dark ones are
    inked. The same passes and seed always give the same drawing.
    """
    width, height = size
    parts = parts or {}
    depth, normal, plate = (_resized(layer, size) for layer in (np.minimum(depth, _FAR_M), normal, plate))
    labels = _labels({name: _resized(matte, size) for name, matte in mattes.items()}, (height, width))
    rng = np.random.default_rng(seed)
    outline, crease = _edges(depth, normal, labels)
    part_labels = _labels({name: _resized(matte, size) for name, matte in parts.items()}, (height, width))
    crease = np.maximum(crease, 0.9 * _borders(part_labels) * (outline == 0))
    unsteady = [gaussian_filter(rng.standard_normal((height, width)), 14) * 18 for _ in range(2)]
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    places = [rows + unsteady[0], columns + unsteady[1]]
    outline = map_coordinates(gaussian_filter(outline, 0.9), places, order=1, mode="nearest")
    crease = map_coordinates(gaussian_filter(crease, 0.6), places, order=1, mode="nearest")
    pressure = 0.75 + 0.5 * (gaussian_filter(rng.random((height, width)), 30) - 0.5) * 8
    ink = np.clip(outline * 2.6 * pressure, 0, 1) + np.clip(crease * 1.2 * pressure, 0, 0.55)
    ink = np.maximum(ink, map_coordinates(_small_and_dark(part_labels, plate), places, order=1, mode="nearest"))
    drawing = 0.965 - _tones(plate, rows, columns, rng) - ink * 0.88
    tooth = gaussian_filter(rng.standard_normal((height, width)), 0.7) * 0.022
    return np.round(np.clip(drawing + tooth, 0, 1) * 255).astype(np.uint8)


def _edges(depth: Floats, normal: Floats, labels: NDArray[np.int32]) -> tuple[Floats, Floats]:
    """Outlines (another thing, or a leap in depth) and creases (the surface turns), 0 to 1."""
    outline, crease = np.zeros_like(depth), np.zeros_like(depth)
    for axis in (0, 1):
        for step in (1, -1):
            other = np.roll(labels, step, axis) != labels
            leap = np.abs(np.roll(depth, step, axis) - depth) / np.maximum(depth, 0.2) > 0.06
            turn = 1 - np.clip(np.sum(np.roll(normal, step, axis) * normal, axis=-1), -1, 1)
            outline = np.maximum(outline, (other | leap).astype(np.float32))
            crease = np.maximum(crease, np.clip((turn - 0.25) * 1.6, 0, 1))
    for layer in (outline, crease):
        layer[:2], layer[-2:], layer[:, :2], layer[:, -2:] = 0, 0, 0, 0
    return outline, crease


def _borders(labels: NDArray[np.int32]) -> Floats:
    """1 where a thing ends, on the one side of its border, so that the line is thin."""
    border = np.zeros(labels.shape, np.float32)
    border[:-1] = labels[:-1] != labels[1:]
    border[:, :-1] = np.maximum(border[:, :-1], labels[:, :-1] != labels[:, 1:])
    return border


def _small_and_dark(labels: NDArray[np.int32], plate: Floats) -> Floats:
    """1 on parts as small as an iris or a brow and much darker than what is about them: an artist inks them solid."""
    light = plate.mean(axis=-1)
    about = gaussian_filter(light, 12)
    inked = np.zeros(labels.shape, np.float32)
    counts = np.bincount(labels.ravel())
    for number in np.nonzero((counts > 3) & (counts < _SMALL * labels.size))[0]:
        there = labels == number
        if number and float(light[there].mean()) < 0.5 * float(about[there].mean()):
            inked[there] = 1
    return np.asarray(gaussian_filter(inked, 0.6), dtype=np.float32)


def _tones(plate: Floats, rows: Floats, columns: Floats, rng: np.random.Generator) -> Floats:
    """Pencil hatching in the shadows: one direction in the half tones, crossed in the darks."""
    light = gaussian_filter(np.sqrt(np.clip(plate.mean(axis=-1), 0, 1)), 5)
    light = light / max(float(np.percentile(light, 97)), 1e-4)
    sway = gaussian_filter(rng.standard_normal(light.shape), 9) * 10
    tone = np.zeros_like(light)
    for threshold, angle, spacing, dark in ((0.5, 0.8, 6.0, 0.2), (0.25, 0.8, 3.0, 0.2), (0.12, -0.7, 4.0, 0.24)):
        along = columns * np.cos(angle) + rows * np.sin(angle) + sway
        stroke = np.clip(np.sin(along * 2 * np.pi / spacing) * 1.5 + 0.1, 0, 1)
        tone += dark * stroke * np.clip((threshold - light) / 0.12, 0, 1)
    return tone


def _labels(mattes: Mapping[str, Floats], shape: tuple[int, int]) -> NDArray[np.int32]:
    labels = np.zeros(shape, np.int32)
    best = np.full(shape, 0.3, np.float32)
    for number, matte in enumerate(mattes.values(), 1):
        closer = matte > best
        labels[closer], best[closer] = number, matte[closer]
    return labels


def _resized(layer: Floats, size: tuple[int, int]) -> Floats:
    if layer.shape[1::-1] == size:
        return np.asarray(layer, np.float32)
    planes = layer[..., None] if layer.ndim == 2 else layer
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(planes[..., k])).resize(size, Image.Resampling.BILINEAR))
        for k in range(planes.shape[-1])
    ]
    return np.asarray(resized[0] if layer.ndim == 2 else np.stack(resized, axis=-1), np.float32)
