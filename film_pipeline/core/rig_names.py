"""Which joint of a model is which of ours, by the names that rigs commonly have.

A name is taken apart into words, a side and a number: `mixamorig:LeftForeArm`, `J_Bip_L_LowerArm`, `upper_arm.L`,
`upperarm_l`, `CC_Base_L_Upperarm` and `Bip01 L UpperArm` all come to a side and one word of the table below. The back
and the neck are found by what lies between hips, arms and head, because rigs number them each in their own way.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from film_pipeline.core.gltf import Model
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.skeleton import PARENTS

Joints = dict[str, tuple[int, ...]]
"""Our joint -> the nodes that it moves, the one that it stands at first; several only for fingers."""

LIMBS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("forearm", ("forearm", "lowerarm", "loarm", "armlower", "forearmbend", "elbow")),
    ("arm", ("upperarm", "uparm", "armupper", "shldrbend", "shldr", "arm", "shoulder")),
    ("shoulder", ("shoulder", "clavicle", "clav", "collar", "collarbone")),
    ("hand", ("wrist", "hand")),
    ("shin", ("shin", "lowerleg", "loleg", "leglower", "calf", "knee", "leg")),
    ("thigh", ("thigh", "upleg", "upperleg", "legupper", "thighbend", "hip")),
    ("foot", ("foot", "ankle")),
    ("eye", ("eye", "faceeye", "facialeye", "eyeball")),
    ("brow", ("brow",)),
    ("lid", ("lid",)),
    ("thumb", ("thumb", "handthumb", "thumbproximal", "thumbmetacarpal", "finger0")),
)
"""Joints that there are two of: ours -> the words for it, the surest first. A node is taken for one joint only, in
this order, so that where arms are called by their joints (shoulder, elbow, wrist) the collar is left for the shoulder.
"""
MIDDLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hips", ("hips", "hip", "pelvis")),
    ("head", ("head", "spine6")),
    ("mouth", ("mouth", "jaw", "lowerjaw", "jawlower")),
)
_FINGERS = frozenset(
    prefix + finger + part
    for prefix in ("", "f", "hand")
    for finger in ("index", "middle", "mid", "ring", "pinky", "little")
    for part in ("", "proximal", "finger")
) | {"fingers", "finger"}
NEEDED = ("hips", "chest", "head") + tuple(
    f"{joint}_{side}" for side in ("left", "right") for joint in ("arm", "forearm", "hand", "thigh", "shin", "foot")
)
"""What a model must have to be a puppet: the poses, the cameras and the joints of the plates are about these."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_BEFORE = frozenset(str.split("mixamorig valvebiped bip j def org cc base c sec adj b rig armature skeleton character"))
_ANYWHERE = frozenset(str.split("bn bone jnt joint"))
"""Words of names that say nothing about the joint."""


@dataclass(frozen=True)
class Named:
    """A name taken apart: the side, the words that say something run together, and the number behind them."""

    side: str
    word: str
    number: int | None

    @classmethod
    def of(cls, name: str) -> "Named":
        side, words, number = "", "", None
        for token in _WORD.findall(name.rsplit(":", 1)[-1]):
            small = token.lower()
            if token.isdigit():
                number = int(token[:6]) if words and number is None else number
            elif small in _SIDES and not side:
                side = _SIDES[small]
            elif small not in _ANYWHERE and (words or small not in _BEFORE):
                words += small
        return cls(side, words, number)

    def is_one_of(self, words: Iterable[str]) -> bool:
        return self.word in words or (self.number is not None and f"{self.word}{self.number}" in words)


class RigNames:
    """The joints of a model, found by name. What is found is in `joints`."""

    def __init__(self, model: Model, told: Mapping[str, str]) -> None:
        self.model = model
        self.rigged = {joint for skin in model.skins for joint in skin.joints}
        self.bones = [index for index, node in enumerate(model.nodes) if node.mesh is None or index in self.rigged]
        self.named = {index: Named.of(model.nodes[index].name) for index in self.bones}
        self.weighted = _weighted(model)
        self.joints: Joints = {}
        self._told(told)
        self._find_by_word()
        self._find_fingers()
        self._find_hips()
        self._find_back()
        self._check()

    def _told(self, told: Mapping[str, str]) -> None:
        by_name = {self.model.nodes[index].name: index for index in sorted(self.bones, key=self._rank, reverse=True)}
        for ours, theirs in told.items():
            if ours not in PARENTS or ours == "root":
                raise FilmProblem(
                    f"{ours!r} is no joint of ours that a model can have",
                    f"choose among {', '.join(list(PARENTS)[1:])}",
                    field_name=f"joints.{ours}",
                )
            if theirs not in by_name:
                near = difflib.get_close_matches(theirs, by_name, 3, 0.5)
                raise FilmProblem(
                    f"{self.model.path.name} has no joint {theirs!r}",
                    f"did you mean {' or '.join(near)}?" if near else f"it has {self._has()}",
                    field_name=f"joints.{ours}",
                )
            self.joints[ours] = (by_name[theirs],)

    def _rank(self, index: int) -> tuple[bool, bool, int, int]:
        """Which of several nodes with one name is meant: one that moves points, without a number, nearest the root."""
        return index not in self.weighted, self.named[index].number is not None, self.model.nodes[index].depth, index

    def _find_by_word(self) -> None:
        for side in ("left", "right"):
            for joint, words in LIMBS:
                self._find(f"{joint}_{side}", side, words)
        for joint, words in MIDDLE:
            self._find(joint, "", words)

    def _find(self, ours: str, side: str, words: Sequence[str]) -> None:
        taken = {node for nodes in self.joints.values() for node in nodes}
        for word in words:
            known = [
                index
                for index, named in self.named.items()
                if named.side == side and named.is_one_of((word,)) and index not in taken
            ]
            if known and ours not in self.joints:
                self.joints[ours] = (min(known, key=self._rank),)

    def _find_fingers(self) -> None:
        """All fingers are one joint of ours: the first of each, whatever else lies between them and the hand."""
        for side in ("left", "right"):
            ours, thumb = f"fingers_{side}", self.joints.get(f"thumb_{side}", ())
            found = {
                index
                for index, named in self.named.items()
                if named.side == side and named.word in _FINGERS and index not in thumb
            }
            first = sorted(index for index in found if not found & set(list(self.model.ancestry(index))[1:]))
            if first and ours not in self.joints:
                self.joints[ours] = tuple(first)

    def _find_hips(self) -> None:
        thighs = [self.joints.get(f"thigh_{side}", (None,))[0] for side in ("left", "right")]
        above = self._above(*thighs)
        if "hips" not in self.joints and above is not None:
            self.joints["hips"] = (above,)
        # Rigify's back begins at the hips; a rig of its deforming bones alone has lost what its thighs hung on.
        self._find("hips", "", ("spine",))

    def _above(self, *nodes: int | None) -> int | None:
        """The lowest joint that all of the nodes hang on."""
        if None in nodes:
            return None
        shared = set.intersection(*(set(list(self.model.ancestry(node))[1:]) for node in nodes))
        return next(
            (index for index in self.model.ancestry(nodes[0]) if index in shared and index in self.rigged), None
        )

    def _find_back(self) -> None:
        """The joints between hips, arms and head: the first is the spine, the chest the one nearest to our own place
        for it, and the first above what carries the arms is the neck."""
        ends = [self.joints.get(name, (None,))[0] for name in ("hips", "arm_left", "arm_right", "head")]
        hips, head = ends[0], ends[3]
        if None in ends or hips is None or head is None:
            return
        taken = {node for nodes in self.joints.values() for node in nodes if node != hips}
        up = [index for index in self._until(list(self.model.ancestry(head)), hips) if index in self.rigged]
        up = [index for index in reversed(up) if index not in taken]
        carrier = self._above(*ends[1:])
        # Where arms hang on nothing, as when an export has flattened the rig, the neck begins at their height.
        arms = up.index(carrier) + 1 if carrier in up else sum(self._height(index, ends) < 0.97 for index in up)
        back, necks = up[:arms], up[arms:]
        if necks:
            self.joints.setdefault("neck", (necks[0],))
        if "chest" not in self.joints and back:
            # The first joint of several is the spine's, unless that one was told.
            upper = back if "spine" in self.joints else back[1:] or back
            self.joints["chest"] = (min(upper, key=lambda index: abs(self._height(index, ends) - 0.55)),)
        if "spine" not in self.joints and back and (back[0],) != self.joints["chest"]:
            self.joints["spine"] = (back[0],)

    def _until(self, upwards: Sequence[int], stop: int) -> list[int]:
        return list(upwards[: upwards.index(stop)]) if stop in upwards else []

    def _height(self, index: int, ends: Sequence[int | None]) -> float:
        """How far along the way from the hips to the arms a joint of the back stands, 0 to 1."""
        hips, left, right = (self.model.nodes[end].world[:3, 3] for end in ends[:3] if end is not None)
        way = (left + right) / 2 - hips
        along = float((self.model.nodes[index].world[:3, 3] - hips) @ way)
        return along / max(float(np.dot(way, way)), 1e-12)

    def _check(self) -> None:
        missing = [name for name in NEEDED if name not in self.joints]
        if missing:
            raise FilmProblem(
                f"{self.model.path.name} has no joint that is known as {', '.join(missing)}",
                f"say which it is, as in `joints: {{{missing[0]}: its name}}`; the model has {self._has()}",
                field_name="joints",
            )
        taken: dict[int, str] = {}
        for ours, nodes in self.joints.items():
            for node in nodes:
                if node in taken:
                    raise FilmProblem(
                        f"{ours} and {taken[node]} are both {self.model.nodes[node].name!r} of the model",
                        "give each its own joint, or leave out the one that the model does not have",
                        field_name=f"joints.{ours}",
                    )
                taken[node] = ours

    def _has(self) -> str:
        names = [self.model.nodes[index].name for index in sorted(self.rigged)]
        more = f" and {len(names) - 80} more" if len(names) > 80 else ""
        return ", ".join(names[:80]) + more


def _weighted(model: Model) -> set[int]:
    """The joints that points are weighted to."""
    found: set[int] = set()
    for index in model.shown:
        node = model.nodes[index]
        if node.mesh is not None and node.skin is not None:
            for part in model.meshes[node.mesh]:
                if part.joints is not None and part.weights is not None:
                    places = np.unique(part.joints[part.weights > 0])
                    found |= {model.skins[node.skin].joints[place] for place in places}
    return found
