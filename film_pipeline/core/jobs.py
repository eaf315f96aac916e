"""A job: one frame of one take at one provider, or the time of a hired worker, and the states that it goes through."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. The intent is written before the request, the provider's id at once after it."""

    RESERVED = "reserved"
    """Its money is set aside; nothing was sent."""
    SUBMITTING = "submitting"
    """The gate let it through; the request may or may not have arrived."""
    SUBMITTED = "submitted"
    """The provider has it and gave an id."""
    RUNNING = "running"
    FETCHED = "fetched"
    """The picture is on our disk."""
    INDEXED = "indexed"
    """Checked, recorded and on the board: done."""
    RETURNED = "returned"
    """A hired worker is back with its provider and its bill is settled: done."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The provider surely has it no more, and it never finished: it may be ordered again."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether it was submitted, or paid for: a person decides, and its money stays set aside."""


MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.RESERVED: frozenset({JobState.SUBMITTING, JobState.CANCELLED, JobState.FAILED}),
    JobState.SUBMITTING: frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.UNCERTAIN}),
    JobState.SUBMITTED: frozenset(
        {
            JobState.RUNNING,
            JobState.FETCHED,
            JobState.RETURNED,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
            JobState.UNCERTAIN,
        }
    ),
    JobState.RUNNING: frozenset(
        {
            JobState.FETCHED,
            JobState.RETURNED,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
            JobState.UNCERTAIN,
        }
    ),
    JobState.FETCHED: frozenset({JobState.INDEXED, JobState.FAILED}),
    # By a person, or by evidence: the provider was found to have it, or to have never had it.
    JobState.UNCERTAIN: frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.CANCELLED, JobState.LOST}),
    JobState.INDEXED: frozenset(),
    JobState.RETURNED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.LOST: frozenset(),
}

ENDED = frozenset(state for state, moves in MOVES.items() if not moves)
"""States that a job never leaves."""
LIVE = frozenset(MOVES) - ENDED
"""States in which a job holds money and its frame: no second job for the same task may begin."""
UNDONE = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.LOST})
"""States after which the same task may be ordered again. In all others it is in work or made."""
_OF_FRAMES = frozenset({JobState.FETCHED, JobState.INDEXED})
_OF_WORKERS = frozenset({JobState.RETURNED})


@dataclass(frozen=True)
class Charge:
    """What a job cost. estimated: our own reckoning, until the provider says."""

    usd: Decimal
    estimated: bool


@dataclass(frozen=True)
class Move:
    """A job is to go to another state, and what was learnt on the way. What is left empty stays as it was.

    provider_id: the provider's name of the job. worker: the provider's name of the machine that works on it.
    seconds: of work. charge: what it cost, as soon as anybody knows. by: the person, where one decided.
    """

    job: str
    to: JobState
    provider_id: str = ""
    worker: str = ""
    error: str = ""
    seconds: float | None = None
    charge: Charge | None = None
    by: str = ""


@dataclass(frozen=True)
class Found:
    """The provider has the job: it goes on under this id."""

    provider_id: str


@dataclass(frozen=True)
class NeverSubmitted:
    """The provider never had the job: its money is free again, and it may be ordered again."""


@dataclass(frozen=True)
class PaidAndLost:
    """The job was paid for and its result is gone. charge: None where nobody knows: all that was set aside is spent."""

    charge: Charge | None = None


Outcome = Found | NeverSubmitted | PaidAndLost
"""What came of an uncertain job."""


class IllegalMove(Exception):
    """A job was asked to go where it can't go from where it is."""

    def __init__(self, job: str, before: JobState, after: JobState) -> None:
        super().__init__(f"job {job} is {before.value} and can't become {after.value}")
        self.job, self.before, self.after = job, before, after


def check_move(job: str, before: JobState, after: JobState, worker: bool = False) -> None:
    """Raises IllegalMove where the table has no such move. worker: the job is a hired worker's time, not a frame."""
    foreign = _OF_FRAMES if worker else _OF_WORKERS
    if after not in MOVES[before] or after in foreign:
        raise IllegalMove(job, before, after)
