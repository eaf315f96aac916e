"""The pictures that a ComfyUI server holds as references, each under the name of its content, and what it answers."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from film_pipeline.backends.comfy_graphs import upload_name
from film_pipeline.backends.credentials import Secret
from film_pipeline.backends.wire import Broken, Reply, Wire
from film_pipeline.core.generating import Guide
from film_pipeline.core.problems import FilmProblem


class NotRunning(Broken):
    """Our guard answers and ComfyUI does not: it has no jobs at all."""


class Denied(Broken):
    """The token is not the one that this server wants."""


def answered(reply: Reply) -> dict[str, Any]:
    """The answer of a server that did what it was asked. Raises Broken."""
    if reply.status in (401, 403):
        raise Denied(f"it refused our token: {reply.said}")
    if reply.not_forwarded:
        raise NotRunning(reply.said)
    if not reply.ok:
        raise Broken(f"status {reply.status}: {reply.said}")
    return reply.object()


class Shelf:
    """The input folder of one server. secret: asked for each time."""

    def __init__(self, wire: Wire, secret: Callable[[], Secret | None]) -> None:
        self._wire, self._secret = wire, secret
        self._there: set[str] = set()
        self._bringing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def forget(self) -> None:
        """Look again what is there: the server says that something is not."""
        self._there.clear()

    async def upload(self, guides: Sequence[Guide]) -> None:
        """Bring references there, each under the name of its content, unless it is there. Raises FilmProblem."""
        for guide in {guide.sha256: guide for guide in guides}.values():
            name = upload_name(guide)
            if name in self._there:
                continue
            # Frames that go out together share their references: one of them brings each.
            async with self._bringing[name]:
                if name not in self._there:
                    await self._bring(name, guide)
                    self._there.add(name)

    async def _bring(self, name: str, guide: Guide) -> None:
        size = guide.path.stat().st_size
        there = await self._wire.head("/view", self._secret(), {"filename": name, "type": "input", "subfolder": ""})
        if there != size:
            await self._upload(name, guide)

    def close(self) -> None:
        """Let go of what belongs to this event loop."""
        self._bringing.clear()

    async def _upload(self, name: str, guide: Guide) -> None:
        content = await asyncio.to_thread(guide.path.read_bytes)
        boundary = f"film{uuid.uuid4().hex}"
        body = b"".join(
            [
                *(_field(boundary, field, value) for field, value in (("type", "input"), ("subfolder", ""))),
                f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'.encode(),
                b"Content-Type: application/octet-stream\r\n\r\n",
                content,
                f"\r\n--{boundary}--\r\n".encode(),
            ]
        )
        reply = await self._wire.post_bytes(
            "/upload/image", body, f"multipart/form-data; boundary={boundary}", self._secret()
        )
        if reply.status == 413:
            raise FilmProblem(
                f"the reference {guide.name} is larger than ComfyUI takes",
                "make it smaller, or raise --max-upload-size",
            )
        given = answered(reply).get("name")
        if given != name:
            raise FilmProblem(
                f"ComfyUI holds another picture under the name {name}", "remove it from ComfyUI's input folder"
            )


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
