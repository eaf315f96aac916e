"""A puppet as its maker describes it: `cast/<name>/character.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator
from scipy.spatial.transform import Rotation

from film_pipeline.core import poses
from film_pipeline.core.files import FilmFile, line_of, load_yaml, read_yaml
from film_pipeline.core.meshes import Array
from film_pipeline.core.poses import Pose
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file, sha256_of_json
from film_pipeline.core.shot import PoseKey, Vector
from film_pipeline.core.skeleton import PARENTS, Skeleton, humanoid
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
    model: str = Field(default="", description="a .glb in this folder that is the puppet, instead of the description")
    joints: dict[str, str] = Field(default_factory=dict, description="with a model: our joint -> the model's joint")
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


@dataclass(frozen=True)
class Character:
    """A puppet, read and ready to be built and posed."""

    name: str
    file: CharacterFile
    folder: Path
    skeleton: Skeleton

    @cached_property
    def sha256(self) -> str:
        """Of all that decides how the puppet looks and moves."""
        model = self.folder / self.file.model if self.file.model else None
        return sha256_of_json(
            {"file": self.file.model_dump(mode="json"), "model": sha256_of_file(model) if model else None}
        )

    def perform(self, keys: Sequence[PoseKey], frames: Sequence[int]) -> dict[int, Pose]:
        """The pose at each frame. Raises FilmProblem for a pose, joint or shape that the puppet does not have."""
        return poses.perform(keys, poses.library(self.file.poses), self.skeleton.names, frames)

    def joints(self, pose: Pose, root: Array) -> dict[str, Array]:
        """Every joint's (4, 4) matrix in set space; the lower ankle stands where it stands at rest."""
        return self.skeleton.world(pose.matrices(), pose.scales, self.hips_offset(pose), root)

    def hips_offset(self, pose: Pose) -> Array:
        """How far the hips sink or rise so that the lower foot is planted, metres."""
        still = self.skeleton.world(pose.matrices(), {}, np.zeros(3), np.eye(4))
        rest = self.skeleton.rest["foot_left"][2]
        lowest = min(still[foot][2, 3] for foot in ("foot_left", "foot_right"))
        return np.array([0.0, 0.0, rest - lowest])

    def landmarks(self, pose: Pose, root: Array) -> dict[str, Array]:
        """What a camera operator frames by, in set space, metres."""
        joints = self.joints(pose, root)
        head_m = self.file.height_m * self.file.proportions.head
        places = {name: matrix[:3, 3] for name, matrix in joints.items()}
        up = joints["head"][:3, 2]
        return {
            "crown": places["head"] + up * head_m,
            "eyes": (places["eye_left"] + places["eye_right"]) / 2,
            "chin": places["head"] + up * head_m * 0.04,
            "neck": places["neck"],
            "chest": places["chest"],
            "waist": places["spine"],
            "hips": places["hips"],
            "knees": (places["shin_left"] + places["shin_right"]) / 2,
            "ankles": (places["foot_left"] + places["foot_right"]) / 2,
            "floor": np.array([places["hips"][0], places["hips"][1], root[2, 3]]),
        }

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
        size = self.file.height_m * self.file.proportions.head
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
                at("eye_right"),
                at("eye_left"),
                on_head(-wide, 0, size * 0.42),
                on_head(wide, 0, size * 0.42),
            ]
        )


def read_character(folder: Path) -> Character:
    """Read `cast/<name>`. Raises FilmProblem with the line of what is wrong."""
    path = folder / CHARACTER_FILE
    file = read_yaml(path, CharacterFile)
    if file.model and not (folder / file.model).is_file():
        raise FilmProblem(
            f"the model {file.model!r} is missing",
            f"put it into {folder.name}/",
            file=path,
            line=line_of(load_yaml(path), ("model",)),
            field_name="model",
        )
    return Character(folder.name, file, folder, humanoid(file.height_m, _numbers(file.proportions)))


def _numbers(proportions: Proportions) -> Mapping[str, float]:
    return dict(proportions)
