"""What people look at of the frame store: the newest frames, the days and engines they came from, and lineage in steps.

Every question is answered from an index, so that it takes as long in a film of a million frames as in one of a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, and_, func, select, tuple_

from film_pipeline.core.record import Turnover
from film_pipeline.stores.frames import Edge, FrameStore
from film_pipeline.stores.schema import EDGES, FRAMES, TURNOVERS

_ASKED_AT_ONCE = 500
_POSTERS = (("color", "color"), ("render", "render"), ("cameras", "plate"), ("storyboard", "drawing"))
_AFTER_ANY_NAME = "~"
"""Sorts behind every character of a shot's name."""


@dataclass(frozen=True)
class Landed:
    """A file as it came home."""

    media_path: str
    sha256: str
    stage: str
    shot: str
    version: int
    frame: int | None
    role: str
    engine: str
    made_at: str
    bytes: int


@dataclass(frozen=True)
class Lineage:
    """What a file was made from, nearest first. whole: False where there is more than was asked for."""

    edges: tuple[Edge, ...]
    whole: bool


class Screening:
    """Reads the frame store for screens. Every method raises FilmProblem where the database refuses."""

    def __init__(self, frames: FrameStore) -> None:
        self.database = frames.database

    def newest(
        self,
        limit: int,
        roles: Sequence[str],
        *,
        scene: str = "",
        day: str = "",
        engine: str = "",
        since: str = "",
        before: tuple[str, str] | None = None,
    ) -> list[Landed]:
        """The frames that came last, newest first. day: 2026-11-25, in UTC. since: made at or after that moment.

        before: (made_at, media_path) of the last one seen, to go on from there.
        """
        query = select(*_LANDED).where(FRAMES.c.role.in_(roles))
        newest = [FRAMES.c.made_at.desc(), FRAMES.c.media_path.desc()]
        if scene:
            # Sorted by an expression, so that the index of shots is taken and not all of the film's time walked.
            newest = [func.coalesce(FRAMES.c.made_at, "").desc(), FRAMES.c.media_path.desc()]
            query = query.where(FRAMES.c.shot >= f"{scene}_", FRAMES.c.shot < f"{scene}_{_AFTER_ANY_NAME}")
        if day:
            query = query.where(FRAMES.c.made_at >= day, FRAMES.c.made_at < f"{day}{_AFTER_ANY_NAME}")
        if engine:
            query = query.where(FRAMES.c.engine == engine)
        if since:
            query = query.where(FRAMES.c.made_at >= since)
        if before:
            query = query.where(tuple_(FRAMES.c.made_at, FRAMES.c.media_path) < tuple_(*before))
        with self.database.reading() as connection:
            return [_landed(row) for row in connection.execute(query.order_by(*newest).limit(limit))]

    def days(self, limit: int = 60) -> list[str]:
        """The days on which frames came, newest first, in UTC."""
        found: list[str] = []
        with self.database.reading() as connection:
            while len(found) < limit:
                query = select(func.max(FRAMES.c.made_at))
                last = connection.execute(query.where(FRAMES.c.made_at < found[-1]) if found else query).scalar()
                if not last:
                    break
                found.append(last[:10])
        return found

    def engines(self) -> list[str]:
        """Everything that frames were ever made with first."""
        return self._hops(FRAMES.c.engine)

    def with_content(self, sha256: str, limit: int = 100) -> list[Landed]:
        """Every place where these bytes lie, newest first."""
        query = select(*_LANDED).where(FRAMES.c.sha256 == sha256)
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(FRAMES.c.made_at.desc(), FRAMES.c.media_path).limit(limit))
            return [_landed(row) for row in rows]

    def named(self, contents: Sequence[str]) -> dict[str, Landed]:
        """The newest file of each content that the film made."""
        found: dict[str, Landed] = {}
        with self.database.reading() as connection:
            for start in range(0, len(contents), _ASKED_AT_ONCE):
                chunk = contents[start : start + _ASKED_AT_ONCE]
                query = select(*_LANDED).where(FRAMES.c.sha256.in_(chunk)).order_by(FRAMES.c.made_at)
                found |= {row.sha256: _landed(row) for row in connection.execute(query)}
        return found

    def made_from(self, sha256: str, at_most: int) -> Lineage:
        """What a file was made from, step by step, until the author's files or so many edges are reached."""
        edges: list[Edge] = []
        seen, front, steps = {sha256}, [sha256], 0
        with self.database.reading() as connection:
            while front and len(edges) < at_most:
                steps += 1
                found: list[Edge] = []
                for start in range(0, len(front), _ASKED_AT_ONCE):
                    query = (
                        select(EDGES.c.sha256, EDGES.c.reference_sha256, EDGES.c.role, EDGES.c.name)
                        .where(EDGES.c.sha256.in_(front[start : start + _ASKED_AT_ONCE]))
                        .distinct()
                        .order_by(EDGES.c.sha256, EDGES.c.role, EDGES.c.name)
                        .limit(at_most + 1)
                    )
                    found += [Edge(*row, steps) for row in connection.execute(query)]
                edges += found
                front = [name for name in dict.fromkeys(edge.reference_sha256 for edge in found) if name not in seen]
                seen |= set(front)
        return Lineage(tuple(edges[:at_most]), len(edges) <= at_most and not front)

    def made_into(self, sha256: str, limit: int = 50) -> list[Landed]:
        """What was made from a file directly."""
        query = (
            select(*_LANDED)
            .join(EDGES, EDGES.c.media_path == FRAMES.c.media_path)
            .where(EDGES.c.reference_sha256 == sha256)
        )
        with self.database.reading() as connection:
            return [_landed(row) for row in connection.execute(query.order_by(FRAMES.c.media_path).limit(limit))]

    def versions_of(self, shot: str) -> list[tuple[str, int, int]]:
        """Every version of every stage of a shot: stage, version, hand-over; the current one of a stage comes last."""
        stages = self._hops(TURNOVERS.c.stage)
        query = select(TURNOVERS.c.stage, TURNOVERS.c.version, TURNOVERS.c.handed_over).where(
            and_(TURNOVERS.c.stage.in_(stages), TURNOVERS.c.shot == shot)
        )
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(TURNOVERS.c.stage, TURNOVERS.c.handed_over)).all()
        return [(row.stage, row.version, row.handed_over) for row in rows]

    def poster(self, shot: str, versions: dict[str, int]) -> str:
        """The picture that stands for a shot, by its content: finished, or as far as it is; empty where there is none.

        versions: the current version of each stage, where it has one; the newest is taken for the others.
        """
        with self.database.reading() as connection:
            for stage, role in _POSTERS:
                query = select(FRAMES.c.sha256).where(
                    FRAMES.c.shot == shot, FRAMES.c.stage == stage, FRAMES.c.role == role
                )
                if versions.get(stage):
                    query = query.where(FRAMES.c.version == versions[stage])
                newest = query.order_by(FRAMES.c.version.desc(), FRAMES.c.frame).limit(1)
                if (found := connection.execute(newest).scalar()) is not None:
                    return str(found)
        return ""

    def turnover(self, stage: str, shot: str, version: int) -> Turnover | None:
        """One version of a stage's work on a shot."""
        query = select(TURNOVERS.c.turnover).where(
            TURNOVERS.c.stage == stage, TURNOVERS.c.shot == shot, TURNOVERS.c.version == version
        )
        with self.database.reading() as connection:
            found = connection.execute(query).scalar()
        return Turnover.model_validate_json(found) if found else None

    def _hops(self, column: Column[str]) -> list[str]:
        """The distinct values of an index's first column, by hops over it."""
        found: list[str] = []
        with self.database.reading() as connection:
            while True:
                query = select(func.min(column))
                value = connection.execute(query.where(column > found[-1]) if found else query).scalar()
                if value is None:
                    return [value for value in found if value]
                found.append(value)


_LANDED = (
    FRAMES.c.media_path,
    FRAMES.c.sha256,
    FRAMES.c.stage,
    FRAMES.c.shot,
    FRAMES.c.version,
    FRAMES.c.frame,
    FRAMES.c.role,
    FRAMES.c.engine,
    FRAMES.c.made_at,
    FRAMES.c.bytes,
)


def _landed(row: Any) -> Landed:
    return Landed(**row._mapping)
