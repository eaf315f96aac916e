"""The previz document: a composed shot as numbers, for a viewer that has its set and puppets as glb.

All places are metres in set space, Z up. A matrix is 16 numbers, row after row, that act on columns. What changes from
exposure to exposure is a track: one value for each exposure in their order, or a single one that holds for all.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from film_pipeline.core.shot import Size, Vector

PREVIZ_VERSION: Literal[1] = 1
"""Raised whenever a viewer that reads the last version would read this one wrongly."""
Numbers = tuple[float, ...]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PrevizExposure(_Told):
    """A pose in front of the lens."""

    frame: int = Field(description="the frame it is shot at, from 1001")
    held_frames: int = Field(description="how many frames of film it is on screen")


class PrevizMark(_Told):
    """A place of the set that has a name."""

    name: str
    at: Vector
    facing_deg: float = Field(description="0 looks along -Y, counter-clockwise, seen from above")


class PrevizPiece(_Told):
    """A piece of the set as this shot has it."""

    name: str
    kind: str = Field(description="as set.yaml says it, or `thing` for one of the set's model")
    at: Vector = Field(description="the middle of its foot")
    turn_deg: float = Field(description="it faces -Y at 0, counter-clockwise, seen from above")
    shown: bool
    why: str = Field(description="why it is not shown; empty where it is")
    changed: bool = Field(description="whether the shot changes its place, its turn or how far it is open")
    meshes: dict[str, Numbers | None] = Field(
        description="its meshes by name, and the matrix that moves each from where the set's model has it to where the "
        "shot has it; null where it stays"
    )


class PrevizSet(_Told):
    """The set, and what the shot changes of it."""

    name: str
    title: str
    model: str = Field(description="the glb's role in the turnover of set_characters")
    ambient: Vector = Field(description="radiance from everywhere, scene-linear Rec.709")
    pieces: tuple[PrevizPiece, ...]
    marks: tuple[PrevizMark, ...]


class PrevizJoint(_Told):
    """A joint of a puppet's skeleton. Parents stand before their children."""

    name: str
    parent: str | None
    bind: Numbers = Field(description="its matrix where the mesh was bound to it, in the puppet's own space")


class PrevizPose(_Told):
    """The joints' transforms in their parents' space at one exposure, as UsdSkelAnimation has them, joint after joint.

    The first joint stands in the set.
    """

    translations: Numbers = Field(description="3 for each joint")
    rotations: Numbers = Field(description="4 for each joint: x, y, z, w")
    scales: Numbers = Field(description="3 for each joint")


class PrevizSpot(_Told):
    """Where a puppet stands and faces by its file: at first, or from a key on."""

    frame: int | None = Field(description="the key's frame; null for what the cast entry itself says")
    at: Vector
    facing_deg: float
    ease: str = Field(description="how the next key is reached from this one")
    pose: str
    says_at: bool = Field(description="whether the file says a place here, or it is as before")
    says_facing: bool = Field(description="whether the file says a facing here; else the mark's or as before")
    mark: str | None = Field(description="the mark that `at` names, where it names one")
    facing_of_mark: bool = Field(description="whether the facing is the mark's own")
    faces: Vector | None = Field(description="the place that it faces by name, which it faces wherever it stands")


class PrevizPuppet(_Told):
    """A puppet of the shot."""

    name: str
    title: str
    height_m: float
    model: str = Field(description="the glb's role in the turnover of set_characters")
    joints: tuple[PrevizJoint, ...]
    hidden_meshes: tuple[str, ...] = Field(description="meshes of the glb that are not in this shot: props put away")
    spots: tuple[PrevizSpot, ...] = Field(description="what the cast entry says, then every key in order")
    poses: tuple[PrevizPose, ...] = Field(description="one for each exposure")


class PrevizMove(_Told):
    """A move of the camera."""

    kind: str
    amount: float
    first_frame: int
    last_frame: int


class PrevizCamera(_Told):
    """The shot's camera, along its own -Z with +Y up, as UsdGeomCamera has it."""

    aperture_mm: tuple[float, float] = Field(description="width and height of the film back")
    matrices: tuple[Numbers, ...] = Field(description="a track")
    lenses_mm: Numbers = Field(description="a track")
    focus_m: Numbers = Field(description="a track")
    f_stops: Numbers = Field(description="a track; 0 where there is no depth of field")
    framed: bool = Field(description="whether it stands by framing (size and subject); else by hand")
    position: Vector = Field(description="as a camera by hand would have to be written to stand where it begins")
    target: Vector
    says_target: bool = Field(description="whether the file says what a camera by hand looks at")
    target_name: str | None = Field(description="the mark, piece or character that `target` names, where it names one")
    place: tuple[float, float]
    tilt_deg: float
    roll_deg: float
    moves: tuple[PrevizMove, ...]
    begins_moved: bool = Field(description="whether a move is over as soon as the shot begins")


class PrevizLight(_Told):
    """A light. It shines along its own -Z."""

    name: str
    kind: Literal["rect", "disk", "sphere", "distant"]
    color: Vector
    size_m: tuple[float, float] = Field(description="width and height, or diameter twice; of a distant light degrees")
    matrices: tuple[Numbers, ...] = Field(description="a track")
    watts: Numbers = Field(description="a track; of a distant light watts/m2")


class Previz(_Told):
    """A composed shot for the previz viewer."""

    version: Literal[1] = PREVIZ_VERSION
    shot: str
    size: Size
    subjects: tuple[str, ...]
    lock: str = Field(description="the composition lock; empty for a shot that was composed to be looked at only")
    fps: tuple[int, int] = Field(description="numerator and denominator")
    picture: tuple[int, int] = Field(description="width and height of the delivered picture, pixels")
    exposures: tuple[PrevizExposure, ...]
    set: PrevizSet
    puppets: tuple[PrevizPuppet, ...]
    camera: PrevizCamera
    lights: tuple[PrevizLight, ...]
    glow: dict[str, Numbers] = Field(description="by the name of a material: how strongly it shines by itself, a track")
