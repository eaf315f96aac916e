"""News of the film, as server-sent events. Pages then ask for what they show.

changed: a file, or how far a shot is. landed: pictures came home. told: something was decided, said or moved, with the
shots that it is about; `*` for more than are named.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from review_app.pages.desk import Desk

_LOOK_EVERY_S = 1.0
_STILL_HERE_S = 15.0
_ASK_WHO_S = 5.0
_EVERYTHING = "*"


@dataclass(frozen=True)
class Heard:
    """How far somebody has heard: the changes, the landings and what was told."""

    changes: int
    landed: int
    told: int

    def __str__(self) -> str:
        return f"{self.changes}.{self.landed}.{self.told}"

    @classmethod
    def now(cls, desk: Desk) -> "Heard":
        watch = desk.queries.watch
        return cls(watch.changes, watch.landed, watch.seen.book.count)

    @classmethod
    def read(cls, text: str) -> "Heard | None":
        """What a browser says that it has heard; None where it says nothing that can be read."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
            return None
        return cls(*map(int, parts))


class SinceWhen:
    """Notes with every request how far its page has heard, before anything of it is looked up.

    And that somebody waits for an answer, so that the watch gives way; nobody waits at the end of a stream of news.
    """

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app, self.desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["heard"] = str(Heard.now(self.desk))
        with self.desk.queries.courtesy.serving() if scope["path"] != "/events" else nullcontext():
            await self.app(scope, receive, send)


def routes(desk: Desk) -> list[Route]:
    async def events(request: Request) -> Response:
        said = request.headers.get("last-event-id") or request.query_params.get("since", "")
        since = Heard.read(said) or Heard.now(desk)
        return StreamingResponse(news(desk, request, since), media_type="text/event-stream")

    return [Route("/events", events)]


async def news(desk: Desk, request: Request, heard: Heard) -> AsyncIterator[str]:
    """An event for each change since then, and a sign of life where nothing changes.

    It ends when the reader has gone, and when they may come in no more.
    """
    silent = asked = 0.0
    yield ": listening\n\n"
    while not await request.is_disconnected():
        await desk.queries.fresh(_LOOK_EVERY_S)
        now = Heard.now(desk)
        if now != heard:
            yield _events(desk, heard, now)
            heard, silent = now, 0.0
        elif silent >= _STILL_HERE_S:
            yield ": still here\n\n"
            silent = 0.0
        await asyncio.sleep(_LOOK_EVERY_S)
        silent, asked = silent + _LOOK_EVERY_S, asked + _LOOK_EVERY_S
        if asked >= _ASK_WHO_S:
            asked = 0.0
            if await run_in_threadpool(desk.accounts.who, request.state.token) is None:
                return


def _events(desk: Desk, heard: Heard, now: Heard) -> str:
    """What came between. Counts that were higher before are of a server that has ended: all may be different."""
    said = []
    if now.told != heard.told:
        found = desk.queries.seen.book.told_since(heard.told) if heard.told < now.told else {_EVERYTHING}
        said.append(f"event: told\ndata: {json.dumps(sorted(found))}\n")
    if now.landed != heard.landed:
        said.append(f"event: landed\ndata: {now.landed}\n")
    if now.changes != heard.changes:
        said.append(f"event: changed\ndata: {now.changes}\n")
    return "".join(f"id: {now}\n{one}\n" for one in said)
