"""The hero pass: one still for each scene, cast, asked for at the gate, and ready to be made."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from film_pipeline.core.gate import Cleared
from film_pipeline.core.heroes import Hero
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.casting import lead_heroes
from film_pipeline.departments.film import HEROES_FILE, Film
from film_pipeline.departments.generation import Scene, valid_takes
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.gatekeeping import ShotQuote, ask_backends, first_take, quoted, said_of, scene_at_gate
from film_pipeline.stores.ledger.takes import Take


@dataclass(frozen=True)
class QueuedHero:
    """A scene's hero at the gate. prompt: with the look. takes: those that fit what is signed, oldest first.

    waits: what keeps it from being made; empty where a take was asked for.
    """

    hero: Hero
    prompt: str = ""
    quote: ShotQuote | None = None
    takes: tuple[Take, ...] = ()
    waits: str = ""

    def as_json(self) -> dict[str, Any]:
        hero = self.hero
        return {
            "scene": hero.scene,
            "label": hero.label,
            "shot": hero.shot,
            "frame": hero.frame,
            "cast": hero.subject or None,
            "prompt": self.prompt or hero.prompt,
            "takes": [{"take": take.take, "standing": take.standing or None} for take in self.takes],
            "waits": self.waits or None,
            "quote": None if self.quote is None else self.quote.as_json(),
        }


def queue_heroes(film: Film, scenes: Sequence[str] = (), ask: bool = True) -> list[QueuedHero]:
    """The hero of every scene (of these scenes), each with its take where somebody has signed for it.

    ask: open the take of an approval that has none yet. A hero that can't be made yet says why. Raises FilmProblem
    where heroes.yaml is wrong, or names no hero at all.
    """
    heroes = lead_heroes(film, scenes)
    if not heroes:
        raise FilmProblem(
            "nobody has described any heroes", "give each scene a slot: docs/files.md says how", film.root / HEROES_FILE
        )
    line = Line(film, DEPARTMENTS)
    at_gate: list[Scene | FilmProblem] = []
    for hero in heroes:
        try:
            at_gate.append(scene_at_gate(film, hero.shot, line, "hero"))
        except FilmProblem as problem:
            at_gate.append(problem)
    asked = asyncio.run(ask_backends(film.generating)) if any(isinstance(one, Scene) for one in at_gate) else {}
    return [
        QueuedHero(hero, waits=f"{scene.problem}: {scene.mend}".rstrip(": "))
        if isinstance(scene, FilmProblem)
        else _queued(hero, scene, quoted(scene, 1, asked), ask)
        for hero, scene in zip(heroes, at_gate, strict=True)
    ]


def _queued(hero: Hero, scene: Scene, quote: ShotQuote, ask: bool) -> QueuedHero:
    film, covered, verdict = scene.film, quote.covered, quote.verdict
    takes = valid_takes(film, scene.shot, covered, "hero")
    if not takes and ask and isinstance(verdict, Cleared):
        takes = [first_take(film, verdict.approval, covered, "cli")]
    waits = ""
    if not takes:
        waits = said_of(verdict)
    elif all(take.standing == "rejected" for take in takes):
        waits = f"every take was rejected: film take {scene.shot} --hero"
    return QueuedHero(hero, scene.prompt, quote, tuple(takes), waits)
