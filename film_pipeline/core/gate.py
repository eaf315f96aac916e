"""The generation gate: what a signature covers, and whether it lets a take through."""

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field

from film_pipeline.core import keys
from film_pipeline.core.jobs import JobState
from film_pipeline.core.money import Limit, written
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver
from film_pipeline.core.recipe import sha256_of_json

Work = Literal["take", "hero"]
"""What is signed for."""
TicketWork = Literal["take", "hero", "worker"]
"""What a ticket is for: a frame of a take, a hero still, or the time of a hired worker."""
_STATEMENT = b"film-pipeline approval 1\n"


class Covered(BaseModel):
    """All that a signature is bound to. If any of it changes, the gate is locked again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    composition: str = Field(description="SHA-256 of what stands before the lens at every exposure, and how long")
    look: str = Field(description="SHA-256 of the resolved look")
    direction: str = Field(description="SHA-256 of the prompt with the shot's own direction")
    references: dict[str, str] = Field(
        description="guide image -> SHA-256: character sheets, set pictures, look references"
    )
    models: dict[str, str] = Field(description="backend -> model with its version, LoRA and licence")

    @property
    def sha256(self) -> str:
        return sha256_of_json(self.model_dump(mode="json"))

    def changes_to(self, now: "Covered", backends: Iterable[str]) -> list[str]:
        """What is different now, said part by part; models only of the backends asked about."""
        said = [
            f"the {part} changed"
            for part in ("composition", "look", "direction")
            if getattr(self, part) != getattr(now, part)
        ]
        for name in sorted({*self.references, *now.references}):
            before, after = self.references.get(name), now.references.get(name)
            if before != after:
                said.append(
                    f"the reference {name} "
                    + ("is new" if before is None else "is gone" if after is None else "changed")
                )
        for backend in backends:
            before, after = self.models.get(backend), now.models.get(backend)
            if before != after:
                said.append(f"{backend} would use {after or 'nothing'}, signed was {before or 'nothing'}")
        return said


class Approval(BaseModel):
    """A person lets a shot, as it is composed now, spend up to a cap on up to so many takes on these backends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=64)
    production: str
    ledger: str = Field(description="id of the ledger that it opens: no copy of it, and none that replaces it")
    shot: str
    work: Work = "take"
    covered: Covered
    backends: tuple[str, ...] = Field(min_length=1)
    takes: int = Field(gt=0, le=10_000)
    cap_usd: Limit = Field(ge=0)
    frame_cap_usd: Limit | None = Field(
        default=None,
        ge=0,
        description="what one frame may cost at most; only where it is given, frames of unknown price are let through, "
        "and this much is set aside for each",
    )
    signer: str
    public_key: str
    signed_at: str = Field(description="UTC, ISO 8601")
    expires_at: str = Field(description="UTC, ISO 8601")
    note: str = ""
    signature: str = ""

    @property
    def statement(self) -> bytes:
        """The bytes that are signed: canonical JSON of everything but the signature."""
        return _STATEMENT + rfc8785.dumps(self.model_dump(mode="json", exclude={"signature"}))

    def signed_by(self, key: Ed25519PrivateKey) -> "Approval":
        """Raises ValueError where the key is not the one that the approval names."""
        if keys.public_key_of(key) != self.public_key:
            raise ValueError("the approval names another key than the one it is signed with")
        return self.model_copy(update={"signature": keys.sign(key, self.statement)})


@dataclass(frozen=True)
class Cleared:
    """The gate is open. backends: those of the ones asked about that the signature covers, in the order asked."""

    approval: Approval
    takes_left: int
    cap_left_usd: Decimal
    backends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Locked:
    """The gate is locked, and why: every reason, in words that say what to do."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "the gate is locked: " + "; ".join(self.reasons)


@dataclass(frozen=True)
class OverBudget:
    """The gate would open, but the money does not reach."""

    asked_usd: Decimal
    left_usd: Decimal
    of: str

    def __str__(self) -> str:
        return f"{written(self.asked_usd)} is asked for and {written(self.left_usd)} is left of {self.of}"


Verdict = Cleared | Locked | OverBudget


@dataclass(frozen=True)
class Ticket:
    """A reservation: one job at one backend, with its money set aside. It opens nothing by itself: the ledger is asked.

    job: canonical lowercase UUID, as `job_of` gives it. task: what is made, as `task_of` or `worker_task_of` says it.
    take: 0 for a hired worker, whose shot is the one that it was hired for.
    """

    job: str
    task: str
    attempt: int
    approval: str
    shot: str
    work: TicketWork
    take: int
    frame: int | None
    backend: str
    reserved_usd: Decimal


@dataclass(frozen=True)
class Admission:
    """What the gate hands out when it lets a ticket through: only against it a paid backend reads its credential."""

    ticket: Ticket
    approval: Approval


@dataclass(frozen=True)
class Order:
    """One frame that is to be made, as far as the gate must know it.

    quoted_usd: what it will cost; None where nobody knows, 0 only where it surely costs nothing.
    """

    shot: str
    work: Work
    take: int
    frame: int | None
    recipe_sha256: str
    covered: Covered
    backend: str
    quoted_usd: Decimal | None

    @property
    def task(self) -> str:
        return task_of(self.shot, self.work, self.take, self.frame, self.recipe_sha256)


@dataclass(frozen=True)
class WorkerOrder:
    """The time of a worker that is to be hired: its boot, and what it may idle.

    name: unique, the provider is given it too. The approval of this shot and work pays for it.
    """

    name: str
    shot: str
    work: Work
    covered: Covered
    backend: str
    usd: Decimal


@dataclass(frozen=True)
class Placed:
    """Where an order stands: its ticket, and the state of its job."""

    ticket: Ticket
    state: JobState
    new: bool

    @property
    def made(self) -> bool:
        """Already made: there is nothing to submit."""
        return self.state is JobState.INDEXED


@dataclass(frozen=True)
class Reserved:
    """The orders have their tickets, in the order asked. Some were in work or made already, and cost nothing again."""

    placed: tuple[Placed, ...]

    @property
    def to_submit(self) -> tuple[Ticket, ...]:
        """Tickets that nobody has taken to the gate yet."""
        return tuple(dict.fromkeys(one.ticket for one in self.placed if one.state is JobState.RESERVED))


class GateLocked(FilmProblem):
    """A ticket was refused at the gate."""

    @classmethod
    def because(cls, reasons: Sequence[str], shot: str) -> "GateLocked":
        return cls(str(Locked(tuple(reasons))), f"film approve {shot}, once that is seen to", shot=shot)


class Gate(Protocol):
    """Who stands between a backend and its credential."""

    async def admit(self, ticket: Ticket, covered: Covered) -> Admission:
        """Let a ticket through, once: its job goes from reserved to submitting.

        covered: of the very work that is about to be sent. In one transaction the approval's signature, its expiry and
        revocation, what it covers, its takes, its cap and the production's budget are checked again. Raises GateLocked.
        A coroutine, because the books may be in somebody else's hands for a moment and nothing else must wait for that.
        """


def task_of(shot: str, work: TicketWork, take: int, frame: int | None, recipe_sha256: str) -> str:
    """What a job makes. Among live jobs no two have the same task."""
    return f"{shot}|{work}|{take}|{'' if frame is None else frame}|{recipe_sha256}"


def worker_task_of(shot: str, name: str) -> str:
    """What a hired worker's job is for."""
    return f"{shot}|worker|{name}"


def job_of(ledger: str, task: str, attempt: int) -> str:
    """The id of a job: the same task and attempt have the same one, and no two ledgers share any."""
    return str(uuid.uuid5(uuid.UUID(ledger), f"{task}|{attempt}"))


def why_not(
    approval: Approval, production: str, ledger: str, approvers: Sequence[Approver], now: datetime.datetime
) -> list[str]:
    """Why an approval is worth nothing, whatever the shot looks like; empty where it is good.

    ledger: the id of the ledger that is asked. approvers: those of production.yaml. Nothing that stands in the row
    itself is trusted.
    """
    if approval.production != production:
        return [f"the approval is of the production {approval.production}"]
    if approval.ledger != ledger:
        return ["the approval was signed for another ledger: sign again"]
    known = [approver for approver in approvers if approver.public_key == approval.public_key]
    if not known:
        return [f"the key {keys.fingerprint(approval.public_key)} is not among the approvers of production.yaml"]
    if approval.signer not in {approver.name for approver in known}:
        return [f"the key is {known[0].name}'s and the approval says {approval.signer}"]
    if not keys.is_signed(approval.public_key, approval.signature, approval.statement):
        return ["the signature is not of this approval: it was forged or edited"]
    if _time(approval.expires_at) <= now:
        return [f"the approval expired at {approval.expires_at}: sign again"]
    if _time(approval.signed_at) > now + datetime.timedelta(minutes=5):
        return [f"the approval says it was signed at {approval.signed_at}, which is not yet"]
    return []


def _time(text: str) -> datetime.datetime:
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)


def binding(approval: Approval, now: Covered, backend: str) -> list[str]:
    """Why a good approval does not cover this work at this backend; empty where it does."""
    if backend not in approval.backends:
        return [f"signed were {', '.join(approval.backends)}, not {backend}"]
    return approval.covered.changes_to(now, [backend])


def as_json(verdict: Verdict) -> Mapping[str, Any]:
    """A verdict for `--json` and for pages."""
    match verdict:
        case Cleared():
            return {
                "gate": "open",
                "approval": verdict.approval.id,
                "takes_left": verdict.takes_left,
                "cap_left_usd": str(verdict.cap_left_usd),
                "backends": list(verdict.backends),
            }
        case Locked():
            return {"gate": "locked", "reasons": list(verdict.reasons)}
        case OverBudget():
            return {"gate": "over budget", "reasons": [str(verdict)]}
