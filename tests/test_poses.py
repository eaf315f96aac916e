"""Poses: blends, mirrors, keys and the eases between them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from film_pipeline.core.meshes import Array
from film_pipeline.core.poses import (
    FACE,
    HANDS,
    POSES,
    Pose,
    _both,
    between_keys,
    eased,
    key_pose,
    library,
    perform,
)
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.puppet import Proportions
from film_pipeline.core.shot import PoseKey
from film_pipeline.core.skeleton import PARENTS, humanoid

EASES = ("linear", "in", "out", "in-out", "hold")
SKELETON = humanoid(1.7, dict(Proportions()))
# Turns that no joint of a puppet goes beyond; a blend takes the shorter way round.
TURN = st.tuples(*[st.floats(-80, 80)] * 3)
TURNS = st.dictionaries(st.sampled_from(sorted(PARENTS)), TURN, max_size=5)
LIBRARY = st.sampled_from(sorted(POSES))


def turns_between(first: Pose, second: Pose) -> dict[str, float]:
    """How far each joint is turned from one pose to the other, in degrees."""
    still = Rotation.identity()
    return {
        joint: float(
            np.degrees((first.rotations.get(joint, still).inv() * second.rotations.get(joint, still)).magnitude())
        )
        for joint in {**first.rotations, **second.rotations}
    }


def places(pose: Pose) -> dict[str, Array]:
    world = SKELETON.world(pose.matrices(), pose.scales, np.zeros(3), np.eye(4))
    return {name: matrix[:3, 3] for name, matrix in world.items()}


def keys(*written: dict[str, object]) -> list[PoseKey]:
    return [PoseKey.model_validate(key) for key in written]


@settings(deadline=None)
@given(TURNS, TURNS)
def test_a_blend_begins_at_the_one_pose_and_ends_at_the_other(one: dict, other: dict) -> None:
    first, second = Pose.of(one), Pose.of(other)
    assert first.towards(second, 0) == first
    assert first.towards(second, 1) == second
    assert all(abs(turn) < 1e-6 for turn in turns_between(first.towards(second, 1e-12), first).values())
    assert all(abs(turn) < 1e-6 for turn in turns_between(first.towards(second, 1 - 1e-12), second).values())


@settings(deadline=None)
@given(TURNS, TURNS, st.floats(0.01, 0.99))
def test_a_blend_goes_the_straight_way_and_as_far_as_it_says(one: dict, other: dict, amount: float) -> None:
    first, second = Pose.of(one), Pose.of(other)
    blend = first.towards(second, amount)
    whole, done, left = (turns_between(*pair) for pair in ((first, second), (first, blend), (blend, second)))
    for joint, turn in whole.items():
        assert done[joint] == pytest.approx(turn * amount, abs=1e-5)
        assert left[joint] == pytest.approx(turn * (1 - amount), abs=1e-5)


@settings(deadline=None)
@given(st.floats(0, 1))
def test_scales_are_blended_too_and_a_joint_without_one_is_as_large_as_ever(amount: float) -> None:
    wide = Pose().towards(FACE["jaw_open"], amount)
    assert wide.scales.get("mouth", np.ones(3)) == pytest.approx(1 + amount * (np.array([0.85, 1.0, 4.2]) - 1))


@settings(deadline=None)
@given(TURNS)
def test_both_sides_of_a_pose_are_each_others_mirror(turns: dict) -> None:
    left = {joint: turn for joint, turn in turns.items() if joint.endswith("_left")}
    both = Pose.of(_both(left))
    stood = places(both)
    for joint, place in stood.items():
        if joint.endswith("_left"):
            assert stood[joint.replace("_left", "_right")] == pytest.approx(place * [-1, 1, 1], abs=1e-9)


@pytest.mark.parametrize(("left", "right"), [("walk_a", "walk_b"), ("neutral", "neutral"), ("sit", "sit")])
def test_a_stride_with_the_left_is_the_mirror_of_one_with_the_right(left: str, right: str) -> None:
    one, other = places(Pose.of(POSES[left])), places(Pose.of(POSES[right]))
    swapped = {"left": "right", "right": "left"}
    for joint, place in one.items():
        name, _, side = joint.rpartition("_")
        mirror = f"{name}_{swapped[side]}" if side in swapped else joint
        assert other[mirror] == pytest.approx(place * [-1, 1, 1], abs=1e-9)


def test_every_pose_and_shape_turns_joints_that_there_are() -> None:
    for turns in POSES.values():
        assert set(turns) <= set(PARENTS)
    for shape in (*FACE.values(), *HANDS.values()):
        assert {*shape.rotations, *shape.scales} <= set(PARENTS)
    assert {name.removesuffix("_left").removesuffix("_right") for name in HANDS} == {"grip", "fist", "spread", "point"}
    for name, shape in HANDS.items():
        side = "_left" if name.endswith("_left") else "_right"
        assert all(joint.endswith(side) for joint in shape.rotations)


@pytest.mark.parametrize("ease", EASES)
def test_every_ease_begins_at_0_and_ends_at_1_and_never_goes_back(ease: str) -> None:
    assert (eased(0, ease), eased(1, ease)) == (0, 1)
    passed = [eased(amount, ease) for amount in np.linspace(0, 1, 101)]
    assert all(0 <= now <= then <= 1 for now, then in pairwise(passed))


@settings(deadline=None)
@given(st.floats(0.001, 0.999))
def test_eases_hurry_and_linger_where_they_say(amount: float) -> None:
    assert eased(amount, "in") < eased(amount, "linear") < eased(amount, "out")
    assert eased(amount, "hold") == 0
    assert eased(amount, "in-out") == pytest.approx(1 - eased(1 - amount, "in-out"))
    assert (eased(amount, "in-out") < amount) == (amount < 0.5) or amount == pytest.approx(0.5)


@settings(deadline=None)
@given(LIBRARY, st.floats(0, 1))
def test_a_keys_blend_is_how_much_of_its_pose_stands_over_neutral(name: str, blend: float) -> None:
    neutral, whole = Pose.of(POSES["neutral"]), Pose.of(POSES[name])
    asked = key_pose(PoseKey(pose=name, blend=blend), library(), SKELETON.names)
    full, done = turns_between(neutral, whole), turns_between(neutral, asked)
    assert all(done.get(joint, 0) == pytest.approx(turn * blend, abs=1e-5) for joint, turn in full.items())


def test_a_key_adds_poses_joints_face_and_hands_to_its_pose() -> None:
    key = PoseKey(
        pose="point",
        with_poses={"look_up": 0.5},
        joints={"head": (10, 0, 0)},
        face={"blink": 0.5, "jaw_open": 1.0},
        hands={"grip_left": 1.0},
    )
    pose = key_pose(key, library(), SKELETON.names)
    halfway = Pose.of(POSES["point"]).towards(Pose.of(POSES["look_up"]), 0.5)
    added = (halfway.rotations["head"].inv() * pose.rotations["head"]).as_euler("xyz", degrees=True)
    assert added == pytest.approx([10, 0, 0], abs=1e-6)
    assert np.degrees(pose.rotations["lid_left"].magnitude()) == pytest.approx(39)
    assert pose.scales["mouth"] == pytest.approx([0.85, 1.0, 4.2])
    fingers = (halfway.rotations["fingers_left"].inv() * pose.rotations["fingers_left"]).as_euler("xyz", degrees=True)
    assert fingers == pytest.approx([0, 78, 0], abs=1e-6)


def test_a_puppets_own_pose_stands_beside_and_before_the_librarys() -> None:
    known = library({"crouch": {"spine": (30, 0, 0)}, "bow": {"spine": (1, 0, 0)}})
    assert set(known) == {*POSES, "crouch"}
    assert known["bow"] == {"spine": (1, 0, 0)}


@pytest.mark.parametrize(
    ("key", "steps", "mend"),
    [
        ({"pose": "sitt"}, ("pose",), "did you mean sit"),
        ({"pose": "qqq"}, ("pose",), "choose among neutral, stand"),
        ({"with_poses": {"wav": 0.5}}, ("with_poses", "wav"), "did you mean wave"),
        ({"joints": {"elbow_left": [1, 0, 0]}}, ("joints", "elbow_left"), "left"),
        ({"face": {"smle": 1}}, ("face", "smle"), "did you mean smile"),
        ({"hands": {"grip": 1}}, ("hands", "grip"), "did you mean grip_"),
    ],
)
def test_what_the_puppet_does_not_know_is_answered_with_what_is_near(
    key: dict[str, object], steps: tuple[str, ...], mend: str
) -> None:
    with pytest.raises(FilmProblem) as caught:
        perform([PoseKey.model_validate(key)], library(), SKELETON.names, [1001])
    assert caught.value.steps == ("keys", 0, *steps)
    assert mend in caught.value.mend


PERFORMANCE = keys(
    {"frame": 1005, "pose": "sit"},
    {"frame": 1015, "pose": "wave", "ease": "hold"},
    {"frame": 1025, "pose": "bow", "ease": "linear"},
    {"frame": 1045, "pose": "think"},
)


def test_at_a_key_the_puppet_is_exactly_in_its_pose() -> None:
    played = perform(PERFORMANCE, library(), SKELETON.names, [key.frame for key in PERFORMANCE])
    for key in PERFORMANCE:
        assert max(turns_between(played[key.frame], key_pose(key, library(), SKELETON.names)).values()) < 1e-6


def test_before_the_first_key_and_after_the_last_the_puppet_is_still() -> None:
    played = perform(PERFORMANCE, library(), SKELETON.names, [1001, 1005, 1045, 1090])
    assert max(turns_between(played[1001], played[1005]).values()) < 1e-6
    assert max(turns_between(played[1090], played[1045]).values()) < 1e-6


def test_a_key_that_holds_is_left_only_at_the_next() -> None:
    played = perform(PERFORMANCE, library(), SKELETON.names, range(1015, 1026))
    still = [max(turns_between(played[1015], played[frame]).values()) < 1e-6 for frame in range(1015, 1026)]
    assert still == [True] * 10 + [False]


def test_between_keys_the_puppet_turns_as_far_as_the_ease_has_come() -> None:
    played = perform(PERFORMANCE, library(), SKELETON.names, [1025, 1030, 1045])
    whole, done = turns_between(played[1025], played[1045]), turns_between(played[1025], played[1030])
    assert all(done[joint] == pytest.approx(turn / 4, abs=1e-5) for joint, turn in whole.items())


@settings(deadline=None)
@given(st.integers(1001, 1060))
def test_a_frame_follows_the_last_key_before_it(frame: int) -> None:
    place, amount = between_keys(PERFORMANCE, frame)
    assert 0 <= amount <= 1
    assert PERFORMANCE[place].frame <= frame or place == 0
    assert place == len(PERFORMANCE) - 1 or frame < PERFORMANCE[place + 1].frame
