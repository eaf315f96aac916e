"""Stage 3, look: the shot's look, resolved from show, scene and shot."""

from typing import Any

from film_pipeline.core.cdl import write_cc
from film_pipeline.core.recipe import Recipe, sha256_of_file, sha256_of_json
from film_pipeline.core.record import Reference
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import Department, Job, NewFile, Upstream, recipe_for, software
from film_pipeline.departments.film import Film
from film_pipeline.departments.papers import write_json


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for("look", look=film.look(film.shot(shot)).sha256)


def _make(job: Job) -> dict[str, Any]:
    look = job.film.look(job.film_shot)
    bible = job.film.root / "look" / "look.yaml"
    references = (Reference(role="look", name=bible.name, sha256=sha256_of_file(bible)),) if bible.is_file() else ()
    resolved = write_json(job.bench / "look.json", look.model_dump(mode="json"))
    grade = job.bench / "grade.cc"
    grade.write_text(write_cc(look.cdl, job.shot), encoding="utf-8")
    for path, role in ((resolved, "look"), (grade, "cdl")):
        job.keep(
            NewFile(
                path,
                role=role,
                kind="look",
                engine="look bible",
                software=software(),
                recipe=job.recipe,
                references=references,
            )
        )
    return {
        "look_sha256": look.sha256,
        "render_look_sha256": sha256_of_json(look.render_part),
        "prompt": look.prompt_text(),
    }


LOOK = Department(
    "look",
    Stage.LOOK,
    needs=(),
    recipe=_recipe,
    make=_make,
    says="The look bible, resolved for the shot; its grade as ASC CDL.",
)
