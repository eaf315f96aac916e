"""Jobs: how they move, what they cost, what a crash leaves behind."""

import datetime
from decimal import Decimal

import pytest
from ledger_makers import (
    COVERED,
    NOW,
    SHOT,
    a_ticket,
    an_order,
    approve,
    open_take,
    reserve,
    submit,
)

from film_pipeline.core.gate import Ticket
from film_pipeline.core.jobs import (
    ENDED,
    LIVE,
    MOVES,
    Charge,
    Found,
    IllegalMove,
    JobState,
    Move,
    NeverSubmitted,
    PaidAndLost,
    check_move,
)
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger

CENTS_3, CENTS_12 = Charge(Decimal("0.03"), False), Charge(Decimal("0.12"), False)
WAYS: dict[JobState, tuple[JobState, ...]] = {
    JobState.RESERVED: (),
    JobState.SUBMITTING: (JobState.SUBMITTING,),
    JobState.SUBMITTED: (JobState.SUBMITTING, JobState.SUBMITTED),
    JobState.RUNNING: (JobState.SUBMITTING, JobState.SUBMITTED, JobState.RUNNING),
    JobState.FETCHED: (JobState.SUBMITTING, JobState.SUBMITTED, JobState.FETCHED),
    JobState.INDEXED: (JobState.SUBMITTING, JobState.SUBMITTED, JobState.FETCHED, JobState.INDEXED),
    JobState.FAILED: (JobState.FAILED,),
    JobState.CANCELLED: (JobState.CANCELLED,),
    JobState.LOST: (JobState.SUBMITTING, JobState.SUBMITTED, JobState.LOST),
    JobState.UNCERTAIN: (JobState.SUBMITTING, JobState.UNCERTAIN),
}


def bring(ledger: Ledger, ticket: Ticket, *states: JobState) -> None:
    for state in states:
        if state is JobState.SUBMITTING:
            ledger.admit(ticket, COVERED)
        else:
            ledger.move(Move(ticket.job, state, "at-provider" if state is JobState.SUBMITTED else ""))


def sums(ledger: Ledger) -> tuple[str, str]:
    total = ledger.spend.total()
    assert ledger.spend.audit() == []
    return f"{total.reserved_usd:.2f}", f"{total.settled_usd:.2f}"


# Moves


@pytest.mark.parametrize("before", [state for state in JobState if state is not JobState.RETURNED])
def test_a_frame_moves_as_the_table_says_and_in_no_other_way(ledger: Ledger, before: JobState) -> None:
    approve(ledger, takes=20, cap_usd=Decimal("50"))
    for number, after in enumerate(JobState, start=1):
        take = open_take(ledger).take
        [ticket] = reserve(ledger, an_order(1000 + number, take=take))
        bring(ledger, ticket, *WAYS[before])
        move = Move(ticket.job, after, provider_id="p")
        if after is JobState.SUBMITTING and after in MOVES[before]:
            with pytest.raises(FilmProblem, match="does not get past the gate by itself"):
                ledger.move(move)
        elif after in MOVES[before] and after is not JobState.RETURNED:
            [job] = ledger.move(move)
            assert job.state is after
        else:
            with pytest.raises(IllegalMove, match=f"is {before.value} and can't become {after.value}"):
                ledger.move(move)
            assert ledger.jobs.one(ticket.job).state is before
    assert ledger.spend.audit() == []


def test_every_state_is_reached_and_left_as_it_should_be() -> None:
    assert set(WAYS) | {JobState.RETURNED} == set(JobState) == ENDED | LIVE
    with pytest.raises(IllegalMove):
        check_move("job", JobState.RUNNING, JobState.FETCHED, worker=True)
    with pytest.raises(IllegalMove):
        check_move("job", JobState.RUNNING, JobState.RETURNED)


def test_what_was_learnt_on_the_way_is_kept(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    ledger.move(
        Move(ticket.job, JobState.SUBMITTED, provider_id="sync-1"),
        Move(ticket.job, JobState.RUNNING, worker="gpu-7"),
        Move(ticket.job, JobState.FAILED, error="out of \x00 memory", seconds=3.5),
    )
    job = ledger.jobs.one(ticket.job)
    assert (job.provider_id, job.worker, job.seconds, job.error) == ("sync-1", "gpu-7", 3.5, "out of � memory")
    assert ledger.jobs.at_provider("serverless", "sync-1") == job
    assert ledger.jobs.at_provider("pods", "sync-1") is None


def test_many_moves_are_made_together_or_not_at_all(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    one, other = reserve(ledger, an_order(1001), an_order(1002))
    with pytest.raises(IllegalMove):
        ledger.move(Move(one.job, JobState.CANCELLED), Move(other.job, JobState.INDEXED))
    with pytest.raises(FilmProblem, match="knows no job nobody"):
        ledger.move(Move(one.job, JobState.CANCELLED), Move("nobody", JobState.CANCELLED))
    assert {job.state for job in ledger.jobs.of()} == {JobState.RESERVED}
    assert sums(ledger) == ("0.20", "0.00")
    moved = ledger.move(Move(one.job, JobState.CANCELLED), Move(other.job, JobState.FAILED))
    assert [job.state for job in moved] == [JobState.CANCELLED, JobState.FAILED]
    assert ledger.move() == []


def test_a_job_is_not_submitted_without_the_providers_id(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    with pytest.raises(FilmProblem, match="gave no id"):
        ledger.move(Move(ticket.job, JobState.SUBMITTED))
    assert ledger.jobs.one(ticket.job).state is JobState.SUBMITTING


def test_jobs_are_found_by_shot_state_backend_and_take(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    open_take(ledger)
    reserve(ledger, an_order(1001), an_order(1002, backend="pods"), an_order(1001, take=2))
    assert [job.ticket.frame for job in ledger.jobs.of(SHOT, [JobState.RESERVED], "pods")] == [1002]
    assert len(ledger.jobs.of(take=2)) == 1
    assert ledger.jobs.of("SC090_SH010") == []
    assert ledger.jobs.counts() == {("pods", JobState.RESERVED): 1, ("serverless", JobState.RESERVED): 2}


# Money


def test_money_is_reserved_then_settled_for_what_it_was(ledger: Ledger) -> None:
    job = submit(ledger, a_ticket(ledger))
    assert sums(ledger) == ("0.10", "0.00")
    ledger.move(Move(job, JobState.FETCHED, charge=CENTS_3))
    assert sums(ledger) == ("0.00", "0.03")
    ledger.move(Move(job, JobState.INDEXED))
    assert sums(ledger) == ("0.00", "0.03")
    assert ledger.jobs.one(job).charged_usd == Decimal("0.03")


def test_what_costs_nothing_in_the_end_is_free_again(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    one, other, third = reserve(ledger, an_order(1001), an_order(1002), an_order(1003))
    ledger.move(Move(one.job, JobState.CANCELLED))
    ledger.admit(other, COVERED)
    ledger.move(Move(other.job, JobState.FAILED, error="400"))
    submit(ledger, third)
    ledger.move(Move(third.job, JobState.LOST))
    assert sums(ledger) == ("0.00", "0.00")
    assert ledger.jobs.one(one.job).charged_usd is None


def test_a_failure_that_cost_money_is_settled(ledger: Ledger) -> None:
    job = submit(ledger, a_ticket(ledger))
    ledger.move(Move(job, JobState.FAILED, error="CUDA", charge=CENTS_3))
    assert sums(ledger) == ("0.00", "0.03")


def test_a_frame_whose_price_nobody_tells_counts_for_all_that_was_set_aside(ledger: Ledger) -> None:
    job = submit(ledger, a_ticket(ledger))
    ledger.move(Move(job, JobState.FETCHED), Move(job, JobState.INDEXED))
    assert sums(ledger) == ("0.00", "0.10")
    assert ledger.jobs.one(job).estimated
    assert ledger.spend.total().estimated_usd == Decimal("0.10")


def test_the_providers_word_replaces_our_estimate(ledger: Ledger) -> None:
    job = submit(ledger, a_ticket(ledger))
    ledger.move(Move(job, JobState.FETCHED, charge=Charge(Decimal("0.05"), True)), Move(job, JobState.INDEXED))
    assert ledger.spend.total().estimated_usd == Decimal("0.05")
    for _ in range(2):
        ledger.settle({job: CENTS_3})
        assert sums(ledger) == ("0.00", "0.03")
    assert ledger.spend.total().estimated_usd == 0
    kinds = [(row["kind"], row["settled_usd"]) for row in ledger.spend.rows()]
    assert kinds == [("reserve", "0.000000"), ("settle", "0.050000"), ("adjust", "-0.020000")]


def test_more_than_was_set_aside_is_spent_said_and_holds_the_next_one_back(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("0.20"))
    open_take(ledger)
    [ticket] = reserve(ledger, an_order())
    job = submit(ledger, ticket)
    [settled] = ledger.settle({job: Charge(Decimal("0.25"), False)})
    assert settled.over_usd == Decimal("0.15")
    assert sums(ledger) == ("0.00", "0.25")
    assert ledger.spend.overruns() == {ticket.approval: Decimal("0.05")}
    assert [row["note"] for row in ledger.spend.rows()][-1] == "0.15 USD more than was set aside"
    over = ledger.reserve([an_order(1002, quoted="0.01")])
    assert str(over).startswith("0.01 USD is asked for and -0.05 USD is left")


def test_a_late_bill_of_a_job_that_ended_is_entered(ledger: Ledger) -> None:
    job = submit(ledger, a_ticket(ledger))
    ledger.move(Move(job, JobState.LOST))
    ledger.settle({job: CENTS_12})
    assert sums(ledger) == ("0.00", "0.12")


def test_what_was_never_sent_can_not_be_charged(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    with pytest.raises(FilmProblem, match="was never sent"):
        ledger.settle({ticket.job: CENTS_3})
    with pytest.raises(FilmProblem, match="knows no job nobody"):
        ledger.settle({"nobody": CENTS_3})


def test_many_charges_are_settled_together(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    jobs = [submit(ledger, ticket) for ticket in reserve(ledger, *(an_order(frame) for frame in range(1001, 1006)))]
    assert len(ledger.settle({job: CENTS_3 for job in jobs})) == 5
    assert sums(ledger) == ("0.00", "0.15")


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "1e12"])
def test_a_charge_that_is_no_amount_changes_nothing(ledger: Ledger, amount: str) -> None:
    job = submit(ledger, a_ticket(ledger))
    with pytest.raises(ValueError, match="no amount of money"):
        ledger.settle({job: Charge(Decimal(amount), False)})
    assert sums(ledger) == ("0.10", "0.00")


# In doubt


def test_an_uncertain_job_keeps_its_money_and_its_frame(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    ledger.move(Move(ticket.job, JobState.UNCERTAIN, error="the connection broke"))
    assert sums(ledger) == ("0.10", "0.00")
    assert ledger.spend.total().uncertain_usd == Decimal("0.10")
    [placed] = ledger.reserve([an_order()]).placed
    assert (placed.state, placed.new) == (JobState.UNCERTAIN, False)


def an_uncertain_job(ledger: Ledger) -> str:
    ticket = a_ticket(ledger)
    ledger.admit(ticket, COVERED)
    ledger.move(Move(ticket.job, JobState.UNCERTAIN))
    return ticket.job


def test_a_job_that_is_found_goes_on_under_the_providers_id(ledger: Ledger) -> None:
    job = an_uncertain_job(ledger)
    found = ledger.resolve(job, Found("sync-7"), by="ada")
    assert (found.state, found.provider_id, found.decided_by) == (JobState.SUBMITTED, "sync-7", "ada")
    assert sums(ledger) == ("0.10", "0.00")
    ledger.move(Move(job, JobState.FETCHED, charge=CENTS_3))


def test_a_job_that_was_never_submitted_is_free_and_may_be_ordered_again(ledger: Ledger) -> None:
    job = an_uncertain_job(ledger)
    assert ledger.resolve(job, NeverSubmitted(), by="ada").state is JobState.FAILED
    assert sums(ledger) == ("0.00", "0.00")
    [second] = reserve(ledger, an_order())
    assert second.attempt == 2


@pytest.mark.parametrize(("charge", "spent"), [(CENTS_12, "0.12"), (None, "0.10")])
def test_a_job_that_was_paid_and_lost_is_spent(ledger: Ledger, charge: Charge | None, spent: str) -> None:
    job = an_uncertain_job(ledger)
    lost = ledger.resolve(job, PaidAndLost(charge), by="ada")
    assert (lost.state, lost.estimated) == (JobState.LOST, charge is None)
    assert sums(ledger) == ("0.00", spent)


def test_what_is_known_of_a_lost_jobs_cost_is_not_forgotten(ledger: Ledger) -> None:
    job = an_uncertain_job(ledger)
    ledger.settle({job: CENTS_3})
    ledger.resolve(job, PaidAndLost(), by="ada")
    assert sums(ledger) == ("0.00", "0.03")


def test_only_a_job_in_doubt_is_resolved(ledger: Ledger) -> None:
    job = an_uncertain_job(ledger)
    ledger.resolve(job, NeverSubmitted(), by="ada")
    for outcome in (Found("p"), NeverSubmitted(), PaidAndLost()):
        with pytest.raises(IllegalMove):
            ledger.resolve(job, outcome, by="ada")
    assert sums(ledger) == ("0.00", "0.00")


def test_after_a_crash_every_job_is_where_it_can_be_taken_up(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("10"))
    open_take(ledger)
    tickets = reserve(ledger, *(an_order(frame) for frame in range(1001, 1008)))
    waiting, sending, sent, running, fetched, done, doubted = tickets
    ledger.admit(sending, COVERED)
    for ticket in (sent, running, fetched, done):
        submit(ledger, ticket, f"p{ticket.frame}")
    bring(ledger, doubted, JobState.SUBMITTING, JobState.UNCERTAIN)
    ledger.move(Move(running.job, JobState.RUNNING), Move(fetched.job, JobState.FETCHED))
    ledger.move(Move(done.job, JobState.FETCHED), Move(done.job, JobState.INDEXED))
    left = ledger.after_crash()
    assert [job.ticket for job in left.reserved] == [waiting]
    assert [job.ticket for job in left.in_doubt] == [sending, doubted]
    assert [(job.ticket, job.provider_id) for job in left.to_resume] == [(sent, "p1003"), (running, "p1004")]
    assert [job.ticket for job in left.to_index] == [fetched]
    assert ledger.jobs.one(sending.job).state is JobState.UNCERTAIN
    assert ledger.after_crash() == left
    assert sums(ledger) == ("0.60", "0.10")


def test_a_backend_that_can_tell_ends_the_doubt_after_a_crash(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    arrived, never = reserve(ledger, an_order(1001), an_order(1002))
    for ticket in (arrived, never):
        ledger.admit(ticket, COVERED)
    for job in ledger.after_crash().in_doubt:
        outcome = Found("p1") if job.ticket == arrived else NeverSubmitted()
        ledger.resolve(job.ticket.job, outcome, by="serverless")
    assert ledger.jobs.one(arrived.job).state is JobState.SUBMITTED
    assert ledger.jobs.one(never.job).state is JobState.FAILED


def test_a_run_takes_up_its_own_shots_only(ledger: Ledger) -> None:
    for shot in (SHOT, "SC010_SH020"):
        approve(ledger, shot=shot)
        open_take(ledger, shot=shot)
    mine, theirs = reserve(ledger, an_order(), an_order(shot="SC010_SH020"))
    ledger.admit(mine, COVERED)
    ledger.admit(theirs, COVERED)
    assert [job.ticket for job in ledger.after_crash([SHOT]).in_doubt] == [mine]
    assert ledger.jobs.one(theirs.job).state is JobState.SUBMITTING


def test_moments_are_kept_in_utc(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    there = datetime.timezone(datetime.timedelta(hours=2))
    ledger.move(Move(ticket.job, JobState.CANCELLED), now=(NOW + datetime.timedelta(hours=1)).astimezone(there))
    assert ledger.jobs.one(ticket.job).moved_at == "2026-11-23T09:00:00.000000+00:00"
