"""A production small enough to be made hundreds of times: four shots, each for another backend, and one for all."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.backends.pod_fleet import Surroundings
from film_pipeline.backends.registry import backends_of
from film_pipeline.backends.runpod_pods import RunpodPods
from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered
from film_pipeline.core.generating import FrameWork, GeneratingBackend, Guide
from film_pipeline.core.production import Approver, Production
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Event, Lineage, Record, Reference
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.supervisor import Supervisor
from film_pipeline.orchestrator.wanted import Landed, Report, Wanted
from film_pipeline.stores.filing import file_frames, recover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.leases import claim
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.books import utc_now
from film_pipeline.stores.ledger.takes import TakeWish
from film_pipeline.stores.media import MediaStore

SIZE = (64, 48)
KEY, WATCH = "kill-order-key", "kill-watch-key"
PRIVATE = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the director of the floor").digest())
POLL_S = 0.03
PATIENCE = Patience(
    news_s=0.1, away_s=0.5, in_hand_s=2.0, in_flight_s=0.3, goodbye_s=1.0, fetch_s=1.0, look_s=0.4, rest=0.02
)
GENERATION: Mapping[str, Mapping[str, Any]] = {
    "local": {"kind": "local-klein", "model": "klein-4b", "queue_depth": 3},
    "pods": {
        "kind": "runpod-pods",
        "model": "klein-4b",
        "image": "our/comfyui:1",
        "start": "python main.py --port {port}",
        "gpus": ["NVIDIA L40S", "NVIDIA GeForce RTX 4090"],
        "max_workers": 2,
        "boot_s": 5,
        "boot_timeout_s": 30,
        "idle_s": 0,
        "seconds_per_frame": 1,
    },
    "image": {
        "kind": "runpod-serverless",
        "endpoint": "image",
        "worker": "prompt-and-references",
        "model": {"name": "image-edit", "licence": "commercial", "commercial": True},
        "usd_per_image": "0.04",
        "execution_timeout_s": 45,
        "ttl_s": 3600,
    },
    "seconds": {
        "kind": "runpod-serverless",
        "endpoint": "seconds",
        "model": "klein-4b",
        "usd_per_second": "0.0005",
        "execution_timeout_s": 45,
        "ttl_s": 3600,
        "seconds_per_frame": 4,
    },
}
SHOTS: Mapping[str, tuple[str, ...]] = {
    "SC010_SH010": ("local",),
    "SC010_SH020": ("pods",),
    "SC010_SH030": ("image",),
    "SC010_SH040": ("seconds",),
    "SC010_SH050": ("local", "pods", "image", "seconds"),
}
FRAMES = (1001, 1002)


@dataclass(frozen=True)
class Places:
    """Where the stand-ins are, and the ledger, if it is not in the production."""

    comfyui: str
    pods: str
    serverless: str
    ledger: str = ""

    def environment(self) -> dict[str, str]:
        return {
            "COMFYUI_URL": self.comfyui,
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_WATCH_KEY": WATCH,
            "RUNPOD_ENDPOINT_BASE_URL": f"{self.serverless}/v2",
        }


class KillFloor:
    """One production, opened. name: its own at the providers, so that machines of other seeds are not its."""

    def __init__(self, root: Path, name: str, places: Places) -> None:
        self.root, self.places = root, places
        self.made = root / ".film"
        self.made.mkdir(parents=True, exist_ok=True)
        self.production = Production(
            name=name,
            title="The Floor",
            budget=Decimal("100"),
            generation=GENERATION,
            backends=tuple(GENERATION),
            approvers=(Approver(name="director", public_key=keys.public_key_of(PRIVATE)),),
        )
        self.ledger = Ledger.of(self.production, places.ledger or self.made / "ledger.sqlite")
        self.media, self.frames = MediaStore(self.made), FrameStore(self.made / "film.sqlite")
        self.guide = self._guide()
        self.backends = self._backends()
        models = {name: backend.model("frame").said for name, backend in self.backends.items()}
        self.covered = Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models=models)

    def close(self) -> None:
        self.ledger.close()
        self.frames.close()

    def _guide(self) -> Guide:
        path = self.made / "plate.png"
        if not path.exists():
            across = np.linspace(0, 255, SIZE[0] * 2, dtype=np.uint8)
            Image.fromarray(np.tile(across, (SIZE[1] * 2, 1))).convert("RGB").save(path)
        return Guide("plate", "plate", path, hashlib.sha256(path.read_bytes()).hexdigest())

    def _backends(self) -> dict[str, GeneratingBackend]:
        """As production.yaml describes them, with a pods backend that looks as often as the stand-in's time passes."""
        environment = self.places.environment()
        found = backends_of(self.production, self.root, environment, poll_s=POLL_S)
        around = Surroundings(
            rest_url=f"{self.places.pods}/v2",
            proxy=f"{self.places.pods}/proxy/{{pod}}-{{port}}",
            poll_s=POLL_S,
            look_s=0.2,
            unreachable_s=1.5,
            blocked_s=0.3,
            listed_after_s=0.5,
            settling_s=0.5,
        )
        credentials = Credentials(environment, self.production, self.root)
        plan: Any = self.production.generation["pods"]
        found["pods"] = RunpodPods("pods", plan, self.production.name, credentials, around)
        assert isinstance(found["local"], LocalKlein)
        return found

    # The gate

    def sign(self) -> None:
        """Sign for every shot and open its take."""
        now = utc_now()
        for shot, backends in SHOTS.items():
            approval = Approval(
                id=f"approval-of-{shot}",
                production=self.production.name,
                ledger=self.ledger.id,
                shot=shot,
                covered=self.covered,
                backends=backends,
                takes=1,
                cap_usd=Decimal("10"),
                signer="director",
                public_key=keys.public_key_of(PRIVATE),
                signed_at=now.isoformat(),
                expires_at=now.replace(year=now.year + 1, day=1).isoformat(),
            )
            self.ledger.add(approval.signed_by(PRIVATE))
            self.ledger.open_take(TakeWish(shot, self.covered, backends, "director", "cli", asked_as=shot))

    # Making

    def wanted(self) -> list[Wanted]:
        """What is not on the board yet."""
        every = [Wanted(self.work(shot, frame), backends) for shot, backends in SHOTS.items() for frame in FRAMES]
        made = self.frames.frames_made([recipe_of(one.work).sha256 for one in every])
        return [one for one in every if recipe_of(one.work).sha256 not in made]

    def work(self, shot: str, frame: int) -> FrameWork:
        return FrameWork(
            shot=shot,
            work="take",
            take=1,
            frame=frame,
            purpose="frame",
            prompt=f"{self.production.name} {shot} {frame}",
            negative="",
            guides=(self.guide,),
            width=SIZE[0],
            height=SIZE[1],
            seed=frame,
            covered=self.covered,
        )

    def run(self) -> Report:
        """One run, as the film makes it: what a killed one was filing is completed, then the claims are taken."""
        recover(self.media, self.frames)
        with claim(self.made, "render", "all of the floor"):
            supervisor = Supervisor(self.ledger, self.backends, self.made, self.index, patience=PATIENCE)
            return supervisor.run(self.wanted(), shots=list(SHOTS))

    def index(self, landed: Landed) -> None:
        """File the frame with its record, as the render department does."""
        bench = self.made / "bench" / f"{os.getpid()}-{landed.ticket.job}"
        bench.mkdir(parents=True, exist_ok=True)
        picture = bench / "given.png"
        Image.fromarray(landed.picture).save(picture, compress_level=1)
        file_frames(self.media, self.frames, [(picture, self.record(landed), place_of(landed.work))])
        bench.rmdir()

    def record(self, landed: Landed) -> Record:
        work, charge = landed.work, landed.charge
        event = Event(
            engine=landed.backend.name,
            provider=landed.backend.provider,
            software=landed.backend.software(),
            author="the floor",
            cost_usd=None if charge is None else float(charge.usd),
        )
        return Record(
            deliverable=Path(place_of(work)).stem,
            content_hash_sha256="",
            engine_summary=(landed.backend.name,),
            license_summary=(landed.backend.model(work.purpose).licence,),
            lineage=Lineage(kind="render", shot=work.shot, events=(event,)),
            stage="render",
            version=work.take,
            frame=work.frame,
            role="generated",
            media_path=place_of(work),
            media_bytes=0,
            recipe_sha256=recipe_of(work).sha256,
            recipe=recipe_of(work).ingredients,
            take=work.take,
            ticket=landed.ticket.job,
            references=tuple(Reference(role=one.role, name=one.name, sha256=one.sha256) for one in work.guides),
        )


def recipe_of(work: FrameWork) -> Recipe:
    return Recipe({"department": "render", "work": work.sha256})


def place_of(work: FrameWork) -> str:
    return f"shots/{work.shot}/render/t{work.take:03d}/{work.shot}_render_t{work.take:03d}.{work.frame}.png"


def told(report: Report) -> str:
    """What a run says at its end, for whoever waits for its process."""
    problems = {"|".join(map(str, key)): why for key, why in report.problems.items()}
    return json.dumps({"made": len(report.made), "problems": problems, "uncertain": report.uncertain})


def as_arguments(root: Path, name: str, places: Places) -> Sequence[Any]:
    return [str(root), name, asdict(places)]
