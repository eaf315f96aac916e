"""A small film at the gate that needs no Blender: plates, poses and sheets are drawn here, the rest is real."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from small_film import SmallFilm, small_film

from film_pipeline.core.gate import Approval, Work
from film_pipeline.departments.cameras import CAMERAS, compose_shot
from film_pipeline.departments.department import Department, Job, NewFile, recipe_for
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line, Outcome
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.departments.set_characters import SET_CHARACTERS
from film_pipeline.gatekeeping import Signing, sign
from film_pipeline.signing import add_approver, new_key
from film_pipeline.stores.ledger.takes import Take

FIRST, SECOND = "SC010_SH010", "SC010_SH020"
SIZE = (192, 108)
PASSPHRASE = "a long passphrase"
LOCAL = {"klein-local": {"kind": "local-klein", "model": "klein-4b", "queue_depth": 4}}
SERVERLESS = {
    "image-edit": {
        "kind": "runpod-serverless",
        "endpoint": "klein",
        "worker": "prompt-and-references",
        "model": {"name": "image-edit", "licence": "commercial", "commercial": True},
        "usd_per_image": "0.04",
    }
}
HEROES = """
cast:
  maker: a maker in a leather apron
performance: a held pose
camera: one hard key light
scenes:
  SC010:
    slots:
      - {label: At the bench, prompt: '{SUBJ} over the bench', shot: SH010, frame: 1006}
      - {label: Well, prompt: 'a face, thinking', shot: SH020}
"""


@dataclass
class ComposedFilm:
    """A production at the gate, and what people do with it. Its key lies outside of it."""

    small: SmallFilm
    keys: Path

    @property
    def root(self) -> Path:
        return self.small.root

    def open(self) -> Film:
        return Film(self.root)

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def change(self, **fields: Any) -> None:
        """Change fields of production.yaml, as the author does."""
        path, yaml = self.root / "production.yaml", YAML()
        document = yaml.load(path.read_text(encoding="utf-8"))
        document.update(fields)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)

    def sign(self, shot: str, work: Work = "take", takes: int = 1, cap: str = "1.00") -> tuple[Approval, Take]:
        signing = Signing(shot, takes, Decimal(cap), "director", self.keys / "director.pem", PASSPHRASE, work=work)
        with self.open() as film:
            return sign(film, signing)

    def work(self, department: str, shots: Sequence[str] = (FIRST, SECOND)) -> list[Outcome]:
        """Let a department work, in this process."""
        with self.open() as film:
            return Line(film, DEPARTMENTS).work(department, shots)

    def compose(self) -> None:
        """Make everything up to the gate. Raises the first problem."""
        with self.open() as film:
            line = Line(film, _DRAWN)
            for name in ("look", "set_characters", "cameras"):
                for outcome in line.work(name, list(film.shots)):
                    if outcome.problem is not None:
                        raise outcome.problem


def composed_film(folder: Path, generation: Mapping[str, Any], heroes: str = HEROES) -> ComposedFilm:
    """The small film with somebody who may sign, ready for the gate."""
    film = ComposedFilm(small_film(folder), folder / "keys")
    film.change(generation=dict(generation), backends=list(generation), budget="20.00")
    film.write("heroes.yaml", heroes)
    key = new_key(film.keys, "director", PASSPHRASE)
    add_approver(film.root / "production.yaml", key.approver)
    film.compose()
    return film


def copy_of(film: ComposedFilm, folder: Path) -> ComposedFilm:
    """The same film elsewhere: composing it takes longer than most tests."""
    shutil.copytree(film.root, folder / "small-film", symlinks=True)
    return ComposedFilm(SmallFilm(folder / "small-film"), film.keys)


def _draw(job: Job, role: str, number: int, frame: int | None, kind: Any) -> None:
    across = np.linspace(20, 235, SIZE[0], dtype=np.float32)
    down = np.linspace(0, 60 + number % 50, SIZE[1], dtype=np.float32)
    path = job.bench / f"{role}.{number}.png"
    Image.fromarray(np.clip(across[None, :] - down[:, None], 0, 255).astype(np.uint8)).convert("RGB").save(path)
    recipe = recipe_for(job.department.name, role=role, frame=frame, of=job.recipe.sha256)
    job.keep(NewFile(path, role=role, frame=frame, kind=kind, engine="drawn", software="tests", recipe=recipe))


def _make_cameras(job: Job) -> dict[str, Any]:
    composition = compose_shot(job.film, job.film_shot)
    lock = composition.lock(job.input("look").facts["render_look_sha256"])
    stage_file = job.bench / "shot.usda"
    composition.export(stage_file)
    recipe = recipe_for("cameras.composition", lock=lock)
    job.keep(NewFile(stage_file, role="composition", kind="set", engine="usd", software="tests", recipe=recipe))
    frames = composition.sheet.unique_frames
    for frame in frames:
        for place, role in enumerate(("plate", "pose")):
            _draw(job, role, frame + 10 * place, frame, "plate")
    return {
        "lock": lock,
        "digests": {str(frame): composition.digest(frame) for frame in frames},
        "held": [exposure.held_frames for exposure in composition.sheet.exposures],
    }


def _make_sheets(job: Job) -> dict[str, Any]:
    for number, member in enumerate(job.film_shot.shot.cast):
        _draw(job, f"sheet_{member.character}", number, None, "puppet")
    return {}


_DRAWN: dict[str, Department] = {
    **DEPARTMENTS,
    "cameras": replace(CAMERAS, make=_make_cameras),
    "set_characters": replace(SET_CHARACTERS, make=_make_sheets),
}
