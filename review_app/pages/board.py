"""Board: every shot in the column of the stage that it stands at."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.stages import Stage
from review_app.pages.desk import Desk
from review_app.queries import STAGES, Seen

DONE = "done"
COLUMNS = (*STAGES, DONE)
_CARDS_AT_ONCE = 24


def column_of(seen: Seen, shot: str) -> str:
    """The first stage whose work does not stand; `done` where all of it does."""
    return next((stage for stage, light in zip(STAGES, seen.of(shot), strict=True) if light.state != "current"), DONE)


def columns(seen: Seen) -> dict[str, list[str]]:
    """The shots of each column in the order of the film."""
    found: dict[str, list[str]] = {column: [] for column in COLUMNS}
    for shot in seen.reading.order if seen.reading else ():
        found[column_of(seen, shot)].append(shot)
    return found


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        seen = await desk.read()
        return await desk.page(
            request,
            "board.html",
            title="Board",
            here="board",
            parts=("list",),
            columns=columns(seen),
            headings={**{stage.value: stage.heading for stage in Stage}, DONE: "Done"},
            at_once=_CARDS_AT_ONCE,
            start=0,
            state=_states(seen),
            reading=seen.reading,
        )

    async def more(request: Request) -> Response:
        seen = await desk.read()
        column = request.path_params["column"]
        if column not in COLUMNS:
            raise HTTPException(404, "there is no such column")
        return await desk.page(
            request,
            "_cards.html",
            column=column,
            shots=columns(seen)[column],
            at_once=_CARDS_AT_ONCE,
            start=request.path_params["start"],
            state=_states(seen),
            reading=seen.reading,
        )

    return [Route("/board", page), Route("/board/{column}/{start:int}", more)]


def _states(seen: Seen):  # type: ignore[no-untyped-def]
    def state(shot: str, column: str):  # type: ignore[no-untyped-def]
        return None if column == DONE else seen.of(shot)[STAGES.index(column)]

    return state
