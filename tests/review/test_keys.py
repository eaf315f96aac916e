"""One table of keys: the handler, the help and the docs say the same."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from review_app.keys import KEYS, WHERE, Key, keys_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "review-app.md"
PLACES = {"list": "/scenes", "player": "/shots/SC010_SH010"}


def test_no_key_does_two_things_in_one_place() -> None:
    for where in ("list", "player"):
        names = [key.key for key in keys_of(where)]
        assert len(names) == len(set(names)), where
    assert {key.where for key in KEYS} == set(WHERE)


def test_the_keys_of_decisions_are_left_for_the_gate_and_notes() -> None:
    assert {key.key for key in KEYS}.isdisjoint({"a", "x", "c", "d", "n", ",", "."})


def test_the_docs_list_every_key_and_no_other() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(key.label, WHERE[key.where], key.says) for key in KEYS]


@pytest.mark.blender
@pytest.mark.parametrize("where", ["list", "player"])
def test_every_key_of_a_page_is_handled_and_stands_in_its_help(where: str, reviewed: str, page: Page) -> None:
    page.goto(reviewed + PLACES[where])
    page.wait_for_function("document.querySelector('#help')")
    handled = page.evaluate("import('/static/app.js').then((app) => app.handled())")
    wanted = keys_of(where)
    assert {key.action for key in wanted} <= set(handled)
    page.keyboard.press("?")
    help_ = page.locator("#help")
    assert help_.is_visible()
    told = help_.locator("dl > div").all()
    assert [(row.locator("kbd").inner_text(), row.locator("dd").inner_text()) for row in told] == [
        (key.label, key.says) for key in _in_order_of_place(wanted)
    ]
    page.keyboard.press("Escape")
    assert not help_.is_visible()


@pytest.mark.blender
def test_keys_leave_a_field_alone_that_somebody_types_into(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/scenes")
    page.keyboard.press("/")
    page.keyboard.type("t2?")
    assert page.locator("#q").input_value() == "t2?"
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.url.endswith("/scenes")


@pytest.mark.blender
def test_arrows_walk_through_the_shots_and_enter_opens_one(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/scenes")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/shots/SC010_SH020")


@pytest.mark.blender
def test_the_theme_is_kept(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/scenes")
    page.keyboard.press("t")
    page.keyboard.press("2")
    page.wait_for_url("**/board")
    assert page.locator("html").get_attribute("data-theme") == "light"


def _in_order_of_place(keys: list[Key]) -> list[Key]:
    return [key for where in WHERE for key in keys if key.where == where]
