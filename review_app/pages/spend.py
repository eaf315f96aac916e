"""Spend: where the money is by day, shot, backend and approval, what waits for a person's word, and the book as CSV."""

import datetime
import re
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from film_pipeline.signing import write_spend_csv
from film_pipeline.stores.ledger.tally import Sums
from review_app.pages.answers import done, form_of, text_of, who_asks, writing
from review_app.pages.desk import Desk
from review_app.queries.money import Row, a_second, caps, finished_seconds, in_doubt, rows_by

BY = {"day": "By day", "shot": "By shot", "engine": "By backend", "approval": "By approval"}
_ROWS = 100
_DOUBTS = 50
_BAR = 1000
"""The width of the bar of the budget, in its own units."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PIECE = 1 << 16


def routes(desk: Desk) -> list[Route]:
    writing_out = anyio.CapacityLimiter(1)

    async def page(request: Request) -> Response:
        by = request.query_params.get("by", "day")
        by = by if by in BY else "day"
        start = _start(request.query_params.get("start", ""))
        seen = await desk.read()
        sums = await desk.queries.reckoning.fresh()
        film = desk.queries.watch.film
        doubts, waiting = await run_in_threadpool(in_doubt, film, _DOUBTS)
        rows: list[Any]
        if by == "approval":
            rows, count = await run_in_threadpool(caps, film, sums, start, _ROWS)
        else:
            all_rows = await run_in_threadpool(rows_by, sums, by, seen)
            rows, count = all_rows[start : start + _ROWS], len(all_rows)
        finished, planned = finished_seconds(seen)
        return await desk.page(
            request,
            "spend.html",
            title="Spend",
            here="spend",
            by=by,
            choices=BY,
            rows=rows,
            count=count,
            start=start,
            at_once=_ROWS,
            places=places_of(rows),
            total=sums.total,
            sorts=sums.by("sort"),
            machines=[(name, money) for name, money in sums.by("engine", lambda heap: heap.sort == "machines").items()],
            known=sums.known,
            overruns=sums.overruns,
            bar=bar_of(sums),
            finished=finished,
            planned=planned,
            a_second=a_second(sums.total.settled_usd, finished),
            doubts=doubts,
            waiting=waiting,
            reading=seen.reading,
        )

    async def resolve(request: Request) -> Response:
        form = await form_of(request)
        job, outcome = request.path_params["job"], text_of(form, "outcome")
        resolved = await run_in_threadpool(
            desk.verdicts.resolve, who_asks(request), job, outcome, text_of(form, "provider")
        )
        desk.queries.reckoning.look_anew()
        return done(request, f"the job is {resolved.state.value}", "/spend#doubts", state=resolved.state.value)

    async def entries(request: Request) -> Response:
        day = request.query_params.get("day", "")
        if day and not _is_day(day):
            raise HTTPException(404, "there is no such day")
        name = f"spend-{day}.csv" if day else "spend.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(_pieces(desk, day, writing_out), media_type="text/csv; charset=utf-8", headers=headers)

    return [
        Route("/spend", page),
        Route("/spend/entries.csv", entries),
        Route("/spend/jobs/{job}", writing(desk, resolve), methods=["POST"]),
    ]


def _start(text: str) -> int:
    return int(text) // _ROWS * _ROWS if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and datetime.date.fromisoformat(text))
    except ValueError:
        return False


async def _pieces(desk: Desk, day: str, writing_out: anyio.CapacityLimiter) -> AsyncIterator[str]:
    """The book as CSV, written to disk first, however long it is; one at a time."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        ledger = desk.queries.watch.film.ledger
        await anyio.to_thread.run_sync(write_spend_csv, ledger, file, day, limiter=writing_out)
        file.seek(0)
        while piece := await run_in_threadpool(file.read, _PIECE):
            yield piece


def places_of(rows: list[Any]) -> int:
    """How many places behind the point a table needs, so that its points stand under each other."""
    amounts = []
    for row in rows:
        if isinstance(row, Row):
            amounts += [row.money.reserved_usd, row.money.uncertain_usd, row.money.settled_usd, row.machines_usd]
        else:
            amounts += [row.cap_usd, row.reserved_usd, row.settled_usd]
    return max((-int(amount.normalize().as_tuple().exponent) for amount in amounts), default=2)


def bar_of(sums: Sums) -> dict[str, int]:
    """The budget as a bar: how wide each part of it is drawn. Beyond the budget, all of the bar is what was used."""
    total = sums.total
    whole = max(total.budget_usd, total.used_usd)
    if not whole:
        return {"whole": _BAR, "settled": 0, "reserved": 0, "uncertain": 0, "budget": _BAR}
    part = {
        "settled": total.settled_usd,
        "reserved": total.reserved_usd,
        "uncertain": total.uncertain_usd,
        "budget": total.budget_usd,
    }
    return {"whole": _BAR} | {name: max(0, int(amount * _BAR / whole)) for name, amount in part.items()}
