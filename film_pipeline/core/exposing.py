"""Key poses of one puppet through one shot, and the holds that its stillness allows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from scipy.spatial.transform import Rotation

from film_pipeline.core.acting import Act
from film_pipeline.core.poses import POSES
from film_pipeline.core.shot import CastMember, Hold, PoseKey, Vector
from film_pipeline.core.timing import FIRST_FRAME

_MOUTH = (0.7, 0.15, 0.5, 0.0, 0.85, 0.3, 0.6, 0.1)
_SHORTEST_HOLD = 6


SEATED = frozenset(
    str.split("look_up look_down listen read reach point hold_out think shrug arms_crossed wave recoil knock neutral")
)
"""Poses that somebody who sits takes sitting."""
_LEGS = ("hips", "thigh", "shin", "foot", "toe")


@lru_cache(maxsize=64)
def _turns(pose: str) -> tuple[tuple[str, Vector], ...]:
    sitting, wanted = POSES["sit"], POSES[pose]
    found: list[tuple[str, Vector]] = []
    for joint in sorted({*sitting, *wanted}):
        if joint.startswith(_LEGS):
            continue
        before, after = (
            Rotation.from_euler("xyz", turns.get(joint, (0.0, 0.0, 0.0)), degrees=True) for turns in (sitting, wanted)
        )
        x, y, z = (round(float(value), 1) + 0.0 for value in (before.inv() * after).as_euler("xyz", degrees=True))
        if max(abs(x), abs(y), abs(z)) >= 3:
            found.append((joint, (x, y, z)))
    return tuple(found)


def seated(pose: str) -> dict[str, Vector]:
    """What a standing pose adds to `sit` above the waist: joint -> degrees. Head and neck alone where the arms rest."""
    if pose == "neutral":
        return {}
    turns = dict(_turns(pose))
    return {joint: turns[joint] for joint in ("neck", "head") if joint in turns} if pose in _ARMS_REST else turns


_ARMS_REST = frozenset({"look_up", "look_down", "listen"})


@dataclass
class Performance:
    """What one puppet does in a shot, written down key by key in the order of the frames."""

    character: str
    at: Vector
    facing: float
    pose: str = "neutral"
    look_at: str | None = None
    sits: bool = False
    enters: bool = False
    _mood: dict[str, float] = field(default_factory=dict, init=False)
    _keys: dict[int, PoseKey] = field(default_factory=dict, init=False)
    _walked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._began = (self.at, self.facing)
        self.stay(FIRST_FRAME)

    @property
    def first_place(self) -> Vector:
        """Where it stands at the first frame."""
        return self._began[0]

    @property
    def first_facing(self) -> float:
        return self._began[1]

    @property
    def comes_from_afar(self) -> bool:
        """Whether it walks from one place to another in the shot, and begins away from where it plays."""
        return self._walked and self.enters

    def stay(self, frame: int, jaw: float = 0.0, blink: float = 0.0) -> None:
        """Key what the puppet is at this frame."""
        pose, joints = ("sit", seated(self.pose)) if self.sits and self.pose in SEATED else (self.pose, {})
        face = dict(self._mood)
        if jaw:
            face["jaw_open"] = jaw
        if blink:
            face["blink"] = blink
        self._keys[frame] = PoseKey(
            frame=frame, pose=pose, joints=joints, face=face, at=self.at, facing=self.facing, look_at=self.look_at
        )

    def change(self, frame: int, frames: int, pose: str | None = None, mood: dict[str, float] | None = None) -> None:
        """Go over into another pose or face within `frames` frames."""
        same_pose, same_mood = pose in (None, self.pose), mood in (None, self._mood)
        if same_pose and same_mood:
            return
        self.stay(frame)
        self.pose = pose or self.pose
        self.sits = self.pose in ("sit", "sit_write") or (self.sits and self.pose in SEATED)
        self._mood = dict(mood) if mood is not None else self._mood
        self.stay(frame + frames)

    def begin_as(self, pose: str, standing: bool = False) -> None:
        """Take another pose at the cut, before anything is played."""
        self.pose = pose
        self.sits = not standing and (pose in ("sit", "sit_write") or (self.sits and pose in SEATED))
        self.stay(FIRST_FRAME)

    def turn(self, facing: float, look_at: str | None) -> None:
        """Face another way from here on; said before the first frame only."""
        self.facing, self.look_at = facing, look_at
        self._began = (self.at, facing)
        self.stay(FIRST_FRAME)

    def stride(self, frame: int, last_frame: int, act: Act, to: Vector, facing: float, step_frames: int) -> None:
        """Walk or climb to a place, one step each `step_frames`, and stand there facing as told."""
        assert act.steps is not None
        begin, steps = self.at, max(1, round((last_frame - frame) / step_frames))
        direction = self.facing
        if begin != to:
            self._walked = True
            direction = math.degrees(math.atan2(to[0] - begin[0], begin[1] - to[1]))
            direction = round(direction, 1)
        self._keys_linear(frame)
        self.facing, self.sits = direction, False
        for step in range(1, steps):
            amount = step / steps
            self.at = _rounded(tuple(a + (b - a) * amount for a, b in zip(begin, to, strict=True)))
            self.pose = act.steps[step % 2]
            self._keys_linear(frame + step * step_frames)
        self.at, self.facing, self.pose, self.sits = to, facing, "neutral", False
        self.stay(max(last_frame, frame + steps * step_frames))

    def _keys_linear(self, frame: int) -> None:
        self.stay(frame)
        self._keys[frame] = self._keys[frame].model_copy(update={"ease": "linear"})

    def speak(self, frame: int, last_frame: int, every: int) -> None:
        """Move the lips from `frame` until `last_frame`, a new shape each `every` frames."""
        self.stay(frame)
        for shape, at in enumerate(range(frame + every, last_frame - every, every)):
            self.stay(at, jaw=_MOUTH[shape % len(_MOUTH)])
        self.stay(last_frame)

    def blink_when_still(self, last_frame: int, apart: int) -> None:
        """Blink in the middle of every stillness that is longer than `apart` frames, so that nobody looks dead."""
        ordered = [self._keys[frame] for frame in sorted(self._keys)]
        ends = [*ordered[1:], replace_frame(ordered[-1], last_frame)]
        for key, following in zip(ordered, ends, strict=True):
            length = following.frame - key.frame
            if not _same(key, following) or length < apart:
                continue
            for number in range(1, length // apart + 1):
                frame = key.frame + (number * length // (length // apart + 1)) // 2 * 2
                face = {**key.face, "blink": 1.0}
                self._keys[frame] = replace_frame(key, frame)
                self._keys[frame + 2] = replace_frame(key, frame + 2).model_copy(update={"face": face})
                self._keys[frame + 4] = replace_frame(key, frame + 4)

    def member(self, last_frame: int) -> CastMember:
        """The puppet as the scene file casts it. A place and a facing that never change stand once, beside the keys."""
        keys = [self._keys[frame] for frame in sorted(self._keys) if frame <= last_frame]
        kept = [
            key
            for place, key in enumerate(keys)
            if place in (0, len(keys) - 1) or not (_same(keys[place - 1], key) and _same(key, keys[place + 1]))
        ]
        if len(kept) > 1 and _same(kept[-2], kept[-1]):
            kept.pop()
        at, facing = self._began
        if not self._walked and all(key.at == at and key.facing == facing for key in kept):
            kept = [key.model_copy(update={"at": None, "facing": None}) for key in kept]
        return CastMember(character=self.character, at=at, facing=facing, keys=tuple(kept))


def replace_frame(key: PoseKey, frame: int) -> PoseKey:
    return key.model_copy(update={"frame": frame, "ease": "in-out"})


def _same(key: PoseKey, other: PoseKey) -> bool:
    return replace_frame(key, other.frame) == replace_frame(other, other.frame)


def _rounded(place: Iterable[float]) -> Vector:
    x, y, z = (round(value, 3) for value in place)
    return (x, y, z)


def holds_of(cast: Iterable[CastMember], last_frame: int) -> tuple[Hold, ...]:
    """Where nobody moves: one pose for as long as that lasts."""
    moving: list[tuple[int, int]] = []
    for member in cast:
        moving += [
            (key.frame, following.frame) for key, following in pairwise(member.keys) if not _same(key, following)
        ]
    holds: list[Hold] = []
    still_from = FIRST_FRAME
    for begins, ends in [*sorted(moving), (last_frame + 1, last_frame + 1)]:
        if begins - still_from >= _SHORTEST_HOLD:
            holds.append(Hold(frame=still_from, frames=begins - still_from))
        still_from = max(still_from, ends)
    return tuple(holds)
