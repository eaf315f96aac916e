"""Stage 1, script: the shot list of the film, and each shot's page of the screenplay."""

from typing import Any

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe, sha256_of_file, sha256_of_json
from film_pipeline.core.record import Reference
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import Department, Job, NewFile, Upstream, recipe_for, software
from film_pipeline.departments.film import Film
from film_pipeline.departments.papers import write_json


def _shot_list(film: Film) -> list[dict[str, Any]]:
    """Every shot in the order of the script, with its place in the film in frames."""
    rows, start = [], 0
    for shot in film.shots.values():
        rows.append(
            {
                "shot": shot.name,
                "scene": shot.scene.scene,
                "set": shot.scene.set,
                "size": shot.shot.size,
                "subject": list(shot.shot.subjects),
                "action": shot.shot.action,
                "length": shot.shot.length,
                "starts_at": start,
            }
        )
        start += shot.shot.length
    return rows


def _screenplay_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    if not film.shots:
        raise FilmProblem(
            "the film has no shots yet",
            "film breakdown proposes some",
            file=film.root / "shots",
            others=list(film.problems),
        )
    return recipe_for("screenplay", script=film.screenplay.sha256, shots=sha256_of_json(_shot_list(film)))


def _make_screenplay(job: Job) -> dict[str, Any]:
    film = job.film
    shots = _shot_list(film)
    path = job.bench / "shot_list.json"
    write_json(
        path,
        {
            "title": film.production.title,
            "fps": film.production.fps,
            "scenes": [
                {"scene": scene.id, "heading": scene.heading, "line": scene.first_line}
                for scene in film.screenplay.scenes
            ],
            "shots": shots,
        },
    )
    job.keep(
        NewFile(
            path,
            role="shot_list",
            kind="script",
            engine="screenplay",
            software=software(),
            recipe=job.recipe,
            references=(Reference(role="script", name=film.script_file.name, sha256=sha256_of_file(film.script_file)),),
        )
    )
    return {
        "scenes": len(film.screenplay.scenes),
        "shots": len(shots),
        "frames": sum(row["length"] for row in shots),
        "scenes_without_shots": [scene.id for scene in film.scenes_without_shots()],
    }


def _page(film: Film, shot: str) -> dict[str, Any]:
    film_shot = film.shot(shot)
    film.exposure_sheet(film_shot)
    scene = film.scene(film_shot.scene.scene)
    if scene is None:
        raise FilmProblem(
            f"{film_shot.scene.scene} is not in the script",
            "rename the scene file's scene",
            file=film_shot.source,
            line=1,
        )
    return {
        "shot": shot,
        "heading": scene.heading,
        "scene_text": scene.text(),
        "action": film_shot.shot.action,
        "dialogue": [line.model_dump(mode="json") for line in film_shot.shot.dialogue],
        "length": film_shot.shot.length,
        "size": film_shot.shot.size,
    }


def _script_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for("script", page=_page(film, shot))


def _make_script(job: Job) -> dict[str, Any]:
    page = _page(job.film, job.shot)
    path = job.bench / "page.json"
    write_json(path, page)
    job.keep(NewFile(path, role="script", kind="script", engine="screenplay", software=software(), recipe=job.recipe))
    return {"heading": page["heading"], "length": page["length"], "lines": len(page["dialogue"])}


SCREENPLAY = Department(
    "screenplay",
    Stage.SCRIPT,
    needs=(),
    recipe=_screenplay_recipe,
    make=_make_screenplay,
    whole_film=True,
    says="The script read, and the shot list of the film.",
)
SCRIPT = Department(
    "script",
    Stage.SCRIPT,
    needs=(),
    recipe=_script_recipe,
    make=_make_script,
    says="The shot's page of the screenplay.",
)
