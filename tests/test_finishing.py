"""The finisher: grade, treatment, sizes and files, and that it makes the same everywhere."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from look_samples import SHOT, SMALL, full_look, sample

from film_pipeline.core.cdl import Cdl
from film_pipeline.core.look import Border, Grain, Look, Monochrome, Vignette
from film_pipeline.core.problems import FilmProblem
from film_pipeline.finishing import resize
from film_pipeline.finishing.border import border_art
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.finisher import finish, finish_exact
from film_pipeline.finishing.grade import grade_exact, grade_fast
from film_pipeline.finishing.kernels import Kernel, by_numpy
from film_pipeline.finishing.noise import grain_tile, smooth
from film_pipeline.finishing.pictures import write_exr, write_png

# ---------------------------------------------------------------- grade
from film_pipeline.finishing.treatment import grain_offsets, treat, vignette_mask
from film_pipeline.finishing.wedge import wedge

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
    kept = Monochrome(amount=0.5, keep_warm=1, warm_from=0.3, warm_to=0.5)
    spread = [
        np.ptp(grade_exact(lamp, Look(monochrome=kept.model_copy(update={"warm_boost": boost}))))
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


def test_a_wedge_is_every_look_under_its_name() -> None:
    looks = {"plain": Look(), "dark": Look(exposure_stops=-3), "full": full_look()}
    grades = wedge(sample().beauty, looks, width=160)
    assert list(grades) == ["plain", "dark", "full"]
    assert {grade.dtype for grade in grades.values()} == {np.dtype(np.uint8)}
    assert {grade.shape[1] for grade in grades.values()} == {160}
    assert grades["plain"].mean() > grades["dark"].mean() + 20
    with pytest.raises(FilmProblem):
        wedge(sample().beauty, {})
