"""CMX 3600 edit decision lists, written and read.

Written here: the OTIO adapter leaves out what it can't name and rounds 23.976 by its own rules.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from film_pipeline.core.cut import Clip, Cut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate

FIRST_RECORD_HOUR = 1
EVENTS_A_FILE = 999
"""An event number has three digits: a longer cut goes into several files."""
_TITLE_LETTERS, _REEL_LETTERS = 70, 8

_TIME = r"(\d\d:\d\d:\d\d[:;]\d\d)"
_EVENT = re.compile(r"(\d{3,6})\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+\d+)?\s+" + r"\s+".join([_TIME] * 4))
_LOOKS_LIKE_AN_EVENT = re.compile(r"\d{3,6}\s+\S")
_SOUND_ONLY = re.compile(r"A{1,2}\d*", re.IGNORECASE)


@dataclass(frozen=True)
class EdlEvent:
    """A picture event: in and out points in frames of timecode, the out points excluded."""

    clip_name: str
    source_in: int
    source_out: int
    record_in: int
    record_out: int
    number: int
    file: Path
    line: int


def write_edl(cut: Cut, path: Path) -> list[Path]:
    """Write the cut, and return the files: `path`, and for every 999 events more another, `<stem>.part2.edl`.

    Source timecode counts the shot's own frame numbers, so that 1001 comes back as 1001. Reel names have at most 8
    characters; the shot's whole name follows as a comment.
    """
    reels = _reels(clip.shot for clip in cut.clips)
    record = FIRST_RECORD_HOUR * 3600 * cut.rate.timebase
    written = []
    for first in range(0, len(cut.clips), EVENTS_A_FILE):
        part = cut.clips[first : first + EVENTS_A_FILE]
        lines = [f"TITLE: {_one_line(cut.title)[:_TITLE_LETTERS]}", "FCM: NON-DROP FRAME", ""]
        for number, clip in enumerate(part, 1):
            lines += _event(number, clip, reels[clip.shot], record, cut.rate)
            record += len(clip.source)
        number = first // EVENTS_A_FILE + 1
        written.append(path if number == 1 else path.with_name(f"{path.stem}.part{number}{path.suffix}"))
        written[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def _event(number: int, clip: Clip, reel: str, record: int, rate: Rate) -> list[str]:
    source_in, source_out = clip.source.first_frame, clip.source.last_frame + 1
    times = " ".join(rate.timecode(frame) for frame in (source_in, source_out, record, record + len(clip.source)))
    lines = [f"{number:03d}  {reel:8} V     C        {times}", f"* FROM CLIP NAME: {_one_line(clip.shot)}"]
    lines += [
        f"* FADE {way} {frames} FRAMES" for way, frames in (("IN", clip.fade_in), ("OUT", clip.fade_out)) if frames
    ]
    lines += [
        f"* LOC: {rate.timecode(record + marker.frame - source_in)} {marker.color:7} {_one_line(marker.name)}"
        for marker in clip.markers
        if marker.frame in clip.source
    ]
    return lines


def _one_line(text: str) -> str:
    """Words on one line: whatever a title or a line of dialogue holds, it begins no line of the list."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _reels(shots: Iterable[str]) -> dict[str, str]:
    """A reel name of at most 8 letters and digits for every shot, each another."""
    short = {shot: _short(shot) for shot in dict.fromkeys(shots)}
    shared = Counter(short.values())
    plain = {shot for shot, name in short.items() if shared[name] == 1 and len(name) <= _REEL_LETTERS}
    reels = {shot: short[shot] for shot in plain}
    taken = set(reels.values())
    for shot in sorted(short.keys() - plain):
        number = 1
        while (name := f"{short[shot][: _REEL_LETTERS - len(str(number)) - 1]}R{number}") in taken:
            number += 1
        taken.add(name)
        reels[shot] = name
    return reels


def _short(shot: str) -> str:
    scene, _, name = shot.partition("_")
    letters = scene.removeprefix("SC") + name.removeprefix("SH")
    return "".join(letter for letter in letters.upper() if letter.isascii() and letter.isalnum()) or "R"


def read_edl(path: Path, rate: Rate) -> list[EdlEvent]:
    """The picture events of an EDL, as they stand.

    Raises FilmProblem, naming event and line, for what is no straight cut at full speed and for what can't be read.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return list(_Reader(path, rate).events(text.splitlines()))


class _Reader:
    def __init__(self, path: Path, rate: Rate) -> None:
        self._path, self._rate, self._line = path, rate, 0

    def _refuse(self, problem: str, mend: str, line: int | None = None) -> FilmProblem:
        return FilmProblem(problem, mend, file=self._path, line=line or self._line)

    def events(self, lines: Iterable[str]) -> Iterator[EdlEvent]:
        """An event takes its name from the comment under it."""
        event: EdlEvent | None = None
        for self._line, line in enumerate((line.strip() for line in lines), 1):
            match = _EVENT.fullmatch(line)
            if match:
                self._end(event)
                event = self._begin(match)
            elif _LOOKS_LIKE_AN_EVENT.match(line):
                raise self._refuse("the event can't be read", "export the EDL again, as CMX 3600")
            elif line.upper().startswith("M2"):
                raise self._refuse(
                    f"event {event.number if event else '?'} is retimed", "change the shot's length instead"
                )
            elif line.upper().startswith("FCM:") and "NON" not in line.upper():
                raise self._refuse("the edit counts drop-frame timecode", "export it as non-drop")
            elif line.upper().startswith("* FROM CLIP NAME:") and event is not None:
                name = line.split(":", 1)[1].strip()
                yield EdlEvent(**{**vars(event), "clip_name": name})
                event = None
        self._end(event)

    def _end(self, event: EdlEvent | None) -> None:
        if event is not None:
            raise self._refuse(
                f"event {event.number} has no clip name", "export with FROM CLIP NAME comments", event.line
            )

    def _begin(self, match: re.Match[str]) -> EdlEvent | None:
        """The event, still without its clip's name; None for one of sound alone."""
        number, reel, track, kind = int(match[1]), match[2], match[3].upper(), match[4].upper()
        if _SOUND_ONLY.fullmatch(track) or track == "NONE":
            return None
        if track not in ("V", "V1", "B", "A/V", "AA/V"):
            raise self._refuse(f"event {number} lies on track {track}", "bring every clip down to one picture track")
        if reel.upper() in ("BL", "BLACK"):
            raise self._refuse(f"event {number} is a gap of black", "close the gap")
        if kind != "C":
            raise self._refuse(
                f"event {number} of {reel} is no straight cut ({kind})",
                "use straight cuts; fades are set in the shot files",
            )
        source_in, source_out, record_in, record_out = (self._frames(time) for time in match.groups()[4:])
        if source_out - source_in != record_out - record_in:
            raise self._refuse(f"event {number} of {reel} is retimed", "change the shot's length instead")
        return EdlEvent("", source_in, source_out, record_in, record_out, number, self._path, self._line)

    def _frames(self, timecode: str) -> int:
        if ";" in timecode:
            raise self._refuse("the edit counts drop-frame timecode", "export it as non-drop")
        hours, minutes, seconds, frames = (int(part) for part in timecode.split(":"))
        if frames >= self._rate.timebase:
            raise self._refuse(
                f"{timecode} has a frame {frames}, and the film has {self._rate.timebase} a second",
                "export at the film's rate",
            )
        if seconds > 59 or minutes > 59:
            raise self._refuse(f"{timecode} is no timecode", "export the EDL again")
        return ((hours * 60 + minutes) * 60 + seconds) * self._rate.timebase + frames
