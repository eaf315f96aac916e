"""Shares: make a link to some pictures, see which were given out, take one back. For approvers."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger.shares import LONGEST, Share
from review_app.accounts import NotAllowed
from review_app.pages.answers import done, form_of, number_of, stays, text_of, who_asks, writing
from review_app.pages.desk import Desk
from review_app.queries.sharing import chosen
from review_app.queries.strips import label_of

_DAYS = 7
_CLIPS_NAMED = 6


def routes(desk: Desk) -> list[Route]:
    async def answer(request: Request, status: int = 200, **shown: Any) -> Response:
        seen = await desk.read()
        assert seen.reading is not None
        ledger = desk.queries.watch.film.ledger
        given = await run_in_threadpool(ledger.shares.all)
        defaults = {"link": "", "told": "", "without": (), "title_asked": "", "wanted": "", "days": str(_DAYS)}
        return await desk.page(
            request,
            "shares.html",
            status,
            title="Shared links",
            here="shares",
            scenes=[scene for scene in seen.reading.scenes if scene.shots],
            shares=[(share, _state(share, ledger.shares.is_open(share)), _shown(share)) for share in given],
            longest=LONGEST.days,
            **(defaults | shown),
        )

    async def page(request: Request) -> Response:
        who = who_asks(request)
        if not who.may("approver"):
            raise NotAllowed.to(who, "approver", "share pictures with others")
        return await answer(request, wanted=request.query_params.get("show", "")[:2000])

    async def make(request: Request) -> Response:
        form = await form_of(request)
        wanted, title = text_of(form, "show"), text_of(form, "title")
        try:
            made, without, link = await _make(request, title, wanted, form)
        except NotAllowed:
            raise
        except FilmProblem as problem:
            if stays(request):
                raise
            told = f"{problem.problem[0].upper()}{problem.problem[1:]}: {problem.mend}."
            shown = {"told": told, "wanted": wanted, "title_asked": title, "days": text_of(form, "days")}
            return await answer(request, 409, **shown)
        if stays(request):
            return JSONResponse({"said": "the link is made", "link": link, "number": made.number, "without": without})
        return await answer(request, link=link, made=made, without=without)

    async def _make(request: Request, title: str, wanted: str, form: Any) -> tuple[Share, tuple[str, ...], str]:
        who = who_asks(request)
        days = number_of(form, "days", "the days", 1, LONGEST.days)
        seen = await desk.read()
        assert seen.reading is not None
        meant = await run_in_threadpool(chosen, seen.reading, desk.queries.screening, wanted)
        if not meant.clips and meant.without:
            raise FilmProblem(f"nothing was made of {meant.without[0]} yet", "share it when it has pictures")
        token, share = await run_in_threadpool(desk.verdicts.share, who, title, meant.clips, days)
        return share, meant.without, f"{request.base_url}s/{token}"

    async def revoke(request: Request) -> Response:
        await run_in_threadpool(desk.verdicts.revoke_share, who_asks(request), request.path_params["number"])
        return done(request, "the link shows nothing any more", "/shares")

    return [
        Route("/shares", writing(desk, page)),
        Route("/shares", writing(desk, make), methods=["POST"]),
        Route("/shares/{number:int}/revoke", writing(desk, revoke), methods=["POST"]),
    ]


def _state(share: Share, is_open: bool) -> str:
    if share.revoked_at:
        return f"taken back by {share.revoked_by}, {share.revoked_at[:10]}"
    return "" if is_open else "expired"


def _shown(share: Share) -> str:
    named = [f"{clip.shot} {label_of(clip.stage, clip.version)}" for clip in share.clips[:_CLIPS_NAMED]]
    more = len(share.clips) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])])
