"""Meshes: closed, turned outwards, moved rigidly and skinned by weights that add up to one."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.meshes import (
    Array,
    Mesh,
    box,
    crooked,
    ellipsoid,
    lathe,
    merged,
    plank,
    rotation,
    shell,
    tube,
)

CLOSED: dict[str, Callable[[], Mesh]] = {
    "box": lambda: box((1.0, 2.0, 3.0)),
    "cut box": lambda: box((1.0, 2.0, 3.0), bevel=0.1),
    "lathe": lambda: lathe([(0, 0), (0.5, 0), (0.5, 2), (0, 2)], 48),
    "open lathe": lambda: lathe([(0.5, 0), (0.3, 1), (0.5, 2)]),
    "tube": lambda: tube([[0, 0, 0], [0, 0.5, 1], [0.2, 1, 2]], [0.2, 0.3, 0.1]),
    "falling tube": lambda: tube([[0, 0, 2], [0, 0, 1], [0, 0, 0]], [0.2, 0.3, 0.1]),
    "lying tube": lambda: tube([[0, -1, 0], [0, 0, 0.1], [0, 1, 0]], [0.2, 0.2, 0.2], flat=0.5),
    "ellipsoid": lambda: ellipsoid((1.0, 2.0, 3.0)),
    "plank": lambda: plank(2.0, 0.2, 0.03, seed=3),
}
MESHES = st.sampled_from(sorted(CLOSED)).map(lambda name: CLOSED[name]())
ANGLES = st.floats(-720, 720)
PLACES = st.tuples(*[st.floats(-10, 10)] * 3)


def faces(mesh: Mesh) -> list[list[int]]:
    ends = np.cumsum(mesh.counts)
    return [list(mesh.indices[end - count : end]) for end, count in zip(ends, mesh.counts, strict=True)]


def volume(mesh: Mesh) -> float:
    """By the divergence theorem: more than 0 where the faces look outwards."""
    corners = [(face[0], b, c) for face in faces(mesh) for b, c in pairwise(face[1:])]
    first, second, third = (mesh.points[list(places)] for places in zip(*corners, strict=True))
    return float(np.sum(first * np.cross(second, third)) / 6)


def areas(mesh: Mesh) -> Array:
    """Of each face, by its first three corners and its last."""
    found = []
    for face in faces(mesh):
        a, b, c, d = (mesh.points[face[place]] for place in (0, 1, 2, -1))
        found.append(np.linalg.norm(np.cross(c - a, d - b) if len(face) > 3 else np.cross(b - a, c - a)) / 2)
    return np.array(found)


@pytest.mark.parametrize("name", CLOSED)
def test_every_edge_of_a_closed_mesh_is_shared_by_two_faces(name: str) -> None:
    edges = Counter((a, b) for face in faces(CLOSED[name]()) for a, b in zip(face, [*face[1:], face[0]], strict=True))
    assert all(count == 1 and edges[b, a] == 1 for (a, b), count in edges.items())


@pytest.mark.parametrize("name", CLOSED)
def test_the_faces_of_a_closed_mesh_look_outwards(name: str) -> None:
    assert volume(CLOSED[name]()) > 0


@pytest.mark.parametrize("name", CLOSED)
def test_every_corner_has_a_normal_of_length_one_and_a_place_on_the_texture(name: str) -> None:
    mesh = CLOSED[name]()
    assert mesh.normals().shape == (len(mesh.indices), 3)
    # Where a lathe closes in a point its last faces have no area: nobody sees them, whatever their normal.
    seen = np.repeat(areas(mesh) > 1e-9, mesh.counts)
    assert np.linalg.norm(mesh.normals(), axis=1)[seen] == pytest.approx(1)
    assert np.isfinite(mesh.normals()).all()
    assert mesh.st.shape == (len(mesh.indices), 2)
    assert np.isfinite(mesh.st).all()
    assert mesh.counts.sum() == len(mesh.indices)


def test_a_box_and_an_ellipsoid_are_as_large_as_they_say() -> None:
    assert volume(box((1, 2, 3))) == pytest.approx(6)
    assert 0.9 * 6 < volume(box((1, 2, 3), bevel=0.1)) < 6
    assert 0.97 < volume(ellipsoid((1, 2, 3), 48, 32)) / (np.pi * 6 / 6) < 1
    for mesh in (box((1, 2, 3)), box((1, 2, 3), bevel=0.1), ellipsoid((1, 2, 3), 48, 33)):
        low, high = mesh.bounds
        assert high - low == pytest.approx([1, 2, 3], rel=0.01)
        assert high + low == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize("name", ["box", "cut box", "ellipsoid"])
def test_the_normals_of_a_convex_mesh_look_away_from_its_middle(name: str) -> None:
    mesh = CLOSED[name]()
    seen = np.repeat(areas(mesh) > 1e-9, mesh.counts)
    assert np.all(np.sum(mesh.normals() * mesh.points[mesh.indices], axis=1)[seen] > 0)


@settings(max_examples=50, deadline=None)
@given(MESHES, st.sampled_from("xyz"), ANGLES, PLACES)
def test_turning_and_moving_change_no_shape(mesh: Mesh, axis: str, degrees: float, by: tuple[float, ...]) -> None:
    turn = rotation(axis, degrees)
    moved = mesh.turned(turn).moved(by)
    assert volume(moved.moved(-np.asarray(by))) == pytest.approx(volume(mesh), rel=1e-6)
    assert moved.normals() == pytest.approx(mesh.normals() @ turn.T, abs=1e-6)
    assert moved.moved(-np.asarray(by)).turned(turn.T).points == pytest.approx(mesh.points, abs=1e-9)


@given(PLACES.filter(lambda axis: np.linalg.norm(axis) > 0.1), ANGLES)
def test_a_rotation_is_rigid_and_keeps_its_axis(axis: tuple[float, ...], degrees: float) -> None:
    turn = rotation(axis, degrees)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert turn @ np.asarray(axis) == pytest.approx(np.asarray(axis), abs=1e-9)
    assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(np.radians(degrees)), abs=1e-9)


def test_rotations_are_counter_clockwise() -> None:
    assert rotation("z", 90) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    assert rotation("x", 90) @ [0, 1, 0] == pytest.approx([0, 0, 1])
    assert rotation("y", 90) @ [0, 0, 1] == pytest.approx([1, 0, 0])


WEIGHTS = st.lists(st.floats(-1, 5), min_size=8, max_size=8).map(np.array)


@given(st.dictionaries(st.sampled_from(["hips", "spine", "chest"]), WEIGHTS, min_size=1))
def test_weights_add_up_to_one_wherever_there_are_any(weights: dict[str, Array]) -> None:
    given_ = np.sum([np.maximum(weight, 0) for weight in weights.values()], axis=0)
    total = np.sum(list(box((1, 1, 1)).weighted(weights).joints.values()), axis=0)
    assert total[given_ > 1e-9] == pytest.approx(1)
    assert all((weight >= 0).all() for weight in box((1, 1, 1)).weighted(weights).joints.values())


def test_merged_meshes_keep_their_faces_and_their_weights() -> None:
    first, second = box((1, 1, 1)).bound("head"), ellipsoid((1, 1, 1)).moved((5, 0, 0)).bound("chest")
    both = merged([first, second])
    assert volume(both) == pytest.approx(volume(first) + volume(second))
    assert list(both.joints["head"]) == [1] * len(first.points) + [0] * len(second.points)
    assert list(both.joints["chest"]) == [0] * len(first.points) + [1] * len(second.points)
    assert not both.smooth


@given(st.integers(0, 2**32), st.floats(0, 0.1))
def test_a_hand_cuts_crooked_but_never_by_more_than_it_says(seed: int, amount: float) -> None:
    straight = box((1, 1, 1))
    off = np.abs(crooked(straight, amount, seed).points - straight.points)
    assert off.max() <= amount + 1e-12
    assert np.array_equal(crooked(straight, amount, seed).points, crooked(straight, amount, seed).points)


def test_no_two_boards_are_alike_and_one_seed_always_gives_the_same() -> None:
    assert np.array_equal(plank(1, 0.2, 0.03, 5).points, plank(1, 0.2, 0.03, 5).points)
    assert not np.array_equal(plank(1, 0.2, 0.03, 5).points, plank(1, 0.2, 0.03, 6).points)
    assert not np.array_equal(plank(1, 0.2, 0.03, 5).st, plank(1, 0.2, 0.03, 6).st)


def test_an_eyelid_is_a_part_of_its_ball() -> None:
    lid = shell((2, 2, 2), 8, 108)
    assert np.linalg.norm(lid.points, axis=1) == pytest.approx(1)
    assert len(lid.st) == len(lid.indices)
