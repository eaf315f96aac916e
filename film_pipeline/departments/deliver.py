"""Stage 10, deliver: each shot's certificate, and the masters with quality control and provenance."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from film_pipeline.core.cut import Cut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Item, Turnover
from film_pipeline.core.stages import Stage
from film_pipeline.delivery.encode import SAMPLE_RATE, encode_prores, encode_review
from film_pipeline.delivery.hashlist import verify_mhl, write_mhl
from film_pipeline.delivery.looks import Look, look_of
from film_pipeline.delivery.qc import Expected, QcReport, qc, repeated_pictures
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
from film_pipeline.departments.edit import cut_frames, film_cut, finished_frame
from film_pipeline.departments.film import Film
from film_pipeline.departments.papers import write_json
from film_pipeline.departments.side_by_side import Adding, side_by_side
from film_pipeline.departments.sound import mixed_sound, sound_ingredients
from film_pipeline.pictures.sheet import grid
from film_pipeline.stores.filing import sidecar_of

_STEPS = 6
_DELIVERED = {"review": "mp4", "prores": "mov", "qc": "txt", "bundle": "zip", "frames_sheet": "png"}
"""What a delivery holds: role -> extension."""


def _recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "deliver",
        frames=contents(upstream.of("color", shot), "color"),
        lock=upstream.of("cameras", shot).facts["lock"],
        take=upstream.of("render", shot).version,
    )


def _make(job: Job) -> dict[str, Any]:
    """The shot's certificate: every finished frame by content, how it was made, and who signed."""
    frames = []
    for item in job.input("color").of("color"):
        record = job.film.frames.record_at(item.path)
        if record is None:
            raise FilmProblem(f"{item.path} has no record", "film reindex, or make the frame again", shot=job.shot)
        frames.append({"frame": item.frame, "content_hash_sha256": item.sha256, "recipe_sha256": record.recipe_sha256})
    engines = sorted({name for item in job.input("render").items for name in _engines(job.film, item)})
    certificate = {
        "deliverable": job.shot,
        "composition_lock": job.input("cameras").facts["lock"],
        "take": job.input("render").version,
        "engine_summary": engines,
        "frames": frames,
        "certified_by": "",
    }
    path = write_json(job.bench / "certificate.json", certificate)
    job.keep(
        NewFile(
            path,
            role="deliver",
            kind="master",
            engine="delivery",
            software=software(),
            recipe=job.recipe,
            references=tuple(reference("frame", item) for item in job.input("color").of("color")),
            composition_lock=job.input("cameras").facts["lock"],
            take=job.input("render").version,
        )
    )
    return {"frames": len(frames), "engines": ", ".join(engines)}


def _engines(film: Film, item: Item) -> tuple[str, ...]:
    record = film.frames.record_at(item.path)
    return record.engine_summary if record else ()


def _master_recipe(film: Film, shot: str, upstream: Upstream) -> Recipe:
    return recipe_for(
        "master",
        cut=contents(upstream.of("cut"), "timeline"),
        frames={name: contents(turnover, "color") for name, turnover in upstream.every("color").items()},
        sound=sound_ingredients(film),
        certificates={name: contents(turnover, "deliver") for name, turnover in upstream.every("deliver").items()},
    )


def _make_master(job: Job) -> dict[str, Any]:
    film = job.film
    color = job.upstream.every("color")
    cut = film_cut(film)
    sound = mixed_sound(film, cut)
    delivery = job.bench / "delivery"
    delivery.mkdir()
    total = cut.length * 2 + _STEPS
    # Under the names that they keep, so that the hash list holds for the files as they are handed over.
    files = {role: delivery / job.slate.filename(role, extension) for role, extension in _DELIVERED.items()}
    looks: list[Look] = []
    progress = Adding(lambda done: job.done(done, total))
    review, prores = (_pictures(job, cut, color, progress.one(), seen) for seen in (looks, None))
    side_by_side(
        lambda: encode_review(review, cut.rate, sound, files["review"]),
        lambda: encode_prores(prores, cut.rate, sound, files["prores"]),
    )
    done = cut.length * 2
    expected = _expected(job, cut, color, looks, sound)
    reports = {role: qc(files[role], expected) for role in ("review", "prores")}
    reports["review"].faults += _repeated(job, color)
    files["qc"].write_text(
        "\n".join(f"{files[role].name}\n{report.as_text()}" for role, report in reports.items()), encoding="utf-8"
    )
    job.done(done + 2, total)
    _refuse_faults({files[role].name: report for role, report in reports.items()})
    _bundle(job, files["bundle"])
    _frames_sheet(job, cut, color).save(files["frames_sheet"], compress_level=1)
    job.done(done + 4, total)
    files["mhl"] = job.bench / "hashes.mhl"
    shutil.copyfile(write_mhl(delivery, film.author, film.production.title), files["mhl"])
    verify_mhl(delivery)
    used = tuple(reference("frame", item) for item in _shown(cut, color))
    for role, path in files.items():
        job.keep(
            NewFile(
                path,
                role=role,
                kind="master",
                engine="delivery",
                software=software(),
                recipe=recipe_for("master.file", role=role, of=job.recipe.sha256),
                references=used if role in ("review", "prores") else (),
            )
        )
    job.done(total, total)
    return {
        "frames": cut.length,
        "rate": cut.rate.label,
        "seconds": round(float(cut.rate.seconds(cut.length)), 3),
        "qc": "passed",
        **{name: value for name, value in reports["review"].facts.items() if isinstance(value, float)},
    }


def _refuse_faults(reports: dict[str, QcReport]) -> None:
    """Raises FilmProblem with the first fault, and every other one behind it."""
    problems = [
        FilmProblem(f"the delivery fails its quality control: {name}: {fault}", "mend the shot and run it again")
        for name, report in reports.items()
        for fault in report.faults
    ]
    if problems:
        first, *first.others = problems
        raise first


def _pictures(
    job: Job, cut: Cut, color: dict[str, Turnover], told: Callable[[int], None], looks: list[Look] | None
) -> Iterator[NDArray[np.uint8]]:
    """Every picture of the cut; what each shows is added to `looks`, a held picture's only once."""
    last: tuple[NDArray[np.uint8], Look] | None = None
    for _, _, place, picture in cut_frames(job.film, cut, color):
        if looks is not None:
            last = last if last is not None and last[0] is picture else (picture, look_of(picture))
            looks.append(last[1])
        yield picture
        told(place + 1)


def _shown(cut: Cut, color: dict[str, Turnover]) -> list[Item]:
    """Every finished frame that the cut shows, once."""
    shown = {
        finished_frame(color[clip.shot], frame).path: finished_frame(color[clip.shot], frame)
        for _, clip, frame in cut.frames()
    }
    return list(shown.values())


def _expected(
    job: Job, cut: Cut, color: dict[str, Turnover], looks: list[Look], sound: NDArray[np.float32] | None
) -> Expected:
    return Expected(
        looks=looks,
        faded=[clip.level(frame) < 1 for _, clip, frame in cut.frames()],
        rate=cut.rate,
        resolution=cut.resolution,
        sound=sound,
        sample_rate=SAMPLE_RATE,
        loudness_lufs=job.film.production.loudness_lufs,
        without_record=[item.path for item in _shown(cut, color) if not _has_its_record(job.film, item)],
    )


def _repeated(job: Job, color: dict[str, Turnover]) -> list[str]:
    digests = {name: turnover.facts["digests"] for name, turnover in job.upstream.every("cameras").items()}
    return repeated_pictures(
        (name, item.frame or 0, item.sha256, digests[name][str(item.frame)])
        for name, turnover in color.items()
        for item in turnover.of("color")
        if str(item.frame) in digests[name]
    )


def _has_its_record(film: Film, item: Item) -> bool:
    record = film.frames.record_at(item.path)
    return (
        record is not None and record.content_hash_sha256 == item.sha256 and sidecar_of(film.made / item.path).is_file()
    )


def _bundle(job: Job, path: Path) -> None:
    """Every record behind the master, from certificate to composition, in one archive with fixed dates."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for turnover in job.upstream.turnovers.values():
            for item in turnover.items:
                sidecar = sidecar_of(job.film.made / item.path)
                archive.writestr(zipfile.ZipInfo(f"{item.path}.json", (1980, 1, 1, 0, 0, 0)), sidecar.read_bytes())


def _frames_sheet(job: Job, cut: Cut, color: dict[str, Turnover]) -> Image.Image:
    """A finished frame of every clip: its middle."""
    middles = [(clip.shot, (clip.source.first_frame + clip.source.last_frame) // 2) for clip in cut.clips]
    pictures = [Image.open(job.path(finished_frame(color[shot], frame))).convert("RGB") for shot, frame in middles]
    return grid(pictures, [f"{shot}  {frame}" for shot, frame in middles], 2, cut.title, 640)


DELIVER = Department(
    "deliver",
    Stage.DELIVER,
    needs=("color", "render", "cameras"),
    recipe=_recipe,
    make=_make,
    says="The shot's certificate: every finished frame by content, its lock and its take.",
)
MASTER = Department(
    "master",
    Stage.DELIVER,
    needs=("cut", "color", "deliver", "cameras", "render", "vfx"),
    recipe=_master_recipe,
    make=_make_master,
    whole_film=True,
    says="H.264 and ProRes masters, quality control, ASC MHL hash list and the provenance bundle.",
)
