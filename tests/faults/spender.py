"""A process that spends through the ledger, to be killed at any moment, and a provider that remembers its orders."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ledger_makers import COVERED, SHOT, a_wish, an_order, open_ledger

from film_pipeline.core.gate import Reserved, Ticket
from film_pipeline.core.jobs import LIVE, Charge, Found, JobState, Move, NeverSubmitted
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.jobs import Job
from film_pipeline.stores.ledger.takes import Take

FRAMES = range(1001, 1013)
PRICE = Decimal("0.03")
QUOTE = Decimal("0.05")
BUDGET = "2.00"


@dataclass(frozen=True)
class Provider:
    """Takes orders, twice too if it is sent them twice, and charges for each. Its file is all that it remembers."""

    orders: Path

    def submit(self, ticket: Ticket) -> str:
        """An order that arrived is on the disk before the caller hears of it, and maybe the caller never does."""
        descriptor = os.open(self.orders, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, f"{ticket.job}\n".encode())
        os.close(descriptor)
        return f"order-{ticket.job}"

    def sent(self) -> list[str]:
        return self.orders.read_text().split() if self.orders.exists() else []

    def find(self, ticket: Ticket) -> str | None:
        return f"order-{ticket.job}" if ticket.job in self.sent() else None


def aloud(what: str, *jobs: str) -> None:
    """Tell whoever holds the other end of standard output."""
    os.write(1, (" ".join([what, *jobs]) + "\n").encode())


@dataclass(frozen=True)
class Spender:
    """Brings a take home. say: is told of every step, after it was taken."""

    place: str
    provider: Provider
    batch: int
    say: Callable[..., None] = aloud

    def spend(self) -> None:
        """Take up what a dead run left, then order what is missing, so many frames at once."""
        ledger = open_ledger(self.place, budget=BUDGET)
        try:
            self.take_up(ledger)
            taken = ledger.open_take(a_wish(asked_as="the first take"))
            assert isinstance(taken, Take), taken
            for start in range(0, len(FRAMES), self.batch):
                self.order(ledger, FRAMES[start : start + self.batch])
        finally:
            ledger.close()
        self.say("wrapped")

    def order(self, ledger: Ledger, frames: range) -> None:
        reserved = ledger.reserve([an_order(frame, quoted=str(QUOTE)) for frame in frames])
        assert isinstance(reserved, Reserved), reserved
        self.say("reserved", *(placed.ticket.job for placed in reserved.placed))
        for ticket in reserved.to_submit:
            self.send(ledger, ticket)
        self.bring_home(ledger, ledger.jobs.of(SHOT, [JobState.SUBMITTED, JobState.RUNNING]))

    def take_up(self, ledger: Ledger) -> None:
        left = ledger.after_crash()
        for job in left.in_doubt:
            found = self.provider.find(job.ticket)
            ledger.resolve(job.ticket.job, NeverSubmitted() if found is None else Found(found), by="provider")
            self.say("resolved", job.ticket.job)
        for job in left.reserved:
            self.send(ledger, job.ticket)
        self.bring_home(ledger, ledger.jobs.of(SHOT, [state for state in LIVE if state is not JobState.RESERVED]))

    def send(self, ledger: Ledger, ticket: Ticket) -> None:
        ledger.admit(ticket, COVERED)
        self.say("admitted", ticket.job)
        provider_id = self.provider.submit(ticket)
        self.say("sent", ticket.job)
        ledger.move(Move(ticket.job, JobState.SUBMITTED, provider_id))
        self.say("submitted", ticket.job)

    def bring_home(self, ledger: Ledger, jobs: list[Job]) -> None:
        """Every state for all of them at once, as a supervisor does who commits in groups."""
        waiting = [job.ticket.job for job in jobs if job.state is JobState.SUBMITTED]
        ledger.move(*(Move(job, JobState.RUNNING, worker="gpu") for job in waiting))
        fetched = [job.ticket.job for job in jobs if job.state is not JobState.FETCHED]
        ledger.move(*(Move(job, JobState.FETCHED, charge=Charge(PRICE, False)) for job in fetched))
        self.say("fetched", *fetched)
        ledger.move(*(Move(job.ticket.job, JobState.INDEXED) for job in jobs))
        self.say("indexed", *(job.ticket.job for job in jobs))
