"""Light and air in the comp: depth atmosphere, the glow of practicals, flicker and dust. All scene-linear."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from film_pipeline.core.look_operations import Atmosphere, Dust, Flicker, Glow
from film_pipeline.finishing.grade import warmth
from film_pipeline.finishing.noise import key_of, uniform
from film_pipeline.finishing.resize import largest, reduce, resize_plane

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]


def add_atmosphere(picture: Picture, atmosphere: Atmosphere, depth: Plane) -> Picture:
    """The further away, the more of the air's colour. depth: metres, may be smaller than the picture (h, w, 3)."""
    share = np.clip((depth - atmosphere.start_m) / max(atmosphere.end_m - atmosphere.start_m, 1e-3), 0, 1)
    share = atmosphere.amount * share * share * (3 - 2 * share)
    share = resize_plane(share.astype(np.float32), (picture.shape[1], picture.shape[0]))
    for channel in range(3):
        picture[..., channel] += share * (np.float32(atmosphere.color[channel]) - picture[..., channel])
    return picture


def add_glow(picture: Picture, glow: Glow, mattes: Mapping[str, Plane]) -> Picture:
    """Light over the threshold spreads, in three reaches, as a lens and thick air spread it."""
    height, width = picture.shape[:2]
    by = max(2, round(4 * height / 720))
    source = reduce(picture, by)
    bright = largest(source)
    share = np.clip((bright - glow.threshold) / np.maximum(bright, 1e-6), 0, 1)
    if glow.mattes:
        share = share * _covered(glow.mattes, mattes, (source.shape[1], source.shape[0]))
    if glow.warm_only > 0:
        share = share * (1 - glow.warm_only * (1 - warmth(source, 0.3, 0.6)))
    source = source * share[..., None]
    reach = glow.size * height / 720 / by
    for channel in range(3):
        lamp = source[..., channel]
        if not lamp.any():
            continue
        halo = sum(
            weight * ndimage.gaussian_filter(lamp, reach * part, truncate=3.0, mode="nearest")
            for weight, part in ((0.5, 0.12), (0.3, 0.4), (0.2, 1.0))
        )
        amount = np.float32(glow.amount * glow.tint[channel])
        picture[..., channel] += amount * _enlarged(np.asarray(halo, np.float32), by, height, width)
    return picture


def add_flicker(picture: Picture, flicker: Flicker, shot: str, drawing: int) -> Picture:
    """The exposure of one drawing, a little off."""
    off = float(uniform(key_of("flicker", shot, flicker.seed, drawing), 4).sum()) - 2
    picture *= np.float32(2 ** (flicker.stops * off))
    return picture


def add_dust(picture: Picture, dust: Dust, depth: Plane, shot: str, frame: int) -> Picture:
    """Motes that drift, lit by the light around them and hidden by what is before them. They move by film frames."""
    height, width = picture.shape[:2]
    unit = height / 720
    light = ndimage.gaussian_filter(reduce(picture, 8), (6 * unit, 6 * unit, 0), truncate=2.5, mode="nearest")
    drawn = uniform(key_of("dust", shot, dust.seed), dust.count, 8)
    for place_x, place_y, deep, turn, speed, large, bright, phase in drawn:
        distance = dust.near_m + (dust.far_m - dust.near_m) * deep
        nearness = dust.near_m / distance
        angle = 2 * np.pi * turn
        travelled = dust.drift * unit * (0.3 + speed) * (0.35 + nearness) * frame
        sway = 5 * unit * np.sin(frame * (0.03 + 0.05 * speed) + 2 * np.pi * phase)
        x = (place_x * width + np.cos(angle) * travelled + sway) % (width + 40 * unit) - 20 * unit
        y = (place_y * height + 0.5 * np.sin(angle) * travelled + 0.6 * sway) % (height + 40 * unit) - 20 * unit
        row, column = int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))
        if depth[row * depth.shape[0] // height, column * depth.shape[1] // width] < distance:
            continue
        radius = max(dust.size * unit * (0.5 + large) * (0.45 + 1.2 * nearness), 0.4)
        twinkle = 0.6 + 0.4 * np.sin(frame * 0.11 + 2 * np.pi * bright)
        # A mote near the lens is out of focus: as much light, over more of the picture.
        strength = dust.amount * (0.4 + bright) * twinkle * min(1.0, (1.5 * unit / radius) ** 0.7)
        color = light[min(row // 8, light.shape[0] - 1), min(column // 8, light.shape[1] - 1)] * np.float32(strength)
        _add_mote(picture, float(x), float(y), float(radius), color)
    return picture


def _add_mote(picture: Picture, x: float, y: float, radius: float, color: NDArray[np.float32]) -> None:
    reach = int(2.5 * radius) + 2
    rows = slice(max(int(y) - reach, 0), max(min(int(y) + reach + 1, picture.shape[0]), 0))
    columns = slice(max(int(x) - reach, 0), max(min(int(x) + reach + 1, picture.shape[1]), 0))
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5 - y
    across = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + 0.5 - x
    mote = np.exp(-(((down * down + across * across) / np.float32(radius * radius)) ** 2))
    picture[rows, columns] += mote[..., None].astype(np.float32) * color


def _covered(names: tuple[str, ...], mattes: Mapping[str, Plane], size: tuple[int, int]) -> Plane:
    """The named identities' mattes together, their parts too; names that this shot has not are not in the picture."""
    found = [
        resize_plane(matte, size)
        for name, matte in mattes.items()
        if any(name == wanted or name.startswith(f"{wanted}_") for wanted in names)
    ]
    return np.minimum(sum(found, np.zeros(size[::-1], np.float32)), 1)


def _enlarged(plane: Plane, by: int, height: int, width: int) -> Plane:
    return resize_plane(plane, (plane.shape[1] * by, plane.shape[0] * by))[:height, :width]
