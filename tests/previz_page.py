"""A page with the previz island in a real Chromium, served by a tiny server under a policy as strict as the app's."""

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from film_pipeline.departments.film import Film
from review_app import __file__ as REVIEW_APP

WEB = Path(REVIEW_APP).parent / "web"
BUILT = Path(REVIEW_APP).parent / "static"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Previz</title><link rel="stylesheet" href="page.css">
</head>
<body><main id="here"></main><script type="module" src="page.js"></script></body>
</html>
"""
_SCRIPT = """\
import * as island from "/static/previz.js";
const element = document.getElementById("here");
window.island = island;
window.told = [];
for (const name of ["frame", "edit", "measure", "problem"]) {
  element.addEventListener(`previz:${name}`, (event) => window.told.push([name, event.detail]));
}
document.addEventListener("securitypolicyviolation", (event) => {
  window.told.push(["violation", event.violatedDirective]);
});
document.addEventListener("keydown", (event) => window.told.push(["key", event.key]));
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page, and the island as `make setup` has bundled it."""
    folder = tmp_path_factory.mktemp("site")
    assert (BUILT / "previz.js").is_file(), "the islands are not bundled: make setup"
    (folder / "static").symlink_to(BUILT)
    (folder / "favicon.ico").write_bytes(b"")
    (folder / "index.html").write_text(_PAGE)
    (folder / "page.css").write_text("html, body, main { margin: 0; height: 100%; }")
    (folder / "page.js").write_text(_SCRIPT)
    return folder


class _Server(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and of others under a name of theirs."""

    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def __init__(self, *args: Any, files: Mapping[str, Path], **kwargs: Any) -> None:
        self.files = files
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        named = self.files.get(path.split("?")[0].removeprefix("/files/"))
        return str(named) if named else super().translate_path(path)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


@contextlib.contextmanager
def served(folder: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """The address of a folder, and of some files under /files/NAME."""
    handler = functools.partial(_Server, directory=str(folder), files=files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class PrevizPage:
    """The page, and what a test asks of the island in it."""

    page: Page
    address: str
    files: dict[str, Path]
    errors: list[str] = field(default_factory=list)

    def open_shot(self, root: Path, shot: str, document: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Open a shot of a film that was made, by its turnovers; or another document of it."""
        with Film(root) as film:
            cameras, models = film.frames.latest("cameras", shot), film.frames.latest("set_characters", shot)
            assert cameras is not None and models is not None
            glbs = [item for item in models.items if item.role.endswith("_glb")]
            for item in (cameras.one("previz"), *glbs):
                self.files[item.role] = film.made / item.path
        addresses = {item.role: f"/files/{item.role}" for item in glbs}
        self.open(document or "/files/previz", addresses, **options)

    def open(self, document: Mapping[str, Any] | str, models: Mapping[str, str], **options: Any) -> None:
        """Open a shot and wait until it is drawn. document: of the shot, or its address below /files/."""
        self.begin(document, models, **options)
        self.page.evaluate("previz.ready.then(() => previz.viewer.pictures).then(() => null)")

    def begin(self, document: Mapping[str, Any] | str, models: Mapping[str, str], **options: Any) -> None:
        """Open a shot and do not wait."""
        if self.page.url == "about:blank":
            self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
            self.page.on("pageerror", lambda error: self.errors.append(str(error)))
            self.page.goto(self.address)
            self.page.wait_for_selector("#here", state="attached")
            while not self.page.evaluate("Boolean(window.island)"):
                self.page.wait_for_timeout(20)
        asked = {"previz": document, "models": dict(models), **options}
        self.page.evaluate(
            "(asked) => { window.previz = island.open(document.getElementById('here'), asked); }",
            json.loads(json.dumps(asked)),
        )

    def ask(self, script: str, argument: Any = None) -> Any:
        """What a function of the viewer (and of an argument) answers."""
        return self.page.evaluate(f"(argument) => (({script}))(window.previz.viewer, argument)", argument)

    def told(self, name: str) -> list[Any]:
        """The details of the events of that name so far."""
        return [detail for event, detail in self.page.evaluate("told") if event == name]

    def press(self, *keys: str) -> None:
        self.page.evaluate("document.querySelector('.previz-viewer').focus()")
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
        )

    def seen_at(self, place: Any) -> tuple[float, float]:
        """Where on the page a place of the set is seen."""
        self.settle()
        seen = self.ask(
            """(viewer, place) => {
              const at = viewer.lens.target.clone().set(...place).project(viewer.views.camera);
              const box = viewer.parts.canvas.getBoundingClientRect();
              return [box.left + ((at.x + 1) / 2) * box.width, box.top + ((1 - at.y) / 2) * box.height];
            }""",
            [float(value) for value in place],
        )
        return seen[0], seen[1]

    def drag(self, begin: tuple[float, float], by: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*begin)
        self.settle()
        mouse.down()
        mouse.move(begin[0] + by[0], begin[1] + by[1], steps=5)
        self.settle()
        mouse.up()
        self.settle()

    def joints(self) -> dict[str, dict[str, Any]]:
        """Where the bones are in the set, by puppet and joint."""
        found = self.ask(
            """(viewer) => Object.fromEntries(viewer.puppets.map((puppet) => [puppet.name, Object.fromEntries(
                 puppet.joints.map(({ name, bone }) => [name, [...bone.matrixWorld.elements.slice(12, 15)]]))]))"""
        )
        return {puppet: {joint: np.array(place) for joint, place in joints.items()} for puppet, joints in found.items()}


@pytest.fixture
def previz_page(browser: Browser, site: Path) -> Iterator[PrevizPage]:
    """An empty page. Nothing that it logs as an error is let pass."""
    context = browser.new_context(viewport={"width": 880, "height": 560})
    page = context.new_page()
    page.set_default_timeout(60_000)
    files: dict[str, Path] = {}
    with served(site, files) as address:
        opened = PrevizPage(page, address, files)
        yield opened
        context.close()
    assert opened.errors == []
