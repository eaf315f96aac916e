"""Loudness: measured by ITU-R BS.1770, and brought to the delivery's level."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

Stereo = NDArray[np.float32]
CEILING_DBTP = -1.0
SHORTEST_S = 0.4
"""BS.1770 measures in blocks of 400 ms: shorter sound has no loudness."""
_OVERSAMPLED = 4
_CLOSE_LU = 0.1
_TRIES = 8


@dataclass(frozen=True)
class Loudness:
    """Integrated loudness in LUFS and true peak in dBTP; minus infinity for silence."""

    integrated_lufs: float
    true_peak_dbtp: float


def measure_loudness(samples: Stereo, sample_rate: int) -> Loudness:
    """samples: (n, 2). True peak is read at four times the sample rate.

    Sound shorter than 400 ms, or never louder than the gate of -70 LUFS, is minus infinity loud.
    """
    peak = _decibels(float(_true_peaks(samples).max())) if len(samples) else float("-inf")
    if len(samples) < SHORTEST_S * sample_rate or not np.isfinite(peak):
        return Loudness(float("-inf"), peak)
    # Loaded where it is needed: scipy.signal takes a third of the start of every command.
    import pyloudnorm

    with warnings.catch_warnings():
        # pyloudnorm takes the mean of no block where every block is below the gate.
        warnings.simplefilter("ignore", RuntimeWarning)
        measured = float(pyloudnorm.Meter(sample_rate).integrated_loudness(samples.astype(np.float64)))
    return Loudness(measured if np.isfinite(measured) else float("-inf"), peak)


def normalise(samples: Stereo, sample_rate: int, target_lufs: float) -> Stereo:
    """The samples at the target loudness, their peaks rounded off where they would pass the ceiling.

    What has no loudness keeps its level, below the ceiling. Where there is little but peaks, the ceiling comes first.
    """
    made = _limited(samples, sample_rate)
    for _ in range(_TRIES):
        measured = measure_loudness(made, sample_rate).integrated_lufs
        if not np.isfinite(measured) or abs(measured - target_lufs) < _CLOSE_LU:
            break
        made = _limited(made * np.float32(10 ** ((target_lufs - measured) / 20)), sample_rate)
    return made.astype(np.float32)


def _limited(samples: Stereo, sample_rate: int) -> Stereo:
    """Peaks held under the ceiling by a gain that moves slowly enough not to be heard."""
    if not len(samples):
        return samples
    ceiling = 10 ** ((CEILING_DBTP - 0.3) / 20)
    gain = np.minimum(1.0, ceiling / np.maximum(_true_peaks(samples), 1e-9))
    # Odd, so that the mean at a peak takes in only what the minimum there has lowered.
    wide = max(3, sample_rate // 200) | 1
    gain = uniform_filter1d(minimum_filter1d(gain, wide), wide)
    return np.asarray(samples * gain[:, None], dtype=np.float32)


def _true_peaks(samples: Stereo) -> NDArray[np.float64]:
    """The loudest that the wave gets about each sample, between the samples too, on either side."""
    from scipy.signal import resample_poly

    sides = [np.abs(resample_poly(side, _OVERSAMPLED, 1)).reshape(-1, _OVERSAMPLED).max(axis=1) for side in samples.T]
    return np.maximum.reduce(sides)


def _decibels(level: float) -> float:
    return 20 * float(np.log10(level)) if level > 0 else float("-inf")
