"""ComfyUI's websocket: how far jobs are, what they look like by now, and when their history is there.

It only hastens: whatever it misses is found by asking.
"""

import asyncio
import json
import logging
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from film_pipeline.backends.credentials import Secret, bearer_headers
from film_pipeline.core.problems import FilmProblem

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_LARGEST = 64 * 2**20
_DISCREET = logging.getLogger(__name__)
_DISCREET.setLevel(logging.INFO)  # At DEBUG the library writes every header down, the token's too.
_TERMINAL = ("execution_error", "execution_interrupted")


@dataclass
class Heard:
    """What was heard of one job."""

    running: bool = False
    progress: float = 0.0
    preview: bytes = b""
    settled: bool = False
    """Whether its history is there, so that it is worth asking for."""


@dataclass
class Listener:
    """Listens to one server for as long as it is open, and connects again when the socket drops.

    bell: rung whenever something was heard. connected: whether the socket is open now.
    """

    url: str
    client_id: str
    secret: Callable[[], Secret | None]
    pauses_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)
    heard: dict[str, Heard] = field(default_factory=dict)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    connected: bool = False
    _task: asyncio.Task[None] | None = None
    _current: str = ""

    def open(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name=f"listening to {self.url}")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.connected = False
        self.bell = asyncio.Event()

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                await self._hear_until_it_drops()
                failures = 0
            except (OSError, WebSocketException, TimeoutError, ValueError, FilmProblem):
                # The client asks by itself while nobody is heard, and says so when asking fails too.
                failures += 1
            self.connected = False
            self.bell.set()
            await asyncio.sleep(self.pauses_s[min(failures, len(self.pauses_s) - 1)])

    async def _hear_until_it_drops(self) -> None:
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={self.client_id}"
        headers = bearer_headers(self.secret())
        here = urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}
        async with connect(
            address,
            additional_headers=headers,
            max_size=_LARGEST,
            open_timeout=10,
            proxy=None if here else True,
            logger=_DISCREET,
        ) as socket:
            self.connected = True
            async for message in socket:
                if isinstance(message, bytes):
                    self._see(message)
                else:
                    self._hear(message)

    def _of(self, job: str) -> Heard:
        return self.heard.setdefault(job, Heard())

    def _hear(self, message: str) -> None:
        try:
            told = json.loads(message)
        except ValueError:
            return
        data = told.get("data") if isinstance(told, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(data.get("prompt_id"), str):
            return
        kind, job = told.get("type"), data["prompt_id"]
        heard = self._of(job)
        if kind == "executing" and data.get("node") is None:
            # ComfyUI writes history after execution_success, so only this says that it is there.
            heard.settled = True
        elif kind in _TERMINAL:
            heard.settled = True
        elif kind in ("execution_start", "executing"):
            heard.running, self._current = True, job
        elif kind in ("progress", "progress_state"):
            heard.running, self._current = True, job
            heard.progress = max(heard.progress, _part_done(data))
        else:
            return
        self.bell.set()

    def _see(self, message: bytes) -> None:
        if len(message) < 8:
            return
        (kind,) = struct.unpack(">I", message[:4])
        job, picture = self._current, b""
        if kind == _PREVIEW:
            picture = message[8:]
        elif kind == _PREVIEW_WITH_METADATA:
            (length,) = struct.unpack(">I", message[4:8])
            picture = message[8 + length :]
            job = _job_in(message[8 : 8 + length]) or job
        if picture and job:
            self._of(job).preview = picture
            self.bell.set()


def _job_in(metadata: bytes) -> str:
    try:
        read = json.loads(metadata)
    except ValueError:
        return ""
    return str(read.get("prompt_id", "")) if isinstance(read, Mapping) else ""


def _part_done(data: Mapping[str, Any]) -> float:
    """How much of the longest step, which is the sampling, is done."""
    nodes = data.get("nodes")
    steps = list(nodes.values()) if isinstance(nodes, Mapping) else [data]
    longest = max(
        (step for step in steps if isinstance(step, Mapping) and _number(step.get("max")) > 1),
        key=lambda step: _number(step["max"]),
        default=None,
    )
    if longest is None:
        return 0.0
    return min(max(_number(longest.get("value")) / _number(longest["max"]), 0.0), 1.0)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
