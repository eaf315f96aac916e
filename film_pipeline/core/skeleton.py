"""The puppets' skeleton: named joints, their places at rest, and forward kinematics.

At rest a puppet stands at the origin, faces -Y, Z up, arms hanging; its left is +X. Every joint's own axes are those
of the set at rest, so a rotation about x nods or bends, about y tilts sideways, about z turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from film_pipeline.core.meshes import Array

EYE_ACROSS, EYE_FORWARD, EYE_UP = 0.19, -0.30, 0.47
"""Where the left eye is from the head's joint, in heights of the head."""
PARENTS: dict[str, str | None] = {
    "root": None,
    "hips": "root",
    "spine": "hips",
    "chest": "spine",
    "neck": "chest",
    "head": "neck",
    "mouth": "head",
    "brow_left": "head",
    "brow_right": "head",
    "eye_left": "head",
    "eye_right": "head",
    "lid_left": "head",
    "lid_right": "head",
    "shoulder_left": "chest",
    "arm_left": "shoulder_left",
    "forearm_left": "arm_left",
    "hand_left": "forearm_left",
    "fingers_left": "hand_left",
    "thumb_left": "hand_left",
    "shoulder_right": "chest",
    "arm_right": "shoulder_right",
    "forearm_right": "arm_right",
    "hand_right": "forearm_right",
    "fingers_right": "hand_right",
    "thumb_right": "hand_right",
    "thigh_left": "hips",
    "shin_left": "thigh_left",
    "foot_left": "shin_left",
    "thigh_right": "hips",
    "shin_right": "thigh_right",
    "foot_right": "shin_right",
}


@dataclass(frozen=True)
class Skeleton:
    """Joints by name with their places at rest, in metres; parents stand before their children."""

    rest: Mapping[str, tuple[float, float, float]]
    parents: Mapping[str, str | None]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.parents)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Joint paths as UsdSkel writes them: root/hips/spine."""
        written: dict[str, str] = {}
        for name, parent in self.parents.items():
            written[name] = name if parent is None else f"{written[parent]}/{name}"
        return tuple(written.values())

    def offset(self, name: str) -> Array:
        """A joint's place from its parent's, at rest."""
        parent = self.parents[name]
        place = np.asarray(self.rest[name], float)
        return place if parent is None else place - np.asarray(self.rest[parent], float)

    def world(
        self, rotations: Mapping[str, Array], scales: Mapping[str, Array], hips: Array, root: Array
    ) -> dict[str, Array]:
        """Every joint's (4, 4) matrix in the set.

        rotations: (3, 3) by joint, identity where missing. hips: how far the hips are moved, metres. root: (4, 4).
        """
        matrices: dict[str, Array] = {}
        for name, parent in self.parents.items():
            local = np.eye(4)
            local[:3, :3] = rotations.get(name, np.eye(3)) * scales.get(name, np.ones(3))
            local[:3, 3] = self.offset(name) + (hips if name == "hips" else 0.0)
            matrices[name] = (root if parent is None else matrices[parent]) @ local
        return matrices


def humanoid(height_m: float, proportions: Mapping[str, float]) -> Skeleton:
    """The skeleton of a puppet of that height.

    proportions: head (height of the head over the whole), legs (hips' height over what is below the head), neck, and
    shoulders, hips, arms, feet as multiples of the usual.
    """
    head = height_m * proportions["head"]
    neck = (height_m - head) * proportions["neck"]
    below = height_m - head - neck
    hips_z, shoulders = below * proportions["legs"], below * 0.955
    torso = below - hips_z
    half, stance = 0.115 * height_m * proportions["shoulders"], 0.052 * height_m * proportions["hips"]
    # However large the feet and short the legs, the knees lie above the ankles.
    ankle = min(0.045 * height_m * proportions["feet"], 0.4 * hips_z)
    reach = below * 0.44 * proportions["arms"]
    eye_x, eye_y, eye_z = head * EYE_ACROSS, head * EYE_FORWARD, below + neck + head * EYE_UP
    rest: dict[str, tuple[float, float, float]] = {
        "root": (0, 0, 0),
        "hips": (0, 0, hips_z),
        "spine": (0, 0, hips_z + torso * 0.25),
        "chest": (0, 0, hips_z + torso * 0.55),
        "neck": (0, 0, below),
        "head": (0, -0.01 * height_m, below + neck),
        "mouth": (0, -head * 0.36, below + neck + head * 0.17),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        rest |= {
            f"brow_{side}": (sign * eye_x, eye_y - head * 0.1, eye_z + head * 0.17),
            f"eye_{side}": (sign * eye_x, eye_y, eye_z),
            f"lid_{side}": (sign * eye_x, eye_y, eye_z),
            f"shoulder_{side}": (sign * half * 0.4, 0, shoulders),
            f"arm_{side}": (sign * half, 0, shoulders),
            f"forearm_{side}": (sign * (half + reach * 0.09), 0, shoulders - reach * 0.5),
            f"hand_{side}": (sign * (half + reach * 0.14), -0.01, shoulders - reach * 0.97),
            f"fingers_{side}": (sign * (half + reach * 0.145), -0.015, shoulders - reach * 1.12),
            f"thumb_{side}": (sign * (half + reach * 0.10), -reach * 0.06, shoulders - reach * 1.03),
            f"thigh_{side}": (sign * stance, 0, hips_z),
            f"shin_{side}": (sign * stance, -0.005, ankle + (hips_z - ankle) * 0.5),
            f"foot_{side}": (sign * stance, 0, ankle),
        }
    return Skeleton({name: rest[name] for name in PARENTS}, PARENTS)
