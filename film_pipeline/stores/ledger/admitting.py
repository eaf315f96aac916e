"""The gate itself: a ticket is let through once, after everything behind it was looked at again.

Nothing is believed: not the ticket, not its row, not the approval's row. What counts is the signature, what it covers,
and entries that nobody can have changed.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from film_pipeline.core.gate import Admission, Covered, GateLocked, Ticket, Work, job_of, task_of, worker_task_of
from film_pipeline.core.jobs import JobState
from film_pipeline.core.money import micros_of
from film_pipeline.stores.ledger.approvals import Approvals, Signed
from film_pipeline.stores.ledger.books import Balances, Books, stamp
from film_pipeline.stores.ledger.clearing import Ask, Plan, Price, overdrawn, reasons_against
from film_pipeline.stores.ledger.jobs import ticket_of_row
from film_pipeline.stores.ledger.schema import JOBS, SPEND
from film_pipeline.stores.ledger.settling import WORKER
from film_pipeline.stores.ledger.takes import is_open

# Built once, because building a statement takes longer than SQLite takes to answer it.
_JOB = select(JOBS).where(JOBS.c.job == bindparam("job"))
_ENTERED = select(func.sum(SPEND.c.reserved_micros)).where(
    SPEND.c.job == bindparam("job"), SPEND.c.approval == bindparam("approval")
)
_SUBMIT = (
    update(JOBS)
    .where(JOBS.c.job == bindparam("of_job"), JOBS.c.state == JobState.RESERVED.value)
    .values(state=JobState.SUBMITTING.value, moved_at=bindparam("moment"))
)


class Admitting:
    """Who stands between a backend and its credential."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def admit(self, ticket: Ticket, covered: Covered, now: datetime.datetime | None = None) -> Admission:
        """See `core.gate.Gate`. Raises GateLocked, with every reason that was found."""
        [outcome] = self.admit_all([(ticket, covered)], now)
        if isinstance(outcome, GateLocked):
            raise outcome
        return outcome

    def admit_all(
        self, asked: Sequence[tuple[Ticket, Covered]], now: datetime.datetime | None = None
    ) -> list[Admission | GateLocked]:
        """Let tickets through, each by itself: one that is refused keeps no other out. In the order asked.

        All of it is one transaction with one state of the books, so an approval's signature is checked once in it.
        """
        moment = self._books.time(now)
        with self._books.writing() as connection:
            signed = {
                approval: Approvals(self._books).looked_at(connection, approval, moment)
                for approval in {ticket.approval for ticket, _ in asked}
            }
            balances = self._books.balances(connection)
            return [self._admitted(connection, *one, signed, balances, stamp(moment)) for one in asked]

    def _admitted(
        self,
        connection: Connection,
        ticket: Ticket,
        covered: Covered,
        known: Mapping[str, Signed | None],
        balances: Balances,
        moment: str,
    ) -> Admission | GateLocked:
        row = connection.execute(_JOB, {"job": ticket.job}).first()
        reasons = _against_ticket(self._books.id, ticket, row)
        if reasons or row is None:
            return GateLocked.because(reasons, ticket.shot)
        if _entered(connection, ticket) != micros_of(ticket.reserved_usd):
            reasons.append("the money that the ticket names was not set aside for it")
        signed = known[ticket.approval]
        if signed is None:
            return GateLocked.because([*reasons, f"there is no approval {ticket.approval}"], ticket.shot)
        reasons += self._against_approval(connection, ticket, signed, covered, Plan(balances))
        if reasons or signed.approval is None:
            return GateLocked.because(reasons, ticket.shot)
        if connection.execute(_SUBMIT, {"of_job": ticket.job, "moment": moment}).rowcount != 1:
            return GateLocked.because(["a ticket opens the gate once"], ticket.shot)
        return Admission(ticket, signed.approval)

    def _against_approval(
        self, connection: Connection, ticket: Ticket, signed: Signed, covered: Covered, plan: Plan
    ) -> list[str]:
        if signed.approval is None or not signed.good:
            return list(signed.reasons)
        approval = signed.approval
        takes = plan.takes_of(connection, approval.id)
        reasons = []
        if approval.shot != ticket.shot or ticket.work not in (approval.work, WORKER):
            reasons.append(f"signed was {approval.shot} ({approval.work}), not {ticket.shot} ({ticket.work})")
        if ticket.work != WORKER and not _is_counted(connection, ticket, approval.work, takes):
            reasons.append(f"take {ticket.take} does not count against this approval")
        reserved = micros_of(ticket.reserved_usd)
        price = Price(known=reserved, dearest=0 if ticket.work == WORKER else reserved)
        ask = Ask(approval.shot, approval.work, covered, (ticket.backend,), ticket.take, True, price)
        reasons += reasons_against(signed, ask, takes)
        # The ticket's own money is among what is reserved, so it is taken out before it is asked for again.
        plan.add(approval.id, -reserved)
        over = overdrawn(self._books, plan, approval, reserved)
        return [*reasons, str(over)] if over else reasons


def _against_ticket(ledger: str, ticket: Ticket, row: Row[Any] | None) -> list[str]:
    """What is wrong with a ticket, before anything that was signed is looked at."""
    if row is None:
        return [f"the ledger knows no ticket {ticket.job}"]
    issued = ticket_of_row(row._mapping)
    edited = [name.name for name in fields(Ticket) if getattr(ticket, name.name) != getattr(issued, name.name)]
    if edited:
        return [f"the ticket is not the one that was issued: its {', '.join(edited)} was changed"]
    task = (
        worker_task_of(ticket.shot, ticket.task.rpartition("|")[2])
        if ticket.work == WORKER
        else task_of(ticket.shot, ticket.work, ticket.take, ticket.frame, row.recipe_sha256)
    )
    if task != ticket.task or job_of(ledger, ticket.task, ticket.attempt) != ticket.job:
        return ["the ledger never issued this ticket"]
    if row.state != JobState.RESERVED.value:
        return [f"the ticket was used: its job is {row.state}, and a ticket opens the gate once"]
    if row.held_micros != row.reserved_micros:
        return ["the money of the ticket is not held any more"]
    return []


def _entered(connection: Connection, ticket: Ticket) -> int:
    """What the entries say is set aside for a ticket under its approval."""
    entered = connection.execute(_ENTERED, {"job": ticket.job, "approval": ticket.approval})
    return int(entered.scalar() or 0)


def _is_counted(connection: Connection, ticket: Ticket, work: Work, takes: set[int]) -> bool:
    return ticket.take in takes and is_open(connection, ticket.shot, work, ticket.take)
