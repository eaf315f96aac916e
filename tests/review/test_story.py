"""The whole story in a real browser, against stand-ins with play money: sign, see the frame land, judge it, find it."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from review_server import let_in, served, session_of
from simulated_stage import PLAY, Stage
from starlette.applications import Starlette

from film_pipeline.departments.film import Film
from review_app.accounts import Accounts
from review_app.app import review_app
from review_app.queries import Queries

pytestmark = pytest.mark.blender
FIRST, SECOND = "SC010_SH010", "SC010_SH020"
PASSWORD = "four words in a row"
PLAYER = "document.querySelector('[data-player]')?.player"


@pytest.fixture
def opened(stage: Stage) -> Iterator[tuple[Starlette, str]]:
    queries = Queries(stage.film.root)
    app = review_app(queries)
    with served(app, owned=False) as address:
        queries.watch.look().result(timeout=60)
        yield app, address


@contextmanager
def running(stage: Stage, *words: str) -> Iterator[None]:
    """The film is made while somebody looks at it."""
    done: list[subprocess.CompletedProcess[str]] = []
    run = threading.Thread(target=lambda: done.append(stage.run("run", *words)))
    run.start()
    try:
        yield
    finally:
        run.join(300)
    assert done and done[0].returncode == 0, done


def at_the_player(page: Page) -> None:
    """A picture is drawn, and the keys of the shot's page work."""
    page.wait_for_function(f"() => {PLAYER}?.drawn && {PLAYER}.looked")


def take(page: Page, number: int) -> str:
    return f".takes [data-take='{number}']"


def shows_whole(page: Page, take: int) -> None:
    page.wait_for_function(
        f"(take) => {{ const strip = {PLAYER}.strips.get(`render.${{take}}`); return strip && !strip.coming"
        f" && strip.frames.length && {PLAYER}.a === strip.key && {PLAYER}.drawn; }}",
        arg=take,
        timeout=240_000,
    )


def test_a_newcomer_signs_sees_the_frame_land_judges_it_and_finds_it_in_the_cut(
    stage: Stage, opened: tuple[Starlette, str], browser: Browser, tmp_path: Path
) -> None:
    app, address = opened
    accounts: Accounts = app.state.accounts
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    # Comes in by the link of the terminal, and is shown where to go.
    page.goto(f"{address}/welcome/{accounts.first_link()}")
    page.get_by_label("Your name").fill("director")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button", name="Come in").click()
    page.get_by_role("link", name="Waits for me").click()
    expect(page.get_by_text("nobody has signed").first).to_be_visible(timeout=20_000)
    page.get_by_role("link", name=FIRST).click()

    # Understands why the gate is locked, and signs.
    page.get_by_role("link", name="See the quote and sign").click()
    expect(page.get_by_role("heading", name="Locked: nobody has signed")).to_be_visible()
    expect(page.get_by_role("row", name="klein-local")).to_contain_text("Apache-2.0")
    expect(page.get_by_role("row", name="image-edit")).to_contain_text("not for films that are sold")
    page.get_by_label("Takes").fill("3")
    expect(page.get_by_label("At most, in dollars")).to_have_value("0.27")
    page.get_by_label("Passphrase of your key").fill(PLAY["FILM_KEY_PASSPHRASE"])
    page.get_by_role("button", name="Sign and ask for the first take").click()
    page.wait_for_url(f"**/shots/{FIRST}?a=render.2")
    expect(page.locator(take(page, 2))).to_contain_text("asked for")
    expect(page.get_by_text("Open: 2 takes are left")).to_be_visible()

    # Sees the frame arrive on the page that stays open.
    with running(stage, "--shots", FIRST, "--through", "render"):
        shows_whole(page, 2)
    expect(page.locator(take(page, 2))).to_contain_text("home")

    # Steps it, wipes it, draws on it, and says what is wrong.
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-say=frame]")).to_have_text("1002")
    page.keyboard.press("w")
    assert page.evaluate(f"{PLAYER}.wipe") == 0.5
    page.keyboard.press("w")
    page.keyboard.press("d")
    box = page.locator(".stage").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 90, box["y"] + box["height"] / 2 + 40, steps=6)
    page.mouse.up()
    expect(page.get_by_text("Note on 1002, with a drawing")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("the hand swims")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".note-text")).to_have_text("the hand swims")
    page.keyboard.press("Home")
    assert page.locator(".ink .saved path").count() == 0
    page.keyboard.press(".")
    expect(page.locator("[data-say=frame]")).to_have_text("1002")
    assert page.locator(".ink .saved path").count() == 2
    page.keyboard.press("x")
    page.keyboard.type("soft, and the hand swims")
    page.keyboard.press("Control+Enter")
    expect(page.locator(take(page, 2))).to_contain_text("rejected by director")
    page.keyboard.press("m")
    page.keyboard.type("hold the hand still")
    page.keyboard.press("Control+Enter")
    expect(page.locator(take(page, 3))).to_contain_text("hold the hand still")

    # Sees the retake, and circles it.
    with running(stage, "--shots", FIRST, "--through", "render"):
        shows_whole(page, 3)
    page.keyboard.press("c")
    expect(page.locator(take(page, 3))).to_contain_text("circled by director")

    # Finds it in the cut, and its recipe by the file alone.
    stage.ask("approve", SECOND, "--cap", "1.00", "--as", "director")
    stage.ask("run")
    expect(page.locator(".versions")).to_contain_text("Finished v002", timeout=30_000)
    page.goto(f"{address}/shots/{FIRST}")
    at_the_player(page)
    page.keyboard.press("e")
    expect(page.locator("[data-say=range]")).to_have_text(f"the cut around {FIRST}")
    with Film(stage.film.root, only_reads=True) as film:
        cut = film.frames.latest("color", FIRST)
        assert cut is not None and cut.version == 2
        frame = film.made / cut.of("color")[0].path
        wanted = cut.of("color")[0].sha256
    assert page.evaluate(f"{PLAYER}.recipe()") == f"/recipes/{wanted}"
    page.goto(f"{address}/find")
    page.locator("input[type=file]").set_input_files(frame)
    page.get_by_role("link", name="recipe").first.click()
    expect(page.locator(".facts").first).to_contain_text("director")
    page.goto("about:blank")
    context.close()
    assert said == []


def test_two_reviewers_at_once_see_each_other_and_lose_nothing(
    stage: Stage, opened: tuple[Starlette, str], browser: Browser
) -> None:
    app, address = opened
    pages = []
    for name in ("ada", "grace"):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        let_in(context, address, session_of(app, name, "reviewer"))
        pages.append(context.new_page())
        pages[-1].goto(f"{address}/shots/{FIRST}")
        at_the_player(pages[-1])
    ada, grace = pages
    grace.locator("#note-text").fill("half a thou")
    ada.keyboard.press("ArrowRight")
    ada.keyboard.press("n")
    ada.keyboard.type("the lamp flickers")
    ada.keyboard.press("Control+Enter")
    expect(grace.locator(".note-text")).to_have_text("the lamp flickers", timeout=10_000)
    assert grace.locator("#note-text").input_value() == "half a thou"
    assert grace.evaluate(f"{PLAYER}.notes.map((note) => note.frame)") == [1002]

    grace.get_by_role("button", name="Answer ada").click()
    grace.locator("#note-text").fill("it should")
    grace.get_by_role("button", name="Write").click()
    expect(ada.locator(".note.answer .note-text")).to_have_text("it should", timeout=10_000)

    # One circles the take while the other says what is wrong with it: the last word counts, and both stay.
    grace.get_by_role("button", name="Reject take 1").click()
    grace.keyboard.type("too ")
    ada.get_by_role("button", name="Circle take 1").click()
    expect(grace.locator(".takes [data-take='1']")).to_contain_text("circled by ada", timeout=10_000)
    grace.keyboard.type("dark")
    grace.keyboard.press("Control+Enter")
    for page in pages:
        expect(page.locator(".takes [data-take='1']")).to_contain_text("rejected by grace", timeout=10_000)
    accounts: Accounts = app.state.accounts
    words = accounts.ledger.verdicts.of(FIRST, 1)
    assert [(word.by, word.word, word.note) for word in words] == [
        ("ada", "circle", ""),
        ("grace", "reject", "too dark"),
    ]
    assert len(accounts.ledger.notes.of(FIRST)) == 2
    for page in pages:
        page.goto("about:blank")
        page.context.close()


def test_a_locked_gate_says_what_changed_and_shows_it(
    stage: Stage, opened: tuple[Starlette, str], browser: Browser
) -> None:
    app, address = opened
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    let_in(context, address, session_of(app, "director", "approver"))
    page = context.new_page()
    page.goto(f"{address}/shots/{FIRST}/gate")
    page.get_by_label("Passphrase of your key").fill(PLAY["FILM_KEY_PASSPHRASE"])
    stage.film.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: reach}")
    stage.ask("run", "--shots", FIRST, "--through", "cameras")
    # What is signed is what was shown: the page was opened before the puppet's arm moved.
    page.get_by_role("button", name="Sign and ask for the first take").click()
    expect(page.locator("#sign-form [data-told]")).to_contain_text("has changed since you looked at it")
    accounts: Accounts = app.state.accounts
    assert accounts.ledger.approvals.all(FIRST) == []
    page.reload()
    page.get_by_role("button", name="Sign and ask for the first take").click()
    page.wait_for_url(f"**/shots/{FIRST}?a=render.2")

    stage.film.edit("shots/SC010.yaml", "{frame: 1005, pose: reach}", "{frame: 1005, pose: think}")
    stage.ask("run", "--shots", FIRST, "--through", "cameras")
    page.goto(f"{address}/shots/{FIRST}/gate")
    state = page.locator("#state")
    expect(state).to_contain_text("Locked")
    expect(state).to_contain_text("the composition changed")
    expect(state).to_contain_text(re.compile(r"composed otherwise since then: [\d, ]*1005 of 3 exposures"))
    page.get_by_role("link", name="See what changed").click()
    page.wait_for_function(f"() => {PLAYER}?.drawn && {PLAYER}.wipe === 0.5")
    assert page.evaluate(f"{PLAYER}.a") != page.evaluate(f"{PLAYER}.b")
    expect(page.locator("[data-say=a]")).to_contain_text("Plate")
    expect(page.locator("[data-say=b]")).to_contain_text("Plate")

    page.goto(f"{address}/shots/{FIRST}/gate")
    page.get_by_role("button", name="Sign and ask for the first take").click()
    page.wait_for_url(f"**/shots/{FIRST}?a=render.3")
    page.goto(f"{address}/shots/{FIRST}/gate")
    expect(state).to_contain_text("Open")
    page.get_by_label("Why you take it back").first.fill("not this week")
    page.get_by_role("button", name="Take it back").first.click()
    expect(state).to_contain_text("director took it back", timeout=10_000)
    expect(state).to_contain_text("not this week")
    page.goto("about:blank")
    context.close()


def test_the_film_command_of_these_tests_is_the_one_that_is_tested() -> None:
    where = [sys.executable, "-c", "import film_pipeline; print(film_pipeline.__file__)"]
    found = subprocess.run(where, cwd="/", capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found).parents[1] == Path(__file__).resolve().parents[2]
