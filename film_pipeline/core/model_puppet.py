"""A .glb as a puppet: its joints known by name, its size and rest brought to ours, its points weighted to our joints.

The model's mesh stays in the pose that it was bound in (T or A). What differs from our rest, arms hanging and legs
straight, is a turn of each joint, which goes into the joint's bind matrix: at rest the mesh is skinned once by those
turns, and in a pose once by turn and pose together, as the model's own rig would. Joints that we do not have (twist
bones, tails, the further joints of fingers) move with the nearest joint above them that we have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from film_pipeline.core.gltf import Model, Primitive, Surface, carried, inverted
from film_pipeline.core.gltf_accessors import Wholes
from film_pipeline.core.meshes import Array, Mesh
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.rig_names import Joints, RigNames
from film_pipeline.core.skeleton import PARENTS, Skeleton

HANGING = {
    "arm": ("forearm", (0.09, 0.0, -0.5)),
    "forearm": ("hand", (0.05, 0.0, -0.47)),
    "thigh": ("shin", (0.0, 0.0, -1.0)),
    "shin": ("foot", (0.0, 0.0, -1.0)),
}
"""Where our limbs point at rest: joint -> the joint that it points to, and the way there on the left side."""
_UPRIGHT_WITHIN = np.cos(np.radians(25))
_OF_HEAD = ("head", "mouth", *(f"{part}_{side}" for part in ("eye", "lid", "brow") for side in ("left", "right")))
_BONES = (
    ("hips", "spine"), ("hips", "thigh_left"), ("hips", "thigh_right"), ("spine", "chest"), ("hips", "chest"),
    ("chest", "neck"), ("chest", "arm_left"), ("chest", "arm_right"), ("head", "head"), ("neck", "head"),
    *((f"{begin}_{side}", f"{end}_{side}") for begin, end in
      (("arm", "forearm"), ("forearm", "hand"), ("hand", "fingers"), ("hand", "hand"), ("thigh", "shin"),
       ("shin", "foot"), ("foot", "foot")) for side in ("left", "right")),
)  # fmt: skip
"""Joints that points without a joint of ours above them may move with, and where each bone ends."""
_SPARED = ("mouth", "brow", "eye", "lid", "fingers", "thumb")
"""Joints that a puppet can do without; the others of ours stand in between where the model lacks them."""


@dataclass(frozen=True)
class ModelPart:
    """A part of the puppet with one surface, in metres, as the model was bound.

    joints (n, k): places in the skeleton's names, and their weights (n, k).
    """

    name: str
    points: Array
    triangles: Wholes
    surface: Surface
    normals: Array | None
    st: Array | None
    joints: Wholes
    weights: Array


@dataclass(frozen=True)
class ModelPuppet:
    """A model that was fitted. binds: the (4, 4) matrix of each joint of the skeleton where the mesh was bound."""

    skeleton: Skeleton
    binds: Mapping[str, Array]
    parts: tuple[ModelPart, ...]
    head_m: float
    has_jaw: bool
    """Whether its mouth is a jaw, which turns, and no mouth that is drawn wide or narrow."""
    notes: tuple[str, ...]

    def mesh_as_bound(self, mesh: Mesh) -> Mesh:
        """A mesh that was built about one joint of the puppet at rest, as it lay to that joint when the model was
        bound."""
        (joint,) = mesh.joints
        matrix = self.binds[joint]
        return mesh.moved(-np.array(self.skeleton.rest[joint])).turned(matrix[:3, :3]).moved(matrix[:3, 3])


def fit_puppet(model: Model, told: Mapping[str, str], height_m: float) -> ModelPuppet:
    """Fit a model to our skeleton and height.

    told: our joint -> the model's, over what is found by name. The height is from the soles to the highest point of
    the head and of what moves with it, hair and hat included. Raises FilmProblem.
    """
    with np.errstate(all="ignore"):
        # Numbers that overflow are found as infinities and refused.
        return _Fitting(model, told).fit(height_m)


class _Fitting:
    def __init__(self, model: Model, told: Mapping[str, str]) -> None:
        self.model = model
        if not model.skins or not any(model.nodes[index].skin is not None for index in model.shown):
            raise self.wrong("it has no skin, so nothing of it can be posed", "rig it: bind its mesh to joints")
        self.joints: Joints = RigNames(model, told).joints
        self.notes: list[str] = list(model.notes)
        self.bound = _Bound(model, self.joints)
        self.names = tuple(name for name in PARENTS if name in self.joints or not name.startswith(_SPARED))
        self.place_of = {node: self.names.index(name) for name, nodes in self.joints.items() for node in nodes}
        self._follows: dict[int, int] = {}
        self._lost: dict[str, list[str]] = {}
        self._carrying = {index for node in self.place_of for index in list(model.ancestry(node))[1:]}

    def wrong(self, problem: str, mend: str) -> FilmProblem:
        return FilmProblem(problem, mend, file=self.model.path)

    def fit(self, height_m: float) -> ModelPuppet:
        places = {name: self.bound.place(nodes) for name, nodes in self.joints.items()}
        axes = self._axes(places)
        places = {name: axes @ place for name, place in places.items()}
        self._stand_between(places)
        parts = [part for index in self.model.shown for part in self._parts(index, axes)]
        if not parts:
            raise self.wrong("nothing of it is skinned", "bind its mesh to its joints")
        self._say_lost()
        turns = _straightening(places)
        rest = _rest(places, turns, self.names)
        top, head, floor = self._extent(parts, places, rest, turns)
        scale = height_m / (top - floor)
        middle = (rest["thigh_left"] + rest["thigh_right"]) / 2
        ground = np.array([middle[0], middle[1], floor])
        skeleton = Skeleton(
            {name: _tuple((rest[name] - ground) * scale) if name != "root" else (0.0, 0.0, 0.0) for name in self.names},
            {name: PARENTS[name] for name in self.names},
        )
        binds = {name: np.eye(4) for name in self.names}
        for name in self.names[1:]:
            binds[name][:3, :3] = turns.get(name, np.eye(3)).T
            binds[name][:3, 3] = (places[name] - ground) * scale
        stood = tuple(replace(part, points=(part.points - ground) * scale) for part in parts)
        jaw = "mouth" in self.joints and "jaw" in self.model.nodes[self.joints["mouth"][0]].name.lower()
        return ModelPuppet(skeleton, binds, stood, (top - head) * scale, jaw, tuple(self.notes))

    def _axes(self, places: Mapping[str, Array]) -> Array:
        """The (3, 3) turn that stands the model up, facing -Y, by where its limbs are.

        A model that was built along its axes, as nearly all are, keeps its posture: only one that lies askew is set up
        by its limbs alone.
        """
        left = sum((places[f"{limb}_left"] - places[f"{limb}_right"] for limb in ("arm", "thigh")), np.zeros(3))
        up = places["head"] - (places["foot_left"] + places["foot_right"]) / 2
        back = np.cross(up, left)
        if not np.isfinite(back).all() or np.linalg.norm(back) < 1e-12 * max(float(up @ up), 1e-300):
            raise self.wrong("its left and right joints, or its head and feet, lie in one place", "say `joints:` anew")
        up, back = up / np.linalg.norm(up), back / np.linalg.norm(back)
        axes = np.stack([np.cross(back, up), back, up])
        straight = np.where(np.abs(axes) > _UPRIGHT_WITHIN, np.sign(axes), 0.0)
        return straight if np.abs(straight).sum() == 3 else axes

    def _stand_between(self, places: dict[str, Array]) -> None:
        """Places for the joints of ours that the model lacks and that nothing is weighted to."""
        chest, head, hips = places["chest"], places["head"], places["hips"]
        between = {"neck": chest + (head - chest) * 0.7, "spine": hips + (chest - hips) * 0.45}
        for side in ("left", "right"):
            arm = places[f"arm_{side}"]
            between[f"shoulder_{side}"] = np.array([chest[0] + (arm[0] - chest[0]) * 0.4, arm[1], arm[2]])
        lacking = [name for name in between if name not in places]
        if lacking:
            self.notes.append(
                f"{self.model.path.name}: it has no {', '.join(lacking)}; a pose turns what hangs below instead"
            )
        for name in lacking:
            places[name] = between[name]

    def _parts(self, index: int, axes: Array) -> list[ModelPart]:
        node = self.model.nodes[index]
        if node.mesh is None:
            return []
        parts = []
        for number, primitive in enumerate(self.model.meshes[node.mesh]):
            weighted = self._weighted(index, primitive)
            if weighted is None:
                self.notes.append(f"{self.model.path.name}: {node.name} hangs on no joint and is left out")
                break
            matrices, places, shares = weighted
            points = carried(primitive.points, matrices, places, shares) @ axes.T
            if not np.isfinite(points).all():
                raise self.wrong(f"the points of {node.name} can't be placed", "apply the scale of rig and meshes")
            normals = primitive.normals
            if normals is not None:
                normals = carried(normals, matrices, places, shares, as_ways=True) @ axes.T
            follows = np.array([self._following(joint) for joint in self._joints_of(index)])
            joints, weights = merge_weights(follows[places], shares, len(self.names))
            mirrored = float(np.linalg.det(matrices[places[0, 0], :3, :3])) < 0
            triangles = primitive.triangles[:, ::-1] if mirrored else primitive.triangles
            name = f"{node.name}_{number}" if len(self.model.meshes[node.mesh]) > 1 else node.name
            parts.append(ModelPart(name, points, triangles, primitive.surface, normals, primitive.st, joints, weights))
        return parts

    def _joints_of(self, index: int) -> tuple[int, ...]:
        skin = self.model.nodes[index].skin
        return self.model.skins[skin].joints if skin is not None else (index,)

    def _weighted(self, index: int, primitive: Primitive) -> tuple[Array, Wholes, Array] | None:
        """What carries a part's points to where all was bound: matrices, and each point's places in them and weights.

        None for a mesh that has no skin and hangs on no joint that we know.
        """
        node = self.model.nodes[index]
        if node.skin is not None and primitive.joints is not None and primitive.weights is not None:
            skin = self.model.skins[node.skin]
            matrices = np.stack(
                [self.bound.of(joint) @ inverse for joint, inverse in zip(skin.joints, skin.inverse_binds, strict=True)]
            )
            return matrices, primitive.joints, primitive.weights
        if not any(above in self.place_of for above in self.model.ancestry(index)):
            return None
        count = len(primitive.points)
        return self.bound.of(index)[None], np.zeros((count, 1), np.int64), np.ones((count, 1))

    def _following(self, node: int) -> int:
        """The place of the joint that a node moves with: the nearest at or above it, else the nearest in space."""
        if node not in self._follows:
            above = [self.place_of[index] for index in self.model.ancestry(node) if index in self.place_of]
            self._follows[node] = above[0] if above else self._nearest(node)
        return self._follows[node]

    def _nearest(self, node: int) -> int:
        """The hips for what our joints hang on; else, where an export has flattened the rig, the nearest bone."""
        if node in self._carrying:
            return self.names.index("hips")
        place = self.bound.of(node)[:3, 3]
        nearest, name = float("inf"), "hips"
        for joint, end in _BONES:
            if joint in self.joints and end in self.joints:
                begins, ends = self.bound.place(self.joints[joint]), self.bound.place(self.joints[end])
                # Chin and ears are near the upper end of the neck, and belong to the head.
                distance = _distance(place, begins, (begins + ends) / 2 if joint == "neck" else ends)
                nearest, name = min((nearest, name), (distance, joint), key=lambda found: found[0])
        self._lost.setdefault(name, []).append(self.model.nodes[node].name)
        return self.names.index(name)

    def _say_lost(self) -> None:
        for name, nodes in self._lost.items():
            told = ", ".join(nodes[:3]) + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")
            self.notes.append(
                f"{self.model.path.name}: {told}: on no joint of ours, moved with the nearest, the {name}"
            )

    def _extent(
        self,
        parts: Iterable[ModelPart],
        places: Mapping[str, Array],
        rest: Mapping[str, Array],
        turns: Mapping[str, Array],
    ) -> tuple[float, float, float]:
        """The heights of the crown, of the head's joint and of the soles at rest, in the model's own measure."""
        straightened = np.tile(np.eye(4), (len(self.names), 1, 1))
        for place, name in enumerate(self.names[1:], 1):
            turn = turns.get(name, np.eye(3))
            straightened[place, :3, :3] = turn
            straightened[place, :3, 3] = rest[name] - turn @ places[name]
        heights, owners = [], []
        for part in parts:
            heights.append(carried(part.points, straightened, part.joints, part.weights)[:, 2])
            owners.append(part.joints[np.arange(len(part.joints)), part.weights.argmax(axis=1)])
        height, owner = np.concatenate(heights), np.concatenate(owners)
        top = self._heights_of(height, owner, _OF_HEAD).max()
        floor = self._heights_of(height, owner, ("foot_left", "foot_right")).min()
        if not top - floor > 1e-9 * max(abs(top), abs(floor)):
            raise self.wrong("its head is no higher than its feet", "say in `joints:` which joint is which")
        return float(top), float(rest["head"][2]), float(floor)

    def _heights_of(self, height: Array, owner: Wholes, joints: Iterable[str]) -> Array:
        places = [self.names.index(name) for name in joints if name in self.names]
        found = height[np.isin(owner, places)]
        return found if len(found) else height


class _Bound:
    """Where each node stood when the model was bound, in the space of the skin that knows most of our joints."""

    def __init__(self, model: Model, joints: Joints) -> None:
        self.model = model
        ours = {node for nodes in joints.values() for node in nodes}
        used = sorted({skin for index in model.shown if (skin := model.nodes[index].skin) is not None})
        first = model.skins[max(used, key=lambda index: len(ours & set(model.skins[index].joints)))]
        stood = inverted(first.inverse_binds)
        if np.allclose(stood, np.eye(4)):
            # Without bind matrices every point lies in its joint's own space, and the rig stands as it was bound.
            stood = np.stack([model.nodes[joint].world for joint in first.joints])
        self._known: dict[int, Array] = dict(zip(first.joints, stood, strict=True))
        hips = joints["hips"][0]
        self._reference = hips if hips in self._known else first.joints[0]

    def place(self, nodes: tuple[int, ...]) -> Array:
        """The middle of some nodes."""
        return np.asarray(np.mean([self.of(node)[:3, 3] for node in nodes], axis=0))

    def of(self, node: int) -> Array:
        """A node's (4, 4) matrix: as the skin has it, else as it stands to the nearest node above that the skin has."""
        if node not in self._known:
            above = next((index for index in self.model.ancestry(node) if index in self._known), self._reference)
            world = self.model.nodes[above].world
            if not abs(float(np.linalg.det(world[:3, :3]))) > 1e-18:
                raise FilmProblem(
                    f"the joint {self.model.nodes[above].name} is scaled to nothing",
                    "show it, apply the rig's scale and export again",
                    file=self.model.path,
                )
            self._known[node] = self._known[above] @ inverted(world) @ self.model.nodes[node].world
        return self._known[node]


def _straightening(places: Mapping[str, Array]) -> dict[str, Array]:
    """The (3, 3) turn of each joint of the limbs that brings them to hang as ours do. Feet stay as they stand, hands
    go on as the forearm does."""
    turns: dict[str, Array] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for limb in (("arm", "forearm"), ("thigh", "shin")):
            turn = np.eye(3)
            for joint in limb:
                end, way = HANGING[joint]
                bone = turn @ (places[f"{end}_{side}"] - places[f"{joint}_{side}"])
                turn = turns[f"{joint}_{side}"] = _least_turn(bone, np.array(way) * [sign, 1, 1]) @ turn
        for end in ("hand", "fingers", "thumb"):
            turns[f"{end}_{side}"] = turns[f"forearm_{side}"]
    return turns


def _rest(places: Mapping[str, Array], turns: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """Where each joint stands once the limbs hang."""
    rest: dict[str, Array] = {}
    for name in names:
        parent = PARENTS[name]
        if parent is None or parent == "root":
            rest[name] = places.get(name, np.zeros(3))
        else:
            rest[name] = rest[parent] + turns.get(parent, np.eye(3)) @ (places[name] - places[parent])
    return rest


def _least_turn(way: Array, to: Array) -> Array:
    """The (3, 3) turn that brings one way to another by the shortest path; about Y where they are opposite."""
    lengths = float(np.linalg.norm(way)) * float(np.linalg.norm(to))
    if lengths < 1e-12 * float(to @ to):
        return np.eye(3)
    cosine, axis = float(way @ to) / lengths, np.cross(way, to) / lengths
    if cosine < -0.999999:
        return np.diag([-1.0, 1.0, -1.0])
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def merge_weights(joints: Wholes, weights: Array, count: int) -> tuple[Wholes, Array]:
    """Weights whose joints are each named once a point: places (n, k) and weights (n, k), the heaviest first."""
    places, shares = [], []
    for begin in range(0, len(joints), 100_000):
        part, share = joints[begin : begin + 100_000], weights[begin : begin + 100_000]
        table = np.zeros((len(part), count))
        np.add.at(table, (np.arange(len(part))[:, None], part), share)
        order = np.argsort(-table, axis=1, kind="stable")[:, : joints.shape[1]]
        places.append(order)
        shares.append(np.take_along_axis(table, order, axis=1))
    merged, shared = np.concatenate(places), np.concatenate(shares)
    used = max(int((shared > 0).any(axis=0).sum()), 1)
    return merged[:, :used], shared[:, :used] / shared[:, :used].sum(axis=1, keepdims=True)


def _distance(place: Array, begin: Array, end: Array) -> float:
    """From a place to a bone."""
    way = end - begin
    along = float(np.clip((place - begin) @ way / max(float(way @ way), 1e-300), 0, 1))
    return float(np.linalg.norm(place - begin - along * way))


def _tuple(place: Array) -> tuple[float, float, float]:
    return float(place[0]), float(place[1]), float(place[2])
