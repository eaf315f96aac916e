"""An opened production: the author's files, the stores and the engines, for every department to work with."""

import copy
import getpass
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from film_pipeline.core.files import inside, line_of, load_yaml, read_yaml
from film_pipeline.core.generating import GeneratingBackend
from film_pipeline.core.generation import FrameBackend
from film_pipeline.core.look import Look, LookFile, read_look, resolve
from film_pipeline.core.ports import SceneEngine
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import CHARACTER_FILE, Character, read_character
from film_pipeline.core.refusals import field_path
from film_pipeline.core.screenplay import Scene, SceneIdentities, Screenplay, read_screenplay
from film_pipeline.core.sets import SET_FILE, SetDescription, read_set
from film_pipeline.core.shot import SceneFile, Shot
from film_pipeline.core.slate import ShotName
from film_pipeline.core.timing import ExposureSheet
from film_pipeline.core.usd_parts import FolderTextures
from film_pipeline.orchestrator.wanted import Key
from film_pipeline.stores.filing import recover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.ledger import LEDGER_FILE
from film_pipeline.stores.media import MediaStore

PRODUCTION_FILE = "production.yaml"
_IDENTITIES = "scene_identities"
_READ_ONCE = ("author", "screenplay", "scene_files", "shots", "look_file", "_sets", "_cast")
"""What an opened film keeps of its author's files."""


@dataclass(frozen=True)
class FilmShot:
    """A shot with the scene file that it stands in."""

    name: str
    shot: Shot
    scene: SceneFile
    source: Path

    @property
    def place_in_file(self) -> int:
        return self.scene.shots.index(self.shot)

    def line_of(self, *field: str | int) -> int | None:
        """The line of one of the shot's fields in its scene file."""
        return line_of(load_yaml(self.source), ("shots", self.place_in_file, *field))


class Film:
    """A production that was found on disk and opened. Close it, so that its engines stop."""

    def __init__(self, root: Path, only_reads: bool = False) -> None:
        """only_reads: leave the stores as they are, for somebody who only looks."""
        self.root = root
        self.only_reads = only_reads
        self.production = read_yaml(root / PRODUCTION_FILE, Production)
        self.made = root / ".film"
        self.made.mkdir(exist_ok=True)
        self.media = MediaStore(self.made)
        self.frames = FrameStore(self.made / "film.sqlite")
        if not only_reads:
            recover(self.media, self.frames)
        self.problems: list[FilmProblem] = []
        self._scenes_read: dict[tuple[Path, int, int], SceneFile] = {}
        self._open_engines = ExitStack()
        self._backends: dict[str, FrameBackend] = {}
        self.ungenerated: dict[Key, str] = {}
        """Why frames did not come home in the last fan-out, by shot, work, take and frame."""

    def read_anew(self) -> Self:
        """The same production with its author's files as they are now, over the same stores.

        Scene files that did not change are not read again. Raises FilmProblem where the production can't be read.
        """
        again = copy.copy(self)
        for name in _READ_ONCE:
            again.__dict__.pop(name, None)
        again.production = read_yaml(self.root / PRODUCTION_FILE, Production)
        again.problems = []
        return again

    @classmethod
    def find(cls, start: Path) -> Self:
        """Open the production in `start` or the nearest folder above it. Raises FilmProblem where there is none."""
        for folder in (start, *start.parents):
            if (folder / PRODUCTION_FILE).is_file():
                return cls(folder)
        raise FilmProblem(
            f"no {PRODUCTION_FILE} in {start} or any folder above it",
            "go to a production's folder, name one with --production DIR, or make one: film new my-film",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def warehouse(self) -> Path:
        """Where the lineage is published for DuckDB."""
        return self.made / "warehouse"

    def close(self) -> None:
        """Stop the engines that were started."""
        self._open_engines.close()
        self.__dict__.pop("scene_engine", None)
        ledger = self.__dict__.pop("ledger", None)
        if ledger is not None:
            ledger.close()
        self._backends.clear()

    @cached_property
    def author(self) -> str:
        return self.production.author or getpass.getuser()

    @property
    def script_file(self) -> Path:
        return self._own(self.production.script, self.root / PRODUCTION_FILE, "script")

    def _own(self, reference: str, source: Path, *location: str | int) -> Path:
        """A path in the production that a field of an author's file names. Raises FilmProblem where it leads out."""
        try:
            return inside(self.root, reference)
        except FilmProblem as problem:
            problem.file, problem.field_name = source, field_path(location)
            problem.line = (line_of(load_yaml(source), location) or 1) if location else 1
            raise

    @cached_property
    def screenplay(self) -> Screenplay:
        """The script as it stands, its scenes known again by the identities of its last version."""
        known = self.frames.get_value(_IDENTITIES)
        previous = SceneIdentities.from_dict(known) if known else None
        screenplay = read_screenplay(self.script_file, previous)
        identities = SceneIdentities.of(screenplay, previous).as_dict()
        if identities != known and not self.only_reads:
            self.frames.set_value(_IDENTITIES, identities)
        return screenplay

    def scene(self, scene_id: str) -> Scene | None:
        return next((scene for scene in self.screenplay.scenes if scene.id == scene_id), None)

    @cached_property
    def scene_files(self) -> dict[str, tuple[Path, SceneFile]]:
        """Every readable scene file by scene, in the order of the script; what is unreadable goes to `problems`."""
        found: dict[str, tuple[Path, SceneFile]] = {}
        for path in sorted((self.root / "shots").glob("*.yaml")):
            try:
                scene = self._read_scene_file(path)
            except FilmProblem as problem:
                self.problems.append(problem)
                continue
            if scene.scene in found:
                other = found[scene.scene][0].name
                self.problems.append(
                    FilmProblem(
                        f"{scene.scene} has two shot files: {other} and {path.name}", "merge them", file=path, line=1
                    )
                )
                continue
            found[scene.scene] = (path, scene)
        order = [scene.id for scene in self.screenplay.scenes]
        for scene_id in sorted(set(found) - set(order)):
            self.problems.append(
                FilmProblem(
                    f"{scene_id} is not in the script",
                    f"the script has {', '.join(order)}: rename the scene or remove the file",
                    file=found[scene_id][0],
                    line=1,
                )
            )
        return {scene_id: found[scene_id] for scene_id in order if scene_id in found}

    def _read_scene_file(self, path: Path) -> SceneFile:
        """A scene file by its time and size: a production of many scenes is read in a moment when one has changed."""
        try:
            status = path.stat()
        except OSError:
            return read_yaml(self._own(f"shots/{path.name}", path), SceneFile)
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._scenes_read:
            scene = read_yaml(self._own(f"shots/{path.name}", path), SceneFile)
            for stale in [read for read in self._scenes_read if read[0] == path]:
                del self._scenes_read[stale]
            self._scenes_read[key] = scene
        return self._scenes_read[key]

    @cached_property
    def shots(self) -> dict[str, FilmShot]:
        """Every shot by name, in the order of the script."""
        return {
            str(ShotName(scene.scene, shot.id)): FilmShot(str(ShotName(scene.scene, shot.id)), shot, scene, path)
            for path, scene in self.scene_files.values()
            for shot in scene.shots
        }

    def shot(self, name: str) -> FilmShot:
        """Raises FilmProblem for a shot that the film does not have."""
        try:
            return self.shots[name]
        except KeyError:
            raise FilmProblem(
                f"the film has no shot {name}", f"its shots are {', '.join(self.shots) or 'none yet'}", shot=name
            ) from None

    def exposure_sheet(self, film_shot: FilmShot) -> ExposureSheet:
        try:
            return film_shot.shot.exposure_sheet(self.production.exposure)
        except ValueError as error:
            raise FilmProblem(
                str(error),
                "mend the holds or the length",
                file=film_shot.source,
                line=film_shot.line_of("exposure"),
                field_name=f"shots[{film_shot.place_in_file}].exposure",
                shot=film_shot.name,
            ) from error

    @cached_property
    def look_file(self) -> LookFile:
        path = self.root / "look" / "look.yaml"
        return read_look(self._own("look/look.yaml", path)) if path.exists() else LookFile()

    def look(self, film_shot: FilmShot) -> Look:
        return resolve(
            self.look_file,
            film_shot.scene.scene,
            film_shot.shot.look,
            film_shot.source,
            film_shot.line_of("look") if film_shot.shot.look else None,
        )

    def set_of(self, film_shot: FilmShot) -> SetDescription:
        folder = self.root / "sets" / film_shot.scene.set
        self._own(f"sets/{film_shot.scene.set}/{SET_FILE}", film_shot.source, "set")
        if not folder.is_dir():
            known = sorted(path.name for path in (self.root / "sets").glob("*") if path.is_dir())
            raise FilmProblem(
                f"there is no set {film_shot.scene.set!r}",
                f"the film's sets are {', '.join(known) or 'none yet'}: choose one, or build {folder.name} in sets/",
                file=film_shot.source,
                line=line_of(load_yaml(film_shot.source), ("set",)),
                field_name="set",
                shot=film_shot.name,
            )
        return self._read_set(folder)

    def _read_set(self, folder: Path) -> SetDescription:
        cache: dict[Path, SetDescription] = self.__dict__.setdefault("_sets", {})
        if folder not in cache:
            cache[folder] = read_set(folder)
        return cache[folder]

    def character(self, name: str, film_shot: FilmShot | None = None, place: int | None = None) -> Character:
        folder, place = self.root / "cast" / name, place or 0
        where = ("shots", film_shot.place_in_file, "cast", place, "character") if film_shot else ()
        self._own(f"cast/{name}/{CHARACTER_FILE}", film_shot.source if film_shot else folder, *where)
        if not folder.is_dir():
            known = sorted(path.name for path in (self.root / "cast").glob("*") if path.is_dir())
            raise FilmProblem(
                f"there is no puppet {name!r}",
                f"the cast is {', '.join(known) or 'nobody yet'}: choose one, or describe {name} in cast/{name}/",
                file=film_shot.source if film_shot else folder,
                line=film_shot.line_of("cast", place, "character") if film_shot else None,
                field_name=field_path(where),
                shot=film_shot.name if film_shot else "",
            )
        cache: dict[str, Character] = self.__dict__.setdefault("_cast", {})
        if name not in cache:
            cache[name] = read_character(folder)
        return cache[name]

    def cast_of(self, film_shot: FilmShot) -> dict[str, Character]:
        cast = {}
        for place, member in enumerate(film_shot.shot.cast):
            cast[member.character] = self.character(member.character, film_shot, place)
            for number, key in enumerate(member.keys):
                try:
                    cast[member.character].check_key(key)
                except FilmProblem as problem:
                    raise replace(
                        problem,
                        file=film_shot.source,
                        line=film_shot.line_of("cast", place, "keys", number, *problem.steps),
                        field_name=field_path(
                            ("shots", film_shot.place_in_file, "cast", place, "keys", number, *problem.steps)
                        ),
                        shot=film_shot.name,
                    ) from problem
        return cast

    def textures(self, depth: int) -> FolderTextures:
        """The composed stages' textures, for a stage that lies `depth` folders below `.film`."""
        return FolderTextures(self.made / "textures", depth)

    @cached_property
    def scene_engine(self) -> SceneEngine:
        """The first of the preferred scene engines that is there."""
        from film_pipeline.engines.blender import BlenderEngine

        engines = {"blender": BlenderEngine}
        for name in self.production.scene_engines:
            if name not in engines:
                raise FilmProblem(
                    f"there is no scene engine {name!r}",
                    f"choose among {', '.join(engines)}",
                    file=self.root / PRODUCTION_FILE,
                    field_name="scene_engines",
                )
        # A Blender that somebody else serves over HTTP, on a machine with a better GPU, say; else one is started here.
        url = os.environ.get("FILM_BLENDER_URL") or None
        return self._open_engines.enter_context(engines[self.production.scene_engines[0]](url))

    @property
    def generates(self) -> bool:
        """Whether frames are generated on backends that take orders, through the gate; else the free renderer works."""
        return self.production.backends[0] in self.production.generation

    @cached_property
    def ledger(self) -> Ledger:
        """Decisions and money. FILM_LEDGER_URL names a Postgres that several machines share; else it is a file here."""
        place = os.environ.get("FILM_LEDGER_URL") or self.made / LEDGER_FILE
        return Ledger.of(self.production, place)

    @cached_property
    def generating(self) -> dict[str, GeneratingBackend]:
        """The generating backends by name, the preferred one first. Nothing is connected by asking."""
        from film_pipeline.backends.registry import backends_of

        return backends_of(self.production, self.root, os.environ)

    @property
    def backend(self) -> FrameBackend:
        """The first of the preferred render backends."""
        from film_pipeline.backends.cycles import CyclesBackend

        name = self.production.backends[0]
        if name != CyclesBackend.name:
            raise FilmProblem(
                f"there is no render backend {name!r}",
                f"choose among {CyclesBackend.name}",
                file=self.root / PRODUCTION_FILE,
                field_name="backends",
            )
        if name not in self._backends:
            self._backends[name] = CyclesBackend(self.scene_engine)
        return self._backends[name]

    def scenes_without_shots(self) -> Iterator[Scene]:
        """Scenes of the script that nobody has broken down into shots."""
        written = {path.stem for path in (self.root / "shots").glob("*.yaml")}
        return (
            scene for scene in self.screenplay.scenes if scene.id not in self.scene_files and scene.id not in written
        )
