"""Surfaces as pictures: seeded, tinted, tiling."""

import io

import numpy as np
import pytest
from PIL import Image

from film_pipeline.core.textures import MATERIALS, SIZE, texture_png


def picture(material: str, color: tuple[float, float, float] = (0.5, 0.5, 0.5), seed: int = 0) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(texture_png(material, color, seed)))).astype(float)


@pytest.mark.parametrize("material", MATERIALS)
def test_a_surface_is_the_same_picture_every_time(material: str) -> None:
    first = texture_png(material, (0.4, 0.3, 0.2))
    assert first == texture_png(material, (0.4, 0.3, 0.2))
    assert Image.open(io.BytesIO(first)).size == (SIZE, SIZE)


@pytest.mark.parametrize("material", ["wood", "cloth", "clay", "plaster", "paper", "metal", "hair"])
def test_a_hand_made_surface_is_uneven_and_each_seed_uneven_in_its_own_way(material: str) -> None:
    first, second = picture(material), picture(material, seed=1)
    assert first.std() > 1
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("material", ["wood", "cloth", "clay", "plaster", "paper", "metal", "hair"])
def test_a_tile_goes_on_where_it_ends(material: str) -> None:
    tile = picture(material)
    for axis in (0, 1):
        inside = np.abs(np.diff(tile, axis=axis)).mean(axis=(1 - axis, 2))
        seam = np.abs(np.take(tile, 0, axis) - np.take(tile, -1, axis)).mean()
        assert seam <= inside.max() * 1.05


def test_a_tint_is_scene_linear_and_written_as_srgb() -> None:
    assert picture("plain", (1.0, 0.0, 0.2158)).mean(axis=(0, 1)) == pytest.approx([255, 0, 128], abs=0.6)
    assert picture("plain", (4.0, -1.0, 0.0)).mean(axis=(0, 1)) == pytest.approx([255, 0, 0])


def test_nobody_knows_the_surface_of_something_else() -> None:
    with pytest.raises(KeyError):
        texture_png("velvet", (1, 1, 1))
