"""`film simulate`: a copy of a production whose backends and Discord are stand-ins on this machine, with play money."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import PRODUCTION_FILE, Film
from film_pipeline.departments.stand_ins import ADDRESSES_FILE
from film_pipeline.simulators.people import People
from film_pipeline.simulators.studio import ENVIRONMENT_FILE, Studio, start_all

PLAY_BUDGET = "20.00"
GENERATION = {
    "klein-local": {"kind": "local-klein", "model": "klein-4b", "queue_depth": 2},
    "klein-pods": {
        "kind": "runpod-pods",
        "model": "klein-9b",
        "image": "film/comfyui-klein:simulated",
        "start": "python main.py --listen 127.0.0.1 --port {port}",
        "gpus": ["NVIDIA L40S", "NVIDIA GeForce RTX 4090"],
        "max_workers": 1,
        "boot_s": 20,
        "seconds_per_frame": 3,
    },
    "klein-serverless": {
        "kind": "runpod-serverless",
        "endpoint": "simulated-comfyui",
        "model": "klein-4b",
        "gpu": "L40S",
        "seconds_per_frame": 3,
    },
    "image-edit": {
        "kind": "runpod-serverless",
        "endpoint": "flux-2-klein-9b-edit",
        "worker": "prompt-and-references",
        "model": {"name": "FLUX.2 Klein 9B edit", "licence": "FLUX Non-Commercial", "commercial": False},
        "usd_per_image": "0.03",
    },
}
"""Every kind of backend once, as it would stand in production.yaml."""
REVIEWER = {"name": "reviewer", "discord_id": "900000000000000001", "role": "reviewer"}
"""Whose word counts in the Discord of a simulated production."""


def simulated_copy(source: Path, folder: Path) -> Path:
    """A copy of a production, with what was made for it, that generates on all kinds of backends.

    Raises FilmProblem where something is there already that is no simulated production.
    """
    marker = folder / ".film" / "simulated"
    if folder.exists():
        if marker.is_file():
            return folder
        raise FilmProblem("there is something here already", "choose another folder", file=folder)
    ignored = shutil.ignore_patterns("dagster", "ledger.sqlite*", "bench", "claims", "filing", "warehouse")
    shutil.copytree(source, folder, ignore=ignored, copy_function=_link)
    _generate_here(folder / PRODUCTION_FILE)
    marker.parent.mkdir(exist_ok=True)
    marker.write_text("This production spends play money on stand-ins.\n", encoding="utf-8")
    return folder


def _link(source: str, target: str) -> None:
    """Author's files are copied; what was made never changes in place, so it is linked where the disk can."""
    if f"{os.sep}.film{os.sep}objects{os.sep}" in source:
        try:
            os.link(source, target)
            return
        except OSError:
            shutil.copy2(source, target)
            return
    shutil.copy2(source, target)


def _generate_here(path: Path) -> None:
    yaml = YAML()
    document = yaml.load(path.read_text(encoding="utf-8"))
    document["generation"] = GENERATION
    document["backends"] = list(GENERATION)
    document["people"] = [one for one in document.get("people") or [] if one["name"] != REVIEWER["name"]] + [REVIEWER]
    document["budget"] = PLAY_BUDGET
    document["title"] = f"{document['title']} (simulated)"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def simulate(
    folder: Path, started: Callable[[Studio], None], wait: Callable[[], None], clock_scale: float = 1.0
) -> None:
    """Run the stand-ins for a simulated production until `wait` returns. started: hears of them once they answer."""
    with Film(folder) as film:
        made, known = film.made, film.production.people
    environment = made / ADDRESSES_FILE
    try:
        with start_all(made / "simulators", clock_scale=clock_scale) as studio:
            shutil.copyfile(made / "simulators" / ENVIRONMENT_FILE, environment)
            environment.chmod(0o600)
            for person in known:
                People(studio.servers["discord"]).come_in(person.name, person.discord_id)
            started(studio)
            wait()
    finally:
        environment.unlink(missing_ok=True)
