"""A scene's shot file: `shots/SC010.yaml`, one file a scene."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.slate import SCENE_PATTERN, SHOT_PATTERN, ShotName
from film_pipeline.core.timing import FIRST_FRAME, ExposureSheet, FrameRange
from film_pipeline.core.units import DEGREES, FRAME_NUMBER, FRAMES, LINEAR_RGB, METRES, SHARE, WATTS

Vector = tuple[float, float, float]
Level = Annotated[float, Field(ge=0)]
Size = Literal[
    "extreme wide", "wide", "full", "medium wide", "medium", "medium close-up", "close-up", "extreme close-up", "insert"
]


LONGEST_SHOT = 100_000
"""Frames; more than an hour at 24 a second. A longer one is a slip of the pen."""


def _frame(frame: int) -> int:
    if not FIRST_FRAME <= frame < FIRST_FRAME + LONGEST_SHOT:
        raise ValueError(f"frames are numbered from {FIRST_FRAME} on")
    return frame


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("a name is letters, digits and underscores, with no digit first")
    return name


Frame = Annotated[int, AfterValidator(_frame)]
Name = Annotated[str, AfterValidator(_name)]
"""A name that is also a folder on every system and a prim in a USD stage."""
Share = Annotated[float, Field(ge=0, le=1)]


class Hold(FilmFile):
    """A pose held longer than the shot's rhythm."""

    frame: Frame = Field(description="the first frame of the hold", json_schema_extra=FRAME_NUMBER)
    frames: int = Field(gt=0, le=LONGEST_SHOT, description="how long it is on screen", json_schema_extra=FRAMES)


class ExposurePlan(FilmFile):
    """How a shot is exposed: on twos unless it says otherwise, with holds."""

    on: int = Field(default=2, ge=1, le=24, description="how long each pose is on screen", json_schema_extra=FRAMES)
    holds: tuple[Hold, ...] = Field(default=(), description="poses that stay longer; none may overlap another")


class PoseKey(FilmFile):
    """What a puppet does from a frame on. Between keys the pose is interpolated at each unique frame."""

    frame: Frame = Field(
        default=FIRST_FRAME, description="when the key is reached; keys stand in order", json_schema_extra=FRAME_NUMBER
    )
    pose: str = Field(default="neutral", description="a pose of the library or of the puppet's own")
    blend: Share = Field(default=1.0, description="how much of the pose over `neutral`")
    with_poses: dict[str, Share] = Field(
        default_factory=dict, description="further poses and how much of each, one after another"
    )
    joints: dict[str, Vector] = Field(
        default_factory=dict,
        description="joint -> rotation about x (bends forward), y (tilts), z (turns left), added to the pose",
        json_schema_extra=DEGREES,
    )
    face: dict[str, Share] = Field(
        default_factory=dict, description="face shape -> how much: blink, brow_up, brow_down, jaw_open, smile, frown"
    )
    hands: dict[str, Share] = Field(
        default_factory=dict, description="hand shape -> how much: grip, fist, spread or point, _left or _right"
    )
    at: Vector | str | None = Field(
        default=None,
        description="a place in the set, or the name of a mark; where it was unless given",
        json_schema_extra=METRES,
    )
    facing: float | str | None = Field(
        default=None,
        description="0 looks along -Y, counter-clockwise; or a mark, piece or character to face; as before unless "
        "given",
        json_schema_extra=DEGREES,
    )
    look_at: str | None = Field(default=None, description="a character, mark or piece that head and eyes turn to")
    ease: Literal["linear", "in", "out", "in-out", "hold"] = Field(
        default="in-out", description="how the next key is reached from this one; `hold` stays until then"
    )


class CastMember(FilmFile):
    """A puppet in the shot."""

    character: Name = Field(description="whose: a folder in cast/")
    at: Vector | str = Field(
        default=(0.0, 0.0, 0.0), description="a place in the set, or the name of a mark", json_schema_extra=METRES
    )
    facing: float | str = Field(
        default=0.0,
        description="0 looks along -Y, counter-clockwise; or a mark, piece or character to face; the mark's own unless "
        "given",
        json_schema_extra=DEGREES,
    )
    keys: tuple[PoseKey, ...] = Field(default=(PoseKey(),), min_length=1, description="what the puppet does")
    props: tuple[str, ...] = Field(default=(), description="which of the puppet's props are out")

    @model_validator(mode="after")
    def _in_order(self) -> "CastMember":
        frames = [key.frame for key in self.keys]
        if frames != sorted(set(frames)):
            raise ValueError(f"the pose keys of {self.character} are not in the order of their frames")
        return self


class CameraMove(FilmFile):
    """A move of the camera."""

    kind: Literal[
        "push_in",
        "pull_out",
        "track_left",
        "track_right",
        "crane_up",
        "crane_down",
        "pan",
        "tilt",
        "roll",
        "orbit",
        "zoom",
    ] = Field(description="which move; pan turns left, tilt looks up and roll leans left for more than 0")
    amount: float = Field(
        description="metres for push, pull, track and crane; degrees for pan, tilt, roll, orbit; mm for zoom"
    )
    from_frame: Frame | None = Field(default=None, description="when it begins; the shot's first frame unless given")
    to_frame: Frame | None = Field(default=None, description="when it is done; the shot's last frame unless given")
    ease: Literal["linear", "in", "out", "in-out"] = Field(default="in-out", description="how it begins and ends")


class FilmBack(FilmFile):
    """The part of the camera's film back that is exposed, cut to the picture's aspect ratio."""

    width_mm: float = Field(default=24.89, gt=0, description="of the film back")
    height_mm: float | None = Field(default=None, gt=0, description="from the picture's aspect ratio unless given")


class CameraSetup(FilmFile):
    """Where the camera stands: by framing (size and subject), or by hand (position and target)."""

    lens_mm: float = Field(default=35.0, gt=4, lt=1000, description="focal length")
    film_back: FilmBack = Field(default=FilmBack(), description="what the lens is measured against")
    angle_deg: float = Field(
        default=20.0, description="around the subject; 0 is in front of its face, positive to its left"
    )
    height_m: float | None = Field(
        default=None, description="of the lens above the set's zero; eye height of the subject unless given"
    )
    tilt_deg: float = Field(default=0.0, description="added after framing; positive looks up")
    roll_deg: float = Field(default=0.0, description="added after framing; positive leans the camera to its left")
    place: tuple[float, float] = Field(
        default=(0.5, 0.5),
        description="where the subject's middle stands in the frame, from the left and from the top",
        json_schema_extra=SHARE,
    )
    position: Vector | None = Field(
        default=None, description="in the set; replaces the framing", json_schema_extra=METRES
    )
    target: Vector | str | None = Field(
        default=None,
        description="what a camera with a position looks at: a place, or a mark, piece or character; the subject "
        "unless given",
        json_schema_extra=METRES,
    )
    focus: str | None = Field(default=None, description="what is sharp; the subject unless said")
    f_stop: float | None = Field(default=None, gt=0, description="no depth of field unless given")
    moves: tuple[CameraMove, ...] = Field(default=(), description="what the camera does, one move upon another")

    @model_validator(mode="after")
    def _looks_somewhere(self) -> "CameraSetup":
        if self.target is not None and self.position is None:
            raise ValueError("a target needs a position: without one the camera frames the shot's subject")
        return self


class Light(FilmFile):
    """A light of the set; or a change of it, by its name, that says only what is different."""

    kind: Literal["rect", "disk", "sphere", "distant"] = Field(default="rect", description="its shape")
    position: Vector = Field(default=(0.0, 0.0, 2.0), description="in the set", json_schema_extra=METRES)
    target: Vector | str = Field(
        default=(0.0, 0.0, 1.0),
        description="what it shines on: a place, or a mark, piece or character",
        json_schema_extra=METRES,
    )
    intensity: float = Field(
        default=20.0,
        ge=0,
        description="radiant, as Blender counts it; of a distant light watts/m2",
        json_schema_extra=WATTS,
    )
    color: Vector = Field(default=(1.0, 1.0, 1.0), description="of the light", json_schema_extra=LINEAR_RGB)
    size_m: float = Field(
        default=0.5, gt=0, description="width of a rect, diameter of a disk or sphere; of a distant light degrees"
    )
    size_y_m: float | None = Field(default=None, gt=0, description="height of a rect; its width unless given")
    practical: bool = Field(default=False, description="seen in the picture: it glows in comp")
    follows: str = Field(
        default="",
        description="a puppet's joint that carries it, such as pim.hand_left; position is then from the joint",
    )
    levels: dict[Frame, Level] = Field(
        default_factory=dict,
        description="frame -> share of the intensity from that frame on, such as {1073: 0} to put it out",
    )


class PieceChange(FilmFile):
    """What a shot changes of a piece of its set."""

    at: Vector | None = Field(default=None, description="where it stands in this shot", json_schema_extra=METRES)
    turn_deg: float | None = Field(default=None, description="how it is turned in this shot")
    open_deg: float | None = Field(default=None, description="of a door: how far its leaf stands open")
    visible: bool = Field(default=True, description="false takes it out of the shot")
    glow: dict[Frame, Level] = Field(
        default_factory=dict, description="frame -> share of the piece's glow from that frame on"
    )


class Line(FilmFile):
    """A line of dialogue heard in the shot."""

    character: str = Field(description="who speaks, as the script names them")
    text: str = Field(description="what is said")
    frame: Frame = Field(default=FIRST_FRAME, description="when it begins", json_schema_extra=FRAME_NUMBER)


class Shot(FilmFile):
    """One shot as its author composes it."""

    id: str = Field(description="SH010, SH020, ...: its name within the scene")
    length: int = Field(gt=0, le=LONGEST_SHOT, description="from its first frame, 1001", json_schema_extra=FRAMES)
    size: Size = Field(default="medium", description="how much of the subject the frame shows")
    subject: str | tuple[str, ...] | None = Field(
        default=None, description="what is framed: characters or pieces; the first of the cast unless given"
    )
    action: str = Field(default="", description="what happens, for people")
    dialogue: tuple[Line, ...] = Field(default=(), description="what is said")
    exposure: ExposurePlan | None = Field(default=None, description="the production's exposure unless given")
    cast: tuple[CastMember, ...] = Field(default=(), description="who is in the shot")
    camera: CameraSetup = Field(default=CameraSetup(), description="where the camera stands and what it does")
    light: dict[Name, Light] = Field(
        default_factory=dict, description="lights of this shot, and changes of the scene's and the set's by name"
    )
    pieces: dict[str, PieceChange] = Field(
        default_factory=dict, description="changes of the set's pieces for this shot"
    )
    look: dict[str, object] = Field(default_factory=dict, description="overrides of look.yaml for this shot")
    prompt: str = Field(default="", description="direction for a generating backend")
    transition: Literal["cut", "fade in", "fade out"] = Field(default="cut", description="how it begins or ends")
    notes: str = Field(default="", description="for people; nothing reads it")

    @model_validator(mode="after")
    def _holds_together(self) -> "Shot":
        if not SHOT_PATTERN.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is no shot: write SH010, SH020, ...")
        names = [member.character for member in self.cast]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.id} casts somebody twice")
        return self

    @property
    def frames(self) -> FrameRange:
        return FrameRange.of_length(self.length)

    def exposure_sheet(self, default: ExposurePlan) -> ExposureSheet:
        """Raises ValueError where a hold lies outside the shot or over another."""
        plan = self.exposure or default
        return ExposureSheet.shoot(self.frames, plan.on, [(hold.frame, hold.frames) for hold in plan.holds])

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the framing is about: the subject given, else the first of the cast."""
        if self.subject is not None:
            return (self.subject,) if isinstance(self.subject, str) else self.subject
        return tuple(member.character for member in self.cast[:1])


class SceneFile(FilmFile):
    """`shots/SC010.yaml`: the shots of one scene, in the order of the cut."""

    scene: str = Field(description="SC010, SC020, ...: which scene of the script")
    set: str = Field(description="where it plays: a folder in sets/")
    light: dict[Name, Light] = Field(
        default_factory=dict, description="lights of this scene, and changes of the set's by name"
    )
    shots: tuple[Shot, ...] = Field(min_length=1, description="in the order of the cut")

    @model_validator(mode="after")
    def _holds_together(self) -> "SceneFile":
        if not SCENE_PATTERN.fullmatch(self.scene):
            raise ValueError(f"{self.scene!r} is no scene: write SC010, SC020, ...")
        names = [shot.id for shot in self.shots]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"{self.scene} has two shots named {', '.join(sorted(twice))}")
        return self

    def name_of(self, shot: Shot) -> ShotName:
        return ShotName(self.scene, shot.id)
