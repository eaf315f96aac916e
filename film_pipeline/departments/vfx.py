"""Stage 7, VFX: the comp over the passes, at the delivered size."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from film_pipeline.core.look import Look
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
from film_pipeline.engines.passes import read_linear, read_passes
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.hand import frames_to_comp
from film_pipeline.finishing.pictures import write_exr

FINISHERS_AT_ONCE = 2


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "vfx",
        2,
        frames=contents(upstream.of("render", shot), "render"),
        passes=contents(upstream.of("cameras", shot), "passes"),
        look=film.look(film.shot(shot)).vfx_part,
        exposures=[
            [exposure.frame, exposure.held_frames] for exposure in film.exposure_sheet(film.shot(shot)).exposures
        ],
        size=list(film.production.resolution),
    )


def _make(job: Job) -> dict[str, Any]:
    film = job.film
    look = film.look(job.film_shot)
    render, cameras = job.input("render"), job.input("cameras")
    rendered = {item.frame: item for item in render.of("render")}
    passes = {item.frame: item for item in cameras.of("passes")}
    comps = {
        frame: (exposed, drawing)
        for frame, exposed, drawing in frames_to_comp(look, film.exposure_sheet(job.film_shot))
    }
    recipes: dict[int | None, Recipe] = {
        frame: recipe_for(
            "vfx.frame",
            2,
            shot=job.shot,
            frame=frame,
            drawing=drawing,
            render=rendered[exposed].sha256,
            passes=passes[exposed].sha256,
            look=look.vfx_part,
            size=list(film.production.resolution),
        )
        for frame, (exposed, drawing) in comps.items()
    }
    there = job.found("vfx", recipes)
    missing = [frame for frame in comps if frame not in there]
    done = len(there)
    job.done(done, len(comps))
    with ThreadPoolExecutor(FINISHERS_AT_ONCE) as pool:
        comping = {
            frame: pool.submit(
                _comp_frame, job, look, rendered[comps[frame][0]], passes[comps[frame][0]], frame, comps[frame][1]
            )
            for frame in missing
        }
        for frame, future in comping.items():
            exposed, _ = comps[frame]
            job.keep(
                NewFile(
                    future.result(),
                    role="vfx",
                    kind="comp",
                    engine="comp",
                    software=software(),
                    recipe=recipes[frame],
                    frame=frame,
                    references=(reference("frame", rendered[exposed]), reference("pass", passes[exposed])),
                    composition_lock=cameras.facts["lock"],
                    take=render.version,
                )
            )
            done += 1
            job.done(done, len(comps))
    return {"frames": len(comps), "found": len(there), "operations": ", ".join(op["op"] for op in look.vfx_part["vfx"])}


def _comp_frame(job: Job, look: Look, rendered: Item, passes: Item, frame: int, drawing: int) -> Path:
    identities = job.input("cameras").facts["identities"]
    layers = read_passes(job.path(passes), identities).with_beauty(read_linear(job.path(rendered)))
    picture = comp(layers, look, job.shot, frame, drawing, job.film.production.resolution)
    path = job.bench / f"{frame}.exr"
    write_exr(path, picture)
    return path


VFX = Department(
    "vfx",
    Stage.VFX,
    needs=("render", "cameras", "look"),
    recipe=_recipe,
    make=_make,
    says="The comp: atmosphere, practical glow, ink line, hatching, boil and dust, from the shot's declared stack.",
)
