"""Generating a shot or its hero: what a signature covers, which take is wanted, what each frame is ordered as."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from film_pipeline.core.gate import Cleared, Covered, GateLocked, Work
from film_pipeline.core.generating import FrameWork, GeneratingBackend, Guide, GuideRole, Lora, Purpose
from film_pipeline.core.heroes import Hero
from film_pipeline.core.look import Look
from film_pipeline.core.recipe import Recipe, sha256_of_json
from film_pipeline.core.record import Item, Turnover
from film_pipeline.departments.department import Upstream, recipe_for
from film_pipeline.departments.film import Film
from film_pipeline.departments.pictures_of import rendered_size
from film_pipeline.stores.ledger.takes import Take

MOST_GUIDES = 4
SHEET = "sheet_"
"""Role of a puppet's character sheet in the turnover of set and characters."""


@dataclass(frozen=True)
class Scene:
    """What a shot's frames are generated from, as the departments before have turned it over.

    hero: the still of the shot, where that is what is generated and not the shot itself.
    """

    film: Film
    shot: str
    cameras: Turnover
    set_characters: Turnover
    hero: Hero | None = None

    @classmethod
    def of(cls, film: Film, shot: str, upstream: Upstream, hero: Hero | None = None) -> "Scene":
        return cls(film, shot, upstream.of("cameras", shot), upstream.of("set_characters", shot), hero)

    @property
    def kind(self) -> Work:
        """What is signed for."""
        return "take" if self.hero is None else "hero"

    @property
    def purpose(self) -> Purpose:
        return "frame" if self.hero is None else "hero"

    @property
    def role(self) -> str:
        """What a generated picture is in its turnover."""
        return "render" if self.hero is None else "hero"

    @property
    def backends(self) -> dict[str, GeneratingBackend]:
        """Those that production.yaml lets make such pictures, the preferred one first."""
        return {name: one for name, one in self.film.generating.items() if self.purpose in one.purposes}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that are ordered, in pixels: a hero is looked at in full."""
        production = self.film.production
        return rendered_size(production) if self.hero is None else production.resolution

    @cached_property
    def look(self) -> Look:
        return self.film.look(self.film.shot(self.shot))

    @property
    def frames(self) -> list[int]:
        """The shot's unique frames: those that are generated; of a hero the one that guides it."""
        return [int(frame) for frame in self.cameras.facts["digests"]] if self.hero is None else [self.hero.frame]

    @cached_property
    def prompt(self) -> str:
        """The shot's own direction, or the hero's, then the look's fragments."""
        own = self.film.shot(self.shot).shot.prompt.strip() if self.hero is None else self.hero.prompt
        return ", ".join(part for part in (own, self.look.prompt_text()) if part)

    @cached_property
    def sheets(self) -> list[Item]:
        """Character sheets of the cast, a hero's subject first, as many as there is room for beside plate and pose."""
        subject = SHEET + (self.hero.subject if self.hero is not None else "")
        found = [item for item in self.set_characters.items if item.role.startswith(SHEET)]
        return sorted(found, key=lambda item: (item.role != subject, item.role))[: MOST_GUIDES - 2]

    def covered(self) -> Covered:
        """What a signature covers now: for this shot, or for its hero."""
        return Covered(
            composition=sha256_of_json(self._composition()),
            # The plate that guides the model is exposed as the shot will be.
            look=sha256_of_json({"render": self.look.render_part, "exposure_stops": self.look.exposure_stops}),
            direction=sha256_of_json({"prompt": self.prompt, "negative": self.look.prompt.negative}),
            references={item.role.removeprefix(SHEET) + " sheet": item.sha256 for item in self.sheets},
            models={name: self._model(backend) for name, backend in self.backends.items()},
        )

    def _composition(self) -> dict[str, Any]:
        """What stands before the lens: at every exposure, and how long; for a hero at its own exposure alone."""
        facts = self.cameras.facts
        if self.hero is not None:
            return {"digest": facts["digests"][str(self.hero.frame)]}
        return {"digests": facts["digests"], "held": facts["held"]}

    def _model(self, backend: GeneratingBackend) -> str:
        lora = self.look.lora
        said = backend.model(self.purpose).said
        return said if lora is None else f"{said} with {lora.name} at {lora.strength:g} ({lora.licence})"

    def work(self, take: int, frame: int, covered: Covered, direction: str = "") -> FrameWork:
        """One frame to be ordered. direction: what was said for this take alone."""
        width, height = self.size
        words = ", ".join(part for part in (direction.strip(), self.prompt) if part)
        lora = self.look.lora
        guides = self.guides(frame)
        seed = Recipe(
            {
                "shot": self.shot,
                "work": self.kind,
                "frame": frame,
                "prompt": words,
                "guides": [g.sha256 for g in guides],
            }
        ).seed(take)
        return FrameWork(
            shot=self.shot,
            work=self.kind,
            take=take,
            frame=frame,
            purpose=self.purpose,
            prompt=words,
            negative=self.look.prompt.negative,
            guides=guides,
            width=width,
            height=height,
            seed=seed,
            covered=covered,
            lora=None if lora is None else Lora(lora.name, lora.strength, lora.licence, lora.sha256),
            note=self._note(take, frame),
        )

    def _note(self, take: int, frame: int) -> dict[str, Any]:
        """What the picture's own metadata says."""
        note = {"slate": f"{self.shot} {self.kind} {take}", "frame": frame, "film": self.film.production.title}
        return note | ({} if self.hero is None else {"label": self.hero.label, "cast": self.hero.subject})

    def guides(self, frame: int) -> tuple[Guide, ...]:
        """Plate and pose of the frame, then the character sheets."""
        items: list[tuple[GuideRole, str, Item]] = [
            ("plate", "plate", self.cameras.one("plate", frame)),
            ("pose", "pose", self.cameras.one("pose", frame)),
            *(("character", item.role.removeprefix(SHEET), item) for item in self.sheets),
        ]
        return tuple(Guide(role, name, self._kept(item), item.sha256) for role, name, item in items)

    def _kept(self, item: Item) -> Path:
        return self.film.made / item.path


def recipe_of_work(work: FrameWork) -> Recipe:
    """The recipe of a generated frame, whichever backend makes it: found again by the work alone."""
    return recipe_for("heroes.still" if work.work == "hero" else "render.generated", work=work.sha256)


def valid_takes(film: Film, shot: str, covered: Covered, work: Work = "take") -> list[Take]:
    """The takes of a shot that were signed for as it is now, oldest first."""
    return [
        take
        for take in film.ledger.takes.of(shot, work)
        if (signed := film.ledger.approvals.one(take.approval)) is not None
        and signed.approval is not None
        and not signed.approval.covered.changes_to(covered, take.backends)
    ]


def wanted_take(scene: Scene, covered: Covered) -> Take:
    """The take that the film shows: the circled one, else the newest that was not rejected.

    One that is not complete, and whose approval was taken back or has expired, is not shown: it can't be finished.
    Raises GateLocked where there is none, with what keeps the gate shut.
    """
    film, shot, kind = scene.film, scene.shot, scene.kind
    takes = valid_takes(film, shot, covered, kind)
    circled = film.ledger.verdicts.circled(shot, kind)
    for take in takes:
        if circled is not None and take.take == circled.take:
            return take
    standing = [take for take in takes if take.standing != "rejected"]
    for take in reversed(standing):
        if is_signed(film, take) or not missing_frames(scene, wanted_frames(scene, take, covered)):
            return take
    verdict = film.ledger.verdict(shot, kind, covered, list(scene.backends))
    why = str(verdict)
    if isinstance(verdict, Cleared):
        why = f"{'every take was rejected' if takes else 'no take was asked for yet'}: {asking(shot, kind)}"
    raise GateLocked(why, signing_for(shot, kind), shot=shot)


def asking(shot: str, kind: Work) -> str:
    """The command that asks for one more take."""
    return f"film take {shot}" + (" --hero" if kind == "hero" else "")


def signing_for(shot: str, kind: Work) -> str:
    """The commands that open the gate."""
    hero = " --hero" if kind == "hero" else ""
    return f"film quote {shot}{hero}, then film approve {shot}{hero}"


def is_signed(film: Film, take: Take) -> bool:
    """Whether the approval that a take was opened under still opens the gate."""
    signed = film.ledger.approvals.one(take.approval)
    return signed is not None and signed.good


def wanted_frames(scene: Scene, take: Take, covered: Covered) -> dict[int, FrameWork]:
    """Every frame of a take, as it is ordered."""
    return {frame: scene.work(take.take, frame, covered, take.direction) for frame in scene.frames}


def missing_frames(scene: Scene, works: Mapping[int, FrameWork]) -> list[int]:
    """The frames of a take that are not home."""
    recipes = {frame: recipe_of_work(work).sha256 for frame, work in works.items()}
    made = scene.film.frames.frames_made(recipes.values(), scene.role)
    return [frame for frame, recipe in recipes.items() if recipe not in made]
