"""Conform: an edited timeline taken back into the cut."""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import opentimelineio as otio

from film_pipeline.core.cut import Cut, EditEvent, recut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate
from film_pipeline.editorial.edl import EdlEvent, read_edl

_RATE_TOLERANCE = 0.005
"""Of frames a second: editing rooms write 23.98 for 23.976."""
_FRAME_TOLERANCE = 1e-3
_STARTS_WITH_A_SHOT = re.compile(r"SC\d{3,5}[A-Z]{0,2}_SH\d{3,5}[A-Z]{0,2}(?![A-Za-z0-9])")


def conform(cut: Cut, *edited: Path) -> Cut:
    """The cut with the order and the trims of an edited .otio or .edl; the parts of a long EDL are given together.

    Raises FilmProblem, naming file and event (and the line of an EDL), for retimes, transitions, gaps, several picture
    tracks, unknown shots, another rate, and frames that were never shot.
    """
    known = {clip.shot for clip in cut.clips}
    kinds = {path.suffix.lower() for path in edited}
    for path in edited:
        if not path.is_file():
            raise FilmProblem("there is no such file", "export the edited timeline again", file=path)
        if path.suffix.lower() not in (".otio", ".edl"):
            raise FilmProblem(
                f"{path.suffix or 'a file without suffix'} can't be conformed",
                "export the edit as .otio or .edl",
                file=path,
            )
    if kinds == {".edl"}:
        events = _of_edl([event for path in edited for event in read_edl(path, cut.rate)], known)
    elif len(edited) == 1:
        events = list(_of_otio(_Timeline(edited[0], cut.rate), known))
    else:
        raise FilmProblem("an edit is one timeline", "name one .otio, or the parts of one EDL", file=edited[0])
    try:
        return recut(cut, events)
    except FilmProblem as problem:
        problem.file = problem.file or edited[0]
        raise


def _of_edl(found: list[EdlEvent], known: Collection[str]) -> list[EditEvent]:
    """The events in the order in which they play. Raises FilmProblem where one does not follow the one before it."""
    found.sort(key=lambda event: event.record_in)
    for before, event in pairwise(found):
        apart = event.record_in - before.record_out
        if apart:
            what = f"leaves a gap of {apart} frames before it" if apart > 0 else "plays over the event before it"
            raise FilmProblem(
                f"event {event.number} {what}", "close the gap, on one picture track", file=event.file, line=event.line
            )
    return [
        EditEvent(
            _shot_named((event.clip_name,), known),
            event.source_in,
            event.source_out - 1,
            event.number,
            event.file,
            event.line,
        )
        for event in found
    ]


def _shot_named(names: Collection[str], known: Collection[str]) -> str:
    """The film's shot that a clip's names mean: one is its name, or begins with it, as the name of its file does."""
    for name in names:
        if name in known:
            return name
    for name in names:
        found = _STARTS_WITH_A_SHOT.match(name)
        if found and found[0] in known:
            return found[0]
    return next((name for name in names if name), "a clip without a name")


@dataclass(frozen=True)
class _Timeline:
    """The timeline that is read, and the refusal that names it."""

    path: Path
    rate: Rate

    def refuse(self, problem: str, mend: str) -> FilmProblem:
        return FilmProblem(problem, mend, file=self.path)


def _of_otio(source: _Timeline, known: Collection[str]) -> Iterator[EditEvent]:
    for number, item in enumerate(_picture_items(source), 1):
        if isinstance(item, otio.schema.Transition):
            raise source.refuse(f"event {number} is a transition", "use straight cuts; fades are set in the shot files")
        if isinstance(item, otio.schema.Gap):
            if item.duration().value != 0:
                raise source.refuse(f"event {number} is a gap of {item.duration().value:g} frames", "close the gap")
            continue
        if not isinstance(item, otio.schema.Clip):
            raise source.refuse(f"event {number} is a nested timeline", "unfold it into its clips")
        if not item.enabled:
            raise source.refuse(f"event {number} is switched off", "switch it on, or take it out and close the gap")
        shot = _shot_named(_names(item), known)
        if any(_is_retime(effect) for effect in item.effects):
            raise source.refuse(
                f"event {number} retimes {shot}",
                "puppets are animated on their exposure sheet: change the shot's length instead",
            )
        first, length = _frames(source, number, item)
        yield EditEvent(shot, first, first + length - 1, number, source.path)


def _picture_items(source: _Timeline) -> list[otio.core.Composable]:
    """What stands on the one picture track."""
    try:
        timeline = otio.adapters.read_from_file(str(source.path), adapter_name="otio_json")
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise source.refuse(f"the timeline can't be read: {told}", "export it again") from error
    if not isinstance(timeline, otio.schema.Timeline):
        raise source.refuse("the file holds no timeline", "export the whole timeline")
    if not all(isinstance(track, otio.schema.Track) for track in timeline.tracks):
        raise source.refuse("the timeline has nested timelines for tracks", "bring every clip down to one track")
    tracks = [
        track
        for track in timeline.video_tracks()
        if track.enabled and any(not isinstance(item, otio.schema.Gap) for item in track)
    ]
    if len(tracks) != 1:
        raise source.refuse(f"the edit has {len(tracks)} picture tracks with clips", "bring every clip to one track")
    if tracks[0].source_range is not None or any(_is_retime(effect) for effect in tracks[0].effects):
        raise source.refuse("the picture track is trimmed or retimed as a whole", "trim its clips instead")
    # A list, because a track lets go of its children when its timeline is let go of.
    return list(tracks[0])


def _names(clip: otio.schema.Clip) -> list[str]:
    """Every name that a clip goes by: the shot we wrote, its own, its media's."""
    ours = clip.metadata.get("film_pipeline")
    shot = ours.get("shot") if hasattr(ours, "get") else None
    address = getattr(clip.media_reference, "target_url", "") or ""
    media = clip.media_reference.name if clip.media_reference else ""
    return [str(shot or ""), clip.name, media, Path(unquote(urlsplit(address).path)).name]


def _is_retime(effect: otio.schema.Effect) -> bool:
    whole_speed = type(effect) is otio.schema.LinearTimeWarp and effect.time_scalar == 1
    return isinstance(effect, otio.schema.TimeEffect) and not whole_speed


def _frames(source: _Timeline, number: int, clip: otio.schema.Clip) -> tuple[int, int]:
    """First frame and length of what plays of a clip."""
    try:
        seen = clip.source_range or clip.available_range()
    except Exception as error:
        raise source.refuse(f"event {number} does not say which frames play", "export it with source ranges") from error
    for time in (seen.start_time, seen.duration):
        if abs(time.rate - float(source.rate.fps)) > _RATE_TOLERANCE:
            raise source.refuse(
                f"event {number} runs at {time.rate:g} frames a second, the film at {source.rate.label}",
                "export at the film's rate",
            )
        if not math.isfinite(time.value) or abs(time.value - round(time.value)) > _FRAME_TOLERANCE:
            raise source.refuse(f"event {number} does not lie on whole frames", "snap the cut to frames")
    return round(seen.start_time.value), round(seen.duration.value)
