"""What every answer of the review app carries so that neither a hostile page nor a hostile file can do harm."""

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_UPLOAD = 2 << 30
"""Bytes: a frame that somebody drops to find its recipe."""

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# The 3D viewer reads the textures that lie inside a .glb by an address of their own.
_WITH_MODELS = {**_POLICY, "connect-src": "'self' blob:"}
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def policy(parts: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in parts.items())


class SafeAnswers:
    """Headers on every answer: a strict policy, no framing, no sniffing, and nothing private kept by a cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                parts = _WITH_MODELS if scope["path"].endswith("/previz") else _POLICY
                headers.setdefault("content-security-policy", policy(parts))
                headers.setdefault("cross-origin-resource-policy", "same-origin")
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_safely)


class KnownHosts:
    """Answers only under the names that it was started for, so that no foreign name can be made to point here."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOOPBACK) -> None:
        self.app = app
        self.hosts = {host.casefold() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or _host(Headers(scope=scope).get("host", "")) in self.hosts:
            await self.app(scope, receive, send)
            return
        refused = PlainTextResponse("this review app does not answer under that name", status_code=421)
        await refused(scope, receive, send)


class NoForeignPosts:
    """Refuses what another site sends in a person's name, and bodies that are larger than any frame."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            headers = Headers(scope=scope)
            refusal = _refusal(headers)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _refusal(headers: Headers) -> PlainTextResponse | None:
    origin = headers.get("origin", "")
    came_from = headers.get("sec-fetch-site", "same-origin")
    if came_from not in ("same-origin", "none") or (origin and origin.partition("://")[2] != headers.get("host")):
        return PlainTextResponse("another site may not do this", status_code=403)
    length = headers.get("content-length", "")
    if not length.isdigit():
        return PlainTextResponse("the size of the file has to be said", status_code=411)
    if int(length) > LARGEST_UPLOAD:
        return PlainTextResponse("the file is too large", status_code=413)
    return None


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].casefold()
    return header.partition(":")[0].casefold()


def warning_for(host: str) -> str:
    """What a person must know before others can reach the app; empty on the loopback."""
    if host in LOOPBACK:
        return ""
    return (
        f"WARNING: the review app listens on {host}. Everybody who reaches this machine can see the whole film. "
        "Put it behind a server with TLS and passwords, or start it without --host."
    )


def hosts_for(host: str, named: Sequence[str]) -> tuple[str, ...]:
    """The names that the app answers under."""
    return (*LOOPBACK, *([host] if host not in ("0.0.0.0", "::") else []), *named)
