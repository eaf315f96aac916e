"""Which scene is which: scene identities that survive a rewrite of the script.

A numbered scene is named by its number. Any other is known again by its heading and its words; a scene that nobody has
seen before gets a name between its neighbours', and a name that was ever given is never given to another scene.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, ValidationError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.slate import SCENE_PATTERN

_SKETCH = 128
_SURE = 0.45
"""How alike two scenes must be to be one scene that was rewritten, 0..1."""
_NUMBER = re.compile(r"0*(\d{1,4})([A-Z]{0,2})")
_HIGHEST = 99_999


@dataclass(frozen=True)
class ScenePage:
    """What identity is judged by: the heading, the number as written, and the words that are played."""

    heading: str
    number: str | None
    words: str


class SceneIdentity(BaseModel):
    """A scene as it was last seen.

    fingerprint: SHA-256 of heading and words, case and spacing aside.
    sketch: the lowest hashes of its words and pairs of words, from which likeness is estimated; empty once it is gone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    heading: str
    number: str | None = None
    fingerprint: str
    sketch: tuple[int, ...] = ()

    @classmethod
    def of_page(cls, scene_id: str, page: ScenePage) -> "SceneIdentity":
        words = _words(page.words)
        heading = " ".join(_words(page.heading))
        digest = hashlib.sha256(f"{heading}|{' '.join(words)}".encode("utf-8", "surrogatepass")).hexdigest()
        return cls(id=scene_id, heading=page.heading, number=page.number, fingerprint=digest, sketch=_sketch(words))


class KnownScenes(BaseModel):
    """What the film remembers of its scenes from one version of the script to the next.

    scenes: of the last version, in its order. gone: those that were cut since; their names stay theirs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenes: tuple[SceneIdentity, ...] = ()
    gone: tuple[SceneIdentity, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """JSON values only."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, remembered: object) -> "KnownScenes":
        """Raises FilmProblem for anything that `as_dict` did not write."""
        try:
            found = (
                cls.model_validate_json(remembered) if isinstance(remembered, str) else cls.model_validate(remembered)
            )
        except ValidationError as error:
            raise FilmProblem(
                "the remembered scenes cannot be read", "restore the film's store, or number the scenes in the script"
            ) from error
        for scene in (*found.scenes, *found.gone):
            if not SCENE_PATTERN.fullmatch(scene.id):
                raise FilmProblem(f"a remembered scene is named {scene.id!r}", "restore the film's store")
        return found

    def after(self, pages: Sequence[ScenePage], ids: Sequence[str]) -> "KnownScenes":
        """What is remembered once a version with these scenes has been read."""
        scenes = tuple(SceneIdentity.of_page(scene_id, page) for scene_id, page in zip(ids, pages, strict=True))
        alive = set(ids)
        gone = {scene.id: scene for scene in (*self.gone, *self.scenes) if scene.id not in alive}
        return KnownScenes(
            scenes=scenes,
            gone=tuple(gone[name].model_copy(update={"sketch": ()}) for name in sorted(gone, key=_order)),
        )


def identify(pages: Sequence[ScenePage], previous: KnownScenes | None = None) -> tuple[str, ...]:
    """The names of a script's scenes, in order: unique, and the same for the same pages and the same memory."""
    known = previous or KnownScenes()
    ids: list[str | None] = [None] * len(pages)
    for place, page in enumerate(pages):
        named = id_of_number(page.number)
        if named and named not in ids:
            ids[place] = named
    _recognise(pages, ids, known)
    _name_new(ids, {scene.id for scene in (*known.scenes, *known.gone)})
    return tuple(name for name in ids if name is not None)


def id_of_number(number: str | None) -> str | None:
    """SC010 for scene 1, SC010A for 1A; None for a number that is not written that way."""
    written = _NUMBER.fullmatch((number or "").strip().upper().removesuffix("."))
    return f"SC{int(written[1]) * 10:03d}{written[2]}" if written else None


def _recognise(pages: Sequence[ScenePage], ids: list[str | None], known: KnownScenes) -> None:
    """Give every nameless scene that was seen before the name that it had."""
    seen = [SceneIdentity.of_page("SC000", page) for page in pages]

    def open_places() -> list[int]:
        return [place for place, name in enumerate(ids) if name is None]

    def free(scenes: Sequence[SceneIdentity]) -> list[SceneIdentity]:
        return [scene for scene in scenes if scene.id not in ids]

    for place in open_places():
        same_number = [scene for scene in free(known.scenes) if scene.number and scene.number == pages[place].number]
        if same_number:
            ids[place] = same_number[0].id
    # Untouched scenes first, wherever they moved to; among equals, the order decides.
    for scenes in (known.scenes, known.gone):
        for place in open_places():
            same = [scene for scene in free(scenes) if scene.fingerprint == seen[place].fingerprint]
            if same:
                ids[place] = same[0].id
    places, before = open_places(), free(known.scenes)
    for place, scene in _best_pairs([seen[place] for place in places], before, len(known.scenes) + len(pages)):
        ids[places[place]] = before[scene].id
    _recognise_in_place(seen, ids, known)


def _best_pairs(seen: Sequence[SceneIdentity], before: Sequence[SceneIdentity], length: int) -> list[tuple[int, int]]:
    """The pairing of rewritten scenes with those of the last version that makes the most of their likeness."""
    if not seen or not before:
        return []
    # Imported where it is used: most readings recognise every scene by its fingerprint, and scipy loads slowly.
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    likeness = np.array([[_likeness(scene, other) for other in before] for scene in seen])
    moved = np.abs(np.subtract.outer(np.arange(len(seen)), np.arange(len(before)))) / length
    # A pair below the threshold is worth nothing, so that it never takes a scene from a pair above it.
    worth = np.where(likeness >= _SURE, likeness - 0.001 * moved, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if worth[row, column] > 0]


def _recognise_in_place(seen: Sequence[SceneIdentity], ids: list[str | None], known: KnownScenes) -> None:
    """A scene between the same neighbours and under the same heading is the old one, even with every word rewritten."""
    old_place = {scene.id: place for place, scene in enumerate(known.scenes)}
    for place, name in enumerate(ids):
        if name is not None:
            continue
        left = max((old_place[other] for other in ids[:place] if other in old_place), default=-1)
        right = min((old_place[other] for other in ids[place + 1 :] if other in old_place), default=len(known.scenes))
        for scene in known.scenes[left + 1 : right]:
            if scene.id not in ids and _alike(scene.heading, seen[place].heading) > 0.9:
                ids[place] = scene.id
                break


def _likeness(scene: SceneIdentity, other: SceneIdentity) -> float:
    """0..1, mostly by the words; a heading alone makes no scene, for many scenes share one."""
    words = _overlap(scene.sketch, other.sketch)
    return 0.7 * math.sqrt(words) + 0.3 * _alike(scene.heading, other.heading)


def _alike(heading: str, other: str) -> float:
    first, second = " ".join(_words(heading)), " ".join(_words(other))
    return 1.0 if first == second else SequenceMatcher(None, first, second, autojunk=False).ratio()


def _overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """Estimated share of common hashes (Jaccard), from the lowest of both: exact for short scenes."""
    if not first or not second:
        return 0.0
    lowest = sorted({*first, *second})[:_SKETCH]
    common = set(first) & set(second)
    return sum(1 for value in lowest if value in common) / len(lowest)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _sketch(words: Sequence[str]) -> tuple[int, ...]:
    pairs = (f"{first} {second}" for first, second in pairwise(words))
    hashes = {
        int.from_bytes(hashlib.blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")
        for shingle in {*words, *pairs}
    }
    return tuple(sorted(hashes)[:_SKETCH])


def _order(name: str) -> tuple[int, str]:
    """Sort key of SC015 and SC010A."""
    digits = re.sub(r"\D", "", name)
    return int(digits), name[2 + len(digits) :]


def _name_new(ids: list[str | None], given: set[str]) -> None:
    """Name the scenes that are new: between their neighbours, and never as any scene was ever named."""
    place = 0
    while place < len(ids):
        if ids[place] is not None:
            place += 1
            continue
        run = place
        while run < len(ids) and ids[run] is None:
            run += 1
        taken = given | {name for name in ids if name is not None}
        left = ids[place - 1] if place else None
        for offset, name in enumerate(_between(left, run - place, taken)):
            ids[place + offset] = name
        place = run


def _between(left: str | None, count: int, taken: set[str]) -> list[str]:
    """`count` new names after `left`: SC015 between SC010 and SC020, SC030 and SC040 after the last."""
    numbers = sorted({_order(name)[0] for name in taken})
    low = _order(left)[0] if left else 0
    high = next((number for number in numbers if number > low), None)
    if high is None:
        first = low // 10 * 10 + 10
        if first + 10 * (count - 1) <= _HIGHEST:
            return [f"SC{first + 10 * step:03d}" for step in range(count)]
        high = low
    if high - low > count:
        return [f"SC{low + (high - low) * (step + 1) // (count + 1):03d}" for step in range(count)]
    letters = [chr(65 + place) for place in range(26)]
    suffixes = (*letters, *(first + second for first in letters for second in letters))
    lettered = [f"SC{low:03d}{suffix}" for suffix in suffixes if f"SC{low:03d}{suffix}" not in taken]
    if len(lettered) >= count:
        return lettered[:count]
    unused = (number for number in range(10, _HIGHEST + 1) if number not in set(numbers))
    return [f"SC{number:03d}" for number, _ in zip(unused, range(count), strict=False)]
