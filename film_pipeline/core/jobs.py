"""A generation job: one frame of one take at one provider, and the states that it may go through."""

from collections.abc import Mapping
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
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
            JobState.UNCERTAIN,
        }
    ),
    JobState.RUNNING: frozenset(
        {JobState.FETCHED, JobState.FAILED, JobState.CANCELLED, JobState.LOST, JobState.UNCERTAIN}
    ),
    JobState.FETCHED: frozenset({JobState.INDEXED, JobState.FAILED}),
    # By a person, or by evidence: the provider was found to have it, or to have never had it.
    JobState.UNCERTAIN: frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.CANCELLED, JobState.LOST}),
    JobState.INDEXED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.LOST: frozenset(),
}

ENDED = frozenset(state for state, moves in MOVES.items() if not moves)
"""States that a job never leaves."""
LIVE = frozenset(MOVES) - ENDED
"""States in which a job holds money and its frame: no second job for the same task may begin."""


class IllegalMove(Exception):
    """A job was asked to go where it can't go from where it is."""

    def __init__(self, job: str, before: JobState, after: JobState) -> None:
        super().__init__(f"job {job} is {before.value} and can't become {after.value}")
        self.job, self.before, self.after = job, before, after


def check_move(job: str, before: JobState, after: JobState) -> None:
    """Raises IllegalMove where the table has no such move."""
    if after not in MOVES[before]:
        raise IllegalMove(job, before, after)
