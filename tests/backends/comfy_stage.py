"""A ComfyUI, the local backend that works on it, and a gate between them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from backend_makers import OpenGate, a_job, a_production, a_ticket, a_work, an_approval
from comfy_stand_in import ComfyStandIn

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.core.generating import News, Progress

PLAN = {"kind": "local-klein", "model": "klein-4b"}
PRODUCTION = a_production({"local-klein": PLAN})
GATE_APPROVAL = an_approval(["local-klein"])
Test = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A server, a backend that works on it, and a gate between them."""

    def __init__(self, server: ComfyStandIn, folder: Path, token: str = "") -> None:
        self.server, self.folder = server, folder
        self.gate = OpenGate(GATE_APPROVAL)
        self.opened: list[LocalKlein] = []
        self.environment = {"COMFYUI_TOKEN": token} if token else {}
        self.backend = self.another_process()

    def another_process(self) -> LocalKlein:
        """The same backend, as a new process would open it."""
        credentials = Credentials(self.environment, PRODUCTION, self.folder)
        plan = PRODUCTION.generation["local-klein"]
        backend = LocalKlein("local-klein", plan, credentials, self.server.url, poll_s=0.1)  # type: ignore[arg-type]
        self.opened.append(backend)
        return backend

    async def submit(self, job: str = "", **work: Any) -> str:
        asked = a_work(**work)
        ticket = a_ticket("local-klein", job=job or a_job(), work=asked)
        return await self.backend.submit(self.gate, ticket, asked)

    async def until(self, job: str, *states: Progress, timeout_s: float = 5.0) -> News:
        """The first news that the job is in one of these states."""
        async with asyncio.timeout(timeout_s):
            while True:
                for news in await self.backend.news([job], 0.5):
                    if news.state in states:
                        return news


def on_a_stage(tmp_path: Path, test: Test, token: str = "", **server: Any) -> None:
    async def whole() -> None:
        async with ComfyStandIn(token, **server) as stand_in:
            stage = Stage(stand_in, tmp_path, token)
            try:
                await test(stage)
            finally:
                for backend in stage.opened:
                    await backend.close()

    asyncio.run(whole())
