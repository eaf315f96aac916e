"""Puppets: built as described, planted on the floor in every pose, their heads turned no further than they go."""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_makers import NamedTextures, a_puppet, sample_puppet
from hypothesis import given, settings
from hypothesis import strategies as st
from pxr import Gf, Usd, UsdSkel

from film_pipeline.core.meshes import Array, Mesh, rotation
from film_pipeline.core.poses import POSES, Pose, library
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.puppet import Character, Garment, Material, Prop, read_character
from film_pipeline.core.puppet_build import Builder, author_performance, author_puppet
from film_pipeline.core.shot import PoseKey

HERE = np.eye(4)
SAMPLES = ("odile", "pim")
EVERY_POSE = [(name, pose) for name in SAMPLES for pose in library(sample_puppet(name).file.poses)]
OPENPOSE = str.split(
    "nose neck arm_right forearm_right hand_right arm_left forearm_left hand_left thigh_right shin_right foot_right "
    "thigh_left shin_left foot_left eye_right eye_left ear_right ear_left"
)


@lru_cache
def meshes_of(name: str) -> dict[str, Mesh]:
    return {part.name: part.mesh for part in Builder(sample_puppet(name)).parts()}


def posed(character: Character, name: str) -> Pose:
    return Pose.of(library(character.file.poses)[name])


def put(at: tuple[float, float, float], facing: float) -> Array:
    root = np.eye(4)
    root[:3, :3], root[:3, 3] = rotation("z", facing), at
    return root


def skinned(character: Character, pose: Pose, root: Array, points: Array, weights: dict[str, Array]) -> Array:
    """Points carried by their joints: each joint's matrix times the inverse of its own at rest, by weight."""
    rest = character.skeleton.world({}, {}, np.zeros(3), HERE)
    joints = character.joints(pose, root)
    whole = np.column_stack([points, np.ones(len(points))])
    carried = sum(
        weight[:, None] * (whole @ (joints[joint] @ np.linalg.inv(rest[joint])).T) for joint, weight in weights.items()
    )
    return np.asarray(carried)[:, :3]


def heading(character: Character, pose: Pose, target: Array, root: Array = HERE) -> float:
    """Degrees between where the eyes look and where the target is, seen from between the eyes."""
    joints = character.joints(pose, root)
    looks = -joints["eye_left"][:3, 1] / np.linalg.norm(joints["eye_left"][:3, 1])
    way = np.asarray(target) - character.landmarks(pose, root)["eyes"]
    return float(np.degrees(np.arccos(np.clip(looks @ way / np.linalg.norm(way), -1, 1))))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_puppet_that_stands_is_as_tall_as_it_says(name: str) -> None:
    puppet = sample_puppet(name)
    marks = puppet.landmarks(Pose(), HERE)
    assert marks["crown"][2] == pytest.approx(puppet.file.height_m)
    up = [
        marks[mark][2]
        for mark in ("floor", "ankles", "knees", "hips", "waist", "chest", "neck", "chin", "eyes", "crown")
    ]
    assert up == sorted(up)
    assert marks["floor"][2] == 0


@pytest.mark.parametrize(("name", "pose"), EVERY_POSE)
def test_in_every_pose_a_foot_is_planted_and_all_joints_are_somewhere(name: str, pose: str) -> None:
    puppet = sample_puppet(name)
    for root in (HERE, put((3, -2, 1.92), 137)):
        joints = puppet.joints(posed(puppet, pose), root)
        assert all(np.isfinite(matrix).all() for matrix in joints.values())
        floor, ankle = root[2, 3], puppet.skeleton.rest["foot_left"][2]
        assert min(joints[foot][2, 3] for foot in ("foot_left", "foot_right")) == pytest.approx(floor + ankle)
        for hand in ("hand_left", "hand_right"):
            assert floor < joints[hand][2, 3] < floor + 1.6 * puppet.file.height_m


@pytest.mark.parametrize(("name", "pose"), EVERY_POSE)
def test_in_every_pose_a_boot_stands_on_the_floor_and_none_goes_through_it(name: str, pose: str) -> None:
    puppet = sample_puppet(name)
    boots = [mesh for part, mesh in meshes_of(name).items() if part.startswith("boot")]
    soles = [skinned(puppet, posed(puppet, pose), HERE, boot.points, boot.joints)[:, 2].min() for boot in boots]
    assert len(boots) == 2
    assert abs(min(soles)) < 0.005 * puppet.file.height_m


@pytest.mark.parametrize("name", SAMPLES)
def test_every_part_of_a_puppet_is_whole_and_carried_by_its_joints(name: str) -> None:
    puppet = sample_puppet(name)
    parts = Builder(puppet).parts()
    assert max(Counter(part.name for part in parts).values()) == 1
    for part in parts:
        mesh = part.mesh
        assert np.isfinite(mesh.points).all() and np.isfinite(mesh.normals()).all()
        assert set(mesh.joints) <= set(puppet.skeleton.names)
        assert np.sum(list(mesh.joints.values()), axis=0) == pytest.approx(1)
        assert mesh.indices.min() >= 0 and mesh.indices.max() < len(mesh.points)
        assert mesh.counts.sum() == len(mesh.indices) == len(mesh.st)


@pytest.mark.parametrize("garment", Garment.__args__)
def test_every_garment_can_be_worn(garment: str) -> None:
    plain = {part.name for part in Builder(a_puppet()).parts()}
    parts = Builder(a_puppet(wardrobe=[{"kind": garment, "size": 1.3}], proportions={"head": 0.3})).parts()
    assert plain <= {part.name for part in parts}
    assert all(np.isfinite(part.mesh.points).all() for part in parts)
    # Trousers and boots are worn by the legs that every puppet has.
    assert any(garment in part.name for part in parts) or garment in ("trousers", "boots")


@pytest.mark.parametrize("prop", Prop.__args__)
@pytest.mark.parametrize("hand", ["left", "right"])
def test_every_prop_can_be_carried_and_put_away(prop: str, hand: str) -> None:
    plain = {part.name for part in Builder(a_puppet()).parts()}
    builder = Builder(a_puppet(props=[{"kind": prop, "hand": hand}]))
    carried = [part for part in builder.parts() if part.name not in plain]
    assert carried and all(part.name.startswith(prop) for part in carried)
    assert all(set(part.mesh.joints) == {f"hand_{hand}"} for part in carried)
    assert [part.name for part in builder.parts(props=(prop,))] == [part.name for part in builder.parts()]
    assert {part.name for part in builder.parts(props=())} == plain


def test_trousers_and_boots_show_in_their_colour() -> None:
    worn = a_puppet(wardrobe=[{"kind": "trousers", "color": [1, 0, 0]}, {"kind": "boots", "color": [0, 1, 0]}])
    colors = {part.name: part.color for part in Builder(worn).parts()}
    assert (colors["leg_left"], colors["boot_right"]) == ((1, 0, 0), (0, 1, 0))


PROPORTIONS = st.fixed_dictionaries(
    {},
    optional={
        "head": st.floats(0.06, 0.59),
        "neck": st.floats(0.01, 0.29),
        "legs": st.floats(0.21, 0.79),
        "arms": st.floats(0.31, 1.9),
        "feet": st.floats(0.21, 2.9),
        "girth": st.floats(0.21, 2.9),
    },
)


@settings(deadline=None)
@given(PROPORTIONS, st.floats(0.1, 19), st.sampled_from(sorted(POSES)))
def test_a_puppet_of_any_build_stands_as_tall_as_it_says_and_has_its_feet_on_the_floor(
    build: dict[str, float], height: float, pose: str
) -> None:
    puppet = a_puppet(height_m=height, proportions=build)
    assert puppet.landmarks(Pose(), HERE)["crown"][2] == pytest.approx(height)
    joints = puppet.joints(posed(puppet, pose), HERE)
    feet = [joints[foot][2, 3] for foot in ("foot_left", "foot_right")]
    assert min(feet) == pytest.approx(puppet.skeleton.rest["foot_left"][2])
    assert np.isfinite(puppet.openpose_keypoints(posed(puppet, pose), HERE)).all()


@settings(deadline=None)
@given(st.floats(-60, 60), st.floats(-30, 30), st.floats(1.5, 30), st.sampled_from(["neutral", "sit", "bow", "walk_a"]))
def test_a_head_that_is_aimed_looks_at_its_target(turn: float, rise: float, away: float, name: str) -> None:
    puppet = a_puppet(height_m=1.7)
    pose = posed(puppet, name)
    joints = puppet.joints(pose, HERE)
    eyes, chest = puppet.landmarks(pose, HERE)["eyes"], joints["chest"][:3, :3]
    way = rotation("z", turn) @ rotation("x", -rise) @ np.array([0, -1, 0])
    target = eyes + chest @ way * away
    aimed = puppet.aim_head(pose, HERE, target)
    # Neck, head and eyes share the turn, and the eyes stand a little before the joint that it is measured from.
    assert heading(puppet, aimed, target) < 12


@settings(deadline=None)
@given(st.tuples(*[st.floats(-5, 5)] * 3), st.sampled_from(["neutral", "sit", "bow", "look_up"]))
def test_a_head_is_never_turned_further_than_it_goes(target: tuple[float, ...], name: str) -> None:
    puppet = a_puppet(height_m=1.7)
    aimed = puppet.aim_head(posed(puppet, name), HERE, np.array(target))
    assert np.isfinite(aimed.rotations["head"].as_matrix()).all()
    looks = aimed.rotations["neck"].as_matrix() @ aimed.rotations["head"].as_matrix() @ [0, -1, 0]
    assert abs(np.degrees(np.arctan2(looks[0], -looks[1]))) < 75
    assert abs(np.degrees(np.arcsin(looks[2]))) < 45
    eye = aimed.rotations["eye_left"].as_matrix() @ [0, -1, 0]
    assert np.degrees(np.arccos(-eye[1])) < 10


def test_a_head_turns_to_its_left_for_what_is_on_its_left_and_up_for_what_is_above() -> None:
    puppet = a_puppet(height_m=1.7)
    eyes = puppet.landmarks(posed(puppet, "neutral"), HERE)["eyes"]
    looks = {}
    for name, off in {"left": (1, -2, 0), "right": (-1, -2, 0), "up": (0, -2, 1), "down": (0, -2, -1)}.items():
        aimed = puppet.aim_head(posed(puppet, "neutral"), HERE, eyes + off)
        looks[name] = -puppet.joints(aimed, HERE)["eye_left"][:3, 1]
    assert looks["left"][0] > 0.3 and looks["right"][0] < -0.3
    assert looks["up"][2] > 0.3 and looks["down"][2] < -0.3


def test_aiming_a_head_leaves_the_rest_of_the_body_alone() -> None:
    puppet = sample_puppet("pim")
    pose = posed(puppet, "knock")
    before, after = (puppet.joints(p, HERE) for p in (pose, puppet.aim_head(pose, HERE, np.array([2.0, -1.0, 1.0]))))
    for name in ("hand_left", "hand_right", "foot_left", "hips", "chest", "neck"):
        assert after[name][:3, 3] == pytest.approx(before[name][:3, 3])


def test_openpose_keypoints_are_where_the_joints_are_and_in_its_order() -> None:
    puppet = sample_puppet("odile")
    pose, root = posed(puppet, "reach"), put((1, 2, 0), 40)
    points = dict(zip(OPENPOSE, puppet.openpose_keypoints(pose, root), strict=True))
    joints = puppet.joints(pose, root)
    for name, point in points.items():
        if name in joints:
            assert point == pytest.approx(joints[name][:3, 3])
    rest = dict(zip(OPENPOSE, puppet.openpose_keypoints(Pose(), HERE), strict=True))
    assert rest["ear_left"] == pytest.approx(rest["ear_right"] * [-1, 1, 1])
    assert rest["nose"][1] < rest["eye_left"][1] < 0


@pytest.mark.parametrize(
    "change",
    [
        {"height_m": 1.2},
        {"proportions": {"head": 0.25}},
        {"face": {"nose": 2}},
        {"wardrobe": [{"kind": "coat"}]},
        {"props": [{"kind": "pen"}]},
        {"poses": {"crouch": {"spine": [1, 0, 0]}}},
    ],
)
def test_another_puppet_has_another_name(change: dict[str, Any]) -> None:
    assert a_puppet(**change).sha256 != a_puppet().sha256
    assert a_puppet(**change).sha256 == a_puppet(**change).sha256


def test_a_puppet_plays_its_own_poses(tmp_path: Path) -> None:
    (tmp_path / "character.yaml").write_text("name: P\nposes: {crouch: {spine: [30, 0, 0]}}\n", encoding="utf-8")
    played = read_character(tmp_path).perform([PoseKey(pose="crouch")], [1001])
    assert played[1001].rotations["spine"].as_euler("xyz", degrees=True) == pytest.approx([30, 0, 0])
    with pytest.raises(FilmProblem, match="no pose 'crouch'"):
        a_puppet().perform([PoseKey(pose="crouch")], [1001])


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("pose", ["sit_write", "climb_a"])
def test_usdskels_own_skinning_puts_every_vertex_where_the_joints_say(name: str, pose: str) -> None:
    puppet = sample_puppet(name)
    face = Pose.of({}).with_scales({"mouth": np.array([0.85, 1.0, 4.2])})
    played = Pose({**posed(puppet, pose).rotations}, face.scales)
    root = put((1.5, -0.7, 0.3), 63)
    stage = Usd.Stage.CreateInMemory()
    author_puppet(stage, "/Puppet", puppet, NamedTextures())
    author_performance(stage, "/Puppet", puppet, {1001: Pose(), 1013: played}, {1001: HERE, 1013: root})
    assert UsdSkel.BakeSkinning(UsdSkel.Root(stage.GetPrimAtPath("/Puppet")), Gf.Interval(1001, 1013))
    meshes = {f"Puppet_{part}": mesh for part, mesh in meshes_of(name).items()}
    baked = [prim for prim in stage.Traverse() if prim.GetTypeName() == "Mesh"]
    assert {prim.GetName() for prim in baked} == set(meshes)
    for prim in baked:
        mesh, points = meshes[prim.GetName()], prim.GetAttribute("points")
        assert np.allclose(points.Get(1001), mesh.points, atol=1e-6)
        expected = skinned(puppet, played, root, mesh.points, mesh.joints)
        assert np.allclose(points.Get(1013), expected, atol=2e-4 * puppet.file.height_m)


def test_a_material_is_one_that_can_be_painted() -> None:
    from film_pipeline.core.textures import MATERIALS

    assert set(Material.__args__) <= set(MATERIALS)
