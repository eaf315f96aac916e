"""The review app's routes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from film_pipeline.core.problems import FilmProblem
from review_app.accounts import Accounts
from review_app.doors import Door
from review_app.pages import (
    board,
    coming_in,
    dailies,
    edits,
    events,
    exports,
    find,
    gate,
    media,
    notes,
    people,
    pictures,
    recipe,
    scenes,
    shared,
    shares,
    shot,
    spend,
    takes,
    workers,
)
from review_app.pages.desk import HERE, Desk
from review_app.queries import Queries
from review_app.safety import LOOPBACK, KnownHosts, NoForeignPosts, SafeAnswers

PAGES = (
    coming_in,
    people,
    media,
    scenes,
    shot,
    edits,
    gate,
    takes,
    notes,
    board,
    dailies,
    events,
    find,
    recipe,
    pictures,
    spend,
    workers,
    shares,
    shared,
    exports,
)
"""The modules of the pages."""


def review_app(
    queries: Queries,
    *,
    hosts: Sequence[str] = LOOPBACK,
    accounts: Accounts | None = None,
    more_routes: Sequence[Callable[[Desk], Sequence[BaseRoute]]] = (),
) -> Starlette:
    """The app over one production: nobody sees a page without a session, and there is no way to open it to anyone.

    accounts: who may come in; of the production's own ledger unless given. more_routes: further pages, each made with
    the desk.
    """
    accounts = accounts or Accounts(lambda: queries.watch.film.ledger)
    desk = Desk(queries, accounts)

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        # The ledger is opened once, before several threads ask for it.
        await run_in_threadpool(lambda: accounts.cookie)
        queries.open()
        yield
        accounts.close()
        queries.close()

    app = Starlette(
        routes=[
            Route("/health", _health),
            Route("/", _to_scenes),
            Mount("/static", StaticFiles(directory=HERE / "static", check_dir=False), name="static"),
            *(route for made in PAGES for route in made.routes(desk)),
            *(route for more in more_routes for route in more(desk)),
        ],
        middleware=[
            Middleware(SafeAnswers),
            Middleware(KnownHosts, hosts=hosts),
            Middleware(NoForeignPosts),
            Middleware(Door, accounts=accounts),
            Middleware(events.SinceWhen, desk=desk),
        ],
        exception_handlers={HTTPException: _refusal(desk), FilmProblem: _problem(desk)},
        lifespan=opened,
    )
    app.state.accounts = accounts
    return app


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _to_scenes(_: Request) -> Response:
    return RedirectResponse("/scenes")


def _refusal(desk: Desk):  # type: ignore[no-untyped-def]
    async def refusal(request: Request, error: Exception) -> Response:
        """What was asked for is not there, or not yet."""
        assert isinstance(error, HTTPException)
        if error.status_code == 503:
            return await desk.page(request, "reading.html", 503, title="Reading", problem=desk.queries.seen.problem)
        return await desk.page(
            request,
            "error.html",
            error.status_code,
            title="Not here",
            told=error.detail,
            mend="",
            code=error.status_code,
        )

    return refusal


def _problem(desk: Desk):  # type: ignore[no-untyped-def]
    async def problem(request: Request, error: Exception) -> Response:
        """Something in the production or its stores stops the page."""
        assert isinstance(error, FilmProblem)
        told = {"told": error.problem, "mend": error.mend, "code": 500}
        return await desk.page(request, "error.html", 500, title="A problem", **told)

    return problem
