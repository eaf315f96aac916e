"""The review app's routes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from film_pipeline.core.problems import FilmProblem
from review_app.pages import board, dailies, events, find, media, pictures, recipe, scenes, shot
from review_app.pages.desk import HERE, Desk
from review_app.queries import Queries
from review_app.safety import LOOPBACK, KnownHosts, NoForeignPosts, SafeAnswers


def review_app(
    queries: Queries,
    *,
    hosts: Sequence[str] = LOOPBACK,
    doors: Sequence[Middleware] = (),
    more_routes: Sequence[Callable[[Desk], Sequence[BaseRoute]]] = (),
) -> Starlette:
    """The app over one production.

    doors: middleware between the safety of every answer and the pages: sessions, tokens, roles. What they know of the
    person they put into `request.state.person`. more_routes: pages of others, each made with the desk.
    """
    desk = Desk(queries)

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        queries.open()
        yield
        queries.close()

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/", _to_scenes),
            Mount("/static", StaticFiles(directory=HERE / "static", check_dir=False), name="static"),
            *(
                route
                for made in (media, scenes, shot, board, dailies, events, find, recipe, pictures)
                for route in made.routes(desk)
            ),
            *(route for more in more_routes for route in more(desk)),
        ],
        middleware=[
            Middleware(SafeAnswers),
            Middleware(KnownHosts, hosts=hosts),
            Middleware(NoForeignPosts),
            *doors,
        ],
        exception_handlers={HTTPException: _refusal(desk), FilmProblem: _problem(desk)},
        lifespan=opened,
    )


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
