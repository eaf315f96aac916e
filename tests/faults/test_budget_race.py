"""Many processes after one budget: it is never passed by a cent, and no frame is let through twice.

FILM_RACERS sets how many processes race (32 if it is not set).
"""

import os
import random
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_makers import COVERED, SHOT, a_wish, an_order, approve, open_ledger, open_take

from film_pipeline.core.gate import GateLocked, OverBudget, Reserved, Ticket
from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.takes import Take

RACERS = int(os.environ.get("FILM_RACERS", "32"))
PRICES = [Decimal(price) for price in ("0.013", "0.017", "0.019", "0.007", "0.011001")]
LEAST = min(PRICES)


def forked(work: Callable[[], None]) -> int:
    """Do something in a process of its own, without the time that a new Python takes."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def race(place: str, budget: str, racer: int, admitted: Path) -> None:
    """Reserve, submit, settle and cancel until there is nothing left to reserve."""
    ledger, chance = open_ledger(place, budget=budget), random.Random(racer)
    refused, mine = 0, 0
    with admitted.open("a") as said:
        while refused < 3:
            # Half of the frames are wanted by everybody, half are this racer's own.
            mine += 1
            frame = 1001 + (mine if chance.random() < 0.5 else 1000 * (racer + 1) + mine)
            orders = [an_order(frame, quoted=str(chance.choice(PRICES)))]
            reserved = ledger.reserve(orders)
            if isinstance(reserved, OverBudget):
                refused += ledger.reserve([an_order(frame, quoted=str(LEAST))]) == OverBudget(
                    LEAST, reserved.left_usd, reserved.of
                )
                continue
            assert isinstance(reserved, Reserved), reserved
            ticket = reserved.placed[0].ticket
            if reserved.placed[0].state is JobState.RESERVED and submitted(ledger, ticket):
                said.write(f"{ticket.job}\n")
                end(ledger, ticket, chance)
    ledger.close()


def submitted(ledger: Ledger, ticket: Ticket) -> bool:
    try:
        ledger.admit(ticket, COVERED)
    except GateLocked as locked:
        assert "a ticket opens the gate once" in str(locked), locked
        return False
    ledger.move(Move(ticket.job, JobState.SUBMITTED, f"at-provider-{ticket.job}"))
    return True


def end(ledger: Ledger, ticket: Ticket, chance: random.Random) -> None:
    paid = Charge(ticket.reserved_usd, estimated=False)
    if chance.random() < 0.3:
        ledger.move(Move(ticket.job, JobState.LOST))
    else:
        ledger.move(Move(ticket.job, JobState.FETCHED, charge=paid), Move(ticket.job, JobState.INDEXED))


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "cap"), [("1.000003", "900"), ("900", "1.000003")], ids=["budget", "cap"])
def test_many_processes_never_pass_one_budget_by_a_cent(
    ledger_place: str, tmp_path: Path, budget: str, cap: str
) -> None:
    ledger = open_ledger(ledger_place, budget=budget)
    approve(ledger, cap_usd=Decimal(cap))
    open_take(ledger)
    limit = min(Decimal(budget), Decimal(cap))
    admitted = tmp_path / "admitted"
    admitted.touch()
    racers = {forked(lambda racer=racer: race(ledger_place, budget, racer, admitted)) for racer in range(RACERS)}
    statuses = []
    while racers:
        ended = [os.waitpid(racer, os.WNOHANG) for racer in racers]
        statuses += [status for racer, status in ended if racer]
        racers -= {racer for racer, _ in ended}
        assert ledger.spend.total().used_usd <= limit
        time.sleep(0.01)
    assert statuses == [0] * RACERS
    assert limit - LEAST < ledger.spend.total().used_usd <= limit
    assert ledger.spend.audit() == []
    assert ledger.spend.overruns() == {}
    jobs = admitted.read_text().split()
    assert len(jobs) == len(set(jobs)) > RACERS
    made = [job.ticket.frame for job in ledger.jobs.of(SHOT, [JobState.INDEXED])]
    assert len(made) == len(set(made))
    ledger.close()


def race_for_takes(place: str) -> None:
    ledger = open_ledger(place)
    for _ in range(3):
        opened = ledger.open_take(a_wish())
        if not isinstance(opened, Take):
            assert "takes that were signed are taken" in str(opened)
    ledger.close()


def test_many_processes_open_no_more_takes_than_were_signed(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place)
    approve(ledger, takes=7)
    racers = [forked(lambda: race_for_takes(ledger_place)) for _ in range(8)]
    assert [os.waitpid(racer, 0)[1] for racer in racers] == [0] * 8
    assert [take.take for take in ledger.takes.of(SHOT)] == list(range(1, 8))
    ledger.close()
