"""Nobody comes in without a password of their own, and nothing is written without the token of a session."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from review_server import inside, session_of
from small_film import SmallFilm
from starlette.applications import Starlette
from starlette.testclient import TestClient

from film_pipeline.core.passwords import hash_of
from film_pipeline.departments.film import Film
from film_pipeline.stores.ledger.people import Person
from review_app.accounts import Accounts
from review_app.app import review_app
from review_app.doors import safe_next
from review_app.limits import Limit, address_key
from review_app.queries import Queries

PASSWORD = "four words in a row"
PAGES = (
    "/",
    "/scenes",
    "/scenes/blocks/0",
    "/board",
    "/dailies",
    "/find",
    "/people",
    "/account",
    "/spend",
    "/spend/entries.csv",
    "/workers",
    "/shares",
    "/exports/notes.csv",
    "/events",
    "/shots/SC010_SH010",
    "/shots/SC010_SH010/strips/color/1",
    "/shots/SC010_SH010/poster.jpg",
    "/media/" + "0" * 64,
    "/pictures/" + "0" * 64 + ".480.jpg",
    "/thumbnails/" + "0" * 64 + ".jpg",
    "/recipes/" + "0" * 64,
    "/nowhere",
)


@pytest.fixture
def app(new_film: SmallFilm) -> Starlette:
    return review_app(Queries(new_film.root))


@pytest.fixture
def stranger(app: Starlette) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


def accounts_of(app: Starlette) -> Accounts:
    accounts: Accounts = app.state.accounts
    return accounts


def csrf_in(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html
    return found[1]


def post(client: TestClient, address: str, form: str = "", **fields: str) -> Any:
    """Fill in the form of a page and send it."""
    return client.post(address, data={"csrf": csrf_in(client.get(form or address).text), **fields})


def has_password(app: Starlette, name: str = "ada", role: Any = "owner") -> None:
    accounts_of(app).ledger.people.put(Person(name, role, password_hash=hash_of(PASSWORD)))


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_led_to_the_door_from_every_page(stranger: TestClient, page: str) -> None:
    shown = stranger.get(page, headers={"accept": "text/html"})
    assert shown.status_code == 303 and shown.headers["location"].startswith("/login")
    assert stranger.get(page).status_code == 401
    assert stranger.post(page, data={"a": "b"}).status_code in (401, 403)


def test_a_part_of_a_page_that_a_stranger_asks_for_sends_the_whole_page_to_the_door(stranger: TestClient) -> None:
    headers = {"hx-request": "true", "hx-current-url": "http://127.0.0.1/shots/SC010_SH010?frame=1003"}
    refused = stranger.get("/scenes", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["hx-redirect"] == "/login?next=%2Fshots%2FSC010_SH010%3Fframe%3D1003"


def test_the_door_tells_a_stranger_nothing_of_the_film(stranger: TestClient) -> None:
    html = stranger.get("/login").text
    assert "The Maker" not in html and "SC010" not in html and "Scenes" not in html


def test_the_first_link_makes_an_owner_once(app: Starlette, stranger: TestClient) -> None:
    link = f"/welcome/{accounts_of(app).first_link()}"
    short = post(stranger, link, name="ada", password="short", again="short")
    assert short.status_code == 409 and "at least 10" in short.text
    other = post(stranger, link, name="ada", password=PASSWORD, again=PASSWORD + "s")
    assert other.status_code == 409 and "differ" in other.text
    made = post(stranger, link, name="ada", password=PASSWORD, again=PASSWORD)
    assert made.status_code == 303
    assert "ada" in stranger.get("/account").text
    assert stranger.get(link).status_code == 404
    assert accounts_of(app).first_link() == ""


def test_a_newer_first_link_takes_the_place_of_an_older_one(app: Starlette, stranger: TestClient) -> None:
    older, newer = accounts_of(app).first_link(), accounts_of(app).first_link()
    assert stranger.get(f"/welcome/{older}").status_code == 404
    assert stranger.get(f"/welcome/{newer}").status_code == 200


def test_a_password_lets_in_and_leads_back_to_where_somebody_wanted_to_go(app: Starlette, stranger: TestClient) -> None:
    has_password(app)
    wrong = post(stranger, "/login", name="ada", password="not the password")
    assert wrong.status_code == 401 and "nobody" in wrong.text
    nobody = post(stranger, "/login", name="nobody", password=PASSWORD)
    assert nobody.status_code == 401
    came = post(stranger, "/login", "/login?next=/board", name="Ada", password=PASSWORD, next="/board")
    assert came.status_code == 303 and came.headers["location"] == "/board"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(app: Starlette) -> None:
    has_password(app)
    for base in ("http://127.0.0.1", "https://127.0.0.1"):
        client = TestClient(app, base_url=base, follow_redirects=False)
        given = post(client, "/login", name="ada", password=PASSWORD).headers.get_list("set-cookie")
        session = next(one for one in given if "_visit" not in one)
        assert "HttpOnly" in session and "SameSite=lax" in session and "Path=/" in session
        assert ("Secure" in session and session.startswith("__Host-")) == base.startswith("https"), session


def test_a_session_that_was_there_before_the_login_ends_with_it(app: Starlette, stranger: TestClient) -> None:
    has_password(app)
    cookie, token = session_of(app)
    has_password(app)
    assert accounts_of(app).who(token)
    stranger.cookies.set(cookie, token)
    link = accounts_of(app).ledger
    assert link.sessions.of("ada")
    html = stranger.get("/account").text
    stranger.post("/login", data={"csrf": csrf_in(html), "name": "ada", "password": PASSWORD})
    assert accounts_of(app).who(token) is None
    assert len(link.sessions.of("ada")) == 1


def test_a_password_is_changed_by_whoever_knows_it_and_ends_all_other_sessions(
    app: Starlette, stranger: TestClient
) -> None:
    has_password(app)
    post(stranger, "/login", name="ada", password=PASSWORD)
    accounts, new = accounts_of(app), "five other words this time"
    _, elsewhere = session_of(app)
    has_password(app)

    def change(**fields: str) -> Any:
        asked = {"password": PASSWORD, "new": new, "again": new, **fields}
        return post(stranger, "/account/password", "/account", **asked)

    assert "not your password" in change(password="a guess").text
    assert "differ" in change(again="five other words").text
    assert "at least 10" in change(new="short", again="short").text
    assert accounts.who(elsewhere)
    changed = change()
    assert changed.status_code == 303, changed.text
    assert "logged out everywhere else" in stranger.get(changed.headers["location"]).text
    assert accounts.who(elsewhere) is None
    assert len(accounts.ledger.sessions.of("ada")) == 1
    post(stranger, "/logout", "/account")
    assert post(stranger, "/login", name="ada", password=PASSWORD).status_code == 401
    assert post(stranger, "/login", name="ada", password=new).status_code == 303


def test_a_password_can_not_be_guessed_from_within(app: Starlette, stranger: TestClient) -> None:
    has_password(app)
    post(stranger, "/login", name="ada", password=PASSWORD)
    accounts_of(app)._by_account = Limit(2, 900)
    guessed = {"password": "a guess", "new": PASSWORD, "again": PASSWORD}
    tried = [post(stranger, "/account/password", "/account", **guessed).status_code for _ in range(3)]
    assert tried == [409, 409, 429]


def test_logging_out_ends_the_session_at_the_server(app: Starlette, stranger: TestClient) -> None:
    cookie, token = session_of(app)
    stranger.cookies.set(cookie, token)
    assert post(stranger, "/logout", "/account").status_code == 303
    stranger.cookies.set(cookie, token)
    assert stranger.get("/scenes").status_code == 401


def test_nothing_is_written_without_the_token_of_the_session(app: Starlette) -> None:
    with inside(app) as client:
        token = csrf_in(client.get("/account").text)
        for given in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": token[:-1]}):
            assert client.post("/account/lock", data=given).status_code == 403
            assert client.post("/account/lock", headers={"x-csrf": given.get("csrf", "")}).status_code == 403
        assert client.post("/account/lock", data={"csrf": token}, follow_redirects=False).status_code == 303
        assert client.post("/account/lock", headers={"x-csrf": token}, follow_redirects=False).status_code == 303
        client.cookies.set(*session_of(app, "bob"))
        assert client.post("/account/lock", headers={"x-csrf": token}).status_code == 403


def test_passwords_can_not_be_tried_without_end(app: Starlette, stranger: TestClient) -> None:
    has_password(app)
    accounts_of(app)._by_account = Limit(3, 900)
    tried = [post(stranger, "/login", name="ADA"[: 3 - n] + "ada"[3 - n :], password="x").status_code for n in range(4)]
    assert tried == [401, 401, 401, 429]
    right = post(stranger, "/login", name="ada", password=PASSWORD)
    assert right.status_code == 429 and "wait 15 minutes" in right.text
    accounts_of(app)._by_address = Limit(2, 900)
    tried = [post(stranger, "/login", name=f"name{n}", password="x").status_code for n in range(3)]
    assert tried == [401, 401, 429]


def test_limits_forget_and_stay_small() -> None:
    now = [0.0]
    limit = Limit(2, 10, keep=100, clock=lambda: now[0])
    assert [limit.try_now("a") for _ in range(3)] == [0, 0, 10]
    now[0] = 10.5
    assert limit.try_now("a") == 0
    for number in range(1000):
        limit.try_now(f"key {number}")
    assert len(limit) == 100
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff") != address_key("2001:db8:0:1::1")
    assert address_key("::ffff:10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/logout",
        "",
        "/\t/evil.example",
    ],
)
def test_coming_in_leads_nowhere_else(address: str) -> None:
    assert safe_next(address) == "/scenes"


def test_only_an_owner_says_who_is_who(app: Starlette) -> None:
    with inside(app, "rita", "approver") as client:
        token = csrf_in(client.get("/account").text)
        assert client.get("/people").status_code == 403
        for page in ("/people", "/people/link", "/people/role", "/people/remove"):
            refused = client.post(page, data={"csrf": token, "name": "rita", "role": "owner"})
            assert refused.status_code == 403, page
    person = accounts_of(app).ledger.people.named("rita")
    assert person is not None and person.role == "approver"


def test_an_owner_invites_gives_roles_and_removes_at_once(app: Starlette) -> None:
    guest = TestClient(app, base_url="http://127.0.0.1")
    with inside(app) as owner:
        html = post(owner, "/people", name="Grace", role="reviewer").text
        link = re.search(r'value="(http://127.0.0.1/welcome/[^"]+)"', html)
        assert link
        came = post(guest, link[1].removeprefix("http://127.0.0.1"), name="x", password=PASSWORD, again=PASSWORD)
        assert came.status_code == 200 and "Grace" in guest.get("/account").text
        post(owner, "/people/role", "/people", name="Grace", role="viewer")
        assert "viewer" in guest.get("/account").text
        post(owner, "/people/remove", "/people", name="Grace")
        assert guest.get("/scenes").status_code == 401
        last = post(owner, "/people/remove", "/people", name="ada")
        assert last.status_code == 409 and "last owner" in last.text


def test_a_name_of_markup_stays_text(app: Starlette) -> None:
    name = "<script>alert(1)</script>"
    with inside(app) as owner:
        html = post(owner, "/people", name=name, role="viewer").text
        assert "&lt;script&gt;alert" in html and "<script>alert" not in html
        assert post(owner, "/people", name="a\x00b", role="viewer").status_code == 409
        assert post(owner, "/people", name="x" * 65, role="viewer").status_code == 409
        assert post(owner, "/people", name="eve", role="emperor").status_code == 409


def test_the_first_start_prints_the_link_and_a_later_one_does_not(new_film: SmallFilm) -> None:
    said = _start(new_film)
    found = re.search(r"http://127\.0\.0\.1:\d+/welcome/([\w-]{43})\n", said)
    assert found, said
    assert "WARNING" not in said
    with Film(new_film.root, only_reads=True) as film:
        film.ledger.people.put(Person("ada", "owner", password_hash="somebody can get in"))
    assert "welcome" not in _start(new_film)
    assert "WARNING: the review app listens on 0.0.0.0" in _start(new_film, "--host", "0.0.0.0")


def _start(film: SmallFilm, *words: str) -> str:
    """What the app says as it starts, at the terminal."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = Path(film.root) / "said.txt"
    with said.open("w", encoding="utf-8") as file:
        command = [sys.executable, "-m", "review_app", "--port", str(port), "--production", str(film.root), *words]
        running = subprocess.Popen(command, stderr=file, stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert running.poll() is None, said.read_text(encoding="utf-8")
            time.sleep(0.1)
        running.terminate()
        running.wait(30)
    return said.read_text(encoding="utf-8")
