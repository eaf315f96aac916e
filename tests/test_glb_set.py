"""A .glb as a set: its nodes are things with names of their own, which can be framed, looked at and taken out."""

from pathlib import Path

import numpy as np
import pytest
from glb_stage import cast_of, composed
from glb_writer import MIXAMO, Dummy, Glb
from pxr import UsdGeom

from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.sets import SetDescription, read_set
from film_pipeline.engines.blender import BlenderEngine
from film_pipeline.engines.passes import read_passes


def a_room(folder: Path, yaml: str = "", name: str = "Oak Table") -> SetDescription:
    """A set with a glb: a table and a lamp of it."""
    home = folder / "stage"
    home.mkdir(exist_ok=True)
    glb = Glb()
    glb.add("materials", name="light", emissiveFactor=[1, 0.5, 0.25])
    mesh = glb.triangle()
    glb.add("nodes", name=name, mesh=mesh, translation=[2, 0, 0])
    lamp = glb.add("meshes", primitives=[{**glb.json["meshes"][mesh]["primitives"][0], "material": 0}] * 2)
    glb.add("nodes", name="lamp", mesh=lamp, translation=[0, 1, 0])
    glb.write(home / "room.glb")
    (home / "set.yaml").write_text(f"name: Stage\nmodel: room.glb\n{yaml}")
    return read_set(home)


def test_a_glb_is_a_set_and_its_nodes_are_its_identities(tmp_path: Path) -> None:
    set_ = a_room(tmp_path, "pieces:\n  - {name: floor, kind: ground}\n")
    composition = composed(cast_of(Dummy(MIXAMO), tmp_path), set_, [{"frame": 1001}], tmp_path)
    found = set(composition.identities.values())
    assert {"Oak_Table", "lamp", "floor", "dummy"} == found
    meshes = [name for name, identity in composition.identities.items() if identity == "lamp"]
    assert len(meshes) == 2 and all(len(name) < 63 for name in meshes)
    shader = composition.stage.GetPrimAtPath(f"/Shot/Set/lamp/Materials/{meshes[0]}_surface/Surface")
    assert shader.GetAttribute("film:emission").Get() == 1.0


def test_things_of_a_glb_can_be_framed_and_looked_at_and_taken_out(tmp_path: Path) -> None:
    set_, character = a_room(tmp_path), cast_of(Dummy(MIXAMO), tmp_path)
    shot = {"subject": "Oak_Table", "pieces": {"lamp": {"visible": False}}}
    composition = composed(character, set_, [{"frame": 1001, "look_at": "lamp"}], tmp_path, **shot)
    lamp = UsdGeom.Imageable(composition.stage.GetPrimAtPath("/Shot/Set/lamp"))
    assert lamp.ComputeVisibility() == UsdGeom.Tokens.invisible
    low, high = set_.things["Oak_Table"].bounds
    np.testing.assert_allclose([low, high], [[2, -3, 0], [3, 0, 2]])
    with pytest.raises(FilmProblem, match="made invisible and nothing else"):
        composed(character, set_, [{"frame": 1001}], tmp_path, pieces={"lamp": {"turn_deg": 5}})
    with pytest.raises(FilmProblem, match="no piece 'table'") as told:
        composed(character, set_, [{"frame": 1001}], tmp_path, pieces={"table": {"visible": False}})
    assert "Oak_Table, lamp" in told.value.mend


def test_no_two_things_have_one_name_whatever_the_model_calls_them(tmp_path: Path) -> None:
    yaml = "pieces:\n  - {name: lamp, kind: lamp}\n"
    set_ = a_room(tmp_path, yaml, name="椅子 " * 40)
    assert set(set_.things) == {"part", "lamp_2"}
    parts = [name for thing in set_.things.values() for name in thing.parts]
    assert len(set(parts)) == 3


def test_the_hash_of_a_set_is_that_of_its_model_too(tmp_path: Path) -> None:
    assert a_room(tmp_path).sha256 == a_room(tmp_path).sha256 != a_room(tmp_path, name="Bench").sha256


@pytest.mark.parametrize(("model", "words"), [("room.fbx", "neither a .glb nor USD"), ("none.glb", "is missing")])
def test_a_set_of_another_kind_of_file_is_a_problem_at_its_line(tmp_path: Path, model: str, words: str) -> None:
    (tmp_path / "room.fbx").write_bytes(b"FBX")
    (tmp_path / "set.yaml").write_text(f"name: S\nmodel: {model}\n")
    with pytest.raises(FilmProblem, match=words) as told:
        read_set(tmp_path)
    assert told.value.line == 2


def test_a_broken_glb_is_said_when_the_set_is_read(tmp_path: Path) -> None:
    (tmp_path / "room.glb").write_bytes(b"glTF" + bytes(40))
    (tmp_path / "set.yaml").write_text("name: S\nmodel: room.glb\n")
    with pytest.raises(FilmProblem) as told:
        read_set(tmp_path)
    assert told.value.file == tmp_path / "room.glb"


@pytest.mark.blender
def test_a_glb_set_is_shot_with_its_mattes(tmp_path: Path) -> None:
    set_ = a_room(tmp_path, "ambient: [0.2, 0.2, 0.2]\n")
    shot = {"subject": "Oak_Table"}
    composition = composed(cast_of(Dummy(MIXAMO), tmp_path), set_, [{"frame": 1001}], tmp_path, **shot)
    stage, picture = tmp_path / "shot.usda", tmp_path / "passes.exr"
    composition.export(stage)
    size = ShootSettings(width=96, height=128, samples=1, bounces=0, denoise=False, passes=True)
    with BlenderEngine() as engine:
        engine.shoot(stage, {1001: picture}, size)
    mattes = read_passes(picture, composition.identities).mattes
    assert mattes["Oak_Table"].max() > 0.9
