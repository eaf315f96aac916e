"""Every page can be used by everybody: axe-core finds nothing, in the dark and in the light."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

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
    page.wait_for_function("() => document.querySelector('[data-player]').player?.drawn")
    recipe = page.evaluate("document.querySelector('[data-player]').player.recipe()")
    assert found_by_axe(page, reviewed + recipe, theme) == []
    page.keyboard.press("?")
    assert page.evaluate(_RUN) == []


def test_everything_on_the_shot_page_is_reached_by_tab(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/shots/SC010_SH010")
    reached = set()
    for _ in range(80):
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
