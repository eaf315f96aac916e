"""Hires of machines, at moments that runs seldom meet."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from floor import Floor

from film_pipeline.core.gate import Order, Reserved
from film_pipeline.core.jobs import JobState, NeverSubmitted
from film_pipeline.orchestrator.landlords import Landlords
from film_pipeline.orchestrator.patience import Patience

PODS = {
    "kind": "runpod-pods",
    "model": "klein-4b",
    "image": "our/comfyui:1",
    "start": "python main.py --port {port}",
    "gpus": ["NVIDIA L40S"],
}


class NoMachines:
    """A backend that rents, and at which no machine ever appeared."""

    idle_s, silent_s, listed_after_s = 0.0, 300.0, 0.0

    def rent_with(self, tenant: Any) -> None:
        self.tenant = tenant

    def overhead_usd(self) -> Decimal:
        return Decimal("0.10")

    async def workers(self) -> list[Any]:
        return []


def test_a_hire_that_somebody_else_found_to_be_nothing_stops_no_run(tmp_path: Path) -> None:
    """Another run, or a look of this one that was cut off after it was written."""
    floor = Floor(tmp_path, {"pods": PODS}, {"RUNPOD_API_KEY": "k"})
    floor.sign()
    [wanted] = floor.wanted(floor.open_take(), [1001])
    work = wanted.work
    order = Order(work.shot, work.work, work.take, work.frame, work.sha256, work.covered, "pods", Decimal("0.01"))
    reserved = floor.ledger.reserve([order])
    assert isinstance(reserved, Reserved), reserved
    ticket = reserved.placed[0].ticket
    backend = NoMachines()
    landlords = Landlords(floor.ledger, {"pods": backend}, patience=Patience(in_flight_s=0.0))  # type: ignore[dict-item]

    async def told() -> None:
        landlords._scribe.begin()
        await landlords.hiring.about_to_rent("pods", ticket, work)
        await landlords.hiring.in_doubt("pods", ticket, "its answer was lost")
        hire = landlords.hiring.on_the_way[ticket.job]
        await asyncio.sleep(0.01)
        floor.ledger.resolve(hire.ticket.job, NeverSubmitted(), "pods")
        await landlords.look()
        job = floor.ledger.jobs.one(hire.ticket.job)
        assert job is not None and job.state is JobState.FAILED
        assert not landlords.hiring.on_the_way
        await landlords._scribe.end()

    asyncio.run(told())
    floor.ledger.close()
