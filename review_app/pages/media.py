"""Pictures, films and files by their content hash. What has a hash for its name never changes."""

import re
from pathlib import Path

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.thumbnails import SHOWN_WIDTHS
from review_app.pages.desk import Desk

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEPT = "private, max-age=31536000, immutable"
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "wav": "audio/wav",
    "json": "application/json",
    "glb": "model/gltf-binary",
    "pdf": "application/pdf",
}
"""What is shown in the browser; everything else can only be saved."""
_MADE_AT_ONCE = 2


def routes(desk: Desk) -> list[Route]:
    making = anyio.CapacityLimiter(_MADE_AT_ONCE)

    async def jpeg(sha256: str, width: int) -> Response:
        """A kept picture as JPEG. Not yet made ones are made here, few at once, so that pages still get threads."""
        if not _SHA256.fullmatch(sha256) or width not in SHOWN_WIDTHS:
            raise HTTPException(404, "no such picture")
        cached = desk.queries.media.thumbnail_path(sha256, width)
        if not await anyio.to_thread.run_sync(cached.is_file):
            try:
                cached = await anyio.to_thread.run_sync(desk.queries.thumbnail, sha256, width, limiter=making)
            except FilmProblem as problem:
                raise HTTPException(404, problem.problem) from problem
        # The pictures of an asset are shown in Dagster's web UI, which is another port of the same machine.
        headers = {"Cache-Control": _KEPT, "Cross-Origin-Resource-Policy": "same-site"}
        return FileResponse(cached, media_type="image/jpeg", headers=headers)

    async def picture(request: Request) -> Response:
        sha256, _, width = request.path_params["name"].partition(".")
        return await jpeg(sha256, int(width) if width.isdecimal() and len(width) < 6 else 0)

    async def thumbnail(request: Request) -> Response:
        return await jpeg(request.path_params["name"], SHOWN_WIDTHS[0])

    async def media(request: Request) -> Response:
        sha256, _, extension = request.path_params["name"].partition(".")
        if not _SHA256.fullmatch(sha256):
            raise HTTPException(404, "no such file")
        path: Path | None = await anyio.to_thread.run_sync(desk.queries.file, sha256)
        if path is None:
            raise HTTPException(404, "no such file")
        if extension in _TYPES:
            return FileResponse(path, media_type=_TYPES[extension], headers={"Cache-Control": _KEPT})
        headers = {"Cache-Control": _KEPT, "Content-Disposition": f'attachment; filename="{sha256[:12]}"'}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    return [
        Route("/thumbnails/{name}.jpg", thumbnail),
        Route("/pictures/{name}.jpg", picture),
        Route("/media/{name}", media),
    ]
