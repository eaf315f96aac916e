"""Noise that is the same in every process: hashed lattices, named by words. No generator, no thread can change it."""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


def key_of(*words: object) -> int:
    """A 64-bit key of any words and numbers."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, words)).encode()).digest()[:8], "little")


def uniform(key: int, *shape: int) -> Field:
    """Independent numbers in [0, 1), float32. Source: the SplitMix64 finalizer over a counter."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        mixed = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) + np.uint64(key)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)
    return (drawn.astype(np.float32) * np.float32(2**-24)).reshape(shape)


def smooth(key: int, size: tuple[int, int], scale: float, octaves: int = 1) -> Field:
    """(h, w) of smooth noise, about -1..1. size: (w, h) in pixels; scale: pixels between its hills."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    weight, sum_of_weights = 1.0, 0.0
    for octave in range(octaves):
        step = max(scale / 2**octave, 1.0)
        lattice = uniform(key + octave, int(height / step) + 5, int(width / step) + 5) * 2 - 1
        total += weight * _stretch(lattice, size, step)
        sum_of_weights += weight
        weight *= 0.5
    return total * np.float32(1.6 / sum_of_weights)


def _stretch(lattice: Field, size: tuple[int, int], step: float) -> Field:
    """Cubic B-spline over a lattice, one axis after the other; sums in one order, so no library's threads change it."""
    width, height = size
    columns, across = _spline(width, step)
    rows, down = _spline(height, step)
    wide = sum(lattice[:, columns + tap] * across[tap] for tap in range(4))
    return np.ascontiguousarray(sum(wide[rows + tap] * down[tap][:, None] for tap in range(4)), dtype=np.float32)


@lru_cache(maxsize=64)
def _spline(length: int, step: float) -> tuple[NDArray[np.int64], Field]:
    """The first of four lattice points of every pixel, and their weights (4, length)."""
    position = np.arange(length) / step
    base = np.floor(position).astype(np.int64)
    t = position - base
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    return base, weights.astype(np.float32)


@lru_cache(maxsize=8)
def grain_tile(seed: int, size: float, side: int = 512) -> Field:
    """A (side, side) tile of grain that repeats without a seam: mean 0, standard deviation 1."""
    clumps = uniform(key_of("grain", seed), side, side) - 0.5
    clumps += 0.35 * (uniform(key_of("fine grain", seed), side, side) - 0.5)
    tile = ndimage.gaussian_filter(clumps, sigma=size * 0.5, mode="wrap")
    tile -= tile.mean(dtype=np.float64)
    return np.ascontiguousarray(tile / tile.std(dtype=np.float64), dtype=np.float32)
