"""Every page can be used by everybody: axe-core finds nothing, in the dark and in the light."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page
from review_server import let_in, served, session_of
from simulated_stage import Stage
from small_film import SmallFilm

from film_pipeline.stores.ledger.notes import Note
from review_app.accounts import Accounts
from review_app.app import review_app
from review_app.queries import Queries

pytestmark = pytest.mark.blender
AXE = Path(__file__).resolve().parents[2] / "review_app" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/scenes",
    "/scenes?show=waiting",
    "/board",
    "/dailies",
    "/dailies/play",
    "/find",
    "/pictures/storyboard",
    "/pictures/turnarounds",
    "/pictures/sheets",
    "/shots/SC010_SH010",
    "/shots/SC010_SH010/previz",
    "/shots/SC010_SH010/gate",
    "/account",
    "/people",
    "/nowhere",
)
_REACHED = "(({ dataset, name, role }) => dataset.act ?? name ?? role)(document.activeElement)"
_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => node.target).join(" ")}`);
}"""


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(path: str, theme: str, reviewed: str, page: Page) -> None:
    assert found_by_axe(page, reviewed + path, theme, path == "/nowhere") == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_a_recipe_and_in_the_help(theme: str, reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/shots/SC010_SH010")
    page.wait_for_function("() => document.querySelector('[data-player]')?.player?.drawn")
    recipe = page.evaluate("document.querySelector('[data-player]')?.player.recipe()")
    assert found_by_axe(page, reviewed + recipe, theme) == []
    page.keyboard.press("?")
    assert page.evaluate(_RUN) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_at_the_door(theme: str, reviewed: str, page: Page) -> None:
    page.context.clear_cookies()
    assert found_by_axe(page, f"{reviewed}/login?next=/board", theme) == []
    page.route("**/welcome/**", lambda route: route.fulfill(response=route.fetch(), status=200))
    assert found_by_axe(page, f"{reviewed}/welcome/nothing", theme) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_at_a_gate_and_where_people_decide(theme: str, stage: Stage, page: Page) -> None:
    app = review_app(Queries(stage.film.root))
    with served(app, owned=False) as address:
        let_in(page.context, address, session_of(app, "director", "owner"))
        assert found_by_axe(page, f"{address}/shots/SC010_SH010/gate", theme) == []
        accounts: Accounts = app.state.accounts
        drawn = {"strokes": [{"tool": "box", "points": [[0.2, 0.2], [0.4, 0.5]]}]}
        note = Note("SC010_SH010", "ada", "less lamp", "review", take=1, frame=1001, drawing=drawn)
        number = accounts.ledger.notes.add(note)
        accounts.ledger.notes.add(Note("SC010_SH010", "grace", "yes", "review", reply_to=number))
        assert found_by_axe(page, f"{address}/shots/SC010_SH010", theme) == []
        page.keyboard.press("d")
        assert page.evaluate(_RUN) == []
        page.keyboard.press("x")
        page.locator("#word").wait_for()
        assert page.evaluate(_RUN) == []
        # The init script of the theme has no storage on an empty page, so the page goes and not what is in it.
        page.close()


def test_somebody_draws_and_notes_without_a_pointer(made_film: SmallFilm, page: Page) -> None:
    app = review_app(Queries(made_film.root))
    with served(app, page) as address:
        page.goto(f"{address}/shots/SC010_SH010")
        page.wait_for_function(
            "() => { const at = document.querySelector('[data-player]')?.player; return at?.drawn && at.looked; }"
        )
        for key in ("ArrowRight", "d", "Shift+ArrowLeft", " ", "ArrowUp", "Shift+ArrowUp", " ", " ", "ArrowLeft", " "):
            page.keyboard.press(key)
        page.keyboard.press("z")
        for key in ("n", "h", "i", "Control+Enter"):
            page.keyboard.press(key)
        page.locator(".note-text").wait_for()
        accounts: Accounts = app.state.accounts
        [note] = accounts.ledger.notes.of("SC010_SH010")
        assert (note.text, note.frame, note.author) == ("hi", 1002, "ada")
        [stroke] = note.drawing["strokes"]
        assert stroke["points"] == [[0.44, 0.5], [0.44, 0.49], [0.44, 0.43]]
        page.goto("about:blank")


def test_everything_on_the_shot_page_is_reached_by_tab(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/shots/SC010_SH010")
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.dataset.act ?? document.activeElement.name ?? document.activeElement.role"
            )
        )
    assert {"play", "wipe", "blink", "pose", "onion", "recipe", "a", "b", "slider", "help", "theme"} <= reached


def found_by_axe(page: Page, address: str, theme: str, refused: bool = False) -> list[str]:
    page.add_init_script(f"localStorage.setItem('theme', {json.dumps(theme)})")
    if refused:
        page.route("**/nowhere", lambda route: route.fulfill(response=route.fetch(), status=200))
    page.goto(address)
    page.wait_for_timeout(250)
    assert page.locator("html").get_attribute("data-theme") == theme
    # Through the debugger's own door: the content policy lets no foreign script in.
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found: list[str] = page.evaluate(_RUN)
    return found
