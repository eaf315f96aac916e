"""Scenes: the screenplay set as a screenplay, with the shots at their lines and ten stage lights to each."""

from dataclasses import dataclass, replace

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.script_elements import Element
from review_app.pages.desk import Desk
from review_app.queries import Reading, ScenePage, Seen, ShotPage

SHOWN = {
    "all": "All shots",
    "waiting": "Waits for me",
    "due": "Due",
    "stopped": "Stopped",
    "done": "Done",
}
_ROWS_A_BLOCK = 16
_FILTERS_KEPT = 4
_BLOCKS_AT_ONCE = 3
_HEADING_HEIGHT, _LINE_HEIGHT, _SHOT_HEIGHT, _GAP = 58, 20, 46, 12
_LETTERS_A_LINE = {"dialogue": 36, "lyric": 36, "parenthetical": 28}


@dataclass(frozen=True)
class Row:
    """A paragraph of the script and the shots that begin there."""

    element: Element | None
    shots: tuple[ShotPage, ...]

    @property
    def height(self) -> int:
        """About as tall as it is going to be, in pixels."""
        lines = 0
        if self.element is not None:
            lines = 1 + len(self.element.text) // _LETTERS_A_LINE.get(self.element.kind, 62)
        return max(lines * _LINE_HEIGHT, len(self.shots) * _SHOT_HEIGHT) + _GAP


@dataclass(frozen=True)
class Block:
    """A run of rows of one scene, loaded as a whole. first: it begins with the scene's heading."""

    number: int
    scene: ScenePage
    first: bool
    rows: tuple[Row, ...]

    @property
    def height(self) -> int:
        return (_HEADING_HEIGHT if self.first else 0) + sum(row.height for row in self.rows)


def waits(seen: Seen, shot: str) -> str:
    """Why a shot waits for a person; empty where it does not."""
    return next((light.why for light in seen.of(shot) if light.state == "stopped"), "")


def is_shown(seen: Seen, shot: ShotPage, show: str) -> bool:
    """Whether a shot passes a filter."""
    states = seen.states_of(shot.name)
    match show:
        case "waiting":
            return "stopped" in states
        case "due" | "stopped":
            return show in states
        case "done":
            return states == {"current"}
    return True


def found(shot: ShotPage, words: str) -> bool:
    """Whether a shot is one that somebody looks for by its name, its action or its lines."""
    said = " ".join(text for _, _, text in shot.dialogue)
    text = f"{shot.name} {shot.action} {said} {' '.join(shot.cast)} {shot.size}".casefold()
    return all(word in text for word in words.casefold().split())


def blocks_of(seen: Seen, reading: Reading, show: str, words: str) -> list[Block]:
    """The page in blocks. A filter leaves out what is no shot that it shows."""
    blocks: list[Block] = []
    filtered = show != "all" or bool(words)
    for scene in reading.scenes:
        shown = {shot.name for shot in scene.shots if is_shown(seen, shot, show) and found(shot, words)}
        if filtered and not shown:
            continue
        rows = _rows(scene, shown)
        if filtered:
            rows = [row for row in rows if row.shots]
        for start in range(0, max(len(rows), 1), _ROWS_A_BLOCK):
            blocks.append(Block(len(blocks), scene, start == 0, tuple(rows[start : start + _ROWS_A_BLOCK])))
    return blocks


def _rows(scene: ScenePage, shown: set[str]) -> list[Row]:
    at: dict[int, list[ShotPage]] = {}
    for shot, anchor in zip(scene.shots, scene.anchors, strict=True):
        if shot.name in shown:
            at.setdefault(anchor, []).append(shot)
    rows = []
    for place, element in enumerate(scene.elements):
        shots = at.pop(place, [])
        # Many shots at one line are parted, so that no block becomes endless.
        rows.append(Row(element, tuple(shots[:_ROWS_A_BLOCK])))
        for start in range(_ROWS_A_BLOCK, len(shots), _ROWS_A_BLOCK):
            rows.append(Row(None, tuple(shots[start : start + _ROWS_A_BLOCK])))
    rows += [Row(None, tuple(shots)) for shots in at.values()]
    return rows


def routes(desk: Desk) -> list[Route]:
    def asked(request: Request) -> tuple[str, str]:
        show = request.query_params.get("show", "all")
        return (show if show in SHOWN else "all"), request.query_params.get("q", "")[:200]

    kept: dict[tuple[int, int, str, str], list[Block]] = {}

    def blocks(seen: Seen, show: str, words: str) -> list[Block]:
        """The blocks of what is seen now, worked out once as long as nothing changes."""
        assert seen.reading is not None
        key = (seen.reading.number, desk.queries.watch.changes if show != "all" else 0, show, words)
        if key not in kept:
            if len(kept) >= _FILTERS_KEPT:
                kept.clear()
            kept[key] = blocks_of(seen, seen.reading, show, words)
        return kept[key]

    async def page(request: Request) -> Response:
        show, words = asked(request)
        seen = await desk.read()
        assert seen.reading is not None
        reading = seen.reading
        counts = {name: sum(1 for shot in reading.shots.values() if is_shown(seen, shot, name)) for name in SHOWN}
        return await desk.page(
            request,
            "scenes.html",
            title="Scenes",
            here="scenes",
            parts=("list",),
            reading=reading,
            blocks=blocks(seen, show, words),
            filled=_BLOCKS_AT_ONCE,
            show=show,
            words_asked=words,
            shown=SHOWN,
            counts=counts,
            lights=seen.of,
            waits=lambda shot: waits(seen, shot),
        )

    async def block(request: Request) -> Response:
        show, words = asked(request)
        seen = await desk.read()
        number = request.path_params["number"]
        made = blocks(seen, show, words)
        if number >= len(made):
            raise HTTPException(404, "the screenplay has become shorter")
        return await desk.page(
            request,
            "_scene_block.html",
            block=replace(made[number]),
            lights=seen.of,
            waits=lambda shot: waits(seen, shot),
        )

    return [Route("/scenes", page), Route("/scenes/blocks/{number:int}", block)]
