"""The review app's routes."""

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from review_app.queries import Queries

THUMBNAIL_WIDTH = 480
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOR_EVER = "public, max-age=31536000, immutable"


def review_app(queries: Queries) -> Starlette:
    """The app over one production."""
    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/thumbnails/{name}.jpg", _thumbnail(queries)),
        ]
    )


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _thumbnail(queries: Queries) -> Callable[[Request], Awaitable[Response]]:
    async def thumbnail(request: Request) -> Response:
        """A picture by its content hash, as a small JPEG. What has a hash for its name never changes."""
        sha256 = request.path_params["name"]
        if not _SHA256.fullmatch(sha256):
            return PlainTextResponse("no such picture", status_code=404)
        try:
            path = await run_in_threadpool(queries.thumbnail, sha256, THUMBNAIL_WIDTH)
        except FilmProblem as problem:
            return PlainTextResponse(str(problem.problem), status_code=404)
        return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": _FOR_EVER})

    return thumbnail
