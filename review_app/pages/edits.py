"""What was dragged in 3D, as a change of the shot's file: shown first, and written when the author accepts it."""

import json
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.shot_edits import Proposal, Refused, propose
from review_app.pages.desk import Desk
from review_app.shot_writing import why_not, write_shot

_LARGEST_BODY = 64 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


def routes(desk: Desk) -> list[Route]:
    async def proposed(request: Request) -> Response:
        """The diff of the author's file, and what would be wrong with it. Nothing is written."""
        _, shot = await desk.shot(request.path_params["shot"])
        asked = await _asked(request)
        try:
            proposal = await run_in_threadpool(
                lambda: propose(desk.queries.watch.film.read_anew(), shot.name, asked.get("changes"))
            )
        except FilmProblem as problem:
            return _problem(400, problem.problem, problem.mend)
        return JSONResponse(_told(proposal))

    async def accepted(request: Request) -> Response:
        """The author's click. This is the only request that has an author's file written."""
        _, shot = await desk.shot(request.path_params["shot"])
        asked = await _asked(request)
        if why := why_not(request.state.person):
            return _problem(403, why, "ask whoever may")
        seen = asked.get("made_from_sha256")
        if not isinstance(seen, str) or not _SHA256.fullmatch(seen):
            return _problem(400, "it is not said which file was looked at", "look at the change, then accept it")
        try:
            proposal, done = await run_in_threadpool(
                lambda: write_shot(desk.queries.watch.film.read_anew(), shot.name, asked.get("changes"), seen)
            )
        except FilmProblem as problem:
            return _problem(409, problem.problem, problem.mend)
        if isinstance(done, Refused):
            return _problem(409, done.why, done.mend)
        desk.queries.watch.look()
        assert proposal.previz is not None
        written = {"file": done.file, "sha256": done.sha256, "previz": proposal.previz.model_dump(mode="json")}
        return JSONResponse(written)

    return [
        Route("/shots/{shot}/edits", proposed, methods=["POST"]),
        Route("/shots/{shot}/edits/accept", accepted, methods=["POST"]),
    ]


async def _asked(request: Request) -> dict[str, Any]:
    """The JSON object that a page sends. A form of another site can't send one."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "changes are sent as JSON")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, "that is more than any change of a shot")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "that is not JSON") from error
    if not isinstance(asked, dict):
        raise HTTPException(400, "that is no change of a shot")
    return asked


def _told(proposal: Proposal) -> dict[str, Any]:
    """A proposal for the page, which has no business with where the production lies on the disk."""
    problems = [
        {"problem": problem.problem, "mend": problem.mend, "field": problem.field_name, "line": problem.line}
        for problem in proposal.problems
    ]
    return {**proposal.as_json(), "problems": problems}


def _problem(status: int, problem: str, mend: str) -> Response:
    return JSONResponse({"problem": problem, "mend": mend}, status_code=status)
