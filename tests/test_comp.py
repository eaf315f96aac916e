"""The comp: what each operation does to a frame, and what it leaves alone."""

from typing import Any

import numpy as np
import pytest
from look_samples import SHOT, SMALL, full_look, sample, white

from film_pipeline.core.look import Look, LookFile, resolve
from film_pipeline.core.look_operations import Boil, Dust, Flicker, Glow, Hatching
from film_pipeline.core.timing import ExposureSheet, FrameRange
from film_pipeline.finishing.air import add_dust
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.hand import frames_to_comp, hand_of


def test_an_empty_stack_leaves_the_frame_alone() -> None:
    assert np.array_equal(comp(sample(), Look(), SHOT, 1001, 0), sample().beauty)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "atmosphere", "amount": 0},
        {"op": "glow", "amount": 0},
        {"op": "ink", "amount": 0},
        {"op": "ink", "width": 0, "crease_width": 0},
        {"op": "hatching", "amount": 0},
        {"op": "dust", "amount": 0},
        {"op": "dust", "count": 0},
        {"op": "flicker", "stops": 0},
        {"op": "boil"},
    ],
)
def test_an_operation_of_nothing_does_nothing(operation: dict[str, Any]) -> None:
    look = resolve(LookFile(vfx=[operation]), "", {})
    assert np.allclose(comp(sample(), look, SHOT, 1001, 0), sample().beauty, atol=1e-7)


def test_the_comp_never_writes_into_the_engines_passes() -> None:
    before = sample().beauty.copy()
    comp(sample(), full_look(), SHOT, 1001, 0)
    assert np.array_equal(sample().beauty, before)


def test_the_comp_comes_at_the_delivered_size_and_is_finite() -> None:
    picture = comp(sample(), full_look(), SHOT, 1001, 0, (640, 360))
    assert picture.shape == (360, 640, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()


def test_a_hold_holds_still_and_the_next_drawing_boils() -> None:
    look = resolve(LookFile(vfx=[{"op": "boil"}, {"op": "ink"}]), "", {})
    first, held, next_ = (
        comp(sample(), look, SHOT, frame, drawing) for frame, drawing in ((1001, 0), (1005, 0), (1007, 1))
    )
    assert np.array_equal(first, held)
    assert not np.array_equal(first, next_)


def test_boil_on_fours_goes_by_film_frames() -> None:
    boil = Boil(op="boil", on_frames=4)
    hands = [hand_of(boil, SHOT, frame, 0, SMALL).errors for frame in (1001, 1004, 1005)]
    assert np.array_equal(hands[0], hands[1])
    assert not np.array_equal(hands[0], hands[2])


def test_a_hold_is_comped_again_only_where_its_boil_goes_on() -> None:
    sheet = ExposureSheet.shoot(FrameRange(1001, 1012), 2, [(1003, 8)])
    still = resolve(LookFile(vfx=[{"op": "boil"}]), "", {})
    fours = resolve(LookFile(vfx=[{"op": "boil", "on_frames": 4}]), "", {})
    assert frames_to_comp(still, sheet) == ((1001, 1001, 0), (1003, 1003, 1), (1011, 1011, 2))
    assert frames_to_comp(fours, sheet) == (
        (1001, 1001, 0),
        (1003, 1003, 1),
        (1005, 1003, 1),
        (1009, 1003, 1),
        (1011, 1011, 2),
    )


def test_hatching_darkens_shadows_and_leaves_light_alone() -> None:
    look = resolve(LookFile(vfx=[Hatching(op="hatching", from_stops=-2, amount=1).model_dump()]), "", {})
    life = sample()
    drawn = comp(life, look, SHOT, 1001, 0)
    luma = life.beauty @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    changed = np.abs(drawn - life.beauty).max(axis=-1) > 1e-6
    assert changed[luma < 0.01].mean() > 0.1
    assert not changed[luma > 0.18].any()
    assert (drawn <= life.beauty + 1e-6).all()


def test_glow_comes_only_from_the_mattes_it_is_given() -> None:
    life = sample()
    amount = {}
    for name in ("lamp", "pim", "nobody"):
        operation = Glow(op="glow", mattes=(name,), threshold=1.0, amount=1)
        amount[name] = comp(life, Look(vfx=(operation,)), SHOT, 1001, 0).sum() - life.beauty.sum()
    assert amount["lamp"] > 100
    assert amount["pim"] == amount["nobody"] == 0


def test_atmosphere_hides_what_is_far_and_not_what_is_near() -> None:
    look = resolve(
        LookFile(vfx=[{"op": "atmosphere", "color": [1, 0, 0], "start_m": 4, "end_m": 5, "amount": 1}]), "", {}
    )
    life = sample()
    air = comp(life, look, SHOT, 1001, 0)
    assert np.allclose(air[life.depth > 5], [1, 0, 0], atol=1e-5)
    assert np.array_equal(air[life.depth < 4], life.beauty[life.depth < 4])


def test_dust_moves_by_frames_and_hides_behind_what_is_near() -> None:
    operation = Dust(op="dust", count=200, near_m=1, far_m=2)
    lit = white()
    far, near = np.full((180, 320), 9, np.float32), np.full((180, 320), 0.5, np.float32)
    first, again, later = (add_dust(lit.copy(), operation, far, SHOT, frame) for frame in (1001, 1001, 1003))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert first.sum() > lit.sum()
    assert np.array_equal(add_dust(lit.copy(), operation, near, SHOT, 1001), lit)


def test_flicker_is_small_and_changes_with_the_drawing() -> None:
    look = Look(vfx=(Flicker(op="flicker", stops=0.05),))
    gains = [float(comp(sample(), look, SHOT, 1001, drawing).sum() / sample().beauty.sum()) for drawing in range(20)]
    assert len({round(gain, 6) for gain in gains}) == 20
    assert all(2 ** (-0.1) <= gain <= 2**0.1 for gain in gains)
