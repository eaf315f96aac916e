"""Generating frames on engines that take orders: what is ordered, what comes back, what a backend must be able to do.

The free renderer of core/generation.py is called and waited for; these backends are sent jobs and asked for news. Every
order needs a ticket of the ledger, whether it costs money or only a licence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeGuard

from film_pipeline.core.gate import Covered, Gate, Ticket, Work, task_of
from film_pipeline.core.generation import Quote
from film_pipeline.core.generators import Purpose as Purpose
from film_pipeline.core.recipe import Recipe, sha256_of_json

GuideRole = Literal["plate", "pose", "depth", "normal", "character", "set", "look", "frame"]


@dataclass(frozen=True)
class ModelFile:
    """A file that a model is made of. sha256 is empty where nobody has measured it."""

    name: str
    folder: str
    licence: str
    sha256: str = ""


@dataclass(frozen=True)
class Model:
    """What makes the pixels, and under which licence. commercial: whether the licence lets the film be sold."""

    name: str
    files: tuple[ModelFile, ...]
    licence: str
    commercial: bool

    @property
    def said(self) -> str:
        """As it is signed: name and licence."""
        return f"{self.name} ({self.licence})"


@dataclass(frozen=True)
class Guide:
    """A picture that guides the generation, by content. Its place in the order is its number in the prompt, from 1."""

    role: GuideRole
    name: str
    path: Path
    sha256: str
    licence: str = "own work"


@dataclass(frozen=True)
class Lora:
    """A LoRA that carries the look."""

    name: str
    strength: float
    licence: str
    sha256: str = ""


@dataclass(frozen=True)
class FrameWork:
    """One frame to be generated: everything that decides its pixels but the backend.

    frame: None for a hero still that stands for no frame. Sizes in pixels. seed below 2**63.
    """

    shot: str
    work: Work
    take: int
    frame: int | None
    purpose: Purpose
    prompt: str
    negative: str
    guides: tuple[Guide, ...]
    width: int
    height: int
    seed: int
    covered: Covered
    lora: Lora | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    """What goes into the picture's own metadata: slate, recipe."""

    @cached_property
    def sha256(self) -> str:
        """The name of this piece of work, whoever makes it: it is in work at one backend only, whichever that is."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        guides = [
            {"role": one.role, "name": one.name, "sha256": one.sha256, "licence": one.licence} for one in self.guides
        ]
        # Metadata for people decides no pixel, and integers of 64 bits are text to canonical JSON.
        told |= {"guides": guides, "covered": self.covered.sha256, "note": None, "seed": str(self.seed)}
        return sha256_of_json({**told, "lora": None if self.lora is None else asdict(self.lora)})

    @property
    def task(self) -> str:
        """What a ticket for it names."""
        return task_of(self.shot, self.work, self.take, self.frame, self.sha256)


class Progress(StrEnum):
    """How a job stands at the provider."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"
    """The provider surely does not have it and it cost nothing more: it may be ordered again."""
    UNKNOWN = "unknown"
    """The provider no longer answers for it, and it may have been paid for: a person decides."""


@dataclass(frozen=True)
class News:
    """What a provider says of one job. progress 0..1. charged_usd: None while it is not known."""

    provider_id: str
    state: Progress
    progress: float = 0.0
    error: str = ""
    retryable: bool = False
    charged_usd: Decimal | None = None
    estimated: bool = False
    """Whether the charge is our own reckoning and not the provider's word."""
    seconds: float | None = None
    worker: str = ""
    preview: bytes = b""


@dataclass(frozen=True)
class Fetched:
    """A picture brought home, as the provider gave it: not yet looked at."""

    path: Path
    seconds: float | None
    charged_usd: Decimal | None
    estimated: bool = False
    """Whether the charge is our own reckoning and not the provider's word."""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    """Whether a backend takes orders now. slots: how many more it can work on at once. why: what keeps it from it.

    away: nobody answers there at all, so that nothing is heard of what it has in hand either.
    """

    ready: bool
    slots: int
    queued: int = 0
    warm_models: frozenset[str] = frozenset()
    why: str = ""
    away: bool = False


@dataclass(frozen=True)
class Fit:
    """How a picture that was made in the sizes a model can is brought to the size that was asked for.

    It is scaled (Lanczos) until it covers, then cropped to its middle. All in pixels, (width, height).
    """

    rendered: tuple[int, int]
    delivered: tuple[int, int]

    @property
    def scaled(self) -> tuple[int, int]:
        """The least size of the rendered picture's own shape that covers the delivered one."""
        (wide, high), (width, height) = self.rendered, self.delivered
        if width * high >= height * wide:
            return width, -(-high * width // wide)
        return -(-wide * height // high), height

    @property
    def crop(self) -> tuple[int, int]:
        """Where the delivered picture begins in the scaled one: left, top."""
        wide, high = self.scaled
        return (wide - self.delivered[0]) // 2, (high - self.delivered[1]) // 2

    def as_recipe(self) -> dict[str, Any]:
        return {
            "rendered": list(self.rendered),
            "delivered": list(self.delivered),
            "how": "as rendered"
            if self.rendered == self.delivered
            else "scaled by Lanczos until it covers, cropped to its middle",
        }


@dataclass(frozen=True)
class WorkerReport:
    """A rented machine and what it has cost so far. The figures only grow, so the last report replaces those before.

    worker: the provider's id. ticket: the job that it was started for. job: what it works on now.
    boot_s: from the rent's beginning until it took work; idle_s: ready and waiting. cost_usd: all of it, work included;
    work is also charged to the jobs themselves, so what remains to be settled is `overhead_usd`.
    """

    worker: str
    backend: str
    name: str
    ticket: str
    state: Literal["booting", "ready", "unreachable", "ended"]
    model: str = ""
    gpu: str = ""
    usd_per_hour: Decimal | None = None
    rented_at: str = ""
    boot_s: float = 0.0
    busy_s: float = 0.0
    idle_s: float = 0.0
    cost_usd: Decimal | None = None
    overhead_usd: Decimal | None = None
    job: str = ""
    queued: int = 0
    why: str = ""


class SubmitFailed(Exception):
    """The order was not accepted, and surely costs nothing. retry_after_s: 0 where it makes no sense to try again."""

    def __init__(self, said: str, retry_after_s: float = 0.0, spill: bool = False) -> None:
        super().__init__(said)
        self.retry_after_s, self.spill = retry_after_s, spill
        """spill: this backend can't (no capacity, no balance); another one may."""


class SubmitUncertain(Exception):
    """The order may have been accepted: the connection broke before the answer. It must not be sent again.

    ask_again: whether the provider can tell, and only did not do so now.
    """

    def __init__(self, said: str, ask_again: bool = False) -> None:
        super().__init__(said)
        self.ask_again = ask_again


class FetchFailed(Exception):
    """A finished picture could not be brought home now, and may still be there: it is not to be ordered again."""


class GeneratingBackend(Protocol):
    """A place that takes orders for frames.

    All methods that talk to the provider are coroutines. None of them retries an order by itself.
    """

    name: str
    provider: str
    paid: bool
    purposes: frozenset[Purpose]

    def model(self, purpose: Purpose) -> Model:
        """What it would make such a picture with."""

    def recipe(self, work: FrameWork) -> Recipe:
        """All that decides the pixels, the backend's own part (graph, model, steps) too. Same work, same recipe."""

    def quote(self, frames: int, size: tuple[int, int], purpose: Purpose = "frame") -> Quote:
        """From known prices; unknown where they are not known."""

    def frame_price(self, size: tuple[int, int], purpose: Purpose) -> Decimal | None:
        """What one frame costs by itself, without what its worker costs by being there. None where it is unknown."""

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose) -> None:
        """Learn from a frame that took so long."""

    def software(self) -> str:
        """Name and version of what makes the pixels, as far as the provider says."""

    async def health(self) -> Health:
        """How the provider is. Never raises for a provider that is away: that is `ready=False` and why."""

    async def submit(self, gate: Gate, ticket: Ticket, work: FrameWork) -> str:
        """Pass the gate, read the credential, send the order. Returns the provider's id.

        An order that the provider has already under this ticket is found, not sent again, where the provider can tell.
        Raises GateLocked, SubmitFailed or SubmitUncertain.
        """

    async def find(self, ticket: Ticket) -> str | None:
        """Whether the provider has an order under this ticket: its id, or None where it has none by now.

        An order that is still on its way is none yet: only what has had the time to arrive was never sent.
        Raises SubmitUncertain where the provider can't tell, or does not answer.
        """

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        """News of these jobs, as soon as there is any or when the time is over. Jobs without news are left out.

        provider_ids may grow meanwhile: what comes in is asked about too.
        """

    async def fetch(self, provider_id: str, into: Path) -> Fetched:
        """Bring the finished picture home into the folder, under its final name only once it is there whole.

        Raises FilmProblem where there is none to be had, FetchFailed where it can't be had now, and OSError where our
        own disk refuses.
        """

    async def cancel(self, provider_id: str) -> bool:
        """Ask the provider to stop this one job and no other. Whether it will."""

    async def discard(self, provider_id: str) -> None:
        """The job's picture can't be used: what the provider remembers of it must not be given out again.

        Where the provider does not answer, it is given out again, and is refused again.
        """

    def forget(self, provider_id: str) -> None:
        """The job has ended, and its picture is on the board if there is one: what is kept of it here may go."""

    async def close(self) -> None:
        """Let go of connections. Orders go on at the provider."""


class Tenant(Protocol):
    """Whose money machines are rented with. It is asked before each one, and told what came of it."""

    async def about_to_rent(self, backend: str, ticket: Ticket, work: FrameWork) -> None:
        """Set the money of one machine aside. Raises SubmitFailed where it does not reach: then none may be rented."""

    async def rented(self, backend: str, ticket: Ticket, worker: str) -> None:
        """There is a machine now, under this id of the provider's."""

    async def not_rented(self, backend: str, ticket: Ticket, why: str) -> None:
        """Surely none was rented."""

    async def in_doubt(self, backend: str, ticket: Ticket, why: str) -> None:
        """One may have been rented: its money stays aside until it appears, or has had the time to appear."""


class Landlord(Protocol):
    """What a backend that rents machines can also do.

    Only `submit` rents, and only where the tenant has set the money aside. All else here ends what costs money, and
    needs no gate.
    """

    idle_s: float
    """A machine that has had nothing to do for so long is to be ended."""
    silent_s: float
    """A machine that nobody calls for so long ends itself."""
    listed_after_s: float
    """A machine that was rented may be missing in its provider's list for so long."""

    def rent_with(self, tenant: Tenant) -> None:
        """From now on machines are rented with this tenant's money. Without a tenant none is."""

    def machine_of(self, provider_id: str) -> str:
        """The machine that has this order."""

    def overhead_usd(self) -> Decimal | None:
        """What one machine costs at most before and after its work, booting and idling. None where it is unknown."""

    async def workers(self) -> list[WorkerReport]:
        """Every machine of this backend, those that ended in this process too. Raises FilmProblem if it can't tell.

        They are called, and so live on.
        """

    async def listed(self) -> list[WorkerReport]:
        """Every machine of this production that still costs, of its other backends too, by the provider's word alone.

        None of them is called, so none lives longer for it. Raises FilmProblem if it can't tell.
        """

    async def end_machine(self, worker: str, why: str) -> WorkerReport | None:
        """End one machine, which may be another backend's of this production. None where it is there no more.

        Raises FilmProblem where it may go on costing money.
        """

    async def end_idle(self) -> list[WorkerReport]:
        """End the machines that have had nothing to do for as long as production.yaml allows. `health` does so too."""


class RentingBackend(GeneratingBackend, Landlord, Protocol):
    """A backend that is a landlord too."""


def rents(backend: GeneratingBackend) -> TypeGuard[RentingBackend]:
    """Whether a backend rents machines."""
    return hasattr(backend, "rent_with")
