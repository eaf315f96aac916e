"""Exports: the notes of a shot or of the film as CSV and as markers of an OTIO timeline."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.noting import notes_csv, notes_of, notes_otio
from review_app.pages.desk import Desk

_TYPES = {"csv": "text/csv; charset=utf-8", "otio": "application/json"}


def routes(desk: Desk) -> list[Route]:
    def written(kind: str, shot: str) -> str:
        film = desk.queries.watch.film
        notes = notes_of(film, shot)
        return notes_csv(notes) if kind == "csv" else notes_otio(film, notes, shot)

    async def export(request: Request) -> Response:
        kind, shot = request.path_params["kind"], request.query_params.get("shot", "")
        if kind not in _TYPES:
            raise HTTPException(404, "notes are given out as csv and otio")
        if shot:
            await desk.shot(shot)
        else:
            await desk.read()
        text = await run_in_threadpool(written, kind, shot)
        name = f"notes-{shot}.{kind}" if shot else f"notes.{kind}"
        return Response(
            text, media_type=_TYPES[kind], headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    return [Route("/exports/notes.{kind}", export)]
