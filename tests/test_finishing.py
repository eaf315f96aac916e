"""The comp and the finisher: what each operation does to pixels, and that it does the same everywhere."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.cdl import Cdl
from film_pipeline.core.look import Border, Grain, Look, LookFile, Monochrome, Vignette, resolve
from film_pipeline.core.look_operations import Boil, Dust, Flicker, Glow, Hatching, Ink
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import ExposureSheet, FrameRange
from film_pipeline.finishing import resize
from film_pipeline.finishing.air import add_dust
from film_pipeline.finishing.border import border_art
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.finisher import finish, finish_exact
from film_pipeline.finishing.grade import grade_exact, grade_fast
from film_pipeline.finishing.hand import frames_to_comp, hand_of
from film_pipeline.finishing.ink import breaks, draw_ink
from film_pipeline.finishing.kernels import Kernel, by_numpy
from film_pipeline.finishing.noise import grain_tile, smooth
from film_pipeline.finishing.pictures import write_exr, write_png
from film_pipeline.finishing.still_life import StillLife, still_life
from film_pipeline.finishing.treatment import grain_offsets, treat, vignette_mask
from film_pipeline.finishing.wedge import wedge

SMALL = (320, 180)
SHOT = "SC010_SH010"
STACK: list[dict[str, Any]] = [
    {"op": "flicker"},
    {"op": "atmosphere"},
    {"op": "hatching"},
    {"op": "boil"},
    {"op": "ink"},
    {"op": "glow", "threshold": 0.5},
    {"op": "dust"},
]


@cache
def full_look() -> Look:
    """A look with everything in it."""
    bible = LookFile(
        vfx=STACK,
        exposure_stops=0.5,
        cdl={"slope": [1.2, 1.2, 1.25], "offset": [-0.1, -0.1, -0.1]},
        monochrome={"amount": 0.9, "keep_warm": 0.9, "tint": [0.85, 0.95, 1.1]},
        grain={"amount": 0.02},
        vignette={"amount": 0.5},
        border={"width": 0.04},
    )
    return resolve(bible, "SC010", {})


def sample() -> StillLife:
    return still_life(SMALL)


def white(size: tuple[int, int] = SMALL) -> np.ndarray:
    return np.ones((size[1], size[0], 3), np.float32)


# ---------------------------------------------------------------- comp


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


def test_where_lines_crowd_the_pen_gets_finer() -> None:
    flat = np.full((180, 320), 1.0, np.float32)
    stripes = (np.arange(320) // 4 % 2)[None, :] * np.ones((180, 1), np.float32)
    alone = (np.arange(320) // 160)[None, :] * np.ones((180, 1), np.float32)
    drawn = []
    for matte in (stripes, alone):
        mattes = {"a": matte.astype(np.float32), "b": (1 - matte).astype(np.float32)}
        ink_ = Ink(op="ink", width=8, jitter=0)
        hand = hand_of(None, SHOT, 1001, 0, SMALL)
        picture = draw_ink(white(), ink_, hand, flat, np.zeros((180, 320, 3), np.float32), mattes, SHOT)
        lines = (np.diff(matte[90]) != 0).sum()
        drawn.append(float((1 - picture[90, :, 0]).sum()) / lines)
    assert drawn[0] < 0.8 * drawn[1]


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


# ---------------------------------------------------------------- grade


_TILT = st.tuples(*[st.floats(-0.04, 0.04)] * 3)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.8, 1.3), st.floats(-0.15, 0.05), st.floats(0.8, 1.3), _TILT, st.floats(0, 1.3), st.floats(-2, 2))
def test_the_baked_grade_is_the_exact_one(
    slope: float, offset: float, power: float, tilt: tuple[float, float, float], saturation: float, stops: float
) -> None:
    look = Look(
        exposure_stops=stops,
        cdl=Cdl(
            slope=tuple(slope + part for part in tilt),
            offset=tuple(offset + part / 4 for part in tilt),
            power=(power, power, power),
            saturation=saturation,
        ),
        monochrome=Monochrome(amount=0.9, keep_warm=0.9),
    )
    difference = np.abs(grade_fast(sample().beauty, look) - grade_exact(sample().beauty, look))
    assert difference.mean() < 0.002


def test_monochrome_keeps_the_lamp_and_greys_the_wall() -> None:
    look = Look(monochrome=Monochrome(amount=1, keep_warm=1, warm_from=0.5, warm_to=0.8))
    picture = np.array([[[1.0, 0.5, 0.15], [0.3, 0.25, 0.22]]], np.float32)
    lamp, wall = grade_exact(picture, look)[0]
    assert lamp[0] - lamp[2] > 0.2
    assert wall.max() - wall.min() < 0.01


def test_the_boost_gives_a_bright_lamp_its_colour_back() -> None:
    lamp = np.array([[[2.6, 1.8, 1.0]]], np.float32)
    spread = [
        np.ptp(grade_exact(lamp, Look(monochrome=Monochrome(warm_boost=boost, amount=0.5, warm_from=0.3, warm_to=0.5))))
        for boost in (1.0, 1.5)
    ]
    assert spread[1] > spread[0] + 0.05


def test_grading_leaves_the_comp_untouched_and_stays_in_range() -> None:
    life = sample()
    before = life.beauty.copy()
    for grade in (grade_fast, grade_exact):
        graded = grade(life.beauty, full_look())
        assert graded.min() >= -1e-3
        assert graded.max() <= 1.001
    assert np.array_equal(life.beauty, before)


# ---------------------------------------------------------------- treatment


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.floats(0, 1))
def test_the_vignette_never_rises_from_the_middle_outwards(amount: float, softness: float, roundness: float) -> None:
    mask = vignette_mask(Vignette(amount=amount, softness=softness, roundness=roundness), (64, 36))
    quarter = mask[18:, 32:]
    assert (np.diff(quarter, axis=0) <= 1e-6).all()
    assert (np.diff(quarter, axis=1) <= 1e-6).all()
    assert mask[18, 32] == pytest.approx(1, abs=0.02)
    assert np.allclose(mask, mask[::-1, ::-1])
    assert mask.min() >= 1 - amount - 1e-6


def test_a_look_of_nothing_only_rounds_the_graded_picture() -> None:
    graded = grade_exact(sample().beauty, Look())
    assert np.array_equal(treat(graded, Look(), SHOT, 1001), np.uint8(np.clip(graded, 0, 1) * 255 + 0.5))


def test_grain_has_no_mean_and_the_spread_that_was_asked() -> None:
    tile = grain_tile(3, 1.5)
    assert abs(float(tile.mean(dtype=np.float64))) < 1e-6
    assert float(tile.std(dtype=np.float64)) == pytest.approx(1, abs=1e-3)
    grey = np.full((512, 512, 3), 0.5, np.float32)
    finished = treat(grey, Look(grain=Grain(amount=0.05)), SHOT, 1001, bits=16) / 65535
    assert float(finished.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(finished.std()) == pytest.approx(0.05, rel=0.02)


def test_grain_moves_on_every_film_frame_and_is_seeded_by_the_shot() -> None:
    look = Look(grain=Grain(amount=0.05, seed=4))
    starts = {grain_offsets(look, SHOT, frame) for frame in range(1001, 1101)}
    assert len(starts) == 100
    assert grain_offsets(look, "SC010_SH020", 1001) != grain_offsets(look, SHOT, 1001)
    assert grain_offsets(Look(grain=Grain(amount=0.05, seed=5)), SHOT, 1001) != grain_offsets(look, SHOT, 1001)


@pytest.mark.parametrize("size", [SMALL, (480, 200), (200, 360)])
@pytest.mark.parametrize("seed", range(4))
def test_the_border_covers_all_four_edges_and_leaves_the_middle(size: tuple[int, int], seed: int) -> None:
    art = border_art(Border(width=0.05, raggedness=1, seed=seed), SHOT, size)
    assert art is not None
    for edge in (art.keep[0], art.keep[-1], art.keep[:, 0], art.keep[:, -1]):
        assert edge.max() == 0
    height, width = art.keep.shape
    assert art.keep[height // 4 : -height // 4, width // 4 : -width // 4].min() == 1
    assert art.art[height // 4 : -height // 4, width // 4 : -width // 4].max() == 0
    assert ((art.keep >= 0) & (art.keep <= 1)).all()
    ragged = (art.keep[: height // 4] < 0.5).sum(axis=0)
    assert ragged.std() > 0


def test_every_shot_has_its_own_border_and_keeps_it() -> None:
    border = Border(width=0.05)
    first = border_art(border, SHOT, SMALL)
    other = border_art(border, "SC010_SH020", SMALL)
    border_art.cache_clear()
    again = border_art(border, SHOT, SMALL)
    assert first is not None and other is not None and again is not None
    assert np.array_equal(first.keep, again.keep)
    assert not np.array_equal(first.keep, other.keep)


# ---------------------------------------------------------------- the whole


def test_the_fast_finish_is_the_exact_one_for_the_eye() -> None:
    picture = comp(sample(), full_look(), SHOT, 1001, 0)
    fast, exact = (way(picture, full_look(), SHOT, 1001, (640, 360), bits=16) for way in (finish, finish_exact))
    assert fast.dtype == np.uint16
    assert np.abs(fast.astype(float) - exact).mean() / 65535 < 0.002


def test_the_same_frame_has_the_same_bytes_in_another_process_and_in_threads() -> None:
    def digest() -> str:
        picture = comp(sample(), full_look(), SHOT, 1003, 1, (640, 360))
        return hashlib.sha256(finish(picture, full_look(), SHOT, 1003).tobytes()).hexdigest()

    here = digest()
    with ThreadPoolExecutor(4) as pool:
        assert {future.result() for future in [pool.submit(digest) for _ in range(6)]} == {here}
    told = (
        "import hashlib, json, sys\n"
        "from film_pipeline.core.look import Look\n"
        "from film_pipeline.finishing.comp import comp\n"
        "from film_pipeline.finishing.finisher import finish\n"
        "from film_pipeline.finishing.still_life import still_life\n"
        "look = Look.model_validate_json(sys.stdin.read())\n"
        f"picture = comp(still_life({SMALL}), look, {SHOT!r}, 1003, 1, (640, 360))\n"
        f"print(hashlib.sha256(finish(picture, look, {SHOT!r}, 1003).tobytes()).hexdigest())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", told], input=full_look().model_dump_json(), capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == here


def test_numpy_alone_makes_the_same_picture() -> None:
    compiled = comp(sample(), full_look(), SHOT, 1001, 0, (480, 270))
    graded = grade_fast(compiled, full_look())
    finished = treat(graded, full_look(), SHOT, 1001)
    with by_numpy():
        plain = comp(sample(), full_look(), SHOT, 1001, 0, (480, 270))
        plainly_finished = treat(graded, full_look(), SHOT, 1001)
    # A pixel on a stroke's very edge may fall to its other side.
    assert (np.abs(plain - compiled) > 2e-3).mean() < 1e-3
    assert np.abs(plainly_finished.astype(int) - finished).max() <= 1


def test_a_machine_without_numba_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    def broken_installation() -> Any:
        raise ImportError("no numba here")

    kernel = Kernel(lambda number: number + 1, lambda number: number + 1, broken_installation)
    assert (kernel(1), kernel(2), kernel.engine) == (2, 3, "numpy")
    assert caplog.text.count("slower") == 1


@pytest.mark.parametrize("broken", [np.zeros((4, 4), np.float32), np.full((4, 4, 3), np.nan, np.float32)])
def test_a_broken_picture_is_refused_by_its_frame(broken: np.ndarray) -> None:
    with pytest.raises(FilmProblem, match="1007"):
        finish(broken, Look(), SHOT, 1007)


# ---------------------------------------------------------------- resizing and files


def test_growing_a_picture_never_rings() -> None:
    step = np.zeros((40, 40, 3), np.float32)
    step[:, 20:] = 50.0
    grown = resize.resize(step, (100, 100))
    assert grown.min() >= 0
    assert grown.max() <= 50.01
    assert (np.diff(grown[50, :, 0]) >= -1e-4).all()


@given(st.integers(20, 90), st.integers(20, 90), st.floats(0, 30))
@settings(max_examples=20, deadline=None)
def test_an_even_picture_stays_even_at_any_size(width: int, height: int, light: float) -> None:
    even = np.full((37, 53, 3), light, np.float32)
    assert np.allclose(resize.resize(even, (width, height)), light, rtol=2e-4, atol=1e-5)
    assert np.allclose(resize.resize_plane(even[..., 0], (width, height)), light, rtol=1e-5)


def test_noise_is_about_even_and_named_by_its_key() -> None:
    field = smooth(11, (200, 100), 12, 2)
    assert abs(float(field.mean())) < 0.15
    assert np.array_equal(field, smooth(11, (200, 100), 12, 2))
    assert not np.array_equal(field, smooth(12, (200, 100), 12, 2))


def test_an_exr_and_a_png_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_exr(tmp_path / "comp.exr", sample().beauty)
    read = oiio.ImageInput.open(str(tmp_path / "comp.exr")).read_image("float")
    assert np.allclose(read, sample().beauty, rtol=1e-3)
    finished = finish(sample().beauty, Look(), SHOT, 1001, bits=16)
    write_png(tmp_path / "frame.png", finished)
    assert np.array_equal(oiio.ImageInput.open(str(tmp_path / "frame.png")).read_image("uint16"), finished)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comp.exr", "frame.png"]


def test_the_same_comp_has_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_exr(tmp_path / f"{name}.exr", sample().beauty)
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem):
        write_exr(tmp_path / "nowhere" / "comp.exr", sample().beauty)
    assert list(tmp_path.iterdir()) == []


def test_a_wedge_shows_every_look_under_its_name() -> None:
    sheet = wedge(sample().beauty, {"plain": Look(), "dark": Look(exposure_stops=-3), "full": full_look()}, width=160)
    assert sheet.dtype == np.uint8
    plain, dark = sheet[12:102, 12:172], sheet[12:102, 184:344]
    assert plain.mean() > dark.mean() + 20
    assert sheet[104:128, 12:60].max() > 180
    with pytest.raises(FilmProblem):
        wedge(sample().beauty, {})
