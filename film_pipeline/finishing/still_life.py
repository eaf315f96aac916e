"""A ray-cast still life with every pass: what finishing is tried and measured on where no engine has rendered yet.

A room of planks and a floor, a big and a small sphere, a lamp's warm globe, one hard key from the left.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
NOTHING_M = 1e10


@dataclass(frozen=True)
class StillLife:
    """Passes as finishing wants them: beauty (h, w, 3) scene-linear, depth in metres, normal in world space, mattes."""

    beauty: NDArray[np.float32]
    depth: Plane
    normal: NDArray[np.float32]
    mattes: dict[str, Plane]


_SPHERES = {
    "odile": ((-0.75, 3.6, 0.95), 0.95, (0.32, 0.33, 0.36)),
    "pim": ((0.9, 2.9, 0.42), 0.42, (0.22, 0.22, 0.24)),
    "lamp": ((0.25, 3.9, 1.55), 0.17, (1.0, 0.6, 0.25)),
}
_PLANES = {
    "floor": ((0.0, 0.0, 1.0), 0.0, (0.16, 0.14, 0.13)),
    "wall": ((0.0, -1.0, 0.0), -6.0, (0.3, 0.29, 0.28)),
    "side": ((-1.0, 0.0, 0.0), -2.6, (0.28, 0.27, 0.27)),
}
_NAMES = (*_SPHERES, *_PLANES)
_EYE = np.array([0.0, -0.6, 1.25])
_KEY = np.array([-3.4, 0.4, 3.2])
_LAMP = np.array(_SPHERES["lamp"][0])


@lru_cache(maxsize=4)
def still_life(size: tuple[int, int] = (640, 360)) -> StillLife:
    """The still life at a size (w, h): a beauty of four samples a pixel, passes of one, as quick renders are."""
    rays = _rays(size)
    depth, normal, identity = _cast(_EYE, rays)
    fine = _beauty((size[0] * 2, size[1] * 2))
    beauty = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4
    mattes = {name: (identity == place).astype(np.float32) for place, name in enumerate(_NAMES)}
    return StillLife(beauty.astype(np.float32), depth.astype(np.float32), normal.astype(np.float32), mattes)


def _beauty(size: tuple[int, int]) -> NDArray[np.float64]:
    rays = _rays(size)
    depth, normal, identity = _cast(_EYE, rays)
    point = _EYE + rays * np.where(depth < NOTHING_M, depth, 0)[..., None]
    albedo = np.zeros((*depth.shape, 3))
    for place, name in enumerate(_NAMES):
        albedo[identity == place] = {**_SPHERES, **_PLANES}[name][2]
    planks = 0.75 + 0.25 * (np.abs((point[..., 0] * 2.3 + point[..., 1] * 1.7) % 1 - 0.5) > 0.03)
    on_wall = np.isin(identity, [_NAMES.index("wall"), _NAMES.index("side")])
    albedo *= np.where(on_wall, planks, 1.0)[..., None]
    light = np.full((*depth.shape, 3), (0.006, 0.008, 0.012))
    for position, color, power, hard in ((_KEY, (0.82, 0.92, 1.0), 34.0, True), (_LAMP, (1.0, 0.55, 0.2), 1.6, False)):
        light += _lit(point, normal, position, hard)[..., None] * np.array(color) * power
    beauty = albedo * light
    beauty[identity == _NAMES.index("lamp")] = np.array([1.0, 0.5, 0.16]) * 4
    return beauty


def _rays(size: tuple[int, int]) -> NDArray[np.float64]:
    width, height = size
    across = ((np.arange(width) + 0.5) / width - 0.5) * width / height
    down = 0.5 - (np.arange(height) + 0.5) / height
    x, z = np.meshgrid(across, down)
    # y is 1 along the view, so that a ray's length in steps of y is the depth that engines write.
    return np.stack([x, np.ones_like(x), z - 0.06], axis=-1)


def _cast(
    origin: NDArray[np.float64], rays: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    depth = np.full(rays.shape[:2], NOTHING_M)
    normal = np.zeros_like(rays)
    identity = np.full(rays.shape[:2], -1)
    for place, (center, radius, _) in enumerate(_SPHERES.values()):
        reach = _hit_sphere(origin, rays, np.array(center), radius)
        nearer = reach < depth
        depth[nearer] = reach[nearer]
        point = origin + rays * np.where(nearer, reach, 0)[..., None]
        normal[nearer] = ((point - center) / radius)[nearer]
        identity[nearer] = place
    for place, (facing, offset, _) in enumerate(_PLANES.values(), start=len(_SPHERES)):
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (offset - origin @ np.array(facing)) / (rays @ np.array(facing))
        nearer = (reach > 1e-3) & (reach < depth)
        depth[nearer] = reach[nearer]
        normal[nearer] = facing
        identity[nearer] = place
    return depth, normal, identity


def _hit_sphere(
    origin: NDArray[np.float64], rays: NDArray[np.float64], center: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    away = origin - center
    a = (rays * rays).sum(axis=-1)
    b = (rays * away).sum(axis=-1)
    c = (away * away).sum(axis=-1) - radius**2
    inside = b * b - a * c
    reach = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where((inside > 0) & (reach > 1e-3), reach, NOTHING_M)


def _lit(
    point: NDArray[np.float64], normal: NDArray[np.float64], light: NDArray[np.float64], hard: bool
) -> NDArray[np.float64]:
    towards = light - point
    distance = np.sqrt((towards**2).sum(axis=-1))
    facing = np.maximum((normal * towards).sum(axis=-1) / distance, 0)
    lit = facing / distance**2
    if hard:
        for name in ("odile", "pim"):
            center, radius, _ = _SPHERES[name]
            shadow = _hit_sphere(point + normal * 1e-3, towards, np.array(center), radius)
            lit = np.where(shadow < 1, 0, lit)
    return np.asarray(lit)
