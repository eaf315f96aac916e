"""The viewer in a real browser: what is on screen is the frame that the number says, of the version that was chosen."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page
from small_film import SmallFilm

from film_pipeline.departments.film import Film
from film_pipeline.stores.media import MediaStore

pytestmark = pytest.mark.blender
SHOT = "/shots/SC010_SH010"
_PLAYER = "document.querySelector('[data-player]')?.player"


def player(page: Page, said: str) -> Any:
    return page.evaluate(f"{_PLAYER}.{said}")


def holds(page: Page, said: str) -> None:
    """Wait until something holds in the page. As a function: the page's policy lets nobody evaluate text."""
    page.wait_for_function(f"() => {said}")


def opened(page: Page, address: str) -> None:
    page.goto(address)
    shown(page)


def shown(page: Page) -> None:
    """Wait until the picture of the place that the player stands at is drawn."""
    holds(page, f"{_PLAYER} && {_PLAYER}.drawn === {_PLAYER}.address({_PLAYER}.a, {_PLAYER}.place)")


def frame(page: Page) -> int:
    return int(page.locator("[data-say=frame]").inner_text())


def on_screen(page: Page) -> np.ndarray:
    """What the viewer has drawn, (h, w, 3)."""
    data = page.evaluate(f"{_PLAYER}.canvas.toDataURL('image/png').split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def picture(film: SmallFilm, stage: str, number: int, role: str = "") -> np.ndarray:
    """The picture of a stage at a frame, as the viewer gets it."""
    with Film(film.root, only_reads=True) as opened_film:
        turnover = opened_film.frames.latest(stage, "SC010_SH010")
        assert turnover is not None
        items = turnover.of(role or stage)
        item = next(item for item in reversed(items) if (item.frame or 0) <= number)
        jpeg: Path = MediaStore(opened_film.made).thumbnail(item.sha256, 960)
        return np.asarray(Image.open(jpeg).convert("RGB")).astype(int)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and float(np.abs(one - other).mean()) < 1.5


def test_each_step_shows_the_exposure_that_is_on_screen_at_that_frame(
    reviewed: str, page: Page, _made_once: SmallFilm
) -> None:
    opened(page, reviewed + SHOT)
    for number in range(1001, 1009):
        assert frame(page) == number
        assert alike(on_screen(page), picture(_made_once, "color", number)), number
        page.keyboard.press("ArrowRight")
        shown(page)
    assert frame(page) == 1008


def test_shift_and_arrows_go_from_exposure_to_exposure(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    seen = [frame(page)]
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
        seen.append(frame(page))
    assert seen == [1001, 1003, 1005]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    assert frame(page) == 1005
    page.keyboard.press("Home")
    assert frame(page) == 1001
    page.keyboard.press("End")
    assert frame(page) == 1008


def test_the_address_can_name_a_frame(reviewed: str, page: Page) -> None:
    opened(page, f"{reviewed}{SHOT}?frame=1004")
    assert frame(page) == 1004


def test_a_wipe_shows_finished_at_the_left_and_the_raw_render_at_the_right(
    reviewed: str, page: Page, _made_once: SmallFilm
) -> None:
    opened(page, reviewed + SHOT)
    page.keyboard.press("w")
    holds(page, f"{_PLAYER}.best({_PLAYER}.b)")
    player(page, "draw()")
    seen = on_screen(page)
    finished, raw = picture(_made_once, "color", 1001), picture(_made_once, "render", 1001)
    middle = seen.shape[1] // 2
    assert alike(seen[:, : middle - 3], finished[:, : middle - 3])
    assert alike(seen[:, middle + 3 :], raw[:, middle + 3 :])
    page.keyboard.press("]")
    assert player(page, "wipe") == pytest.approx(0.55)
    page.keyboard.press("q")
    assert alike(on_screen(page)[:, : middle - 3], raw[:, : middle - 3])


def test_blinking_turns_from_one_picture_to_the_other_and_back(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    page.keyboard.press("b")
    label = page.locator("[data-say=a]")
    for wanted in ("Raw render t001", "Finished v001", "Raw render t001"):
        page.wait_for_function(
            "([element, text]) => element.textContent === text", arg=[label.element_handle(), wanted]
        )
    page.keyboard.press("b")
    assert label.inner_text() == "Finished v001"


def test_any_two_versions_can_be_chosen(reviewed: str, page: Page, _made_once: SmallFilm) -> None:
    opened(page, reviewed + SHOT)
    page.get_by_label("Show Storyboard v001").check()
    holds(page, f"{_PLAYER}.best({_PLAYER}.a)")
    shown(page)
    assert player(page, "a") == "storyboard.1"
    page.keyboard.press("s")
    assert player(page, "a") != "storyboard.1"


def test_the_pose_lies_where_the_keypoints_are(reviewed: str, page: Page, _made_once: SmallFilm) -> None:
    opened(page, reviewed + SHOT)
    before = on_screen(page)
    page.keyboard.press("p")
    holds(page, f"{_PLAYER}.pose")
    page.wait_for_timeout(100)
    after = on_screen(page)
    pose = player(page, "pose")
    drawn = np.abs(after - before).sum(axis=2) > 40
    points = [point for puppet in pose["frames"]["1001"].values() for point in puppet if point[2]]
    inside = [(x, y) for x, y, _ in points if 0 <= x < after.shape[1] and 0 <= y < after.shape[0]]
    assert len(inside) > 6
    assert all(drawn[int(y), int(x)] for x, y in inside)
    assert 0.001 < drawn.mean() < 0.2


def test_onion_skin_mixes_the_exposures_before_and_after(reviewed: str, page: Page) -> None:
    opened(page, f"{reviewed}{SHOT}?frame=1003")
    before = on_screen(page)
    page.keyboard.press("g")
    page.wait_for_function(
        f"{_PLAYER}.neighbours().every((place) => {_PLAYER}.pictures.get({_PLAYER}.address({_PLAYER}.a, place)))"
    )
    player(page, "draw()")
    assert not alike(on_screen(page), before)
    page.keyboard.press("g")
    assert alike(on_screen(page), before)


def test_playing_goes_round_between_in_and_out_and_the_film_shows_what_the_number_says(
    reviewed: str, page: Page, _made_once: SmallFilm
) -> None:
    opened(page, reviewed + SHOT)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("i")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("o")
    page.evaluate(
        f"""() => {{ window.seen = new Set(); const player = {_PLAYER};
        const draw = player.drawPicture.bind(player);
        player.drawPicture = (picture) => {{ window.seen.add(player.now.frame); draw(picture); }}; }}"""
    )
    page.keyboard.press(" ")
    holds(page, "window.seen.size >= 6")
    page.keyboard.press("k")
    assert page.evaluate("[...window.seen].sort()") == list(range(1002, 1008))
    assert player(page, "stopped")
    shown(page)
    assert alike(on_screen(page), picture(_made_once, "color", frame(page)))


def test_the_clean_film_of_a_finished_version_is_played(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    assert player(page, "movie()")
    page.keyboard.press("l")
    holds(page, f"{_PLAYER}.deck.playing && {_PLAYER}.place > 1")
    page.keyboard.press("k")
    page.keyboard.press("j")
    assert player(page, "speed") == -1
    page.keyboard.press("j")
    assert player(page, "speed") == -2
    page.keyboard.press(" ")
    assert player(page, "stopped")


def test_the_cut_around_a_shot_plays_its_neighbours_less_their_handles(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    page.keyboard.press("e")
    holds(page, f"{_PLAYER}.reel.clips.length === 2")
    clips = player(page, "reel.clips.map((clip) => [clip.shot, clip.first, clip.last])")
    assert clips == [["SC010_SH010", 1002, 1007], ["SC010_SH020", 1002, 1005]]
    assert frame(page) == 1002
    page.keyboard.press("End")
    shown(page)
    assert page.locator("[data-say=shot]").inner_text() == "SC010_SH020" and frame(page) == 1005


def test_the_timeline_tells_its_frame_and_takes_a_click(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    line = page.get_by_role("slider", name="Frame")
    box = line.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.56, box["y"] + 20)
    assert frame(page) == 1005
    assert line.get_attribute("aria-valuetext") == "SC010_SH010 frame 1005"


def test_arrows_go_to_the_next_shot_and_r_to_the_recipe(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**/shots/SC010_SH020")
    shown(page)
    page.keyboard.press("r")
    page.wait_for_url("**/recipes/*")
    assert "SC010_SH020_color_v001" in page.locator("h1").inner_text()


def test_pictures_far_from_the_playhead_are_let_go(reviewed: str, page: Page) -> None:
    opened(page, reviewed + SHOT)
    kept = page.evaluate(
        """async () => {
          const { Pictures } = await import("/static/decks.js");
          const pictures = new Pictures(2);
          const player = document.querySelector("[data-player]").player;
          for (const place of [0, 2, 4]) await pictures.load(player.address(player.a, place));
          return [pictures.kept.size, pictures.get(player.address(player.a, 0)) === null];
        }"""
    )
    assert kept == [2, True]
