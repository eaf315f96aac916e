"""Stage 6, render: the heroes, one still for each scene that shows what it should look like."""

from collections.abc import Collection
from typing import Any

from film_pipeline.core.recipe import Recipe
from film_pipeline.core.stages import Stage
from film_pipeline.departments.casting import hero_of, readable_heroes
from film_pipeline.departments.department import Department, Job, Progress, Together, Upstream
from film_pipeline.departments.film import Film
from film_pipeline.departments.generated import generate, generated_recipe, generated_version, make_generated
from film_pipeline.departments.generation import Scene


def asked_for(film: Film) -> Collection[str]:
    """The shots of whose hero somebody has asked for a take. Heroes that nobody asked for are no work that waits."""
    if not film.generates:
        return ()
    return {shot for shot in readable_heroes(film) if film.ledger.takes.of(shot, "hero")}


def _scene(film: Film, shot: str, upstream: Upstream) -> Scene:
    return Scene.of(film, shot, upstream, hero_of(film, shot))


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return generated_recipe(_scene(film, shot, upstream))


def _version(film: Film, shot: str, upstream: Upstream) -> int:
    return generated_version(_scene(film, shot, upstream))


def _prepare(film: Film, shots: Together, progress: Progress) -> Collection[str]:
    return generate(film, shots, _scene, HEROES, progress)


def _make(job: Job) -> dict[str, Any]:
    return make_generated(job, _scene(job.film, job.shot, job.upstream))


HEROES = Department(
    "heroes",
    Stage.RENDER,
    needs=("cameras", "look", "set_characters"),
    recipe=_recipe,
    make=_make,
    prepare=_prepare,
    version=_version,
    shots=asked_for,
    part="hero",
    says="Heroes: a still of each scene, cast and lit as it should be, inside the composition of one of its frames.",
)
