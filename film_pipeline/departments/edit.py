"""Stage 9, edit: each shot's clip as editorial plays it, and the cut of the film."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from film_pipeline.core.cut import Clip, Cut, EditEvent, assemble, recut
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Item, Turnover
from film_pipeline.core.stages import Stage
from film_pipeline.delivery.encode import encode_proxy, write_wav
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
from film_pipeline.departments.pictures_of import proxy_size
from film_pipeline.departments.side_by_side import Adding, side_by_side
from film_pipeline.departments.sound import mixed_sound, sound_ingredients
from film_pipeline.editorial import conform as conforming
from film_pipeline.editorial.edl import write_edl
from film_pipeline.editorial.fcpxml import write_fcpxml
from film_pipeline.editorial.timeline import write_otio
from film_pipeline.pictures.burnin import burn

_CONFORMED = "conformed_cut"


def film_cut(film: Film, takes: dict[str, str] | None = None) -> Cut:
    """The cut as it stands: the edit that was conformed last, else the first assembly."""
    first = assemble(film.production, {name: film_shot.shot for name, film_shot in film.shots.items()}, takes)
    wanted = film.frames.get_value(_CONFORMED)
    return recut(first, [EditEvent(*played, number) for number, played in enumerate(wanted, 1)]) if wanted else first


def conform_cut(film: Film, *edited: Path) -> Cut:
    """Take an edited timeline in as the film's cut from now on. Raises FilmProblem and changes nothing."""
    first = assemble(film.production, {name: film_shot.shot for name, film_shot in film.shots.items()})
    cut = conforming.conform(first, *edited)
    film.frames.set_value(
        _CONFORMED, [[clip.shot, clip.source.first_frame, clip.source.last_frame] for clip in cut.clips]
    )
    return cut


def forget_edit(film: Film) -> None:
    """Go back to the first assembly."""
    film.frames.set_value(_CONFORMED, None)


def finished_frame(turnover: Turnover, frame: int) -> Item:
    """The finished frame that is on screen at a frame of the shot."""
    items = turnover.of("color")
    return next((item for item in reversed(items) if (item.frame or 0) <= frame), items[0])


class Reel:
    """Finished frames read from disk, each once for as long as it is held."""

    def __init__(self, film: Film, size: tuple[int, int] | None = None) -> None:
        """size: width and height to show them at; as they are unless given."""
        self._film, self._size = film, size
        self._path, self._picture = "", np.zeros((0, 0, 3), np.uint8)

    def show(self, item: Item) -> NDArray[np.uint8]:
        if item.path != self._path:
            self._path = item.path
            picture = Image.open(self._film.made / item.path).convert("RGB")
            if self._size not in (None, picture.size):
                picture = picture.resize(self._size, Image.Resampling.LANCZOS)
            self._picture = np.asarray(picture)
        return self._picture


def cut_frames(film: Film, cut: Cut, color: dict[str, Turnover]) -> Iterator[tuple[Clip, int, int, NDArray[np.uint8]]]:
    """Every frame of the cut: its clip, the shot's frame, its place from 0, and the picture with its fades."""
    reel = Reel(film)
    for place, clip, frame in cut.frames():
        picture = reel.show(finished_frame(color[clip.shot], frame))
        level = clip.level(frame)
        yield clip, frame, place, picture if level >= 1 else np.round(picture * level).astype(np.uint8)


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "edit",
        frames=contents(upstream.of("color", shot), "color"),
        length=film.shot(shot).shot.length,
        fps=film.production.fps,
        size=list(proxy_size(film.production)),
        take=upstream.of("render", shot).version,
    )


def _make(job: Job) -> dict[str, Any]:
    """The shot's own film, as long as the shot: with its burn-in for an editing room, and clean for the review app."""
    color = job.input("color")
    frames = job.film_shot.shot.frames
    progress = Adding(lambda done: job.done(done, 2 * len(frames)))
    pictures = {"proxy": _burnt_in(job, progress.one()), "playback": _clean(job, progress.one())}
    written, _ = side_by_side(*(partial(_encode_film, job, role, shown) for role, shown in pictures.items()))
    for role in pictures:
        _keep_film(job, role)
    job.ready_to_look_at("color", color)
    job.done(2 * len(frames), 2 * len(frames))
    # What the clean film shows, so that whoever plays it knows of which finished version it is.
    return {"frames": written, "take": job.input("render").version, "of_color": color.recipe_sha256}


def _film_path(job: Job, role: str) -> Path:
    return job.bench / f"{role}.mp4"


def _encode_film(job: Job, role: str, pictures: Iterator[NDArray[np.uint8]]) -> int:
    """Encode one film of the shot. Its timecode counts the shot's own frames, as the EDL does."""
    rate, frames = job.film.production.rate, job.film_shot.shot.frames
    return encode_proxy(pictures, rate, None, _film_path(job, role), timecode=rate.timecode(frames.first_frame))


def _keep_film(job: Job, role: str) -> None:
    job.keep(
        NewFile(
            _film_path(job, role),
            role=role,
            kind="proxy",
            engine="editorial",
            software=software(),
            recipe=recipe_for("edit.film", role=role, of=job.recipe.sha256),
            references=tuple(reference("frame", item) for item in job.input("color").of("color")),
            take=job.input("render").version,
        )
    )


def _clean(job: Job, told: Callable[[int], None]) -> Iterator[NDArray[np.uint8]]:
    reel, color = Reel(job.film, proxy_size(job.film.production)), job.input("color")
    for place, frame in enumerate(job.film_shot.shot.frames, 1):
        yield reel.show(finished_frame(color, frame))
        told(place)


def _burnt_in(job: Job, told: Callable[[int], None]) -> Iterator[NDArray[np.uint8]]:
    production, color = job.film.production, job.input("color")
    reel, take = Reel(job.film, proxy_size(production)), f"take {job.input('render').version}"
    for place, frame in enumerate(job.film_shot.shot.frames, 1):
        picture = reel.show(finished_frame(color, frame))
        yield burn(picture, job.shot, frame, production.rate.timecode(frame), stage=take)
        told(place)


def _cut_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    cut = film_cut(film, _takes(upstream))
    return recipe_for(
        "cut",
        title=cut.title,
        fps=cut.rate.label,
        clips=[
            [
                clip.shot,
                clip.take,
                str(clip.source),
                str(clip.available),
                clip.fade_in,
                clip.fade_out,
                [[m.frame, m.name] for m in clip.markers],
            ]
            for clip in cut.clips
        ],
        proxies={name: contents(turnover, "proxy") for name, turnover in upstream.every("edit").items()},
        sound=sound_ingredients(film),
    )


def _takes(upstream: Upstream) -> dict[str, str]:
    return {name: f"t{turnover.facts['take']:03d}" for name, turnover in upstream.every("edit").items()}


def _make_cut(job: Job) -> dict[str, Any]:
    film = job.film
    proxies = {name: turnover.one("proxy") for name, turnover in job.upstream.every("edit").items()}
    cut = film_cut(film, _takes(job.upstream))
    up = "../" * (job.slate.folder.count("/") + 1)
    media = {name: up + item.path for name, item in proxies.items()}
    used = tuple(reference("frame", proxies[clip.shot]) for clip in cut.clips)
    job.done(0, 3)
    sound = mixed_sound(film, cut)
    job.done(1, 3)
    made: list[tuple[Path, str]] = []
    wav_name = None
    if sound is not None:
        made.append((job.bench / "mix.wav", "mix"))
        write_wav(sound, made[-1][0])
        wav_name = job.slate.filename("mix", "wav")
    made += [(job.bench / "cut.otio", "timeline"), (job.bench / "cut.fcpxml", "fcpxml")]
    write_otio(cut, media, wav_name, job.bench / "cut.otio")
    write_fcpxml(cut, media, job.bench / "cut.fcpxml")
    parts = write_edl(cut, job.bench / "cut.edl")
    made += [(part, "edl" if number == 1 else f"edl_part{number}") for number, part in enumerate(parts, 1)]
    job.done(2, 3)
    for path, role in made:
        job.keep(
            NewFile(
                path,
                role=role,
                kind="cut",
                engine="editorial",
                software=software(),
                recipe=recipe_for("cut.file", role=role, of=job.recipe.sha256),
                references=used,
            )
        )
    job.done(3, 3)
    return {"frames": cut.length, "clips": len(cut.clips), "seconds": round(float(cut.rate.seconds(cut.length)), 3)}


EDIT = Department(
    "edit",
    Stage.EDIT,
    needs=("color", "render"),
    recipe=_recipe,
    make=_make,
    says="The shot as editorial plays it: every frame by the exposure sheet, with burn-in.",
)
CUT = Department(
    "cut",
    Stage.EDIT,
    needs=("edit",),
    recipe=_cut_recipe,
    make=_make_cut,
    whole_film=True,
    says="The cut: OTIO timeline, EDL, FCPXML, and the sound mixed to it.",
)
