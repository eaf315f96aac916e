"""Takes: circled, rejected with a note, asked for again with direction."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from review_app.pages.answers import done, form_of, number_of, text_of, who_asks, writing
from review_app.pages.desk import Desk

_MOST = 99_999


def routes(desk: Desk) -> list[Route]:
    verdicts = desk.verdicts

    async def say(request: Request) -> Response:
        """A word on a take: circle, reject or retake."""
        _, shot = await desk.shot(request.path_params["shot"], wait_s=0)
        form, who = await form_of(request), who_asks(request)
        word, note = text_of(form, "word"), text_of(form, "note")
        take = number_of(form, "take", "take", 0, _MOST)
        back = f"/shots/{shot.name}"
        match word:
            case "circle":
                await run_in_threadpool(verdicts.circle, who, shot.name, take, note)
                return done(request, f"take {take} is circled", back, take=take)
            case "reject":
                await run_in_threadpool(verdicts.reject, who, shot.name, take, note)
                return done(request, f"take {take} is rejected", back, take=take)
            case "retake":
                sent_as = text_of(form, "sent_as")[:64]
                asked = await run_in_threadpool(verdicts.retake, who, shot.name, take, note, sent_as)
                return done(
                    request, f"take {asked.take} is asked for", f"{back}?a=render.{asked.take}", take=asked.take
                )
        raise FilmProblem(f"{word[:20]!r} is no word on a take", "say circle, reject or retake")

    return [Route("/shots/{shot}/takes", writing(desk, say), methods=["POST"])]
