"""A floor for the supervisor: a signed production with a ledger, and works with real guides."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from film_pipeline.backends.registry import backends_of
from film_pipeline.core import keys
from film_pipeline.core.gate import Covered
from film_pipeline.core.generating import FrameWork, GeneratingBackend, Guide
from film_pipeline.core.production import Approver, Production
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.supervisor import Supervisor
from film_pipeline.orchestrator.wanted import Landed, More, Report, Wanted
from film_pipeline.signing import Terms, approve
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.takes import Take, TakeWish

SHOT = "SC010_SH010"
SIZE = (64, 48)
LOCAL = {"kind": "local-klein", "model": "klein-4b", "queue_depth": 4}
SERVERLESS = {
    "kind": "runpod-serverless",
    "endpoint": "klein",
    "worker": "prompt-and-references",
    "model": {"name": "image-edit", "licence": "commercial", "commercial": True},
    "usd_per_image": "0.04",
}
PRIVATE = Ed25519PrivateKey.generate()


@dataclass
class Floor:
    """One production in a folder, with everything that a run needs. landed: what the indexer was given."""

    root: Path
    generation: Mapping[str, Any]
    environment: Mapping[str, str]
    budget: str = "100"
    landed: dict[tuple[int, int | None], Landed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made = self.root / ".film"
        self.made.mkdir(parents=True, exist_ok=True)
        self.production = Production(
            name="the-floor",
            title="The Floor",
            budget=Decimal(self.budget),
            generation=self.generation,
            backends=tuple(self.generation),
            approvers=(Approver(name="director", public_key=keys.public_key_of(PRIVATE)),),
        )
        self.ledger = Ledger.of(self.production, self.made / "ledger.sqlite")
        self.guide = self.a_guide()

    def a_guide(self) -> Guide:
        path = self.made / "plate.png"
        if not path.exists():
            across = np.linspace(0, 255, SIZE[0] * 4, dtype=np.uint8)
            Image.fromarray(np.tile(across, (SIZE[1] * 4, 1))).convert("RGB").save(path)
        return Guide("plate", "plate", path, hashlib.sha256(path.read_bytes()).hexdigest())

    @property
    def covered(self) -> Covered:
        models = {name: backend.model("frame").said for name, backend in self.backends().items()}
        return Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models=models)

    def backends(self) -> dict[str, GeneratingBackend]:
        return backends_of(self.production, self.root, self.environment, poll_s=0.05)

    def sign(self, takes: int = 2, cap: str = "5", frame_cap: str | None = None) -> None:
        terms = Terms(
            SHOT,
            self.covered,
            tuple(self.generation),
            takes,
            Decimal(cap),
            frame_cap_usd=None if frame_cap is None else Decimal(frame_cap),
        )
        pem = self.made / "director.pem"
        pem.write_bytes(_pem())
        pem.chmod(0o600)
        approve(self.ledger, terms, "director", pem, "a long passphrase")

    def open_take(self) -> Take:
        take = self.ledger.open_take(TakeWish(SHOT, self.covered, tuple(self.generation), "director", "cli"))
        assert isinstance(take, Take), take
        return take

    def wanted(self, take: Take, frames: Sequence[int]) -> list[Wanted]:
        covered = self.covered
        return [Wanted(self.work(take.take, frame, covered), take.backends) for frame in frames]

    def work(self, take: int, frame: int, covered: Covered) -> FrameWork:
        return FrameWork(
            shot=SHOT,
            work="take",
            take=take,
            frame=frame,
            purpose="frame",
            prompt=f"a study at night, frame {frame}",
            negative="",
            guides=(self.guide,),
            width=SIZE[0],
            height=SIZE[1],
            seed=take * 10_000 + frame,
            covered=covered,
        )

    def supervisor(self, more: More | None = None, **patience: Any) -> Supervisor:
        asked = {"news_s": 0.2, "away_s": 2.0, "in_flight_s": 0.5, "look_s": 0.4, **patience}
        return Supervisor(self.ledger, self.backends(), self.made, self.index, patience=Patience(**asked), more=more)

    def run(self, wanted: Sequence[Wanted], **how: Any) -> Report:
        return self.supervisor(**how).run(wanted)

    def index(self, landed: Landed) -> None:
        self.landed[landed.work.take, landed.work.frame] = landed


def _pem() -> bytes:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    return PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a long passphrase"))
