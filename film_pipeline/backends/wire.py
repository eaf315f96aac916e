"""HTTP to providers: what was surely not sent, what may have arrived, and what was answered, kept apart."""

import asyncio
import json
import logging
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from film_pipeline.backends.credentials import Secret, bearer_headers, scrubbed

# Each poll would be a line in every run's log, and addresses that are signed for us with it.
logging.getLogger("httpx").setLevel(logging.WARNING)
_GATEWAY = frozenset({502, 503, 504, *range(520, 531)})
_SAID = 600
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Unreached(Exception):
    """Nothing was sent: nobody was there to take it."""


class Broken(Exception):
    """The connection broke after something was sent: it may have arrived."""


@dataclass(frozen=True)
class Reply:
    """What a provider answered."""

    status: int
    text: str
    retry_after_s: float = 0.0
    not_forwarded: bool = False
    """Whether our own guard says that it did not pass the request on."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def from_gateway(self) -> bool:
        """Whether something between us and the provider answered, which says nothing of what the provider did."""
        return self.status in _GATEWAY and not self.not_forwarded

    def json(self) -> Any:
        """The answer as JSON, money exact. Raises Broken where it is none: it was cut short, or is no such provider."""
        try:
            return json.loads(self.text, parse_float=Decimal)
        except ValueError as error:
            raise Broken(f"the answer is no JSON (status {self.status}): {self.said}") from error

    def object(self) -> dict[str, Any]:
        """The answer as a JSON object. Raises Broken."""
        answer = self.json()
        if not isinstance(answer, dict):
            raise Broken(f"the answer is no JSON object: {self.said}")
        return answer

    @property
    def said(self) -> str:
        """The provider's own words, short: RFC 9457 detail, an error's message, else the text."""
        words = _words(self.text)
        return words if len(words) <= _SAID else f"{words[:_SAID]}..."


def _words(text: str) -> str:
    try:
        read = json.loads(text)
    except ValueError:
        return " ".join(text.split())
    if isinstance(read, dict):
        error = read.get("error")
        parts = [read.get("detail"), *(read.get("errors") or [] if isinstance(read.get("errors"), list) else [])]
        parts += [error.get("message"), error.get("details")] if isinstance(error, dict) else [error]
        said = "; ".join(str(part) for part in parts if part)
        return said or str(read.get("message") or read.get("title") or " ".join(text.split()))
    return " ".join(text.split())


@lru_cache
def trusted() -> ssl.SSLContext:
    """Whom HTTPS trusts. Reading it takes longer than an order, and every address shares it."""
    return httpx.create_ssl_context()


class Wire:
    """Requests to one address. Connections belong to the event loop that uses them.

    Requests that change nothing are tried again a few times; those that do are sent once. pause_s: before the first of
    those tries; later ones wait longer.
    """

    def __init__(self, url: str, timeout_s: float = 30.0, connect_s: float = 10.0, pause_s: float = 0.2) -> None:
        self.url = url.rstrip("/")
        self.pause_s = pause_s
        self._timeout = httpx.Timeout(timeout_s, connect=connect_s, pool=60.0)
        self._open: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<wire to {self.url}>"

    async def get(
        self, path: str, secret: Secret | None = None, params: Mapping[str, str] | None = None, tries: int = 3
    ) -> Reply:
        """Ask. Raises Unreached or Broken after the last try."""
        for left in range(tries - 1, -1, -1):
            try:
                reply = await self._send("GET", path, secret, params=params)
            except (Unreached, Broken):
                if not left:
                    raise
            else:
                if not (left and reply.from_gateway):
                    return reply
            await asyncio.sleep(self.pause_s * 2 ** (tries - 1 - left))
        raise AssertionError("every try ends in an answer or an error")

    async def head(
        self, path: str, secret: Secret | None = None, params: Mapping[str, str] | None = None
    ) -> int | None:
        """How many bytes lie there; None where there is nothing, or nobody says how much."""
        with _told():
            answer = await self._client().head(self.url + path, headers=bearer_headers(secret), params=params)
        length = answer.headers.get("content-length", "")
        return int(length) if answer.status_code == 200 and length.isdigit() else None

    async def post(self, path: str, body: Any, secret: Secret | None = None) -> Reply:
        """Send JSON, once."""
        return await self._send("POST", path, secret, content=json.dumps(body).encode(), kind="application/json")

    async def post_bytes(self, path: str, content: bytes, kind: str, secret: Secret | None = None) -> Reply:
        """Send bytes, once."""
        return await self._send("POST", path, secret, content=content, kind=kind)

    async def delete(self, path: str, secret: Secret | None = None) -> Reply:
        return await self._send("DELETE", path, secret)

    @asynccontextmanager
    async def download(
        self, path: str, secret: Secret | None = None, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A body as it comes. A body shorter than announced raises Broken."""
        with _told():
            async with self._client().stream(
                "GET", self.url + path, headers=bearer_headers(secret), params=params
            ) as answer:
                yield answer

    async def close(self) -> None:
        # Put away first: whoever asks while it closes must not be given what is closing.
        opened, self._open = self._open, None
        if opened is not None and self._loop is asyncio.get_running_loop():
            await opened.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        secret: Secret | None,
        content: bytes | None = None,
        kind: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        headers = bearer_headers(secret) | ({"Content-Type": kind} if kind else {})
        with _told():
            answer = await self._client().request(
                method, self.url + path, content=content, headers=headers, params=params
            )
        return Reply(
            answer.status_code,
            scrubbed(answer.text, secret),
            retry_after(answer.headers.get("retry-after", "")),
            answer.headers.get("x-film-guard", "") == "not forwarded",
        )

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._open is None or self._loop is not loop:
            # A kept connection that the other side has closed looks like an order that broke off: keep them briefly.
            limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=4.0)
            here = urlsplit(self.url).hostname in _LOOPBACK
            self._open = httpx.AsyncClient(verify=trusted(), timeout=self._timeout, limits=limits, trust_env=not here)
            self._loop = loop
        return self._open


class _told:
    """Sorts httpx's errors into what was surely not sent and what may have been."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            raise Unreached(f"nobody answers ({_name(error)})") from error
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            raise Unreached(f"that is no address: {error}") from error
        if isinstance(error, httpx.HTTPError):
            raise Broken(f"the connection broke ({_name(error)})") from error


def _name(error: BaseException) -> str:
    return str(error) or type(error).__name__


def retry_after(said: str) -> float:
    """Seconds to wait, as the header says; 0 where it says nothing that can be waited for."""
    try:
        seconds = float(said)
    except ValueError:
        return 0.0
    return min(seconds, 3600.0) if math.isfinite(seconds) and seconds > 0 else 0.0
