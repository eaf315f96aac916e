"""A scene's shot file: `shots/SC010.yaml`, one file a scene."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.slate import SCENE_PATTERN, SHOT_PATTERN, ShotName
from film_pipeline.core.timing import FIRST_FRAME, ExposureSheet, FrameRange

Vector = tuple[float, float, float]
Size = Literal[
    "extreme wide", "wide", "full", "medium wide", "medium", "medium close-up", "close-up", "extreme close-up", "insert"
]


def _frame(frame: int) -> int:
    if frame < FIRST_FRAME:
        raise ValueError(f"frames are numbered from {FIRST_FRAME}")
    return frame


Frame = Annotated[int, AfterValidator(_frame)]


class Hold(FilmFile):
    """A pose held longer than the shot's rhythm: on screen from `frame` for `frames` frames."""

    frame: Frame
    frames: int = Field(gt=0)


class ExposurePlan(FilmFile):
    """How a shot is exposed: on twos unless it says otherwise, with holds."""

    on: int = Field(default=2, ge=1, le=24)
    holds: tuple[Hold, ...] = ()


class PoseKey(FilmFile):
    """What a puppet does from a frame on. Between keys the pose is interpolated at each unique frame."""

    frame: Frame = FIRST_FRAME
    pose: str = "neutral"
    blend: float = Field(default=1.0, ge=0, le=1, description="how much of the pose over `neutral`")
    with_poses: dict[str, float] = Field(default_factory=dict, description="further poses and their weight")
    joints: dict[str, Vector] = Field(
        default_factory=dict, description="joint -> rotation in degrees about x, y, z, added to the pose"
    )
    face: dict[str, float] = Field(
        default_factory=dict, description="face shape -> 0..1, such as blink, brow_up, jaw_open"
    )
    hands: dict[str, float] = Field(default_factory=dict, description="hand shape -> 0..1, such as grip_left")
    at: Vector | str | None = Field(default=None, description="metres in the set, or the name of a mark")
    facing: float | str | None = Field(
        default=None, description="degrees (0 looks along -Y, counter-clockwise), or a mark, piece or character"
    )
    look_at: str | None = Field(default=None, description="a character, mark or piece that head and eyes turn to")
    ease: Literal["linear", "in", "out", "in-out", "hold"] = "in-out"


class CastMember(FilmFile):
    """A puppet in the shot."""

    character: str
    at: Vector | str = (0.0, 0.0, 0.0)
    facing: float | str = 0.0
    keys: tuple[PoseKey, ...] = Field(default=(PoseKey(),), min_length=1)
    props: tuple[str, ...] = Field(default=(), description="which of the puppet's props are out")

    @model_validator(mode="after")
    def _in_order(self) -> "CastMember":
        frames = [key.frame for key in self.keys]
        if frames != sorted(set(frames)):
            raise ValueError(f"the pose keys of {self.character} are not in the order of their frames")
        return self


class CameraMove(FilmFile):
    """A move, eased from `from_frame` to `to_frame` (the whole shot unless said)."""

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
    ]
    amount: float = Field(
        description="metres for push, pull, track and crane; degrees for pan, tilt, roll, orbit; mm for zoom"
    )
    from_frame: Frame | None = None
    to_frame: Frame | None = None
    ease: Literal["linear", "in", "out", "in-out"] = "in-out"


class FilmBack(FilmFile):
    width_mm: float = Field(default=24.89, gt=0)
    height_mm: float | None = Field(default=None, gt=0, description="from the picture's aspect ratio unless given")


class CameraSetup(FilmFile):
    """Where the camera stands: by framing (size and subject), or by hand (position and target)."""

    lens_mm: float = Field(default=35.0, gt=4, lt=1000)
    film_back: FilmBack = FilmBack()
    angle_deg: float = Field(
        default=20.0, description="around the subject; 0 is in front of its face, positive to its left"
    )
    height_m: float | None = Field(
        default=None, description="of the lens above the floor; eye height of the subject unless given"
    )
    tilt_deg: float = Field(default=0.0, description="added after framing; positive looks up")
    roll_deg: float = 0.0
    place: tuple[float, float] = Field(
        default=(0.5, 0.5),
        description="where the subject's middle stands in the frame, 0..1 from the left and from the top",
    )
    position: Vector | None = Field(default=None, description="metres in the set; replaces the framing")
    target: Vector | str | None = Field(default=None, description="metres, or a mark, piece or character")
    focus: str | None = Field(default=None, description="what is sharp; the subject unless said")
    f_stop: float | None = Field(default=None, gt=0, description="no depth of field unless given")
    moves: tuple[CameraMove, ...] = ()


class Light(FilmFile):
    """A light of the set, or a shot's change of it by name."""

    kind: Literal["rect", "disk", "sphere", "distant"] = "rect"
    position: Vector = (0.0, 0.0, 2.0)
    target: Vector | str = (0.0, 0.0, 1.0)
    intensity: float = Field(default=20.0, ge=0, description="radiant watts as Blender counts them (distant: W/m2)")
    color: Vector = (1.0, 1.0, 1.0)
    size_m: float = Field(default=0.5, gt=0)
    size_y_m: float | None = Field(default=None, gt=0)
    practical: bool = Field(default=False, description="seen in the picture: it glows in comp")
    follows: str = Field(
        default="",
        description="a puppet's joint that carries it, such as pim.hand_left; position is then from the joint",
    )
    levels: dict[Frame, float] = Field(
        default_factory=dict,
        description="frame -> share of the intensity from that frame on, such as {1073: 0} to put it out",
    )


class PieceChange(FilmFile):
    """What a shot changes of a piece of its set."""

    at: Vector | None = None
    turn_deg: float | None = None
    open_deg: float | None = None
    visible: bool = True
    glow: dict[Frame, float] = Field(
        default_factory=dict, description="frame -> share of the piece's glow from that frame on"
    )


class Line(FilmFile):
    """A line of dialogue heard in the shot."""

    character: str
    text: str
    frame: Frame = FIRST_FRAME


class Shot(FilmFile):
    """One shot as its author composes it."""

    id: str
    length: int = Field(gt=0, description="frames")
    size: Size = "medium"
    subject: str | tuple[str, ...] | None = None
    action: str = ""
    dialogue: tuple[Line, ...] = ()
    exposure: ExposurePlan | None = Field(default=None, description="the production's exposure unless given")
    cast: tuple[CastMember, ...] = ()
    camera: CameraSetup = CameraSetup()
    light: dict[str, Light] = Field(default_factory=dict)
    pieces: dict[str, PieceChange] = Field(
        default_factory=dict, description="changes of the set's pieces for this shot"
    )
    look: dict[str, object] = Field(default_factory=dict, description="overrides of look.yaml for this shot")
    prompt: str = Field(default="", description="direction for a generating backend")
    transition: Literal["cut", "fade in", "fade out"] = "cut"
    notes: str = ""

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

    scene: str
    set: str
    light: dict[str, Light] = Field(default_factory=dict, description="changes of the set's lights for this scene")
    shots: tuple[Shot, ...] = Field(min_length=1)

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
