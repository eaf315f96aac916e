"""The locked composition: the same files give the same lock, and whatever moves before the lens changes it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_makers import SAMPLE, a_film, a_puppet, a_set, a_shot, compose_all, composed
from pxr import Gf, Usd, UsdGeom, UsdLux, UsdSkel

from film_pipeline.core.composition import Composition
from film_pipeline.core.files import read_yaml
from film_pipeline.core.meshes import Array
from film_pipeline.core.puppet_build import Builder
from film_pipeline.core.sets import SetDescription
from film_pipeline.core.shot import SceneFile

ROOM = a_set(
    pieces=[
        {"name": "boards", "kind": "ground"},
        {"name": "desk", "kind": "table", "at": [1.2, 0.5, 0]},
        {"name": "lamp", "kind": "lamp", "at": [1.2, 0.5, 0.74], "glow": 6},
        {"name": "wall_front", "kind": "wall", "at": [0, -1.5, 0], "turn_deg": 180, "wild": True},
        {"name": "wall_back", "kind": "wall", "at": [0, 3, 0], "wild": True},
    ],
    marks={"door": {"at": [1, 1, 0]}},
    lights={"key": {"position": [2, -2, 3], "target": "lamp", "intensity": 100, "color": [1, 0.9, 0.8]}},
)
SHOT: dict[str, Any] = {
    "size": "full",
    "exposure": {"on": 2, "holds": [{"frame": 1005, "frames": 4}]},
    "cast": [
        {"character": "pim", "props": ["lantern"], "keys": [{"pose": "stand", "joints": {"forearm_left": [10, 0, 0]}}]}
    ],
    "camera": {"lens_mm": 40},
    "light": {"torch": {"kind": "sphere", "follows": "pim.hand_left", "position": [0, 0, -0.2], "size_m": 0.1}},
}


LANTERN = [{"kind": "lantern", "hand": "left", "glow": 3}]
CAST = {
    "pim": a_puppet("pim", height_m=1.1, props=LANTERN),
    "odile": a_puppet("odile", height_m=1.7, wardrobe=[{"kind": "dress"}]),
}


def shot_of(set_: SetDescription = ROOM, scene_light: dict[str, Any] | None = None, **changes: Any) -> Composition:
    """The shot above with some of its fields changed, composed."""
    shot = a_shot(**{**SHOT, **changes})
    cast = {member.character: CAST[member.character] for member in shot.cast}
    return composed(shot, set_, cast, scene_light)


def pim(**changes: Any) -> list[dict[str, Any]]:
    """The shot's cast with Pim changed."""
    return [{**SHOT["cast"][0], **changes}]


def keys(*written: dict[str, Any]) -> list[dict[str, Any]]:
    return pim(keys=list(written))


LOCK = shot_of().lock("look")


def test_the_same_shot_has_the_same_lock() -> None:
    assert shot_of().lock("look") == LOCK


@pytest.mark.parametrize(
    "change",
    [
        {"cast": keys({"pose": "stand", "joints": {"forearm_left": [11, 0, 0]}})},
        {"cast": keys({"pose": "stand", "joints": {"forearm_left": [10, 0, 0]}, "face": {"blink": 0.1}})},
        {"cast": keys({"pose": "stand", "joints": {"forearm_left": [10, 0, 0]}, "hands": {"grip_right": 0.1}})},
        {"cast": keys({"pose": "stand", "joints": {"forearm_left": [10, 0, 0]}, "look_at": "lamp"})},
        {"cast": pim(at=[0.01, 0, 0])},
        {"cast": pim(facing=1)},
        {"cast": pim(props=[])},
        {"camera": {"lens_mm": 40.1}},
        {"camera": {"lens_mm": 40, "f_stop": 2.8}},
        {"camera": {"lens_mm": 40, "focus": "lamp"}},
        {"camera": {"lens_mm": 40, "moves": [{"kind": "pan", "amount": 1}]}},
        {"camera": {"lens_mm": 40, "film_back": {"width_mm": 36}}},
        {"size": "medium wide"},
        {"subject": "desk"},
        {"cast": [*pim(), {"character": "odile", "at": [-0.8, 0.2, 0]}]},
        {"light": {**SHOT["light"], "key": {"intensity": 101}}},
        {"light": {**SHOT["light"], "key": {"color": [1, 0.9, 0.79]}}},
        {"light": {**SHOT["light"], "key": {"size_m": 0.51}}},
        {"light": {**SHOT["light"], "key": {"levels": {1005: 0.9}}}},
        {"light": {}},
        {"pieces": {"desk": {"turn_deg": 1}}},
        {"pieces": {"desk": {"visible": False}}},
        {"pieces": {"lamp": {"glow": {1009: 0.5}}}},
        {"exposure": {"on": 1}},
        {"exposure": {"on": 2, "holds": [{"frame": 1005, "frames": 3}]}},
        {"length": 13},
        {"id": "SH020"},
    ],
    ids=str,
)
def test_whatever_changes_before_the_lens_changes_the_lock(change: dict[str, Any]) -> None:
    assert shot_of(**change).lock("look") != LOCK


def test_another_look_puppet_set_or_scene_light_is_another_lock() -> None:
    assert shot_of().lock("another look") != LOCK
    assert shot_of(scene_light={"key": {"intensity": 101}}).lock("look") != LOCK
    file = {**ROOM.file.model_dump(), "ambient": [1, 1, 1]}
    assert shot_of(a_set(**file)).lock("look") != LOCK
    shot = a_shot(**SHOT)
    smaller = {"pim": a_puppet("pim", height_m=1.09, props=LANTERN)}
    assert composed(shot, ROOM, smaller).lock("look") != LOCK


@pytest.mark.parametrize(
    "change",
    [
        {"notes": "warmer"},
        {"action": "They wait."},
        {"dialogue": [{"character": "PIM", "text": "You dropped this.", "frame": 1003}]},
        {"prompt": "a puppet in a room"},
        {"look": {"exposure_stops": 1}},
        {"transition": "fade in"},
    ],
    ids=str,
)
def test_what_is_written_for_people_and_for_later_stages_changes_no_lock(change: dict[str, Any]) -> None:
    assert shot_of(**change).lock("look") == LOCK


def changes_at(composition: Composition) -> list[int]:
    """The exposures before which something moved."""
    frames = composition.sheet.unique_frames
    digests = [composition.digest(frame) for frame in frames]
    return [frame for frame, before, now in zip(frames[1:], digests, digests[1:], strict=False) if before != now]


def test_a_frame_is_the_same_as_the_one_before_unless_something_moved() -> None:
    assert changes_at(shot_of(length=24)) == []
    blink = keys(
        {"frame": 1001, "ease": "hold"}, {"frame": 1011, "face": {"blink": 1}, "ease": "hold"}, {"frame": 1015}
    )
    assert changes_at(shot_of(length=24, cast=blink)) == [1011, 1015]
    step = keys({"frame": 1001}, {"frame": 1009}, {"frame": 1015, "at": [0.5, 0, 0]}, {"frame": 1021})
    assert changes_at(shot_of(length=24, cast=step)) == [1011, 1013, 1015]
    pan = {"lens_mm": 40, "moves": [{"kind": "pan", "amount": 3, "from_frame": 1009, "to_frame": 1013}]}
    assert changes_at(shot_of(length=24, camera=pan)) == [1011, 1013]


def test_lights_and_glows_change_a_frame_only_where_they_change() -> None:
    flicker = {**SHOT["light"], "key": {"levels": {1009: 0.5, 1013: 1.0}}}
    assert changes_at(shot_of(length=24, light={}, pieces={"lamp": {"glow": {1006: 0.5, 1013: 1.0}}})) == [1009, 1013]
    assert changes_at(shot_of(length=24, light=flicker)) == [1009, 1013]


def test_frames_before_which_the_same_stands_have_the_same_digest_wherever_they_are() -> None:
    there_and_back = keys({"frame": 1001}, {"frame": 1011, "pose": "wave"}, {"frame": 1021})
    composition = shot_of(length=24, cast=there_and_back)
    assert composition.digest(1001) == composition.digest(1021) == composition.digest(1023)
    assert composition.digest(1011) != composition.digest(1001)


COMPOSE = """
import sys
from pathlib import Path
from film_makers import compose_files
for name, composition in compose_files(Path(sys.argv[1])).items():
    composition.export(Path(sys.argv[2]) / f"{name}.usda")
    print(name, composition.lock("look"), *(composition.digest(frame) for frame in composition.sheet.unique_frames))
"""


def test_two_processes_write_the_same_bytes_and_the_same_lock(tmp_path: Path) -> None:
    film = a_film(tmp_path / "film")
    told, written = [], []
    for seed in ("1", "4242"):
        folder = tmp_path / seed
        folder.mkdir()
        arguments = [sys.executable, "-c", COMPOSE, str(film), str(folder)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        told.append(subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout)
        written.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert told[0] == told[1] and told[0].count("\n") == 2
    assert written[0] == written[1] and len(written[0]) == 2
    # The department composes the same from the same files.
    here = compose_all(film)
    assert [line.split()[:2] for line in told[0].splitlines()] == [[name, c.lock("look")] for name, c in here.items()]


@pytest.fixture(scope="module")
def moving() -> Composition:
    """Two puppets who move, seen by a camera that moves."""
    cast = [
        {
            **SHOT["cast"][0],
            "keys": [{"pose": "walk_a", "at": [0, 0, 0]}, {"frame": 1012, "pose": "wave", "at": [0.4, 0.2, 0]}],
        },
        {
            "character": "odile",
            "at": [-0.8, 0.2, 0],
            "keys": [{"pose": "sit"}, {"frame": 1012, "pose": "bow", "face": {"jaw_open": 1}}],
        },
    ]
    camera = {"lens_mm": 35, "roll_deg": 8, "moves": [{"kind": "orbit", "amount": 20}, {"kind": "zoom", "amount": 12}]}
    return shot_of(subject=["pim", "odile"], cast=cast, camera=camera)


@pytest.fixture(scope="module")
def stage(moving: Composition, tmp_path_factory: pytest.TempPathFactory) -> Usd.Stage:
    path = tmp_path_factory.mktemp("stage") / "shot.usda"
    moving.export(path)
    return Usd.Stage.Open(str(path))


def test_the_stage_says_its_axis_its_unit_and_its_frames(stage: Usd.Stage) -> None:
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().GetPath() == "/Shot"
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (1001, 1012, 24)


def test_exporting_twice_writes_the_same_bytes(moving: Composition, tmp_path: Path) -> None:
    moving.export(tmp_path / "one.usda")
    moving.export(tmp_path / "two.usda")
    assert (tmp_path / "one.usda").read_bytes() == (tmp_path / "two.usda").read_bytes()


def test_usdskel_puts_every_vertex_of_the_exported_stage_where_the_joints_say(
    moving: Composition, stage: Usd.Stage
) -> None:
    for name, puppet in moving.cast.items():
        root = UsdSkel.Root(stage.GetPrimAtPath(f"/Shot/Cast/{name}"))
        cache = UsdSkel.Cache()
        cache.Populate(root, Usd.PrimDefaultPredicate)
        meshes = {f"{name}_{part.name}": part.mesh for part in Builder(puppet).parts(("lantern",))}
        rest = puppet.skeleton.world({}, {}, np.zeros(3), np.eye(4))
        [binding] = cache.ComputeSkelBindings(root, Usd.PrimDefaultPredicate)
        skeleton = cache.GetSkelQuery(binding.GetSkeleton())
        seen = 0
        for frame in moving.sheet.unique_frames:
            carriers = skeleton.ComputeSkinningTransforms(frame)
            joints = puppet.joints(moving.poses[name][frame], moving.roots[name][frame])
            for skinning in binding.GetSkinningTargets():
                mesh = meshes[skinning.GetPrim().GetName()]
                points = UsdGeom.Mesh(skinning.GetPrim()).GetPointsAttr().Get()
                assert skinning.ComputeSkinnedPoints(carriers, points, frame)
                expected = sum(
                    weight[:, None]
                    * (
                        np.column_stack([mesh.points, np.ones(len(mesh.points))])
                        @ (joints[joint] @ np.linalg.inv(rest[joint])).T
                    )
                    for joint, weight in mesh.joints.items()
                )
                assert np.allclose(points, np.asarray(expected)[:, :3], atol=5e-4)
                seen += 1
        assert seen == len(meshes) * len(moving.sheet.unique_frames)


def test_the_joints_of_the_stage_are_the_compositions(moving: Composition, stage: Usd.Stage) -> None:
    for frame in moving.sheet.unique_frames:
        for name, joints in moving.joints(frame).items():
            query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(f"/Shot/Cast/{name}/Rig")))
            placed = query.ComputeJointSkelTransforms(frame)
            for path, matrix in zip(query.GetJointOrder(), placed, strict=True):
                assert list(matrix.ExtractTranslation()) == pytest.approx(list(joints[path.split("/")[-1]]), abs=1e-4)


def on_frame(lens: Gf.Camera, points: Array, size: tuple[int, int]) -> Array:
    """Points on the frame by USD's own frustum, in pixels from the top left."""
    frustum = lens.frustum
    to_frame = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
    found = np.array([list(to_frame.Transform(Gf.Vec3d(*map(float, point)))) for point in points])
    return np.column_stack([(found[:, 0] + 1) / 2 * size[0], (1 - found[:, 1]) / 2 * size[1]])


def test_keypoints_agree_with_the_stages_own_camera(moving: Composition, stage: Usd.Stage) -> None:
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/Shot/Camera"))
    for frame in moving.sheet.unique_frames:
        lens = camera.GetCamera(frame)
        for name, puppet in moving.cast.items():
            found = moving.keypoints(frame)[name]
            places = puppet.openpose_keypoints(moving.poses[name][frame], moving.roots[name][frame])
            assert found.shape == (18, 3)
            assert found[:, :2] == pytest.approx(on_frame(lens, places, moving.size), abs=0.01)
            inside = np.all((found[:, :2] >= 0) & (found[:, :2] < moving.size), axis=1)
            assert list(found[:, 2]) == list(inside.astype(float))
            assert found[:, 2].sum() > 12


def test_a_keypoint_behind_the_lens_is_nowhere() -> None:
    behind = shot_of(camera={"position": [0, -2, 1], "target": [0, -5, 1]})
    for points in behind.keypoints(1001).values():
        assert np.isnan(points[:, :2]).all() and not points[:, 2].any()


def test_the_stages_camera_is_the_compositions(moving: Composition, stage: Usd.Stage) -> None:
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/Shot/Camera"))
    for frame, ours in moving.cameras.items():
        theirs = camera.GetCamera(frame)
        assert np.allclose(np.array(theirs.transform).T, ours.matrix)
        assert (theirs.focalLength, theirs.horizontalAperture, theirs.verticalAperture) == pytest.approx(
            (ours.lens_mm, ours.aperture_w_mm, ours.aperture_h_mm)
        )
        assert theirs.aspectRatio == pytest.approx(640 / 360)
    assert [round(camera.lens_mm) for camera in moving.cameras.values()][::4] == [35, 47]


def test_what_is_in_focus_is_as_far_from_the_film_as_the_stage_says() -> None:
    composition = shot_of(camera={"focus": "lamp", "f_stop": 2.8, "moves": [{"kind": "push_in", "amount": 0.5}]})
    lens = UsdGeom.Camera(composition.stage.GetPrimAtPath("/Shot/Camera"))
    lamp = np.array([1.2, 0.5, 0.95])
    focus = []
    for frame, camera in composition.cameras.items():
        focus.append(lens.GetFocusDistanceAttr().Get(frame))
        assert focus[-1] == pytest.approx(float((lamp - camera.position) @ camera.forward), abs=0.05)
        assert lens.GetFStopAttr().Get(frame) == pytest.approx(2.8)
    assert focus[0] - focus[-1] == pytest.approx(0.5, abs=0.05)


def lamp_of(composition: Composition, name: str) -> Usd.Prim:
    return composition.stage.GetPrimAtPath(f"/Shot/Lights/{name}")


def test_a_light_is_the_sets_as_the_scene_and_then_the_shot_change_it() -> None:
    composition = shot_of(scene_light={"key": {"intensity": 50, "size_m": 2}})
    both = shot_of(scene_light={"key": {"intensity": 50, "size_m": 2}}, light={"key": {"intensity": 25}})
    for found, watts in ((composition, 50), (both, 25)):
        key = UsdLux.RectLight(lamp_of(found, "key"))
        assert key.GetIntensityAttr().Get(1001) == watts
        assert key.GetWidthAttr().Get() == key.GetHeightAttr().Get() == 2
        assert list(key.GetColorAttr().Get()) == pytest.approx([1, 0.9, 0.8])
        at = UsdGeom.Xformable(key).ComputeLocalToWorldTransform(1001).ExtractTranslation()
        assert list(at) == [2, -2, 3]
    assert [prim.GetName() for prim in both.stage.GetPrimAtPath("/Shot/Lights").GetChildren()] == ["key"]


def test_a_lights_level_holds_until_the_next() -> None:
    composition = shot_of(light={"key": {"levels": {1003: 0.5, 1010: 0}}})
    watts = lamp_of(composition, "key").GetAttribute("film:watts")
    assert [watts.Get(frame) for frame in (1001, 1003, 1005, 1009, 1011)] == [100, 50, 50, 50, 0]


def test_a_wild_wall_is_out_only_while_the_camera_stands_behind_it() -> None:
    def out(composition: Composition) -> list[str]:
        walls = [composition.stage.GetPrimAtPath(f"/Shot/Set/{name}") for name in ("wall_front", "wall_back")]
        return [wall.GetName() for wall in walls if UsdGeom.Imageable(wall).ComputeVisibility() == "invisible"]

    outside = shot_of(camera={"position": [0, -4, 1.2], "target": "pim"})
    inside = shot_of(camera={"position": [0, -1.2, 1.2], "target": "pim"})
    assert out(outside) == ["wall_front"]
    assert any("wall_front is out" in said for said in outside.report())
    assert out(inside) == []
    # The shot has moved the wall out of the camera's way.
    moved = shot_of(camera={"position": [0, -4, 1.2], "target": "pim"}, pieces={"wall_front": {"at": [0, -6, 0]}})
    assert out(moved) == []


def test_every_mesh_belongs_to_a_piece_or_a_puppet(moving: Composition) -> None:
    meshes = [prim.GetName() for prim in moving.stage.TraverseAll() if prim.GetTypeName() == "Mesh"]
    assert len(set(meshes)) == len(meshes) == len(moving.identities)
    assert set(moving.identities.values()) == {"pim", "odile", *(piece.name for piece in ROOM.file.pieces)}
    assert moving.identities["pim_lantern_flame"] == "pim"
    assert moving.identities["lamp_bulb"] == "lamp"


def test_the_sample_film_composes_with_its_subjects_in_their_frames(tmp_path: Path) -> None:
    root = tmp_path / SAMPLE.name
    shutil.copytree(SAMPLE, root, ignore=shutil.ignore_patterns(".film"))
    for name, composition in compose_all(root).items():
        frames = composition.sheet.unique_frames
        assert all(np.isfinite(camera.matrix).all() for camera in composition.cameras.values())
        scene = read_yaml(root / "shots" / f"{composition.name.scene}.yaml", SceneFile)
        shot = next(shot for shot in scene.shots if shot.id == composition.name.shot)
        for subject in shot.subjects:
            if subject in composition.cast:
                necks = [composition.keypoints(frame)[subject][1] for frame in frames]
                assert any(neck[2] for neck in necks), f"{subject} is never in the frame of {name}"
