"""Writes .glb files for tests, byte by byte, so that a test can make what no exporter would."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CODES = {"<i1": 5120, "<u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
TO_GLTF = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""Our Z up, facing -Y, as glTF's Y up, facing +Z."""


class Glb:
    """A .glb that is being put together: `json` may be bent at will before it is written."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {"asset": {"version": "2.0"}}
        self.binary = bytearray()

    def add(self, kind: str, **entry: Any) -> int:
        """An entry of one of the JSON's lists; returns its number."""
        entries: list[Any] = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def view(self, data: bytes, stride: int | None = None) -> int:
        self.binary += bytes(-len(self.binary) % 4)
        place = len(self.binary)
        self.binary += data
        said = {"byteStride": stride} if stride else {}
        return self.add("bufferViews", buffer=0, byteOffset=place, byteLength=len(data), **said)

    def accessor(self, values: Any, dtype: str = "<f4", normalized: bool = False, **entry: Any) -> int:
        """An accessor with a view of its own, unless `bufferView` is given."""
        array = np.ascontiguousarray(np.asarray(values, dtype))
        width = 1 if array.ndim == 1 else int(np.prod(array.shape[1:]))
        said = {"componentType": CODES[dtype], "count": len(array), "type": TYPES[width], **entry}
        if "bufferView" not in said and "sparse" not in said:
            said["bufferView"] = self.view(array.tobytes())
        return self.add("accessors", **said, **({"normalized": True} if normalized else {}))

    def triangle(self, **attributes: int) -> int:
        """A mesh of one triangle."""
        points = self.accessor([[0, 0, 0], [1, 0, 0], [0, 2, 3]])
        return self.add("meshes", primitives=[{"attributes": {"POSITION": points, **attributes}}])

    def bytes(self, with_binary: bool = True) -> bytes:
        if self.binary and "buffers" not in self.json:
            self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        if with_binary and self.binary:
            data = bytes(self.binary) + bytes(-len(self.binary) % 4)
            chunks += struct.pack("<II", len(data), 0x004E4942) + data
        return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks

    def write(self, path: Path, with_binary: bool = True) -> Path:
        path.write_bytes(self.bytes(with_binary))
        return path


T_POSE: dict[str, tuple[float, float, float]] = {
    "hips": (0, 0, 0.95),
    "spine": (0, 0, 1.05),
    "chest": (0, 0, 1.25),
    "neck": (0, 0, 1.5),
    "head": (0, -0.01, 1.58),
    "shoulder_left": (0.06, 0, 1.45),
    "arm_left": (0.18, 0, 1.45),
    "forearm_left": (0.45, 0, 1.45),
    "hand_left": (0.70, 0, 1.45),
    "thigh_left": (0.10, 0, 0.93),
    "shin_left": (0.13, -0.01, 0.5),
    "foot_left": (0.16, 0.01, 0.09),
}
CROWN, SOLE, TOES, FINGERTIPS = 1.8, 0.0, (0.16, -0.14, 0.03), (0.85, 0, 1.45)
UP = {
    "spine": "hips",
    "chest": "spine",
    "neck": "chest",
    "head": "neck",
    "shoulder_left": "chest",
    "arm_left": "shoulder_left",
    "forearm_left": "arm_left",
    "hand_left": "forearm_left",
    "thigh_left": "hips",
    "shin_left": "thigh_left",
    "foot_left": "shin_left",
}


@dataclass
class Dummy:
    """A rigged dummy 1.8 m tall in a T pose (or with its arms lowered by `arms_down` degrees), a box for each bone.

    names: our joint -> what it is called; sides are mirrored, `{side}` and `{S}` in a name become left and L. Joints
    that are not named are not there. extra: further joints, name -> (our joint or name that it hangs on, its place).
    wrapped: a matrix above the rig. bound: a matrix from the world to the space that mesh and bind matrices are in.
    """

    names: Mapping[str, str]
    arms_down: float = 0.0
    extra: Mapping[str, tuple[str, tuple[float, float, float]]] = field(default_factory=dict)
    wrapped: Array = field(default_factory=lambda: np.eye(4))
    bound: Array = field(default_factory=lambda: np.eye(4))
    twisted: bool = True
    glb: Glb = field(default_factory=Glb)

    def __post_init__(self) -> None:
        self.places: dict[str, Array] = {}
        self.ups: dict[str, str | None] = {}
        self.called: dict[str, str] = {}
        for joint, place in T_POSE.items():
            for side in ("left", "right") if joint.endswith("_left") else ("",):
                self._stand(joint, side, np.array(place))
        for name, (up, place) in self.extra.items():
            self.places[name], self.ups[name], self.called[name] = self._lowered(np.array(place), up), up, name

    def _stand(self, joint: str, side: str, place: Array) -> None:
        base = joint.removesuffix("_left")
        if base not in self.names:
            return
        name = f"{base}_{side}" if side else base
        up = UP.get(joint)
        while up is not None and up.removesuffix("_left") not in self.names:
            up = UP.get(up)
        place = self._lowered(place, joint)
        self.places[name] = place * [-1, 1, 1] if side == "right" else place
        self.ups[name] = up.replace("_left", f"_{side}") if up else None
        words = {"side": side, "Side": side.title(), "S": side[:1].upper(), "s": side[:1]}
        self.called[name] = self.names[base].format(**words)

    def _lowered(self, place: Array, joint: str) -> Array:
        if not joint.startswith(("forearm", "hand")):
            return place
        turn, begin = np.radians(self.arms_down), np.array(T_POSE["arm_left"])
        x, y, z = place - begin
        return begin + [x * np.cos(turn) + z * np.sin(turn), y, z * np.cos(turn) - x * np.sin(turn)]

    def build(self) -> Glb:
        """The glb of the dummy, its mesh skinned, each bone's box weighted to that bone alone."""
        glb, joints = self.glb, list(self.places)
        # Joints lie every which way, as in real rigs: nothing may depend on their own axes.
        turns = np.random.default_rng(4)
        worlds = {}
        for joint in joints:
            worlds[joint] = np.eye(4)
            worlds[joint][:3, :3] = np.linalg.qr(turns.normal(size=(3, 3)))[0] if self.twisted else np.eye(3)
            if np.linalg.det(worlds[joint][:3, :3]) < 0:
                worlds[joint][:3, 0] *= -1
            worlds[joint][:3, 3] = (TO_GLTF @ [*self.places[joint], 1])[:3]
        nodes = {}
        for joint in joints:
            up = self.ups[joint]
            local = np.linalg.inv(worlds[up] if up else np.eye(4)) @ worlds[joint]
            nodes[joint] = glb.add("nodes", name=self.called[joint], matrix=local.T.reshape(-1).tolist())
        for joint in joints:
            children = [nodes[below] for below in joints if self.ups[below] == joint]
            if children:
                glb.json["nodes"][nodes[joint]]["children"] = children
        inverse = np.stack([np.linalg.inv(worlds[joint]) @ np.linalg.inv(self.bound) for joint in joints])
        binds = glb.accessor(inverse.transpose(0, 2, 1).reshape(-1, 16))
        skin = glb.add("skins", joints=list(nodes.values()), inverseBindMatrices=binds)
        mesh = self._mesh(joints)
        roots = [nodes[joint] for joint in joints if self.ups[joint] is None]
        matrix = self.wrapped.T.reshape(-1).tolist()
        top = glb.add("nodes", name="Armature", matrix=matrix, children=roots)
        body = glb.add("nodes", name="Body", mesh=mesh, skin=skin)
        glb.json |= {"scenes": [{"nodes": [top, body]}], "scene": 0}
        return glb

    def _mesh(self, joints: Sequence[str]) -> int:
        points, weighted, corners = [], [], []
        for number, joint in enumerate(joints):
            for box in self._boxes(joint):
                corners.append(BOX + sum(map(len, points)))
                points.append(box)
                weighted.append(np.full((8, 4), [number, 0, 0, 0]))
        placed = np.concatenate(points) @ TO_GLTF[:3, :3].T
        placed = placed @ self.bound[:3, :3].T + self.bound[:3, 3]
        weights = np.tile([1.0, 0, 0, 0], (len(placed), 1))
        attributes = {
            "POSITION": self.glb.accessor(placed),
            "JOINTS_0": self.glb.accessor(np.concatenate(weighted), "<u2"),
            "WEIGHTS_0": self.glb.accessor(weights),
        }
        indices = self.glb.accessor(np.concatenate(corners).reshape(-1), "<u4")
        return self.glb.add("meshes", name="body", primitives=[{"attributes": attributes, "indices": indices}])

    def _boxes(self, joint: str) -> list[Array]:
        begin = self.places[joint]
        ends = [self.places[below] for below in self.places if self.ups[below] == joint]
        sign = [-1, 1, 1] if joint.endswith("_right") else [1, 1, 1]
        if joint == "head":
            ends = [np.array([0, -0.01, CROWN])]
        elif joint.startswith("foot"):
            return [
                np.array([[x, y, z] for x in (-0.04, 0.04) for y in (-0.14, 0.05) for z in (0.0, 0.1)])
                + begin * [1, 0, 0]
            ]
        elif joint.startswith("hand") and not ends:
            ends = [self._lowered(np.array(FINGERTIPS), "hand") * sign]
        return [_box(begin, end) for end in ends]


CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (-1, 1) for z in (-1, 1)], float)
BOX = np.array(
    [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4),
     (1, 5, 7), (1, 7, 3)]
)  # fmt: skip


def _box(begin: Array, end: Array, thick: float = 0.03) -> Array:
    """A box along a bone, ending flat at both joints."""
    way = end - begin
    along = way / max(float(np.linalg.norm(way)), 1e-9)
    across = np.cross(along, [0, 1, 0] if abs(along[1]) < 0.9 else [1, 0, 0])
    across = across / np.linalg.norm(across)
    beside = np.cross(along, across)
    return begin + CORNERS[:, :1] * way + thick * (CORNERS[:, 1:2] * across + CORNERS[:, 2:] * beside)


MIXAMO = {
    "hips": "mixamorig:Hips",
    "spine": "mixamorig:Spine",
    "chest": "mixamorig:Spine2",
    "neck": "mixamorig:Neck",
    "head": "mixamorig:Head",
    "shoulder": "mixamorig:{Side}Shoulder",
    "arm": "mixamorig:{Side}Arm",
    "forearm": "mixamorig:{Side}ForeArm",
    "hand": "mixamorig:{Side}Hand",
    "thigh": "mixamorig:{Side}UpLeg",
    "shin": "mixamorig:{Side}Leg",
    "foot": "mixamorig:{Side}Foot",
}


def named(*names: str) -> dict[str, str]:
    """Names in the order of MIXAMO's."""
    return dict(zip(MIXAMO, names, strict=True))


RIGS = {
    "mixamo": MIXAMO,
    "ready player me": {joint: name.removeprefix("mixamorig:") for joint, name in MIXAMO.items()},
    "mixamo, its namespace lost": {joint: name.replace(":", "") for joint, name in MIXAMO.items()},
    "mixamo, numbered by a web site": {joint: f"{name}_0{place}" for place, (joint, name) in enumerate(MIXAMO.items())},
    "vroid": named(
        "J_Bip_C_Hips", "J_Bip_C_Spine", "J_Bip_C_Chest", "J_Bip_C_Neck", "J_Bip_C_Head", "J_Bip_{S}_Shoulder",
        "J_Bip_{S}_UpperArm", "J_Bip_{S}_LowerArm", "J_Bip_{S}_Hand", "J_Bip_{S}_UpperLeg", "J_Bip_{S}_LowerLeg",
        "J_Bip_{S}_Foot",
    ),
    "unity": named(
        "Hips", "Spine", "Chest", "Neck", "Head", "{Side}Shoulder", "{Side}UpperArm", "{Side}LowerArm", "{Side}Hand",
        "{Side}UpperLeg", "{Side}LowerLeg", "{Side}Foot",
    ),
    "rigify": named(
        "spine", "spine.001", "spine.003", "spine.004", "spine.006", "shoulder.{S}", "upper_arm.{S}", "forearm.{S}",
        "hand.{S}", "thigh.{S}", "shin.{S}", "foot.{S}",
    ),
    "unreal": named(
        "pelvis", "spine_01", "spine_03", "neck_01", "head", "clavicle_{s}", "upperarm_{s}", "lowerarm_{s}",
        "hand_{s}", "thigh_{s}", "calf_{s}", "foot_{s}",
    ),
    "character creator": named(
        "CC_Base_Hip", "CC_Base_Waist", "CC_Base_Spine02", "CC_Base_NeckTwist01", "CC_Base_Head",
        "CC_Base_{S}_Clavicle", "CC_Base_{S}_Upperarm", "CC_Base_{S}_Forearm", "CC_Base_{S}_Hand",
        "CC_Base_{S}_Thigh", "CC_Base_{S}_Calf", "CC_Base_{S}_Foot",
    ),
    "biped": named(
        "Bip01 Pelvis", "Bip01 Spine", "Bip01 Spine1", "Bip01 Neck", "Bip01 Head", "Bip01 {S} Clavicle",
        "Bip01 {S} UpperArm", "Bip01 {S} Forearm", "Bip01 {S} Hand", "Bip01 {S} Thigh", "Bip01 {S} Calf",
        "Bip01 {S} Foot",
    ),
    "daz": named(
        "hip", "abdomenLower", "chestUpper", "neckLower", "head", "{s}Collar", "{s}ShldrBend", "{s}ForearmBend",
        "{s}Hand", "{s}ThighBend", "{s}Shin", "{s}Foot",
    ),
    "joints by what they are": named(
        "pelvis", "spine1", "spine3", "neck", "head", "{side}_collar", "{side}_shoulder", "{side}_elbow",
        "{side}_wrist", "{side}_hip", "{side}_knee", "{side}_ankle",
    ),
    "ours": named(
        "hips", "spine", "chest", "neck", "head", "shoulder_{side}", "arm_{side}", "forearm_{side}", "hand_{side}",
        "thigh_{side}", "shin_{side}", "foot_{side}",
    ),
}  # fmt: skip
