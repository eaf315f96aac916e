"""The opened production as a Dagster resource."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.department import Progress
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.warehouse import publish

log = logging.getLogger(__name__)

_WATCHERS: list[Progress] = []


@contextmanager
def watching(progress: Progress) -> Iterator[None]:
    """Hear of the progress of every run in this process."""
    _WATCHERS.append(progress)
    try:
        yield
    finally:
        _WATCHERS.remove(progress)


def tell(department: str, shot: str, done: int, total: int) -> None:
    """Tell everybody who watches how far a department is with a shot."""
    for progress in _WATCHERS:
        progress(department, shot, done, total)


REVIEW_URL = "http://127.0.0.1:3030"
HEARTBEAT_S = 10.0


class Heartbeat:
    """Says every few seconds that a run is alive, until it ends. Where the process dies, it falls silent."""

    def __init__(self, frames: FrameStore, run_id: str) -> None:
        self._frames, self._run_id = frames, run_id
        self._ended = threading.Event()
        frames.heartbeat(run_id)
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of {run_id}", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                self._frames.heartbeat(self._run_id)
            except FilmProblem as problem:
                # The run itself will meet the same problem and tell it; a missed beat is made up for by the next.
                log.warning("a heartbeat was missed: %s", problem)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._frames.end_run(self._run_id)


class FilmResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The production that the runs work on, opened once a run and closed with its engines at the end."""

    production: str = ""
    review_url: str = REVIEW_URL
    _line: Line | None = PrivateAttr(default=None)
    _heartbeat: Heartbeat | None = PrivateAttr(default=None)
    _run_id: str = PrivateAttr(default="")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "FilmResource":
        """FILM_PRODUCTION names the production's folder (else the current one), FILM_REVIEW_URL the review app."""
        return cls(
            production=environment.get("FILM_PRODUCTION", ""),
            review_url=environment.get("FILM_REVIEW_URL", REVIEW_URL),
        )

    def open(self) -> Film:
        return Film.find(Path(self.production) if self.production else Path.cwd())

    @property
    def line(self) -> Line:
        """The production line of this run. The files are read once, when the run first asks."""
        if self._line is None:
            self._line = Line(self.open(), DEPARTMENTS)
            if self._run_id:
                self._heartbeat = Heartbeat(self._line.film.frames, self._run_id)
        return self._line

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._line, self._heartbeat = None, None
        self._run_id = context.run.run_id if context.run is not None else ""

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line.film.close()
        if self._heartbeat is not None:
            self._heartbeat.end()
        if line.changed:
            publish(line.film.frames, line.film.warehouse)
