"""Telling a composed shot as a previz document: read from the stage, which is what every engine reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pxr import Usd, UsdGeom, UsdSkel
from scipy.spatial.transform import Rotation

from film_pipeline.core.blocking import Blocking
from film_pipeline.core.camera import aim_by_hand
from film_pipeline.core.composition import Composition
from film_pipeline.core.meshes import Array
from film_pipeline.core.previz import (
    Numbers,
    Previz,
    PrevizCamera,
    PrevizExposure,
    PrevizJoint,
    PrevizLight,
    PrevizMark,
    PrevizMove,
    PrevizPiece,
    PrevizPose,
    PrevizPuppet,
    PrevizSet,
    PrevizSpot,
)
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import Character
from film_pipeline.core.puppet_build import Builder
from film_pipeline.core.set_build import changed
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.core.sets import SetDescription, SetPiece
from film_pipeline.core.shot import CastMember, Shot, Vector

_PLACES, _TURNS = 6, 7
"""Digits after the point: a thousandth of a millimetre, a hundred-thousandth of a degree."""
_RIGID_M = 1e-6
_LIGHTS = {"RectLight": "rect", "DiskLight": "disk", "SphereLight": "sphere", "DistantLight": "distant"}


def previz_of(
    composition: Composition,
    shot: Shot,
    set_: SetDescription,
    production: Production,
    lock: str = "",
) -> Previz:
    """The previz document of a composed shot. The same composition is the same document."""
    # With no frames to perform this only says where the puppets stand at their keys.
    blocking = Blocking(shot, set_, composition.cast, ())
    frames = composition.sheet.unique_frames
    return Previz(
        shot=str(composition.name),
        size=shot.size,
        subjects=shot.subjects,
        lock=lock,
        fps=(production.rate.numerator, production.rate.denominator),
        picture=composition.size,
        exposures=tuple(
            PrevizExposure(frame=exposure.frame, held_frames=exposure.held_frames)
            for exposure in composition.sheet.exposures
        ),
        set=_set(composition, shot, set_),
        puppets=tuple(_puppet(composition, member, blocking) for member in shot.cast),
        camera=_camera(composition, shot, blocking),
        lights=tuple(_lights(composition.stage, frames)),
        glow=_glow(composition.stage, frames),
    )


def rounded(values: ArrayLike, digits: int = _PLACES) -> Numbers:
    """Numbers in a row, rounded, without a negative zero."""
    return tuple(float(value) + 0.0 for value in np.round(np.asarray(values, float).reshape(-1), digits))


def _place(values: ArrayLike) -> Vector:
    x, y, z = rounded(values)
    return x, y, z


def _track(values: Iterable[Numbers]) -> tuple[Numbers, ...]:
    told = tuple(values)
    return told[:1] if len(set(told)) == 1 else told


def _number_track(values: Iterable[float]) -> Numbers:
    told = rounded(list(values))
    return told[:1] if len(set(told)) == 1 else told


def _set(composition: Composition, shot: Shot, set_: SetDescription) -> PrevizSet:
    pieces = [_piece(composition, shot, piece) for piece in set_.file.pieces]
    pieces += [_thing(composition, name) for name in set_.things]
    return PrevizSet(
        name=set_.name,
        title=set_.file.name,
        model=f"set_{set_.name}_glb",
        ambient=set_.file.ambient,
        pieces=tuple(pieces),
        marks=tuple(
            PrevizMark(name=name, at=mark.at, facing_deg=mark.facing) for name, mark in set_.file.marks.items()
        ),
    )


def _piece(composition: Composition, shot: Shot, piece: SetPiece) -> PrevizPiece:
    change = shot.pieces.get(piece.name)
    now = changed(piece, change)
    shown = _is_shown(composition, piece.name)
    out = "the shot takes it out" if change is not None and not change.visible else "wild: the camera stands behind it"
    parts = zip(build_piece(piece), build_piece(now), strict=True)
    return PrevizPiece(
        name=piece.name,
        kind=piece.kind,
        at=now.at,
        turn_deg=now.turn_deg,
        shown=shown,
        why="" if shown else out,
        changed=now != piece,
        meshes={
            f"{piece.name}_{part.name}": None if now == piece else moved_between(part.mesh.points, moved.mesh.points)
            for part, moved in parts
        },
    )


def _thing(composition: Composition, name: str) -> PrevizPiece:
    shown = _is_shown(composition, name)
    meshes = [mesh for mesh, identity in composition.identities.items() if identity == name]
    return PrevizPiece(
        name=name,
        kind="thing",
        at=(0.0, 0.0, 0.0),
        turn_deg=0.0,
        shown=shown,
        why="" if shown else "the shot takes it out",
        changed=False,
        meshes=dict.fromkeys(meshes),
    )


def _is_shown(composition: Composition, piece: str) -> bool:
    prim = composition.stage.GetPrimAtPath(f"/Shot/Set/{piece}")
    return str(UsdGeom.Imageable(prim).ComputeVisibility()) != "invisible"


def moved_between(before: Array, after: Array) -> Numbers:
    """The rigid motion between two states of the same points (n, 3), as a matrix.

    Raises ValueError where it is no motion but a change of shape: a viewer that has the one mesh can't show the other.
    """
    middle, middle_after = before.mean(axis=0), after.mean(axis=0)
    turn, _ = Rotation.align_vectors(after - middle_after, before - middle)
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix()
    matrix[:3, 3] = middle_after - matrix[:3, :3] @ middle
    left_over = np.abs(before @ matrix[:3, :3].T + matrix[:3, 3] - after).max()
    if left_over > _RIGID_M:
        raise ValueError(f"the points do not move as one: {left_over:.6f} m are left over")
    return rounded(matrix, 9)


def _puppet(composition: Composition, member: CastMember, blocking: Blocking) -> PrevizPuppet:
    name = member.character
    character = composition.cast[name]
    skeleton = character.skeleton
    animation = UsdSkel.Animation(composition.stage.GetPrimAtPath(f"/Shot/Cast/{name}/Anim"))
    return PrevizPuppet(
        name=name,
        title=character.file.name,
        height_m=character.file.height_m,
        model=f"puppet_{name}_glb",
        joints=tuple(
            PrevizJoint(name=joint, parent=skeleton.parents[joint], bind=rounded(character.bind(joint), 9))
            for joint in skeleton.names
        ),
        hidden_meshes=_put_away(name, character, member),
        spots=tuple(_spots(member, blocking)),
        poses=tuple(_pose(animation, frame) for frame in composition.sheet.unique_frames),
    )


def _put_away(name: str, character: Character, member: CastMember) -> tuple[str, ...]:
    builder = Builder(character)
    out = {part.name for part in builder.parts(member.props)}
    return tuple(f"{name}_{part.name}" for part in builder.parts() if part.name not in out)


def _pose(animation: UsdSkel.Animation, frame: int) -> PrevizPose:
    time = Usd.TimeCode(frame)
    turns = [[*turn.imaginary, turn.real] for turn in animation.GetRotationsAttr().Get(time)]
    return PrevizPose(
        translations=rounded(animation.GetTranslationsAttr().Get(time)),
        rotations=rounded(turns, _TURNS),
        scales=rounded(np.asarray(animation.GetScalesAttr().Get(time), float)),
    )


def _spots(member: CastMember, blocking: Blocking) -> Iterable[PrevizSpot]:
    """What the cast entry says of where the puppet is, then each key."""
    marks = blocking.set.file.marks
    at, facing = blocking.stands_first(member)
    mark = member.at if isinstance(member.at, str) else None
    says_facing = "facing" in member.model_fields_set
    yield PrevizSpot(
        frame=None,
        at=_place(at),
        facing_deg=facing,
        ease="hold",
        pose="",
        says_at=True,
        says_facing=says_facing,
        mark=mark,
        facing_of_mark=mark in marks and not says_facing,
        faces=_faced(blocking, member.facing),
    )
    for key, (at, facing) in zip(member.keys, blocking.stands(member.character), strict=True):
        mark = key.at if isinstance(key.at, str) else None
        yield PrevizSpot(
            frame=key.frame,
            at=_place(at),
            facing_deg=facing,
            ease=key.ease,
            pose=key.pose,
            says_at=key.at is not None,
            says_facing=key.facing is not None,
            mark=mark,
            facing_of_mark=mark is not None and key.facing is None,
            faces=_faced(blocking, key.facing),
        )


def _faced(blocking: Blocking, towards: object) -> Vector | None:
    return _place(blocking.faced(towards)) if isinstance(towards, str) else None


def _camera(composition: Composition, shot: Shot, blocking: Blocking) -> PrevizCamera:
    setup, frames = shot.camera, composition.sheet.frames
    cameras = [composition.cameras[frame] for frame in composition.sheet.unique_frames]
    first = cameras[0]
    moves = tuple(
        PrevizMove(
            kind=move.kind,
            amount=move.amount,
            first_frame=move.from_frame or frames.first_frame,
            last_frame=move.to_frame or frames.last_frame,
        )
        for move in setup.moves
    )
    position, target = aim_by_hand(first, setup)
    if setup.position is not None and setup.target is not None:
        target = _first_place(composition, blocking, setup.target)
    return PrevizCamera(
        aperture_mm=(float(first.aperture_w_mm), float(first.aperture_h_mm)),
        matrices=_track(rounded(camera.matrix, 9) for camera in cameras),
        lenses_mm=_number_track(camera.lens_mm for camera in cameras),
        focus_m=_number_track(camera.focus_m for camera in cameras),
        f_stops=_number_track(camera.f_stop for camera in cameras),
        framed=setup.position is None,
        position=_place(position),
        target=_place(target),
        says_target=setup.target is not None,
        target_name=setup.target if isinstance(setup.target, str) else None,
        place=setup.place,
        tilt_deg=setup.tilt_deg,
        roll_deg=setup.roll_deg,
        moves=moves,
        begins_moved=any(move.last_frame <= move.first_frame <= frames.first_frame for move in moves),
    )


def _first_place(composition: Composition, blocking: Blocking, what: object) -> Array:
    """Where what the camera looks at is as the shot begins: of a puppet its eyes."""
    if isinstance(what, str) and what in composition.cast:
        frame = composition.sheet.unique_frames[0]
        character = composition.cast[what]
        return character.landmarks(composition.poses[what][frame], composition.roots[what][frame])["eyes"]
    return blocking.place(what)


def _lights(stage: Usd.Stage, frames: Sequence[int]) -> Iterable[PrevizLight]:
    for prim in stage.GetPrimAtPath("/Shot/Lights").GetChildren():
        kind = _LIGHTS[prim.GetTypeName()]
        place = UsdGeom.Xformable(prim)
        yield PrevizLight.model_validate(
            {
                "name": prim.GetName(),
                "kind": kind,
                "color": rounded(prim.GetAttribute("inputs:color").Get()),
                "size_m": _light_size(prim, kind),
                "matrices": _track(
                    rounded(np.array(place.ComputeLocalToWorldTransform(Usd.TimeCode(frame))).T, 9) for frame in frames
                ),
                "watts": _number_track(prim.GetAttribute("film:watts").Get(Usd.TimeCode(frame)) for frame in frames),
            }
        )


def _light_size(prim: Usd.Prim, kind: str) -> Numbers:
    def said(name: str) -> float:
        return float(prim.GetAttribute(f"inputs:{name}").Get())

    if kind == "rect":
        return rounded([said("width"), said("height")])
    return rounded([said("angle")] * 2 if kind == "distant" else [said("radius") * 2] * 2)


def _glow(stage: Usd.Stage, frames: Sequence[int]) -> dict[str, Numbers]:
    glow: dict[str, Numbers] = {}
    for prim in stage.TraverseAll():
        emission: Any = prim.GetAttribute("film:emission") if prim.GetTypeName() == "Shader" else None
        if emission:
            glow[prim.GetParent().GetName()] = _number_track(emission.Get(Usd.TimeCode(frame)) for frame in frames)
    return glow


def models_of(previz: Previz) -> Mapping[str, str]:
    """The glb files that a viewer needs, by the names of set and puppets: their roles in set_characters."""
    return {previz.set.name: previz.set.model, **{puppet.name: puppet.model for puppet in previz.puppets}}
