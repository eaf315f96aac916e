"""What people decide: only who may, only what was shown, and nothing that harms whoever reads it."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from review_server import inside, session_of, until
from simulated_stage import PLAY
from small_film import SmallFilm
from starlette.applications import Starlette
from starlette.testclient import TestClient

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.signing import key_file, keys_folder
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.people import Person
from review_app.accounts import Accounts, Who
from review_app.app import review_app
from review_app.drawing import LARGEST_DRAWING, read_drawing, told_drawing
from review_app.keyring import KeyRing, Unlocked
from review_app.limits import Limit
from review_app.pages.events import Heard
from review_app.pages.scenes import waits
from review_app.queries import Light, Queries, Seen
from review_app.queries.book import Book
from review_app.queries.notes import marks, threads
from review_app.verdicts import amount

SHOT = "SC010_SH010"
HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
ANSWERED = {"accept": "application/json"}
LINE = {"strokes": [{"tool": "pen", "points": [[0.1, 0.2], [0.3, 0.4]]}]}


@pytest.fixture
def app(new_film: SmallFilm) -> Starlette:
    return review_app(Queries(new_film.root))


@pytest.fixture
def reviewer(app: Starlette) -> Iterator[TestClient]:
    with inside(app, "rita", "reviewer") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        yield client


def accounts_of(app: Starlette) -> Accounts:
    accounts: Accounts = app.state.accounts
    return accounts


def send(client: TestClient, address: str, **fields: Any) -> Any:
    html = client.get("/account").text
    token = html.partition('name="csrf" content="')[2].partition('"')[0]
    return client.post(address, data=fields, headers={**ANSWERED, "x-csrf": token})


# Who may


@pytest.mark.parametrize(("role", "may"), [("viewer", 0), ("reviewer", 1), ("approver", 2), ("owner", 2)])
def test_each_role_decides_what_it_may_and_no_more(app: Starlette, role: Any, may: int) -> None:
    asked = [
        (1, f"/shots/{SHOT}/notes", {"text": "hello"}),
        (1, f"/shots/{SHOT}/takes", {"word": "circle", "take": "1"}),
        (1, f"/shots/{SHOT}/takes", {"word": "reject", "take": "1", "note": "no"}),
        (1, f"/shots/{SHOT}/takes", {"word": "retake", "take": "1", "note": "again"}),
        (2, f"/shots/{SHOT}/gate/sign", {"takes": "1", "cap": "1", "days": "1", "passphrase": "x"}),
        (2, f"/shots/{SHOT}/gate/revoke", {"approval": "x", "why": ""}),
        (2, "/account/unlock", {"passphrase": "x"}),
    ]
    with inside(app, "somebody", role) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        for needs, address, fields in asked:
            status = send(client, address, **fields).status_code
            assert (status == 403) == (needs > may), (address, status)


def test_a_viewer_is_shown_no_form_that_they_may_not_send(app: Starlette) -> None:
    with inside(app, "vera", "viewer") as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        html = client.get(f"/shots/{SHOT}").text
        assert 'id="note-form"' not in html and "data-word" not in html


def test_a_refusal_names_what_is_wrong_and_what_to_do(reviewer: TestClient) -> None:
    refused = send(reviewer, f"/shots/{SHOT}/takes", word="reject", take="1", note="  ")
    assert refused.status_code == 409
    assert refused.json() == {"problem": "a rejection needs a word", "mend": "say what is wrong with the take"}
    for fields in ({"word": "praise", "take": "1"}, {"word": "circle", "take": "-1"}, {"word": "circle", "take": "９"}):
        assert send(reviewer, f"/shots/{SHOT}/takes", **fields).status_code == 409
    assert send(reviewer, "/shots/SC999_SH010/notes", text="x").status_code == 404


# Notes and drawings


def test_a_note_is_written_once_however_often_it_is_sent(app: Starlette, reviewer: TestClient) -> None:
    for _ in range(3):
        sent = send(reviewer, f"/shots/{SHOT}/notes", text="once", frame="1003", sent_as="the browser's name")
        assert sent.status_code == 200
    assert [note.text for note in accounts_of(app).ledger.notes.of(SHOT)] == ["once"]


def test_a_note_lies_on_a_frame_of_the_shot_and_answers_a_note_of_it(reviewer: TestClient) -> None:
    for fields in (
        {"text": "x", "frame": "1000"},
        {"text": "x", "frame": "1009"},
        {"text": "x", "reply_to": "99"},
        {"text": "   "},
        {"text": "x" * 10_001},
        {"drawing": json.dumps(LINE)},
    ):
        assert send(reviewer, f"/shots/{SHOT}/notes", **fields).status_code == 409, fields
    assert send(reviewer, f"/shots/{SHOT}/notes", frame="1008", drawing=json.dumps(LINE)).status_code == 200


def test_markup_in_a_note_stays_text(reviewer: TestClient) -> None:
    send(reviewer, f"/shots/{SHOT}/notes", text=HOSTILE, frame="1001", drawing=json.dumps(LINE))
    for page in (f"/shots/{SHOT}", f"/shots/{SHOT}/live"):
        html = reviewer.get(page).text
        assert "&lt;script&gt;alert(2)" in html and "<script>alert" not in html and "<img src=x" not in html


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"strokes": []}',
        '{"strokes": [{"tool": "pen", "points": []}]}',
        '{"strokes": [{"tool": "gun", "points": [[0, 0]]}]}',
        '{"strokes": [{"tool": "pen", "points": [[NaN, 0]]}]}',
        '{"strokes": [{"tool": "pen", "points": [[1e9, 0]]}]}',
        '{"strokes": [{"tool": "pen", "points": [[0, 0]], "colour": "red;}"}]}',
        '{"strokes": [{"tool": "pen", "points": [[0, 0]], "onload": "alert(1)"}]}',
        json.dumps({"strokes": [{"tool": "pen", "points": [[0, 0]] * 4001}]}),
        "x" * (LARGEST_DRAWING + 1),
    ],
)
def test_only_a_drawing_is_taken_for_one(text: str) -> None:
    with pytest.raises(FilmProblem):
        read_drawing(text)


def test_a_drawing_of_other_software_is_shown_only_if_it_is_one() -> None:
    assert told_drawing({"svg": "<script>"}) is None
    assert told_drawing(None) is None
    drawn = told_drawing(LINE)
    assert drawn is not None and drawn["strokes"][0]["colour"] == "amber"


def test_answers_stand_with_what_they_answer_and_marks_only_where_there_is_a_frame() -> None:
    notes = [
        Note(SHOT, "ada", "first", "review", frame=1003, number=1),
        Note(SHOT, "bob", "second", "review", number=2),
        Note(SHOT, "bob", "to the first", "review", reply_to=1, number=3),
        Note(SHOT, "ada", "to the answer", "discord", reply_to=3, number=4),
    ]
    found = threads(notes)
    assert [[note.number for note in thread.notes] for thread in found] == [[2], [1, 3, 4]]
    assert marks(found) == [{"number": 1, "frame": 1003, "drawing": None}]


# Money and keys


def test_an_amount_that_may_be_read_in_two_ways_is_refused() -> None:
    assert amount("1,50", "the cap") == amount(" 1.50 ", "the cap")
    for text in ("1,000", "1.000,50", "", "-1", "1e3000", "NaN", "0x10", "one"):
        with pytest.raises(FilmProblem):
            amount(text, "the cap")


def test_a_key_is_let_go_when_nobody_uses_it_and_when_its_session_ends() -> None:
    now = [0.0]
    ring = KeyRing(idle_s=100, clock=lambda: now[0])
    unlocked = Unlocked("director", Ed25519PrivateKey.generate(), "ab:cd")
    ring.put("a", "director", unlocked)
    ring.put("b", "director", unlocked)
    now[0] = 90
    ring.touch("a")
    now[0] = 150
    assert ring.of("a") is unlocked and ring.of("b") is None
    ring.put("b", "director", unlocked)
    ring.drop_all_of("director", but="b")
    assert ring.of("a") is None and ring.of("b") is unlocked
    ring.drop("b")
    assert ring.of("b") is None
    ring.close()


def test_a_key_is_let_go_though_nobody_asks() -> None:
    ring = KeyRing(idle_s=0.05)
    ring.put("a", "director", Unlocked("director", Ed25519PrivateKey.generate(), ""))
    until(lambda: not ring._held, "the key stays")
    ring.close()


@pytest.fixture
def signing(new_film: SmallFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    """An app whose production has an approver, with a key in the keys' folder."""
    environment = {**PLAY, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    made = SmallFilm(new_film.root, environment).film("key", "new", "director", "--add")
    assert made.returncode == 0, made.stderr
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return review_app(Queries(new_film.root))


def test_only_ones_own_key_is_unlocked_and_its_passphrase_lies_nowhere(
    signing: Starlette, new_film: SmallFilm, tmp_path: Path
) -> None:
    passphrase = PLAY["FILM_KEY_PASSPHRASE"]
    accounts = accounts_of(signing)
    with inside(signing, "director", "approver") as client:
        assert send(client, "/account/unlock", passphrase="wrong").status_code == 409
        said = send(client, "/account/unlock", passphrase=passphrase)
        assert said.status_code == 200 and "is open" in said.json()["said"]
        assert "key open" in client.get("/account").text
        client.cookies.clear()
        # The same key does not open for somebody else, whether they name it or bring it.
        client.cookies.set(*session_of(signing, "mallory", "approver"))
        assert send(client, "/account/unlock", passphrase=passphrase).status_code == 409
        pem = key_file(keys_folder({"XDG_CONFIG_HOME": str(tmp_path / "config")}, tmp_path), "director").read_bytes()
        token = client.get("/account").text.partition('name="csrf" content="')[2].partition('"')[0]
        brought = client.post(
            "/account/unlock",
            data={"passphrase": passphrase},
            files={"key": ("../../key.pem", pem, "text/html")},
            headers={**ANSWERED, "x-csrf": token},
        )
        assert brought.status_code == 409 and "names no approver mallory" in brought.json()["problem"]
        assert str(tmp_path) not in brought.text
    assert not accounts.keyring._held
    for file in new_film.root.rglob("*"):
        if file.is_file():
            assert passphrase.encode() not in file.read_bytes(), file


def test_passphrases_can_not_be_tried_without_end(signing: Starlette) -> None:
    accounts_of(signing)._by_key = Limit(2, 900)
    with inside(signing, "director", "approver") as client:
        tried = [send(client, "/account/unlock", passphrase="wrong").status_code for _ in range(3)]
    assert tried == [409, 409, 429]


def test_a_role_that_is_taken_away_takes_the_open_key_with_it(signing: Starlette) -> None:
    accounts = accounts_of(signing)
    owner = accounts.who(session_of(signing, "ada")[1])
    assert owner is not None
    with inside(signing, "director", "approver") as client:
        send(client, "/account/unlock", passphrase=PLAY["FILM_KEY_PASSPHRASE"])
        assert accounts.keyring._held
        accounts.give_role(owner, "director", "viewer")
        assert not accounts.keyring._held
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        assert send(client, f"/shots/{SHOT}/gate/sign", takes="1", cap="1", days="1").status_code == 403


def test_who_is_removed_at_the_terminal_is_out_within_a_second(app: Starlette, new_film: SmallFilm) -> None:
    accounts = accounts_of(app)
    accounts.ledger.people.put(Person("ada", "owner", password_hash="x"))
    _, token = session_of(app, "grace", "approver")
    who = accounts.who(token)
    assert who is not None
    accounts.keyring.put(who.session, "grace", Unlocked("grace", Ed25519PrivateKey.generate(), ""))
    with Film(new_film.root, only_reads=True) as film:
        film.ledger.people.remove("grace")
    time.sleep(1.05)
    assert accounts.who(token) is None and not accounts.keyring._held


# What waits


def test_a_take_waits_until_somebody_says_a_word_of_it() -> None:
    book = Book(words={"S": {2: "reject"}}, takes={"S": {2, 3, 4}}, home={"S": (1, 2, 3)})
    assert book.unjudged("S") == (1, 3) and book.coming("S") == (4,)
    book.words["S"][3] = "circle"
    assert book.unjudged("S") == (), "what was made before the circled one was passed over"
    assert book.coming("S") == (4,)


def test_a_page_hears_on_from_what_it_shows() -> None:
    assert Heard.read("3.0.12") == Heard(3, 0, 12) and str(Heard(3, 0, 12)) == "3.0.12"
    for text in ("", "1.2", "1.2.3.4", "a.b.c", "1.-2.3", "9" * 40 + ".1.1", "１.1.1"):
        assert Heard.read(text) is None


def test_news_of_what_came_between_a_page_and_its_listening_are_told_and_end_with_the_session(app: Starlette) -> None:
    cookie, token = session_of(app, "rita", "reviewer")
    accounts = accounts_of(app)
    with TestClient(app, base_url="http://127.0.0.1", cookies={cookie: token}) as client:
        until(lambda: client.get("/scenes").status_code == 200, "the film is not read")
        since = client.get("/scenes").text.partition('data-events="')[2].partition('"')[0]
        assert Heard.read(since)
        send(client, f"/shots/{SHOT}/notes", text="while nobody listened", frame="1001")
        threading.Timer(2, accounts.log_out, [token]).start()
        # The stream ends by itself, because nobody who may hear it listens any more.
        told = client.get(f"/events?since={since}").text
    assert "event: told" in told and SHOT in told and "\nid: " in told


def test_a_shot_waits_only_for_who_can_do_something_about_it() -> None:
    def seen(book: Book, state: str = "current", why: str = "") -> Seen:
        return Seen(book=book, lights={"S": (Light(state, 1, why),) * 10})

    viewer, reviewer, approver = (Who("x", role, "", "") for role in ("viewer", "reviewer", "approver"))
    unjudged = seen(Book(takes={"S": {2, 3}}, home={"S": (1, 2, 3)}))
    assert waits(unjudged, "S", viewer) == ""
    # Take 1 is the free renderer's: nobody asked for it.
    assert waits(unjudged, "S", reviewer) == waits(unjudged, "S", approver) == "take 2 and 3 wait for a word"
    locked = seen(Book(), "gate", "nobody has signed")
    assert (waits(locked, "S", reviewer), waits(locked, "S", approver)) == ("", "nobody has signed")
    on_its_way = seen(Book(takes={"S": {1}}), "gate", "nobody has signed")
    assert waits(on_its_way, "S", approver) == ""
    lost = seen(Book(takes={"S": {1}}, under_way={"S": {1: {"uncertain": 1}}}), "gate", "at work")
    assert "say so" in waits(lost, "S", approver) and waits(lost, "S", reviewer) == ""
    stopped = seen(Book(), "stopped", "the set is missing")
    assert (waits(stopped, "S", viewer), waits(stopped, "S", reviewer)) == ("", "the set is missing")


def test_whoever_missed_too_much_is_told_to_ask_for_everything() -> None:
    book = Book()
    for number in range(600):
        book.tell({f"S{number}"})
    assert book.told_since(0) == {"*"} and book.told_since(599) == {"S599"}
    assert book.told_since(600) == frozenset()


def test_what_stood_before_anybody_looked_is_news_to_no_page_and_what_comes_then_is(new_film: SmallFilm) -> None:
    with Film(new_film.root) as film:
        film.ledger.notes.add(Note(SHOT, "rita", "old", "review", frame=1003))
    queries = Queries(new_film.root)
    with inside(review_app(queries), "rita", "reviewer") as client:
        until(lambda: client.get(f"/shots/{SHOT}").status_code == 200, "the film is not read")
        queries.watch.look().result(timeout=30)
        assert queries.seen.book.told_since(0) == frozenset()
        with Film(new_film.root) as film:
            film.ledger.notes.add(Note(SHOT, "rita", "new", "review", frame=1003))
        until(
            lambda: queries.watch.look().result(timeout=30) or SHOT in queries.seen.book.told_since(0), "it is not told"
        )
