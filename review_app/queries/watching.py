"""Keeps what pages show of the film up to date, in a thread of its own: nobody who asks for a page waits for it.

Nothing is looked at while nobody asks.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.stages import Stage
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import AtGate, Current, Due, Line, State
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.stores.screening import Screening
from review_app.queries.book import Book, BookWatch
from review_app.queries.courtesy import Courtesy
from review_app.queries.reading import Reading, read_film

log = logging.getLogger(__name__)

STAGES = tuple(stage.value for stage in Stage)
LANDING_ROLES = ("render", "color", "vfx", "drawing")
"""The pictures that people wait for."""
_LOOK_AGAIN_S = 0.5
_TELL_EVERY_S = 0.2
"""What is written is told on to pages that listen no more often than this."""
_ASK_STORE_S = 30.0
"""After so long the store is asked even where its files look untouched."""
_SHOTS_AT_ONCE = 10
_LOADED_BY_PAGES = ("film_pipeline.backends.registry", "film_pipeline.engines.blender")
"""What a page of a shot would load when it is first asked for; it takes more than a second."""
_RENDER = Stage.RENDER.value
_NOT_WATCHED = {".film", ".git", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Light:
    """The state of a stage of a shot: current, due, waits, gate, stopped, or unknown until it has been worked out."""

    state: str
    version: int = 0
    why: str = ""


UNKNOWN = Light("unknown", 0, "not worked out yet")


@dataclass(frozen=True)
class Seen:
    """All that is known of the film at one moment. `lights` grows while it is worked out, and is only ever read."""

    reading: Reading | None = None
    problem: str = ""
    lights: dict[str, tuple[Light, ...]] = field(default_factory=dict)
    states: dict[str, frozenset[str]] = field(default_factory=dict)
    """Which states the lights of each shot have among them."""
    book: Book = field(default_factory=Book)

    def of(self, shot: str) -> tuple[Light, ...]:
        return self.lights.get(shot, _ALL_UNKNOWN)

    def states_of(self, shot: str) -> frozenset[str]:
        return self.states.get(shot, _UNKNOWN_ALONE)

    @property
    def worked_out(self) -> int:
        """How many shots' lights are known."""
        return len(self.lights)


_ALL_UNKNOWN = (UNKNOWN,) * len(STAGES)
_UNKNOWN_ALONE = frozenset({"unknown"})


class FilmWatch:
    """Watches one production. Start it, ask `fresh`, stop it."""

    def __init__(self, root: Path, courtesy: Courtesy | None = None) -> None:
        self.film = Film(root, only_reads=True)
        self.courtesy = courtesy or Courtesy()
        self.screening = Screening(self.film.frames)
        self._book = BookWatch()
        self.seen = Seen(book=self._book.book)
        self.changes = 0
        """Counts what was seen to change, so that a page can tell whether it shows the last."""
        self.landed = 0
        """Counts how often a newer picture was seen in the store."""
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._waiting: list[Future[None]] = []
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[int, int]] = {}
        self._stood: tuple[tuple[int, int], ...] = ()
        self._newest: list[tuple[str, str]] = []
        self._to_ask = True
        self._asked_at = self._ask_after = 0.0
        self._handed: dict[str, dict[str, int]] | None = None
        self._failures: dict[tuple[str, str], str] = {}
        self._pending: dict[str, None] = {}
        self._looked_at = self._told_at = 0.0
        self._written = False
        self._thread = threading.Thread(target=self._run, name="film watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._asked.set()
        self.courtesy.remind()
        self._thread.join()
        gc.unfreeze()
        self.film.close()
        self.film.frames.close()

    def look(self) -> "Future[None]":
        """Have the files and the store looked at. The future is done when they have been."""
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append(future)
        self._asked.set()
        self.courtesy.remind()
        return future

    def look_now(self) -> None:
        """Somebody has just written something: whoever asks next is shown it, and pages that listen hear of it soon."""
        self._written = True
        self._asked.set()

    def _run(self) -> None:
        for module in _LOADED_BY_PAGES:
            import_module(module)
        while not self._stopped.is_set():
            if not self._pending:
                self._asked.wait()
            self._asked.clear()
            if self._written and not self._is_wanted():
                # It is news to pages that listen. What is written with it is looked at in one go.
                self.courtesy.gather(self._told_at + _TELL_EVERY_S - time.monotonic(), unless=self._is_wanted)
                self.courtesy.give_way(unless=self._is_wanted)
            if self._stopped.is_set():
                break
            try:
                self._look()
            except FilmProblem as problem:
                self._note(replace(self.seen, problem=str(problem)))
            except Exception as error:
                # The thread must go on: what went wrong is shown on every page and written to the log.
                log.exception("the film could not be looked at")
                self._note(replace(self.seen, problem=f"the film can't be looked at: {error!r}"))
                self._pending.clear()
            finally:
                self._answer()
            self._work_out_some()
        self._answer()

    def _is_wanted(self) -> bool:
        """Whether somebody waits for a look, or for the end."""
        return bool(self._waiting) or self._stopped.is_set()

    def _answer(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.cancelled():
                future.set_result(None)

    def _note(self, seen: Seen) -> None:
        if (seen.reading, seen.problem) != (self.seen.reading, self.seen.problem):
            self.changes += 1
        self.seen = seen

    def _look(self) -> None:
        now = time.monotonic()
        if not self._written and now - self._looked_at < _LOOK_AGAIN_S and self.seen.reading is not None:
            return
        # What is written from here on is looked at once more.
        self._written = False
        self._look_at_files()
        self._look_at_store(now)
        self._look_at_ledger()
        self._looked_at = self._told_at = time.monotonic()

    # The author's files

    def _look_at_files(self) -> None:
        files = dict(_files(self.film.root))
        if files == self._files and (self.seen.reading is not None or self.seen.problem):
            return
        changed = {path for path in files.keys() | self._files.keys() if files.get(path) != self._files.get(path)}
        self._files = files
        self.film = self.film.read_anew()
        reading = read_film(self.film, self.changes + 1)
        lights = self.seen.lights
        scenes = self.film.root / "shots"
        touched = {path.stem for path in changed if path.parent == scenes}
        only_scenes = all(path.parent == scenes for path in changed)
        for name, shot in reading.shots.items():
            if not only_scenes or Path(shot.file).stem in touched or name not in lights:
                self._pending[name] = None
        known = {name: lights[name] for name in reading.order if name in lights}
        self._note(Seen(reading, "", known, {name: self.seen.states[name] for name in known}, self._book.book))
        # What was read stays for long: the collector need not walk through all of it again and again.
        gc.collect()
        gc.freeze()
        self._pending = {name: None for name in self._pending if name in reading.shots}

    # The store

    def _look_at_store(self, now: float) -> None:
        stands = _stands(self.film.made)
        if stands != self._stood:
            self._stood, self._to_ask = stands, True
            newest = [(frame.made_at, frame.media_path) for frame in self.screening.newest(1, LANDING_ROLES)]
            self.landed += newest != self._newest
            self._newest = newest
        if now >= self._ask_after and (self._to_ask or now - self._asked_at >= _ASK_STORE_S):
            self._look_at_handovers()
            self._asked_at, self._to_ask = now, False
            # Asking takes as long as the film is large: it may take a tenth of the time.
            self._ask_after = time.monotonic() + 10 * (time.monotonic() - now)

    def _look_at_handovers(self) -> None:
        handed: dict[str, dict[str, int]] = {}
        for (stage, shot), number in self.film.frames.handovers().items():
            handed.setdefault(shot, {})[stage] = number
        failures = {key: str(told["problem"]) for key, told in self.film.frames.failures().items()}
        reading = self.seen.reading
        before = self._handed or {}
        changed = {shot for shot in handed.keys() | before.keys() if handed.get(shot) != before.get(shot)}
        changed |= {shot for (_, shot), _ in failures.items() ^ self._failures.items()}
        rendered = [shot for shot in changed if handed.get(shot, {}).get(_RENDER) != before.get(shot, {}).get(_RENDER)]
        self._book.came_home(self.screening.versions_of_stage(_RENDER, rendered if before else None))
        begins, self._handed, self._failures = self._handed is None, handed, failures
        if changed:
            self.changes += 1
        if changed and not begins:
            # What was handed over before anybody looked is news to no page.
            self._book.book.tell(changed)
        for shot in changed:
            if reading is not None and shot in reading.shots:
                self._pending[shot] = None

    # The ledger

    def _look_at_ledger(self) -> None:
        reading = self.seen.reading
        for shot in self._book.look(self.film):
            if reading is not None and shot in reading.shots:
                self._pending[shot] = None

    # The lights

    def _work_out_some(self) -> None:
        """A batch, or the part of it that is done when somebody wants the film looked at."""
        batch = list(self._pending)[:_SHOTS_AT_ONCE]
        if not batch:
            return
        lights: dict[str, tuple[Light, ...]] = {}
        try:
            line = Line(self.film, DEPARTMENTS, latest=self.film.frames.latest_of(batch))
        except Exception as error:
            lights = {shot: _not_worked_out(shot, error) for shot in batch}
        for shot in batch[len(lights) :]:
            self.courtesy.give_way(unless=self._is_wanted)
            lights[shot] = self._lights_of(shot, line)
            if self._is_wanted():
                break
        for shot in lights:
            del self._pending[shot]
        if any(self.seen.lights.get(shot) != known for shot, known in lights.items()):
            self.changes += 1
        self.seen.states.update({shot: frozenset(light.state for light in known) for shot, known in lights.items()})
        self.seen.lights.update(lights)

    def _lights_of(self, shot: str, line: Line) -> tuple[Light, ...]:
        try:
            return tuple(_light(line.state(stage, shot), self._failures.get((stage, shot), "")) for stage in STAGES)
        except Exception as error:
            return _not_worked_out(shot, error)


def _not_worked_out(shot: str, error: Exception) -> tuple[Light, ...]:
    """Called while the error is handled: the thread goes on, and the log has all of it."""
    log.exception("the lights of %s can't be worked out", shot)
    return (Light("stopped", 0, f"can't be worked out: {error!r}"),) * len(STAGES)


def _light(state: State, failure: str) -> Light:
    """failure: why the last try failed, if it did."""
    if isinstance(state, Current):
        return Light("current", state.turnover.version)
    if isinstance(state, Due):
        if state.recipe and failure and not failure.startswith("waits for"):
            return Light("stopped", 0, f"the last try failed: {failure}")
        return Light("due" if state.recipe else "waits", 0, state.why)
    if isinstance(state, AtGate):
        return Light("waits" if state.before else "gate", 0, state.why)
    return Light("stopped", 0, str(state.problem))


def _files(root: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Every file of the author with its time and size."""
    folders = [str(root)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            # A folder that has just gone is seen to be gone by its files.
            continue
        for entry in entries:
            if entry.name in _NOT_WATCHED:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
                continue
            try:
                status = entry.stat()
            except OSError:
                continue
            yield Path(entry.path), (status.st_mtime_ns, status.st_size)


def _stands(made: Path) -> tuple[tuple[int, int], ...]:
    """Changes whenever something is written to the store."""
    stands = []
    for name in ("film.sqlite", "film.sqlite-wal"):
        try:
            status = (made / name).stat()
            stands.append((status.st_mtime_ns, status.st_size))
        except FileNotFoundError:
            stands.append((0, 0))
    return tuple(stands)
