"""The puppets' skeleton: symmetric, as tall as it says, and moved joint by joint."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.meshes import rotation
from film_pipeline.core.puppet import Proportions
from film_pipeline.core.skeleton import PARENTS, Skeleton, humanoid


@st.composite
def skeletons(draw: st.DrawFn) -> tuple[float, Skeleton]:
    """A skeleton of any build that a character.yaml may ask for, and its height."""
    height = draw(st.floats(0.1, 19))
    build = {"head": (0.06, 0.59), "neck": (0.01, 0.29), "legs": (0.21, 0.79), "arms": (0.31, 1.9)}
    spread = {name: build.get(name, (0.21, 2.9)) for name in Proportions.model_fields}
    return height, humanoid(height, {name: draw(st.floats(*low_high)) for name, low_high in spread.items()})


JOINTS = st.sampled_from(sorted(PARENTS))


def is_below(joint: str, ancestor: str) -> bool:
    parent = PARENTS[joint]
    return joint == ancestor or (parent is not None and is_below(parent, ancestor))


def test_parents_stand_before_their_children() -> None:
    names = list(PARENTS)
    assert all(parent is None or names.index(parent) < names.index(joint) for joint, parent in PARENTS.items())


@settings(deadline=None)
@given(skeletons())
def test_at_rest_every_joint_is_where_the_skeleton_says(made: tuple[float, Skeleton]) -> None:
    height, skeleton = made
    world = skeleton.world({}, {}, np.zeros(3), np.eye(4))
    for name, place in skeleton.rest.items():
        assert world[name][:3, 3] == pytest.approx(place, abs=1e-9)
        assert -1e-9 <= place[2] <= height


@settings(deadline=None)
@given(skeletons())
def test_left_and_right_are_each_others_mirror(made: tuple[float, Skeleton]) -> None:
    _, skeleton = made
    for name, (x, y, z) in skeleton.rest.items():
        if name.endswith("_left"):
            assert x > 0
            assert skeleton.rest[name.replace("_left", "_right")] == pytest.approx((-x, y, z))


@settings(deadline=None)
@given(skeletons())
def test_limbs_and_spine_run_the_way_a_body_does(made: tuple[float, Skeleton]) -> None:
    _, skeleton = made
    up = [
        skeleton.rest[name][2] for name in ("root", "foot_left", "shin_left", "hips", "spine", "chest", "neck", "head")
    ]
    assert up == sorted(up)
    down = [skeleton.rest[f"{name}_left"][2] for name in ("arm", "forearm", "hand", "fingers")]
    assert down == sorted(down, reverse=True)


def test_joints_are_named_by_their_whole_way_from_the_root() -> None:
    skeleton = humanoid(1.7, dict(Proportions()))
    paths = dict(zip(skeleton.names, skeleton.paths, strict=True))
    assert paths["root"] == "root"
    assert paths["hand_left"] == "root/hips/spine/chest/shoulder_left/arm_left/forearm_left/hand_left"


@settings(deadline=None)
@given(JOINTS, st.sampled_from("xyz"), st.floats(-170, 170).filter(lambda degrees: abs(degrees) > 1))
def test_a_joint_moves_what_hangs_on_it_and_nothing_else(joint: str, axis: str, degrees: float) -> None:
    skeleton = humanoid(1.7, dict(Proportions()))
    still = skeleton.world({}, {}, np.zeros(3), np.eye(4))
    turned = skeleton.world({joint: rotation(axis, degrees)}, {}, np.zeros(3), np.eye(4))
    for name in skeleton.names:
        if is_below(name, joint):
            assert turned[name][:3, :3] == pytest.approx(rotation(axis, degrees))
            # Turned about the joint: as far from it as before.
            before = np.linalg.norm(still[name][:3, 3] - still[joint][:3, 3])
            assert np.linalg.norm(turned[name][:3, 3] - still[joint][:3, 3]) == pytest.approx(before)
        else:
            assert np.array_equal(turned[name], still[name])


@settings(deadline=None)
@given(st.dictionaries(JOINTS, st.floats(-90, 90)), st.floats(-180, 180), st.tuples(*[st.floats(-9, 9)] * 3))
def test_a_puppet_that_is_put_elsewhere_keeps_its_pose(
    bends: dict[str, float], facing: float, at: tuple[float, ...]
) -> None:
    skeleton = humanoid(1.7, dict(Proportions()))
    turns = {joint: rotation("x", degrees) for joint, degrees in bends.items()}
    root = np.eye(4)
    root[:3, :3], root[:3, 3] = rotation("z", facing), at
    here = skeleton.world(turns, {}, np.zeros(3), np.eye(4))
    there = skeleton.world(turns, {}, np.zeros(3), root)
    assert all(there[name] == pytest.approx(root @ here[name], abs=1e-9) for name in skeleton.names)


def test_the_hips_take_the_whole_body_along() -> None:
    skeleton = humanoid(1.7, dict(Proportions()))
    still = skeleton.world({}, {}, np.zeros(3), np.eye(4))
    sunk = skeleton.world({}, {}, np.array([0, 0, -0.3]), np.eye(4))
    moved = {name: float(sunk[name][2, 3] - still[name][2, 3]) for name in skeleton.names}
    assert moved.pop("root") == 0
    assert set(np.round(list(moved.values()), 9)) == {-0.3}
