"""What pages know of the film: shots at their lines, lights as the production line says, and all of it kept fresh."""

import asyncio
import time
from pathlib import Path

import pytest
from review_server import until
from small_film import SmallFilm
from starlette.testclient import TestClient

from film_pipeline.core.script_elements import Element
from film_pipeline.departments.film import Film
from film_pipeline.progress import states_of
from review_app.app import review_app
from review_app.queries import STAGES, Queries
from review_app.queries.reading import ShotPage, anchor


def a_shot(name: str, action: str = "", *said: str) -> ShotPage:
    lines = tuple((1001, "PIM", text) for text in said)
    return ShotPage(name, "SC010", "set", "wide", 48, action, lines, (), 35.0, (), "cut", "", "", (), "", "x.yaml")


PAGE = (
    Element("action", "Plank walls. A lamp burns on a desk too heavy for the room.", 10),
    Element("character", "ODILE", 12, "ODILE"),
    Element("parenthetical", "not looking up", 13, "ODILE"),
    Element("dialogue", "Nobody knocks at the end of a book.", 14, "ODILE"),
    Element("action", "Across the room stands the carved door.", 16),
)


def test_a_shot_stands_at_the_cue_of_its_line() -> None:
    assert anchor(PAGE, [a_shot("A", "She listens.", "Nobody knocks at the end of a book.")]) == (1,)


def test_a_silent_shot_stands_at_the_paragraph_whose_words_it_has() -> None:
    shots = [a_shot("A", "The lamp on the desk."), a_shot("B", "The carved door across the room, closed.")]
    assert anchor(PAGE, shots) == (0, 4)


def test_no_shot_stands_before_the_one_that_precedes_it() -> None:
    shots = [a_shot("A", "The carved door across the room."), a_shot("B", "The lamp burns on a desk.")]
    assert anchor(PAGE, shots) == (4, 4)


def test_a_scene_without_a_word_takes_shots_too() -> None:
    assert anchor((), [a_shot("A", "Something.")]) == (0,)


@pytest.fixture
def queries(made_film: SmallFilm) -> Queries:
    return Queries(made_film.root)


def looked(queries: Queries) -> None:
    queries.watch.look().result(timeout=20)


@pytest.mark.blender
def test_the_lights_are_those_of_the_production_line(made_film: SmallFilm, queries: Queries) -> None:
    made_film.edit("shots/SC010.yaml", "lens_mm: 50", "lens_mm: 60")
    with Film(made_film.root) as film:
        told = states_of(film)
    queries.open()
    try:
        looked(queries)
        until(lambda: queries.seen.worked_out == 2, "the lights are not worked out")
        for row in told:
            for stage, light in zip(STAGES, queries.seen.of(row["shot"]), strict=True):
                state = row["stages"][stage]
                assert (light.state, light.version or None) == (state["state"], state["version"]), (row["shot"], stage)
        assert queries.seen.of("SC010_SH020")[STAGES.index("cameras")].state == "due"
    finally:
        queries.close()


@pytest.mark.blender
def test_a_change_of_a_file_is_seen_and_a_broken_one_is_told(made_film: SmallFilm) -> None:
    with TestClient(review_app(Queries(made_film.root)), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        made_film.edit("shots/SC010.yaml", "The Maker stands over the bench.", "The Maker waits.")
        until(lambda: "The Maker waits." in client.get("/shots/SC010_SH010").text, "the change is not seen")
        made_film.edit("shots/SC010.yaml", "length: 8", "length: many")
        until(
            lambda: (
                "in the production&#39;s files" in client.get("/scenes").text
                or "in the production's files" in client.get("/scenes").text
            ),
            "the problem is not told",
        )
        assert client.get("/board").status_code == 200
        made_film.edit("shots/SC010.yaml", "length: many", "length: 8")
        until(lambda: client.get("/shots/SC010_SH010").status_code == 200, "the mended file is not seen")


@pytest.mark.blender
def test_only_the_shots_of_the_changed_scene_are_worked_out_again(made_film: SmallFilm, queries: Queries) -> None:
    scene = (made_film.root / "shots" / "SC010.yaml").read_text(encoding="utf-8")
    script = made_film.root / "script.fountain"
    script.write_text(script.read_text(encoding="utf-8") + "\nINT. CELLAR - NIGHT\n\nDark.\n", encoding="utf-8")
    second = made_film.root / "shots" / "SC020.yaml"
    second.write_text(scene.replace("SC010", "SC020"), encoding="utf-8")
    queries.open()
    try:
        looked(queries)
        until(lambda: queries.seen.worked_out == 4, "the lights are not worked out")
        kept = queries.seen.of("SC010_SH010")
        time.sleep(0.6)
        second.write_text(scene.replace("SC010", "SC020").replace("lens_mm: 50", "lens_mm: 70"), encoding="utf-8")
        before = queries.seen.reading
        until(lambda: looked(queries) or queries.seen.reading is not before, "the change is not seen")
        until(lambda: not queries.watch._pending, "the lights are not worked out")
        assert queries.seen.of("SC010_SH010") is kept
    finally:
        queries.close()


@pytest.mark.blender
def test_the_reader_leaves_the_stores_and_the_authors_files_as_they_are(made_film: SmallFilm) -> None:
    made_film.edit("script.fountain", "The Maker reaches", "The Maker slowly reaches")
    queries = Queries(made_film.root)
    before = queries.frames.rows(), queries.frames.get_value("scene_identities"), _files(made_film.root)
    with TestClient(review_app(queries), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        for page in ("/board", "/dailies", "/shots/SC010_SH010", "/pictures/sheets"):
            assert client.get(page).status_code == 200
        after = queries.frames.rows(), queries.frames.get_value("scene_identities"), _files(made_film.root)
    assert after == before


@pytest.mark.blender
def test_a_page_does_not_wait_for_a_look_that_takes_long(made_film: SmallFilm, queries: Queries) -> None:
    queries.open()
    try:
        looked(queries)
        queries.close()
        began = time.monotonic()
        # Nobody looks any more: the page shows what was known.
        seen = asyncio.run(queries.fresh(0.2))
        assert time.monotonic() - began < 1 and seen.reading is not None
    finally:
        if queries.watch._thread.is_alive():
            queries.close()


def test_a_production_that_can_not_be_read_says_why_and_is_read_once_it_is_mended(new_film: SmallFilm) -> None:
    queries = Queries(new_film.root)
    new_film.edit("script.fountain", "INT.", "nowhere.")
    with TestClient(review_app(queries), base_url="http://127.0.0.1") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        assert "the script has no scenes" in client.get("/scenes").text
        new_film.edit("script.fountain", "nowhere.", "INT.")
        until(lambda: "the script has no scenes" not in client.get("/scenes").text, "the mended script is not seen")


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".film" not in path.relative_to(root).parts
    }
