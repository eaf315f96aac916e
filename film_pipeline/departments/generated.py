"""Stage 6 where frames are generated: takes that were signed for, fanned out together, filed frame by frame.

The shots' own takes and the heroes' go the same way; which of them it is, the scene says.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from film_pipeline.core.gate import Work
from film_pipeline.core.generating import FrameWork
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Reference, Signature, Turnover
from film_pipeline.departments.department import (
    Department,
    Job,
    NewFile,
    Progress,
    Together,
    Upstream,
    recipe_for,
    workbench,
)
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import (
    Scene,
    asking,
    is_signed,
    missing_frames,
    recipe_of_work,
    valid_takes,
    wanted_frames,
    wanted_take,
)
from film_pipeline.finishing.pictures import write_exr
from film_pipeline.orchestrator.indexer import to_linear
from film_pipeline.orchestrator.supervisor import Supervisor
from film_pipeline.orchestrator.wanted import Key, Landed, Wanted
from film_pipeline.stores.filing import file_turnover
from film_pipeline.stores.leases import claim_if_free
from film_pipeline.stores.ledger.takes import Take

log = logging.getLogger(__name__)

SceneOf = Callable[[Film, str, Upstream], Scene]
"""A shot as its takes, or its hero's, are made."""


def generated_recipe(scene: Scene) -> Recipe:
    """The recipe of the take that the film shows. Raises GateLocked where nobody has signed for one."""
    return _take_recipe(scene, wanted_take(scene, scene.covered()))


def generated_version(scene: Scene) -> int:
    """A version of what is generated is a take of the ledger's."""
    return wanted_take(scene, scene.covered()).take


def _take_recipe(scene: Scene, take: Take) -> Recipe:
    frames = wanted_frames(scene, take, scene.covered())
    works = {str(frame): recipe_of_work(work).sha256 for frame, work in frames.items()}
    return recipe_for("render" if scene.hero is None else "heroes", take=take.take, frames=works)


def generate(film: Film, shots: Together, scene_of: SceneOf, desk: Department, progress: Progress) -> Collection[str]:
    """Fan the missing frames of every open take of these shots over the backends that were signed for.

    Each frame is filed as it lands. What did not come back is told when its shot is made. Takes that are opened
    meanwhile are made too. Returns the shots whose takes were made.
    """
    with _Floor(film, shots, scene_of, desk, progress) as floor:
        report = floor.supervisor().run(floor.wanted(), shots=list(shots.due))
        film.ungenerated = report.problems
        for shot, scene in floor.scenes.items():
            _turn_over_other_takes(film, scene, floor.upstream[shot], desk, progress)
        return list(floor.scenes)


def _open_takes(film: Film, scene: Scene) -> list[Take]:
    """Every take that somebody asked for and nobody rejected, and that may still be worked on."""
    takes = valid_takes(film, scene.shot, scene.covered(), scene.kind)
    return [take for take in takes if take.standing != "rejected" and is_signed(film, take)]


class _Floor:
    """One run's fan-out: what is filed where, how far it is, and what is asked for meanwhile."""

    def __init__(self, film: Film, shots: Together, scene_of: SceneOf, desk: Department, progress: Progress) -> None:
        self.film, self.desk, self.progress, self._scene_of = film, desk, progress, scene_of
        self.kind: Work = "hero" if desk.part == "hero" else "take"
        self.upstream: dict[str, Upstream] = dict(shots.due)
        self.scenes = {shot: scene_of(film, shot, upstream) for shot, upstream in shots.due.items()}
        self.totals: dict[str, int] = {}
        self.landed: dict[str, int] = {}
        self._at_gate = dict(shots.at_gate)
        self._begun: set[tuple[str, int]] = set()
        self._claims = ExitStack()
        self._news = film.ledger.takes.news()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._claims.close()

    def wanted(self) -> list[Wanted]:
        """The missing frames of every open take."""
        return [frame for scene in self.scenes.values() for frame in self._missing(scene)]

    def _missing(self, scene: Scene, takes: Collection[int] | None = None) -> list[Wanted]:
        """takes: only of these, if they are open."""
        wanted: list[Wanted] = []
        for take in _open_takes(self.film, scene):
            place = (scene.shot, take.take)
            if place not in self._begun and (takes is None or take.take in takes):
                self._begun.add(place)
                works = wanted_frames(scene, take, scene.covered())
                wanted += [Wanted(works[frame], take.backends) for frame in missing_frames(scene, works)]
        self.totals[scene.shot] = self.totals.get(scene.shot, 0) + len(wanted)
        return wanted

    def more(self) -> list[Wanted]:
        """The frames of takes that were opened since this was asked last, of shots that are or can be claimed."""
        takes: dict[str, list[int]] = {}
        for take in self._news.read():
            if take.work == self.kind:
                takes.setdefault(take.shot, []).append(take.take)
        wanted: list[Wanted] = []
        for shot, numbers in takes.items():
            try:
                scene = self._scene(shot)
                wanted += self._missing(scene, numbers) if scene is not None else []
            except FilmProblem as problem:
                # Its own run will say so too. The others go on.
                log.warning("%s: a take that was just asked for can't be made in this run: %s", shot, problem)
        return wanted

    def _scene(self, shot: str) -> Scene | None:
        """The scene of a shot of this run; None where another run has it, or it was not to be worked on."""
        upstream = self._at_gate.get(shot)
        if shot not in self.scenes and upstream is not None:
            scene = self._scene_of(self.film, shot, upstream)
            if self._claims.enter_context(claim_if_free(self.film.made, self.desk.stage.value, shot)):
                self.upstream[shot], self.scenes[shot] = upstream, scene
        return self.scenes.get(shot)

    def supervisor(self) -> Supervisor:
        film = self.film
        return Supervisor(
            film.ledger, film.generating, film.made, self.index, self.told, more=self.more, kind=self.kind
        )

    def told(self, shot: str, take: int, frame: str, done: float) -> None:
        total = self.totals.get(shot, 1)
        self.progress(self.desk.name, shot, min(self.landed.get(shot, 0), total), total)

    def index(self, landed: Landed) -> None:
        work = landed.work
        scene = self.scenes.get(work.shot)
        if scene is None:
            raise FilmProblem(f"a frame of {work.shot} came home, which is not in this run", "film run", shot=work.shot)
        with workbench(self.film) as bench:
            job = Job(
                self.film,
                self.desk,
                work.shot,
                self.upstream[work.shot],
                recipe_of_work(work),
                work.take,
                bench,
                self.progress,
            )
            keep_generated(job, scene, landed)
        self.landed[work.shot] = self.landed.get(work.shot, 0) + 1
        self.told(work.shot, work.take, "", 1.0)


def keep_generated(job: Job, scene: Scene, landed: Landed) -> None:
    """File a generated frame: the picture as it was given, and its scene-linear state that comp works on.

    A hero is a picture to be looked at, and stays what it is.
    """
    recipe = recipe_of_work(landed.work)
    given = job.bench / f"{landed.work.frame}.png"
    Image.fromarray(landed.picture).save(given, compress_level=1)
    cost = landed.charge
    made: dict[str, Any] = {
        "role": scene.role,
        "recipe": recipe,
        "cost_usd": None if cost is None else float(cost.usd),
        "seconds": landed.fetched.seconds,
        "detail": _detail(scene, landed),
    }
    common = _common(job, scene, landed)
    if scene.hero is not None:
        job.keep(NewFile(given, **made, **common))
        return
    linear = job.bench / f"{landed.work.frame}.exr"
    # The model saw, and made, an exposed picture; the grade will expose it again.
    write_exr(linear, to_linear(landed.picture) * np.float32(2.0**-scene.look.exposure_stops))
    job.keep(
        NewFile(linear, **made, **common),
        NewFile(
            given,
            role="generated",
            recipe=recipe_for("render.picture", work=recipe.sha256),
            cost_usd=0.0,
            detail={"of": "the render beside it, as the backend gave it"},
            **common,
        ),
    )


def _common(job: Job, scene: Scene, landed: Landed) -> dict[str, Any]:
    """What the records of all of a frame's files say."""
    work, backend = landed.work, landed.backend
    return {
        "kind": "render",
        "engine": backend.name,
        "frame": work.frame,
        "provider": backend.provider,
        "software": str(landed.fetched.detail.get("software") or backend.software() or backend.name),
        "licence": backend.model(work.purpose).licence,
        "composition_lock": scene.cameras.facts["lock"],
        "take": work.take,
        "ticket": landed.ticket.job,
        "signoffs": _signoffs(job.film, landed.ticket.approval),
        "references": _references(scene, work),
    }


def _detail(scene: Scene, landed: Landed) -> dict[str, Any]:
    work, backend = landed.work, landed.backend
    model, recipe = backend.model(work.purpose), backend.recipe(work)
    told = landed.fetched.detail.items()
    return {
        "model": model.said,
        "commercial": model.commercial,
        "recipe_sha256": recipe.sha256,
        "recipe": recipe.ingredients,
        "seed": str(work.seed),
        "prompt": work.prompt,
        "estimated": landed.charge.estimated if landed.charge else None,
        **_hero_facts(scene),
        **{key: value for key, value in told if isinstance(value, str | int | float | bool)},
    }


def _hero_facts(scene: Scene) -> dict[str, Any]:
    """Which still it is, and who is cast; nothing of a shot's own take."""
    hero = scene.hero
    return {} if hero is None else {"scene": hero.scene, "label": hero.label, "slot": hero.number, "cast": hero.subject}


def _signoffs(film: Film, approval: str) -> tuple[Signature, ...]:
    signed = film.ledger.approvals.one(approval)
    if signed is None or signed.approval is None:
        raise FilmProblem(f"the approval {approval} is no longer in the ledger", "restore the ledger from a copy")
    one = signed.approval
    role = next((known.role for known in film.production.approvers if known.public_key == one.public_key), "")
    return (
        Signature(
            name=one.signer, role=role, signed_at=one.signed_at, subject=one.covered.sha256, signature=one.signature
        ),
    )


def _references(scene: Scene, work: FrameWork) -> tuple[Reference, ...]:
    composition = scene.cameras.one("composition")
    guides = (
        Reference(role=guide.role, name=guide.path.name, sha256=guide.sha256, licence=guide.licence)
        for guide in work.guides
    )
    return (Reference(role="composition", name=Path(composition.path).name, sha256=composition.sha256), *guides)


def make_generated(job: Job, scene: Scene) -> dict[str, Any]:
    """Turn a take over: every frame must be home. Raises FilmProblem with what kept the others away."""
    take = job.film.ledger.takes.one(job.shot, job.version, scene.kind)
    if take is None:
        raise FilmProblem(f"take {job.version} was never opened", asking(job.shot, scene.kind), shot=job.shot)
    return _gather(job, scene, take)


def _gather(job: Job, scene: Scene, take: Take) -> dict[str, Any]:
    works = wanted_frames(scene, take, scene.covered())
    recipes: dict[int | None, Recipe] = {frame: recipe_of_work(work) for frame, work in works.items()}
    there = job.found(scene.role, recipes)
    if scene.hero is None:
        job.found(
            "generated", {frame: recipe_for("render.picture", work=recipe.sha256) for frame, recipe in recipes.items()}
        )
    missing = [frame for frame in works if frame not in there]
    if missing:
        away = f"{len(missing)} of {len(works)} frames of take {take.take} did not come home"
        raise FilmProblem(
            f"{away}: {_why(job.film, works, missing)}",
            f"film workers and film spend tell more; film run --shots {job.shot} goes on",
            shot=job.shot,
        )
    engines = sorted({name for item in job.items for name in _engines(job.film, item.path)})
    told = {"take": take.take, "backend": ", ".join(engines), "frames": len(works), "direction": take.direction}
    return told | _hero_facts(scene)


def _engines(film: Film, path: str) -> tuple[str, ...]:
    record = film.frames.record_at(path)
    return record.engine_summary if record else ()


def _why(film: Film, works: Mapping[int, FrameWork], missing: Sequence[int]) -> str:
    told: dict[str, list[int]] = {}
    for frame in missing:
        work = works[frame]
        key: Key = (work.shot, work.work, work.take, work.frame)
        told.setdefault(film.ungenerated.get(key, "they were not ordered in this run"), []).append(frame)
    return "; ".join(
        f"{', '.join(map(str, frames[:4]))}{'...' if len(frames) > 4 else ''}: {why}" for why, frames in told.items()
    )


def _turn_over_other_takes(film: Film, scene: Scene, upstream: Upstream, desk: Department, progress: Progress) -> None:
    """Takes that are complete and not the one that the film shows: people look at them too."""
    shown = wanted_take(scene, scene.covered())
    for take in _open_takes(film, scene):
        recipe = _take_recipe(scene, take)
        if take.take == shown.take or film.frames.turnover(desk.name, scene.shot, recipe.sha256) is not None:
            continue
        with workbench(film) as bench:
            job = Job(film, desk, scene.shot, upstream, recipe, take.take, bench, progress)
            try:
                facts = _gather(job, scene, take)
            except FilmProblem as problem:
                log.warning("%s", problem)
                continue
            turnover = Turnover(
                stage=desk.name,
                shot=scene.shot,
                version=take.take,
                recipe_sha256=recipe.sha256,
                items=tuple(sorted(job.items, key=lambda item: (item.role, item.frame or 0))),
                facts=facts,
            )
            file_turnover(film.media, film.frames, turnover, job.slate.folder)
