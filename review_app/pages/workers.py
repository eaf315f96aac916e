"""Workers: what works on the film now, where, for how long, and what the machines cost."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review_app.pages.desk import Desk
from review_app.queries.machines import at_work


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        await desk.read()
        work = await run_in_threadpool(at_work, desk.queries.watch.film)
        part = request.headers.get("hx-request") == "true"
        return await desk.page(
            request, "_workers.html" if part else "workers.html", title="Workers", here="workers", work=work
        )

    return [Route("/workers", page)]
