"""Conform: an edited timeline taken back into the cut."""

import re
from pathlib import Path

import opentimelineio as otio

from film_pipeline.core.cut import Cut, recut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate

_EVENT = re.compile(
    r"^\d{3,6}\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+\d+)?\s+" + r"\s+".join([r"(\d\d:\d\d:\d\d[:;]\d\d)"] * 4) + r"\s*$"
)


def conform(cut: Cut, edited: Path) -> Cut:
    """The cut with the order and the trims of an edited .otio or .edl.

    Raises FilmProblem, naming the event, for retimes, transitions, several picture tracks, unknown shots, another
    rate, and frames that were never shot.
    """
    if not edited.is_file():
        raise FilmProblem("there is no such file", "export the edited timeline again", file=edited)
    readers = {".otio": _read_otio, ".edl": _read_edl}
    if edited.suffix.lower() not in readers:
        raise FilmProblem(
            f"{edited.suffix or 'a file without suffix'} can't be conformed",
            "export the edit as .otio or .edl",
            file=edited,
        )
    try:
        return recut(cut, readers[edited.suffix.lower()](edited, cut.rate))
    except FilmProblem as problem:
        problem.file = problem.file or edited
        raise


def _read_otio(path: Path, rate: Rate) -> list[tuple[str, int, int]]:
    try:
        timeline = otio.adapters.read_from_file(str(path), adapter_name="otio_json")
    except Exception as error:
        raise FilmProblem(
            f"the timeline can't be read: {str(error).splitlines()[0]}", "export it again", file=path
        ) from error
    if not isinstance(timeline, otio.schema.Timeline):
        raise FilmProblem("the file holds no timeline", "export the whole timeline", file=path)
    tracks = [track for track in timeline.video_tracks() if any(isinstance(item, otio.schema.Clip) for item in track)]
    if len(tracks) != 1:
        raise FilmProblem(
            f"the edit has {len(tracks)} picture tracks with clips", "bring every clip down to one track", file=path
        )
    found = []
    for number, item in enumerate(tracks[0], 1):
        if isinstance(item, otio.schema.Transition):
            raise FilmProblem(
                f"event {number} is a transition", "use straight cuts; fades are set in the shot files", file=path
            )
        if isinstance(item, otio.schema.Gap):
            if item.duration().value == 0:
                continue
            raise FilmProblem(
                f"event {number} is a gap of {item.duration().value:g} frames", "close the gap", file=path
            )
        found.append(_clip_of(number, item, rate, path))
    return found


def _clip_of(number: int, clip: otio.schema.Clip, rate: Rate, path: Path) -> tuple[str, int, int]:
    shot = clip.metadata.get("film_pipeline", {}).get("shot") or clip.name
    for effect in clip.effects:
        if isinstance(effect, otio.schema.TimeEffect):
            raise FilmProblem(
                f"event {number} retimes {shot}",
                "puppets are animated on their exposure sheet: change the shot's length instead",
                file=path,
                shot=shot,
            )
    seen = clip.source_range or clip.available_range()
    if abs(seen.start_time.rate - float(rate.fps)) > 1e-3:
        raise FilmProblem(
            f"event {number} runs at {seen.start_time.rate:g} frames a second, the film at {rate.label}",
            "export at the film's rate",
            file=path,
            shot=shot,
        )
    first, length = seen.start_time.value, seen.duration.value
    if first != int(first) or length != int(length) or length < 1:
        raise FilmProblem(
            f"event {number} does not lie on whole frames", "snap the cut to frames", file=path, shot=shot
        )
    return shot, int(first), int(first + length) - 1


def _read_edl(path: Path, rate: Rate) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    event: tuple[int, int, int, int] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = _EVENT.match(line.strip())
        if match:
            if event is not None:
                raise FilmProblem(
                    "the event before this has no clip name",
                    "export with FROM CLIP NAME comments",
                    file=path,
                    line=number,
                )
            reel, track, kind = match[1], match[2], match[3]
            if track.upper().startswith("A"):
                continue
            if kind.upper() != "C":
                raise FilmProblem(
                    f"the event of {reel} is no straight cut ({kind})", "use straight cuts", file=path, line=number
                )
            times = [_frames(time, rate, path, number) for time in match.groups()[3:]]
            if times[1] - times[0] != times[3] - times[2]:
                raise FilmProblem(
                    f"the event of {reel} is retimed", "change the shot's length instead", file=path, line=number
                )
            event = (number, times[0], times[1], times[2])
        elif line.startswith("M2"):
            raise FilmProblem("the edit retimes a clip", "change the shot's length instead", file=path, line=number)
        elif line.upper().startswith("* FROM CLIP NAME:") and event is not None:
            found.append((line.split(":", 1)[1].strip(), event[1], event[2] - 1))
            event = None
    if event is not None:
        raise FilmProblem(
            "the last event has no clip name", "export with FROM CLIP NAME comments", file=path, line=event[0]
        )
    return found


def _frames(timecode: str, rate: Rate, path: Path, line: int) -> int:
    if ";" in timecode:
        raise FilmProblem("the edit counts drop-frame timecode", "export it as non-drop", file=path, line=line)
    hours, minutes, seconds, frames = (int(part) for part in timecode.split(":"))
    if frames >= rate.timebase:
        raise FilmProblem(
            f"{timecode} has a frame {frames}, and the film has {rate.timebase} a second",
            "export at the film's rate",
            file=path,
            line=line,
        )
    return ((hours * 60 + minutes) * 60 + seconds) * rate.timebase + frames
