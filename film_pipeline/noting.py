"""Notes on their way out of the house: as a table, and as markers of a timeline that an editor opens."""

import csv
import io
from collections.abc import Sequence

import opentimelineio as otio

from film_pipeline.core.cut import Clip, Cut
from film_pipeline.core.spreadsheets import harmless
from film_pipeline.core.timing import FrameRange
from film_pipeline.departments.edit import film_cut
from film_pipeline.departments.film import Film
from film_pipeline.editorial.timeline import METADATA, otio_rate, to_otio
from film_pipeline.stores.ledger.notes import Note

COLUMNS = ("number", "at", "shot", "take", "frame", "author", "text", "answers", "drawing", "via")
"""The columns of the table of notes, in order."""
_NAME_LETTERS = 80


def notes_of(film: Film, shot: str = "") -> list[Note]:
    """The notes on a shot, or on the film: by shot in the order of the film, then as they were written."""
    if shot:
        return film.ledger.notes.of(shot)
    places = {name: place for place, name in enumerate(film.shots)}
    notes = film.ledger.notes.all()
    return sorted(notes, key=lambda note: (places.get(note.shot, len(places)), note.shot, note.number))


def notes_csv(notes: Sequence[Note]) -> str:
    """Notes as CSV, with a heading. Frames are numbered from 1001."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for note in notes:
        written = (
            note.number,
            note.at,
            note.shot,
            note.take,
            note.frame,
            note.author,
            note.text,
            note.reply_to,
            "" if note.drawing is None else "yes",
            note.via,
        )
        writer.writerow([harmless("" if one is None else str(one)) for one in written])
    return file.getvalue()


def notes_otio(film: Film, notes: Sequence[Note], shot: str = "") -> str:
    """The cut (or a shot, whole) as an OTIO timeline, with a marker for every note at its frame.

    A note on no frame marks all of its clip. One on a shot that the cut does not play stands at the timeline's start.
    """
    cut = _cut_of(film, shot)
    timeline = to_otio(cut, {})
    rate = otio_rate(cut.rate)
    clips = {id(clip): made for clip, made in zip(cut.clips, timeline.tracks[0], strict=True)}
    for made in clips.values():
        # Lines of dialogue are marked in the edit; here only notes are.
        made.markers.clear()
    for note in notes:
        places = _clips_of(cut, note)
        for clip in places:
            clips[id(clip)].markers.append(_marker(note, _frames(note, clip), rate))
        if not places:
            timeline.tracks.markers.append(_marker(note, FrameRange(0, 0), rate, f"{note.shot}, not in the cut: "))
    return str(otio.adapters.write_to_string(timeline, adapter_name="otio_json"))


def _cut_of(film: Film, shot: str) -> Cut:
    if not shot:
        return film_cut(film)
    frames = film.shot(shot).shot.frames
    production = film.production
    return Cut(f"{production.title}: {shot}", production.rate, (Clip(shot, frames, frames),), production.resolution)


def _clips_of(cut: Cut, note: Note) -> list[Clip]:
    """Where a note is marked: on every clip that plays its frame, else on the first that plays its shot."""
    clips = [clip for clip in cut.clips if clip.shot == note.shot]
    playing = [clip for clip in clips if note.frame is not None and note.frame in clip.source]
    return playing or clips[:1]


def _frames(note: Note, clip: Clip) -> FrameRange:
    return clip.source if note.frame is None else FrameRange(note.frame, note.frame)


def _marker(note: Note, frames: FrameRange, rate: float, before: str = "") -> otio.schema.Marker:
    marked = otio.opentime.TimeRange(
        otio.opentime.RationalTime(frames.first_frame, rate), otio.opentime.RationalTime(len(frames), rate)
    )
    said = " ".join(note.text.split()) or "a drawing"
    name = f"{before}{note.author}: {said}"
    marker = otio.schema.Marker(name[:_NAME_LETTERS], marked, color="YELLOW", comment=note.text)
    told = {
        "number": note.number,
        "at": note.at,
        "author": note.author,
        "shot": note.shot,
        "take": note.take,
        "frame": note.frame,
        "answers": note.reply_to,
        "via": note.via,
        "drawing": note.drawing,
    }
    marker.metadata[METADATA] = {name: value for name, value in told.items() if value is not None}
    return marker
