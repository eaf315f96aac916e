"""The review app as a person has it: a real server over a film that was really made, in a real Chromium."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from review_server import inside, let_owner_in, served, until
from small_film import SmallFilm
from starlette.testclient import TestClient

from benchmarks.browser import chromium
from review_app.app import review_app
from review_app.queries import Queries

FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. It ends with the module, because Playwright keeps an event loop running in the tests' own thread."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def reviewed(_made_once: SmallFilm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app over the made film, for tests that only look at it."""
    queries = Queries(shutil.copytree(_made_once.root, tmp_path_factory.mktemp("reviewed") / "film", symlinks=True))
    with served(review_app(queries)) as address:
        queries.watch.look().result(timeout=30)
        until(lambda: queries.seen.worked_out == 2, "the lights are not worked out")
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose owner is logged in to all that is served, and whose console stays silent.

    No error, no refusal of the content policy, no failed request.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    let_owner_in(context)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert said == []


@pytest.fixture
def client(made_film: SmallFilm) -> Iterator[TestClient]:
    """The app without a network in between, over a film of the test's own, with its owner logged in."""
    with inside(review_app(Queries(made_film.root))) as opened:
        until(lambda: opened.get("/scenes").status_code == 200, "the film is not read")
        yield opened
