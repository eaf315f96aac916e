"""The comic panel's border: paper around the picture, and the ragged edge that a hand inked.

A shot has a border of its own, its hand drawn from the shot's name and the look's seed. It holds still over the shot.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Border
from film_pipeline.finishing.noise import key_of, smooth, uniform

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class BorderArt:
    """What the border does to a finished picture: picture * keep + art. Display-referred.

    keep: (h, w), 1 inside the panel, 0 on paper and ink. art: (h, w, 3).
    """

    keep: Plane
    art: NDArray[np.float32]


@dataclass(frozen=True)
class _Sides:
    """How far inside each of the four strokes a pixel lies (pixels, negative outside), (h, w)."""

    top: Plane
    bottom: Plane
    left: Plane
    right: Plane

    @property
    def across(self) -> Plane:
        return np.minimum(self.left, self.right)

    @property
    def down(self) -> Plane:
        return np.minimum(self.top, self.bottom)


@lru_cache(maxsize=12)
def border_art(border: Border, shot: str, size: tuple[int, int]) -> BorderArt | None:
    """The border of a shot at the delivered size (w, h); None where the look has none."""
    if border.width == 0:
        return None
    height = size[1]
    soft = max(height / 720, 0.6)
    key = key_of("border", shot, border.seed)
    sides = _sides(border, key, size)
    torn = smooth(key + 50, size, 7 * height / 720, 3)
    heavy = 1 + 0.5 * smooth(key + 60, size, 120 * height / 720, 2) + 0.3 * border.raggedness * torn
    half = np.maximum(0.5 * border.line * height * heavy, 0).astype(np.float32)
    square = np.minimum(sides.across, sides.down)
    inside = _edge(_rounded(border, key, sides, height), soft)
    # What lies between a rounded corner and the crossing strokes is ink that pooled there.
    ink = np.maximum(_strokes(border, key, sides, half, soft), _edge(square, soft) * (1 - inside) * (border.line > 0))
    keep = inside * (1 - ink)
    art = ((1 - inside) * (1 - ink))[..., None] * _paper(border, shot, size) + ink[..., None] * _display(border.ink)
    return BorderArt(np.ascontiguousarray(keep, np.float32), np.ascontiguousarray(art, np.float32))


def _sides(border: Border, key: int, size: tuple[int, int]) -> _Sides:
    """The hand's four strokes: each leans a little, sways slowly and trembles finely."""
    width, height = size
    unit = height / 720
    margin = border.width * height
    ragged = border.raggedness * margin
    x, y = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    lean = (uniform(key + 90, 4) - 0.5) * ragged * 0.9

    def stroke(side: int, along: Plane, length: int) -> Plane:
        return np.asarray(
            margin + lean[side] * (along / length * 2 - 1) + ragged * _sway(key + side * 10, length, unit), np.float32
        )

    torn = smooth(key + 30, size, 6 * unit, 3) * np.float32(border.raggedness * 1.5 * unit)
    return _Sides(
        top=y[:, None] - stroke(0, x, width)[None, :] + torn,
        bottom=(height - y)[:, None] - stroke(1, x, width)[None, :] + torn,
        left=x[None, :] - stroke(2, y, height)[:, None] + torn,
        right=(width - x)[None, :] - stroke(3, y, height)[:, None] + torn,
    )


def _rounded(border: Border, key: int, sides: _Sides, height: int) -> Plane:
    """How far inside the panel a pixel is, its corners rounded, each by its own radius."""
    rows, columns = sides.across.shape
    own = np.repeat(uniform(key + 70, 2, 2), [rows // 2, rows - rows // 2], axis=0)
    share = np.repeat(own, [columns // 2, columns - columns // 2], axis=1)
    radius = border.corner * height * (0.3 + 1.4 * share)
    near_x, near_y = np.maximum(radius - sides.across, 0), np.maximum(radius - sides.down, 0)
    square = np.minimum(sides.across, sides.down)
    return np.where((near_x > 0) & (near_y > 0), radius - np.sqrt(near_x**2 + near_y**2), square)


def _strokes(border: Border, key: int, sides: _Sides, half: Plane, soft: float) -> Plane:
    """The ink of the four strokes, each running a little past its corners and tapering there."""
    ink = np.zeros_like(half)
    if border.line == 0:
        return ink
    past = border.overshoot * half.shape[0] * (0.15 + 1.1 * uniform(key + 80, 4, 2))
    runs = (
        (sides.top, sides.left, sides.right),
        (sides.bottom, sides.left, sides.right),
        (sides.left, sides.top, sides.bottom),
        (sides.right, sides.top, sides.bottom),
    )
    for place, (off, start, finish) in enumerate(runs):
        left_over = np.minimum(start / max(past[place, 0], 1e-3), finish / max(past[place, 1], 1e-3)) + 1
        thick = half * np.sqrt(np.clip(left_over, 0, 1))
        # The stroke lies mostly on the paper's side of the panel's edge.
        ink = np.maximum(ink, _edge(thick - np.abs(off + 0.35 * half), soft) * (left_over > 0))
    return ink


def _sway(key: int, length: int, unit: float) -> Plane:
    slow = smooth(key, (length, 1), 190 * unit, 2)[0]
    fine = smooth(key + 5, (length, 1), 16 * unit, 3)[0]
    return np.asarray(0.42 * slow + 0.13 * fine, dtype=np.float32)


def _paper(border: Border, shot: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w, 3) display-referred: fibres, a slow cloudiness, and a little soot towards the panel."""
    unit = size[1] / 720
    key = key_of("paper", shot, border.seed)
    fibre = 0.018 * smooth(key, size, 2.2 * unit, 2) + 0.022 * smooth(key + 20, size, 90 * unit, 3)
    return np.clip(_display(border.paper) + fibre[..., None], 0, 1).astype(np.float32)


def _edge(distance: Plane, soft: float) -> Plane:
    """1 inside (positive), 0 outside, with one soft pixel between."""
    return np.asarray(np.clip(distance / soft + 0.5, 0, 1), dtype=np.float32)


def _display(color: tuple[float, float, float]) -> NDArray[np.float32]:
    """A scene-linear colour as it is printed: paper and ink do not pass the film's tone curve."""
    return np.asarray(np.clip(np.array(color, np.float32), 0, 1) ** np.float32(1 / 2.4), dtype=np.float32)
