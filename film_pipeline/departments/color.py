"""Stage 8, color: finished frames, graded, grained and bordered."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from film_pipeline.core.look import Look, resolve
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Item
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import (
    Department,
    Job,
    NewFile,
    Upstream,
    contents,
    recipe_for,
    reference,
    software,
)
from film_pipeline.departments.film import Film
from film_pipeline.departments.vfx import FINISHERS_AT_ONCE
from film_pipeline.engines.passes import read_linear
from film_pipeline.finishing.finisher import finish, finish_exact
from film_pipeline.finishing.wedge import wedge
from film_pipeline.stores.disk import write_atomically


def _settings(film: Film) -> dict[str, Any]:
    return {
        "finisher": film.production.finishers[0],
        "size": list(film.production.resolution),
        "exact": film.production.quality.exact_color,
    }


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "color",
        frames=contents(upstream.of("vfx", shot), "vfx"),
        look=film.look(film.shot(shot)).color_part,
        settings=_settings(film),
    )


def _make(job: Job) -> dict[str, Any]:
    film = job.film
    look = film.look(job.film_shot)
    comps = {item.frame: item for item in job.input("vfx").of("vfx") if item.frame is not None}
    recipes: dict[int | None, Recipe] = {
        frame: recipe_for(
            "color.frame",
            shot=job.shot,
            frame=frame,
            comp=item.sha256,
            look=look.color_part,
            settings=_settings(film),
        )
        for frame, item in comps.items()
    }
    there = job.found("color", recipes)
    missing = [frame for frame in comps if frame not in there]
    done = len(there)
    job.done(done, len(comps))
    with ThreadPoolExecutor(FINISHERS_AT_ONCE) as pool:
        finishing = {frame: pool.submit(_finish_frame, job, look, comps[frame], frame) for frame in missing}
        for frame, future in finishing.items():
            job.keep(
                NewFile(
                    future.result(),
                    role="color",
                    kind="finish",
                    engine=film.production.finishers[0],
                    software=software(),
                    recipe=recipes[frame],
                    frame=frame,
                    references=(reference("frame", comps[frame]),),
                    continues=comps[frame],
                    composition_lock=job.upstream.of("cameras", job.shot).facts["lock"],
                )
            )
            done += 1
            job.done(done, len(comps))
    job.ready_to_look_at("color")
    return {"frames": len(comps), "found": len(there), "exact": film.production.quality.exact_color}


def wedge_sheet(film: Film, shot: str, variations: Sequence[str], frame: int | None) -> Path:
    """Several grades of one comped frame on one sheet, beside the shot's own. Returns the sheet's path.

    variations: a name and its changes of the look, each as YAML: `warm: {cdl: {slope: [1.1, 1, 0.9]}}`.
    """
    film_shot = film.shot(shot)
    comps = film.frames.latest("vfx", shot)
    if comps is None:
        raise FilmProblem("the shot has no comp yet", f"film run --shots {shot} --through vfx", shot=shot)
    frames = comps.of("vfx")
    item = (
        next((item for item in reversed(frames) if (item.frame or 0) <= (frame or item.frame or 0)), frames[0])
        if frame
        else frames[0]
    )
    looks = {"as it is": film.look(film_shot)}
    for variation in variations:
        try:
            named = YAML(typ="safe").load(variation)
            ((name, changes),) = named.items()
        except (YAMLError, AttributeError, ValueError) as error:
            raise FilmProblem(f"{variation!r} is no variation", "write 'darker: {exposure_stops: -0.5}'") from error
        looks[str(name)] = resolve(film.look_file, film_shot.scene.scene, {**film_shot.shot.look, **changes})
    folder = film.made / "wedges"
    folder.mkdir(exist_ok=True)
    sheet = folder / f"{shot}.{item.frame}.png"
    picture = wedge(read_linear(film.made / item.path), looks, shot, item.frame or 1001)
    write_atomically(sheet, lambda partial: Image.fromarray(picture).save(partial, "PNG"))
    return sheet


def _finish_frame(job: Job, look: Look, comp: Item, frame: int) -> Path:
    production = job.film.production
    how = finish_exact if production.quality.exact_color else finish
    picture = how(read_linear(job.path(comp)), look, job.shot, frame, production.resolution)
    path = job.bench / f"{frame}.png"
    Image.fromarray(picture).save(path, compress_level=1)
    return path


COLOR = Department(
    "color",
    Stage.COLOR,
    needs=("vfx", "cameras", "look"),
    recipe=_recipe,
    make=_make,
    says="Finished frames: CDL grade through OCIO, grain, vignette, ragged panel border. Each grade is a version.",
)
