"""Hired workers: their boot and idle time is money, and with their frames it adds up to the provider's bill."""

import datetime
import shutil
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_makers import COVERED, LATER, NOW, SHOT, an_order, approve, open_ledger, open_take, reserve, submit

from film_pipeline.core.gate import GateLocked, Locked, OverBudget, Reserved, Ticket, WorkerOrder
from film_pipeline.core.jobs import Charge, Found, IllegalMove, JobState, Move, PaidAndLost
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.workers import Worker


def a_worker(name: str = "film-pod-1", usd: str = "0.20", **changes: Any) -> WorkerOrder:
    fields: dict[str, Any] = {"name": name, "shot": SHOT, "work": "take", "covered": COVERED, "backend": "pods"}
    return WorkerOrder(**(fields | {"usd": Decimal(usd)} | changes))


def hire(ledger: Ledger, provider_id: str = "pod-1", **changes: Any) -> Ticket:
    """A worker that runs."""
    hired = ledger.hire(a_worker(**changes))
    assert isinstance(hired, Reserved), hired
    [ticket] = hired.to_submit
    ledger.admit(ticket, COVERED)
    ledger.move(Move(ticket.job, JobState.SUBMITTED, provider_id), Move(ticket.job, JobState.RUNNING))
    return ticket


def frames_on(ledger: Ledger, frames: int = 3, worker: str = "pod-1") -> list[str]:
    """Frames that a worker has in hand."""
    orders = [an_order(1001 + number, backend="pods", quoted="0.05") for number in range(frames)]
    jobs = [submit(ledger, ticket) for ticket in reserve(ledger, *orders)]
    ledger.move(*(Move(job, JobState.RUNNING, worker=worker) for job in jobs))
    return jobs


def charge(usd: str, estimated: bool = False) -> Charge:
    return Charge(Decimal(usd), estimated)


def sums(ledger: Ledger) -> tuple[str, str]:
    total = ledger.spend.total()
    assert ledger.spend.audit() == []
    return f"{total.reserved_usd:.2f}", f"{total.settled_usd:.2f}"


def test_a_worker_is_hired_on_a_signature_only(ledger: Ledger) -> None:
    assert isinstance(ledger.hire(a_worker()), Locked)
    approve(ledger, backends=("serverless",))
    assert "not pods" in str(ledger.hire(a_worker()))
    approve(ledger)
    assert isinstance(ledger.hire(a_worker(usd="1.01")), OverBudget)
    ticket = hire(ledger)
    assert (ticket.work, ticket.take, ticket.frame, ticket.shot) == ("worker", 0, None, SHOT)
    assert sums(ledger) == ("0.20", "0.00")


def test_a_worker_of_one_name_is_hired_once(ledger: Ledger) -> None:
    approve(ledger)
    ticket = hire(ledger)
    [placed] = ledger.hire(a_worker()).placed
    assert (placed.ticket, placed.new, placed.state) == (ticket, False, JobState.RUNNING)
    assert sums(ledger) == ("0.20", "0.00")


def test_a_worker_needs_no_take_and_uses_none_up(ledger: Ledger) -> None:
    approval = approve(ledger, takes=1)
    open_take(ledger)
    hire(ledger)
    assert ledger.spend.left(approval.id).takes == 0


def test_a_workers_ticket_is_refused_like_any_other(ledger: Ledger) -> None:
    approval = approve(ledger)
    [ticket] = ledger.hire(a_worker()).to_submit
    with pytest.raises(GateLocked, match="the look changed"):
        ledger.admit(ticket, COVERED.model_copy(update={"look": "9" * 64}))
    with pytest.raises(GateLocked, match="expired"):
        ledger.admit(ticket, COVERED, now=LATER)
    assert ledger.revoke(approval.id, "ada", "") == [ticket.job]
    with pytest.raises(GateLocked, match="cancelled"):
        ledger.admit(ticket, COVERED)
    assert sums(ledger) == ("0.00", "0.00")


def test_the_frames_and_the_worker_add_up_to_the_providers_bill(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    jobs = frames_on(ledger)
    for job in jobs:
        ledger.move(Move(job, JobState.FETCHED, charge=charge("0.04", True)), Move(job, JobState.INDEXED))
    assert sums(ledger) == ("0.20", "0.12")
    returned = ledger.return_worker(pod.job, charge("0.25"))
    assert (returned.state, returned.charged_usd) == (JobState.RETURNED, Decimal("0.13"))
    assert sums(ledger) == ("0.00", "0.25")
    assert [row["kind"] for row in ledger.spend.rows()][-1] == "overhead"


def test_a_frame_that_is_charged_after_its_workers_bill_changes_the_sum_by_nothing(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    first, second, third = frames_on(ledger)
    ledger.move(Move(first, JobState.FETCHED, charge=charge("0.04", True)))
    ledger.return_worker(pod.job, charge("0.25"))
    assert sums(ledger) == ("0.10", "0.25")
    ledger.move(Move(second, JobState.FETCHED, charge=charge("0.05", True)))
    ledger.settle({third: charge("0.01"), first: charge("0.03")})
    assert sums(ledger) == ("0.00", "0.25")
    assert ledger.jobs.one(pod.job).charged_usd == Decimal("0.16")


def test_frames_and_bill_in_one_transaction_add_up_too(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    first, second, third = frames_on(ledger)
    ledger.move(
        Move(first, JobState.FETCHED, charge=charge("0.04")),
        Move(pod.job, JobState.RETURNED, charge=charge("0.25")),
        Move(second, JobState.FETCHED, charge=charge("0.05")),
        Move(third, JobState.FAILED, charge=charge("0.02")),
    )
    assert sums(ledger) == ("0.00", "0.25")
    ledger.settle({pod.job: charge("0.26")})
    assert sums(ledger) == ("0.00", "0.26")


def test_frames_that_were_estimated_above_the_bill_are_set_right(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    for job in frames_on(ledger):
        ledger.move(Move(job, JobState.FETCHED, charge=charge("0.05", True)))
    ledger.return_worker(pod.job, charge("0.10"))
    assert sums(ledger) == ("0.00", "0.10")
    assert ledger.jobs.one(pod.job).charged_usd == Decimal("-0.05")


def test_frames_of_another_worker_are_not_taken_for_its_own(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    hire(ledger, name="film-pod-2", provider_id="pod-2")
    mine, theirs = frames_on(ledger, 2)
    ledger.move(Move(mine, JobState.FETCHED, charge=charge("0.04")))
    ledger.move(Move(theirs, JobState.FETCHED, worker="pod-2", charge=charge("0.05")))
    assert ledger.return_worker(pod.job, charge("0.10")).charged_usd == Decimal("0.06")


def test_a_worker_is_not_returned_without_its_bill(ledger: Ledger) -> None:
    approve(ledger)
    pod = hire(ledger)
    with pytest.raises(FilmProblem, match="without its bill"):
        ledger.move(Move(pod.job, JobState.RETURNED))
    with pytest.raises(IllegalMove):
        ledger.move(Move(pod.job, JobState.FETCHED))
    assert sums(ledger) == ("0.20", "0.00")


def test_a_worker_that_never_booted_costs_what_the_provider_says(ledger: Ledger) -> None:
    approve(ledger)
    pod = hire(ledger)
    ledger.move(Move(pod.job, JobState.FAILED, error="it never answered", charge=charge("0.03")))
    assert sums(ledger) == ("0.00", "0.03")


def test_a_worker_in_doubt_is_found_by_its_name_or_lost(ledger: Ledger) -> None:
    approve(ledger)
    for number, provider in enumerate(("pod-1", "pod-2"), start=1):
        [ticket] = ledger.hire(a_worker(f"film-pod-{number}")).to_submit
        ledger.admit(ticket, COVERED)
        assert provider
    found, lost = (job.ticket for job in ledger.after_crash().in_doubt)
    assert found.task.endswith("film-pod-1")
    ledger.resolve(found.job, Found("pod-1"), by="pods")
    ledger.resolve(lost.job, PaidAndLost(), by="ada")
    assert sums(ledger) == ("0.20", "0.20")


def test_a_worker_that_goes_on_is_topped_up_until_the_cap(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("0.50"))
    pod = hire(ledger)
    topped = ledger.top_up(pod.job, Decimal("0.25"))
    assert isinstance(topped, Ticket)
    assert topped.reserved_usd == Decimal("0.45")
    assert ledger.jobs.one(pod.job).ticket == topped
    assert ledger.top_up(pod.job, Decimal("0.06")) == OverBudget(
        Decimal("0.06"), Decimal("0.05"), f"what director signed for {SHOT}"
    )
    ledger.return_worker(pod.job, charge("0.40"))
    assert sums(ledger) == ("0.00", "0.40")


def test_a_worker_is_not_topped_up_on_a_void_approval(ledger: Ledger) -> None:
    approval = approve(ledger)
    pod = hire(ledger)
    assert isinstance(ledger.top_up(pod.job, Decimal("0.01"), now=LATER), Locked)
    ledger.revoke(approval.id, "ada", "")
    assert "ada took it back" in str(ledger.top_up(pod.job, Decimal("0.01")))
    assert "no worker of the ledger" in str(ledger.top_up("nobody", Decimal("0.01")))
    ledger.return_worker(pod.job, charge("0.01"))
    assert "no worker of the ledger" in str(ledger.top_up(pod.job, Decimal("0.01")))


def test_a_frame_can_not_be_topped_up(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    [ticket] = reserve(ledger, an_order())
    assert isinstance(ledger.top_up(ticket.job, Decimal("0.01")), Locked)


def test_a_ticket_from_before_the_top_up_is_not_the_one_that_stands(ledger: Ledger) -> None:
    approve(ledger)
    [ticket] = ledger.hire(a_worker()).to_submit
    topped = ledger.top_up(ticket.job, Decimal("0.05"))
    with pytest.raises(GateLocked, match="reserved_usd was changed"):
        ledger.admit(ticket, COVERED)
    ledger.admit(topped, COVERED)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whenever_bills_and_charges_come_the_sum_is_the_last_bill(
    data: st.DataObject, tmp_path: Path, empty_sqlite_ledger: Path
) -> None:
    ledger = open_ledger(shutil.copy(empty_sqlite_ledger, tmp_path / f"{uuid.uuid4()}.sqlite"))
    approve(ledger)
    open_take(ledger)
    pod = hire(ledger)
    jobs = frames_on(ledger)
    elsewhere = submit(ledger, reserve(ledger, an_order(1009, backend="pods", quoted="0.05"))[0])
    cents = st.integers(0, 30).map(lambda amount: charge(f"{amount / 100:.2f}"))
    events = st.lists(st.tuples(st.sampled_from([*jobs, pod.job, elsewhere]), cents), min_size=1, max_size=8)
    last = None
    for batch in data.draw(st.lists(events, min_size=1, max_size=4)):
        ledger.settle(dict(batch))
        last = dict(batch).get(pod.job, last)
    if last is None:
        last = charge("0.11")
        ledger.return_worker(pod.job, last)
    real = {job: ledger.jobs.one(job).charged_usd or Decimal(0) for job in [*jobs, pod.job]}
    assert sum(real.values()) == last.usd
    assert ledger.spend.audit() == []
    ledger.close()


# The table of workers


def test_workers_are_noted_as_they_were_last_heard_of(ledger: Ledger) -> None:
    pod = Worker("pods", "pod-1", "film-pod-1", state="STARTING", price_hour_usd=Decimal("0.34"))
    ledger.workers.heard(pod)
    minute = NOW + datetime.timedelta(minutes=1)
    ledger.workers.heard(
        Worker("pods", "pod-1", "film-pod-1", state="RUNNING", job_in_hand="j", seconds_per_frame=2.5), now=minute
    )
    ledger.workers.heard(Worker("klein", "here"))
    local, heard = ledger.workers.at_work()
    assert (local.backend, local.price_hour_usd, local.seconds_per_frame) == ("klein", None, None)
    assert (heard.state, heard.job_in_hand, heard.seconds_per_frame) == ("RUNNING", "j", 2.5)
    assert (heard.started_at[:16], heard.heard_at[:16]) == ("2026-11-23T08:00", "2026-11-23T08:01")
    ledger.workers.ended(Worker("pods", "pod-1", why="idle"), now=minute)
    assert [worker.backend for worker in ledger.workers.at_work()] == ["klein"]
    assert [worker.why for worker in ledger.workers.all("pods")] == ["idle"]


def test_a_worker_that_falls_silent_is_noticed(ledger: Ledger) -> None:
    ledger.workers.heard(Worker("pods", "pod-1"))
    five = datetime.timedelta(minutes=5)
    assert ledger.workers.silent(five) == []
    assert [worker.provider_id for worker in ledger.workers.silent(five, now=NOW + 2 * five)] == ["pod-1"]
    ledger.workers.ended(Worker("pods", "pod-1"))
    assert ledger.workers.silent(five, now=NOW + 2 * five) == []


def test_the_price_of_a_worker_is_read_back_to_the_millionth(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place)
    ledger.workers.heard(Worker("pods", "pod-1", price_hour_usd=Decimal("0.339999")))
    assert ledger.workers.all()[0].price_hour_usd == Decimal("0.339999")
    ledger.close()
