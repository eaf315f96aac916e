"""What forms send and what they are answered: JSON to a page that stays, an address to go to for one that does not."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from film_pipeline.core.problems import FilmProblem
from review_app.accounts import LARGEST_KEY, NotAllowed, TooOften, Who
from review_app.pages.desk import Desk

_MOST_FIELDS = 64
_LARGEST_PART = 256 * 1024
Handler = Callable[[Request], Awaitable[Response]]


def who_asks(request: Request) -> Who:
    """Whoever is logged in; the door lets nobody else in."""
    who = request.state.person
    assert isinstance(who, Who)
    return who


async def form_of(request: Request, files: int = 0) -> FormData:
    """What a form holds. Raises a 400 for one that is larger than any of ours."""
    return await request.form(max_files=files, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_PART)


def text_of(form: FormData, name: str) -> str:
    """A field as text; empty where it is missing or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def key_in(form: FormData) -> tuple[str, bytes]:
    """The passphrase of a key, and the key's file where one is brought. It is let go at once."""
    brought = form.get("key")
    pem = await brought.read(LARGEST_KEY + 1) if isinstance(brought, UploadFile) else b""
    await form.close()
    return text_of(form, "passphrase"), pem


def number_of(form: FormData, name: str, what: str, least: int, most: int) -> int:
    """A whole number. Raises FilmProblem for anything else."""
    text = text_of(form, name).strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not least <= int(text) <= most:
        raise FilmProblem(f"{what}: {text[:20]!r} is not a whole number from {least} to {most}", "correct it")
    return int(text)


def maybe_number(form: FormData, name: str, what: str, least: int, most: int) -> int | None:
    return number_of(form, name, what, least, most) if text_of(form, name).strip() else None


def stays(request: Request) -> bool:
    """Whether the page that asks stays where it is and shows what it is told."""
    return "application/json" in request.headers.get("accept", "")


def done(request: Request, said: str, back: str, **more: Any) -> Response:
    """It was done: said to a page that stays, else shown by the page to go to."""
    return JSONResponse({"said": said, "back": back, **more}) if stays(request) else RedirectResponse(back, 303)


def writing(desk: Desk, handler: Handler) -> Handler:
    """A handler whose problems are told to the person, with the status that fits."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except FilmProblem as problem:
            status = 403 if isinstance(problem, NotAllowed) else 429 if isinstance(problem, TooOften) else 409
            if stays(request):
                return JSONResponse({"problem": problem.problem, "mend": problem.mend}, status_code=status)
            return await desk.page(
                request, "error.html", status, title="Not done", told=problem.problem, mend=problem.mend, code=status
            )

    return handled
