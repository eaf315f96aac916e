"""Notes on a shot: written, answered, drawn. They are shown on the shot's page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review_app.drawing import read_drawing
from review_app.pages.answers import done, form_of, maybe_number, text_of, who_asks, writing
from review_app.pages.desk import Desk
from review_app.verdicts import Words

_MOST = 999_999_999


def routes(desk: Desk) -> list[Route]:
    async def write(request: Request) -> Response:
        _, shot = await desk.shot(request.path_params["shot"], wait_s=0)
        form = await form_of(request)
        words = Words(
            shot=shot.name,
            text=text_of(form, "text"),
            take=maybe_number(form, "take", "take", 1, _MOST),
            frame=maybe_number(form, "frame", "frame", 0, _MOST),
            drawing=read_drawing(text_of(form, "drawing")),
            reply_to=maybe_number(form, "reply_to", "note", 1, _MOST),
            sent_as=text_of(form, "sent_as")[:64],
        )
        number = await run_in_threadpool(desk.verdicts.note, who_asks(request), words)
        return done(request, "noted", f"/shots/{shot.name}", number=number)

    return [Route("/shots/{shot}/notes", writing(desk, write), methods=["POST"])]
