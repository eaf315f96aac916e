"""The opened production as a Dagster resource."""

import os
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS



class FilmResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The production that the runs work on, opened once a run and closed with its engines at the end."""

    production: str = ""
    review_url: str = "http://127.0.0.1:3030"
    _line: Line | None = PrivateAttr(default=None)

    @classmethod
    def from_environment(cls) -> "FilmResource":
        """FILM_PRODUCTION names the production's folder (the current folder unless set), FILM_REVIEW_URL the review app."""
        return cls(
            production=os.environ.get("FILM_PRODUCTION", ""),
            review_url=os.environ.get("FILM_REVIEW_URL", "http://127.0.0.1:3030"),
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
        if self._line is not None:
            self._line.film.close()
            self._line = None
