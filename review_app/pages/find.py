"""Find a frame: any file, told from its bytes alone."""

import hashlib

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review_app.pages.desk import Desk

_READ_AT_ONCE = 1 << 20


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        return await desk.page(request, "find.html", title="Find a frame", here="find", searched=None)

    async def find(request: Request) -> Response:
        """The file is hashed and let go; nothing of it is kept."""
        async with request.form(max_files=1, max_fields=4) as form:
            dropped = form.get("file")
            if not isinstance(dropped, UploadFile) or not dropped.filename:
                searched = {"name": "", "sha256": "", "places": [], "record": None}
            else:
                sha256 = await run_in_threadpool(_sha256_of, dropped)
                places, record = await run_in_threadpool(
                    lambda: (desk.queries.places(sha256), desk.queries.record(sha256))
                )
                searched = {"name": dropped.filename, "sha256": sha256, "places": places, "record": record}
        part = request.headers.get("hx-request") == "true"
        return await desk.page(
            request, "_found.html" if part else "find.html", title="Find a frame", here="find", searched=searched
        )

    return [Route("/find", page), Route("/find", find, methods=["POST"])]


def _sha256_of(dropped: UploadFile) -> str:
    digest = hashlib.sha256()
    while chunk := dropped.file.read(_READ_AT_ONCE):
        digest.update(chunk)
    return digest.hexdigest()
