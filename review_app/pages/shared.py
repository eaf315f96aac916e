"""What somebody sees who has a shared link and no account: its pictures, until it ends, and nothing else."""

import re
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from film_pipeline.core.passwords import kept_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.shares import Share
from film_pipeline.stores.thumbnails import SHOWN_WIDTHS
from review_app.keys import KEYS
from review_app.limits import Limit, address_key
from review_app.pages.desk import Desk
from review_app.queries.sharing import SharedReel, SharedReels

_QUARTER_S = 15 * 60.0
_WRONG, _PAGES, _PICTURES_A_MINUTE = 30, 300, 6000
"""How often one address may ask for links that there are not, for pages, and for pictures."""
_MADE_AT_ONCE = 1
_WITHOUT = {"around", "next-version", "next-stage", "wipe", "blink", "swap", "wipe-left", "wipe-right", "pose"}
_WITHOUT |= {"previz", "recipe", "next-shot", "previous-shot", "search"}
_KEYS = [
    key
    for key in KEYS
    if key.where == "player" or (key.where == "everywhere" and not key.action.startswith("go-"))
    if key.action not in _WITHOUT
]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_PICTURE = re.compile(r"([0-9a-f]{64})\.(\d{1,5})")
_ALONE = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
"""The address is the key: no other site hears of it, and nobody lists it."""


class Gone(Exception):
    """A link that shows nothing. share: None where there never was such a link."""

    def __init__(self, share: Share | None = None) -> None:
        super().__init__()
        self.share = share

    @property
    def said(self) -> str:
        if self.share is None:
            return "There is no such link. Perhaps a part of its address is missing."
        if self.share.revoked_at:
            return "This link was taken back."
        return f"This link expired on {self.share.expires_at[:10]} at {self.share.expires_at[11:16]} UTC."

    @property
    def status(self) -> int:
        return 404 if self.share is None else 410


class Links:
    """Looks links up for people who are not known, and not too often."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        queries = desk.queries
        self._reels = SharedReels(queries.frames, queries.screening)
        self._wrong = Limit(_WRONG, _QUARTER_S)
        self._pages = Limit(_PAGES, _QUARTER_S)
        self._pictures = Limit(_PICTURES_A_MINUTE, 60.0, keep=256)

    def too_often(self, address: str, what: str) -> float:
        """Seconds that somebody has to wait; 0 where they may ask now."""
        limit = self._pages if what == "page" else self._pictures
        return self._wrong.waits(address) or limit.try_now(address)

    def open(self, token: str, address: str) -> tuple[Share, SharedReel]:
        """What a link shows. May block. Raises Gone."""
        shares = self._desk.queries.watch.film.ledger.shares
        share = shares.given_out(kept_of(token)) if _TOKEN.fullmatch(token) else None
        if share is None:
            self._wrong.try_now(address)
            raise Gone
        if not shares.is_open(share):
            raise Gone(share)
        return share, self._reels.of(share, self._desk.queries.seen.reading)


def routes(desk: Desk) -> list[Route]:
    links, making = Links(desk), anyio.CapacityLimiter(_MADE_AT_ONCE)

    async def page(request: Request) -> Response:
        address = _address(request)
        if wait_s := links.too_often(address, "page"):
            return _later(wait_s)
        seen = await desk.read()
        assert seen.reading is not None
        token = request.path_params["token"]
        try:
            share, reel = await run_in_threadpool(links.open, token, address)
        except Gone as gone:
            return await _answer(desk, request, gone.status, title="Nothing to see", said=gone.said, told=None)
        if not reel.clips:
            said = "The pictures of this link are no longer there."
            return await _answer(desk, request, 410, title="Nothing to see", said=said, told=None)
        told = {
            "rate": [seen.reading.rate.numerator, seen.reading.rate.denominator],
            "size": list(seen.reading.resolution),
            "shot": {**reel.clips[0], "name": "", "shot": ""},
            "strips": [],
            "keypoints": "",
            "before": "",
            "after": "",
            "previz": "",
            "reel": list(reel.clips),
            "pictures": f"/s/{token}/pictures",
        }
        return await _answer(desk, request, 200, title=share.title, said="", told=told, share=share, reel=reel)

    async def picture(request: Request) -> Response:
        address = _address(request)
        if wait_s := links.too_often(address, "picture"):
            return _later(wait_s)
        try:
            _, reel = await run_in_threadpool(links.open, request.path_params["token"], address)
        except Gone as gone:
            return PlainTextResponse(gone.said, gone.status, _ALONE)
        asked = _PICTURE.fullmatch(request.path_params["name"])
        if asked is None or asked[1] not in reel.pictures or int(asked[2]) not in SHOWN_WIDTHS:
            return PlainTextResponse("this link shows no such picture", 404, _ALONE)
        try:
            file = await anyio.to_thread.run_sync(desk.queries.thumbnail, asked[1], int(asked[2]), limiter=making)
        except FilmProblem as problem:
            raise HTTPException(404, "the picture is no longer there") from problem
        # So long a browser may show it after the link was taken back.
        headers = {"Cache-Control": "private, max-age=300", **_ALONE}
        return FileResponse(file, media_type="image/jpeg", headers=headers)

    return [Route("/s/{token}", page), Route("/s/{token}/pictures/{name}.jpg", picture)]


def _address(request: Request) -> str:
    return address_key(request.client.host if request.client else "")


def _later(wait_s: float) -> Response:
    headers = {"Retry-After": str(int(wait_s) + 1), **_ALONE}
    return PlainTextResponse("This was asked for too often. Wait a little.", 429, headers)


async def _answer(desk: Desk, request: Request, status: int, **shown: Any) -> Response:
    shown = {"share": None, "reel": None, **shown}
    keys = [{"key": key.key, "action": key.action} for key in _KEYS]
    response = await desk.page(request, "shared.html", status, shared_keys=_KEYS, keys_shown=keys, **shown)
    response.headers.update(_ALONE)
    return response
