"""The frame store: the index of frames, their lineage, and what each department turned over.

SQLite in WAL mode or Postgres by URL; many processes write at once. All of it can be rebuilt from the sidecars, but for
noted values, failures and heartbeats, which tell of the running and not of the film.
"""

import datetime
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, cast, delete, func, insert, literal, select, update

from film_pipeline.core.record import Record, Turnover
from film_pipeline.stores.database import Database
from film_pipeline.stores.schema import EDGES, FAILURES, FRAME_STORE, FRAMES, NOTED, RUNS, TURNOVERS

_ASKED_AT_ONCE = 500
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Edge:
    """Something was made from something, both by content. `steps` away from where the question began."""

    sha256: str
    reference_sha256: str
    role: str
    name: str
    steps: int


class FrameStore:
    """Frames, lineage, turnovers and failures.

    place: the path of an SQLite file, or the URL of a Postgres database (postgresql+psycopg2://...).
    Every method raises FilmProblem where the database refuses.
    """

    def __init__(self, place: Path | str) -> None:
        self.database = Database(place, FRAME_STORE)

    def close(self) -> None:
        self.database.close()

    # Frames

    def file(self, records: Iterable[Record]) -> int:
        """Index records, all in one transaction, and say how many. A record whose path is there already replaces it.

        An iterator is read inside the transaction, when no other process can index anything.
        """
        with self.database.writing() as connection:
            by_path = {record.media_path: record for record in records}
            self._forget(connection, list(by_path))
            if by_path:
                connection.execute(insert(FRAMES), [_frame_row(record) for record in by_path.values()])
            edges = [edge for record in by_path.values() for edge in _edge_rows(record)]
            if edges:
                connection.execute(insert(EDGES), edges)
        return len(by_path)

    def forget(self, media_paths: Iterable[str]) -> None:
        """Take files out of the index, because they are no longer there. An iterator is read inside the transaction."""
        with self.database.writing() as connection:
            self._forget(connection, list(media_paths))

    def _forget(self, connection: Connection, media_paths: Sequence[str]) -> None:
        for chunk in _chunks(media_paths):
            connection.execute(delete(FRAMES).where(FRAMES.c.media_path.in_(chunk)))
            connection.execute(delete(EDGES).where(EDGES.c.media_path.in_(chunk)))

    def frame_made(self, recipe_sha256: str, role: str = "") -> Record | None:
        """The newest record of what was made by this recipe, of one role where a recipe makes several files."""
        return self.frames_made([recipe_sha256], role).get(recipe_sha256)

    def frames_made(self, recipes: Iterable[str], role: str = "") -> dict[str, Record]:
        """The newest record of each recipe that was made before."""
        found: dict[str, Record] = {}
        with self.database.reading() as connection:
            for chunk in _chunks(list(recipes)):
                query = select(FRAMES.c.recipe_sha256, FRAMES.c.record).where(FRAMES.c.recipe_sha256.in_(chunk))
                if role:
                    query = query.where(FRAMES.c.role == role)
                rows = connection.execute(query.order_by(FRAMES.c.made_at, FRAMES.c.media_path))
                newest = {row.recipe_sha256: row.record for row in rows}
                found |= {recipe: Record.model_validate_json(record) for recipe, record in newest.items()}
        return found

    def record_of(self, file: str | Path) -> Record | None:
        """The record of a file, by where it lies below `.film`, or the newest one of its content by SHA-256."""
        if _SHA256.fullmatch(str(file)):
            return self._record(FRAMES.c.sha256 == str(file))
        return self._record(FRAMES.c.media_path == Path(file).as_posix())

    def record_at(self, media_path: str) -> Record | None:
        """The record of a file by where it lies below `.film`."""
        return self._record(FRAMES.c.media_path == media_path)

    def _record(self, where: ColumnElement[bool]) -> Record | None:
        query = select(FRAMES.c.record).where(where).order_by(FRAMES.c.made_at.desc(), FRAMES.c.media_path).limit(1)
        with self.database.reading() as connection:
            found = connection.execute(query).scalar()
        return Record.model_validate_json(found) if found else None

    def records(self) -> Iterator[Record]:
        """Every record, in the order of their paths."""
        for chunk in self.record_texts():
            yield from (Record.model_validate_json(text) for text in chunk)

    def record_texts(self, at_once: int = 20_000) -> Iterator[list[str]]:
        """Every record as JSON text, in the order of their paths, so many at once."""
        with self.database.reading() as connection:
            query = select(FRAMES.c.record).order_by(FRAMES.c.media_path)
            result = connection.execution_options(stream_results=True).execute(query)
            for rows in result.scalars().partitions(at_once):
                yield list(rows)

    def media_paths(self) -> set[str]:
        with self.database.reading() as connection:
            return set(connection.execute(select(FRAMES.c.media_path)).scalars())

    def count(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(FRAMES)).scalar_one()

    # Lineage

    def made_from(self, sha256: str) -> list[Edge]:
        """All that a file was made from, and what that was made from, down to the author's files; nearest first."""
        return self._closure(EDGES.c.sha256, EDGES.c.reference_sha256, sha256)

    def made_into(self, sha256: str) -> list[Edge]:
        """All that was made from a file, and what was made from that; nearest first."""
        return self._closure(EDGES.c.reference_sha256, EDGES.c.sha256, sha256)

    def _closure(self, here: ColumnElement[str], there: ColumnElement[str], sha256: str) -> list[Edge]:
        # Only hashes run through the recursion, so that a file reached by many ways is walked on from once.
        reached = select(cast(literal(sha256), EDGES.c.sha256.type).label("reached")).cte(
            "reached_files", recursive=True
        )
        reached = reached.union(select(there).join(reached, here == reached.c.reached))
        query = select(EDGES.c.sha256, EDGES.c.reference_sha256, EDGES.c.role, EDGES.c.name)
        with self.database.reading() as connection:
            found = connection.execute(query.where(here.in_(select(reached.c.reached))).distinct()).all()
        return _by_steps(found, sha256, here is EDGES.c.sha256)

    # Turnovers

    def hand_over(self, turnover: Turnover, handed_over: int = 0) -> None:
        """Make a turnover the current one of its stage and shot. Earlier versions are kept.

        handed_over: its place among the hand-overs of the stage and shot; the next one if it is not given.
        """
        same = _of(turnover.stage, turnover.shot)
        with self.database.writing() as connection:
            row = {
                "recipe_sha256": turnover.recipe_sha256,
                "handed_over": handed_over or self._next_hand_over(connection, same),
                "turnover": turnover.model_dump_json(),
            }
            changed = connection.execute(
                update(TURNOVERS).where(same, TURNOVERS.c.version == turnover.version).values(row)
            )
            if not changed.rowcount:
                key = {"stage": turnover.stage, "shot": turnover.shot, "version": turnover.version}
                connection.execute(insert(TURNOVERS).values(**key, **row))

    def next_hand_over(self, stage: str, shot: str) -> int:
        with self.database.reading() as connection:
            return self._next_hand_over(connection, _of(stage, shot))

    def _next_hand_over(self, connection: Connection, same: ColumnElement[bool]) -> int:
        return (connection.execute(select(func.max(TURNOVERS.c.handed_over)).where(same)).scalar() or 0) + 1

    def take_back(self, stage: str, shot: str, version: int) -> None:
        """Take a turnover out of the index, because its file is no longer there."""
        with self.database.writing() as connection:
            connection.execute(delete(TURNOVERS).where(_of(stage, shot), TURNOVERS.c.version == version))

    def turnover(self, stage: str, shot: str, recipe_sha256: str) -> Turnover | None:
        """What was made by that recipe, if it ever was."""
        return self._turnover(and_(_of(stage, shot), TURNOVERS.c.recipe_sha256 == recipe_sha256))

    def latest(self, stage: str, shot: str) -> Turnover | None:
        """The current turnover: the one that was handed over last."""
        return self._turnover(_of(stage, shot))

    def _turnover(self, where: ColumnElement[bool]) -> Turnover | None:
        newest = (TURNOVERS.c.handed_over.desc(), TURNOVERS.c.version.desc())
        with self.database.reading() as connection:
            found = connection.execute(select(TURNOVERS.c.turnover).where(where).order_by(*newest).limit(1)).scalar()
        return Turnover.model_validate_json(found) if found else None

    def latest_all(self) -> dict[tuple[str, str], Turnover]:
        """The current turnover of every stage and shot, in one query."""
        newest = (
            select(TURNOVERS.c.stage, TURNOVERS.c.shot, func.max(TURNOVERS.c.handed_over).label("handed_over"))
            .group_by(TURNOVERS.c.stage, TURNOVERS.c.shot)
            .subquery()
        )
        current = and_(*(TURNOVERS.c[name] == newest.c[name] for name in ("stage", "shot", "handed_over")))
        query = select(TURNOVERS.c.turnover).join(newest, current).order_by(TURNOVERS.c.version)
        with self.database.reading() as connection:
            found = connection.execute(query).scalars().all()
        turnovers = [Turnover.model_validate_json(text) for text in found]
        return {(turnover.stage, turnover.shot): turnover for turnover in turnovers}

    def latest_of(self, shots: Sequence[str]) -> dict[tuple[str, str], Turnover]:
        """The current turnover of every stage of these shots."""
        current: dict[tuple[str, str], Turnover] = {}
        newest = (TURNOVERS.c.stage, TURNOVERS.c.shot, TURNOVERS.c.handed_over, TURNOVERS.c.version)
        with self.database.reading() as connection:
            for chunk in _chunks(shots):
                rows = connection.execute(
                    select(TURNOVERS.c.turnover)
                    .where(TURNOVERS.c.stage.in_(self._stages(connection)), TURNOVERS.c.shot.in_(chunk))
                    .order_by(*newest)
                ).scalars()
                for text in rows:
                    turnover = Turnover.model_validate_json(text)
                    current[turnover.stage, turnover.shot] = turnover
        return current

    def handovers(self) -> dict[tuple[str, str], int]:
        """How often each stage of each shot was handed over: what has changed since somebody last asked."""
        query = select(TURNOVERS.c.stage, TURNOVERS.c.shot, func.max(TURNOVERS.c.handed_over)).group_by(
            TURNOVERS.c.stage, TURNOVERS.c.shot
        )
        with self.database.reading() as connection:
            return {(stage, shot): number for stage, shot, number in connection.execute(query)}

    def _stages(self, connection: Connection) -> list[str]:
        """The stages that were ever handed over, by hops over the index: it begins with the stage."""
        found: list[str] = []
        while True:
            query = select(func.min(TURNOVERS.c.stage))
            stage = connection.execute(query.where(TURNOVERS.c.stage > found[-1]) if found else query).scalar()
            if stage is None:
                return found
            found.append(stage)

    def versions(self, stage: str, shot: str) -> list[Turnover]:
        """Every version of a stage's work on a shot, oldest first."""
        query = select(TURNOVERS.c.turnover).where(_of(stage, shot)).order_by(TURNOVERS.c.version)
        with self.database.reading() as connection:
            return [Turnover.model_validate_json(text) for text in connection.execute(query).scalars()]

    def next_version(self, stage: str, shot: str) -> int:
        with self.database.reading() as connection:
            return (connection.execute(select(func.max(TURNOVERS.c.version)).where(_of(stage, shot))).scalar() or 0) + 1

    # What happens to runs

    def fail(self, stage: str, shot: str, problem: dict[str, Any], run_id: str = "") -> None:
        """Note why a stage could not make a shot, in the place of what was noted before."""
        told = json.dumps(problem, ensure_ascii=False)
        with self.database.writing() as connection:
            connection.execute(delete(FAILURES).where(_failed(stage, shot)))
            connection.execute(
                insert(FAILURES).values(stage=stage, shot=shot, run_id=run_id, failed_at=_now(), problem=told)
            )

    def clear_failure(self, stage: str, shot: str) -> None:
        """Forget a failure, if there is one. Writes nothing where there is none."""
        with self.database.reading() as connection:
            noted = connection.execute(select(FAILURES.c.stage).where(_failed(stage, shot))).first()
        if noted is not None:
            with self.database.writing() as connection:
                connection.execute(delete(FAILURES).where(_failed(stage, shot)))

    def failures(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The problems as they were told, by stage and shot."""
        with self.database.reading() as connection:
            rows = connection.execute(select(FAILURES).order_by(FAILURES.c.shot, FAILURES.c.stage)).all()
        return {(row.stage, row.shot): json.loads(row.problem) for row in rows}

    def heartbeat(self, run_id: str) -> None:
        """Note that a run is alive, now, in this process."""
        row = {"process": f"{os.getpid()} on {socket.gethostname()}", "beat_at": _now()}
        with self.database.writing() as connection:
            if not connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(row)).rowcount:
                connection.execute(insert(RUNS).values(run_id=run_id, **row))

    def end_run(self, run_id: str) -> None:
        """A run has ended, well or not: no heartbeat is expected of it any more."""
        with self.database.writing() as connection:
            connection.execute(delete(RUNS).where(RUNS.c.run_id == run_id))

    def silent_runs(self, since: datetime.timedelta) -> list[str]:
        """Runs that have not ended and have not been heard of for that long."""
        limit = (datetime.datetime.now(datetime.UTC) - since).isoformat(timespec="microseconds")
        with self.database.reading() as connection:
            return list(connection.execute(select(RUNS.c.run_id).where(RUNS.c.beat_at < limit)).scalars())

    def get_value(self, key: str) -> Any:
        """A noted JSON value, or None."""
        with self.database.reading() as connection:
            found = connection.execute(select(NOTED.c.value).where(NOTED.c.key == key)).scalar()
        return None if found is None else json.loads(found)

    def set_value(self, key: str, value: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(delete(NOTED).where(NOTED.c.key == key))
            connection.execute(insert(NOTED).values(key=key, value=json.dumps(value, ensure_ascii=False)))

    def turnover_rows(self) -> list[Row[Any]]:
        """Every version of every turnover: stage, shot, version, recipe_sha256, handed_over, turnover as JSON."""
        return self._rows(TURNOVERS)

    def rows(self) -> dict[str, list[Row[Any]]]:
        """Every row of the tables that the sidecars rebuild, in a fixed order."""
        return {table.name: self._rows(table) for table in (FRAMES, EDGES, TURNOVERS)}

    def _rows(self, table: Table) -> list[Row[Any]]:
        with self.database.reading() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)).all())


def _of(stage: str, shot: str) -> ColumnElement[bool]:
    return and_(TURNOVERS.c.stage == stage, TURNOVERS.c.shot == shot)


def _failed(stage: str, shot: str) -> ColumnElement[bool]:
    return and_(FAILURES.c.stage == stage, FAILURES.c.shot == shot)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _ASKED_AT_ONCE] for start in range(0, len(values), _ASKED_AT_ONCE))


def _by_steps(edges: Sequence[Row[Any, Any, Any, Any]], start: str, upstream: bool) -> list[Edge]:
    """The edges with their distance from the start, nearest first."""
    beyond: dict[str, list[Row[Any, Any, Any, Any]]] = {}
    for edge in edges:
        beyond.setdefault(edge.sha256 if upstream else edge.reference_sha256, []).append(edge)
    walked: list[Edge] = []
    seen, front, steps = {start}, [start], 1
    while front:
        found = sorted({edge for sha256 in front for edge in beyond.get(sha256, [])}, key=tuple)
        walked += [Edge(edge.sha256, edge.reference_sha256, edge.role, edge.name, steps) for edge in found]
        reached = dict.fromkeys(edge.reference_sha256 if upstream else edge.sha256 for edge in found)
        front = [sha256 for sha256 in reached if sha256 not in seen]
        seen |= set(front)
        steps += 1
    return walked


def _frame_row(record: Record) -> dict[str, Any]:
    return {
        "media_path": record.media_path,
        "recipe_sha256": record.recipe_sha256,
        "sha256": record.content_hash_sha256,
        "stage": record.stage,
        "shot": record.lineage.shot,
        "version": record.version,
        "frame": record.frame,
        "role": record.role,
        "bytes": record.media_bytes,
        "made_at": record.made_at,
        "record": record.model_dump_json(),
        "engine": record.engine_summary[0] if record.engine_summary else "",
    }


def _edge_rows(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "media_path": record.media_path,
            "place": place,
            "sha256": record.content_hash_sha256,
            "reference_sha256": reference.sha256,
            "role": reference.role,
            "name": reference.name,
        }
        for place, reference in enumerate(record.references)
    ]
