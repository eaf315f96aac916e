"""Stage 5, cameras: the composed stage, the composition lock, and what the renderers are guided by."""

from typing import Any

from PIL import Image

from film_pipeline.core.composition import Composition, compose
from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.previz import PREVIZ_VERSION, Previz
from film_pipeline.core.previz_build import previz_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe, sha256_of_file
from film_pipeline.core.record import Reference
from film_pipeline.core.stages import Stage
from film_pipeline.core.usd_parts import TextureSink
from film_pipeline.departments.department import (
    Department,
    Job,
    NewFile,
    Upstream,
    first_of_each,
    recipe_for,
    software,
)
from film_pipeline.departments.film import Film, FilmShot
from film_pipeline.departments.papers import write_json
from film_pipeline.departments.pictures_of import rendered_size
from film_pipeline.engines.passes import Passes, read_passes
from film_pipeline.pictures.poses import draw_openpose
from film_pipeline.pictures.thumbs import to_display


def composition_ingredients(film: Film, film_shot: FilmShot) -> dict[str, Any]:
    """What of the author's files decides a shot's composition, without composing it."""
    cast = film.cast_of(film_shot)
    set_ = film.set_of(film_shot)
    return {
        "shot": film_shot.shot.model_dump(
            mode="json", exclude={"look", "prompt", "notes", "action", "transition", "dialogue"}
        ),
        "scene_light": {name: light.model_dump(mode="json") for name, light in film_shot.scene.light.items()},
        "set": set_.sha256,
        "cast": {name: character.sha256 for name, character in cast.items()},
        "exposure": film.production.exposure.model_dump(mode="json"),
        "fps": film.production.fps,
        "aspect": list(film.production.resolution),
    }


GUIDING_SAMPLES = 8
STAGE_DEPTH = 4
"""Folders between `.film` and a turned-over stage: shots/SC010_SH010/cameras/v001."""
BENCH_DEPTH = 2


def compose_shot(film: Film, film_shot: FilmShot, textures: TextureSink | None = None) -> Composition:
    """Compose a shot from the author's files, to lie where its turnover lies unless textures say otherwise."""
    film.exposure_sheet(film_shot)
    return compose(
        film_shot.shot,
        film_shot.scene,
        film.set_of(film_shot),
        film.cast_of(film_shot),
        film.production,
        textures or film.textures(STAGE_DEPTH),
        source=film_shot.source,
    )


def previz_of_shot(film: Film, film_shot: FilmShot, composition: Composition, lock: str = "") -> Previz:
    """What the previz viewer shows of a composed shot. lock: empty where it was composed to be looked at only."""
    return previz_of(composition, film_shot.shot, film.set_of(film_shot), film.production, lock)


def _pass_settings(film: Film) -> dict[str, Any]:
    width, height = rendered_size(film.production)
    samples = film.production.quality.pass_samples
    settings: dict[str, Any] = {
        "engine": film.scene_engine.name,
        "size": [width, height],
        "samples": samples,
        "bounces": 0,
    }
    # A plate that guides a model is seen by it: it is shot without noise, where for our own eyes a quick one will do.
    return settings | {"samples": max(samples, GUIDING_SAMPLES), "denoise": True} if film.generates else settings


def plate_stops(film: Film, film_shot: FilmShot) -> float:
    """How many stops a plate is brightened: one that guides a model shows the shot as it will be exposed."""
    return film.look(film_shot).exposure_stops if film.generates else 0.0


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "cameras",
        composition=composition_ingredients(film, film.shot(shot)),
        passes=_pass_settings(film),
        look=upstream.of("look", shot).facts["render_look_sha256"],
        **({"stops": plate_stops(film, film.shot(shot))} if film.generates else {}),
    )


def _make(job: Job) -> dict[str, Any]:
    film = job.film
    composition = compose_shot(film, job.film_shot)
    lock = composition.lock(job.input("look").facts["render_look_sha256"])
    digests = {str(frame): composition.digest(frame) for frame in composition.sheet.unique_frames}
    stage_file = job.bench / "shot.usda"
    composition.export(stage_file)
    job.keep(
        NewFile(
            stage_file,
            role="composition",
            kind="set",
            engine="usd",
            software=software(),
            recipe=recipe_for("cameras.composition", lock=lock, digests=digests),
            references=_made_from(job),
            composition_lock=lock,
        )
    )
    _write_previz(job, composition, lock)
    _shoot_passes(job, composition, digests, lock)
    _write_keypoints(job, composition, lock)
    return {
        "lock": lock,
        "digests": digests,
        "unique_frames": list(composition.sheet.unique_frames),
        "held": [exposure.held_frames for exposure in composition.sheet.exposures],
        "framing": composition.report(),
        "identities": dict(composition.identities),
    }


def _write_previz(job: Job, composition: Composition, lock: str) -> None:
    path = job.bench / "previz.json"
    told = previz_of_shot(job.film, job.film_shot, composition, lock)
    path.write_text(told.model_dump_json() + "\n", encoding="utf-8")
    job.keep(
        NewFile(
            path,
            role="previz",
            kind="set",
            engine="usd",
            software=software(),
            recipe=recipe_for(
                "cameras.previz",
                composition=composition_ingredients(job.film, job.film_shot),
                lock=lock,
                version=PREVIZ_VERSION,
            ),
            references=_made_from(job),
            composition_lock=lock,
        )
    )


def _made_from(job: Job) -> tuple[Reference, ...]:
    source = job.film_shot.source
    return (
        Reference(role="shot file", name=source.name, sha256=sha256_of_file(source)),
        *(
            Reference(role=item.role, name=item.path.rsplit("/", 1)[-1], sha256=item.sha256)
            for item in job.input("set_characters").items
            if not item.role.endswith("_glb")
        ),
    )


def _shoot_passes(job: Job, composition: Composition, digests: dict[str, str], lock: str) -> None:
    film, engine = job.film, job.film.scene_engine
    settings, stops = _pass_settings(film), plate_stops(film, job.film_shot)
    frames = composition.sheet.unique_frames
    passes: dict[int | None, Recipe] = {
        frame: recipe_for("cameras.passes", digest=digests[str(frame)], settings=settings) for frame in frames
    }
    plates: dict[int | None, Recipe] = {
        frame: recipe_for("cameras.plate", digest=digests[str(frame)], settings=settings, stops=stops)
        for frame in frames
    }
    there = job.found("passes", passes) & job.found("plate", plates)
    missing = first_of_each(passes, there)
    landed = len(there)
    job.done(landed, len(frames))
    stage_file = job.path(next(item for item in job.items if item.role == "composition"))

    def bring_home(frame: int, path: Any, seconds: float) -> None:
        nonlocal landed
        looked_at = _inspect(read_passes(path, composition.identities), job.shot, frame)
        plate = job.bench / f"plate.{frame}.png"
        Image.fromarray(to_display(looked_at.beauty, stops)).save(plate)
        common: dict[str, Any] = {
            "engine": engine.name,
            "software": engine.version(),
            "frame": frame,
            "seconds": seconds,
            "composition_lock": lock,
        }
        job.keep(
            NewFile(path, role="passes", kind="pass", recipe=passes[frame], **common),
            NewFile(plate, role="plate", kind="plate", recipe=plates[frame], **common),
        )
        landed += 1
        job.done(landed, len(frames))

    if missing:
        width, height = rendered_size(film.production)
        engine.shoot(
            stage_file,
            {frame: job.bench / f"passes.{frame}.exr" for frame in missing},
            ShootSettings(
                width=width,
                height=height,
                samples=settings["samples"],
                bounces=0,
                denoise=settings.get("denoise", False),
                passes=True,
            ),
            bring_home,
        )
    # Frames before which nothing moved are the same picture: shot once, found for the others.
    twins = {frame: recipe for frame, recipe in passes.items() if frame not in there and frame not in missing}
    job.found("passes", twins)
    job.found("plate", {frame: plates[frame] for frame in twins})


def _inspect(passes: Passes, shot: str, frame: int) -> Passes:
    """Passes that can be used: something is in front of the lens. Raises FilmProblem."""
    if not any(matte.any() for matte in passes.mattes.values()):
        raise FilmProblem(
            f"nothing is in front of the lens at frame {frame}", "move the camera or give the shot a subject", shot=shot
        )
    return passes


def _write_keypoints(job: Job, composition: Composition, lock: str) -> None:
    width, height = rendered_size(job.film.production)
    by_frame = {frame: composition.keypoints(frame, (width, height)) for frame in composition.sheet.unique_frames}
    document = {
        "width": width,
        "height": height,
        "space": "pixels of the rendered frame, origin top left; [x, y, visible]",
        "frames": {
            str(frame): {
                name: [[round(float(value), 3) if value == value else None for value in row] for row in points]
                for name, points in keypoints.items()
            }
            for frame, keypoints in by_frame.items()
        },
    }
    made: dict[str, Any] = {"kind": "plate", "engine": "usd", "software": software(), "composition_lock": lock}
    recipe = recipe_for("cameras.pose", lock=lock, size=[width, height])
    job.keep(NewFile(write_json(job.bench / "pose.json", document), role="keypoints", recipe=recipe, **made))
    drawings = []
    for frame, keypoints in by_frame.items():
        path = job.bench / f"pose.{frame}.png"
        Image.fromarray(draw_openpose(keypoints, (width, height))).save(path)
        drawings.append(
            NewFile(path, role="pose", frame=frame, recipe=recipe_for("cameras.pose", lock=lock, frame=frame), **made)
        )
    job.keep(*drawings)


CAMERAS = Department(
    "cameras",
    Stage.CAMERAS,
    needs=("look", "set_characters"),
    recipe=_recipe,
    make=_make,
    says="The composed shot.usda and its lock, its previz; plate, depth, normals, mattes and pose of every exposure.",
)
