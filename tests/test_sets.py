"""Sets: every kind of piece is built as large as it says, and stands where it is put."""

from typing import Any

import numpy as np
import pytest
from film_makers import NamedTextures, a_set, sample_set
from hypothesis import given, settings
from hypothesis import strategies as st
from pxr import Usd, UsdGeom

from film_pipeline.core.meshes import Array, rotation
from film_pipeline.core.set_build import author_ambient, author_set, changed
from film_pipeline.core.set_parts import Part
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.core.sets import PieceKind, SetPiece
from film_pipeline.core.shot import PieceChange

KINDS = PieceKind.__args__
KIND = st.sampled_from(KINDS)
# Flat things have no height of their own, and what hangs in a wall stands out of it by its carving.
FLAT = ("floor", "rug", "page")


def a_piece(kind: str, **fields: Any) -> SetPiece:
    return SetPiece.model_validate({"name": "piece", "kind": kind, **fields})


def points(parts: tuple[Part, ...]) -> Array:
    return np.concatenate([part.mesh.points for part in parts])


def by_name(piece: SetPiece) -> dict[str, Part]:
    return {part.name: part for part in build_piece(piece)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, (0.9, 0.7, 1.1), (3.0, 2.0, 2.4), (0.02, 0.02, 0.02)])
def test_every_kind_of_piece_can_be_built_in_any_size(kind: str, size: tuple[float, ...] | None) -> None:
    parts = build_piece(a_piece(kind, size=size, glow=2, open_deg=30))
    assert parts and len({part.name for part in parts}) == len(parts)
    for part in parts:
        assert np.isfinite(part.mesh.points).all() and np.isfinite(part.mesh.normals()).all()
        assert part.mesh.counts.sum() == len(part.mesh.indices) == len(part.mesh.st)
        assert part.mesh.indices.max() < len(part.mesh.points)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(0.9, 0.7, 1.1), (3.0, 2.0, 2.4)])
def test_a_piece_is_as_large_as_it_says(kind: str, size: tuple[float, float, float]) -> None:
    placed = points(build_piece(a_piece(kind, size=size, glow=1)))
    built = np.ptp(placed, axis=0)
    sides = (0,) if kind in FLAT else (0, 2)
    for side in sides:
        # A frame, a casing or a banister may stand out, and no board is cut to the millimetre.
        assert 0.97 * size[side] <= built[side] <= size[side] * 1.1 + (1.1 if kind == "staircase" else 0.42)


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_stands_on_the_middle_of_its_foot(kind: str) -> None:
    placed = points(build_piece(a_piece(kind)))
    low, high = placed.min(axis=0), placed.max(axis=0)
    if kind in ("floor", "ground"):
        assert high[2] == pytest.approx(0, abs=1e-9)
    elif kind != "wall_lamp":
        assert -0.2 < low[2] < 0.01
    assert abs(low[0] + high[0]) < 0.15 * (high[0] - low[0])


@settings(deadline=None)
@given(KIND, st.floats(-360, 360), st.tuples(*[st.floats(-9, 9)] * 3))
def test_a_piece_is_turned_and_put_down_whole(kind: str, turn: float, at: tuple[float, float, float]) -> None:
    here = points(build_piece(a_piece(kind)))
    there = points(build_piece(a_piece(kind, at=at, turn_deg=turn)))
    assert np.allclose(there, here @ rotation("z", turn).T + at)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_always_builds_the_same_piece(kind: str) -> None:
    build_piece.cache_clear()
    first = points(build_piece(a_piece(kind, seed=7)))
    build_piece.cache_clear()
    assert np.array_equal(first, points(build_piece(a_piece(kind, seed=7))))


@pytest.mark.parametrize(
    "kind", ["floor", "plank_wall", "wall", "door", "staircase", "desk", "bookshelf", "papers", "crate"]
)
def test_another_seed_builds_another_piece(kind: str) -> None:
    first, second = (points(build_piece(a_piece(kind, seed=seed))) for seed in (1, 2))
    assert first.shape != second.shape or not np.allclose(first, second)


def test_a_door_opens_about_its_hinge_and_its_casing_stays() -> None:
    shut, open_ = (
        by_name(a_piece("door", size=[1.0, 0.06, 2.1])),
        by_name(a_piece("door", size=[1.0, 0.06, 2.1], open_deg=90)),
    )
    assert np.array_equal(shut["casing"].mesh.points, open_["casing"].mesh.points)
    for name in ("leaf", "carving", "iron"):
        hinge = np.array([0.5, 0, 0])
        before = np.linalg.norm((shut[name].mesh.points - hinge)[:, :2], axis=1)
        after = np.linalg.norm((open_[name].mesh.points - hinge)[:, :2], axis=1)
        assert np.allclose(before, after)
        assert np.abs(open_[name].mesh.points - shut[name].mesh.points).max() > 0.9


def test_a_staircase_rises_step_by_step() -> None:
    for steps in (1, 4, 12):
        treads = by_name(a_piece("staircase", steps=steps, size=[1, 3, 2]))["treads"].mesh.points
        assert treads[:, 2].max() == pytest.approx(2, abs=0.05)


def test_what_glows_glows_as_strongly_as_it_says_and_no_other_piece_does() -> None:
    for kind in ("lamp", "wall_lamp", "candle", "window"):
        assert max(part.emission for part in build_piece(a_piece(kind, glow=7))) == 7
        assert not any(part.emission for part in build_piece(a_piece(kind)))
    assert not any(part.emission for part in build_piece(a_piece("desk", glow=7)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_shows_the_colour_that_it_is_given(kind: str) -> None:
    shown = [part.color for part in build_piece(a_piece(kind, color=[0.9, 0.1, 0.2]))]
    assert any(np.allclose(np.array(color) / max(color), [1, 1 / 9, 2 / 9]) for color in shown)


@pytest.mark.parametrize("kind", ["floor", "ground", "wall", "plank_wall", "ceiling", "backdrop"])
def test_a_wall_shows_the_material_that_it_is_given(kind: str) -> None:
    assert "metal" in [part.material for part in build_piece(a_piece(kind, material="metal"))]


def test_a_shot_changes_a_piece_only_in_what_it_says() -> None:
    piece = a_piece("door", at=[1, 2, 3], turn_deg=10, open_deg=5)
    assert changed(piece, None) == changed(piece, PieceChange()) == piece
    assert changed(piece, PieceChange(open_deg=0)) == piece.model_copy(update={"open_deg": 0.0})
    moved = changed(piece, PieceChange(at=(0, 0, 0), turn_deg=90))
    assert (moved.at, moved.turn_deg, moved.open_deg) == ((0, 0, 0), 90, 5)


def test_another_set_has_another_name() -> None:
    plain = a_set(pieces=[{"name": "desk", "kind": "desk"}])
    assert plain.sha256 == a_set(pieces=[{"name": "desk", "kind": "desk"}]).sha256
    for other in (
        a_set(pieces=[{"name": "desk", "kind": "desk", "seed": 1}]),
        a_set(pieces=[{"name": "desk", "kind": "desk"}], marks={"door": {"at": [0, 0, 0]}}),
        a_set(pieces=[{"name": "desk", "kind": "desk"}], ambient=[1, 1, 1]),
    ):
        assert other.sha256 != plain.sha256


def built(changes: dict[str, PieceChange] | None = None, out: tuple[str, ...] = ()) -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    set_ = a_set(
        pieces=[{"name": "desk", "kind": "desk", "at": [1, 0, 0]}, {"name": "lamp", "kind": "lamp", "glow": 8}]
    )
    author_set(stage, "/Set", set_, NamedTextures(), changes, out, frames=range(1001, 1021, 2))
    return stage


def hidden(stage: Usd.Stage, path: str) -> bool:
    return UsdGeom.Imageable(stage.GetPrimAtPath(path)).ComputeVisibility() == UsdGeom.Tokens.invisible


def test_what_a_shot_takes_out_and_what_is_wild_is_there_but_not_seen() -> None:
    stage = built({"desk": PieceChange(visible=False)}, out=("lamp",))
    assert hidden(stage, "/Set/desk/desk_body") and hidden(stage, "/Set/lamp/lamp_bulb")
    stage = built({"desk": PieceChange(turn_deg=4)})
    assert not hidden(stage, "/Set/desk/desk_body") and not hidden(stage, "/Set/lamp/lamp_bulb")


def test_a_glow_is_whole_until_it_changes_and_never_slides_from_one_level_to_the_next() -> None:
    stage = built({"lamp": PieceChange(glow={1006: 0.5, 1009: 0})})
    glow = stage.GetPrimAtPath("/Set/lamp/Materials/lamp_bulb_surface/Surface").GetAttribute("film:emission")
    assert [glow.Get(frame) for frame in range(1001, 1021, 2)] == [8, 8, 8, 4, 0, 0, 0, 0, 0, 0]
    stage = built()
    still = stage.GetPrimAtPath("/Set/lamp/Materials/lamp_bulb_surface/Surface").GetAttribute("film:emission")
    assert (still.Get(), still.GetNumTimeSamples()) == (8, 0)


def test_every_mesh_of_a_set_is_bound_to_a_material_that_is_there() -> None:
    from pxr import UsdShade

    stage = built()
    meshes = [prim for prim in stage.Traverse() if prim.GetTypeName() == "Mesh"]
    assert len(meshes) == 5
    for prim in meshes:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
        surface, *_ = material.ComputeSurfaceSource()
        assert surface.GetIdAttr().Get() == "UsdPreviewSurface"


def test_the_dim_light_from_everywhere_is_written_on_the_shot() -> None:
    stage = Usd.Stage.CreateInMemory()
    stage.DefinePrim("/Shot")
    author_ambient(stage, "/Shot", (0.5, 0.25, 0.125))
    assert list(stage.GetPrimAtPath("/Shot").GetAttribute("film:ambient").Get()) == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("name", ["study", "stair"])
def test_the_samples_sets_stand_together(name: str) -> None:
    stage = Usd.Stage.CreateInMemory()
    set_ = sample_set(name)
    author_set(stage, "/Set", set_, NamedTextures())
    names = [prim.GetName() for prim in stage.Traverse() if prim.GetTypeName() == "Mesh"]
    assert len(set(names)) == len(names)
    assert {prim.GetName() for prim in stage.GetPrimAtPath("/Set").GetChildren()} == {p.name for p in set_.file.pieces}
