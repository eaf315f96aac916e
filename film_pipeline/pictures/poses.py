"""Pose joints drawn as OpenPose draws them."""

import colorsys
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

LIMBS = (
    (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of the 18 COCO keypoints that are joined, in drawing order."""


def _hue(number: int, of: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number / of * 0.92, 1.0, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_openpose(keypoints: Mapping[str, NDArray[np.float64]], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Every puppet's skeleton on black, (h, w, 3). keypoints: (18, 3) pixels and visibility by puppet."""
    picture = Image.new("RGB", size)
    _draw(ImageDraw.Draw(picture), keypoints, max(2, size[1] // 120))
    return np.asarray(picture)


def overlay(plate: NDArray[np.uint8], keypoints: Mapping[str, NDArray[np.float64]]) -> NDArray[np.uint8]:
    """The skeletons over a picture (h, w, 3)."""
    picture = Image.fromarray(plate).convert("RGB")
    _draw(ImageDraw.Draw(picture), keypoints, max(2, plate.shape[0] // 160))
    return np.asarray(picture)


def _draw(draw: ImageDraw.ImageDraw, keypoints: Mapping[str, NDArray[np.float64]], wide: int) -> None:
    for points in keypoints.values():
        for number, (first, second) in enumerate(LIMBS):
            ends = points[[first, second], :2]
            if np.isfinite(ends).all() and points[[first, second], 2].any():
                draw.line(
                    [tuple(end) for end in ends],
                    fill=tuple(value * 6 // 10 for value in _hue(number, len(LIMBS))),
                    width=wide * 2,
                )
        for number, (x, y, visible) in enumerate(points):
            if visible and np.isfinite([x, y]).all():
                draw.ellipse((x - wide, y - wide, x + wide, y + wide), fill=_hue(number, len(points)))
