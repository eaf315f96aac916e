"""Tickets: what the gate lets through, once, and what it does not."""

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from ledger_makers import (
    COVERED,
    NOW,
    SHOT,
    a_ticket,
    an_order,
    approve,
    edit_rows,
    open_ledger,
    open_take,
    reasons,
    reserve,
)
from sqlalchemy import insert, select

from film_pipeline.core.gate import (
    GateLocked,
    Locked,
    Order,
    Reserved,
    Ticket,
    job_of,
    task_of,
)
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.entries import Entry, post
from film_pipeline.stores.ledger.schema import APPROVALS, JOBS
from film_pipeline.stores.ledger.takes import Take


def test_a_ticket_opens_the_gate_once(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    with pytest.raises(GateLocked, match="its job is submitting, and a ticket opens the gate once"):
        ledger.admit(ticket, COVERED)
    assert ledger.spend.total().reserved_usd == ticket.reserved_usd


EDITS: dict[str, Any] = {
    "job": "6ba7b810-9dad-51d1-80b4-00c04fd430c8",
    "task": "SC010_SH010|take|1|1002|ff",
    "attempt": 2,
    "approval": "another",
    "shot": "SC090_SH010",
    "work": "hero",
    "take": 2,
    "frame": 1002,
    "backend": "pods",
    "reserved_usd": Decimal("0.01"),
}


@pytest.mark.parametrize("field", EDITS)
def test_an_edited_ticket_opens_nothing(ledger: Ledger, field: str) -> None:
    ticket = a_ticket(ledger)
    with pytest.raises(GateLocked, match="knows no ticket" if field == "job" else f"its {field} was changed"):
        ledger.admit(dataclasses.replace(ticket, **{field: EDITS[field]}), COVERED)
    assert {field.name for field in dataclasses.fields(Ticket)} == set(EDITS)
    assert ledger.jobs.one(ticket.job).state is JobState.RESERVED


def test_a_ticket_of_another_ledger_opens_nothing(ledger: Ledger, tmp_path: Any) -> None:
    other = open_ledger(tmp_path / "other.sqlite")
    foreign, own = a_ticket(other), a_ticket(ledger)
    assert foreign.task == own.task
    assert foreign.job != own.job
    with pytest.raises(GateLocked, match="knows no ticket"):
        ledger.admit(foreign, COVERED)
    other.close()


def a_written_job(ledger: Ledger, **columns: Any) -> Ticket:
    """A job written straight into the database, beside a real one, and the ticket that goes with it."""
    real = a_ticket(ledger)
    with ledger.books.writing() as connection:
        row = dict(connection.execute(select(JOBS).where(JOBS.c.job == real.job)).one()._mapping)
        row |= {"job": "6ba7b810-9dad-51d1-80b4-00c04fd430c8", "task": f"{real.task[:-1]}x"} | columns
        connection.execute(insert(JOBS).values(row))
    return dataclasses.replace(real, job=row["job"], task=row["task"], attempt=row["attempt"])


def test_a_job_written_by_hand_opens_nothing(ledger: Ledger) -> None:
    with pytest.raises(GateLocked, match="never issued this ticket"):
        ledger.admit(a_written_job(ledger), COVERED)


def test_a_job_written_by_hand_with_the_right_name_has_no_money(ledger: Ledger) -> None:
    task = task_of(SHOT, "take", 1, 1001, "f" * 64)
    ticket = a_written_job(ledger, job=job_of(ledger.id, task, 1), task=task, recipe_sha256="f" * 64)
    with pytest.raises(GateLocked, match="was not set aside for it"):
        ledger.admit(ticket, COVERED)
    assert any("entries 0, 0" in wrong for wrong in ledger.spend.audit())


@pytest.mark.parametrize(("shot", "work"), [("SC090_SH010", "take"), (SHOT, "hero")])
def test_a_job_written_by_hand_money_and_all_is_not_let_through_for_other_work(
    ledger: Ledger, shot: str, work: str
) -> None:
    signed = a_ticket(ledger)
    approve(ledger, shot=shot, work=work)
    open_take(ledger, shot=shot, work=work)
    [other] = reserve(ledger, an_order(shot=shot, work=work))
    ledger.move(Move(other.job, JobState.CANCELLED))
    job = job_of(ledger.id, other.task, 2)
    with ledger.books.writing() as connection:
        row = dict(connection.execute(select(JOBS).where(JOBS.c.job == signed.job)).one()._mapping)
        row |= {"job": job, "task": other.task, "attempt": 2, "shot": shot, "work": work}
        connection.execute(insert(JOBS).values(row))
        post(connection, [Entry.of_job("reserve", row, reserved=row["held_micros"])], NOW.isoformat())
    forged = dataclasses.replace(other, job=job, attempt=2, approval=signed.approval)
    with pytest.raises(GateLocked, match=rf"signed was {SHOT} \(take\), not {shot} \({work}\)"):
        ledger.admit(forged, COVERED)


def test_a_job_whose_row_was_put_back_to_reserved_has_no_money_any_more(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.move(Move(ticket.job, JobState.CANCELLED))
    edit_rows(ledger, JOBS, state="reserved")
    with pytest.raises(GateLocked, match="not held any more"):
        ledger.admit(ticket, COVERED)
    edit_rows(ledger, JOBS, held_micros=100_000)
    with pytest.raises(GateLocked, match="was not set aside for it"):
        ledger.admit(ticket, COVERED)


def test_a_job_moved_to_another_approval_by_hand_has_no_money_there(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    rich = approve(ledger, cap_usd=Decimal("50"))
    edit_rows(ledger, JOBS, approval=rich.id)
    with pytest.raises(GateLocked, match="was not set aside for it"):
        ledger.admit(dataclasses.replace(ticket, approval=rich.id), COVERED)


def test_a_ticket_whose_approval_is_gone_opens_nothing(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    edit_rows(ledger, APPROVALS, id="gone")
    with pytest.raises(GateLocked, match="there is no approval"):
        ledger.admit(ticket, COVERED)


def test_the_reasons_of_a_refused_ticket_name_the_shot_and_the_next_step(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    with pytest.raises(GateLocked) as refused:
        ledger.admit(ticket, COVERED.model_copy(update={"look": "9" * 64}))
    assert refused.value.shot == SHOT
    assert f"film approve {SHOT}" in refused.value.mend
    assert str(refused.value).startswith(f"{SHOT}: the gate is locked: ")


# Reserving again


def test_a_frame_in_work_keeps_its_ticket_and_costs_nothing_again(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    again = ledger.reserve([an_order(), an_order(), an_order(1002)])
    assert isinstance(again, Reserved)
    assert [placed.new for placed in again.placed] == [False, False, True]
    assert again.placed[0].ticket == again.placed[1].ticket == ticket
    assert len(again.to_submit) == 2
    assert ledger.spend.total().reserved_usd == Decimal("0.20")
    ledger.admit(ticket, COVERED)
    [placed] = ledger.reserve([an_order()]).placed
    assert (placed.state, placed.new) == (JobState.SUBMITTING, False)


def test_a_frame_that_is_made_needs_neither_approval_nor_money(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    ledger.move(
        Move(ticket.job, JobState.SUBMITTED, "p"),
        Move(ticket.job, JobState.FETCHED),
        Move(ticket.job, JobState.INDEXED),
    )
    ledger.revoke(ticket.approval, "director", "")
    [placed] = ledger.reserve([an_order()]).placed
    assert placed.made
    assert placed.ticket == ticket
    assert isinstance(ledger.reserve([an_order(), an_order(1002)]), Locked)


def test_a_frame_that_failed_gets_another_attempt_under_another_name(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.move(Move(ticket.job, JobState.CANCELLED))
    [second] = reserve(ledger, an_order(backend="klein", quoted="0"))
    assert (second.attempt, second.backend, second.task) == (2, "klein", ticket.task)
    assert second.job != ticket.job
    with pytest.raises(GateLocked, match="cancelled"):
        ledger.admit(ticket, COVERED)


def test_one_locked_order_holds_all_of_them_back(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    mixed = [an_order(1001), an_order(1002, backend="luxury"), an_order(1003, shot="SC090_SH010")]
    told = reasons(ledger.reserve(mixed))
    assert "not luxury" in told
    assert "take 1 of SC090_SH010 (take) was never opened" in told
    assert ledger.jobs.of() == []
    assert ledger.spend.total().used_usd == 0


def test_an_order_that_asks_for_a_negative_price_is_a_mistake(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    with pytest.raises(ValueError, match="no amount of money"):
        ledger.reserve([an_order(quoted="-1")])


def test_an_order_says_the_same_task_as_its_ticket(ledger: Ledger) -> None:
    order: Order = an_order()
    assert a_ticket(ledger).task == order.task
    assert isinstance(open_take(ledger), Take)
