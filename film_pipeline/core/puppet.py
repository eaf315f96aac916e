"""A puppet as its maker describes it: `cast/<name>/character.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from scipy.spatial.transform import Rotation

from film_pipeline.core import poses
from film_pipeline.core.files import FilmFile, line_of, load_yaml, read_yaml
from film_pipeline.core.gltf import read_glb
from film_pipeline.core.meshes import Array
from film_pipeline.core.model_puppet import ModelPuppet, fit_puppet
from film_pipeline.core.poses import Pose
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file, sha256_of_json
from film_pipeline.core.shot import PoseKey, Vector
from film_pipeline.core.skeleton import EYE_ACROSS, EYE_FORWARD, EYE_UP, PARENTS, Skeleton, humanoid
from film_pipeline.core.units import DEGREES, LINEAR_RGB

CHARACTER_FILE = "character.yaml"
Material = Literal["cloth", "clay", "wood", "metal", "paper", "hair", "plain"]
Garment = Literal[
    "dress",
    "coat",
    "trousers",
    "boots",
    "collar",
    "cuffs",
    "buttons",
    "scarf",
    "top_hat",
    "bun",
    "bob",
    "apron",
    "spectacles",
    "belt",
]
Prop = Literal["lantern", "pen", "page", "book", "candle"]


class Proportions(FilmFile):
    """How the puppet is built, as multiples of the usual; head and legs as parts of the height."""

    head: float = Field(default=0.2, gt=0.05, lt=0.6, description="height of the head over the whole height")
    head_width: float = Field(default=0.8, gt=0.2, lt=2, description="width of the head over its height")
    neck: float = Field(default=0.06, gt=0, lt=0.3, description="length of the neck over what is below the head")
    legs: float = Field(default=0.52, gt=0.2, lt=0.8, description="height of the hips over what is below the neck")
    shoulders: float = Field(default=1.0, gt=0.2, lt=3, description="how broad")
    hips: float = Field(default=1.0, gt=0.2, lt=3, description="how far apart the legs stand")
    arms: float = Field(default=1.0, gt=0.3, lt=2, description="how long")
    girth: float = Field(default=1.0, gt=0.2, lt=3, description="how thick neck, arms and legs are")
    hands: float = Field(default=1.0, gt=0.2, lt=3, description="how large")
    feet: float = Field(default=1.0, gt=0.2, lt=3, description="how large")


class Piece(FilmFile):
    """A piece of the wardrobe."""

    kind: Garment = Field(description="what is worn")
    color: Vector = Field(default=(0.05, 0.05, 0.06), description="of the cloth", json_schema_extra=LINEAR_RGB)
    material: Material = Field(default="cloth", description="what it is made of")
    size: float = Field(default=1.0, gt=0.1, lt=4, description="over the usual")


class Face(FilmFile):
    """The puppet's face."""

    skin: Vector = Field(default=(0.55, 0.5, 0.46), description="of face and hands", json_schema_extra=LINEAR_RGB)
    eyes: float = Field(default=1.0, gt=0.2, lt=3, description="size of the eyes over the usual")
    iris: Vector = Field(default=(0.02, 0.02, 0.025), description="colour of the eyes", json_schema_extra=LINEAR_RGB)
    heavy_lids: float = Field(default=0.3, ge=0, le=1, description="how far the upper lids hang at rest")
    nose: float = Field(default=1.0, ge=0, lt=4, description="length of the nose over the usual")
    brows: Vector = Field(default=(0.05, 0.05, 0.05), description="colour of the brows", json_schema_extra=LINEAR_RGB)


class PropInHand(FilmFile):
    """Something that the puppet carries; a shot says which of them are out."""

    kind: Prop = Field(description="what it is; also its name in a shot")
    hand: Literal["left", "right"] = Field(default="right", description="which hand holds it")
    color: Vector = Field(default=(0.06, 0.05, 0.04), description="of the prop", json_schema_extra=LINEAR_RGB)
    glow: float = Field(default=0.0, ge=0, description="how strongly its light glows")


class CharacterFile(FilmFile):
    """`character.yaml`."""

    name: str = Field(description="for people; the folder's name is what shots name")
    height_m: float = Field(default=1.7, gt=0.05, lt=20, description="from the floor to the crown, standing")
    description: str = Field(default="", description="for people, and for the prompts of generating backends")
    proportions: Proportions = Field(default=Proportions(), description="how the puppet is built")
    face: Face = Field(default=Face(), description="the puppet's face")
    wardrobe: tuple[Piece, ...] = Field(default=(), description="what it wears")
    props: tuple[PropInHand, ...] = Field(default=(), description="what it may carry; a shot says which are out")
    poses: dict[str, dict[str, Vector]] = Field(
        default_factory=dict, description="the puppet's own poses: joint -> rotation", json_schema_extra=DEGREES
    )
    model: str = Field(
        default="",
        description="a .glb in this folder that is the puppet, instead of proportions, face and wardrobe; its height "
        "is height_m from the soles to the top of the head, hair and hat included",
    )
    joints: dict[str, str] = Field(
        default_factory=dict, description="with a model: our joint -> the model's joint, where its name does not say it"
    )
    licence: str = Field(default="own work", description="under which the puppet is used; it goes into the records")

    @field_validator("props")
    @classmethod
    def _one_of_each(cls, props: tuple[PropInHand, ...]) -> tuple[PropInHand, ...]:
        kinds = [prop.kind for prop in props]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"a shot names a prop by its kind, and there is more than one {', '.join(twice)}")
        return props

    @field_validator("poses")
    @classmethod
    def _known_joints(cls, own: dict[str, dict[str, Vector]]) -> dict[str, dict[str, Vector]]:
        for pose, turns in own.items():
            for joint in turns:
                if joint not in PARENTS:
                    raise ValueError(f"the pose {pose} turns {joint!r}, which is no joint: {', '.join(PARENTS)}")
        return own

    @model_validator(mode="after")
    def _joints_of_a_model(self) -> "CharacterFile":
        if self.joints and not self.model:
            raise ValueError("joints are said of a model, and there is none: say `model:` as well")
        return self


@dataclass(frozen=True)
class Character:
    """A puppet, read and ready to be built and posed.

    One that is a model has the joints of the body as every puppet has, and those of face and hands that the model has.
    A face or hand shape that it can't make is left out of its pose, and `cannot` says so for the shot's report: scenes
    written for a puppet with a face (blinks, lips) still play with one that has none. A joint that a key turns by name
    and that the model lacks is a FilmProblem, as it is with any puppet.
    """

    name: str
    file: CharacterFile
    folder: Path
    skeleton: Skeleton
    model: ModelPuppet | None = None

    @cached_property
    def sha256(self) -> str:
        """Of all that decides how the puppet looks and moves."""
        model = self.folder / self.file.model if self.file.model else None
        return sha256_of_json(
            {"file": self.file.model_dump(mode="json"), "model": sha256_of_file(model) if model else None}
        )

    def check_key(self, key: PoseKey) -> None:
        """Raises FilmProblem for a pose, joint or shape that the puppet does not have."""
        poses.key_pose(key, poses.library(self.file.poses), self.skeleton.names, *self._shapes)

    def perform(self, keys: Sequence[PoseKey], frames: Sequence[int]) -> dict[int, Pose]:
        """The pose at each frame. Raises FilmProblem for a pose, joint or shape that the puppet does not have."""
        return poses.perform(keys, poses.library(self.file.poses), self.skeleton.names, frames, *self._shapes)

    @cached_property
    def _shapes(self) -> tuple[dict[str, Pose], dict[str, Pose]]:
        return poses.shapes_for(self.skeleton.names, self.model is not None and self.model.has_jaw)

    def cannot(self, keys: Sequence[PoseKey]) -> list[str]:
        """What the keys ask of face and hands and the puppet has no joints for, a sentence for each shape."""
        asked: dict[str, list[int]] = {}
        for key in keys:
            for shapes, weights in zip(self._shapes, (key.face, key.hands), strict=True):
                for shape, weight in weights.items():
                    if weight > 0 and shape in shapes and not (shapes[shape].rotations or shapes[shape].scales):
                        asked.setdefault(shape, []).append(key.frame)
        return [
            f"{self.name} can't make the shape {shape}: {self.file.model} has no joint for it "
            f"(pose key{'s' if len(frames) > 1 else ''} {', '.join(map(str, frames))})"
            for shape, frames in asked.items()
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What of a model is left out or stands in for something else; empty for a described puppet."""
        if self.model is None:
            return ()
        unmade = [field for field in ("face", "wardrobe") if field in self.file.model_fields_set]
        return (*self.model.notes, *(f"its {field} is not made: {self.file.model} is the puppet" for field in unmade))

    @property
    def head_m(self) -> float:
        """From the joint of the head to the crown."""
        return self.model.head_m if self.model else self.file.height_m * self.file.proportions.head

    def joints(self, pose: Pose, root: Array) -> dict[str, Array]:
        """Every joint's (4, 4) matrix in set space; the lower ankle stands where it stands at rest."""
        return self.skeleton.world(pose.matrices(), pose.scales, self.hips_offset(pose), root)

    def bind(self, joint: str) -> Array:
        """A joint's (4, 4) matrix where the mesh was bound to it: at rest, or as a model was made."""
        if self.model is not None:
            return self.model.binds[joint]
        matrix = np.eye(4)
        matrix[:3, 3] = self.skeleton.rest[joint]
        return matrix

    def hips_offset(self, pose: Pose) -> Array:
        """How far the hips sink or rise so that the lower foot is planted, metres."""
        still = self.skeleton.world(pose.matrices(), {}, np.zeros(3), np.eye(4))
        rest = self.skeleton.rest["foot_left"][2]
        lowest = min(still[foot][2, 3] for foot in ("foot_left", "foot_right"))
        return np.array([0.0, 0.0, rest - lowest])

    def landmarks(self, pose: Pose, root: Array) -> dict[str, Array]:
        """What a camera operator frames by, in set space, metres."""
        joints = self.joints(pose, root)
        places = {name: matrix[:3, 3] for name, matrix in joints.items()}
        up = joints["head"][:3, 2]
        return {
            "crown": places["head"] + up * self.head_m,
            "eyes": np.mean(self._eyes(joints), axis=0),
            "chin": places["head"] + up * self.head_m * 0.04,
            "neck": places["neck"],
            "chest": places["chest"],
            "waist": places["spine"],
            "hips": places["hips"],
            "knees": (places["shin_left"] + places["shin_right"]) / 2,
            "ankles": (places["foot_left"] + places["foot_right"]) / 2,
            "floor": np.array([places["hips"][0], places["hips"][1], root[2, 3]]),
        }

    @cached_property
    def _face_m(self) -> float:
        """The height of the head as the face is measured by: a model's hair and hat count only where it has no eyes."""
        if self.model is None or "eye_left" not in self.skeleton.rest:
            return self.head_m
        eyes = (self.skeleton.rest["eye_left"][2] - self.skeleton.rest["head"][2]) / EYE_UP
        return eyes if 0 < eyes < self.head_m else self.head_m

    def _eyes(self, joints: Mapping[str, Array]) -> tuple[Array, Array]:
        """Where the left and the right eye are: a model without joints for them has them where heads have them."""
        if "eye_left" in joints and "eye_right" in joints:
            return joints["eye_left"][:3, 3], joints["eye_right"][:3, 3]
        across, forward, up = np.array([EYE_ACROSS, EYE_FORWARD, EYE_UP]) * self._face_m
        left, right = (joints["head"] @ np.array([side * across, forward, up, 1.0]) for side in (1.0, -1.0))
        return left[:3], right[:3]

    def aim_head(self, pose: Pose, root: Array, target: Array) -> Pose:
        """The pose with neck, head and eyes turned to a place in the set, as far as they go."""
        joints = self.joints(pose, root)
        frame = joints["chest"][:3, :3]
        frame = frame / np.linalg.norm(frame, axis=0)
        way = frame.T @ (np.asarray(target, float) - joints["head"][:3, 3])
        turn = float(np.clip(np.degrees(np.arctan2(way[0], -way[1])), -75, 75))
        nod = float(np.clip(-np.degrees(np.arctan2(way[2], np.hypot(way[0], way[1]))), -40, 45))
        aimed = dict(pose.rotations)
        for joint, share in (("neck", 0.3), ("head", 0.6)):
            aimed[joint] = Rotation.from_euler("xyz", (nod * share, 0, turn * share), degrees=True)
        for eye in ("eye_left", "eye_right"):
            aimed[eye] = Rotation.from_euler("xyz", (nod * 0.1, 0, turn * 0.1), degrees=True)
        return Pose(aimed, pose.scales)

    def openpose_keypoints(self, pose: Pose, root: Array) -> Array:
        """The 18 keypoints of OpenPose's COCO model in its order, (18, 3), metres in set space."""
        joints = self.joints(pose, root)
        head = joints["head"]
        size = self._face_m
        eye_left, eye_right = self._eyes(joints)
        wide = size * self.file.proportions.head_width / 2

        def on_head(x: float, y: float, z: float) -> Array:
            return np.asarray((head @ np.array([x, y, z, 1.0]))[:3])

        def at(name: str) -> Array:
            return np.asarray(joints[name][:3, 3])

        right = [at(f"{joint}_right") for joint in ("arm", "forearm", "hand")]
        left = [at(f"{joint}_left") for joint in ("arm", "forearm", "hand")]
        legs = [at(f"{joint}_{side}") for side in ("right", "left") for joint in ("thigh", "shin", "foot")]
        return np.array(
            [
                on_head(0, -size * 0.45, size * 0.36),
                at("neck"),
                *right,
                *left,
                *legs,
                eye_right,
                eye_left,
                on_head(-wide, 0, size * 0.42),
                on_head(wide, 0, size * 0.42),
            ]
        )


def read_character(folder: Path) -> Character:
    """Read `cast/<name>`. Raises FilmProblem with the line of what is wrong."""
    path = folder / CHARACTER_FILE
    file = read_yaml(path, CharacterFile)
    if file.model:
        model = _read_model(folder, file)
        return Character(folder.name, file, folder, model.skeleton, model)
    return Character(folder.name, file, folder, humanoid(file.height_m, _numbers(file.proportions)))


def _read_model(folder: Path, file: CharacterFile) -> ModelPuppet:
    path, model = folder / CHARACTER_FILE, folder / file.model

    def refused(problem: str, mend: str, *field: str) -> FilmProblem:
        line = line_of(load_yaml(path), field)
        return FilmProblem(problem, mend, file=path, line=line, field_name=".".join(field))

    if model.suffix.lower() != ".glb":
        raise refused(f"{file.model!r} is no .glb", "export the puppet as glTF binary (.glb)", "model")
    if not model.is_file():
        raise refused(f"the model {file.model!r} is missing", f"put it into {folder.name}/", "model")
    try:
        return fit_puppet(read_glb(model), file.joints, file.height_m)
    except FilmProblem as problem:
        if problem.file is not None:
            raise
        field = tuple(problem.field_name.split(".")) if file.joints else ("model",)
        raise refused(problem.problem, problem.mend, *field) from problem


def _numbers(proportions: Proportions) -> Mapping[str, float]:
    return dict(proportions)
