"""Writing a set into a USD stage."""

from collections.abc import Mapping, Sequence

from pxr import Gf, Sdf, Usd, UsdGeom

from film_pipeline.core.exposure_marks import level_at
from film_pipeline.core.model_build import author_part, author_surface
from film_pipeline.core.model_set import Thing
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.core.sets import SetDescription, SetPiece
from film_pipeline.core.shot import PieceChange
from film_pipeline.core.usd_parts import TextureSink, author_material, author_mesh, bind


def changed(piece: SetPiece, change: PieceChange | None) -> SetPiece:
    """The piece as a shot has it."""
    if change is None:
        return piece
    said = {name: value for name in ("at", "turn_deg", "open_deg") if (value := getattr(change, name)) is not None}
    return piece.model_copy(update=said)


def author_set(
    stage: Usd.Stage,
    path: str,
    set_: SetDescription,
    textures: TextureSink,
    changes: Mapping[str, PieceChange] | None = None,
    out: Sequence[str] = (),
    frames: Sequence[int] = (),
) -> None:
    """Build every piece of a set and every thing of its .glb below `path`, each under its own name; those in `out` are
    invisible.

    frames: where a glow that changes is written, each with the value in force, since USD interpolates between them.
    """
    UsdGeom.Xform.Define(stage, path)
    changes = changes or {}
    for name, thing in set_.things.items():
        _author_thing(stage, f"{path}/{name}", thing, textures)
        if name in changes and not changes[name].visible:
            UsdGeom.Imageable(stage.GetPrimAtPath(f"{path}/{name}")).MakeInvisible()
    if set_.model_file is not None and not set_.things:
        prim = stage.DefinePrim(f"{path}/model")
        prim.GetReferences().AddReference(str(set_.model_file))
    for piece in set_.file.pieces:
        change = changes.get(piece.name)
        _author_piece(stage, f"{path}/{piece.name}", changed(piece, change), textures, change, frames)
        if piece.name in out or (change is not None and not change.visible):
            UsdGeom.Imageable(stage.GetPrimAtPath(f"{path}/{piece.name}")).MakeInvisible()


def _author_thing(stage: Usd.Stage, path: str, thing: Thing, textures: TextureSink) -> None:
    UsdGeom.Xform.Define(stage, path)
    for name, part in thing.parts.items():
        mesh = author_part(stage, f"{path}/{name}", part.points, part.triangles, part.normals, part.st)
        bind(mesh, author_surface(stage, f"{path}/Materials/{name}_surface", part.surface, textures))


def _author_piece(
    stage: Usd.Stage,
    path: str,
    piece: SetPiece,
    textures: TextureSink,
    change: PieceChange | None,
    frames: Sequence[int],
) -> None:
    UsdGeom.Xform.Define(stage, path)
    for part in build_piece(piece):
        name = f"{piece.name}_{part.name}"
        mesh = author_mesh(stage, f"{path}/{name}", part.mesh)
        material = author_material(
            stage, f"{path}/Materials/{name}_surface", part.material, part.color, textures, part.emission
        )
        bind(mesh, material)
        if part.emission > 0 and change is not None and change.glow:
            glow = stage.GetPrimAtPath(f"{path}/Materials/{name}_surface/Surface").GetAttribute("film:emission")
            for frame in frames:
                glow.Set(part.emission * level_at(change.glow, frame), Usd.TimeCode(frame))


def author_ambient(stage: Usd.Stage, path: str, color: tuple[float, float, float]) -> None:
    """The dim light that comes from everywhere, as a custom attribute and as a UsdLux dome."""
    prim = stage.GetPrimAtPath(path)
    prim.CreateAttribute("film:ambient", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*color))
