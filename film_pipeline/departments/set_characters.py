"""Stage 4, set and characters: the set and puppets of a shot as USD and glb; turnarounds of the cast."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pxr import Usd, UsdGeom

from film_pipeline.core.puppet import Character
from film_pipeline.core.puppet_build import author_puppet
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Reference
from film_pipeline.core.set_build import author_set
from film_pipeline.core.sets import SetDescription
from film_pipeline.core.stages import Stage
from film_pipeline.departments.cameras import BENCH_DEPTH
from film_pipeline.departments.department import Department, Job, NewFile, Upstream, recipe_for, software
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import SHEET
from film_pipeline.pictures.turnaround import ANGLES, turnaround_sheet

TURNAROUND_SIZE = (240, 360)
TURNAROUND_SAMPLES = 4
SHEET_SIZE, SHEET_ANGLES, SHEET_SAMPLES = (288, 432), 4, 8


def _new_stage(path: Path, name: str) -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    return stage


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    film_shot = film.shot(shot)
    return recipe_for(
        "set_characters",
        set=film.set_of(film_shot).sha256,
        cast={name: character.sha256 for name, character in film.cast_of(film_shot).items()},
        # Only generating backends are guided by character sheets.
        **({"sheets": [*SHEET_SIZE, SHEET_ANGLES, SHEET_SAMPLES]} if film.generates else {}),
    )


def _make(job: Job) -> dict[str, Any]:
    film, film_shot = job.film, job.film_shot
    set_, cast = film.set_of(film_shot), film.cast_of(film_shot)
    _keep_set(job, set_, film_shot.scene.set)
    for done, (name, character) in enumerate(cast.items(), 1):
        _keep_puppet(job, name, character)
        if film.generates:
            _keep_sheet(job, name, character)
        job.done(done, len(cast))
    return {"set": film_shot.scene.set, "cast": ", ".join(cast), "said": said_of(set_, cast)}


def said_of(set_: SetDescription, cast: Mapping[str, Character]) -> list[str]:
    """What of the models of a set and its cast is left out or stands in for something else."""
    return [
        *(f"{set_.name}: {note}" for note in set_.notes),
        *(f"{name}: {note}" for name, character in cast.items() for note in character.notes),
    ]


def _keep_set(job: Job, set_: SetDescription, name: str) -> None:
    recipes: dict[int | None, Recipe] = {None: recipe_for("set_characters.set", set=set_.sha256)}
    if job.found(f"set_{name}", recipes) and job.found(f"set_{name}_glb", {None: _glb_recipe(recipes[None])}):
        return
    path = job.bench / f"{name}.usda"
    stage = _new_stage(path, "Set")
    author_set(stage, "/Set", set_, job.film.textures(BENCH_DEPTH))
    stage.GetRootLayer().Save()
    _keep_model(job, path, f"set_{name}", "set", recipes[None], Reference(role="set", name=name, sha256=set_.sha256))


def _keep_puppet(job: Job, name: str, character: Character) -> None:
    recipe = recipe_for("set_characters.puppet", puppet=character.sha256)
    if job.found(f"puppet_{name}", {None: recipe}) and job.found(f"puppet_{name}_glb", {None: _glb_recipe(recipe)}):
        return
    path = puppet_stage(job, name, character)
    made_from = Reference(role="character", name=name, sha256=character.sha256, licence=character.file.licence)
    _keep_model(job, path, f"puppet_{name}", "puppet", recipe, made_from)


def _keep_sheet(job: Job, name: str, character: Character) -> None:
    """The puppet from four sides in one picture: what guides a generating model to the same face in every frame."""
    recipe = recipe_for(
        "set_characters.sheet",
        puppet=character.sha256,
        size=list(SHEET_SIZE),
        angles=SHEET_ANGLES,
        samples=SHEET_SAMPLES,
    )
    role, engine = f"{SHEET}{name}", job.film.scene_engine
    if job.found(role, {None: recipe}):
        return
    stage_file = puppet_stage(job, f"{name}_sheet", character, props=())
    sides = engine.turnaround(stage_file, job.bench / role, SHEET_ANGLES, SHEET_SIZE, False, SHEET_SAMPLES)
    sheet = Image.new("RGB", (SHEET_SIZE[0] * SHEET_ANGLES, SHEET_SIZE[1]))
    for place, side in enumerate(sides):
        with Image.open(side) as picture:
            sheet.paste(picture.convert("RGB"), (place * SHEET_SIZE[0], 0))
    path = job.bench / f"{role}.png"
    sheet.save(path, compress_level=1)
    made_from = Reference(role="character", name=name, sha256=character.sha256, licence=character.file.licence)
    job.keep(
        NewFile(
            path,
            role=role,
            kind="puppet",
            engine=engine.name,
            software=engine.version(),
            recipe=recipe,
            references=(made_from,),
        )
    )


def puppet_stage(job: Job, name: str, character: Character, props: tuple[str, ...] | None = None) -> Path:
    """The puppet alone, at rest, as a USD file on the bench. props: the kinds that are out; all unless given."""
    path = job.bench / f"{name}.usda"
    stage = _new_stage(path, "Shot")
    author_puppet(stage, f"/Shot/Cast/{name}", character, job.film.textures(BENCH_DEPTH), props)
    stage.GetRootLayer().Save()
    return path


def _glb_recipe(recipe: Recipe) -> Recipe:
    return recipe_for("set_characters.glb", of=recipe.sha256)


def _keep_model(job: Job, path: Path, role: str, kind: Any, recipe: Recipe, made_from: Reference) -> None:
    engine = job.film.scene_engine
    glb = path.with_suffix(".glb")
    engine.export_glb(path, glb)
    job.keep(
        NewFile(path, role=role, kind=kind, engine="usd", software=software(), recipe=recipe, references=(made_from,)),
        NewFile(
            glb,
            role=f"{role}_glb",
            kind=kind,
            engine=engine.name,
            software=engine.version(),
            recipe=_glb_recipe(recipe),
            references=(made_from,),
        ),
    )


def _cast_of_the_film(film: Film) -> dict[str, Character]:
    cast: dict[str, Character] = {}
    for film_shot in film.shots.values():
        cast.update(film.cast_of(film_shot))
    return dict(sorted(cast.items()))


def _turnarounds_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "turnarounds",
        cast={name: character.sha256 for name, character in _cast_of_the_film(film).items()},
        size=list(TURNAROUND_SIZE),
        samples=TURNAROUND_SAMPLES,
    )


def _make_turnarounds(job: Job) -> dict[str, Any]:
    film, engine = job.film, job.film.scene_engine
    cast = _cast_of_the_film(film)
    for done, (name, character) in enumerate(cast.items(), 1):
        recipe = recipe_for(
            "turnarounds.sheet", puppet=character.sha256, size=list(TURNAROUND_SIZE), samples=TURNAROUND_SAMPLES
        )
        role = f"turnaround_{name}"
        if not job.found(role, {None: recipe}):
            stage_file = puppet_stage(job, name, character, props=())
            rows = [
                [
                    Image.open(path).convert("RGB")
                    for path in engine.turnaround(
                        stage_file,
                        job.bench / f"{name}_{surface}",
                        ANGLES,
                        TURNAROUND_SIZE,
                        surface == "clay",
                        TURNAROUND_SAMPLES,
                    )
                ]
                for surface in ("textured", "clay")
            ]
            sheet = job.bench / f"{name}.png"
            top_m = _top_of(stage_file)
            turnaround_sheet(name, character.file.height_m, top_m, textured=rows[0], clay=rows[1]).save(
                sheet, compress_level=1
            )
            job.keep(
                NewFile(
                    sheet,
                    role=role,
                    kind="puppet",
                    engine=engine.name,
                    software=engine.version(),
                    recipe=recipe,
                    references=(Reference(role="character", name=name, sha256=character.sha256),),
                )
            )
        job.done(done, len(cast))
    return {"cast": ", ".join(cast), "angles": ANGLES}


def _top_of(stage_file: Path) -> float:
    """How high a puppet reaches at rest with its hat on, metres above the floor it stands on."""
    stage = Usd.Stage.Open(str(stage_file))
    places = UsdGeom.XformCache()
    heights = []
    for prim in stage.Traverse():
        points = UsdGeom.Mesh(prim).GetPointsAttr().Get() if prim.IsA(UsdGeom.Mesh) else None
        if points:
            up = np.array(places.GetLocalToWorldTransform(prim))[:, 2]
            heights.append(np.asarray(points) @ up[:3] + up[3])
    return float(max(mesh.max() for mesh in heights) - min(mesh.min() for mesh in heights))


SET_CHARACTERS = Department(
    "set_characters",
    Stage.SET_CHARACTERS,
    needs=(),
    recipe=_recipe,
    make=_make,
    says="The shot's set and puppets as USD and glb.",
)
TURNAROUNDS = Department(
    "turnarounds",
    Stage.SET_CHARACTERS,
    needs=(),
    recipe=_turnarounds_recipe,
    make=_make_turnarounds,
    whole_film=True,
    says="Every puppet of the film from eight angles, textured and in clay.",
)
