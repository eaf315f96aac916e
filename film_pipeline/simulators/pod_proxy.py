"""The public way to a simulated pod's port: RunPod's proxy, cut off after a time, and our guard if the pod has one."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from film_pipeline.simulators.clock import Clock, first_of
from film_pipeline.simulators.door import CONTROL, RAW_SEND, App, connection_of, once_more, read_body
from film_pipeline.simulators.pod import RUNNING, Pod

PREFIX = "/proxy"
Beside = Callable[[Coroutine[Any, Any, None]], None]
_PLACE = re.compile(rf"^{PREFIX}/(?P<pod>[^/]+)-(?P<port>\d+)(?P<path>/.*)?$")


class Proxy:
    """An ASGI application: `/proxy/{pod}-{port}/...` reaches that port of that pod.

    limit_s: how long an answer may take to begin, in the provider's time; then 524, while the pod goes on working.
    beside: lets work go on that no request waits for.
    """

    def __init__(self, pod_of: Callable[[str], Pod | None], clock: Clock, limit_s: float, beside: Beside) -> None:
        self._pod_of, self._clock, self.limit_s, self._beside = pod_of, clock, limit_s, beside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PLACE.match(scope["path"])
        pod = self._pod_of(found["pod"]) if found else None
        if found is None or pod is None or not pod.exposes(int(found["port"])):
            await _answer(HTMLResponse("<title>404</title>", 404), scope, receive, send)
            return
        path = found["path"] or "/"
        refused = _refused(pod, scope, path)
        if refused is not None:
            await _answer(refused, scope, receive, send)
            return
        comfyui = pod.comfyui
        assert comfyui is not None
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "app_root_path": ""}
        if scope["type"] == "websocket":
            await comfyui.app(inner, receive, scope[RAW_SEND])
        else:
            await self._exchange(comfyui.app, inner, receive, _Relay(scope[RAW_SEND], lambda: pod.comfyui is comfyui))

    async def _exchange(self, app: App, inner: Scope, receive: Receive, relay: "_Relay") -> None:
        """Pass a request on whole, and its answer back if it begins in time."""
        body = await read_body(receive)
        done = asyncio.Event()

        async def work() -> None:
            try:
                await app(inner, once_more(body), relay.send)
            finally:
                done.set()

        self._beside(work())
        await first_of(done.wait(), relay.begun.wait(), self._clock.sleep(self.limit_s))
        if done.is_set() or relay.begun.is_set():
            await done.wait()
            return
        relay.cut = True
        await _timed_out()(inner, receive, relay.caller)


class _Relay:
    """The answer on its way out. It carries the connection, so that the pod's own faults can break it.

    lives: whether the server that answers is still there; an answer of one that is gone is a broken connection.
    """

    def __init__(self, caller: Send, lives: Callable[[], bool]) -> None:
        self.caller, self._lives = caller, lives
        self.cut = False
        self.begun = asyncio.Event()

    @property
    def transport(self) -> asyncio.Transport:
        return connection_of(self.caller)

    @property
    def disconnected(self) -> bool:
        return bool(self.caller.__self__.disconnected)  # type: ignore[attr-defined]

    async def send(self, message: Message) -> None:
        if self.cut:
            return
        self.begun.set()
        if self._lives():
            await self.caller(message)
        else:
            self.transport.abort()


def _refused(pod: Pod, scope: Scope, path: str) -> Response | None:
    """What stands in the way: the container is not up, the guard does not know the caller, ComfyUI is not ready."""
    if path.startswith(CONTROL) and pod.comfyui is not None:
        return None
    if pod.status != RUNNING:
        return HTMLResponse("<title>502: Bad gateway</title>", 502)
    if pod.token:
        scheme, _, presented = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or presented.strip() != pod.token:
            return _guard(401, "the bearer token is missing or wrong")
    if pod.comfyui is None:
        return _guard(503, "ComfyUI does not answer yet") if pod.token else HTMLResponse("<title>502</title>", 502)
    return None


def _guard(status: int, message: str) -> Response:
    """In the words of backends/pod_guard.py, which runs in real pods."""
    told = {"error": {"type": "film_guard", "message": message}}
    return JSONResponse(told, status, headers={"X-Film-Guard": "not forwarded"})


def _timed_out() -> Response:
    return HTMLResponse("<title>524: A timeout occurred</title>", 524)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        with contextlib.suppress(RuntimeError):
            await socket.send_denial_response(response)
        return
    await response(scope, receive, send)
