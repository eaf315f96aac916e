"""The only reader: what the pages show, asked of the author's files and of the stores of one production."""

import asyncio
from pathlib import Path
from typing import Any

from film_pipeline.core.record import Item, Record, Turnover
from film_pipeline.stores.frames import Edge
from film_pipeline.stores.screening import Landed
from review_app.queries.courtesy import Courtesy
from review_app.queries.gate import Proposal, Standing, offers, standing
from review_app.queries.lineage import Graph, draw
from review_app.queries.money import Reckoning
from review_app.queries.notes import Thread, threads
from review_app.queries.quotes import Presences
from review_app.queries.reading import Reading, ScenePage, ShotPage
from review_app.queries.strips import Strip, coming_take, filled, movie_of, strips_of
from review_app.queries.takes import TakeRow, take_rows
from review_app.queries.watching import LANDING_ROLES, STAGES, FilmWatch, Light, Seen

__all__ = [
    "STAGES",
    "Edge",
    "Landed",
    "Light",
    "Proposal",
    "Queries",
    "Reading",
    "ScenePage",
    "Seen",
    "ShotPage",
    "Standing",
    "Strip",
]

LOOK_FOR_S = 0.4
"""So long a page waits for the files to be looked at; then it shows what is known."""
_EDGES_SHOWN = 160


class Queries:
    """Reads one production and never writes to its stores. Everything here but `fresh` may block: call it in a thread.

    Every method raises FilmProblem where a store refuses.
    """

    def __init__(self, root: Path) -> None:
        self.courtesy = Courtesy()
        self.watch = FilmWatch(root, self.courtesy)
        self.media = self.watch.film.media
        self.frames = self.watch.film.frames
        self.screening = self.watch.screening
        self.reckoning = Reckoning(lambda: self.watch.film)
        self.presences = Presences()

    def open(self) -> None:
        self.watch.start()
        # The first time takes as long as the book is long: nobody is to wait for it.
        self.reckoning.look()

    def close(self) -> None:
        self.reckoning.close()
        self.presences.close()
        self.watch.stop()

    async def fresh(self, wait_s: float = LOOK_FOR_S) -> Seen:
        """What is known of the film, after a look at its files that is waited for no longer than `wait_s`."""
        looked = asyncio.wrap_future(self.watch.look())
        try:
            await asyncio.wait_for(asyncio.shield(looked), wait_s)
        except TimeoutError:
            # The look goes on in its thread; the page shows what was known before it.
            return self.watch.seen
        return self.watch.seen

    @property
    def seen(self) -> Seen:
        return self.watch.seen

    # Pictures and films

    def thumbnail(self, sha256: str, width: int) -> Path:
        """A kept picture as JPEG, made once. Raises FilmProblem where there is no such picture."""
        return self.media.thumbnail(sha256, width)

    def file(self, sha256: str) -> Path | None:
        """A kept file that the film has a record of, by its content."""
        path = self.media.path_of(sha256)
        return path if path.is_file() and self.frames.record_of(sha256) is not None else None

    def strips(self, shot: str) -> list[Strip]:
        """What can be played of a shot; the first one with its frames."""
        found = strips_of(self.screening.versions_of(shot))
        whole = [self._fill(shot, found[0]), *found[1:]] if found else []
        coming = [
            coming_take(take, self.screening.frames_of(shot, "render", take, "render"))
            for take in reversed(self.seen.book.coming(shot))
        ]
        return [*whole, *coming]

    def strip(self, shot: str, stage: str, version: int) -> Strip | None:
        """One version of one stage with its frames."""
        known = next(
            (
                strip
                for strip in strips_of(self.screening.versions_of(shot))
                if strip.stage == stage and strip.version == version
            ),
            None,
        )
        if known is None and stage == "render" and version in self.seen.book.coming(shot):
            return coming_take(version, self.screening.frames_of(shot, stage, version, "render"))
        return self._fill(shot, known) if known else None

    def _fill(self, shot: str, strip: Strip) -> Strip:
        turnover = self.screening.turnover(strip.stage, shot, strip.version)
        if turnover is None:
            return strip
        edit = self.frames.latest("edit", shot) if strip.stage == "color" else None
        return filled(strip, turnover, movie_of(edit, turnover))

    # The gate, takes and notes

    def standing(self, shot: str) -> Standing:
        """How the gate of a shot stands."""
        return standing(self.watch.film, shot)

    def proposal(self, frames: int, takes: int) -> Proposal:
        """What so many takes would cost on each backend. Nobody is waited for."""
        return Proposal(takes, offers(self.watch.film, frames, takes, self.presences))

    def takes(self, shot: str) -> list[TakeRow]:
        """Every take of a shot, the newest first."""
        versions = [version for stage, version, _ in self.screening.versions_of(shot) if stage == "render"]
        return take_rows(self.watch.film, self.screening, shot, versions[-1] if versions else 0)

    def threads(self, shot: str) -> list[Thread]:
        """What was written of a shot, the thread that was begun last first."""
        return threads(self.watch.film.ledger.notes.of(shot))

    def keypoints(self, shot: str) -> str:
        """The content hash of the shot's pose keypoints; empty where it was not composed yet."""
        cameras = self.frames.latest("cameras", shot)
        return next((item.sha256 for item in cameras.items if item.role == "keypoints"), "") if cameras else ""

    def composition(self, shot: str) -> Turnover | None:
        return self.frames.latest("cameras", shot)

    def panels(self, shots: list[str]) -> dict[str, tuple[Item, ...]]:
        """The storyboard panels of each shot."""
        latest = self.frames.latest_of(shots)
        return {shot: latest["storyboard", shot].of("panel") for shot in shots if ("storyboard", shot) in latest}

    def of_the_film(self) -> dict[tuple[str, str], Turnover]:
        """What was turned over for the whole film."""
        return self.frames.latest_of([""])

    # Dailies

    def days(self) -> list[str]:
        return self.screening.days()

    def engines(self) -> list[str]:
        return self.screening.engines()

    def landed(self, limit: int, **asked: Any) -> list[Landed]:
        """The newest pictures, newest first; see `Screening.newest`."""
        return self.screening.newest(limit, LANDING_ROLES, **asked)

    # Recipes

    def record(self, sha256: str) -> Record | None:
        return self.frames.record_of(sha256)

    def places(self, sha256: str) -> list[Landed]:
        return self.screening.with_content(sha256)

    def lineage(self, sha256: str) -> Graph:
        """What a file was made from, down to the author's files, and what was made from it."""
        lineage = self.screening.made_from(sha256, _EDGES_SHOWN)
        known = self.screening.named(list({edge.reference_sha256 for edge in lineage.edges} | {sha256}))
        return draw(sha256, lineage, known)

    def made_into(self, sha256: str) -> list[Landed]:
        return self.screening.made_into(sha256)
