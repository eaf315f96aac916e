"""Changes of a shot from the 3D viewer: shown as lines of the author's file, and written by the author's click only."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from film_makers import a_film
from playwright.sync_api import Page
from review_server import inside, served, until
from small_film import SmallFilm
from starlette.testclient import TestClient

from film_pipeline.stores.ledger.people import Role
from review_app.app import review_app
from review_app.queries import Queries

SHOT = "SC010_SH010"
EDITS = f"/shots/{SHOT}/edits"
ASIDE = {"kind": "puppet", "character": "pim", "key": None, "at": [0.4, -0.25, 0]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return a_film(tmp_path)


@pytest.fixture
def author(root: Path) -> Iterator[TestClient]:
    """The film's owner."""
    with somebody(root, "owner") as opened:
        yield opened


@contextmanager
def somebody(root: Path, role: Role) -> Iterator[TestClient]:
    """Somebody who is in, and whose page has given them the token of their writes."""
    with inside(review_app(Queries(root)), role=role) as opened:
        until(lambda: opened.get("/scenes").status_code == 200, "the film is not read")
        html = opened.get("/account").text
        opened.headers["x-csrf"] = html.partition('name="csrf" content="')[2].partition('"')[0]
        yield opened


def shot_file(root: Path) -> Path:
    return root / "shots" / "SC010.yaml"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_change_is_shown_as_lines_of_the_file_and_nothing_is_written(author: TestClient, root: Path) -> None:
    before = shot_file(root).read_bytes()
    told = author.post(EDITS, json={"changes": [ASIDE]}).json()
    assert told["file"] == "shots/SC010.yaml" and told["problems"] == []
    assert "+        at: [0.4, -0.25, 0]" in told["diff"]
    assert told["made_from_sha256"] == sha256_of(shot_file(root))
    assert shot_file(root).read_bytes() == before
    assert str(root) not in json.dumps(told)


def test_an_accepted_change_is_written_and_the_shot_is_given_back_as_it_now_is(author: TestClient, root: Path) -> None:
    shown = author.post(EDITS, json={"changes": [ASIDE]}).json()
    answer = author.post(f"{EDITS}/accept", json=shown)
    assert answer.status_code == 200
    assert "        at: [0.4, -0.25, 0]\n" in shot_file(root).read_text(encoding="utf-8")
    told = answer.json()
    assert told["sha256"] == sha256_of(shot_file(root)) != shown["made_from_sha256"]
    assert told["previz"]["shot"] == SHOT
    assert told["previz"]["puppets"][0]["poses"][0]["translations"][:2] == pytest.approx([0.4, -0.25])


def test_a_file_that_was_changed_since_it_was_shown_is_left_alone(author: TestClient, root: Path) -> None:
    shown = author.post(EDITS, json={"changes": [ASIDE]}).json()
    with shot_file(root).open("a", encoding="utf-8") as file:
        file.write("# a thought\n")
    before = shot_file(root).read_bytes()
    answer = author.post(f"{EDITS}/accept", json=shown)
    assert answer.status_code == 409
    assert "shots/SC010.yaml has been changed since this was shown" in answer.json()["problem"]
    assert shot_file(root).read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ([{**ASIDE, "character": "nobody"}], 409, "nobody called 'nobody' is in the shot"),
        ([{**ASIDE, "at": [5000, 0, 0]}], 409, "out of all reach"),
        ([{"kind": "piano"}], 409, "this is no change of a shot"),
        ([], 409, "the file says this already"),
        (None, 409, "this is no change of a shot"),
    ],
)
def test_a_change_that_can_not_be_is_refused_in_words(
    author: TestClient, root: Path, changes: Any, status: int, says: str
) -> None:
    before = shot_file(root).read_bytes()
    asked = {"changes": changes, "made_from_sha256": sha256_of(shot_file(root))}
    answer = author.post(f"{EDITS}/accept", json=asked)
    assert (answer.status_code, says in answer.json()["problem"]) == (status, True), answer.text
    assert shot_file(root).read_bytes() == before


@pytest.mark.parametrize("seen", [None, "", 7, "f" * 63, "F" * 64])
def test_nothing_is_accepted_unseen(author: TestClient, root: Path, seen: Any) -> None:
    before = shot_file(root).read_bytes()
    answer = author.post(f"{EDITS}/accept", json={"changes": [ASIDE], "made_from_sha256": seen})
    assert answer.status_code == 400
    assert shot_file(root).read_bytes() == before


def test_only_json_of_a_reasonable_size_is_read_and_only_as_a_post(author: TestClient) -> None:
    for address in (EDITS, f"{EDITS}/accept"):
        assert author.get(address).status_code == 405
        assert author.post(address, data={"changes": "[]"}).status_code == 415
        assert author.post(address, content=b"[]", headers={"content-type": "text/plain"}).status_code == 415
        for body, status in ((b"{", 400), (b"[" * 5000, 400), (b"[]", 400), (b" " * 70_000, 413)):
            sent = author.post(address, content=body, headers={"content-type": "application/json"})
            assert sent.status_code == status, body[:10]
        foreign = author.post(address, json={}, headers={"origin": "https://elsewhere.example"})
        assert foreign.status_code == 403
    assert author.post("/shots/SC010_SH990/edits", json={"changes": [ASIDE]}).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "reviewer", "approver"])
def test_whoever_is_not_the_owner_may_look_at_a_change_and_not_accept_it(root: Path, role: Role) -> None:
    before = shot_file(root).read_bytes()
    with somebody(root, role) as opened:
        shown = opened.post(EDITS, json={"changes": [ASIDE]})
        assert shown.status_code == 200
        answer = opened.post(f"{EDITS}/accept", json=shown.json())
        assert answer.status_code == 403 and "only the film's owner may change a shot file" in answer.json()["problem"]
    assert shot_file(root).read_bytes() == before


def test_without_the_token_of_the_session_nothing_is_accepted(author: TestClient, root: Path) -> None:
    before = shot_file(root).read_bytes()
    shown = author.post(EDITS, json={"changes": [ASIDE]}).json()
    for token in ("", "x", author.headers["x-csrf"][:-1]):
        assert author.post(f"{EDITS}/accept", json=shown, headers={"x-csrf": token}).status_code == 403
    assert shot_file(root).read_bytes() == before


def test_a_stranger_is_sent_to_the_door(author: TestClient, root: Path) -> None:
    before = shot_file(root).read_bytes()
    shown = author.post(EDITS, json={"changes": [ASIDE]}).json()
    author.cookies.clear()
    assert author.post(f"{EDITS}/accept", json=shown).status_code == 401
    assert shot_file(root).read_bytes() == before


def opened_in_3d(page: Page, address: str) -> None:
    page.goto(f"{address}/shots/{SHOT}/previz")
    page.wait_for_function("() => document.querySelector('[data-previz]').previz")
    page.evaluate("document.querySelector('[data-previz]').previz.ready.then(() => null)")


@pytest.mark.blender
def test_a_dragged_puppet_is_written_to_the_shot_file_by_the_authors_click_alone(
    made_film: SmallFilm, page: Page
) -> None:
    path = made_film.root / "shots" / "SC010.yaml"
    before = path.read_bytes()
    with served(review_app(Queries(made_film.root)), page) as address:
        opened_in_3d(page, address)
        show = page.get_by_role("button", name="Show the change")
        assert show.is_disabled()
        page.evaluate(
            """() => {
              const { previz } = document.querySelector("[data-previz]");
              previz.viewer.proposals.movePuppet("maker", 1001, previz.viewer.lens.target.clone().set(0.4, 0.9, 0));
              previz.crew.proposed(previz.viewer.proposals.changes[0]);
            }"""
        )
        assert "One change is proposed" in page.locator("#edit-bar [role=status]").inner_text()
        show.focus()
        page.keyboard.press("Enter")
        page.locator("#edit[open]").wait_for()
        assert page.locator("#edit ins").all_inner_texts()[0].startswith("+        at: [0.4, 0.9, 0]")
        page.keyboard.press("Escape")
        page.locator("#edit").wait_for(state="hidden")
        assert path.read_bytes() == before
        show.click()
        page.get_by_role("button", name="Write it to the file").click()
        page.locator("#edit-bar [role=status]", has_text="Written to shots/SC010.yaml").wait_for()
        page.wait_for_function("() => !document.querySelector('[data-previz]').previz.viewer.proposals.changes.length")
        assert "at: [0.4, 0.9, 0]" in path.read_text(encoding="utf-8")
        stands = page.evaluate("document.querySelector('[data-previz]').previz.viewer.puppets[0].standsAt.toArray()")
        assert stands[:2] == pytest.approx([0.4, 0.9], abs=0.01)
        assert show.is_disabled()
        # A server that ends would cut its news off, which the page reports.
        page.goto("about:blank")


@pytest.mark.blender
def test_a_change_that_comes_too_late_is_said_where_it_was_asked_for(made_film: SmallFilm, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    with served(review_app(Queries(made_film.root)), page) as address:
        opened_in_3d(page, address)
        page.evaluate(
            """() => {
              const { previz } = document.querySelector("[data-previz]");
              previz.viewer.proposals.turnPuppet("maker", 1001, 33);
              previz.crew.proposed(previz.viewer.proposals.changes[0]);
            }"""
        )
        page.get_by_role("button", name="Show the change").click()
        page.locator("#edit[open]").wait_for()
        made_film.edit("shots/SC010.yaml", "size: full", "size: wide")
        before = (made_film.root / "shots" / "SC010.yaml").read_bytes()
        page.get_by_role("button", name="Write it to the file").click()
        page.locator("#edit li", has_text="has been changed since this was shown").wait_for()
        assert (made_film.root / "shots" / "SC010.yaml").read_bytes() == before
    context.close()


@pytest.mark.blender
def test_a_browser_without_webgl_is_told_so_in_plain_words(reviewed: str, page: Page) -> None:
    page.add_init_script(
        "const had = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind.startsWith('webgl') ? null : had.call(this, kind, ...more); };"
    )
    page.goto(f"{reviewed}/shots/{SHOT}/previz")
    told = page.locator("[data-previz] [role=status]")
    told.filter(has_text="This browser can't draw in 3D: it has no WebGL 2.").wait_for()
    assert page.get_by_role("button", name="Show the change").is_disabled()
