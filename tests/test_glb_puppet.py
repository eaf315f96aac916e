"""A .glb as a puppet: known by its names, brought to our rest, posed by our poses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from glb_stage import HEIGHT, a_set, bones_of, cast_of, composed, fitted, skinned
from glb_writer import CROWN, MIXAMO, RIGS, Dummy, Glb
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade

from film_pipeline.core.gltf import read_glb
from film_pipeline.core.model_puppet import HANGING, fit_puppet
from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.poses import POSES, Pose
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.puppet import Proportions, read_character
from film_pipeline.core.puppet_build import author_puppet
from film_pipeline.core.shot import PoseKey
from film_pipeline.core.skeleton import humanoid
from film_pipeline.core.usd_parts import FolderTextures
from film_pipeline.engines.blender import BlenderEngine
from film_pipeline.engines.passes import read_passes


@pytest.mark.parametrize("rig", RIGS)
def test_the_joints_of_usual_rigs_are_known_by_their_names(tmp_path: Path, rig: str) -> None:
    dummy = Dummy(RIGS[rig])
    fitting = fitted(dummy, tmp_path)
    canonical = fitted(Dummy(RIGS["ours"]), tmp_path)
    assert fitting.skeleton.names == canonical.skeleton.names
    for joint, place in canonical.skeleton.rest.items():
        np.testing.assert_allclose(fitting.skeleton.rest[joint], place, atol=1e-6, err_msg=joint)
    assert fitting.notes == ()


def test_fingers_thumbs_and_eyes_are_found_and_a_tail_goes_with_the_hips(tmp_path: Path) -> None:
    extra = {"mixamorig:LeftHandIndex1": ("hand_left", (0.78, -0.02, 1.45))}
    extra |= {"mixamorig:LeftHandIndex2": ("mixamorig:LeftHandIndex1", (0.82, -0.02, 1.45))}
    extra |= {"mixamorig:LeftHandRing1": ("hand_left", (0.78, 0.02, 1.45))}
    extra |= {"mixamorig:LeftHandThumb1": ("hand_left", (0.74, -0.05, 1.43))}
    extra |= {"mixamorig:LeftEye": ("head", (0.03, -0.08, 1.66)), "mixamorig:RightEye": ("head", (-0.03, -0.08, 1.66))}
    extra |= {"Tail": ("hips", (0, 0.3, 0.9)), "TailTip": ("Tail", (0, 0.5, 0.9))}
    fitting = fitted(Dummy(MIXAMO, extra=extra), tmp_path)
    names = fitting.skeleton.names
    assert {"fingers_left", "thumb_left", "eye_left", "eye_right"} <= set(names)
    assert not {"fingers_right", "mouth", "lid_left"} & set(names)
    (part,) = fitting.parts
    weighted = {names[place] for place in np.unique(part.joints[part.weights > 0])}
    # The second joint of the finger moves with the first, the tail with the hips.
    assert {"fingers_left", "hips"} <= weighted <= set(names)


def test_all_fingers_fold_together(tmp_path: Path) -> None:
    extra = {
        f"mixamorig:RightHand{finger}1": ("hand_right", (-0.8, across, 1.45))
        for finger, across in (("Index", -0.03), ("Pinky", 0.03))
    }
    extra |= {f"{name[:-1]}2": (name, (-0.88, place[1], 1.45)) for name, (_, place) in extra.items()}
    dummy = Dummy(MIXAMO, extra=extra)
    character = cast_of(dummy, tmp_path)
    keys = [{"frame": 1001}, {"frame": 1002, "hands": {"fist_right": 1}}]
    composition = composed(character, a_set(tmp_path), keys, tmp_path)
    assert composition.said == []
    points = [skinned(composition.stage, "/Shot/Cast/dummy", frame)["dummy_Body"] for frame in (1001, 1002)]
    tips = [
        number
        for number, bone in enumerate(bones_of(dummy))
        if bone[1].endswith(("RightHandIndex2", "RightHandPinky2"))
    ]
    assert len(tips) == 2
    for tip in tips:
        assert np.linalg.norm(points[0][tip * 8 + 4] - points[1][tip * 8 + 4]) > 0.05
    before, after = (frame[[tip * 8 + 4 for tip in tips]] for frame in points)
    np.testing.assert_allclose(np.linalg.norm(before[0] - before[1]), np.linalg.norm(after[0] - after[1]), atol=1e-5)


@pytest.mark.parametrize("arms_down", [0, 45, -30])
def test_limbs_hang_at_rest_as_those_of_described_puppets_do(tmp_path: Path, arms_down: float) -> None:
    described = humanoid(HEIGHT, dict(Proportions())).rest
    rest = fitted(Dummy(MIXAMO, arms_down=arms_down), tmp_path).skeleton.rest
    for side in ("left", "right"):
        for joint, (end, _) in HANGING.items():
            ways = [
                np.array(where[f"{end}_{side}"]) - np.array(where[f"{joint}_{side}"]) for where in (rest, described)
            ]
            ours, theirs = (way / np.linalg.norm(way) for way in ways)
            assert np.degrees(np.arccos(np.clip(ours @ theirs, -1, 1))) < 3


def test_a_model_stands_on_the_floor_at_its_height_between_its_feet(tmp_path: Path) -> None:
    character = cast_of(Dummy(MIXAMO), tmp_path)
    stage = Usd.Stage.CreateInMemory()
    author_puppet(stage, "/Puppet", character, FolderTextures(tmp_path / "textures", 0))
    (points,) = skinned(stage, "/Puppet", 1001).values()
    assert points[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert points[:, 2].max() == pytest.approx(HEIGHT, abs=1e-5)
    assert character.landmarks(Pose(), np.eye(4))["crown"][2] == pytest.approx(HEIGHT, abs=1e-5)
    feet = np.array([character.skeleton.rest["foot_left"], character.skeleton.rest["foot_right"]])
    assert feet[:, 0].sum() == pytest.approx(0, abs=1e-6)
    # Facing -Y: the toes are before the ankles.
    assert points[points[:, 2] < 0.05][:, 1].min() < feet[0, 1] - 0.08


def turned(axis: int, degrees: float, scale: float = 1.0, moved: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    first, second = [place for place in range(3) if place != axis]
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[[first, first, second, second], [first, second, first, second]] = c, -s, s, c
    matrix[:3, :3] *= scale
    matrix[:3, 3] = moved
    return matrix


@pytest.mark.parametrize(
    ("wrapped", "bound"),
    [
        (turned(0, 90, 0.01), turned(0, -90, 100)),
        (turned(1, 180), turned(1, 180)),
        (turned(1, 90, 2, (3, 1, 7)), turned(2, 90, 0.5)),
        (np.eye(4), turned(1, 180, 39.37, (100, -50, 20))),
    ],
    ids=["centimetres, lying", "facing away", "doubled and elsewhere", "inches, facing away"],
)
def test_a_model_may_be_made_in_any_unit_lying_or_facing_away(
    tmp_path: Path, wrapped: np.ndarray, bound: np.ndarray
) -> None:
    plain = fitted(Dummy(MIXAMO), tmp_path)
    other = fitted(Dummy(MIXAMO, wrapped=wrapped, bound=bound), tmp_path)
    for joint, place in plain.skeleton.rest.items():
        np.testing.assert_allclose(other.skeleton.rest[joint], place, atol=1e-5, err_msg=joint)
    np.testing.assert_allclose(other.parts[0].points, plain.parts[0].points, atol=1e-5)


def test_a_model_exported_in_the_middle_of_a_move_is_bound_as_it_was_built(tmp_path: Path) -> None:
    plain = fitted(Dummy(MIXAMO), tmp_path)
    moving = Dummy(MIXAMO)
    glb = moving.build()
    for node in glb.json["nodes"]:
        if node["name"].endswith(("LeftArm", "RightUpLeg", "Spine")):
            bent = np.array(node["matrix"]).reshape(4, 4).T @ turned(0, 50)
            node["matrix"] = bent.T.reshape(-1).tolist()
    other = fit_puppet(read_glb(glb.write(tmp_path / "moving.glb")), {}, HEIGHT)
    np.testing.assert_allclose(other.parts[0].points, plain.parts[0].points, atol=1e-6)


@pytest.mark.parametrize("rig", ["mixamo", "unreal"])
def test_in_every_pose_the_mesh_goes_with_the_joints(tmp_path: Path, rig: str) -> None:
    extra = {"upperarm_twist_01_l": ("arm_left", (0.3, 0.0, 1.45))}
    dummy = Dummy(RIGS[rig], arms_down=20, extra=extra)
    character = cast_of(dummy, tmp_path)
    keys = [{"frame": 1001 + number, "pose": pose, "ease": "hold"} for number, pose in enumerate(POSES)]
    composition = composed(character, a_set(tmp_path), keys, tmp_path)
    for frame in composition.sheet.unique_frames:
        joints = composition.joints(frame)["dummy"]
        (points,) = skinned(composition.stage, "/Shot/Cast/dummy", frame).values()
        for number, (joint, child) in enumerate(bones_of(dummy)):
            box = points[number * 8 : number * 8 + 8]
            if joint in joints and not joint.startswith("foot"):
                np.testing.assert_allclose(box[:4].mean(axis=0), joints[joint], atol=1e-4, err_msg=f"{frame} {joint}")
            if joint in joints and child in joints:
                np.testing.assert_allclose(box[4:].mean(axis=0), joints[child], atol=1e-4, err_msg=f"{frame} {child}")


def test_the_stage_has_the_layout_of_every_puppet(tmp_path: Path) -> None:
    composition = composed(cast_of(Dummy(MIXAMO), tmp_path), a_set(tmp_path), [{"frame": 1001}], tmp_path)
    stage = composition.stage
    kinds = {path: stage.GetPrimAtPath(f"/Shot/Cast/dummy{path}").GetTypeName() for path in ("", "/Rig", "/Anim")}
    assert kinds == {"": "SkelRoot", "/Rig": "Skeleton", "/Anim": "SkelAnimation"}
    mesh = stage.GetPrimAtPath("/Shot/Cast/dummy/dummy_Body")
    bound = UsdShade.MaterialBindingAPI(mesh).GetDirectBinding().GetMaterialPath()
    assert str(bound) == "/Shot/Cast/dummy/Materials/dummy_Body_surface"
    assert composition.identities["dummy_Body"] == "dummy"
    keypoints = composition.keypoints(1001)["dummy"]
    assert keypoints.shape == (18, 3) and np.isfinite(keypoints).all() and keypoints[:, 2].all()
    half = composition.keypoints(1001, (48, 64))["dummy"]
    np.testing.assert_allclose(half, keypoints * [0.5, 0.5, 1])


def test_said_joints_come_before_found_ones(tmp_path: Path) -> None:
    extra = {"Fang": ("head", (0, -0.1, 1.6))}
    character = cast_of(Dummy(MIXAMO, extra=extra), tmp_path, "joints: {mouth: Fang}\n")
    assert "mouth" in character.skeleton.names
    assert "mouth" not in cast_of(Dummy(MIXAMO, extra=extra), tmp_path).skeleton.names


def test_strange_names_can_all_be_said(tmp_path: Path) -> None:
    sides = [base for base in MIXAMO if base not in ("hips", "spine", "chest", "neck", "head")]
    strange = {base: f"x{base[::-1]}q{{side}}q" if base in sides else f"x{base[::-1]}q" for base in MIXAMO}
    said = {base: strange[base] for base in MIXAMO if base not in sides}
    said |= {f"{base}_{side}": strange[base].format(side=side) for base in sides for side in ("left", "right")}
    fitting = fitted(Dummy(strange), tmp_path, said)
    assert fitting.skeleton.rest == fitted(Dummy(MIXAMO), tmp_path).skeleton.rest


def problem_of(dummy: Dummy, folder: Path, yaml: str = "") -> FilmProblem:
    with pytest.raises(FilmProblem) as told:
        cast_of(dummy, folder, yaml)
    return told.value


def test_a_needed_joint_that_is_not_there_is_a_problem_that_lists_what_is(tmp_path: Path) -> None:
    problem = problem_of(Dummy({**MIXAMO, "forearm": "Lever{Side}"}), tmp_path)
    assert "forearm_left, forearm_right" in problem.problem
    assert "LeverLeft" in problem.mend and "mixamorig:Hips" in problem.mend
    assert problem.file is not None and problem.file.name == "character.yaml" and problem.line == 3


@pytest.mark.parametrize(
    ("yaml", "field", "words"),
    [
        ("joints: {hand_left: mixamorig:LeftHnd}\n", "joints.hand_left", "did you mean mixamorig:LeftHand"),
        ("joints: {claw: mixamorig:LeftHand}\n", "joints.claw", "no joint of ours"),
        ("joints:\n  neck: mixamorig:Neck\n  head: mixamorig:Neck\n", "joints.head", "both"),
    ],
)
def test_a_wrongly_said_joint_is_a_problem_at_its_line(tmp_path: Path, yaml: str, field: str, words: str) -> None:
    problem = problem_of(Dummy(MIXAMO), tmp_path, yaml)
    assert words in f"{problem.problem} {problem.mend}" and problem.field_name == field
    assert problem.line == (6 if field == "joints.head" else 4)


def test_a_model_without_skin_is_no_puppet(tmp_path: Path) -> None:
    glb = Glb()
    glb.add("nodes", mesh=glb.triangle())
    with pytest.raises(FilmProblem, match="no skin"):
        fit_puppet(read_glb(glb.write(tmp_path / "it.glb")), {}, 1)


@pytest.mark.parametrize(("model", "words"), [("puppet.fbx", "is no .glb"), ("gone.glb", "is missing")])
def test_a_model_that_is_no_glb_or_not_there_is_a_problem_at_its_line(tmp_path: Path, model: str, words: str) -> None:
    (tmp_path / "character.yaml").write_text(f"name: D\nmodel: {model}\n")
    with pytest.raises(FilmProblem, match=words) as told:
        read_character(tmp_path)
    assert told.value.line == 2 and told.value.field_name == "model"


def test_joints_without_a_model_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "character.yaml").write_text("name: D\njoints: {head: Kopf}\n")
    with pytest.raises(FilmProblem, match="say `model:`"):
        read_character(tmp_path)


def test_a_face_that_the_model_does_not_have_is_said_and_the_shot_is_shot(tmp_path: Path) -> None:
    keys = [
        {"frame": 1001, "face": {"blink": 1, "smile": 0}, "hands": {"grip_left": 1}},
        {"frame": 1002, "face": {"blink": 0.5}},
    ]
    composition = composed(cast_of(Dummy(MIXAMO), tmp_path), a_set(tmp_path), keys, tmp_path)
    told = "\n".join(composition.report())
    assert "dummy can't make the shape blink: puppet.glb has no joint for it (pose keys 1001, 1002)" in told
    assert "grip_left" in told and "smile" not in told


def test_a_shape_that_nobody_has_and_a_joint_that_the_model_lacks_are_problems(tmp_path: Path) -> None:
    character, set_ = cast_of(Dummy(MIXAMO), tmp_path), a_set(tmp_path)
    for key, words in (({"face": {"smirk": 1}}, "smirk"), ({"joints": {"mouth": [1, 0, 0]}}, "mouth")):
        with pytest.raises(FilmProblem, match=words):
            composed(character, set_, [{"frame": 1001, **key}], tmp_path)


def test_a_jaw_opens_by_turning_and_is_never_stretched(tmp_path: Path) -> None:
    character = cast_of(Dummy(MIXAMO, extra={"Jaw": ("head", (0, -0.03, 1.62))}), tmp_path)
    keys = [{"frame": 1001, "face": {"jaw_open": 1}}, {"frame": 1002, "face": {"smile": 1}}]
    asked = [PoseKey.model_validate(key) for key in keys]
    poses = character.perform(asked, [1001, 1002])
    assert poses[1001].rotations["mouth"].magnitude() > 0.2
    assert "mouth" not in poses[1001].scales and "mouth" not in poses[1002].scales
    assert "smile" in character.cannot(asked)[0]


def test_a_body_with_few_joints_is_a_puppet_and_what_stands_in_is_said(tmp_path: Path) -> None:
    few = {base: name for base, name in MIXAMO.items() if base not in ("spine", "neck", "shoulder")}
    character = cast_of(Dummy(few), tmp_path)
    full = fitted(Dummy(MIXAMO), tmp_path).skeleton
    assert set(full.names) == set(character.skeleton.names)
    assert character.model is not None and "no neck, spine, shoulder_left, shoulder_right" in character.model.notes[0]
    composed(character, a_set(tmp_path), [{"frame": 1001, "pose": "bow"}], tmp_path)


def test_what_an_export_has_flattened_moves_with_the_nearest_bone(tmp_path: Path) -> None:
    lost = {
        "forehead": ("head", (0, -0.1, 1.75)),
        "chin": ("head", (0, -0.12, 1.55)),
        "breast": ("chest", (0.1, -0.1, 1.3)),
    }
    glb = Dummy(RIGS["rigify"], extra=lost).build()
    flatten(glb, {*lost, *(f"{bone}.{S}" for bone in ("shoulder", "upper_arm", "thigh") for S in "LR")})
    fitting = fit_puppet(read_glb(glb.write(tmp_path / "flat.glb")), {}, HEIGHT)
    whole = fitted(Dummy(RIGS["rigify"]), tmp_path).skeleton
    for joint, place in whole.rest.items():
        np.testing.assert_allclose(fitting.skeleton.rest[joint], place, atol=1e-6, err_msg=joint)
    told = "\n".join(fitting.notes)
    assert "forehead, chin: on no joint of ours, moved with the nearest, the head" in told
    assert "breast: on no joint of ours, moved with the nearest, the chest" in told


def flatten(glb: Glb, cut: set[str]) -> None:
    """Hang joints on the rig itself, where they stand, as exports of deforming bones alone do."""
    nodes = glb.json["nodes"]
    above = {child: place for place, node in enumerate(nodes) for child in node.get("children", [])}
    worlds = {}
    for place, node in enumerate(nodes):
        if node["name"] in cut:
            world, at = np.eye(4), place
            while nodes[at]["name"] != "Armature":
                world = np.array(nodes[at]["matrix"]).reshape(4, 4).T @ world
                at = above[at]
            worlds[place] = world
    for place, world in worlds.items():
        nodes[place]["matrix"] = world.T.reshape(-1).tolist()
        siblings = nodes[above[place]]["children"]
        siblings.remove(place)
        if not siblings:
            del nodes[above[place]]["children"]
    nodes[[node["name"] for node in nodes].index("Armature")]["children"] += list(worlds)


def test_a_hat_that_hangs_on_the_head_goes_along_and_a_stray_mesh_is_left_out(tmp_path: Path) -> None:
    glb = Dummy(MIXAMO, twisted=False).build()
    hat = glb.add("nodes", name="Hat", mesh=glb.triangle(), translation=[0, CROWN - 1.58, 0], scale=[0.1, 0.1, 0.1])
    glb.json["nodes"][[node["name"] for node in glb.json["nodes"]].index("mixamorig:Head")]["children"] = [hat]
    cube = glb.add("nodes", name="Cube", mesh=0)
    glb.json["scenes"][0]["nodes"].append(cube)
    fitting = fit_puppet(read_glb(glb.write(tmp_path / "it.glb")), {}, HEIGHT)
    assert {part.name for part in fitting.parts} == {"Body", "Hat"}
    assert any("Cube hangs on no joint" in note for note in fitting.notes)
    hat_part = next(part for part in fitting.parts if part.name == "Hat")
    assert {fitting.skeleton.names[place] for place in np.unique(hat_part.joints)} == {"head"}
    # The hat is the highest point now, and the height is measured with it.
    assert hat_part.points[:, 2].max() == pytest.approx(HEIGHT, abs=1e-6)


def test_a_mirrored_hat_keeps_its_faces_outwards(tmp_path: Path) -> None:
    glb = Dummy(MIXAMO, twisted=False).build()
    hats = [glb.add("nodes", name=f"Hat{sign}", mesh=glb.triangle(), scale=[sign, 1, 1]) for sign in (1, -1)]
    glb.json["nodes"][[node["name"] for node in glb.json["nodes"]].index("mixamorig:Head")]["children"] = hats
    parts = {part.name: part for part in fit_puppet(read_glb(glb.write(tmp_path / "it.glb")), {}, HEIGHT).parts}
    assert parts["Hat1"].triangles.tolist() == [[0, 1, 2]] and parts["Hat-1"].triangles.tolist() == [[2, 1, 0]]


def test_a_stooping_model_keeps_its_stoop(tmp_path: Path) -> None:
    stooping = Dummy(MIXAMO)
    for joint in ("neck", "head"):
        stooping.places[joint] = stooping.places[joint] + [0, -0.25, 0]
    rest = fitted(stooping, tmp_path).skeleton.rest
    hips, chest, head = (np.array(rest[joint]) for joint in ("hips", "chest", "head"))
    np.testing.assert_allclose((head - hips) / (chest[2] - hips[2]), np.array([0, -0.26, 0.63]) / 0.3, atol=1e-5)


def test_a_skin_without_bind_matrices_is_bound_as_its_rig_stands(tmp_path: Path) -> None:
    plain = fitted(Dummy(MIXAMO), tmp_path)
    dummy = Dummy(MIXAMO)
    glb = dummy.build()
    del glb.json["skins"][0]["inverseBindMatrices"]
    joints = len(dummy.places)
    inverse = np.frombuffer(bytes(glb.binary), "<f4", joints * 16, _offset(glb, 0)).reshape(-1, 4, 4)
    primitive = glb.json["meshes"][0]["primitives"][0]
    count = glb.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
    at = _offset(glb, primitive["attributes"]["POSITION"])
    points = np.frombuffer(bytes(glb.binary), "<f4", count * 3, at).reshape(-1, 3)
    owners = np.frombuffer(bytes(glb.binary), "<u2", count * 4, _offset(glb, primitive["attributes"]["JOINTS_0"]))
    inside = np.einsum("ni,nij->nj", np.column_stack([points, np.ones(count)]), inverse[owners.reshape(-1, 4)[:, 0]])
    primitive["attributes"]["POSITION"] = glb.accessor(inside[:, :3])
    other = fit_puppet(read_glb(glb.write(tmp_path / "bare.glb")), {}, HEIGHT)
    np.testing.assert_allclose(other.parts[0].points, plain.parts[0].points, atol=1e-5)


def test_a_second_skin_of_its_own_space_lies_where_the_first_does(tmp_path: Path) -> None:
    dummy = Dummy(MIXAMO)
    glb = dummy.build()
    skin = glb.json["skins"][0]
    inverse = np.frombuffer(
        bytes(glb.binary), "<f4", len(skin["joints"]) * 16, _offset(glb, skin["inverseBindMatrices"])
    ).reshape(-1, 4, 4)
    larger = turned(0, 90, 100, (3, 4, 5))
    inverse = (inverse.transpose(0, 2, 1) @ np.linalg.inv(larger)).transpose(0, 2, 1).reshape(-1, 16)
    glb.add("skins", joints=skin["joints"], inverseBindMatrices=glb.accessor(inverse))
    primitive = glb.json["meshes"][0]["primitives"][0]
    count = glb.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
    points = np.frombuffer(
        bytes(glb.binary), "<f4", count * 3, _offset(glb, primitive["attributes"]["POSITION"])
    ).reshape(-1, 3)
    moved = glb.accessor(points @ larger[:3, :3].T + larger[:3, 3])
    twin = {**primitive, "attributes": {**primitive["attributes"], "POSITION": moved}}
    glb.json["scenes"][0]["nodes"].append(
        glb.add("nodes", name="Twin", mesh=glb.add("meshes", primitives=[twin]), skin=1)
    )
    body, other = fit_puppet(read_glb(glb.write(tmp_path / "it.glb")), {}, HEIGHT).parts
    np.testing.assert_allclose(other.points, body.points, atol=2e-5)


def _offset(glb: Glb, accessor: int) -> int:
    return int(glb.json["bufferViews"][glb.json["accessors"][accessor]["bufferView"]]["byteOffset"])


def test_what_a_model_carries_is_in_its_hand_in_every_pose(tmp_path: Path) -> None:
    character = cast_of(Dummy(MIXAMO), tmp_path, "props: [{kind: lantern, hand: left, glow: 3}, {kind: pen}]\n")
    keys = [{"frame": 1001 + n, "pose": pose, "ease": "hold"} for n, pose in enumerate(("neutral", "sit", "shrug"))]
    shot = {"member": {"props": ["lantern", "pen"]}}
    composition = composed(character, a_set(tmp_path), keys, tmp_path, **shot)
    for frame in composition.sheet.unique_frames:
        meshes, joints = skinned(composition.stage, "/Shot/Cast/dummy", frame), composition.joints(frame)["dummy"]
        for prop, hand in (("dummy_lantern", "hand_left"), ("dummy_pen", "hand_right")):
            assert np.linalg.norm(meshes[prop] - joints[hand], axis=1).min() < 0.12
            assert np.linalg.norm(meshes[prop] - joints[hand], axis=1).max() < 0.5


def test_the_hash_of_a_puppet_is_that_of_its_model_too(tmp_path: Path) -> None:
    first = cast_of(Dummy(MIXAMO), tmp_path).sha256
    assert cast_of(Dummy(MIXAMO), tmp_path).sha256 == first
    assert cast_of(Dummy(MIXAMO, arms_down=1), tmp_path).sha256 != first


def test_the_same_model_composes_to_the_same_bytes_and_another_texture_to_another_lock(tmp_path: Path) -> None:
    locks = []
    for color in (10, 10, 90):
        home = tmp_path / f"take{len(locks)}"
        (home / "dummy").mkdir(parents=True)
        glb = Dummy(MIXAMO).build()
        picture = home / "skin.png"
        Image.new("RGB", (2, 2), (color, 0, 0)).save(picture)
        glb.add("textures", source=glb.add("images", bufferView=glb.view(picture.read_bytes())))
        glb.add("materials", pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
        glb.json["meshes"][0]["primitives"][0]["material"] = 0
        glb.write(home / "dummy" / "puppet.glb")
        (home / "dummy" / "character.yaml").write_text("name: D\nmodel: puppet.glb\n")
        composition = composed(read_character(home / "dummy"), a_set(home), [{"frame": 1001}], home)
        locks.append(composition.lock("look"))
    assert locks[0] == locks[1] != locks[2]


SAMPLE_CAST = Path(__file__).parents[1] / "productions" / "the-unwritten-page" / "cast"


@pytest.mark.blender
def test_a_puppet_exported_by_blender_comes_back_as_a_model_and_is_shot_where_it_was_composed(tmp_path: Path) -> None:
    described = read_character(SAMPLE_CAST / "odile")
    alone = tmp_path / "alone.usda"
    stage = Usd.Stage.CreateNew(str(alone))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/Shot").GetPrim())
    author_puppet(stage, "/Shot/Cast/odile", described, FolderTextures(tmp_path / "textures", 0), props=())
    stage.GetRootLayer().Save()
    home = tmp_path / "odile"
    home.mkdir()
    with BlenderEngine() as engine:
        engine.export_glb(alone, home / "puppet.glb")
        (home / "character.yaml").write_text(f"name: Odile\nheight_m: {described.file.height_m}\nmodel: puppet.glb\n")
        model = read_character(home)
        # Everything of the described puppet is known again, its face too.
        assert model.skeleton.names == described.skeleton.names
        keys = [{"frame": 1001, "pose": "wave", "face": {"blink": 1}}, {"frame": 1002, "pose": "sit_write"}]
        composition = composed(model, a_set(tmp_path, "ambient: [0.2, 0.2, 0.2]\n"), keys, tmp_path)
        assert composition.said == []
        shot = tmp_path / "shot.usda"
        composition.export(shot)
        frames = composition.sheet.unique_frames
        for frame, puppets in engine.joints(shot, list(frames)).items():
            for joint, place in composition.joints(frame)["odile"].items():
                assert np.linalg.norm(np.array(puppets["odile"][joint]) - place) < 0.01, joint
        picture = tmp_path / "passes.exr"
        size = ShootSettings(width=96, height=128, samples=1, bounces=0, denoise=False, passes=True)
        engine.shoot(shot, {1001: picture}, size)
        # A bun on the head moves neither ears nor nose: they are where they are on the described puppet.
        described_points, points = (puppet.openpose_keypoints(Pose(), np.eye(4)) for puppet in (described, model))
        scale = points[1, 2] / described_points[1, 2]
        np.testing.assert_allclose(points, described_points * scale, atol=0.01)
    matte = read_passes(picture, composition.identities).mattes["odile"]
    assert 0.03 < matte.mean() < 0.5
    # The matte is the puppet's own: each joint of the body that is in the frame lies on it or near it.
    for x, y, inside in composition.keypoints(1001)["odile"]:
        if inside:
            around = matte[max(int(y) - 3, 0) : int(y) + 4, max(int(x) - 3, 0) : int(x) + 4]
            assert around.max() > 0.5
