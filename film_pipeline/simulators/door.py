"""The door of every simulated service: where requests arrive, and where the network's faults happen."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from film_pipeline.simulators.faults import REQUEST, STATUSES, Fault, Faults

App = Callable[[Scope, Receive, Send], Awaitable[None]]
CONTROL = "/_control"
RAW_SEND = "film.send"
"""Where a scope keeps the server's own `send`, that knows the connection; frameworks wrap theirs."""


class Guarded(Protocol):
    """What the door has to know of the service behind it."""

    faults: Faults

    def call_name(self, method: str, path: str) -> str:
        """What faults are aimed at."""

    def failing(self, status: int, fault: Fault) -> Response:
        """How this service words such a failure."""


class Door:
    """An ASGI application around a service's own: control calls pass, everything else is open to faults."""

    def __init__(self, service: Guarded, inside: Starlette, control: Starlette) -> None:
        self._service, self._inside, self._control = service, inside, control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[RAW_SEND] = send
        try:
            if scope["type"] == "http" and scope["path"].startswith(CONTROL):
                await self._control(scope, receive, send)
            elif scope["type"] == "http":
                await self._admit(scope, receive, send)
            else:
                await self._inside(scope, receive, send)
        except (asyncio.CancelledError, ClientDisconnect):
            # The listener was closed, or the caller is gone in the middle of a request: there is nobody to answer.
            return

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._service.call_name(scope["method"], scope["path"])
        fault = self._service.faults.befalls(call, REQUEST)
        if fault is None:
            await self._inside(scope, receive, send)
        elif fault.kind == "drop_before":
            await hang_up(send)
        elif fault.kind == "drop_after":
            await self._inside(scope, receive, _nowhere)
            await hang_up(send)
        elif fault.kind == "duplicate":
            body = await read_body(receive)
            await self._inside(_fresh(scope), once_more(body), _nowhere)
            await self._inside(_fresh(scope), once_more(body), send)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._inside(scope, receive, send)
        elif fault.kind in STATUSES:
            if fault.handled:
                await self._inside(scope, receive, _nowhere)
            await self._service.failing(int(fault.kind), fault)(scope, receive, send)


async def hang_up(send: Send) -> None:
    """Break the connection without an answer.

    send: as uvicorn gave it, bound to the exchange that knows the transport.
    """
    connection_of(send).abort()
    exchange = send.__self__  # type: ignore[attr-defined]
    while not exchange.disconnected:
        await asyncio.sleep(0)


def connection_of(send: Send) -> asyncio.Transport:
    """The connection behind a server's own `send`. Raises RuntimeError for any other."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("only a real connection can be broken: serve this over uvicorn's h11")
    found: asyncio.Transport = transport
    return found


async def read_body(receive: Receive) -> bytes:
    """A request's body, whole. Raises ClientDisconnect where the caller hangs up before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _nowhere(message: Message) -> None:
    """An answer that nobody hears."""


def _fresh(scope: Scope) -> MutableMapping[str, Any]:
    return {**scope, "state": dict(scope.get("state", {}))}


def once_more(body: bytes) -> Receive:
    """A request's body, to be read by somebody else."""
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            # Who asks again waits to hear that the caller hangs up: that is not known here.
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
