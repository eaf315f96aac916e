"""The simulated ComfyUI's websockets: who listens under which id, and what is sent to whom, in order."""

import asyncio
import contextlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from film_pipeline.simulators.door import RAW_SEND, connection_of
from film_pipeline.simulators.faults import Faults

SOCKET_FAULTS = frozenset({"socket_drop", "socket_swap", "socket_mute"})
"""At the moment `socket {event}` of a message. socket_drop: the connection breaks instead of the message. socket_swap:
the message arrives after the next one. socket_mute: it never arrives."""
FEATURES = {
    "supports_preview_metadata": True,
    "max_upload_size": 104857600,
    "extension": {"manager": {"supports_v4": True}},
}
_PREVIEW, _PREVIEW_WITH_METADATA, _JPEG = 1, 4, 1


@dataclass
class _Client:
    socket: WebSocket
    features: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Message:
    """to: a client's id, or None for all. picture: for a preview, data says which node's."""

    event: str
    data: dict[str, Any]
    to: str | None
    picture: bytes = b""


class Sockets:
    """All open websockets. One loop sends, so that messages keep their order, unless a fault is asked for."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._clients: dict[str, _Client] = {}
        self._outbox: asyncio.Queue[_Message] = asyncio.Queue()

    def say(self, event: str, data: dict[str, Any], to: str | None) -> None:
        self._outbox.put_nowait(_Message(event, data, to))

    def preview(self, node_id: str, prompt_id: str, picture: bytes, to: str) -> None:
        told = {"node_id": node_id, "prompt_id": prompt_id, "display_node_id": node_id, "image_type": "image/jpeg"}
        self._outbox.put_nowait(_Message("preview", told, to, picture))

    def forget(self) -> None:
        self._clients.clear()
        self._outbox = asyncio.Queue()

    async def publish(self) -> None:
        """Send what is to be sent, for ever."""
        held: list[_Message] = []
        while True:
            message = await self._outbox.get()
            fault = self._faults.befalls(f"socket {message.event}", SOCKET_FAULTS)
            if fault is not None and fault.kind == "socket_swap":
                held.append(message)
                continue
            if fault is not None and fault.kind == "socket_drop":
                self.drop(message.to)
            elif fault is None:
                await self._send(message)
            while held:
                await self._send(held.pop())

    async def listen(self, socket: WebSocket, client_id: str, greeting: dict[str, Any], node: str | None) -> None:
        """Serve one websocket until it ends. node: what is being executed for this client just now.

        A second socket under the same id takes the first one's place. When the first one is closed later, the id is
        struck off whoever holds it then, as in the real server: the second one hears no more.
        """
        await socket.accept()
        client = _Client(socket)
        self._clients[client_id] = client
        try:
            await self._send(_Message("status", {**greeting, "sid": client_id}, client_id))
            if node is not None:
                await self._send(_Message("executing", {"node": node}, client_id))
            await self._hear(client, client_id)
        finally:
            self._clients.pop(client_id, None)

    async def _hear(self, client: _Client, client_id: str) -> None:
        first = True
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                text = await client.socket.receive_text()
                if first and (told := _flags(text)) is not None:
                    client.features = told
                    self.say("feature_flags", FEATURES, client_id)
                first = False

    async def _send(self, message: _Message) -> None:
        for client_id in [message.to] if message.to is not None else list(self._clients):
            client = self._clients.get(client_id)
            if client is None:
                continue
            # A socket that is just going away: the real server logs it and goes on.
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                if message.picture:
                    await client.socket.send_bytes(_frame(message, client))
                else:
                    await client.socket.send_text(json.dumps({"type": message.event, "data": message.data}))

    def drop(self, to: str | None) -> None:
        """Break the connection of one client, or all connections."""
        for client_id in [to] if to is not None else list(self._clients):
            client = self._clients.get(client_id)
            if client is not None:
                connection_of(client.socket.scope[RAW_SEND]).abort()


def _flags(text: str) -> dict[str, Any] | None:
    """What a client says it supports, where its message says that."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    if isinstance(told, dict) and told.get("type") == "feature_flags":
        return dict(told.get("data", {}))
    return None


def _frame(message: _Message, client: _Client) -> bytes:
    """A preview: all numbers are unsigned, 32 bits, big end first."""
    if client.features.get("supports_preview_metadata"):
        told = json.dumps(message.data).encode()
        return struct.pack(">II", _PREVIEW_WITH_METADATA, len(told)) + told + message.picture
    return struct.pack(">II", _PREVIEW, _JPEG) + message.picture
