"""The cut: which frames of which shot follow each other. Frames and a rational rate, never seconds."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.shot import Shot
from film_pipeline.core.timing import FrameRange, Rate


@dataclass(frozen=True)
class Marker:
    """A note at a frame of the shot."""

    frame: int
    name: str
    color: str = "RED"


@dataclass(frozen=True)
class Clip:
    """A shot in the cut: the frames that play, and those that there are, both in shot frame numbers."""

    shot: str
    source: FrameRange
    available: FrameRange
    take: str = ""
    fade_in: int = 0
    fade_out: int = 0
    markers: tuple[Marker, ...] = ()

    def level(self, frame: int) -> float:
        """How bright a frame plays: 1, less within the clip's fades."""
        level = 1.0
        if self.fade_in:
            level = min(level, (frame - self.source.first_frame + 0.5) / self.fade_in)
        if self.fade_out:
            level = min(level, (self.source.last_frame - frame + 0.5) / self.fade_out)
        return max(0.0, min(1.0, level))


@dataclass(frozen=True)
class Cut:
    """Clips one after another, at a rate."""

    title: str
    rate: Rate
    clips: tuple[Clip, ...]
    resolution: tuple[int, int]

    @property
    def length(self) -> int:
        """Frames from the first to the last."""
        return sum(len(clip.source) for clip in self.clips)

    def frames(self) -> Iterator[tuple[int, Clip, int]]:
        """Every frame of the cut: its place counted from 0, its clip, and the shot's frame."""
        place = 0
        for clip in self.clips:
            for frame in clip.source:
                yield place, clip, frame
                place += 1

    def place_of(self, shot: str, frame: int) -> int | None:
        """Where a shot's frame plays, counted from 0; None where the cut does not show it."""
        place = 0
        for clip in self.clips:
            if clip.shot == shot and frame in clip.source:
                return place + frame - clip.source.first_frame
            place += len(clip.source)
        return None

    def start_of(self, shot: str) -> int | None:
        """Where a shot's first frame would play if its head were not trimmed; None where the cut has no such shot."""
        place = 0
        for clip in self.clips:
            if clip.shot == shot:
                return place - (clip.source.first_frame - clip.available.first_frame)
            place += len(clip.source)
        return None


FADE_FRAMES = 16


@dataclass(frozen=True)
class EditEvent:
    """One event of an edit: the frames of a shot that play, and where the edit says so."""

    shot: str
    first_frame: int
    last_frame: int
    number: int
    file: Path | None = None
    line: int | None = None


def assemble(production: Production, shots: Mapping[str, Shot], takes: Mapping[str, str] | None = None) -> Cut:
    """The first assembly: every shot in the order of the film, less its handles."""
    clips = []
    for name, shot in shots.items():
        handles = production.handles
        if len(shot.frames) <= 2 * handles:
            raise FilmProblem(
                f"the shot is {len(shot.frames)} frames long and its handles alone take {2 * handles}",
                "lengthen the shot, or lower `handles` in production.yaml",
                shot=name,
            )
        source = FrameRange(shot.frames.first_frame + handles, shot.frames.last_frame - handles)
        fade = min(FADE_FRAMES, len(source))
        clips.append(
            Clip(
                shot=name,
                source=source,
                available=shot.frames,
                take=(takes or {}).get(name, ""),
                fade_in=fade if shot.transition == "fade in" else 0,
                fade_out=fade if shot.transition == "fade out" else 0,
                markers=tuple(Marker(line.frame, f"{line.character}: {line.text}") for line in shot.dialogue),
            )
        )
    return Cut(production.title, production.rate, tuple(clips), production.resolution)


def recut(first: Cut, events: Sequence[EditEvent]) -> Cut:
    """The assembly with the order and trims of an edit.

    A shot may play several times; it fades in where it plays first and out where it plays last.
    Raises FilmProblem for a shot that the film does not have and for frames that were never shot.
    """
    if not events:
        raise FilmProblem("the edit has no clips", "export the edited timeline again")
    clips = {clip.shot: clip for clip in first.clips}
    first_use = {event.shot: place for place, event in reversed(list(enumerate(events)))}
    last_use = {event.shot: place for place, event in enumerate(events)}
    new = []
    for place, event in enumerate(events):
        if event.shot not in clips:
            raise _no_such_shot(event, list(clips))
        clip = clips[event.shot]
        source = _source(event, clip)
        new.append(
            replace(
                clip,
                source=source,
                fade_in=min(clip.fade_in, len(source)) if place == first_use[event.shot] else 0,
                fade_out=min(clip.fade_out, len(source)) if place == last_use[event.shot] else 0,
            )
        )
    return replace(first, clips=tuple(new))


def _no_such_shot(event: EditEvent, known: list[str]) -> FilmProblem:
    near = difflib.get_close_matches(event.shot, known, 1)
    return FilmProblem(
        f"event {event.number} is of {event.shot!r}, which the film does not have",
        f"did you mean {near[0]}?" if near else f"its shots are {', '.join(known)}",
        file=event.file,
        line=event.line,
    )


def _source(event: EditEvent, clip: Clip) -> FrameRange:
    if event.last_frame < event.first_frame:
        raise FilmProblem(
            f"event {event.number} plays no frame of {event.shot} ({event.first_frame} to {event.last_frame})",
            "reverse motion and empty events are not supported",
            shot=event.shot,
            file=event.file,
            line=event.line,
        )
    if event.first_frame not in clip.available or event.last_frame not in clip.available:
        raise FilmProblem(
            f"event {event.number} plays {event.first_frame} to {event.last_frame} of {event.shot}, which has "
            f"{clip.available}",
            "trim it inside the frames that there are, or lengthen the shot",
            shot=event.shot,
            file=event.file,
            line=event.line,
        )
    return FrameRange(event.first_frame, event.last_frame)
