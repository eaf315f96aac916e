"""What a shared link shows: the versions that somebody means by what they wrote, and the pictures of those alone."""

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.ledger.shares import Share, SharedClip
from film_pipeline.stores.screening import Screening
from review_app.queries.reading import Reading
from review_app.queries.strips import NAMED, STRIPS, label_of, strips_of

_KEPT = 16
_VERSION = re.compile(r"[tv]?(\d{1,5})", re.IGNORECASE)
_STAGES = {
    **{stage: stage for stage in STRIPS},
    **{name.casefold(): stage for stage, name in NAMED.items()},
    "take": "render",
}


@dataclass(frozen=True)
class Chosen:
    """What was meant. without: shots that were named and have no pictures yet."""

    clips: tuple[SharedClip, ...]
    without: tuple[str, ...]


def chosen(reading: Reading, screening: Screening, text: str) -> Chosen:
    """The versions that a list of lines means, in its order, each once.

    A line is a scene or a shot, and may say which version: `SC010`, `SC010_SH020`, `SC010_SH020 t003`,
    `SC010_SH020 comp v002`. Where it does not, the version is the one that stands furthest.
    Raises FilmProblem for a line that means nothing.
    """
    clips: list[SharedClip] = []
    without: list[str] = []
    for line in re.split(r"[\n,;]", text):
        words = line.split()
        if not words:
            continue
        for shot in _shots(reading, words[0]):
            clip = _clip(screening, shot, words[1:])
            if clip is not None:
                clips.append(clip)
            else:
                without.append(shot)
    return Chosen(tuple(dict.fromkeys(clips)), tuple(without))


def _shots(reading: Reading, name: str) -> Sequence[str]:
    name = name.upper()
    if reading.shot(name) is not None:
        return [name]
    scene = reading.scene(name)
    if scene is None:
        raise FilmProblem(f"the film has no scene or shot {name[:40]}", "write one a line, such as SC010_SH020 t003")
    return [shot.name for shot in scene.shots]


def _clip(screening: Screening, shot: str, words: Sequence[str]) -> SharedClip | None:
    """The version that the words behind a shot's name mean; None where nothing is said and nothing was made."""
    strips = strips_of(screening.versions_of(shot))
    stage, version = _meant(shot, words)
    fitting = [strip for strip in strips if stage in ("", strip.stage) and version in (0, strip.version)]
    if fitting:
        return SharedClip(shot, fitting[0].stage, fitting[0].version)
    if words:
        there = ", ".join(strip.label for strip in strips) or "nothing"
        raise FilmProblem(f"{shot} has no pictures called {' '.join(words)[:40]}", f"there is {there}")
    return None


def _meant(shot: str, words: Sequence[str]) -> tuple[str, int]:
    """The stage and the version that are asked for; empty and 0 where they are not said."""
    if not words:
        return "", 0
    numbered = _VERSION.fullmatch(words[-1])
    said = " ".join(words[:-1] if numbered else words).casefold()
    stage = _STAGES.get(said, "")
    if said and not stage:
        known = ", ".join(name.casefold() for name in NAMED.values())
        raise FilmProblem(f"{said[:40]!r} is no kind of picture of {shot}", f"choose among {known}")
    if numbered and not said and words[-1][:1] in "tT":
        stage = "render"
    return stage, int(numbered[1]) if numbered else 0


@dataclass(frozen=True)
class SharedReel:
    """The pictures of a link. clips: as the player takes them. pictures: the content hashes that it may ask for."""

    clips: tuple[dict[str, Any], ...]
    pictures: frozenset[str]


class SharedReels:
    """The reels of links that are looked at now. What a link shows never changes, so each is put together once."""

    def __init__(self, frames: FrameStore, screening: Screening) -> None:
        self._frames, self._screening = frames, screening
        self._kept: OrderedDict[int, SharedReel] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, share: Share, reading: Reading | None) -> SharedReel:
        """What a link shows. May block. Versions that were thrown away since are left out."""
        with self._lock:
            if share.number in self._kept:
                self._kept.move_to_end(share.number)
                return self._kept[share.number]
        clips = [made for clip in share.clips if (made := self._clip(clip, reading)) is not None]
        pictures = frozenset(sha256 for clip in clips for _, sha256 in clip["strip"]["frames"])
        reel = SharedReel(tuple(clips), pictures)
        if reading is not None:
            with self._lock:
                self._kept[share.number] = reel
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return reel

    def _clip(self, clip: SharedClip, reading: Reading | None) -> dict[str, Any] | None:
        turnover = self._screening.turnover(clip.stage, clip.shot, clip.version) if clip.stage in STRIPS else None
        items = turnover.of(STRIPS[clip.stage]) if turnover else ()
        if not items:
            return None
        frames = sorted((item.frame or 1001, item.sha256) for item in items)
        shot = reading.shot(clip.shot) if reading else None
        last = max(frames[-1][0], shot.last_frame if shot else 0)
        ends = [*(frame for frame, _ in frames[1:]), last + 1]
        return {
            "name": clip.shot,
            "shot": clip.shot,
            "first": 1001,
            "last": last,
            "exposures": [[frame, after - frame] for (frame, _), after in zip(frames, ends, strict=True)],
            "lines": [],
            "strip": {
                "key": f"{clip.stage}.{clip.version}",
                "stage": clip.stage,
                "version": clip.version,
                "label": label_of(clip.stage, clip.version),
                "frames": [list(frame) for frame in frames],
                "movie": "",
            },
        }
