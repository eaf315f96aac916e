"""Generating a shot: what a signature covers, which take is wanted, and what each of its frames is ordered as."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from film_pipeline.core.gate import Cleared, Covered, GateLocked, Work
from film_pipeline.core.generating import FrameWork, GeneratingBackend, Guide, GuideRole, Lora, Purpose
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
    """What a shot's frames are generated from, as the departments before have turned it over."""

    film: Film
    shot: str
    cameras: Turnover
    set_characters: Turnover

    @classmethod
    def of(cls, film: Film, shot: str, upstream: Upstream) -> "Scene":
        return cls(film, shot, upstream.of("cameras", shot), upstream.of("set_characters", shot))

    @property
    def look(self) -> Look:
        return self.film.look(self.film.shot(self.shot))

    @property
    def frames(self) -> list[int]:
        """The shot's unique frames: those that are generated."""
        return [int(frame) for frame in self.cameras.facts["digests"]]

    @property
    def prompt(self) -> str:
        """The shot's own direction, then the look's fragments."""
        parts = (self.film.shot(self.shot).shot.prompt.strip(), self.look.prompt_text())
        return ", ".join(part for part in parts if part)

    @property
    def sheets(self) -> list[Item]:
        """Character sheets of the shot's cast, as many as there is room for beside plate and pose."""
        found = sorted((item for item in self.set_characters.items if item.role.startswith(SHEET)), key=_role)
        return found[: MOST_GUIDES - 2]

    def covered(self, prompt: str = "") -> Covered:
        """What a signature for this shot covers now. prompt: of a hero; the shot's own unless given."""
        facts = self.cameras.facts
        backends = self.film.generating
        return Covered(
            composition=sha256_of_json({"digests": facts["digests"], "held": facts["held"]}),
            # The plate that guides the model is exposed as the shot will be.
            look=sha256_of_json({"render": self.look.render_part, "exposure_stops": self.look.exposure_stops}),
            direction=sha256_of_json({"prompt": prompt or self.prompt, "negative": self.look.prompt.negative}),
            references={item.role.removeprefix(SHEET) + " sheet": item.sha256 for item in self.sheets},
            models={name: self._model(backend) for name, backend in backends.items()},
        )

    def _model(self, backend: GeneratingBackend) -> str:
        lora = self.look.lora
        said = backend.model("frame").said
        return said if lora is None else f"{said} with {lora.name} at {lora.strength:g} ({lora.licence})"

    def work(
        self,
        take: int,
        frame: int,
        covered: Covered,
        direction: str = "",
        work: Work = "take",
        purpose: Purpose = "frame",
        prompt: str = "",
    ) -> FrameWork:
        """One frame to be ordered. direction: what was said for this take alone."""
        width, height = rendered_size(self.film.production)
        words = ", ".join(part for part in (direction.strip(), prompt or self.prompt) if part)
        look = self.look
        lora = look.lora
        guides = self.guides(frame)
        seed = Recipe(
            {"shot": self.shot, "work": work, "frame": frame, "prompt": words, "guides": [g.sha256 for g in guides]}
        ).seed(take)
        return FrameWork(
            shot=self.shot,
            work=work,
            take=take,
            frame=frame,
            purpose=purpose,
            prompt=words,
            negative=look.prompt.negative,
            guides=guides,
            width=width,
            height=height,
            seed=seed,
            covered=covered,
            lora=None if lora is None else Lora(lora.name, lora.strength, lora.licence, lora.sha256),
            note={"slate": f"{self.shot} {work} {take}", "frame": frame, "film": self.film.production.title},
        )

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


def _role(item: Item) -> str:
    return item.role


def recipe_of_work(work: FrameWork) -> Recipe:
    """The recipe of a generated frame, whichever backend makes it: found again by the work alone."""
    return recipe_for("render.generated", work=work.sha256)


def valid_takes(film: Film, shot: str, covered: Covered, work: Work = "take") -> list[Take]:
    """The takes of a shot that were signed for as it is now, oldest first."""
    return [
        take
        for take in film.ledger.takes.of(shot, work)
        if (signed := film.ledger.approvals.one(take.approval)) is not None
        and signed.approval is not None
        and not signed.approval.covered.changes_to(covered, take.backends)
    ]


def wanted_take(scene: Scene, covered: Covered, work: Work = "take") -> Take:
    """The take that the film shows: the circled one, else the newest that was not rejected.

    One that is not complete, and whose approval was taken back or has expired, is not shown: it can't be finished.
    Raises GateLocked where there is none, with what keeps the gate shut.
    """
    film, shot = scene.film, scene.shot
    takes = valid_takes(film, shot, covered, work)
    circled = film.ledger.verdicts.circled(shot, work)
    for take in takes:
        if circled is not None and take.take == circled.take:
            return take
    standing = [take for take in takes if take.standing != "rejected"]
    for take in reversed(standing):
        if is_signed(film, take) or not missing_frames(film, wanted_frames(scene, take, covered)):
            return take
    verdict = film.ledger.verdict(shot, work, covered, list(film.generating))
    why = str(verdict)
    if isinstance(verdict, Cleared):
        why = f"every take was rejected: film take {shot}" if takes else f"no take was asked for yet: film take {shot}"
    raise GateLocked(why, f"film quote {shot}, then film approve {shot}", shot=shot)


def is_signed(film: Film, take: Take) -> bool:
    """Whether the approval that a take was opened under still opens the gate."""
    signed = film.ledger.approvals.one(take.approval)
    return signed is not None and signed.good


def wanted_frames(scene: Scene, take: Take, covered: Covered) -> dict[int, FrameWork]:
    """Every frame of a take, as it is ordered."""
    return {frame: scene.work(take.take, frame, covered, take.direction, take.work) for frame in scene.frames}


def missing_frames(film: Film, works: Mapping[int, FrameWork]) -> list[int]:
    """The frames of a take that are not home."""
    recipes = {frame: recipe_of_work(work).sha256 for frame, work in works.items()}
    made = film.frames.frames_made(recipes.values(), "render")
    return [frame for frame, recipe in recipes.items() if recipe not in made]
