"""Notes as files: anybody of the film may have them, as a table or as markers."""

import csv
import io
from typing import Any

import opentimelineio as otio
import pytest
from money_makers import ONE, TWO, ledger_of
from review_server import inside, until
from small_film import SmallFilm

from film_pipeline.stores.ledger.notes import Note
from review_app.app import review_app
from review_app.queries import Queries


def opened(film: SmallFilm) -> Any:
    return inside(review_app(Queries(film.root)), "vic", "viewer")


def test_notes_of_the_film_and_of_a_shot_can_be_had(new_film: SmallFilm) -> None:
    with ledger_of(new_film) as ledger:
        ledger.notes.add(Note(TWO, "ada", "=cmd()", "review", frame=1002))
        ledger.notes.add(Note(ONE, "ada", "good", "review"))
    with opened(new_film) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        table = client.get("/exports/notes.csv")
        assert [row["shot"] for row in csv.DictReader(io.StringIO(table.text))] == [ONE, TWO]
        assert "'=cmd()" in table.text
        assert table.headers["content-disposition"] == 'attachment; filename="notes.csv"'
        shot = client.get(f"/exports/notes.otio?shot={TWO}")
        assert shot.headers["content-disposition"] == f'attachment; filename="notes-{TWO}.otio"'
    [clip] = otio.adapters.read_from_string(shot.text, adapter_name="otio_json").tracks[0]
    assert [mark.marked_range.start_time.to_frames() for mark in clip.markers] == [1002]


@pytest.mark.parametrize("path", ["/exports/notes.html", "/exports/notes.csv?shot=SC010_SH099", "/exports/notes."])
def test_what_is_not_there_is_not_given_out(new_film: SmallFilm, path: str) -> None:
    with opened(new_film) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        assert client.get(path).status_code == 404
