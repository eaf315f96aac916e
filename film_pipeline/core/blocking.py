"""Blocking: where each puppet stands, which way it faces and what it does, at every unique frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from film_pipeline.core.camera import Subject, look_at
from film_pipeline.core.meshes import Array, rotation
from film_pipeline.core.poses import Pose, between_keys
from film_pipeline.core.problems import FilmProblem, under
from film_pipeline.core.puppet import Character
from film_pipeline.core.refusals import near
from film_pipeline.core.set_build import changed
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.core.sets import SetDescription
from film_pipeline.core.shot import CastMember, Light, Shot

_IN_PLACE_M = 0.25


class Blocking:
    """The shot's puppets in its set, frame by frame. Raises FilmProblem for a place or pose that is not there."""

    def __init__(self, shot: Shot, set_: SetDescription, cast: Mapping[str, Character], frames: Sequence[int]) -> None:
        self.shot, self.set, self.cast = shot, set_, cast
        self.members = {member.character: member for member in shot.cast}
        self._stood: dict[str, list[tuple[Array, float]]] = {}
        self.poses: dict[str, dict[int, Pose]] = {}
        for number, member in enumerate(shot.cast):
            with under(number):
                self._stood[member.character] = self._stand(member)
        self.roots = {
            name: {frame: self._root(member, frame) for frame in frames} for name, member in self.members.items()
        }
        for number, (name, member) in enumerate(self.members.items()):
            with under(number):
                self.poses[name] = cast[name].perform(member.keys, frames)
        # Heads turn last, so that they turn to where the others' eyes are.
        aimed = {}
        for number, (name, member) in enumerate(self.members.items()):
            with under(number, "keys"):
                aimed[name] = self._aimed(member)
        self.poses = aimed

    def place(self, what: object, frame: int | None = None) -> Array:
        """Where a mark, a piece's middle, a puppet's eyes or a place in metres is."""
        if not isinstance(what, str):
            return np.asarray(what, float)
        if what in self.set.file.marks:
            return np.asarray(self.set.file.marks[what].at, float)
        if what in self.members:
            if frame is not None and frame in self.poses.get(what, {}):
                return self.cast[what].landmarks(self.poses[what][frame], self.roots[what][frame])["eyes"]
            at, _ = self._stood.get(what, [(self._spot(self.members[what].at)[0], 0.0)])[0]
            return np.asarray(at + [0, 0, self.cast[what].file.height_m * 0.9])
        low, high = self._piece_bounds(what)
        return np.asarray((low + high) / 2)

    def performing(self, name: str, frames: Sequence[int]) -> Subject:
        """A puppet or a piece as an operator frames it for a whole shot: as it stands at the first frame, with room for
        as high as it rises while it stays in its place."""
        subject = self.subject(name, frames[0])
        if name not in self.members:
            return subject
        began = self.roots[name][frames[0]][:3, 3]
        staying = [frame for frame in frames if np.linalg.norm(self.roots[name][frame][:3, 3] - began) < _IN_PLACE_M]
        character = self.cast[name]
        crowns = [character.landmarks(self.poses[name][frame], self.roots[name][frame])["crown"] for frame in staying]
        highest = max(crowns, key=lambda crown: float(crown[2]))
        return replace(subject, landmarks={**subject.landmarks, "crown": highest})

    def subject(self, name: str, frame: int) -> Subject:
        """A puppet or a piece as it stands at a frame."""
        if name in self.members:
            root = self.roots[name][frame]
            character = self.cast[name]
            facing = float(np.degrees(np.arctan2(root[1, 0], root[0, 0])))
            half = character.file.height_m * 0.16 * character.file.proportions.shoulders
            return Subject(name, character.landmarks(self.poses[name][frame], root), facing, half)
        low, high = self._piece_bounds(name)
        middle = (low + high) / 2
        piece = self.set.piece(name)
        top, foot = np.array([middle[0], middle[1], high[2]]), np.array([middle[0], middle[1], low[2]])
        places = dict.fromkeys(("chest", "waist", "hips", "knees", "ankles", "floor", "neck", "chin"), foot)
        half = float(max(high[0] - low[0], high[1] - low[1])) / 2
        return Subject(
            name, {**places, "crown": top, "eyes": middle}, piece.turn_deg if piece else 0.0, half, is_piece=True
        )

    def light_matrix(self, light: Light, frame: int) -> Array:
        """A light's (4, 4) matrix: it shines along its own -Z, from its position to its target."""
        position = np.asarray(light.position, float)
        if light.follows:
            puppet, _, joint = light.follows.partition(".")
            if puppet not in self.members or joint not in self.cast[puppet].skeleton.names:
                with under("follows"):
                    raise FilmProblem(
                        f"the light follows {light.follows!r}, which is no puppet's joint here",
                        f"write it as {next(iter(self.members), 'puppet')}.hand_left",
                    )
            joints = self.cast[puppet].joints(self.poses[puppet][frame], self.roots[puppet][frame])
            position = (joints[joint] @ np.array([*position, 1.0]))[:3]
        with under("target"):
            target = self.place(light.target, frame)
            if light.kind != "sphere" and np.allclose(position, target):
                raise FilmProblem("the light stands in what it shines on", "name another target, or move the light")
            return look_at(position, target)

    def stands(self, name: str) -> list[tuple[Array, float]]:
        """Where a puppet stands, metres, and faces, degrees, at each of its keys."""
        return self._stood[name]

    def stands_first(self, member: CastMember) -> tuple[Array, float]:
        """Where the puppet stands and faces before a key says otherwise."""
        with under("at"):
            at, marked = self._spot(member.at)
        with under("facing"):
            if "facing" not in member.model_fields_set and marked is not None:
                return at, marked
            return at, self._facing(member.facing, at, member)

    def _stand(self, member: CastMember) -> list[tuple[Array, float]]:
        """Where the puppet stands and faces at each of its keys."""
        at, facing = self.stands_first(member)
        stood = []
        for number, key in enumerate(member.keys):
            if key.at is not None:
                with under("keys", number, "at"):
                    at, marked = self._spot(key.at)
                if marked is not None and key.facing is None:
                    facing = marked
            if key.facing is not None:
                with under("keys", number, "facing"):
                    facing = self._facing(key.facing, at, member)
            stood.append((at, facing))
        return stood

    def _spot(self, where: object) -> tuple[Array, float | None]:
        if not isinstance(where, str):
            return np.asarray(where, float), None
        if where not in self.set.file.marks:
            known = ", ".join(self.set.file.marks) or "none yet"
            raise FilmProblem(
                f"the set {self.set.name} has no mark {where!r}",
                near(where, self.set.file.marks) or f"its marks are {known}",
            )
        mark = self.set.file.marks[where]
        return np.asarray(mark.at, float), mark.facing

    def _facing(self, towards: float | str, at: Array, member: CastMember) -> float:
        if not isinstance(towards, str):
            return float(towards)
        if towards == member.character:
            raise FilmProblem(f"{towards} can't face itself", "name a mark, a piece or another puppet")
        way = self.faced(towards) - at
        return float(np.degrees(np.arctan2(way[0], -way[1])))

    def faced(self, towards: str) -> Array:
        """Where what a puppet faces is: of another puppet where it stands at first."""
        return self._spot(self.members[towards].at)[0] if towards in self.members else self.place(towards)

    def _root(self, member: CastMember, frame: int) -> Array:
        stood = self._stood[member.character]
        place, amount = between_keys(member.keys, frame)
        at, facing = stood[place]
        if amount > 0:
            next_at, next_facing = stood[place + 1]
            turn = (next_facing - facing + 180) % 360 - 180
            at, facing = at + (next_at - at) * amount, facing + turn * amount
        root = np.eye(4)
        root[:3, :3], root[:3, 3] = rotation("z", facing), at
        return root

    def _aimed(self, member: CastMember) -> dict[int, Pose]:
        """The puppet's poses with its head turned to what it looks at."""
        aimed = {}
        for frame, pose in self.poses[member.character].items():
            place, amount = between_keys(member.keys, frame)
            aimed[frame] = self._looking(member, place, pose, frame)
            if amount > 0:
                aimed[frame] = aimed[frame].towards(self._looking(member, place + 1, pose, frame), amount)
        return aimed

    def _looking(self, member: CastMember, key: int, pose: Pose, frame: int) -> Pose:
        name, at = member.character, member.keys[key].look_at
        if at is None:
            return pose
        with under(key, "look_at"):
            if at == name:
                raise FilmProblem(f"{name} can't look at itself", "name a mark, a piece or another puppet")
            return self.cast[name].aim_head(pose, self.roots[name][frame], self.place(at, frame))

    def _piece_bounds(self, name: str) -> tuple[Array, Array]:
        if name in self.set.things:
            return self.set.things[name].bounds
        piece = self.set.piece(name)
        if piece is None:
            pieces = [piece.name for piece in self.set.file.pieces]
            known = [*self.members, *self.set.file.marks, *pieces, *self.set.things]
            raise FilmProblem(
                f"there is no {name!r} in this shot", near(name, known) or f"choose among {', '.join(known)}"
            )
        bounds = [part.mesh.bounds for part in build_piece(changed(piece, self.shot.pieces.get(name)))]
        return np.min([low for low, _ in bounds], axis=0), np.max([high for _, high in bounds], axis=0)
