"""The doors before the pages: nobody comes in without a session, and nothing is written without a token of it."""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from film_pipeline.core.passwords import derived, same
from review_app.accounts import Accounts, Who

PUBLIC = ("/static/", "/welcome/", "/s/")
_PUBLIC_PAGES = ("/health", "/login")
WRITES_NOTHING = ("/find",)
"""Looking for a frame by its bytes is a POST, because a file is sent, and keeps nothing."""
CSRF_HEADER, CSRF_FIELD = "x-csrf", "csrf"
_LARGEST_FORM = 256 * 1024
_CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")


class Door:
    """Says who asks, in `request.state.person`; sends everybody else to the door; checks the token of every write."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self.app, self.accounts = app, accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = token_of(headers, session_cookie(self.accounts.cookie, scope))
        who = await run_in_threadpool(self.accounts.who, token) if token else None
        scope.setdefault("state", {})
        scope["state"]["person"], scope["state"]["token"] = who, token
        scope["state"]["visit"] = token_of(headers, visit_cookie(self.accounts.cookie, scope))
        path = scope["path"]
        if who is None and not is_public(path):
            await _to_the_door(scope, headers)(scope, receive, send)
            return
        if scope["method"] not in _CHANGES_NOTHING and path not in WRITES_NOTHING:
            allowed, receive = await _may_write(scope, receive, headers, who)
            if not allowed:
                refused = PlainTextResponse("this form is too old: load the page again", status_code=403)
                await refused(scope, receive, send)
                return
        if who is not None and _by_hand(scope, headers):
            await run_in_threadpool(self.accounts.was_here, who)
        await self.app(scope, receive, send)


def is_public(path: str) -> bool:
    return path in _PUBLIC_PAGES or path.startswith(PUBLIC)


def session_cookie(name: str, scope: Scope) -> str:
    """Over TLS a cookie that no other host of the domain can set."""
    return f"__Host-{name}" if scope["scheme"] == "https" else name


def visit_cookie(name: str, scope: Scope) -> str:
    return session_cookie(f"{name}_visit", scope)


def token_of(headers: Headers, name: str) -> str:
    """What a cookie of that name holds; empty where there is none."""
    try:
        held = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return held.value[:128] if held is not None else ""


def csrf_of_visit(visit: str) -> str:
    """The token of forms that somebody sends who is not in yet."""
    return derived(visit, "visit") if visit else ""


def set_session(response: Response, scope: Scope, accounts: Accounts, token: str, lasts_s: int) -> None:
    """Give a browser its session, or take it away with an empty token."""
    response.set_cookie(
        session_cookie(accounts.cookie, scope),
        token,
        max_age=lasts_s if token else 0,
        path="/",
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )


def safe_next(address: str) -> str:
    """Where somebody goes after coming in: a page of this app and nowhere else."""
    parts = urlsplit(address)
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    clean = inside and all(" " <= sign <= "~" for sign in address) and "\\" not in address
    return address if clean and not address.startswith(("/login", "/logout")) else "/scenes"


def _by_hand(scope: Scope, headers: Headers) -> bool:
    """Whether a person did it, and not a page that keeps itself fresh."""
    return scope["method"] not in _CHANGES_NOTHING or headers.get("sec-fetch-mode") == "navigate"


def _to_the_door(scope: Scope, headers: Headers) -> Response:
    asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    if headers.get("hx-request") == "true":
        current = urlsplit(headers.get("hx-current-url", ""))
        back = current.path + (f"?{current.query}" if current.query else "")
        return PlainTextResponse("log in again", 401, {"HX-Redirect": f"/login?next={quote(back, safe='')}"})
    if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
        where = "" if asked in ("/", "/scenes") else f"?next={quote(asked, safe='')}"
        return RedirectResponse(f"/login{where}", 303)
    return PlainTextResponse("log in first", 401)


async def _may_write(scope: Scope, receive: Receive, headers: Headers, who: Who | None) -> tuple[bool, Receive]:
    """Whether a write carries the token of its session (or of its visit, before there is one)."""
    wanted = who.csrf if who is not None else csrf_of_visit(scope["state"]["visit"])
    # Coming in and going out: a form that was opened before somebody logged in elsewhere is still theirs.
    given = headers.get(CSRF_HEADER, "")
    if not given and headers.get("content-type", "").partition(";")[0] == "application/x-www-form-urlencoded":
        body, receive = await _read(receive)
        given = "" if body is None else _first(parse_qs(body.decode("utf-8", "replace")).get(CSRF_FIELD, ()))
    return bool(wanted) and same(given, wanted), receive


def _first(values: Iterable[str]) -> str:
    return next(iter(values), "")


async def _read(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body of a form, and a way to read it once more. None where it is larger than any form."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body") or size > _LARGEST_FORM:
            break
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    whole = size <= _LARGEST_FORM and messages[-1]["type"] == "http.request"
    return (b"".join(message.get("body", b"") for message in messages) if whole else None), again
