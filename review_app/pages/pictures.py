"""Storyboard, turnarounds and contact sheets as pictures."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.record import Item, Turnover
from review_app.pages.desk import Desk
from review_app.queries import ScenePage

TABS = {"storyboard": "Storyboard", "turnarounds": "Turnarounds", "sheets": "Contact sheets and masters"}
_SHOTS_A_BLOCK = 12
_PANEL_HEIGHT, _HEADING_HEIGHT = 250, 44
_SHEETS = (
    ("animatic", "contact_sheet_picture", "The storyboard at a glance"),
    ("animatic", "contact_sheet", "The storyboard, to print"),
    ("animatic", "animatic", "The animatic"),
    ("master", "frames_sheet", "A finished frame of every shot"),
    ("master", "review", "The master for review"),
)


@dataclass(frozen=True)
class Sheet:
    title: str
    item: Item
    version: int

    @property
    def kind(self) -> str:
        """png, mp4, pdf"""
        return self.item.path.rpartition(".")[2]


@dataclass(frozen=True)
class PanelBlock:
    """The panels of a run of shots of one scene."""

    number: int
    scene: ScenePage
    shots: tuple[str, ...]

    @property
    def height(self) -> int:
        return _HEADING_HEIGHT + -(-len(self.shots) // 2) * _PANEL_HEIGHT


def panel_blocks(scenes: tuple[ScenePage, ...]) -> list[PanelBlock]:
    """The scenes' shots, so many at once."""
    blocks: list[PanelBlock] = []
    for scene in scenes:
        names = [shot.name for shot in scene.shots]
        for start in range(0, len(names), _SHOTS_A_BLOCK):
            blocks.append(PanelBlock(len(blocks), scene, tuple(names[start : start + _SHOTS_A_BLOCK])))
    return blocks


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        tab = request.path_params["tab"]
        if tab not in TABS:
            raise HTTPException(404, "there are no such pictures")
        seen = await desk.read()
        assert seen.reading is not None
        shown = {"tab": tab, "tabs": TABS, "title": TABS[tab], "here": "pictures", "reading": seen.reading}
        if tab == "storyboard":
            return await desk.page(request, "storyboard.html", blocks=panel_blocks(seen.reading.scenes), **shown)
        made = await run_in_threadpool(desk.queries.of_the_film)
        if tab == "turnarounds":
            return await desk.page(request, "turnarounds.html", sheets=_turnarounds(made), **shown)
        return await desk.page(request, "sheets.html", sheets=_sheets(made), **shown)

    async def block(request: Request) -> Response:
        seen = await desk.read()
        assert seen.reading is not None
        blocks = panel_blocks(seen.reading.scenes)
        number = request.path_params["number"]
        if number >= len(blocks):
            raise HTTPException(404, "the storyboard has become shorter")
        panels = await run_in_threadpool(desk.queries.panels, list(blocks[number].shots))
        return await desk.page(request, "_panels.html", block=blocks[number], panels=panels, reading=seen.reading)

    return [Route("/pictures/{tab}", page), Route("/pictures/storyboard/{number:int}", block)]


def _turnarounds(made: dict[tuple[str, str], Turnover]) -> list[Sheet]:
    turnover = made.get(("turnarounds", ""))
    items = turnover.items if turnover else ()
    return [
        Sheet(item.role.removeprefix("turnaround_"), item, turnover.version if turnover else 0)
        for item in items
        if item.role.startswith("turnaround_")
    ]


def _sheets(made: dict[tuple[str, str], Turnover]) -> list[Sheet]:
    found = []
    for department, role, title in _SHEETS:
        turnover = made.get((department, ""))
        found += [Sheet(title, item, turnover.version) for item in (turnover.of(role) if turnover else ()) if turnover]
    return found
