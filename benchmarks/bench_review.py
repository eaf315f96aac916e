"""The review app over a long film: 10,000 shots and 1,000,000 frames. First paint, scrolling, memory, seeks of a page.

Run it: python -m benchmarks.bench_review [shots] [frames a shot]. All figures of one call are of one run.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import requests
from sqlalchemy import insert

from benchmarks.rows import Row
from film_pipeline.core.record import Item, Turnover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.schema import FRAMES, TURNOVERS

SHOTS_A_SCENE = 20
FIRST_PAINT_BAR_S = 1.0
LONGEST_TASK_BAR_MS = 100.0
VIEWS = 1000
GROWTH_BAR_MB = 20.0
_STAGES = (("cameras", "plate", "png"), ("render", "render", "exr"), ("vfx", "vfx", "exr"), ("color", "color", "png"))
_WITHOUT_PICTURES = ("script", "storyboard", "look", "set_characters", "edit")
_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--disable-background-networking"]


def long_film(root: Path, shots: int, frames: int) -> None:
    """A production of that many shots, with a record in the store for every frame, and no pixels."""
    scenes = -(-shots // SHOTS_A_SCENE)
    _write_files(root, scenes, shots)
    store = FrameStore(root / ".film" / "film.sqlite")
    batch: list[dict[str, Any]] = []
    turned: list[dict[str, Any]] = []
    for place, name in enumerate(_names(shots)):
        for stage, role, extension in _STAGES:
            rows = list(_frame_rows(place, name, stage, role, extension, frames // len(_STAGES)))
            batch += rows
            turned.append(_turnover_row(name, stage, rows))
        turned += [
            _turnover_row(name, stage, []) for stage in ("script", "storyboard", "look", "set_characters", "edit")
        ]
        if len(batch) >= 40_000 or place == shots - 1:
            with store.database.writing() as connection:
                connection.execute(insert(FRAMES), batch)
                connection.execute(insert(TURNOVERS), turned)
            batch, turned = [], []
    store.close()


def _names(shots: int) -> Iterator[str]:
    for place in range(shots):
        yield f"SC{place // SHOTS_A_SCENE * 10 + 10:03d}_SH{place % SHOTS_A_SCENE * 10 + 10:03d}"


def _write_files(root: Path, scenes: int, shots: int) -> None:
    from film_pipeline.starting import new_production

    new_production(root, None)
    shutil.rmtree(root / "shots")
    (root / "shots").mkdir()
    pages = ["Title: A Long Film\n"]
    for number in range(scenes):
        pages.append(f"INT. WORKSHOP - NIGHT #{number + 1}#\n")
        scene = f"SC{number * 10 + 10:03d}"
        written = [f"scene: {scene}\nset: workshop\nshots:\n"]
        for place in range(min(SHOTS_A_SCENE, shots - number * SHOTS_A_SCENE)):
            line = f"The maker turns wheel {number} by {place} teeth, and listens to what it says."
            pages.append(f"{line}\n")
            written.append(
                f"  - {{id: SH{place * 10 + 10:03d}, length: 48, size: medium, subject: maker, action: '{line}', "
                "cast: [{character: maker, at: bench}]}\n"
            )
        (root / "shots" / f"{scene}.yaml").write_text("".join(written), encoding="utf-8")
    (root / "script.fountain").write_text("\n".join(pages), encoding="utf-8")


def _frame_rows(place: int, name: str, stage: str, role: str, extension: str, count: int) -> Iterator[dict[str, Any]]:
    day = f"2026-{place // 28 % 12 + 1:02d}-{place % 28 + 1:02d}"
    for number in range(count):
        frame = 1001 + number
        sha256 = f"{place:08x}{_STAGES.index((stage, role, extension)):04x}{number:04x}".ljust(64, "0")
        path = f"shots/{name}/{stage}/v001/{name}_{stage}_v001.{frame}.{extension}"
        event = {"engine": "cycles", "provider": "local", "software": "film_pipeline", "author": "a", "cost_usd": 0.0}
        record = {
            "deliverable": f"{name}_{stage}_v001.{frame}",
            "content_hash_sha256": sha256,
            "engine_summary": ["cycles"],
            "license_summary": ["own work"],
            "lineage": {"kind": "finish", "shot": name, "events": [event]},
            "stage": stage,
            "version": 1,
            "frame": frame,
            "role": role,
            "media_path": path,
            "media_bytes": 100_000,
            "recipe_sha256": sha256,
            "recipe": {"department": stage, "frame": frame},
            "made_at": f"{day}T08:{number % 60:02d}:00+00:00",
        }
        yield {
            "media_path": path,
            "recipe_sha256": sha256,
            "sha256": sha256,
            "stage": stage,
            "shot": name,
            "version": 1,
            "frame": frame,
            "role": role,
            "bytes": 100_000,
            "made_at": record["made_at"],
            "record": json.dumps(record),
            "engine": "cycles",
        }


def _turnover_row(name: str, stage: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    items = tuple(
        Item(role=row["role"], frame=row["frame"], path=row["media_path"], sha256=row["sha256"], bytes=row["bytes"])
        for row in rows
    )
    facts = {"lock": "0" * 64, "digests": {}, "take": 1}
    turnover = Turnover(stage=stage, shot=name, version=1, recipe_sha256="0" * 64, items=items, facts=facts)
    return {
        "stage": stage,
        "shot": name,
        "version": 1,
        "recipe_sha256": "0" * 64,
        "handed_over": 1,
        "turnover": turnover.model_dump_json(),
    }


class Server:
    """The review app as a process of its own, as a person starts it."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "review_app", "--port", str(port), "--production", str(root)]
        self.process = subprocess.Popen(command)
        self.started = time.perf_counter()
        self.until("/health", 200)

    def until(self, path: str, status: int) -> float:
        """Seconds from the start until the app answers so."""
        while True:
            try:
                if requests.get(self.address + path, timeout=60).status_code == status:
                    return time.perf_counter() - self.started
            except requests.ConnectionError:
                assert self.process.poll() is None, "the review app has ended"
            time.sleep(0.1)

    def until_worked_out(self) -> float:
        while _count(requests.get(f"{self.address}/board", timeout=60).text, "unknown") != "0":
            time.sleep(2)
        return time.perf_counter() - self.started

    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def _count(html: str, state: str) -> str:
    return str(html.count(f'class="l {state}"') - 1)


def run(shots: int = 10_000, frames: int = 100) -> list[Row]:
    """Measure everything over a film of its own in a scratch folder."""
    folder = Path(tempfile.mkdtemp(prefix="bench-review-"))
    try:
        root = folder / "long"
        began = time.perf_counter()
        long_film(root, shots, frames)
        rows = [Row("the long film is written", time.perf_counter() - began, "s")]
        server = Server(root)
        try:
            return [*rows, *_measure(server, shots)]
        finally:
            server.close()
    finally:
        shutil.rmtree(folder)


def _measure(server: Server, shots: int) -> list[Row]:
    middle = list(_names(shots))[shots // 2]
    pages = ["/scenes", "/scenes?show=due", "/scenes?q=wheel", "/board", "/dailies", "/dailies?scene=SC020"]
    pages += ["/dailies?engine=cycles", "/find", "/pictures/storyboard", f"/shots/{middle}"]
    pages += ["/recipes/" + f"{shots // 2:08x}".ljust(64, "0")]
    rows = [Row("from the start until the first page", server.until("/scenes", 200), "s")]
    rows += _paints(server, pages, "while the lights are worked out")
    rows.append(Row("from the start until every light is known", server.until_worked_out(), "s"))
    rows += _paints(server, pages, "")
    rows += _scrolling(server)
    rows += _views(server, pages)
    return rows


def _paints(server: Server, pages: list[str], when: str) -> list[Row]:
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        for path in pages:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(server.address + path, wait_until="domcontentloaded")
            page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
            name = f"first paint of {path[:34]} {when}".strip()
            rows.append(Row(name, paint, "s", FIRST_PAINT_BAR_S, holds=paint <= FIRST_PAINT_BAR_S))
            page.close()
        browser.close()
    return rows


def _scrolling(server: Server) -> list[Row]:
    """Scroll through all of the screenplay, a window at a time, and note the longest task of the page's thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(server.address + "/scenes")
        page.wait_for_timeout(1500)
        page.evaluate(
            """() => { window.tasks = [0]; new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) tasks.push(entry.duration); }).observe({ type: "longtask" }); }"""
        )
        height = page.evaluate("document.documentElement.scrollHeight")
        for step in range(200):
            page.evaluate(f"scrollTo(0, {height} * {step} / 200)")
            page.wait_for_timeout(30)
        page.wait_for_timeout(1000)
        longest = page.evaluate("Math.max(...tasks)")
        nodes = page.evaluate("document.querySelectorAll('*').length")
        browser.close()
    return [
        Row(
            "longest task while scrolling 10,000 shots",
            longest,
            "ms",
            LONGEST_TASK_BAR_MS,
            holds=longest <= LONGEST_TASK_BAR_MS,
        ),
        Row("elements in the page after it", nodes, "elements"),
    ]


def _views(server: Server, pages: list[str]) -> list[Row]:
    session = requests.Session()
    for number in range(VIEWS // 5):
        session.get(server.address + pages[number % len(pages)], timeout=60)
    before, began = server.memory_mb(), time.perf_counter()
    slowest = 0.0
    for number in range(VIEWS):
        asked = time.perf_counter()
        assert session.get(server.address + pages[number % len(pages)], timeout=60).ok
        slowest = max(slowest, time.perf_counter() - asked)
    growth = server.memory_mb() - before
    return [
        Row(f"{VIEWS} page views", time.perf_counter() - began, "s"),
        Row("slowest of them", slowest, "s", FIRST_PAINT_BAR_S, holds=slowest <= FIRST_PAINT_BAR_S),
        Row("memory of the server", server.memory_mb(), "MB"),
        Row("it grew by", growth, "MB", GROWTH_BAR_MB, holds=growth <= GROWTH_BAR_MB),
    ]


if __name__ == "__main__":
    for row in run(*(int(number) for number in sys.argv[1:])):
        print(row, flush=True)
