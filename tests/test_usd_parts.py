"""Writing meshes, materials and textures into a stage."""

from pathlib import Path

import numpy as np
import pytest
from film_makers import NamedTextures
from hypothesis import given, settings
from hypothesis import strategies as st
from pxr import Gf, Usd, UsdGeom, UsdShade

from film_pipeline.core.meshes import ellipsoid
from film_pipeline.core.usd_parts import FolderTextures, author_material, author_mesh, matrix


def test_a_mesh_is_read_back_as_it_was_written() -> None:
    stage, mesh = Usd.Stage.CreateInMemory(), ellipsoid((1, 2, 3))
    author_mesh(stage, "/Ball", mesh)
    prim = UsdGeom.Mesh(stage.GetPrimAtPath("/Ball"))
    assert np.allclose(prim.GetPointsAttr().Get(), mesh.points, atol=1e-6)
    assert list(prim.GetFaceVertexCountsAttr().Get()) == list(mesh.counts)
    assert list(prim.GetFaceVertexIndicesAttr().Get()) == list(mesh.indices)
    assert UsdGeom.Mesh.ValidateTopology(
        prim.GetFaceVertexIndicesAttr().Get(), prim.GetFaceVertexCountsAttr().Get(), len(mesh.points)
    )[0]
    assert prim.GetNormalsInterpolation() == UsdGeom.Tokens.faceVarying
    assert len(prim.GetNormalsAttr().Get()) == len(mesh.indices)
    assert np.allclose(
        prim.GetExtentAttr().Get(), UsdGeom.PointBased.ComputeExtent(prim.GetPointsAttr().Get()), atol=1e-6
    )


def test_a_picture_is_made_once_and_named_from_where_the_stage_lies(tmp_path: Path) -> None:
    textures, made = FolderTextures(tmp_path / "textures", depth=2), []

    def make() -> bytes:
        made.append(1)
        return b"pixels"

    assert textures.png("wood-1", make) == textures.png("wood-1", make) == "../../textures/wood-1.png"
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "textures").iterdir()] == ["wood-1.png"]
    assert (tmp_path / "textures/wood-1.png").read_bytes() == b"pixels"
    assert (tmp_path / "textures/wood-1.png").stat().st_mode & 0o044 == 0o044


def test_a_picture_that_cannot_be_made_leaves_none(tmp_path: Path) -> None:
    def fails() -> bytes:
        raise RuntimeError("no paint")

    textures = FolderTextures(tmp_path / "textures", depth=0)
    with pytest.raises(RuntimeError):
        textures.png("wood-1", fails)
    assert not list(tmp_path.rglob("*.*"))
    assert textures.png("wood-1", lambda: b"pixels") == "textures/wood-1.png"


def picture_of(material: UsdShade.Material) -> str:
    surface, *_ = material.ComputeSurfaceSource()
    source, *_ = surface.GetInput("diffuseColor").GetConnectedSource()
    return str(UsdShade.Shader(source.GetPrim()).GetInput("file").Get().path)


def test_a_textures_name_says_all_that_decides_the_picture() -> None:
    stage = Usd.Stage.CreateInMemory()
    names = [
        picture_of(author_material(stage, "/Wood", material, color, NamedTextures()))
        for material, color in (("wood", (0.1, 0.1, 0.1)), ("wood", (0.2, 0.1, 0.1)), ("cloth", (0.1, 0.1, 0.1)))
    ]
    again = picture_of(author_material(stage, "/Wood", "wood", (0.1, 0.1, 0.1), NamedTextures()))
    assert len(set(names)) == 3
    assert again == names[0]


def test_a_plain_surface_is_its_colour_and_a_glowing_one_glows_in_it() -> None:
    stage = Usd.Stage.CreateInMemory()
    lamp = author_material(stage, "/Lamp", "plain", (1.0, 0.5, 0.25), NamedTextures(), emission=6)
    surface, *_ = lamp.ComputeSurfaceSource()
    assert surface.GetInput("diffuseColor").Get() == surface.GetInput("emissiveColor").Get() == Gf.Vec3f(1, 0.5, 0.25)
    assert surface.GetPrim().GetAttribute("film:emission").Get() == 6
    dark, *_ = author_material(stage, "/Dark", "plain", (1, 1, 1), NamedTextures()).ComputeSurfaceSource()
    assert not dark.GetPrim().HasAttribute("film:emission")


@settings(deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=12, max_size=12), st.tuples(*[st.floats(-9, 9)] * 3))
def test_a_matrix_moves_a_point_in_usd_as_it_does_in_numpy(numbers: list[float], point: tuple[float, ...]) -> None:
    ours = np.vstack([np.reshape(numbers, (3, 4)), [0, 0, 0, 1]])
    theirs = matrix(ours).Transform(Gf.Vec3d(*point))
    assert list(theirs) == pytest.approx(list((ours @ [*point, 1])[:3]), abs=1e-9)
