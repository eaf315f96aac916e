"""Doubts about orders, at moments that runs seldom meet."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from floor import LOCAL, Floor

from film_pipeline.core.gate import Order, Reserved
from film_pipeline.core.jobs import JobState
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.doubts import Doubts
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.wanted import Frame


class Slow:
    """A backend that thinks over whether it has an order until it is told to answer."""

    name = "local"

    def __init__(self, knows: str | None) -> None:
        self._knows = knows
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def find(self, ticket: Any) -> str | None:
        self.asked.set()
        await self.answers.wait()
        return self._knows


async def given_up_meanwhile(folder: Path, knows: str | None) -> tuple[JobState, list[str]]:
    """How a job stands, and what is said, when its doubt was left to a person while its backend thought it over."""
    floor = Floor(folder, {"local": LOCAL}, {})
    floor.sign()
    take = floor.open_take()
    [wanted] = floor.wanted(take, [1001])
    work = wanted.work
    order = Order(work.shot, work.work, work.take, work.frame, work.sha256, work.covered, "local", Decimal(0))
    reserved = floor.ledger.reserve([order])
    assert isinstance(reserved, Reserved), reserved
    ticket = reserved.placed[0].ticket
    floor.ledger.admit(ticket, work.covered)
    floor.ledger.after_crash([work.shot])
    sheet, scribe = CallSheet(lambda *_: None), Scribe(floor.ledger)
    scribe.begin()
    backend: Any = Slow(knows)
    patience = Patience(look_s=0.01, in_flight_s=0.0, away_s=0.0)
    doubts = Doubts(floor.ledger, sheet, scribe, Ending(sheet, scribe, Orders(floor.made / "orders")), patience)
    doubts.add(InHand(Frame(wanted), ticket, Desk(backend, 0)), "it was killed")
    asking = asyncio.create_task(doubts.ask("local"))
    await backend.asked.wait()
    await asyncio.sleep(0.01)
    doubts.give_up()
    backend.answers.set()
    await asyncio.sleep(0.05)
    assert not asking.done(), "nobody asks after the others any more"
    asking.cancel()
    await scribe.end()
    job = floor.ledger.jobs.one(ticket.job)
    assert job is not None
    floor.ledger.close()
    return job.state, sheet.report.uncertain


def test_an_answer_that_comes_when_the_doubt_was_left_to_a_person_changes_nothing(tmp_path: Path) -> None:
    for name, knows in (("found", "it-has-it"), ("never", None)):
        state, told = asyncio.run(given_up_meanwhile(tmp_path / name, knows))
        assert state is JobState.UNCERTAIN
        assert len(told) == 1
