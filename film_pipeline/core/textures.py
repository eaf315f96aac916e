"""Hand-made surfaces as pictures: wood, cloth, clay, plaster, paper. Seeded, and the same on every machine."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

Picture = NDArray[np.float64]
SIZE = 512
TILE_M = 1.0
"""Metres of a surface that one tile of a texture covers."""

TEXTURE_VERSION = 2
"""Raised by whoever changes how a surface looks."""

MATERIALS = ("wood", "cloth", "clay", "plaster", "paper", "metal", "hair", "glass", "plain")


def texture_png(material: str, color: tuple[float, float, float], seed: int = 0) -> bytes:
    """A tile of a surface as PNG, tinted. color: scene-linear Rec.709. Raises KeyError for an unknown material."""
    grey = _grey(material, seed)
    linear = np.clip(np.asarray(color)[None, None, :] * grey[..., None], 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    out = io.BytesIO()
    Image.fromarray(np.round(encoded * 255).astype(np.uint8)).save(out, "PNG", compress_level=6)
    return out.getvalue()


@lru_cache(maxsize=64)
def _grey(material: str, seed: int) -> Picture:
    maker = {
        "wood": _wood,
        "cloth": _cloth,
        "clay": _clay,
        "plaster": _plaster,
        "paper": _paper,
        "metal": _metal,
        "hair": _hair,
        "glass": _plain,
        "plain": _plain,
    }[material]
    return maker(np.random.default_rng([seed, MATERIALS.index(material)]))


def _noise(rng: np.random.Generator, cells: tuple[int, int]) -> Picture:
    """Smooth tiling noise, 0 to 1, with that many cells down and across."""
    # Only in grid mode does the spline's period end exactly where the tile does.
    grown = zoom(rng.random(cells), (SIZE / cells[0], SIZE / cells[1]), order=3, mode="grid-wrap", grid_mode=True)
    return np.asarray((grown - grown.min()) / (np.ptp(grown) + 1e-9))


def _wood(rng: np.random.Generator) -> Picture:
    down = np.linspace(0, 1, SIZE, endpoint=False)[:, None]
    warp = 0.05 * _noise(rng, (6, 3)) + 0.02 * _noise(rng, (16, 6))
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (down * 14 + warp * 30))
    fibre = gaussian_filter(rng.random((SIZE, SIZE)), (0.6, 14), mode="wrap")
    fibre = (fibre - fibre.min()) / np.ptp(fibre)
    worn = _noise(rng, (5, 4))
    return np.asarray(0.45 + 0.28 * rings**2 + 0.22 * fibre + 0.18 * worn - 0.25 * (fibre < 0.3))


def _cloth(rng: np.random.Generator) -> Picture:
    place = np.arange(SIZE)
    warp = 0.5 + 0.5 * np.sin(2 * np.pi * place / 8)
    weave = np.where((place[:, None] // 8 + place[None, :] // 8) % 2 == 0, warp[:, None], warp[None, :])
    return 0.62 + 0.22 * weave + 0.22 * _noise(rng, (9, 9)) + 0.05 * rng.random((SIZE, SIZE))


def _clay(rng: np.random.Generator) -> Picture:
    thumbs = np.zeros((SIZE, SIZE))
    down, across = np.mgrid[0:SIZE, 0:SIZE]
    for _ in range(26):
        y, x, wide = rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(18, 46)
        dy = (down - y + SIZE / 2) % SIZE - SIZE / 2
        dx = (across - x + SIZE / 2) % SIZE - SIZE / 2
        near = np.hypot(dy, dx * rng.uniform(0.7, 1.4))
        print_ = np.exp(-((near / wide) ** 2)) * (0.6 + 0.4 * np.sin(near / 2.1))
        thumbs += print_ * rng.choice([-1, 1]) * rng.uniform(0.3, 1)
    return 0.86 + 0.07 * np.tanh(thumbs) + 0.12 * (_noise(rng, (12, 12)) - 0.5)


def _plaster(rng: np.random.Generator) -> Picture:
    return 0.7 + 0.2 * _noise(rng, (8, 8)) + 0.15 * _noise(rng, (40, 40)) - 0.12 * (_noise(rng, (14, 14)) > 0.8)


def _paper(rng: np.random.Generator) -> Picture:
    return 0.88 + 0.1 * _noise(rng, (60, 60)) + 0.06 * (_noise(rng, (6, 6)) - 0.5)


def _metal(rng: np.random.Generator) -> Picture:
    brushed = gaussian_filter(rng.random((SIZE, SIZE)), (10, 0.6), mode="wrap")
    return np.asarray(0.6 + 0.25 * brushed + 0.2 * _noise(rng, (7, 7)))


def _hair(rng: np.random.Generator) -> Picture:
    strands = gaussian_filter(rng.random((SIZE, SIZE)), (30, 0.9), mode="wrap")
    return np.asarray(0.5 + 0.5 * (strands - strands.min()) / np.ptp(strands))


def _plain(rng: np.random.Generator) -> Picture:
    return np.ones((SIZE, SIZE))
