"""Listening on a loopback port with uvicorn, inside an event loop that is already running."""

import asyncio
import contextlib
import socket
from collections.abc import Generator, Sequence

import uvicorn

from film_pipeline.simulators.door import App

LOOPBACK = "127.0.0.1"
_LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: several run in one loop, and the process decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Listener:
    """One app on one port of this machine. port 0 takes any that is free."""

    def __init__(self, app: App, port: int = 0) -> None:
        self._app = app
        self.port = port
        self._server: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        """Listen. The port stays the same when it is opened again after a close."""
        # asyncio sends small answers at once only on sockets that are said to be TCP; else each costs 40 ms.
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((LOOPBACK, self.port))
        self.port = door.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="websockets-sansio",
            ws_max_size=_LARGEST_MESSAGE_BYTES,
            ws_ping_interval=None,
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        self._server = _Uvicorn(config)
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[door]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise RuntimeError(f"nothing listens on port {self.port}")
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        """Stop listening and break every connection, as the end of a process does."""
        if self._server is None or self._serving is None:
            return
        server, self._server = self._server, None
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        # Once the loop went round, every exchange knows that its connection is gone.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # Everything is closed: uvicorn's own way out would only sleep.
        await _ended([*server.server_state.tasks, self._serving])


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
