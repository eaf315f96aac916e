"""Stage 2, storyboard: panels of each shot, and the contact sheet and animatic of the film."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from film_pipeline.core.cut import Cut, assemble
from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe, sha256_of_file
from film_pipeline.core.record import Reference
from film_pipeline.core.stages import Stage
from film_pipeline.delivery.encode import encode_review
from film_pipeline.departments.cameras import BENCH_DEPTH, compose_shot, composition_ingredients
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
from film_pipeline.departments.film import Film, FilmShot
from film_pipeline.departments.pictures_of import previz_size
from film_pipeline.departments.sound import mixed_sound, sound_ingredients
from film_pipeline.engines.passes import read_passes
from film_pipeline.pictures.burnin import burn
from film_pipeline.pictures.lineart import draw_lines
from film_pipeline.pictures.panel import Panel, draw_panel
from film_pipeline.pictures.pdf import write_pdf
from film_pipeline.pictures.sheet import PAGES_AT_A_GLANCE, contact_picture, contact_sheet

PANELS_A_SHOT = 3


def _drawn_by_the_artist(film: Film, shot: str) -> Path | None:
    """A drawing of the shot in `storyboard/`, which takes precedence over previz."""
    for extension in ("png", "jpg", "jpeg"):
        path = film.root / "storyboard" / f"{shot}.{extension}"
        if path.is_file():
            return path
    return None


def panel_frames(film: Film, film_shot: FilmShot) -> list[int]:
    """The frames that tell the shot: its first, and where a puppet reaches a new pose; three at the most."""
    sheet = film.exposure_sheet(film_shot)
    keyed = {key.frame for member in film_shot.shot.cast for key in member.keys if key.frame in sheet.frames}
    exposed = sorted({sheet.unique_frames[0], *(sheet.exposed(frame) for frame in keyed)})
    if any(move.kind for move in film_shot.shot.camera.moves):
        exposed.append(sheet.unique_frames[-1])
    places = {0, len(exposed) // 2, len(exposed) - 1} if len(exposed) > PANELS_A_SHOT else range(len(exposed))
    return sorted({exposed[place] for place in places})


def _caption(film: Film, film_shot: FilmShot) -> dict[str, Any]:
    shot = film_shot.shot
    return {
        "size": shot.size,
        "lens_mm": shot.camera.lens_mm,
        "action": shot.action,
        "dialogue": [[line.frame, line.character, line.text] for line in shot.dialogue],
        "moves": [move.model_dump(mode="json") for move in shot.camera.moves],
        "length": shot.length,
        "fps": film.production.fps,
    }


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    film_shot = film.shot(shot)
    drawing = _drawn_by_the_artist(film, shot)
    source: dict[str, Any] = (
        {"drawing": sha256_of_file(drawing)}
        if drawing
        else {"previz": composition_ingredients(film, film_shot), "frames": panel_frames(film, film_shot)}
    )
    return recipe_for(
        "storyboard", shot=shot, caption=_caption(film, film_shot), size=list(previz_size(film.production)), **source
    )


def _make(job: Job) -> dict[str, Any]:
    drawing = _drawn_by_the_artist(job.film, job.shot)
    if drawing is None:
        frames = _draw_previz(job)
        return {"drawn_by": "previz", "panels": len(frames), "frames": frames}
    try:
        with Image.open(drawing) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise FilmProblem(
            f"the drawing can't be opened: {error}", "save it again as PNG or JPEG", file=drawing
        ) from error
    first = job.film.exposure_sheet(job.film_shot).unique_frames[0]
    licence = Reference(role="drawing", name=drawing.name, sha256=sha256_of_file(drawing))
    _keep_panel(job, picture, [first], first, "artist", (licence,))
    return {"drawn_by": "artist", "panels": 1, "frames": [first]}


def _draw_previz(job: Job) -> list[int]:
    film = job.film
    composition = compose_shot(film, job.film_shot, film.textures(BENCH_DEPTH))
    frames = panel_frames(film, job.film_shot)
    stage_file = job.bench / "previz.usda"
    composition.export(stage_file)
    width, height = previz_size(film.production)
    done = 0
    job.done(done, len(frames))

    def drawn(frame: int, path: Path, seconds: float) -> None:
        nonlocal done
        objects = read_passes(path)
        passes = objects.by_identity(composition.identities)
        drawing = draw_lines(
            passes.depth, passes.normal, passes.mattes, passes.beauty, (width, height), parts=objects.mattes
        )
        made_from = Reference(role="composition", name=stage_file.name, sha256=composition.digest(frame))
        _keep_panel(job, Image.fromarray(drawing).convert("RGB"), frames, frame, "previz", (made_from,), seconds)
        done += 1
        job.done(done, len(frames))

    film.scene_engine.shoot(
        stage_file,
        {frame: job.bench / f"previz.{frame}.exr" for frame in frames},
        ShootSettings(width=width, height=height, samples=1, bounces=0, denoise=False, passes=True),
        drawn,
    )
    return frames


def _keep_panel(
    job: Job,
    picture: Image.Image,
    frames: list[int],
    frame: int,
    drawn_by: str,
    references: tuple[Reference, ...],
    seconds: float | None = None,
) -> None:
    drawing = job.bench / f"drawing.{frame}.png"
    picture.save(drawing, compress_level=1)
    sheet = draw_panel(picture, _panel(job, frames, frame, drawn_by))
    framed = job.bench / f"panel.{frame}.png"
    sheet.save(framed, compress_level=1)
    for path, role in ((drawing, "drawing"), (framed, "panel")):
        job.keep(
            NewFile(
                path,
                role=role,
                kind="panel",
                engine="storyboard" if drawn_by == "artist" else job.film.scene_engine.name,
                software=software(),
                recipe=recipe_for("storyboard.panel", role=role, frame=frame, of=job.recipe.sha256),
                frame=frame,
                references=references,
                seconds=seconds,
            )
        )


def _panel(job: Job, frames: list[int], frame: int, drawn_by: str) -> Panel:
    """What is under a panel: the dialogue from its frame to the next panel's, the camera's move on the first alone."""
    shot = job.film_shot.shot
    number = frames.index(frame)
    begins = frame if number else shot.frames.first_frame
    ends = frames[number + 1] if number + 1 < len(frames) else shot.frames.last_frame + 1
    return Panel(
        slate=job.shot,
        size=shot.size,
        lens_mm=shot.camera.lens_mm,
        action=shot.action,
        dialogue=[(line.character, line.text) for line in shot.dialogue if begins <= line.frame < ends],
        moves=shot.camera.moves if number == 0 else (),
        length=shot.length,
        rate=job.film.production.rate,
        drawn_by=drawn_by,
        frame=frame,
        number=number + 1,
        count=len(frames),
    )


def _animatic_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    panels = {name: contents(turnover, "panel", "drawing") for name, turnover in upstream.every("storyboard").items()}
    return recipe_for(
        "animatic",
        panels=panels,
        captions={name: _caption(film, film_shot) for name, film_shot in film.shots.items()},
        title=film.production.title,
        sound=sound_ingredients(film),
    )


def _make_animatic(job: Job) -> dict[str, Any]:
    film = job.film
    boards = job.upstream.every("storyboard")
    panels = [(item, job.path(item)) for turnover in boards.values() for item in turnover.of("panel")]
    pdf, png, movie = job.bench / "contact.pdf", job.bench / "contact.png", job.bench / "animatic.mp4"
    paths = [path for _, path in panels]
    pages = write_pdf(contact_sheet(paths, film.production.title, "Storyboard"), pdf, film.production.title)
    first = list(islice(contact_sheet(paths, film.production.title, "Storyboard"), PAGES_AT_A_GLANCE))
    contact_picture(first, more=pages - len(first)).save(png, compress_level=1)
    cut = assemble(film.production, {name: film_shot.shot for name, film_shot in film.shots.items()})
    encode_review(_animatic_frames(job, cut), cut.rate, mixed_sound(film, cut), movie)
    references = tuple(reference("panel", item) for item, _ in panels)
    for path, role in ((pdf, "contact_sheet"), (png, "contact_sheet_picture"), (movie, "animatic")):
        job.keep(
            NewFile(
                path,
                role=role,
                kind="panel",
                engine="storyboard",
                software=software(),
                recipe=recipe_for("animatic", role=role, of=job.recipe.sha256),
                references=references,
            )
        )
    return {"panels": len(panels), "frames": cut.length}


def _animatic_frames(job: Job, cut: Cut) -> Iterator[np.ndarray]:
    """Every frame of the animatic: the panel on screen, with slate, frame number, timecode and dialogue burnt in."""
    size = job.film.production.resolution
    drawings: dict[tuple[str, int], np.ndarray] = {}
    boards = job.upstream.every("storyboard")
    for record_frame, clip, shot_frame in cut.frames():
        items = boards[clip.shot].of("drawing")
        item = next((item for item in reversed(items) if (item.frame or 0) <= shot_frame), items[0])
        key = (clip.shot, item.frame or 0)
        if key not in drawings:
            drawings.clear()
            drawings[key] = np.asarray(Image.open(job.path(item)).convert("RGB").resize(size, Image.Resampling.LANCZOS))
        shot = job.film.shot(clip.shot).shot
        said = next((line for line in reversed(shot.dialogue) if line.frame <= shot_frame), None)
        yield burn(
            drawings[key],
            slate=clip.shot,
            frame=shot_frame,
            timecode=cut.rate.timecode(record_frame),
            dialogue=f"{said.character}: {said.text}" if said else "",
            stage="animatic",
        )
        job.done(record_frame + 1, cut.length)


STORYBOARD = Department(
    "storyboard",
    Stage.STORYBOARD,
    needs=("script",),
    recipe=_recipe,
    make=_make,
    says="Panels of the shot: the artist's drawing if there is one, else previz drawn as line art.",
)
ANIMATIC = Department(
    "animatic",
    Stage.STORYBOARD,
    needs=("storyboard",),
    recipe=_animatic_recipe,
    make=_make_animatic,
    whole_film=True,
    says="The contact sheet (PDF and PNG) and the animatic with burn-in and sound.",
)
