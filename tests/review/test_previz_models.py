"""Puppets in the browser as Blender exports them: every joint by its name, every point of the skin where USD has it."""

import json
from pathlib import Path

import numpy as np
import pytest
from film_makers import a_set, a_shot, composed
from glb_stage import cast_of, skinned
from glb_writer import MIXAMO, Dummy
from previz_page import PrevizPage, previz_page, site
from pxr import Usd, UsdGeom

from film_pipeline.core.gltf import read_glb
from film_pipeline.core.previz_build import previz_of
from film_pipeline.core.production import Production
from film_pipeline.core.puppet_build import author_puppet
from film_pipeline.core.set_build import author_set
from film_pipeline.core.usd_parts import FolderTextures
from film_pipeline.engines.blender import BlenderEngine

pytestmark = pytest.mark.blender
__all__ = ["previz_page", "site"]

KEYS = [
    {"frame": 1001, "pose": "walk_a", "at": [0.4, -1, 0], "facing": 70},
    {
        "frame": 1004,
        "pose": "reach",
        "at": [1, 0.5, 0.2],
        "joints": {"head": [10, -8, 30], "forearm_left": [-60, 10, 0]},
    },
]
PLACES = """(viewer) => Object.fromEntries(viewer.puppets[0].surfaces.map(({ mesh }) => {
  mesh.updateWorldMatrix(true, false);
  const place = viewer.lens.target.clone();
  const points = [];
  for (let number = 0; number < mesh.geometry.attributes.position.count; number += 1) {
    points.push(mesh.getVertexPosition(number, place).applyMatrix4(mesh.matrixWorld).toArray());
  }
  return [mesh.userData.name, points];
}))"""


def stage_of(path: Path, root: str) -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, f"/{root}").GetPrim())
    return stage


def test_a_puppet_from_elsewhere_is_posed_and_skinned_as_it_was_composed(
    tmp_path: Path, previz_page: PrevizPage
) -> None:
    character = cast_of(Dummy(MIXAMO, arms_down=20), tmp_path)
    set_ = a_set(pieces=[{"name": "floor", "kind": "ground"}])
    shot = a_shot(length=4, exposure={"on": 1}, cast=[{"character": "dummy", "keys": KEYS}])
    composition = composed(shot, set_, {"dummy": character})
    textures = FolderTextures(tmp_path / "textures", 0)
    puppet, room = stage_of(tmp_path / "dummy.usda", "Shot"), stage_of(tmp_path / "room.usda", "Set")
    author_puppet(puppet, "/Shot/Cast/dummy", character, textures)
    author_set(room, "/Set", set_, textures)
    with BlenderEngine() as engine:
        for stage, role in ((puppet, "puppet_dummy_glb"), (room, "set_room_glb")):
            stage.GetRootLayer().Save()
            previz_page.files[role] = tmp_path / f"{role}.glb"
            engine.export_glb(Path(stage.GetRootLayer().realPath), previz_page.files[role])
    names = {node.name for node in read_glb(previz_page.files["puppet_dummy_glb"]).nodes}
    assert set(character.skeleton.names) <= names, "joints keep their names through Blender"

    production = Production.model_validate({"name": "film", "title": "Film", "resolution": [640, 360]})
    previz = json.loads(previz_of(composition, shot, set_, production).model_dump_json())
    previz_page.open(previz, {role: f"/files/{role}" for role in previz_page.files})
    for frame in composition.sheet.unique_frames:
        previz_page.page.evaluate("(frame) => previz.seek(frame)", frame)
        bones, joints = previz_page.joints()["dummy"], composition.joints(frame)["dummy"]
        for joint, place in joints.items():
            assert np.linalg.norm(bones[joint] - place) < 0.001, (frame, joint)
        shown = previz_page.ask(PLACES)
        meshes = skinned(composition.stage, "/Shot/Cast/dummy", frame)
        assert set(shown) == set(meshes)
        for name, points in meshes.items():
            for side in (np.min, np.max):
                np.testing.assert_allclose(side(shown[name], axis=0), side(points, axis=0), atol=0.001)
