"""What the tests of the backends are made from: a signed production, tickets, a gate, works with real pictures."""

import hashlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from film_pipeline.backends.credentials import Credentials
from film_pipeline.core import keys
from film_pipeline.core.gate import Admission, Approval, Covered, GateLocked, Ticket
from film_pipeline.core.generating import FrameWork, Guide, GuideRole
from film_pipeline.core.production import Approver, Production

SHOT = "SC010_SH020"
KEY = "rpa_ORDERKEY0123456789ABCDEF"
WATCH = "rpa_WATCHKEY0123456789ABCDEF"
COVERED = Covered(composition="c" * 64, look="l" * 64, direction="d" * 64, references={}, models={})
SIGNING_KEY = Ed25519PrivateKey.generate()


def a_production(generation: dict[str, Any] | None = None, **more: Any) -> Production:
    generation = generation or {}
    return Production(
        name="the-bridge",
        title="The Bridge",
        generation=generation,
        backends=tuple(generation) or ("cycles",),
        approvers=(Approver(name="director", public_key=keys.public_key_of(SIGNING_KEY)),),
        **more,
    )


LEDGER = "3f8e2c7a-5f0a-4a5e-9a55-6d1f3a1b2c3d"


def an_approval(backends: Sequence[str], key: Ed25519PrivateKey = SIGNING_KEY, **changes: Any) -> Approval:
    now = datetime.now(UTC)
    unsigned = Approval(
        id="approval-1",
        production="the-bridge",
        ledger=LEDGER,
        shot=SHOT,
        covered=COVERED,
        backends=tuple(backends),
        takes=4,
        cap_usd=Decimal("5"),
        signer="director",
        public_key=keys.public_key_of(key),
        signed_at=(now - timedelta(minutes=1)).isoformat(),
        expires_at=(now + timedelta(days=1)).isoformat(),
    )
    return unsigned.model_copy(update=changes).signed_by(key)


def a_job() -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, os.urandom(8).hex()))


def a_ticket(
    backend: str, frame: int | None = 1001, job: str = "", work: FrameWork | None = None, **changes: Any
) -> Ticket:
    """A ticket for a work; for the plain one unless given."""
    ticket = Ticket(
        job=job or a_job(),
        task=(work or a_work(frame=frame)).task,
        attempt=1,
        approval="approval-1",
        shot=SHOT,
        work="take",
        take=1,
        frame=frame,
        backend=backend,
        reserved_usd=Decimal("0.05"),
    )
    return replace(ticket, **changes)


class OpenGate:
    """A gate that lets every ticket through once, and notes what it was asked."""

    def __init__(self, approval: Approval, locked: str = "") -> None:
        self.approval, self.locked = approval, locked
        self.admitted: list[str] = []

    async def admit(self, ticket: Ticket, covered: Covered) -> Admission:
        if self.locked:
            raise GateLocked(self.locked)
        if ticket.job in self.admitted:
            raise GateLocked(f"job {ticket.job} was let through before")
        self.admitted.append(ticket.job)
        return Admission(ticket, self.approval)


def a_picture(folder: Path, name: str, size: tuple[int, int] = (64, 48), noise: bool = False) -> Path:
    path = folder / f"{name}.png"
    if noise:
        Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)).save(path)
    else:
        shade = hashlib.sha256(name.encode()).digest()[:3]
        Image.new("RGB", size, (shade[0], shade[1], shade[2])).save(path)
    return path


def a_guide(folder: Path, role: GuideRole, name: str = "", **how: Any) -> Guide:
    path = a_picture(folder, name or role, **how)
    return Guide(role, name or role, path, hashlib.sha256(path.read_bytes()).hexdigest())


def a_work(guides: Sequence[Guide] = (), frame: int | None = 1001, **changes: Any) -> FrameWork:
    work = FrameWork(
        shot=SHOT,
        work="take",
        take=1,
        frame=frame,
        purpose="frame",
        prompt="Odile crosses the bridge in rain",
        negative="",
        guides=tuple(guides),
        width=640,
        height=360,
        seed=2**62 + 7,
        covered=COVERED,
        note={"slate": "SC010_SH020 take 1"},
    )
    return replace(work, **changes)


class CountedEnvironment(dict[str, str]):
    """An environment that notes what was read from it."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.reads: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.reads.append(name)
        return super().get(name, default)


def some_credentials(root: Path, production: Production, **values: str) -> Credentials:
    return Credentials(values or {"RUNPOD_API_KEY": KEY, "RUNPOD_WATCH_KEY": WATCH}, production, root)
