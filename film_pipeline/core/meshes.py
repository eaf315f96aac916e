"""Meshes that puppets and sets are built of: each a numpy array of points with faces and texture coordinates.

Units are metres, Z up. Texture coordinates are metres too, so that a texture has the same grain on every piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Points (n, 3), faces as counts and point indices, st (corners, 2); smooth or flat shaded."""

    points: Array
    counts: NDArray[np.int64]
    indices: NDArray[np.int64]
    st: Array
    smooth: bool = False
    joints: dict[str, Array] = field(default_factory=dict)
    """Weights (n,) by the name of a joint, for a mesh that is skinned."""

    def moved(self, by: ArrayLike) -> Mesh:
        return replace(self, points=self.points + np.asarray(by, float))

    def scaled(self, by: ArrayLike) -> Mesh:
        return replace(self, points=self.points * np.asarray(by, float))

    def turned(self, matrix: Array) -> Mesh:
        """Turned by a (3, 3) rotation."""
        return replace(self, points=self.points @ np.asarray(matrix, float).T)

    def bound(self, joint: str) -> Mesh:
        """Bound to one joint only."""
        return replace(self, joints={joint: np.ones(len(self.points))})

    def weighted(self, joints: dict[str, Array]) -> Mesh:
        """Skinned by weights, which are made to add up to one at each point."""
        total = np.sum([np.maximum(weight, 0) for weight in joints.values()], axis=0)
        total = np.where(total <= 1e-9, 1.0, total)
        return replace(self, joints={name: np.maximum(weight, 0) / total for name, weight in joints.items()})

    def normals(self) -> Array:
        """A normal for each corner (corners, 3): its point's where smooth, its face's where flat."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        first, second, third = (self.points[self.indices[starts + place]] for place in (0, 1, 2))
        faces = np.cross(second - first, third - first)
        quads = self.counts >= 4
        if quads.any():
            fourth = self.points[self.indices[np.where(quads, starts + 3, starts)]]
            faces = np.where(quads[:, None], np.cross(third - first, fourth - second), faces)
        of_corner = np.repeat(np.arange(len(self.counts)), self.counts)
        if not self.smooth:
            return _unit(faces)[of_corner]
        summed = np.zeros_like(self.points)
        np.add.at(summed, self.indices, faces[of_corner])
        return _unit(summed)[self.indices]

    @property
    def bounds(self) -> tuple[Array, Array]:
        return self.points.min(axis=0), self.points.max(axis=0)


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length < 1e-12, 1.0, length)


def rotation(axis: str | ArrayLike, degrees: float) -> Array:
    """A (3, 3) rotation about x, y, z or any axis, counter-clockwise."""
    named = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
    x, y, z = _unit(np.asarray(named[axis] if isinstance(axis, str) else axis, float))
    angle = np.radians(degrees)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one; weights are kept, points that a mesh does not bind weigh nothing."""
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    names = sorted({name for mesh in meshes for name in mesh.joints})
    return Mesh(
        points=np.concatenate([mesh.points for mesh in meshes]),
        counts=np.concatenate([mesh.counts for mesh in meshes]),
        indices=np.concatenate([mesh.indices + offset for mesh, offset in zip(meshes, offsets, strict=False)]),
        st=np.concatenate([mesh.st for mesh in meshes]),
        smooth=all(mesh.smooth for mesh in meshes),
        joints={
            name: np.concatenate([mesh.joints.get(name, np.zeros(len(mesh.points))) for mesh in meshes])
            for name in names
        },
    )


def box(size: ArrayLike, bevel: float = 0.0) -> Mesh:
    """A box about the origin; with a bevel its edges are cut by that many metres."""
    half = np.asarray(size, float) / 2
    cut = min(bevel, float(half.min()) * 0.9)
    shape = _plain_box() if cut <= 0 else _cut_box()
    points = shape.signs * half - shape.cuts * max(cut, 0.0)
    return Mesh(points, shape.counts, shape.indices, points[shape.indices[:, None], shape.planes])


@dataclass(frozen=True)
class _Box:
    """How a box is put together, whatever its size: each point's corner, which way it is cut, and its faces."""

    signs: Array
    cuts: Array
    counts: NDArray[np.int64]
    indices: NDArray[np.int64]
    planes: NDArray[np.int64]


@lru_cache(maxsize=1)
def _plain_box() -> _Box:
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return _outwards(np.array(corners, float), np.zeros((8, 3)), faces)


@lru_cache(maxsize=1)
def _cut_box() -> _Box:
    """Each corner is three points, one for each face that it belongs to, drawn in along the other two axes."""
    index: dict[tuple[int, ...], int] = {}
    signs: list[tuple[int, ...]] = []
    cuts: list[tuple[int, ...]] = []
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    for corner in corners:
        for axis in range(3):
            index[(*corner, axis)] = len(signs)
            signs.append(corner)
            cuts.append(tuple(0 if other == axis else corner[other] for other in range(3)))
    faces: list[tuple[int, ...]] = []
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)

        def at(along: int, a: int, b: int, of: int, axis: int = axis, first: int = first, second: int = second) -> int:
            corner = [0, 0, 0]
            corner[axis], corner[first], corner[second] = along, a, b
            return index[(*corner, of)]

        for side in (-1, 1):
            faces.append(tuple(at(side, a, b, axis) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))))
        for a in (-1, 1):
            for b in (-1, 1):
                faces.append((at(-1, a, b, first), at(1, a, b, first), at(1, a, b, second), at(-1, a, b, second)))
    faces += [tuple(index[(*corner, axis)] for axis in range(3)) for corner in corners]
    return _outwards(np.array(signs, float), np.array(cuts, float), faces)


def _outwards(signs: Array, cuts: Array, faces: Sequence[Sequence[int]]) -> _Box:
    """Turn every face outwards, and find the plane that its texture lies on."""
    points = signs - cuts * 0.2
    turned: list[int] = []
    planes: list[tuple[int, int]] = []
    for face in faces:
        corners = points[list(face)]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        turned += list(face) if normal @ corners.mean(axis=0) >= 0 else list(reversed(face))
        planes += [[(1, 2), (0, 2), (0, 1)][int(np.argmax(np.abs(normal)))]] * len(face)
    return _Box(signs, cuts, np.array([len(face) for face in faces]), np.array(turned), np.array(planes))


def lathe(profile: Sequence[tuple[float, float]], segments: int = 24, smooth: bool = True) -> Mesh:
    """A profile of (radius, height), from below to above, turned about Z. A radius of 0 closes it."""
    path = [(0.0, 0.0, height) for _, height in profile]
    return tube(path, [radius for radius, _ in profile], segments, smooth=smooth, straight=True)


def tube(
    path: Sequence[ArrayLike],
    radii: Sequence[float],
    segments: int = 16,
    smooth: bool = True,
    straight: bool = False,
    flat: float = 1.0,
) -> Mesh:
    """A tube along a path, with a radius at each of its points; its ends are closed.

    straight: rings lie level, as in a lathe. flat: depth over width of its section.
    """
    spine = np.asarray(path, float)
    forward = np.tile([0.0, 0.0, 1.0], (len(spine), 1)) if straight else _unit(np.gradient(spine, axis=0))
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = []
    across = _unit(np.cross([0.0, 1.0, 0.0] if abs(forward[0] @ [0, 1, 0]) < 0.9 else [1.0, 0.0, 0.0], forward[0]))
    for place, radius in enumerate(radii):
        across = _unit(across - (across @ forward[place]) * forward[place])
        beside = np.cross(forward[place], across)
        rings.append(
            spine[place] + radius * (np.cos(angles)[:, None] * across + flat * np.sin(angles)[:, None] * beside)
        )
    points = np.concatenate([*rings, spine[:1], spine[-1:]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))])
    around = np.linspace(0, 1, segments + 1) * 2 * np.pi * max(*radii, 1e-4)
    indices, counts, st = [], [], []
    for ring in range(len(spine) - 1):
        for place in range(segments):
            after = (place + 1) % segments
            low, high = ring * segments, (ring + 1) * segments
            indices += [low + place, low + after, high + after, high + place]
            st += [
                (around[place], along[ring]),
                (around[place + 1], along[ring]),
                (around[place + 1], along[ring + 1]),
                (around[place], along[ring + 1]),
            ]
            counts.append(4)
    bottom, top, last = len(points) - 2, len(points) - 1, (len(spine) - 1) * segments
    for place in range(segments):
        after = (place + 1) % segments
        indices += [bottom, after, place, top, last + place, last + after]
        st += [(0.0, 0.0), (around[place + 1], 0.0), (around[place], 0.0)]
        st += [(0.0, along[-1]), (around[place], along[-1]), (around[place + 1], along[-1])]
        counts += [3, 3]
    return Mesh(points, np.array(counts), np.array(indices), np.array(st, float), smooth)


def ellipsoid(size: ArrayLike, segments: int = 24, rings: int = 14) -> Mesh:
    """An ellipsoid about the origin; size is its full width, depth and height."""
    turns = np.linspace(-np.pi / 2, np.pi / 2, rings)
    ball = lathe([(float(np.cos(turn)), float(np.sin(turn))) for turn in turns], segments)
    half = np.asarray(size, float) / 2
    return replace(ball.scaled(half), st=ball.st * float(half.max()))


def shell(size: ArrayLike, from_deg: float, to_deg: float, segments: int = 20, rings: int = 8) -> Mesh:
    """A part of an ellipsoid between two latitudes about the X axis: an eyelid."""
    turns = np.radians(np.linspace(from_deg, to_deg, rings))
    around = np.linspace(-np.pi / 2, np.pi / 2, segments)
    grid = np.array([[(np.sin(a), -np.cos(a) * np.cos(t), np.cos(a) * np.sin(t)) for a in around] for t in turns])
    points = grid.reshape(-1, 3) * np.asarray(size, float) / 2
    indices, st = [], []
    for ring in range(rings - 1):
        for place in range(segments - 1):
            corner = ring * segments + place
            indices += [corner, corner + 1, corner + segments + 1, corner + segments]
            st += [(place, ring), (place + 1, ring), (place + 1, ring + 1), (place, ring + 1)]
    counts = np.full((rings - 1) * (segments - 1), 4)
    return Mesh(points, counts, np.array(indices), np.array(st, float) * 0.01, smooth=True)


def crooked(mesh: Mesh, amount: float, seed: int) -> Mesh:
    """The mesh as a hand would have cut it: every point off by up to `amount` metres."""
    off = np.random.default_rng(seed).uniform(-amount, amount, mesh.points.shape)
    return replace(mesh, points=mesh.points + off)


def plank(length: float, width: float, thickness: float, seed: int, wear: float = 0.004) -> Mesh:
    """A board along X, its face towards -Y, cut by hand; each board shows another part of the grain."""
    board = crooked(box((length, thickness, width), bevel=min(0.006, thickness / 4)), wear, seed)
    shift = np.random.default_rng(seed + 7).uniform(0, 5, 2)
    return replace(board, st=board.st + shift)
