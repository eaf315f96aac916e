"""Whatever is done in whatever order: no illegal move, no frame in work twice, and money that adds up.

FILM_FAULT_RUNS sets how many histories are tried in SQLite (20 if it is not set; a third of them in Postgres).
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ledger_makers import COVERED, SHOT, a_wish, an_order, approve, emptied, open_ledger

from film_pipeline.core.gate import GateLocked, Reserved, Ticket, WorkerOrder
from film_pipeline.core.jobs import (
    MOVES,
    UNDONE,
    Charge,
    Found,
    IllegalMove,
    JobState,
    Move,
    NeverSubmitted,
    Outcome,
    PaidAndLost,
)
from film_pipeline.stores.ledger.spend import Money
from film_pipeline.stores.ledger.takes import Take

CAP, BUDGET = Decimal("0.50"), Decimal("0.80")
NOTHING = Decimal(0)
# Few frames and few prices, so that limits are met exactly, passed by a millionth, and frames tried again and again.
prices = st.sampled_from([Decimal(price) for price in ("0.10", "0.20", "0.25", "0.05", "0.250001", "0.000001", "0")])
frames = st.integers(1001, 1004)
EXAMPLES = int(os.environ.get("FILM_FAULT_RUNS", "20"))
UNSENT = (JobState.RESERVED, JobState.SUBMITTING)


@dataclass
class Known:
    """What the model knows of a job, from nothing but what was asked of the ledger."""

    ticket: Ticket
    state: JobState = JobState.RESERVED
    held: Decimal = NOTHING
    charged: Decimal | None = None

    @property
    def is_worker(self) -> bool:
        return self.ticket.work == "worker"


class LedgerUnderTest(RuleBasedStateMachine):
    """A model of jobs and money beside the real ledger. `honest`: no provider charges more than was set aside."""

    honest = True

    def __init__(self, new_place: Callable[[], str | Path]) -> None:
        super().__init__()
        self.ledger = open_ledger(new_place(), budget=str(BUDGET))
        self.approvals = [approve(self.ledger, cap_usd=CAP, takes=2).id for _ in range(2)]
        self.void: set[str] = set()
        self.takes = 0
        self.jobs: dict[str, Known] = {}
        self.excess: Counter[str] = Counter()
        self.open_take()

    def teardown(self) -> None:
        self.ledger.close()

    # What is done

    @rule()
    def open_take(self) -> None:
        opened = self.ledger.open_take(a_wish())
        if isinstance(opened, Take):
            self.takes += 1
            assert opened.take == self.takes

    @rule(orders=st.lists(st.tuples(frames, prices), min_size=1, max_size=4), take=st.sampled_from([1, 1, 1, 2, 3]))
    def reserve(self, orders: list[tuple[int, Decimal]], take: int) -> None:
        wanted = [an_order(frame, take=take, quoted=str(price)) for frame, price in orders]
        in_work = {job.ticket.task for job in self.jobs.values() if job.state not in UNDONE}
        reserved = self.ledger.reserve(wanted)
        if not isinstance(reserved, Reserved):
            assert any(order.task not in in_work for order in wanted)
            return
        for order, placed in zip(wanted, reserved.placed, strict=True):
            assert placed.new == (order.task not in in_work)
            if placed.new and placed.ticket.job not in self.jobs:
                assert take <= self.takes
                self.jobs[placed.ticket.job] = Known(placed.ticket, held=placed.ticket.reserved_usd)
            assert self.jobs[placed.ticket.job].ticket == placed.ticket
            assert self.jobs[placed.ticket.job].state is placed.state

    @rule(name=st.sampled_from(["pod-1", "pod-2"]), usd=prices)
    def hire(self, name: str, usd: Decimal) -> None:
        hired = self.ledger.hire(WorkerOrder(name, SHOT, "take", COVERED, "pods", usd))
        if isinstance(hired, Reserved) and hired.placed[0].new:
            ticket = hired.placed[0].ticket
            self.jobs[ticket.job] = Known(ticket, held=ticket.reserved_usd)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), more=prices)
    def top_up(self, data: st.DataObject, more: Decimal) -> None:
        job = self.any_job(data)
        topped = self.ledger.top_up(job.ticket.job, more)
        if isinstance(topped, Ticket):
            assert job.is_worker and MOVES[job.state]
            job.ticket, job.held = topped, job.held + more

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def admit(self, data: st.DataObject) -> None:
        self.admit_one(self.any_job(data))

    def admit_one(self, job: Known) -> None:
        try:
            self.ledger.admit(job.ticket, COVERED)
        except GateLocked as locked:
            overspent = sum(self.excess.values()) > 0 and "is left of" in str(locked)
            assert job.state is not JobState.RESERVED or job.ticket.approval in self.void or overspent, locked
        else:
            assert job.state is JobState.RESERVED
            assert job.ticket.approval not in self.void
            job.state = JobState.SUBMITTING

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), to=st.sampled_from(JobState))
    def move_anywhere(self, data: st.DataObject, to: JobState) -> None:
        self.move(data, self.any_job(data), to)

    @precondition(lambda self: any(MOVES[job.state] for job in self.jobs.values()))
    @rule(data=st.data())
    def move_on(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([job for job in self.jobs.values() if MOVES[job.state]]), label="job")
        self.move(data, job, data.draw(st.sampled_from(sorted(MOVES[job.state])), label="to"))

    def move(self, data: st.DataObject, job: Known, to: JobState) -> None:
        charge = self.a_charge(data, job) if to not in UNSENT and job.state not in UNSENT else None
        if to is JobState.RETURNED and charge is None:
            charge = Charge(NOTHING, False)
        move = Move(job.ticket.job, to, provider_id=f"p{job.ticket.job}", charge=charge)
        legal = to in MOVES[job.state] and (
            to is not JobState.RETURNED if not job.is_worker else to not in self.of_frames
        )
        if to is JobState.SUBMITTING and legal:
            return self.admit_one(job)
        try:
            self.ledger.move(move)
        except IllegalMove:
            assert not legal
            return
        assert legal
        job.state = to
        if charge is not None:
            self.charge(job, charge)
        if to is JobState.INDEXED and job.charged is None:
            self.charge(job, Charge(job.held, True))
        if not MOVES[to]:
            job.held = NOTHING

    of_frames = (JobState.FETCHED, JobState.INDEXED)

    @precondition(lambda self: any(job.state not in UNSENT for job in self.jobs.values()))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        sent = [job for job in self.jobs.values() if job.state not in UNSENT]
        job = data.draw(st.sampled_from(sent), label="job")
        charge = self.a_charge(data, job)
        if charge is not None:
            self.ledger.settle({job.ticket.job: charge})
            self.charge(job, charge)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), outcome=st.sampled_from([Found("found"), NeverSubmitted(), PaidAndLost()]))
    def resolve(self, data: st.DataObject, outcome: Outcome) -> None:
        job = self.any_job(data)
        after = {Found: JobState.SUBMITTED, NeverSubmitted: JobState.FAILED, PaidAndLost: JobState.LOST}[type(outcome)]
        try:
            self.ledger.resolve(job.ticket.job, outcome, by="ada")
        except IllegalMove:
            assert after not in MOVES[job.state]
            return
        assert after in MOVES[job.state]
        job.state = after
        if isinstance(outcome, PaidAndLost) and job.charged is None:
            self.charge(job, Charge(job.held, True))
        if after in UNDONE:
            job.held = NOTHING

    @rule()
    def crash(self) -> None:
        left = self.ledger.after_crash()
        for job in self.jobs.values():
            if job.state is JobState.SUBMITTING:
                job.state = JobState.UNCERTAIN
        assert {job.ticket.job for job in left.in_doubt} == {
            job.ticket.job for job in self.jobs.values() if job.state is JobState.UNCERTAIN
        }

    @precondition(lambda self: len(self.void) < 3)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        approval = data.draw(st.sampled_from(self.approvals), label="approval")
        self.ledger.revoke(approval, "ada", "")
        self.void.add(approval)
        for job in self.jobs.values():
            if job.ticket.approval == approval and job.state is JobState.RESERVED:
                job.state, job.held = JobState.CANCELLED, NOTHING

    @precondition(lambda self: len(self.approvals) < 5)
    @rule()
    def approve(self) -> None:
        self.approvals.append(approve(self.ledger, cap_usd=CAP, takes=2).id)

    # How the model reckons

    def any_job(self, data: st.DataObject) -> Known:
        return data.draw(st.sampled_from(list(self.jobs.values())), label="job")

    def a_charge(self, data: st.DataObject, job: Known) -> Charge | None:
        most = Decimal("0.30")
        if self.honest:
            most = job.held if job.charged is None else job.charged
        amount = data.draw(st.none() | prices.filter(lambda price: price <= most), label="charge")
        return None if amount is None else Charge(amount, data.draw(st.booleans(), label="estimated"))

    def charge(self, job: Known, charge: Charge) -> None:
        more = charge.usd - (job.charged or NOTHING) - job.held
        self.excess[job.ticket.approval] += max(NOTHING, more)  # type: ignore[assignment]
        job.charged, job.held = charge.usd, NOTHING

    # What must always be so

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        real = {job.ticket.job: job for job in self.ledger.jobs.of()}
        assert set(real) == set(self.jobs)
        for name, job in self.jobs.items():
            held, charged = real[name].held_usd, real[name].charged_usd
            assert (real[name].state, held, charged) == (job.state, job.held, job.charged)

    @invariant()
    def the_entries_add_up_to_what_the_jobs_say(self) -> None:
        assert self.ledger.spend.audit() == []
        total = self.ledger.spend.total()
        assert total.reserved_usd == sum((job.held for job in self.jobs.values()), NOTHING)
        assert total.settled_usd == sum((job.charged or NOTHING for job in self.jobs.values()), NOTHING)
        assert sum(money.used_usd for money in self.ledger.spend.by("approval").values()) == total.used_usd

    @invariant()
    def what_was_added_up_step_by_step_is_what_is_added_up_at_once(self) -> None:
        spend, sums = self.ledger.spend, self.ledger.tally.add_up()
        assert sums.total == spend.total()
        for what in ("day", "shot", "engine"):
            assert _that_move(sums.by(what)) == _that_move(spend.by(what))
        assert sums.overruns == spend.overruns()
        machines = [job for job in self.jobs.values() if job.is_worker]
        of_machines = sums.by("sort").get("machines", Money(NOTHING, NOTHING, NOTHING))
        assert of_machines.reserved_usd == sum((job.held for job in machines), NOTHING)
        assert of_machines.settled_usd == sum((job.charged or NOTHING for job in machines), NOTHING)

    @invariant()
    def no_more_is_used_than_was_signed(self) -> None:
        used = self.ledger.spend.by("approval")
        for approval in self.approvals:
            if approval in used:
                assert used[approval].used_usd <= CAP + self.excess[approval]
        assert self.ledger.spend.total().used_usd <= BUDGET + sum(self.excess.values())
        assert not self.honest or not self.ledger.spend.overruns()

    @invariant()
    def no_frame_is_in_work_twice(self) -> None:
        tasks = Counter(job.ticket.task for job in self.ledger.jobs.of() if job.state not in UNDONE)
        assert not tasks or max(tasks.values()) == 1

    @invariant()
    def takes_are_counted(self) -> None:
        for approval in self.approvals:
            takes = {job.ticket.take for job in self.jobs.values() if job.ticket.approval == approval} - {0}
            assert len(takes) <= 2


def _that_move(sums: dict[str, Money]) -> dict[str, Money]:
    """Without keys whose sums are nothing: money that came and went again."""
    return {key: money for key, money in sums.items() if money.used_usd or money.uncertain_usd}


class LedgerOfDishonestProviders(LedgerUnderTest):
    honest = False


MACHINES = [LedgerUnderTest, LedgerOfDishonestProviders]


def run(machine: type[LedgerUnderTest], new_place: Callable[[], str | Path], examples: int) -> None:
    run_state_machine_as_test(
        lambda: machine(new_place),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_jobs_and_money_hold_whatever_is_done_in_sqlite(
    machine: type[LedgerUnderTest], tmp_path: Path, empty_sqlite_ledger: Path
) -> None:
    numbers = iter(range(10**6))

    def new_place() -> Path:
        return Path(shutil.copy(empty_sqlite_ledger, tmp_path / f"{next(numbers)}.sqlite"))

    run(machine, new_place, examples=EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_jobs_and_money_hold_whatever_is_done_in_postgres(machine: type[LedgerUnderTest], postgres_ledger: str) -> None:
    run(machine, lambda: emptied(postgres_ledger), examples=EXAMPLES // 3)
