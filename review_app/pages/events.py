"""News of the film, as server-sent events: something changed, frames landed. Pages then ask for what they show."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from review_app.pages.desk import Desk

_LOOK_EVERY_S = 1.0
_STILL_HERE_S = 15.0


def routes(desk: Desk) -> list[Route]:
    async def events(request: Request) -> Response:
        return StreamingResponse(news(desk, request), media_type="text/event-stream")

    return [Route("/events", events)]


async def news(desk: Desk, request: Request) -> AsyncIterator[str]:
    """An event for each change that was seen, and a sign of life where nothing changes, until the reader has gone."""
    watch = desk.queries.watch
    changes, landed = watch.changes, watch.landed
    silent = 0.0
    yield ": listening\n\n"
    while not await request.is_disconnected():
        await desk.queries.fresh(_LOOK_EVERY_S)
        if (watch.changes, watch.landed) != (changes, landed):
            if watch.landed != landed:
                yield f"event: landed\ndata: {watch.landed}\n\n"
            if watch.changes != changes:
                yield f"event: changed\ndata: {watch.changes}\n\n"
            changes, landed, silent = watch.changes, watch.landed, 0.0
        elif silent >= _STILL_HERE_S:
            yield ": still here\n\n"
            silent = 0.0
        await asyncio.sleep(_LOOK_EVERY_S)
        silent += _LOOK_EVERY_S
