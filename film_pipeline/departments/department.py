"""What a department is: a recipe that says what it would make, and the work that makes it."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from film_pipeline import __version__
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Event, Item, Lineage, Record, Reference, Signature, Turnover
from film_pipeline.core.slate import WHOLE_FILM_SLATE, Slate
from film_pipeline.core.stages import Stage
from film_pipeline.departments.codes import CODES
from film_pipeline.departments.film import Film, FilmShot
from film_pipeline.stores.filing import file_frames
from film_pipeline.stores.thumbnails import READY_WIDTHS

_LOOKED_AT_ONCE = 2
WHOLE_FILM = ""
"""The shot of what belongs to the whole film: the cut, the animatic, the master."""

Kind = Literal[
    "panel", "plate", "pass", "render", "comp", "finish", "proxy", "cut", "master", "set", "puppet", "look", "script"
]
Progress = Callable[[str, str, int, int], None]
"""Told as work moves: department, shot, done, total."""


def silent(department: str, shot: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Upstream:
    """What the departments before have turned over, by department and shot."""

    turnovers: Mapping[tuple[str, str], Turnover]

    def of(self, department: str, shot: str = WHOLE_FILM) -> Turnover:
        return self.turnovers[department, shot]

    def every(self, department: str) -> dict[str, Turnover]:
        """The turnovers of a department by shot, in the order of the film."""
        return {shot: turnover for (name, shot), turnover in self.turnovers.items() if name == department}


@dataclass(frozen=True)
class Together:
    """The shots of a run that a department works on together.

    due: those whose claims are held. at_gate: those that wait for a person. Should somebody sign meanwhile, such a shot
    may be worked on too by whoever gets its claim.
    """

    due: Mapping[str, Upstream]
    at_gate: Mapping[str, Upstream]


@dataclass(frozen=True)
class Department:
    """One desk of the film. Its stage is its place in the shooting order."""

    name: str
    stage: Stage
    needs: tuple[str, ...]
    recipe: Callable[[Film, str, Upstream], Recipe]
    make: Callable[[Job], dict[str, Any]]
    whole_film: bool = False
    says: str = ""
    prepare: Callable[[Film, Together, Progress], Collection[str]] | None = None
    """Work for all due shots of a run together, before each is made. Returns the shots that it worked on."""
    version: Callable[[Film, str, Upstream], int | None] | None = None
    """The version that is made next, where it is not simply the next number."""
    shots: Callable[[Film], Collection[str]] | None = None
    """The shots that there is work on; every one unless given."""
    part: str = ""
    """What of its stage it makes, where another department makes the shot itself."""

    def slate(self, shot: str, version: int) -> Slate:
        return Slate(shot or WHOLE_FILM_SLATE, self.stage, version, self.part)

    @property
    def code_version(self) -> str:
        return str(CODES[self.name])


@dataclass(frozen=True)
class NewFile:
    """A file that was just made in the job's workbench, with what its record has to say."""

    path: Path
    role: str
    kind: Kind
    engine: str
    software: str
    recipe: Recipe
    frame: int | None = None
    provider: str = "local"
    licence: str = "own work"
    cost_usd: float | None = 0.0
    seconds: float | None = None
    references: tuple[Reference, ...] = ()
    composition_lock: str = ""
    take: int | None = None
    fallback: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    extension: str = ""
    ticket: str = ""
    signoffs: tuple[Signature, ...] = ()
    continues: Item | None = None
    """The frame that this is a further state of: its events and licences go on in this file's record."""


@dataclass
class Job:
    """A department at work on one shot: its upstream, its workbench and where its files go."""

    film: Film
    department: Department
    shot: str
    upstream: Upstream
    recipe: Recipe
    version: int
    bench: Path
    progress: Progress
    items: list[Item] = field(default_factory=list)

    @property
    def slate(self) -> Slate:
        return self.department.slate(self.shot, self.version)

    @property
    def film_shot(self) -> FilmShot:
        return self.film.shot(self.shot)

    def input(self, department: str) -> Turnover:
        """What that department turned over for this shot (or for the whole film)."""
        return self.upstream.of(department, self.shot)

    def path(self, item: Item) -> Path:
        return self.film.made / item.path

    def done(self, done: int, total: int) -> None:
        self.progress(self.department.name, self.shot, done, total)

    def found(self, role: str, recipes: Mapping[int | None, Recipe]) -> set[int | None]:
        """Frames that were made before by these recipes: they are linked into this version, not made again."""
        rows = self.film.frames.frames_made([recipe.sha256 for recipe in recipes.values()])
        there: set[int | None] = set()
        adopted: list[tuple[Path, Record, str]] = []
        for frame, recipe in recipes.items():
            record = rows.get(recipe.sha256)
            if record is None or record.role != role or not self.film.media.has(record.content_hash_sha256):
                continue
            there.add(frame)
            place = self._place(role, Path(record.media_path).suffix.lstrip("."), frame)
            adopted.append(
                (
                    self.film.media.path_of(record.content_hash_sha256),
                    record.model_copy(
                        update={
                            "deliverable": Path(place).stem,
                            "version": self.version,
                            "media_path": place,
                            "frame": frame,
                        }
                    ),
                    place,
                )
            )
        self._file(adopted)
        return there

    def keep(self, *new_files: NewFile) -> None:
        """Bring finished files home: hashed, stored, linked to their place, recorded and indexed."""
        self._file([(new.path, self._record(new), self._place_of(new)) for new in new_files])

    def ready_to_look_at(self, role: str, turnover: Turnover | None = None) -> None:
        """Have the small pictures of a role ready, so that nobody who looks at them waits. turnover: this job's unless
        given. Raises FilmProblem where one of them is no picture.
        """
        items = turnover.items if turnover is not None else self.items
        with ThreadPoolExecutor(_LOOKED_AT_ONCE) as pool:
            for _ in pool.map(self._make_small, [item.sha256 for item in items if item.role == role]):
                pass

    def _make_small(self, sha256: str) -> None:
        self.film.media.make_thumbnails(sha256, READY_WIDTHS)

    def _file(self, batch: Sequence[tuple[Path, Record, str]]) -> None:
        if not batch:
            return
        for record in file_frames(self.film.media, self.film.frames, batch):
            # A file that is found and then made anew takes the place of what was found.
            self.items = [item for item in self.items if item.path != record.media_path]
            self.items.append(
                Item(
                    role=record.role,
                    frame=record.frame,
                    path=record.media_path,
                    sha256=record.content_hash_sha256,
                    bytes=record.media_bytes,
                )
            )

    def _place_of(self, new: NewFile) -> str:
        return self._place(new.role, new.extension or new.path.suffix.lstrip("."), new.frame)

    def _place(self, role: str, extension: str, frame: int | None) -> str:
        return f"{self.slate.folder}/{self.slate.filename(role, extension, frame)}"

    def _record(self, new: NewFile) -> Record:
        place = self._place_of(new)
        before = self._before(new)
        signoffs = (*(before.signoffs if before else ()), *new.signoffs)
        licences = [*(before.license_summary if before else ()), new.licence, *(ref.licence for ref in new.references)]
        event = Event(
            engine=new.engine,
            provider=new.provider,
            software=new.software,
            author=self.film.author,
            cost_usd=new.cost_usd,
            seconds=None if new.seconds is None else round(new.seconds, 3),
            started_at=utc_now(),
            detail=dict(new.detail),
        )
        return Record(
            deliverable=Path(place).stem,
            content_hash_sha256="",
            engine_summary=tuple(dict.fromkeys([*(before.engine_summary if before else ()), new.engine])),
            license_summary=tuple(dict.fromkeys(licence for licence in licences if licence)),
            lineage=Lineage(kind=new.kind, shot=self.shot, events=(*(before.lineage.events if before else ()), event)),
            stage=self.department.name,
            version=self.version,
            frame=new.frame,
            role=new.role,
            media_path=place,
            media_bytes=0,
            recipe_sha256=new.recipe.sha256,
            recipe=new.recipe.ingredients,
            composition_lock=new.composition_lock,
            take=new.take,
            ticket=new.ticket,
            signoffs=signoffs,
            certified_by=", ".join(dict.fromkeys(signature.name for signature in signoffs)),
            references=new.references,
            fallback=new.fallback,
            made_at=utc_now(),
        )

    def _before(self, new: NewFile) -> Record | None:
        if new.continues is None:
            return None
        record = self.film.frames.record_at(new.continues.path)
        if record is None:
            raise FilmProblem(f"{new.continues.path} has no record", "film reindex", shot=self.shot)
        return record


@contextmanager
def workbench(film: Film) -> Iterator[Path]:
    """A scratch folder on the production's own disk, so that finished files move home without copying."""
    folder = film.made / "bench"
    folder.mkdir(exist_ok=True)
    bench = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield bench
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def first_of_each(recipes: Mapping[int | None, Recipe], there: Collection[int | None]) -> list[int]:
    """The frames to make: of those that are not there, one for each recipe."""
    wanted: dict[str, int] = {}
    for frame, recipe in recipes.items():
        if frame is not None and frame not in there:
            wanted.setdefault(recipe.sha256, frame)
    return list(wanted.values())


def reference(role: str, item: Item, licence: str = "") -> Reference:
    """A turned-over file as a reference of what is made from it."""
    return Reference(role=role, name=Path(item.path).name, sha256=item.sha256, licence=licence)


def contents(turnover: Turnover, *roles: str) -> dict[str, str]:
    """What a recipe needs to know of an upstream turnover: the content hashes of those roles."""
    return {
        item.role if item.frame is None else f"{item.role}.{item.frame}": item.sha256
        for item in turnover.items
        if item.role in roles
    }


def recipe_for(made: str, **ingredients: Any) -> Recipe:
    """The recipe of what a department makes. made: the department, or one of its kinds of file, such as vfx.frame."""
    return Recipe({"department": made, "code": CODES[made.partition(".")[0]], **ingredients})


def software() -> str:
    return f"film_pipeline {__version__}"


def of_shot(problem: FilmProblem, shot: str) -> FilmProblem:
    """The problem, said of that shot."""
    return problem if problem.shot or not shot else replace(problem, shot=shot)
