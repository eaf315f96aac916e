"""Shared links: whoever has one sees its pictures until it ends, and nothing else of the film."""

import datetime
import hashlib
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from review_server import inside, served, session_of, until
from small_film import SmallFilm
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from test_accessible import _RUN, AXE, found_by_axe

from film_pipeline.core.passwords import kept_of, new_token
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.shares import SharedClip
from film_pipeline.stores.screening import Screening
from review_app.app import review_app
from review_app.doors import is_public
from review_app.pages import shared
from review_app.queries import Queries, Reading
from review_app.queries.reading import read_film
from review_app.queries.sharing import Chosen, chosen

pytestmark = pytest.mark.blender
ONE, TWO = "SC010_SH010", "SC010_SH020"
DAY = datetime.timedelta(days=1)


@pytest.fixture
def app(made_film: SmallFilm) -> Starlette:
    return review_app(Queries(made_film.root))


@pytest.fixture
def ledger(app: Starlette) -> Ledger:
    ledger: Ledger = app.state.accounts.ledger
    return ledger


@pytest.fixture
def outsider(app: Starlette) -> Iterator[TestClient]:
    """Somebody without an account."""
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        until(lambda: client.get(f"/s/{new_token()}").status_code == 404, "the film is not read")
        yield client


def link(ledger: Ledger, *clips: SharedClip, lasts: datetime.timedelta = DAY, title: str = "For the composer") -> str:
    token = new_token()
    ledger.shares.make(kept_of(token), title, clips or (SharedClip(ONE, "color", 1),), "ada", lasts)
    return token


def pictures(film: SmallFilm, shot: str = ONE, stage: str = "color") -> list[str]:
    with Film(film.root) as opened:
        turnover = opened.frames.latest(stage, shot)
        assert turnover is not None
        return [item.sha256 for item in turnover.of(stage)]


def told_in(page: str) -> Any:
    found = re.search(r'id="told">(.*?)</script>', page)
    assert found, page
    return json.loads(found[1])


# Who may make them


def fill_in(client: TestClient, **fields: str) -> Any:
    csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/scenes").text)
    assert csrf
    return client.post("/shares", data={"csrf": csrf[1], "days": "7", "title": "", **fields}, follow_redirects=False)


def test_an_approver_makes_a_link_that_is_shown_once_and_kept_nowhere(app: Starlette, ledger: Ledger) -> None:
    with inside(app, "bea", "approver") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        page = fill_in(client, show="SC010", title="For the <composer>")
        found = re.search(r"<code>(http://127.0.0.1/s/([\w-]+))</code>", page.text)
        assert page.status_code == 200 and found
        client.cookies.clear()
        seen = client.get(found[1])
        assert seen.status_code == 200 and "For the &lt;composer&gt;" in seen.text
    [made] = ledger.shares.all()
    assert made.clips == (SharedClip(ONE, "color", 1), SharedClip(TWO, "color", 1))
    assert made.made_by == "bea"
    kept = b"".join(path.read_bytes() for path in ledger.books.database.file.parent.glob("ledger.sqlite*"))  # type: ignore[union-attr]
    assert found[2].encode() not in kept
    assert hashlib.sha256(found[2].encode()).hexdigest().encode() in kept


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_nobody_else_makes_sees_or_takes_back_links(app: Starlette, ledger: Ledger, role: Any) -> None:
    link(ledger)
    with inside(app, "vic", role) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        page = client.get("/shares")
        assert page.status_code == 403 and "For the composer" not in page.text
        assert '"/shares' not in client.get("/scenes").text
        assert fill_in(client, show="SC010").status_code == 403
        csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/scenes").text)
        assert csrf and client.post("/shares/1/revoke", data={"csrf": csrf[1]}).status_code == 403
        assert client.post("/shares", data={"show": "SC010", "days": "7"}).status_code == 403
    [share] = ledger.shares.all()
    assert not share.revoked_at


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"show": ""}, "There is nothing to share"),
        ({"show": "SC999"}, "no scene or shot SC999"),
        ({"show": f"{ONE} t007"}, "no pictures called t007"),
        ({"show": f"{ONE} hologram v001"}, "no kind of picture"),
        ({"show": "SC010", "days": "91"}, "whole number from 1 to 90"),
        ({"show": "SC010", "days": "0"}, "whole number from 1 to 90"),
    ],
)
def test_what_is_no_link_is_told_and_what_was_written_stays(app: Starlette, fields: dict[str, str], told: str) -> None:
    with inside(app) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        answer = fill_in(client, title="Mine", **fields)
        assert answer.status_code == 409
        assert told in html.unescape(answer.text) and 'value="Mine"' in answer.text


# What is meant


@pytest.fixture
def read(made_film: SmallFilm) -> Iterator[tuple[Reading, Screening]]:
    with Film(made_film.root) as film:
        yield read_film(film, 1), Screening(film.frames)


def test_a_line_means_a_scene_a_shot_or_one_version_of_it(read: tuple[Reading, Screening]) -> None:
    finished, take = SharedClip(ONE, "color", 1), SharedClip(ONE, "render", 1)
    both = Chosen((finished, SharedClip(TWO, "color", 1)), ())
    assert chosen(*read, "SC010") == both
    assert chosen(*read, f"{ONE}\n{TWO}, {ONE}") == both
    for words in ("t001", "t1", "take 1", "render", "raw render t001"):
        assert chosen(*read, f"{ONE.lower()} {words}") == Chosen((take,), ()), words
    assert chosen(*read, f"{ONE} comp v001").clips == (SharedClip(ONE, "vfx", 1),)
    assert chosen(*read, f"{ONE} v1").clips == (finished,)


def test_shots_without_pictures_are_left_out_and_named(new_film: SmallFilm) -> None:
    with Film(new_film.root) as film:
        assert chosen(read_film(film, 1), Screening(film.frames), "SC010") == Chosen((), (ONE, TWO))


def test_a_line_that_means_nothing_is_refused(read: tuple[Reading, Screening]) -> None:
    for line in ("SC010_SH099", "<script>", f"{ONE} t002", f"{ONE} master", f"{ONE} color v002 please"):
        with pytest.raises(FilmProblem):
            chosen(*read, line)


# What is seen


def test_a_link_shows_its_pictures_and_no_others(outsider: TestClient, ledger: Ledger, made_film: SmallFilm) -> None:
    token = link(ledger)
    told = told_in(outsider.get(f"/s/{token}").text)
    mine = pictures(made_film)
    assert [sha256 for clip in told["reel"] for _, sha256 in clip["strip"]["frames"]] == mine
    first = outsider.get(f"/s/{token}/pictures/{mine[0]}.960.jpg")
    assert (first.status_code, first.headers["content-type"]) == (200, "image/jpeg")
    for sha256 in (*pictures(made_film, TWO), *pictures(made_film, ONE, "render"), "0" * 64):
        assert outsider.get(f"/s/{token}/pictures/{sha256}.960.jpg").status_code == 404
    for name in (f"{mine[0]}.961", mine[0], f"{mine[0]}.99999", f"{mine[0][:-1]}.960", f"..%2f{mine[0]}.960"):
        assert outsider.get(f"/s/{token}/pictures/{name}.jpg").status_code == 404


def test_a_later_version_is_not_seen_under_a_link(outsider: TestClient, ledger: Ledger, made_film: SmallFilm) -> None:
    token = link(ledger, SharedClip(ONE, "render", 1))
    strips = [clip["strip"] for clip in told_in(outsider.get(f"/s/{token}").text)["reel"]]
    assert [(strip["stage"], strip["version"]) for strip in strips] == [("render", 1)]
    gone = link(ledger, SharedClip(ONE, "render", 7), SharedClip("SC010_SH099", "color", 1), SharedClip(ONE, "edit", 1))
    answer = outsider.get(f"/s/{gone}")
    assert answer.status_code == 410 and "no longer there" in answer.text


def test_nothing_of_the_app_is_reached_by_a_link(app: Starlette, outsider: TestClient, ledger: Ledger) -> None:
    token = link(ledger)
    opened = outsider.get(f"/s/{token}")
    assert opened.status_code == 200 and not opened.cookies and not outsider.cookies
    places = {
        "shot": ONE,
        "token": token,
        "name": "0" * 64,
        "number": "1",
        "column": "done",
        "kind": "csv",
        "start": "0",
    }
    tried = 0
    for route in app.routes:
        if isinstance(route, Mount):
            continue
        assert isinstance(route, Route)
        names = re.findall(r"{(\w+)", route.path)
        path = re.sub(r"{(\w+)(:\w+)?}", lambda named: places.get(named[1], "1"), route.path)
        if is_public(path) or (not names and path == "/"):
            continue
        tried += 1
        referred = {"referer": f"http://127.0.0.1/s/{token}", "authorization": f"Bearer {token}"}
        assert outsider.get(path, headers=referred).status_code == 401, path
        assert outsider.post(path, data={"csrf": token}, headers=referred).status_code == 401, path
        session = {app.state.accounts.cookie: token}
        assert outsider.get(path, headers={"cookie": f"{next(iter(session))}={token}"}).status_code == 401, path
    assert tried > 25
    for way in (
        f"/s/{token}/../../scenes",
        f"/s/{token}/..%2f..%2fscenes",
        "/s/../scenes",
        f"/s/{token}/scenes",
        "/s/",
    ):
        assert outsider.get(way).status_code in (401, 404), way
    assert outsider.post(f"/s/{token}", data={"csrf": token}).status_code in (403, 405)


def test_the_page_of_a_link_names_nothing_that_it_does_not_show(outsider: TestClient, ledger: Ledger) -> None:
    page = outsider.get(f"/s/{link(ledger)}").text
    assert ONE in page and TWO not in page
    for other in ("/scenes", "/shots/", "/recipes/", "/media/", "/login", "Dagster", "Small Film", "data-events"):
        assert other not in page, other


def test_no_other_site_and_no_list_hears_of_a_links_address(outsider: TestClient, ledger: Ledger) -> None:
    headers = outsider.get(f"/s/{link(ledger)}").headers
    assert headers["referrer-policy"] == "no-referrer" and "noindex" in headers["x-robots-tag"]
    assert headers["cache-control"] == "no-store" and "script-src 'self'" in headers["content-security-policy"]


# How it ends


def test_a_link_that_was_taken_back_or_expired_says_so(
    app: Starlette, outsider: TestClient, ledger: Ledger, made_film: SmallFilm
) -> None:
    short, long, picture = link(ledger, lasts=DAY), link(ledger, lasts=30 * DAY), pictures(made_film)[0]
    assert outsider.get(f"/s/{long}/pictures/{picture}.960.jpg").status_code == 200
    ledger.books.clock = lambda: datetime.datetime.now(datetime.UTC) + 2 * DAY
    answer = outsider.get(f"/s/{short}")
    assert answer.status_code == 410 and "This link expired on" in answer.text and ONE not in answer.text
    assert outsider.get(f"/s/{short}/pictures/{picture}.960.jpg").status_code == 410
    assert outsider.get(f"/s/{long}").status_code == 200
    ledger.shares.revoke(2, "bea")
    answer = outsider.get(f"/s/{long}")
    assert answer.status_code == 410 and "taken back" in answer.text and "bea" not in answer.text
    assert outsider.get(f"/s/{long}/pictures/{picture}.960.jpg").status_code == 410


def test_a_link_that_never_was_says_so(outsider: TestClient) -> None:
    for token in (new_token(), "x", "a" * 500, "%00", "%2e%2e"):
        answer = outsider.get(f"/s/{token}")
        assert answer.status_code == 404, token
    assert "There is no such link" in outsider.get(f"/s/{new_token()}").text


def test_whoever_guesses_links_has_to_wait(outsider: TestClient, ledger: Ledger, made_film: SmallFilm) -> None:
    token, picture = link(ledger), pictures(made_film)[0]
    codes = [outsider.get(f"/s/{new_token()}/pictures/{picture}.960.jpg").status_code for _ in range(40)]
    assert codes[0] == 404 and codes[-1] == 429 and codes.index(429) <= shared._WRONG
    late = outsider.get(f"/s/{token}")
    assert late.status_code == 429 and int(late.headers["retry-after"]) > 60


def test_whoever_asks_for_very_much_has_to_wait(outsider: TestClient, ledger: Ledger) -> None:
    token = link(ledger)
    codes = [outsider.get(f"/s/{token}").status_code for _ in range(shared._PAGES + 5)]
    assert set(codes) == {200, 429} and codes[-1] == 429


# By hand


def test_somebody_without_an_account_plays_what_was_shared(made_film: SmallFilm, browser: Browser, page: Page) -> None:
    app = review_app(Queries(made_film.root))
    ledger: Ledger = app.state.accounts.ledger
    token = link(ledger, SharedClip(ONE, "color", 1), SharedClip(TWO, "render", 1))
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    with served(app) as address:
        seen = context.new_page()
        asked: list[str] = []
        seen.on("request", lambda request: asked.append(request.url.removeprefix(address)))
        seen.goto(f"{address}/s/{token}")
        seen.wait_for_function("() => document.querySelector('[data-player]')?.player?.drawn")
        assert seen.locator("[data-say=frame]").inner_text() == "1001"
        seen.keyboard.press("End")
        assert seen.locator("[data-say=shot]").inner_text() == TWO
        for key in ("2", "7", "r", "3", "/"):
            seen.keyboard.press(key)
        seen.keyboard.press("Space")
        seen.wait_for_timeout(400)
        assert seen.url == f"{address}/s/{token}"
        assert all(path.startswith(("/static/", f"/s/{token}")) for path in asked), asked
        for theme in ("dark", "light"):
            seen.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            seen.evaluate(AXE.read_text(encoding="utf-8") + ";0")
            assert seen.evaluate(_RUN) == []
        assert found_by_axe(page, f"{address}/s/{token}", "light") == []
    context.close()


def test_an_approver_takes_a_link_back_by_hand(made_film: SmallFilm, page: Page, browser: Browser) -> None:
    app = review_app(Queries(made_film.root))
    with served(app) as address:
        cookie, token = session_of(app, "bea", "approver")
        page.context.add_cookies([{"name": cookie, "value": token, "url": address}])
        page.goto(f"{address}/scenes")
        page.locator(".heading a", has_text="share").first.click()
        page.wait_for_url("**/shares?show=SC010")
        page.get_by_label("Title").fill("For the composer")
        page.get_by_role("button", name="Make the link").click()
        made = page.locator(".made code").inner_text()
        row = page.locator("tbody tr", has_text="For the composer")
        row.get_by_role("button").click()
        page.wait_for_url("**/shares")
        assert "taken back by bea" in row.inner_text()
        outside = browser.new_context()
        gone = outside.new_page()
        gone.goto(made)
        assert "This link was taken back." in gone.locator("main").inner_text()
        outside.close()
        page.goto("about:blank")
