"""A .glb as a set: its nodes are things with names of their own, which can be framed, looked at and taken out."""

import io
from pathlib import Path

import numpy as np
import pytest
from glb_stage import cast_of, composed
from glb_writer import MIXAMO, Dummy, Glb
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade

from film_pipeline.core.gltf import Picture, Surface, read_glb
from film_pipeline.core.model_build import author_surface
from film_pipeline.core.model_set import things_of
from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.sets import SetDescription, read_set
from film_pipeline.core.usd_parts import FolderTextures
from film_pipeline.departments.set_characters import said_of
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
    assert "Oak_Table" in told.value.mend


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


@pytest.mark.parametrize("scale", [[1, 1, 1], [4, 1, 1], [-1, 1, 1], [1, -3, 0.5]])
def test_normals_stand_on_their_faces_however_a_node_is_squeezed(tmp_path: Path, scale: list[float]) -> None:
    glb = Glb()
    points = np.array([[0, 0, 0], [1, 0, 0.5], [0, 2, 3]])
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    attributes = {
        "POSITION": glb.accessor(points),
        "NORMAL": glb.accessor(np.tile(normal / np.linalg.norm(normal), (3, 1))),
    }
    glb.add("nodes", name="thing", mesh=glb.add("meshes", primitives=[{"attributes": attributes}]), scale=scale)
    (part,) = things_of(read_glb(glb.write(tmp_path / "it.glb")), [])["thing"].parts.values()
    first, second, third = part.points[part.triangles[0]]
    face = np.cross(second - first, third - first)
    assert part.normals is not None
    np.testing.assert_allclose(part.normals, np.tile(face / np.linalg.norm(face), (3, 1)), atol=1e-6)


def test_a_cut_out_surface_takes_its_opacity_from_its_picture(tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.new("RGBA", (2, 2), (200, 0, 0, 0)).save(written, "PNG")
    surface = Surface("leaf", picture=Picture("leaf", written.getvalue(), tmp_path), cutoff=0.4)
    stage = Usd.Stage.CreateInMemory()
    author_surface(stage, "/leaf", surface, FolderTextures(tmp_path / "textures", 0))
    shader = UsdShade.Shader(stage.GetPrimAtPath("/leaf/Surface"))
    assert shader.GetInput("opacityThreshold").Get() == pytest.approx(0.4)
    (source,), _ = shader.GetInput("opacity").GetConnectedSources()
    assert source.sourceName == "a"
    (picture,) = (tmp_path / "textures").iterdir()
    with Image.open(picture) as opened:
        assert opened.mode == "RGBA"


def test_what_is_left_out_of_models_is_among_the_facts_of_set_and_characters(tmp_path: Path) -> None:
    set_ = a_room(tmp_path)
    glb = Glb()
    glb.add("nodes", name="fan", mesh=glb.triangle())
    glb.json["animations"] = [{}]
    glb.write(tmp_path / "stage" / "room.glb")
    few = {base: name for base, name in MIXAMO.items() if base != "neck"}
    told = said_of(read_set(set_.folder), {"dummy": cast_of(Dummy(few), tmp_path, "wardrobe: [{kind: scarf}]\n")})
    assert told[0] == "stage: room.glb: its animations are left out"
    assert told[1].startswith("dummy: puppet.glb: it has no neck")
    assert told[2] == "dummy: its wardrobe is not made: puppet.glb is the puppet"


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
