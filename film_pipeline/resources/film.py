"""The opened production as a Dagster resource."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from film_pipeline.departments.department import Progress
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.stores.warehouse import publish

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


class FilmResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The production that the runs work on, opened once a run and closed with its engines at the end."""

    production: str = ""
    review_url: str = REVIEW_URL
    _line: Line | None = PrivateAttr(default=None)

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
        return self._line

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._line = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line.film.close()
        if line.changed:
            publish(line.film.frames, line.film.warehouse)
