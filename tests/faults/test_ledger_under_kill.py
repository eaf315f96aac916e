"""A process that spends is killed at random moments: the ledger stays whole, and no order is sent twice or forgotten.

FILM_FAULT_RUNS sets how many seeded kills are tried (20 if it is not set), FILM_FAULT_SEED the first seed.
"""

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import pytest
from lanes import LANES, in_lanes
from ledger_makers import SHOT, approve, emptied, open_ledger
from spender import BUDGET, FRAMES, PRICE, QUOTE, Provider, Spender

from film_pipeline.core.jobs import ENDED, JobState
from film_pipeline.stores.ledger import Ledger

RUNS = int(os.environ.get("FILM_FAULT_RUNS", "20"))
FIRST_SEED = int(os.environ.get("FILM_FAULT_SEED", "1"))
REACHED = {
    "reserved": set(JobState),
    "admitted": set(JobState) - {JobState.RESERVED},
    "submitted": set(JobState) - {JobState.RESERVED, JobState.SUBMITTING, JobState.UNCERTAIN},
    "fetched": {JobState.FETCHED, JobState.INDEXED},
    "indexed": {JobState.INDEXED},
}
"""In which states a job may be found once the dead process said that it got so far."""


def spend_in_a_fork(place: str, provider: Provider, batch: int, kill_after: float | None) -> list[str]:
    """Spend in a process of its own, and kill it after so many things that it said, and a part of a moment more."""
    hears, says = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.dup2(says, 1)
            Spender(place, provider, batch).spend()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)
    os.close(says)
    said: list[str] = []
    with os.fdopen(hears) as lines:
        for line in lines:
            said.append(line.strip())
            if kill_after is not None and len(said) > kill_after:
                time.sleep(kill_after % 1 * 0.01)
                os.kill(process, signal.SIGKILL)
                kill_after = None
    status = os.waitpid(process, 0)[1]
    assert status in (0, signal.SIGKILL), said
    return said


def check_that_nothing_said_is_lost(ledger: Ledger, said: list[str]) -> None:
    states = {job.ticket.job: job.state for job in ledger.jobs.of()}
    for line in said:
        what, *jobs = line.split()
        assert all(states[job] in REACHED[what] for job in jobs if what in REACHED), line


def check_that_the_books_are_whole(ledger: Ledger, provider: Provider) -> None:
    assert ledger.spend.audit() == []
    total = ledger.spend.total()
    assert total.used_usd <= total.budget_usd
    jobs = ledger.jobs.of()
    assert total.reserved_usd == QUOTE * len([job for job in jobs if job.held_usd])
    known = {job.ticket.job for job in jobs if job.state is not JobState.RESERVED}
    assert set(provider.sent()) <= known, "something was sent that the ledger does not know"


def check_that_the_bill_is_the_ledgers(ledger: Ledger, provider: Provider) -> None:
    jobs, sent = ledger.jobs.of(), provider.sent()
    assert all(job.state in ENDED for job in jobs)
    made = Counter(job.ticket.frame for job in jobs if job.state is JobState.INDEXED)
    assert made == Counter(FRAMES), "a frame is missing, or was paid twice"
    assert len(sent) == len(set(sent)) == len(FRAMES)
    assert ledger.spend.total().settled_usd == PRICE * len(sent)
    assert ledger.spend.total().reserved_usd == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_spender_that_is_killed_anywhere_pays_for_every_frame_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        empty = request.getfixturevalue("empty_sqlite_ledger")

        def place(seed: int, lane: int) -> str:
            return str(shutil.copy(empty, tmp_path / f"{seed}.sqlite"))
    else:
        databases = [request.getfixturevalue("new_postgres_ledger")() for _ in range(LANES)]

        def place(seed: int, lane: int) -> str:
            return emptied(databases[lane])

    def play(seed: int, lane: int) -> None:
        kill_a_spender(random.Random(seed), place(seed, lane), Provider(tmp_path / f"{seed}.orders"))

    in_lanes(play, range(FIRST_SEED, FIRST_SEED + RUNS))


def kill_a_spender(chance: random.Random, place: str, provider: Provider) -> None:
    """Some times, then let it finish."""
    ledger, batch = open_ledger(place, budget=BUDGET), chance.choice([1, 3, 4, len(FRAMES)])
    approve(ledger)
    for _ in range(chance.choice([1, 2, 3])):
        said = spend_in_a_fork(place, provider, batch, kill_after=chance.random() * 40)
        check_that_nothing_said_is_lost(ledger, said)
        check_that_the_books_are_whole(ledger, provider)
    said = spend_in_a_fork(place, provider, batch, kill_after=None)
    assert said[-1] == "wrapped", said
    check_that_the_books_are_whole(ledger, provider)
    check_that_the_bill_is_the_ledgers(ledger, provider)
    assert [take.take for take in ledger.takes.of(SHOT)] == [1]
    ledger.close()


@pytest.mark.parametrize("stop", range(1, 46))
def test_a_spender_that_ends_between_any_two_calls_leaves_books_that_add_up(
    stop: int, tmp_path: Path, empty_sqlite_ledger: Path
) -> None:
    """Every step in turn, not only those that chance finds."""

    class Dead(BaseException):
        """The process is taken to have died here."""

    place = str(shutil.copy(empty_sqlite_ledger, tmp_path / "ledger.sqlite"))
    ledger, provider = open_ledger(place, budget=BUDGET), Provider(tmp_path / "orders")
    approve(ledger)
    steps: list[str] = []

    def count(what: str, *jobs: str) -> None:
        steps.append(" ".join([what, *jobs]))
        if len(steps) == stop:
            raise Dead

    with pytest.raises(Dead):
        Spender(place, provider, 4, count).spend()
    check_that_nothing_said_is_lost(ledger, steps)
    check_that_the_books_are_whole(ledger, provider)
    Spender(place, provider, 4, lambda *_: None).spend()
    check_that_the_books_are_whole(ledger, provider)
    check_that_the_bill_is_the_ledgers(ledger, provider)
    ledger.close()
