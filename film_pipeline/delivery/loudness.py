"""Loudness: measured by ITU-R BS.1770, and brought to the delivery's level."""

from dataclasses import dataclass

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.signal import resample_poly

Stereo = NDArray[np.float32]
CEILING_DBTP = -1.0
_OVERSAMPLED = 4


@dataclass(frozen=True)
class Loudness:
    """Integrated loudness in LUFS and true peak in dBTP; minus infinity for silence."""

    integrated_lufs: float
    true_peak_dbtp: float


def measure_loudness(samples: Stereo, sample_rate: int) -> Loudness:
    """samples: (n, 2). True peak is read at four times the sample rate."""
    if len(samples) < 0.4 * sample_rate or not np.abs(samples).max() > 0:
        return Loudness(float("-inf"), _decibels(float(np.abs(samples).max()) if len(samples) else 0.0))
    meter = pyloudnorm.Meter(sample_rate)
    peak = max(
        float(np.abs(resample_poly(samples[:, side], _OVERSAMPLED, 1)).max()) for side in range(samples.shape[1])
    )
    return Loudness(float(meter.integrated_loudness(samples.astype(np.float64))), _decibels(peak))


def normalise(samples: Stereo, sample_rate: int, target_lufs: float) -> Stereo:
    """The samples at the target loudness, their peaks rounded off where they would pass the ceiling."""
    measured = measure_loudness(samples, sample_rate)
    if not np.isfinite(measured.integrated_lufs):
        return samples
    made = samples
    for _ in range(3):
        made = _limited(made * np.float32(10 ** ((target_lufs - measured.integrated_lufs) / 20)), sample_rate)
        measured = measure_loudness(made, sample_rate)
        if abs(measured.integrated_lufs - target_lufs) < 0.2:
            break
    return made.astype(np.float32)


def _limited(samples: Stereo, sample_rate: int) -> Stereo:
    """Peaks held under the ceiling by a gain that moves slowly enough not to be heard."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    ceiling = 10 ** ((CEILING_DBTP - 0.3) / 20)
    over = np.maximum.reduce(
        [np.abs(resample_poly(samples[:, side], 4, 1)).reshape(-1, 4).max(axis=1)[: len(samples)] for side in (0, 1)]
    )
    gain = np.minimum(1.0, ceiling / np.maximum(over, 1e-9))
    wide = max(3, sample_rate // 200)
    gain = uniform_filter1d(minimum_filter1d(gain, wide), wide)
    return (samples * gain[:, None]).astype(np.float32)


def _decibels(level: float) -> float:
    return 20 * float(np.log10(level)) if level > 0 else float("-inf")
