"""A RunPod, the pods backend that rents from it, and a gate between them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend_makers import (
    KEY,
    WATCH,
    CountedEnvironment,
    OpenGate,
    a_job,
    a_production,
    a_ticket,
    a_work,
    an_approval,
)
from runpod_stand_in import RunpodStandIn

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.pod_fleet import Surroundings
from film_pipeline.backends.runpod_pods import RunpodPods
from film_pipeline.core.gate import Ticket
from film_pipeline.core.generating import FrameWork, News, Progress, SubmitFailed, WorkerReport

PLAN = {
    "kind": "runpod-pods",
    "model": "klein-4b",
    "image": "our/comfyui:1",
    "start": "python main.py --listen 127.0.0.1 --port {port}",
    "gpus": ["NVIDIA GeForce RTX 4090", "NVIDIA L40S"],
    "max_workers": 2,
    "boot_timeout_s": 30,
    "idle_s": 0,
}
APPROVAL = an_approval(["pods"])
Test = Callable[["Rig"], Awaitable[None]]


class Purse:
    """A tenant with money, who notes what it was asked and told. empty: why there is none."""

    def __init__(self) -> None:
        self.empty = ""
        self.told: list[tuple[str, str]] = []

    async def about_to_rent(self, backend: str, ticket: Ticket, work: FrameWork) -> None:
        if self.empty:
            raise SubmitFailed(self.empty, spill=True)
        self.told.append(("about to rent", ticket.job))

    async def rented(self, backend: str, ticket: Ticket, worker: str) -> None:
        self.told.append(("rented", worker))

    async def not_rented(self, backend: str, ticket: Ticket, why: str) -> None:
        self.told.append(("not rented", ticket.job))

    async def in_doubt(self, backend: str, ticket: Ticket, why: str) -> None:
        self.told.append(("in doubt", ticket.job))


class Rig:
    """A RunPod, and a backend that rents from it."""

    def __init__(self, runpod: RunpodStandIn, folder: Path, **plan: Any) -> None:
        self.runpod, self.folder = runpod, folder
        self.production = a_production({"pods": {**PLAN, **plan}})
        self.environment = CountedEnvironment({"RUNPOD_API_KEY": KEY, "RUNPOD_WATCH_KEY": WATCH})
        self.gate = OpenGate(APPROVAL)
        self.opened: list[RunpodPods] = []
        self.purse = Purse()
        self.around = Surroundings(
            rest_url=f"{runpod.url}/v2", proxy="http://127.0.0.1:{pod}", poll_s=0.05, look_s=0.2, unreachable_s=0.6
        )
        self.backend = self.another_process()

    def another_process(self, **around: Any) -> RunpodPods:
        credentials = Credentials(self.environment, self.production, self.folder)
        backend = RunpodPods(
            "pods",
            self.production.generation["pods"],  # type: ignore[arg-type]
            self.production.name,
            credentials,
            replace(self.around, **around),
        )
        self.opened.append(backend)
        backend.rent_with(self.purse)
        return backend

    async def taken_over(self, **around: Any) -> None:
        """Another process takes over, and has found the one pod ready."""
        self.backend = self.another_process(**around)
        await self.backend.workers()
        async with asyncio.timeout(3):
            while (await self.backend.workers())[0].state != "ready":
                await asyncio.sleep(0.05)

    async def submit(self, job: str = "", **work: Any) -> str:
        asked = a_work(**work)
        return await self.backend.submit(self.gate, a_ticket("pods", job=job or a_job(), work=asked), asked)

    async def sweep(self, *known: str) -> list[WorkerReport]:
        """End every machine of the production but those known, by their ids or their jobs."""
        listed = await self.backend.listed()
        unknown = [report for report in listed if not {report.worker, report.ticket} & {*known}]
        ended = [await self.backend.end_machine(report.worker, "nobody knows it") for report in unknown]
        return [report for report in ended if report is not None]

    async def until(self, provider_id: str, *states: Progress, timeout_s: float = 5.0) -> News:
        async with asyncio.timeout(timeout_s):
            while True:
                for news in await self.backend.news([provider_id], 0.5):
                    if news.state in states:
                        return news

    async def finish(self, provider_id: str) -> None:
        pod, _, job = provider_id.partition("/")
        await self.runpod.comfy[pod].finish(job)

    def created(self) -> list[tuple[str, Any]]:
        return self.runpod.calls("POST", "/v2/pods")

    async def report(self, pod: str) -> WorkerReport:
        return next(report for report in await self.backend.workers() if report.worker == pod)


def on_a_rig(tmp_path: Path, test: Test, **plan: Any) -> None:
    async def whole() -> None:
        async with RunpodStandIn() as runpod:
            rig = Rig(runpod, tmp_path, **plan)
            try:
                await test(rig)
            finally:
                for backend in rig.opened:
                    await backend.close()

    asyncio.run(whole())
