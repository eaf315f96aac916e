"""Dailies: pictures appear as they land, by scene, day and backend."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from review_server import let_owner_in, served, until
from small_film import SmallFilm
from starlette.testclient import TestClient

from film_pipeline.departments.film import Film
from film_pipeline.stores.filing import file_frame
from review_app.app import review_app
from review_app.pages.dailies import rushes
from review_app.queries import Landed, Queries

pytestmark = pytest.mark.blender


def landed(frame: int, stage: str = "render", shot: str = "SC010_SH010") -> Landed:
    return Landed(
        f"p{frame}", "0" * 64, stage, shot, 1, frame, stage, "cycles", f"2026-11-25T08:00:{frame % 60:02d}", 1
    )


def land(film: SmallFilm, version: int, engine: str = "klein", made_at: str = "2031-01-02T03:04:05+00:00") -> None:
    """Another version's first frame comes home while somebody looks."""
    with Film(film.root) as opened:
        turnover = opened.frames.latest("color", "SC010_SH010")
        assert turnover is not None
        record = opened.frames.record_at(turnover.of("color")[0].path)
        assert record is not None
        copy = Path(film.root) / "copy.png"
        shutil.copyfile(opened.made / turnover.of("color")[0].path, copy)
        update = {"version": version, "made_at": made_at, "engine_summary": (engine,)}
        place = f"shots/SC010_SH010/color/v{version:03d}/SC010_SH010_color_v{version:03d}.1001.png"
        file_frame(opened.media, opened.frames, copy, record.model_copy(update=update), place)
        opened.frames.close()
        copy.unlink()


def test_what_came_last_stands_first_and_its_frames_in_order() -> None:
    found = rushes([landed(1003, "color"), landed(1001, "color"), landed(1002), landed(1001, "screenplay")])
    assert [(rush.stage, [frame.frame for frame in rush.frames]) for rush in found] == [
        ("color", [1001, 1003]),
        ("render", [1002]),
    ]


def test_within_a_second_a_later_stage_came_later() -> None:
    found = rushes([landed(1001, "vfx"), landed(1001, "render"), landed(1001, "color")])
    assert [rush.stage for rush in found] == ["color", "vfx", "render"]


def test_a_card_shows_the_first_and_the_last_picture_of_many() -> None:
    [rush] = rushes([landed(frame) for frame in range(1001, 1100)])
    assert len(rush.shown) == 8 and (rush.shown[0].frame, rush.shown[-1].frame) == (1001, 1099)


def test_filters_leave_what_they_name(client: TestClient, made_film: SmallFilm) -> None:
    land(made_film, 7)
    assert "Finished v007" in client.get("/dailies?engine=klein").text
    assert "Raw render" not in client.get("/dailies?engine=klein").text
    assert "Finished v007" in client.get("/dailies?day=2031-01-02&scene=SC010").text
    assert "Nothing landed" in client.get("/dailies?scene=SC990").text
    assert "Nothing landed" in client.get("/dailies?day=1999-01-01").text
    assert "2031-01-02" in client.get("/dailies").text
    assert client.get("/dailies?day='; DROP TABLE frames&engine=%00").status_code == 200


def test_a_frame_appears_on_the_open_page_when_it_lands(made_film: SmallFilm, page: Page) -> None:
    with served(review_app(Queries(made_film.root)), page) as address:
        page.goto(f"{address}/dailies")
        page.wait_for_timeout(1500)
        assert page.get_by_text("Finished v008").count() == 0
        land(made_film, 8)
        page.get_by_text("Finished v008").wait_for(timeout=15000)
        page.goto("about:blank")


def test_all_of_it_plays_in_a_row_oldest_first(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/dailies/play")
    page.wait_for_function("() => document.querySelector('[data-player]')?.player?.drawn")
    clips = page.evaluate("document.querySelector('[data-player]')?.player.reel.clips.map((clip) => clip.strip.stage)")
    assert len(clips) == 8 and clips[0] == "storyboard" and clips[-1] == "color"
    page.keyboard.press("End")
    expect(page.locator("[data-say=a]")).to_have_text(re.compile("^Finished"))


def test_two_people_who_listen_do_not_keep_the_server_from_ending(made_film: SmallFilm, browser: Browser) -> None:
    with served(review_app(Queries(made_film.root))) as address:
        pages = [browser.new_page() for _ in range(2)]
        for page in pages:
            let_owner_in(page.context)
        for page in pages:
            page.goto(f"{address}/dailies")
        until(lambda: all(page.locator("h1").count() for page in pages), "the pages are not there")
    for page in pages:
        page.close()


def test_the_stages_of_an_open_shot_follow_a_change_of_its_file(made_film: SmallFilm, page: Page) -> None:
    with served(review_app(Queries(made_film.root)), page) as address:
        page.goto(f"{address}/shots/SC010_SH010")
        page.wait_for_timeout(1500)
        assert page.locator("#stages .due").count() == 0
        made_film.edit("shots/SC010.yaml", "lens_mm: 32", "lens_mm: 40")
        page.locator("#stages .due").first.wait_for(timeout=15000)
        page.goto("about:blank")
