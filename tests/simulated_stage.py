"""A small production whose backends are stand-ins with play money, made up to the gate."""

import json
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from small_film import SmallFilm

from film_pipeline.simulators.studio import Studio

PLAY = {"FILM_KEY_PASSPHRASE": "a long passphrase"}
QUICK = {
    "comfyui": {"frame_s": 0.2, "load_s": 0.05, "node_s": 0.0},
    "runpod_pods": {
        "provisioning_s": 0.2,
        "starting_s": 0.3,
        "ready_s": 0.2,
        "comfyui": {"frame_s": 0.2, "load_s": 0.05, "node_s": 0.0},
    },
    "runpod_serverless": {
        "endpoints": {
            "simulated-comfyui": {"cold_s": 0.2, "frame_s": 0.2, "load_s": 0.05},
            "flux-2-klein-9b-edit": {
                "worker": "prompt-and-references",
                "usd_per_image": "0.03",
                "max_references": 5,
                "frame_s": 0.2,
            },
        }
    },
}


@dataclass
class Stage:
    """A simulated production, its stand-ins, and somebody with a key."""

    film: SmallFilm
    studio: Studio

    def bill(self) -> Decimal:
        return sum((server.bill().total_usd for server in self.studio.servers.values()), Decimal(0))

    def ask(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.film.film(*words)
