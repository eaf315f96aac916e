"""The ink line: where it is drawn, how wide, and what becomes of it in the dark and in a crowd."""

from dataclasses import replace

import numpy as np
import pytest
from look_samples import SHOT, SMALL, sample, white

from film_pipeline.core.look import Look
from film_pipeline.core.look_operations import Ink
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.hand import hand_of
from film_pipeline.finishing.ink import breaks, draw_ink


def test_ink_finds_the_silhouette_of_a_sphere() -> None:
    life = sample()
    ends, _ = breaks(life.depth, life.normal, {}, 0.04, 28)
    ball = life.mattes["odile"] > 0.5
    rim = ball & ~(np.roll(ball, 1, 0) & np.roll(ball, -1, 0) & np.roll(ball, 1, 1) & np.roll(ball, -1, 1))
    # Where the ball meets the floor, depth does not break: there its identity draws the line.
    rows = np.nonzero(rim.any(axis=1))[0]
    upper = rim.copy()
    upper[rows[0] + (rows[-1] - rows[0]) * 3 // 4 :] = False
    assert (ends[upper] > 0.5).mean() > 0.95
    ends, _ = breaks(life.depth, life.normal, life.mattes, 0.04, 28)
    assert (ends[rim] > 0.5).mean() == 1.0


def test_ink_finds_nothing_inside_a_sphere_or_on_a_slanted_plane() -> None:
    life = sample()
    ends, folds = breaks(life.depth, life.normal, life.mattes, 0.04, 28)
    for name in ("wall", "floor", "side", "odile"):
        inside = life.mattes[name] > 0.5
        for axis in (0, 1):
            for by in (-3, -2, -1, 1, 2, 3):
                inside = inside & np.roll(life.mattes[name] > 0.5, by, axis)
        inside[:4] = inside[-4:] = False
        inside[:, :4] = inside[:, -4:] = False
        # The last pixels before a sphere's rim turn away so fast that they belong to its line.
        assert (ends[inside] > 0).mean() < (0.02 if name == "odile" else 1e-9)
        assert folds[inside].max() == 0


def test_a_fold_between_two_planes_is_a_crease_and_no_outline() -> None:
    depth = np.full((40, 40), 3.0, np.float32)
    normal = np.zeros((40, 40, 3), np.float32)
    normal[:, :20, 0] = 1
    normal[:, 20:, 1] = 1
    ends, folds = breaks(depth, normal, {}, 0.04, 28)
    assert ends.max() == 0
    assert (folds[:, 19:21] == 1).all()
    assert folds[:, :18].max() == folds[:, 22:].max() == 0


def test_lines_are_as_wide_as_asked_at_any_size_of_the_passes() -> None:
    for factor in (1, 2):
        shape = (180 // factor, 320 // factor)
        depth = np.full(shape, 1e-3, np.float32)
        mattes = {"a": np.zeros(shape, np.float32), "b": np.ones(shape, np.float32)}
        mattes["a"][:, : shape[1] // 2], mattes["b"][:, : shape[1] // 2] = 1, 0
        operation = Ink(op="ink", width=12, jitter=0, fade_m=1e6)
        hand = hand_of(None, SHOT, 1001, 0, SMALL)
        drawn = draw_ink(white(), operation, hand, depth, np.zeros((*shape, 3), np.float32), mattes, SHOT)
        # 12 pixels of 720 lines are 3 of 180; a line at no distance is 1.3 times as wide.
        assert (1 - drawn[90, :, 0]).sum() == pytest.approx(3.9, rel=0.15)


def test_in_the_dark_lines_are_scratched_out_of_the_black() -> None:
    night = replace(sample(), beauty=np.full_like(sample().beauty, 1e-4))
    black, scratched = (
        comp(night, Look(vfx=(Ink(op="ink", scratch=scratch),)), SHOT, 1001, 0) for scratch in (0.0, 1.0)
    )
    assert black.max() <= 1e-4
    assert scratched.max() > 0.01


def _ink_a_line(spacing: int) -> tuple[float, float]:
    """What a line of parallel ones takes of ink, in pixels, and how far ink and paper stand apart between them."""
    flat = np.full((180, 320), 1.0, np.float32)
    matte = np.ones((180, 1), np.float32) * (np.arange(320) // spacing % 2)[None, :].astype(np.float32)
    hand = hand_of(None, SHOT, 1001, 0, SMALL)
    mattes = {"a": matte, "b": 1 - matte}
    pen = Ink(op="ink", width=8, jitter=0)
    picture = draw_ink(white(), pen, hand, flat, np.zeros((180, 320, 3), np.float32), mattes, SHOT)
    ink = 1 - picture[90, :, 0]
    return float(ink.sum()) / int((np.diff(matte[90]) != 0).sum()), float(np.ptp(ink[80:240]))


def test_where_lines_crowd_the_pen_gets_finer() -> None:
    alone, _ = _ink_a_line(160)
    crowded = [_ink_a_line(spacing)[0] for spacing in (16, 8, 6, 4)]
    assert crowded[0] == pytest.approx(alone, rel=0.02)
    assert crowded == sorted(crowded, reverse=True)
    assert crowded[-1] < 0.8 * alone


def test_crowded_lines_stay_lines_and_are_no_blot() -> None:
    for spacing in (8, 6, 5, 4):
        ink, apart = _ink_a_line(spacing)
        assert ink / spacing < 0.4
        assert apart > 0.5
