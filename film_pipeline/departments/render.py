"""Stage 6, render: a take of the shot's unique frames, from a backend, inside the composition lock."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from film_pipeline.core.generation import FrameOrder
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import (
    Department,
    Job,
    NewFile,
    Progress,
    Together,
    Upstream,
    first_of_each,
    recipe_for,
    reference,
)
from film_pipeline.departments.film import Film
from film_pipeline.departments.generated import generate, generated_recipe, generated_version, make_generated
from film_pipeline.departments.generation import Scene
from film_pipeline.departments.pictures_of import rendered_size


def _settings(film: Film) -> dict[str, Any]:
    quality = film.production.quality
    return film.backend.settings(rendered_size(film.production), quality.samples, quality.bounces)


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    if film.generates:
        return generated_recipe(Scene.of(film, shot, upstream))
    cameras = upstream.of("cameras", shot)
    return recipe_for(
        "render",
        backend=_settings(film),
        digests=cameras.facts["digests"],
        look=film.look(film.shot(shot)).render_part,
    )


def _prepare(film: Film, shots: Together, progress: Progress) -> Collection[str]:
    return generate(film, shots, Scene.of, RENDER, progress) if film.generates else ()


def _version(film: Film, shot: str, upstream: Upstream) -> int | None:
    return generated_version(Scene.of(film, shot, upstream)) if film.generates else None


def _make(job: Job) -> dict[str, Any]:
    if job.film.generates:
        return make_generated(job, Scene.of(job.film, job.shot, job.upstream))
    film, cameras = job.film, job.input("cameras")
    backend, settings = film.backend, _settings(film)
    look = film.look(job.film_shot).render_part
    recipes: dict[int | None, Recipe] = {
        int(frame): recipe_for("render.frame", backend=settings, digest=digest, look=look)
        for frame, digest in cameras.facts["digests"].items()
    }
    composition = cameras.one("composition")
    there = job.found("render", recipes)
    missing = {frame: job.bench / f"{frame}.exr" for frame in first_of_each(recipes, there)}
    landed = len(there)
    job.done(landed, len(recipes))

    def bring_home(frame: int, path: Path, seconds: float) -> None:
        nonlocal landed
        plate = cameras.one("passes", frame)
        job.keep(
            NewFile(
                path,
                role="render",
                kind="render",
                engine=backend.name,
                provider=backend.provider,
                software=backend.software(),
                licence=backend.licence,
                recipe=recipes[frame],
                frame=frame,
                seconds=seconds,
                references=(reference("composition", composition), reference("plate", plate)),
                composition_lock=cameras.facts["lock"],
                take=job.version,
            )
        )
        landed += 1
        job.done(landed, len(recipes))

    if missing:
        width, height = rendered_size(film.production)
        quality = film.production.quality
        backend.generate(
            FrameOrder(
                shot=job.shot,
                take=job.version,
                stage_file=job.path(composition),
                frames=missing,
                width=width,
                height=height,
                samples=quality.samples,
                bounces=quality.bounces,
                seed=0,
            ),
            bring_home,
        )
    twins = {frame: recipe for frame, recipe in recipes.items() if frame not in there and frame not in missing}
    landed += len(job.found("render", twins))
    if landed != len(recipes):
        raise FilmProblem(
            f"{len(recipes) - landed} frames did not come back from {backend.name}", "run it again", shot=job.shot
        )
    job.ready_to_look_at("render")
    return {"take": job.version, "backend": backend.name, "frames": len(recipes), "found": len(there)}


RENDER = Department(
    "render",
    Stage.RENDER,
    needs=("cameras", "look", "set_characters"),
    recipe=_recipe,
    make=_make,
    prepare=_prepare,
    version=_version,
    says="A take: the shot's unique frames from a backend, made inside the composition lock.",
)
