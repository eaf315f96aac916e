"""Loudness: known signals by pyloudnorm and by hand, and sound brought to the delivery's level under its ceiling."""

from functools import cache

import numpy as np
import pyloudnorm
import pytest

from film_pipeline.delivery.loudness import CEILING_DBTP, Loudness, measure_loudness, normalise

RATE = 48_000


def a_sine(level_dbfs: float, seconds: float = 2.0, hertz: float = 1000.0, phase: float = 0.0) -> np.ndarray:
    wave = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE + phase)
    return np.stack([wave, wave], axis=1).astype(np.float32)


@cache
def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    beat = np.exp(-np.arange(RATE // 2) / 2000)[:, None]
    drums = np.concatenate([rng.standard_normal((RATE // 2, 2)) * beat * 0.3 for _ in range(6)])
    film = np.concatenate([a_sine(-45, 2), a_sine(-12, 0.5, 300), a_sine(-30, 2, 80)])
    return {
        "a quiet tone": a_sine(-50),
        "a loud tone": a_sine(-1),
        "noise": (rng.standard_normal((2 * RATE, 2)) * 0.05).astype(np.float32),
        "drums": drums.astype(np.float32),
        "loud and quiet": film,
        "the left side alone": a_sine(-20) * np.array([1, 0], np.float32),
        "over full scale": a_sine(6),
    }


@pytest.mark.parametrize("level", [-23.0, -16.0, -40.0])
def test_a_tone_of_a_kilohertz_is_as_loud_as_its_level(level: float) -> None:
    """EBU Tech 3341, test 1: a stereo tone of 1 kHz at -23 dBFS is -23 LUFS loud."""
    assert measure_loudness(a_sine(level), RATE).integrated_lufs == pytest.approx(level, abs=0.1)


def test_one_side_is_three_units_quieter_than_two() -> None:
    both, left = a_sine(-20), a_sine(-20) * np.array([1, 0], np.float32)
    difference = measure_loudness(both, RATE).integrated_lufs - measure_loudness(left, RATE).integrated_lufs
    assert difference == pytest.approx(3.01, abs=0.01)


def test_silence_around_a_sound_does_not_make_it_quieter() -> None:
    tone = a_sine(-20, 8)
    padded = np.concatenate([np.zeros((4 * RATE, 2), np.float32), tone, np.zeros((4 * RATE, 2), np.float32)])
    alone = measure_loudness(tone, RATE).integrated_lufs
    assert measure_loudness(padded, RATE).integrated_lufs == pytest.approx(alone, abs=0.3)


@pytest.mark.parametrize("name", sounds())
def test_loudness_is_what_pyloudnorm_measures(name: str) -> None:
    samples = sounds()[name]
    by_pyloudnorm = pyloudnorm.Meter(RATE).integrated_loudness(samples.astype(np.float64))
    assert measure_loudness(samples, RATE).integrated_lufs == pytest.approx(by_pyloudnorm, abs=1e-6)


def test_a_true_peak_between_two_samples_is_found() -> None:
    """A tone at a quarter of the sample rate, 45 degrees off, peaks 3 dB over every one of its samples."""
    tone = a_sine(-6, 1, RATE / 4, np.pi / 4)
    assert 20 * np.log10(np.abs(tone).max()) == pytest.approx(-9.01, abs=0.05)
    assert measure_loudness(tone, RATE).true_peak_dbtp == pytest.approx(-6, abs=0.25)


@pytest.mark.parametrize("name", sounds())
@pytest.mark.parametrize("target", [-16.0, -23.0])
def test_sound_comes_to_the_target_below_the_ceiling(name: str, target: float) -> None:
    made = normalise(sounds()[name], RATE, target)
    loudness = measure_loudness(made, RATE)
    assert loudness.integrated_lufs == pytest.approx(target, abs=0.5)
    assert loudness.true_peak_dbtp < CEILING_DBTP
    assert made.dtype == np.float32
    assert made.shape == sounds()[name].shape


def test_what_is_below_the_ceiling_is_only_turned_up() -> None:
    quiet = sounds()["a quiet tone"]
    made = normalise(quiet, RATE, -23.0)
    assert np.allclose(made, quiet * (made[100, 0] / quiet[100, 0]), atol=1e-6)


def test_a_few_clicks_stay_below_the_ceiling_whatever_the_target() -> None:
    clicks = np.zeros((3 * RATE, 2), np.float32)
    clicks[:: RATE // 2] = 0.99
    loudness = measure_loudness(normalise(clicks, RATE, -16.0), RATE)
    assert loudness.true_peak_dbtp < CEILING_DBTP
    assert loudness.integrated_lufs < -30


@pytest.mark.parametrize("length", [0, 1, 100, RATE // 4, RATE])
def test_silence_stays_silence_at_any_length(length: int) -> None:
    silence = np.zeros((length, 2), np.float32)
    assert measure_loudness(silence, RATE) == Loudness(float("-inf"), float("-inf"))
    assert np.array_equal(normalise(silence, RATE, -16.0), silence)


@pytest.mark.parametrize("length", [1, 2000, RATE // 3])
def test_a_film_too_short_to_measure_keeps_its_level_below_the_ceiling(length: int) -> None:
    quiet, loud = a_sine(-30, length / RATE, phase=1), a_sine(3, length / RATE, phase=1)
    assert measure_loudness(quiet, RATE).integrated_lufs == float("-inf")
    assert np.allclose(normalise(quiet, RATE, -16.0), quiet)
    assert measure_loudness(normalise(loud, RATE, -16.0), RATE).true_peak_dbtp < CEILING_DBTP


def test_sound_below_the_gate_is_silence_to_the_meter_and_is_left_alone() -> None:
    hiss = (np.random.default_rng(1).standard_normal((RATE, 2)) * 1e-5).astype(np.float32)
    assert measure_loudness(hiss, RATE).integrated_lufs == float("-inf")
    assert np.allclose(normalise(hiss, RATE, -16.0), hiss)


def test_normalising_twice_changes_nothing_that_is_heard() -> None:
    once = normalise(sounds()["drums"], RATE, -16.0)
    assert np.abs(normalise(once, RATE, -16.0) - once).max() < 1e-2
