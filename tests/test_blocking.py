"""Blocking: where puppets stand, which way they face and look, and what their lights do."""

from typing import Any

import numpy as np
import pytest
from film_makers import a_puppet, a_set, a_shot, sample_puppet
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.blocking import Blocking
from film_pipeline.core.meshes import Array
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.sets import SetDescription
from film_pipeline.core.shot import Light

FRAMES = tuple(range(1001, 1026))
ROOM = a_set(
    pieces=[
        {"name": "desk", "kind": "table", "at": [2, 3, 0]},
        {"name": "window", "kind": "window", "at": [-3, 0, 1]},
    ],
    marks={"door": {"at": [1, -2, 0.5], "facing": 90}, "centre": {"at": [0, 0, 0]}},
)


def blocked(*cast: dict[str, Any], set_: SetDescription = ROOM, **shot: Any) -> Blocking:
    members = [{"character": name, **member} for name, member in zip(("pim", "odile"), cast, strict=False)]
    puppets = {member["character"]: a_puppet(member["character"], height_m=1.7) for member in members}
    return Blocking(a_shot(length=25, cast=members, **shot), set_, puppets, FRAMES)


def stands(blocking: Blocking, frame: int = 1001, name: str = "pim") -> tuple[Array, float]:
    """Where a puppet stands, and the degrees it faces."""
    root = blocking.roots[name][frame]
    return root[:3, 3], float(np.degrees(np.arctan2(root[1, 0], root[0, 0])))


def faces(blocking: Blocking, frame: int = 1001, name: str = "pim") -> Array:
    return -blocking.roots[name][frame][:3, 1]


def heading(blocking: Blocking, at: Array, frame: int, name: str = "pim") -> float:
    """Degrees between where a puppet's eyes look and a place."""
    joints = blocking.cast[name].joints(blocking.poses[name][frame], blocking.roots[name][frame])
    looks = -joints["eye_left"][:3, 1] / np.linalg.norm(joints["eye_left"][:3, 1])
    way = at - eyes(blocking, frame, name)
    return float(np.degrees(np.arccos(np.clip(looks @ way / np.linalg.norm(way), -1, 1))))


def eyes(blocking: Blocking, frame: int, name: str) -> Array:
    return blocking.subject(name, frame).landmarks["eyes"]


def test_a_puppet_stands_where_its_mark_lies_and_faces_as_the_mark_does() -> None:
    at, facing = stands(blocked({"at": "door"}))
    assert list(at) == [1, -2, 0.5]
    assert facing == pytest.approx(90)


def test_a_facing_that_is_said_goes_before_the_marks() -> None:
    assert stands(blocked({"at": "door", "facing": -30}))[1] == pytest.approx(-30)
    assert stands(blocked({"at": "door", "facing": 0.0}))[1] == pytest.approx(0)


@pytest.mark.parametrize(
    ("what", "place"), [("desk", (2, 3)), ("window", (-3, 0)), ("door", (1, -2)), ("odile", (0, -4))]
)
def test_a_puppet_faces_a_piece_a_mark_or_somebody(what: str, place: tuple[float, float]) -> None:
    blocking = blocked({"at": [0.5, 0.5, 0], "facing": what}, {"at": [0, -4, 0]})
    way = np.array([*place, 0.0]) - [0.5, 0.5, 0]
    assert faces(blocking) == pytest.approx(way / np.linalg.norm(way), abs=0.02)


@given(st.floats(-720, 720), st.floats(-720, 720))
@settings(deadline=None, max_examples=30)
def test_a_puppet_turns_the_shorter_way_round(first: float, second: float) -> None:
    keys = [{"frame": 1001, "facing": first, "ease": "linear"}, {"frame": 1025, "facing": second}]
    blocking = blocked({"keys": keys})
    whole = (second - first + 180) % 360 - 180
    for frame in (1001, 1007, 1013, 1025):
        turned = (stands(blocking, frame)[1] - first + 180) % 360 - 180
        part = whole * (frame - 1001) / 24
        assert (turned - part + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_a_puppet_walks_from_key_to_key_and_keeps_its_place_where_a_key_names_none() -> None:
    keys = [
        {"frame": 1001, "at": "centre"},
        {"frame": 1005, "ease": "linear"},
        {"frame": 1013, "at": [4, 0, 0], "facing": 45},
        {"frame": 1021},
    ]
    blocking = blocked({"keys": keys})
    along = [float(stands(blocking, frame)[0][0]) for frame in (1001, 1003, 1005, 1009, 1013, 1017, 1025)]
    assert along == pytest.approx([0, 0, 0, 2, 4, 4, 4])
    assert stands(blocking, 1025)[1] == pytest.approx(45)


def test_a_key_on_a_mark_faces_as_the_mark_does_unless_it_says_otherwise() -> None:
    marked = blocked({"keys": [{"frame": 1001, "at": "centre"}, {"frame": 1013, "at": "door"}]})
    assert stands(marked, 1013)[1] == pytest.approx(90)
    said = blocked({"keys": [{"frame": 1001, "at": "centre"}, {"frame": 1013, "at": "door", "facing": "desk"}]})
    assert faces(said, 1013) == pytest.approx(np.array([1, 5, 0]) / np.hypot(1, 5), abs=0.01)


def test_a_place_is_a_mark_a_pieces_middle_or_somebodys_eyes() -> None:
    blocking = blocked({"at": [0, 0, 2], "keys": [{"pose": "sit"}]})
    assert list(blocking.place((1, 2, 3))) == [1, 2, 3]
    assert list(blocking.place("door")) == [1, -2, 0.5]
    assert blocking.place("desk") == pytest.approx([2, 3, 0.37], abs=0.02)
    assert blocking.place("pim", 1001) == pytest.approx(eyes(blocking, 1001, "pim"))


def test_a_piece_that_the_shot_moves_is_where_the_shot_has_it() -> None:
    moved = blocked({}, pieces={"desk": {"at": [-5, 0, 1]}})
    assert moved.place("desk") == pytest.approx([-5, 0, 1.37], abs=0.02)
    assert moved.subject("desk", 1001).landmarks["floor"][2] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("pose", ["stand", "sit", "bow"])
@pytest.mark.parametrize("how", ["looks at a standing puppet", "looks at a puppet that moves"])
def test_eyes_meet_the_eyes_of_whom_they_look_at(pose: str, how: str) -> None:
    other = [{"frame": 1001, "pose": pose, "at": [0.4, -2, 0]}]
    if "moves" in how:
        other.append({"frame": 1025, "pose": "sit", "at": [1.6, -2, 0]})
    blocking = blocked({"keys": [{"look_at": "odile"}]}, {"facing": 180, "keys": other})
    for frame in (1001, 1013, 1025):
        assert heading(blocking, eyes(blocking, frame, "odile"), frame) < 10


def test_two_puppets_can_look_at_each_other() -> None:
    blocking = blocked(
        {"at": [0, 0, 0], "keys": [{"look_at": "odile"}]},
        {"at": [0.5, -1.5, 0], "facing": 180, "keys": [{"pose": "sit", "look_at": "pim"}]},
    )
    assert heading(blocking, eyes(blocking, 1001, "odile"), 1001, "pim") < 10
    assert heading(blocking, eyes(blocking, 1001, "pim"), 1001, "odile") < 10


def test_a_look_is_eased_from_one_thing_to_the_next() -> None:
    keys = [{"frame": 1001, "look_at": "left", "ease": "linear"}, {"frame": 1025, "look_at": "right"}]
    set_ = a_set(marks={"left": {"at": [3, -3, 1.6]}, "right": {"at": [-3, -3, 1.6]}})
    blocking = blocked({"keys": keys}, set_=set_)
    assert heading(blocking, np.array([3, -3, 1.6]), 1001) < 10
    assert heading(blocking, np.array([0, -3, 1.6]), 1013) < 10
    assert heading(blocking, np.array([-3, -3, 1.6]), 1025) < 10


def test_a_light_that_follows_a_hand_goes_with_it_and_shines_on_its_target() -> None:
    keys = [{"frame": 1001, "pose": "stand", "at": "centre"}, {"frame": 1025, "pose": "wave", "at": [3, 0, 0]}]
    blocking = blocked({"keys": keys})
    light = Light(follows="pim.hand_left", position=(0, 0, -0.1), target="desk")
    for frame in (1001, 1013, 1025):
        matrix = blocking.light_matrix(light, frame)
        hand = blocking.cast["pim"].joints(blocking.poses["pim"][frame], blocking.roots["pim"][frame])["hand_left"]
        assert matrix[:3, 3] == pytest.approx((hand @ [0, 0, -0.1, 1])[:3])
        way = blocking.place("desk") - matrix[:3, 3]
        assert -matrix[:3, 2] == pytest.approx(way / np.linalg.norm(way))


def test_a_sphere_may_stand_in_its_target_but_no_other_light_knows_where_to_shine() -> None:
    blocking = blocked({})
    here: dict[str, Any] = {"position": (1, 1, 1), "target": (1, 1, 1)}
    sphere = blocking.light_matrix(Light(kind="sphere", **here), 1001)
    assert np.linalg.det(sphere[:3, :3]) == pytest.approx(1)
    for kind in ("rect", "disk", "distant"):
        with pytest.raises(FilmProblem, match="stands in what it shines on"):
            blocking.light_matrix(Light(kind=kind, **here), 1001)


def test_a_subject_is_a_puppet_by_its_marks_or_a_piece_by_its_box() -> None:
    blocking = blocked({"at": [1, 1, 0], "facing": 70})
    puppet, piece = blocking.subject("pim", 1001), blocking.subject("desk", 1001)
    assert puppet.facing_deg == pytest.approx(70)
    assert puppet.landmarks["crown"][2] > puppet.landmarks["eyes"][2] > puppet.landmarks["chin"][2]
    assert not puppet.is_piece and puppet.half_width_m > 0
    assert piece.is_piece
    assert piece.landmarks["crown"][2] == pytest.approx(0.74, abs=0.02)
    assert piece.landmarks["floor"] == pytest.approx([2, 3, 0], abs=0.02)
    with pytest.raises(FilmProblem, match="no 'chair' in this shot"):
        blocking.subject("chair", 1001)


@pytest.mark.parametrize("name", ["odile", "pim"])
def test_a_puppet_that_sits_is_looked_at_where_its_eyes_really_are(name: str) -> None:
    shot = a_shot(cast=[{"character": name, "keys": [{"pose": "sit_write"}]}])
    blocking = Blocking(shot, ROOM, {name: sample_puppet(name)}, [1001])
    assert blocking.place(name, 1001)[2] < 0.85 * sample_puppet(name).file.height_m
