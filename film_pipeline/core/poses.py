"""Poses: the library, blends and what a puppet does from key to key.

A rotation is (x, y, z) degrees in the joint's own axes (see skeleton.py): x bends forward, y tilts, z turns left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from film_pipeline.core.meshes import Array
from film_pipeline.core.problems import FilmProblem, under
from film_pipeline.core.refusals import near
from film_pipeline.core.shot import PoseKey, Vector

Turns = Mapping[str, Vector]


@dataclass(frozen=True)
class Pose:
    """Rotations and scales by joint. Joints that are not named are at rest."""

    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    scales: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, turns: Turns, scales: Mapping[str, Vector] | None = None) -> "Pose":
        return cls(
            {joint: _turn(tuple(turn)) for joint, turn in turns.items()},
            {joint: np.asarray(scale, float) for joint, scale in (scales or {}).items()},
        )

    def towards(self, other: "Pose", amount: float) -> "Pose":
        """This pose moved towards another: 0 is this one, 1 the other."""
        if amount <= 0:
            return self
        if amount >= 1:
            return other
        rotations = {
            joint: _between(self.rotations.get(joint, _STILL), other.rotations.get(joint, _STILL), amount)
            for joint in {**self.rotations, **other.rotations}
        }
        ones = np.ones(3)
        scales = {
            joint: self.scales.get(joint, ones)
            + amount * (other.scales.get(joint, ones) - self.scales.get(joint, ones))
            for joint in {**self.scales, **other.scales}
        }
        return Pose(rotations, scales)

    def with_turns(self, turns: Mapping[str, Rotation]) -> "Pose":
        """The pose with further rotations, each after the joint's own."""
        rotations = dict(self.rotations)
        for joint, turn in turns.items():
            rotations[joint] = rotations.get(joint, _STILL) * turn
        return Pose(rotations, self.scales)

    def with_scales(self, scales: Mapping[str, Array]) -> "Pose":
        ones = np.ones(3)
        return Pose(
            self.rotations,
            {**self.scales, **{joint: self.scales.get(joint, ones) * by for joint, by in scales.items()}},
        )

    def matrices(self) -> dict[str, Array]:
        return {joint: rotation.as_matrix() for joint, rotation in self.rotations.items()}


_STILL = Rotation.identity()
_STILL_RAD = 1e-9


@lru_cache(maxsize=4096)
def _turn(degrees: tuple[float, ...]) -> Rotation:
    return Rotation.from_euler("xyz", degrees, degrees=True)


def _between(first: Rotation, second: Rotation, amount: float) -> Rotation:
    way = (first.inv() * second).as_rotvec()
    # Between two keys that are the same a puppet is still to the last bit, so that its frames are shot once.
    return first if np.abs(way).max() < _STILL_RAD else first * Rotation.from_rotvec(way * amount)


def _both(left: Turns) -> dict[str, Vector]:
    """The left side's turns, and their mirror on the right."""
    mirrored = {
        joint.replace("_left", "_right"): (x, -y, -z) for joint, (x, y, z) in left.items() if joint.endswith("_left")
    }
    return {**left, **mirrored}


_NEUTRAL = _both(
    {"arm_left": (-6, -7, 0), "forearm_left": (-18, 0, 0), "hand_left": (0, 0, 0), "fingers_left": (0, 12, 0)}
)
_SIT = _both(
    {"thigh_left": (-86, -4, 0), "shin_left": (84, 0, 0), "arm_left": (-22, -8, 0), "forearm_left": (-52, 0, 0)}
)

POSES: dict[str, Turns] = {
    "neutral": _NEUTRAL,
    "stand": {**_NEUTRAL, "spine": (-2, 0, 0), "chest": (-3, 0, 0), "head": (2, 0, 0)},
    "sit": {**_NEUTRAL, **_SIT, "spine": (4, 0, 0)},
    "sit_write": {
        **_NEUTRAL,
        **_SIT,
        "spine": (12, 0, -3),
        "chest": (12, 0, -4),
        "neck": (14, 0, 0),
        "head": (16, 0, -6),
        "arm_right": (-38, 18, 0),
        "forearm_right": (-62, 0, 34),
        "hand_right": (-6, 0, 10),
        "arm_left": (-34, -20, 0),
        "forearm_left": (-64, 0, -38),
        "hand_left": (4, 0, 0),
        "brow_left": (6, 0, 0),
        "brow_right": (6, 0, 0),
    },
    "read": {
        **_NEUTRAL,
        **_both({"arm_left": (-40, -4, 0), "forearm_left": (-68, 0, -16), "hand_left": (-10, 0, 0)}),
        "neck": (10, 0, 0),
        "head": (18, 0, 0),
    },
    "reach": {
        **_NEUTRAL,
        "spine": (8, 0, 6),
        "chest": (6, 0, 8),
        "arm_right": (-78, 6, 0),
        "forearm_right": (-12, 0, 0),
    },
    "point": {
        **_NEUTRAL,
        "chest": (0, 0, 8),
        "arm_right": (-84, 8, 0),
        "forearm_right": (-4, 0, 0),
        "fingers_right": (0, 8, 0),
    },
    "knock": {
        **_NEUTRAL,
        "chest": (-4, 0, 8),
        "arm_right": (-98, 4, 0),
        "forearm_right": (-58, 0, 0),
        "fingers_right": (0, -80, 0),
        "head": (-8, 0, 0),
    },
    "walk_a": {
        **_NEUTRAL,
        "spine": (4, 0, 0),
        "thigh_left": (-26, 0, 0),
        "shin_left": (8, 0, 0),
        "foot_left": (14, 0, 0),
        "thigh_right": (18, 0, 0),
        "shin_right": (16, 0, 0),
        "foot_right": (-32, 0, 0),
        "arm_left": (18, -7, 0),
        "arm_right": (-22, 7, 0),
        "chest": (2, 2, -5),
    },
    "walk_b": {
        **_NEUTRAL,
        "spine": (4, 0, 0),
        "thigh_right": (-26, 0, 0),
        "shin_right": (8, 0, 0),
        "foot_right": (14, 0, 0),
        "thigh_left": (18, 0, 0),
        "shin_left": (16, 0, 0),
        "foot_left": (-32, 0, 0),
        "arm_right": (18, 7, 0),
        "arm_left": (-22, -7, 0),
        "chest": (2, -2, 5),
    },
    "climb_a": {
        **_NEUTRAL,
        "spine": (12, 4, 0),
        "chest": (4, 0, -6),
        "thigh_left": (-62, 0, 0),
        "shin_left": (58, 0, 0),
        "thigh_right": (6, 0, 0),
        "shin_right": (8, 0, 0),
        "foot_right": (-14, 0, 0),
        "arm_right": (-30, 10, 0),
        "head": (-8, 0, 0),
    },
    "climb_b": {
        **_NEUTRAL,
        "spine": (12, -4, 0),
        "chest": (4, 0, 6),
        "thigh_right": (-62, 0, 0),
        "shin_right": (58, 0, 0),
        "thigh_left": (6, 0, 0),
        "shin_left": (8, 0, 0),
        "foot_left": (-14, 0, 0),
        "arm_right": (14, 10, 0),
        "head": (-8, 0, 0),
    },
    "look_up": {**_NEUTRAL, "chest": (-5, 0, 0), "neck": (-12, 0, 0), "head": (-22, 0, 0)},
    "look_down": {**_NEUTRAL, "chest": (6, 0, 0), "neck": (14, 0, 0), "head": (20, 0, 0)},
    "listen": {**_NEUTRAL, "neck": (-4, 6, 8), "head": (-4, 12, 16), "chest": (-2, 0, 4)},
    "shrug": {
        **_NEUTRAL,
        **_both({"shoulder_left": (0, -22, 0), "arm_left": (-10, -24, 0), "forearm_left": (-70, 0, 40)}),
        "head": (0, 10, 0),
    },
    "hold_out": {
        **_NEUTRAL,
        "spine": (5, 0, 0),
        "arm_right": (-74, 2, 0),
        "forearm_right": (-18, 0, 0),
        "hand_right": (-4, 0, 0),
        "head": (-12, 0, 0),
    },
    "recoil": {
        **_NEUTRAL,
        "spine": (-10, 0, 0),
        "chest": (-12, 0, 0),
        "head": (8, 0, 0),
        **_both(
            {
                "arm_left": (-34, -22, 0),
                "forearm_left": (-92, 0, 0),
                "hand_left": (30, 0, 0),
                "fingers_left": (0, -14, 0),
            }
        ),
    },
    "hands_on_hips": {
        **_NEUTRAL,
        **_both({"arm_left": (12, -38, 0), "forearm_left": (-30, 0, -96), "hand_left": (0, 0, 0)}),
    },
    "bow": {
        **_NEUTRAL,
        **_both({"foot_left": (-8, 0, 0)}),
        "hips": (8, 0, 0),
        "spine": (20, 0, 0),
        "chest": (22, 0, 0),
        "neck": (12, 0, 0),
        "head": (10, 0, 0),
    },
    "arms_crossed": {**_NEUTRAL, **_both({"arm_left": (-32, -6, 0), "forearm_left": (-74, 0, -76)})},
    "wave": {
        **_NEUTRAL,
        "arm_right": (-20, 112, 0),
        "forearm_right": (-20, 40, 0),
        "hand_right": (0, 14, 0),
        "head": (0, -6, 0),
    },
    "think": {
        **_NEUTRAL,
        "arm_right": (-40, 8, 0),
        "forearm_right": (-112, 0, 34),
        "fingers_right": (0, -50, 0),
        "head": (6, -8, -6),
    },
}

FACE: dict[str, Pose] = {
    "blink": Pose.of(_both({"lid_left": (78, 0, 0)})),
    "brow_up": Pose.of(_both({"brow_left": (-16, 14, 0)})),
    "brow_down": Pose.of(_both({"brow_left": (16, -16, 0)})),
    "jaw_open": Pose.of({}, {"mouth": (0.85, 1.0, 4.2)}),
    "smile": Pose.of(_both({"lid_left": (8, 0, 0)}), {"mouth": (1.5, 1.0, 0.8)}),
    "frown": Pose.of(_both({"lid_left": (14, 0, 0), "brow_left": (10, -14, 0)}), {"mouth": (0.7, 1.0, 0.9)}),
}

# At rest the palms face each other, so fingers close about y: the left hand's towards +, the right hand's towards -.
_HANDS_OF_THE_LEFT: dict[str, Turns] = {
    "grip_left": {"fingers_left": (0, 78, 0), "thumb_left": (12, 34, 0)},
    "fist_left": {"fingers_left": (0, 105, 0), "thumb_left": (16, 50, 0)},
    "spread_left": {"fingers_left": (0, -10, 0), "thumb_left": (-24, 0, 0)},
    "point_left": {"fingers_left": (0, -4, 0), "thumb_left": (16, 44, 0)},
}
HANDS: dict[str, Pose] = {
    shape.replace("_left", side): Pose.of({joint: turn for joint, turn in _both(turns).items() if joint.endswith(side)})
    for side in ("_left", "_right")
    for shape, turns in _HANDS_OF_THE_LEFT.items()
}

_JAW_OPEN = Pose.of({"mouth": (18, 0, 0)})


def shapes_for(joints: Sequence[str], has_jaw: bool = False) -> tuple[dict[str, Pose], dict[str, Pose]]:
    """The face and hand shapes as a puppet with these joints makes them; the empty pose where it has none of a shape's
    joints.

    has_jaw: its mouth is a jaw, which opens by turning and is never drawn wide or narrow.
    """
    faces = {shape: Pose(pose.rotations) for shape, pose in FACE.items()} | {"jaw_open": _JAW_OPEN} if has_jaw else FACE
    return _within(faces, joints), _within(HANDS, joints)


def _within(shapes: Mapping[str, Pose], joints: Sequence[str]) -> dict[str, Pose]:
    return {
        shape: Pose(
            {joint: turn for joint, turn in pose.rotations.items() if joint in joints},
            {joint: scale for joint, scale in pose.scales.items() if joint in joints},
        )
        for shape, pose in shapes.items()
    }


def library(own: Mapping[str, Turns] | None = None) -> dict[str, Turns]:
    """The poses that a puppet knows: everybody's and its own."""
    return {**POSES, **(own or {})}


def key_pose(
    key: PoseKey,
    poses: Mapping[str, Turns],
    joints: Sequence[str],
    faces: Mapping[str, Pose] = FACE,
    hands: Mapping[str, Pose] = HANDS,
) -> Pose:
    """The pose that a key asks for. Raises FilmProblem for a pose, joint or shape that the puppet does not have."""
    neutral = Pose.of(poses["neutral"])
    with under("pose"):
        pose = neutral.towards(Pose.of(_named(key.pose, poses, "pose")), key.blend)
    for name, weight in key.with_poses.items():
        with under("with_poses", name):
            pose = pose.towards(Pose.of(_named(name, poses, "pose")), weight)
    for joint in key.joints:
        with under("joints", joint):
            _named(joint, dict.fromkeys(joints), "joint")
    pose = pose.with_turns({joint: _turn(tuple(turn)) for joint, turn in key.joints.items()})
    for field_name, shapes, asked in (("face", faces, key.face), ("hands", hands, key.hands)):
        for name, weight in asked.items():
            with under(field_name, name):
                shape = Pose().towards(_named(name, shapes, f"{field_name.removesuffix('s')} shape"), weight)
            pose = pose.with_turns(shape.rotations).with_scales(shape.scales)
    return pose


def perform(
    keys: Sequence[PoseKey],
    poses: Mapping[str, Turns],
    joints: Sequence[str],
    frames: Sequence[int],
    faces: Mapping[str, Pose] = FACE,
    hands: Mapping[str, Pose] = HANDS,
) -> dict[int, Pose]:
    """The pose at each frame, eased from key to key; before the first key and after the last, theirs."""
    posed = [_posed(place, key, poses, joints, faces, hands) for place, key in enumerate(keys)]
    performance = {}
    for frame in frames:
        place, amount = between_keys(keys, frame)
        performance[frame] = posed[place] if amount == 0 else posed[place].towards(posed[place + 1], amount)
    return performance


def _posed(
    place: int,
    key: PoseKey,
    poses: Mapping[str, Turns],
    joints: Sequence[str],
    faces: Mapping[str, Pose],
    hands: Mapping[str, Pose],
) -> Pose:
    with under("keys", place):
        return key_pose(key, poses, joints, faces, hands)


def between_keys(keys: Sequence[PoseKey], frame: int) -> tuple[int, float]:
    """Which key a frame follows, and how far it is eased towards the next, 0 to 1, by the ease of the key it leaves."""
    place = max((index for index, key in enumerate(keys) if key.frame <= frame), default=0)
    if place + 1 >= len(keys) or frame <= keys[place].frame:
        return place, 0.0
    first, second = keys[place], keys[place + 1]
    return place, eased((frame - first.frame) / (second.frame - first.frame), first.ease)


def eased(amount: float, ease: str) -> float:
    """A move's progress, 0 to 1, as its ease has it. `hold` stays until the end."""
    return {
        "linear": amount,
        "in": amount * amount,
        "out": 1 - (1 - amount) ** 2,
        "in-out": amount * amount * (3 - 2 * amount),
        "hold": 0.0 if amount < 1 else 1.0,
    }[ease]


def _named(name: str, known: Mapping[str, Any], kind: str) -> Any:
    if name in known:
        return known[name]
    raise FilmProblem(f"there is no {kind} {name!r}", near(name, known) or f"choose among {', '.join(known)}")
