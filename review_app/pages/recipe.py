"""Recipe: the record of any file, and the graph of all that it was made from."""

import re
from decimal import Decimal

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.record import Record
from review_app.pages.desk import Desk
from review_app.queries import Landed
from review_app.queries.lineage import BOX_HEIGHT, BOX_WIDTH, Graph

_SHA256 = re.compile(r"[0-9a-f]{64}")
SHOWN_AS_PICTURES = (".png", ".jpg", ".jpeg", ".exr")


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        if not _SHA256.fullmatch(sha256):
            raise HTTPException(404, "the film made no such file")
        record, graph, places, made_into = await run_in_threadpool(_asked, desk, sha256)
        if record is None:
            raise HTTPException(404, "the film made no such file")
        return await desk.page(
            request,
            "recipe.html",
            title=record.deliverable,
            here="find",
            record=record,
            written=record.model_dump_json(indent=2),
            cost=_cost(record),
            graph=graph,
            places=places,
            made_into=made_into,
            is_picture=record.media_path.endswith(SHOWN_AS_PICTURES),
            extension=record.media_path.rpartition(".")[2],
            box=(BOX_WIDTH, BOX_HEIGHT),
        )

    return [Route("/recipes/{sha256}", page)]


def _asked(desk: Desk, sha256: str) -> tuple[Record | None, Graph, list[Landed], list[Landed]]:
    queries = desk.queries
    return queries.record(sha256), queries.lineage(sha256), queries.places(sha256), queries.made_into(sha256)


def _cost(record: Record) -> str:
    """What the file cost as far as it is known: an unknown price is never zero."""
    known = [Decimal(str(event.cost_usd)) for event in record.lineage.events if event.cost_usd is not None]
    unknown = len(record.lineage.events) - len(known)
    return f"US$ {sum(known, Decimal()):.2f}" + (f", and {unknown} of unknown price" if unknown else "")
