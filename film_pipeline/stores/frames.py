"""The frame store: the index of frames, their lineage, and what each department turned over.

SQLite in WAL mode or Postgres by URL; many processes write at once. All of it can be rebuilt from the sidecars.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, create_engine, delete, event, func, insert, select, update
from sqlalchemy.pool import NullPool

from film_pipeline.core.record import Record, Turnover
from film_pipeline.stores.schema import EDGES, FAILURES, FRAMES, NOTED, TURNOVERS, migrate

_ASKED_AT_ONCE = 500


class FrameStore:
    """Frames, lineage, turnovers and failures.

    place: the path of an SQLite file, or the URL of a Postgres database (postgresql+psycopg2://...).
    """

    def __init__(self, place: Path | str) -> None:
        if isinstance(place, Path):
            place.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _sqlite(place, "BEGIN IMMEDIATE")
            self._reader = _sqlite(place, "BEGIN")
        else:
            self._writer = self._reader = create_engine(place, pool_size=2)
        migrate(self._writer)

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    def file(self, records: Sequence[Record]) -> None:
        """Index records, all in one transaction. A record whose path is indexed already replaces it."""
        paths = [record.media_path for record in records]
        with self._writer.begin() as connection:
            for chunk in _chunks(paths):
                connection.execute(delete(FRAMES).where(FRAMES.c.media_path.in_(chunk)))
                connection.execute(delete(EDGES).where(EDGES.c.media_path.in_(chunk)))
            if records:
                connection.execute(insert(FRAMES), [_frame_row(record) for record in records])
            edges = [edge for record in records for edge in _edge_rows(record)]
            if edges:
                connection.execute(insert(EDGES), edges)

    def frames_made(self, recipes: Iterable[str]) -> dict[str, Record]:
        """The newest record of each recipe that was made before."""
        found: dict[str, Record] = {}
        with self._reader.connect() as connection:
            for chunk in _chunks(list(recipes)):
                rows = connection.execute(
                    select(FRAMES.c.recipe_sha256, FRAMES.c.record)
                    .where(FRAMES.c.recipe_sha256.in_(chunk))
                    .order_by(FRAMES.c.made_at, FRAMES.c.media_path)
                )
                for recipe, record in rows:
                    found[recipe] = Record.model_validate_json(record)
        return found

    def record_of(self, sha256: str) -> Record | None:
        """The newest record of a file by its content."""
        return self._record(FRAMES.c.sha256 == sha256)

    def record_at(self, media_path: str) -> Record | None:
        """The record of a file by where it lies below `.film`."""
        return self._record(FRAMES.c.media_path == media_path)

    def _record(self, where: Any) -> Record | None:
        query = select(FRAMES.c.record).where(where).order_by(FRAMES.c.made_at.desc(), FRAMES.c.media_path).limit(1)
        with self._reader.connect() as connection:
            found = connection.execute(query).scalar()
        return Record.model_validate_json(found) if found else None

    def records(self) -> Iterable[Record]:
        """Every record, in the order of their paths."""
        with self._reader.connect() as connection:
            for row in connection.execute(select(FRAMES.c.record).order_by(FRAMES.c.media_path)):
                yield Record.model_validate_json(row.record)

    def count(self) -> int:
        with self._reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(FRAMES)).scalar_one()

    def hand_over(self, turnover: Turnover) -> None:
        """Make a turnover the current one of its stage and shot. Earlier versions are kept."""
        same = (TURNOVERS.c.stage == turnover.stage) & (TURNOVERS.c.shot == turnover.shot)
        with self._writer.begin() as connection:
            newest = connection.execute(select(func.max(TURNOVERS.c.handed_over)).where(same)).scalar() or 0
            row = {
                "recipe_sha256": turnover.recipe_sha256,
                "handed_over": newest + 1,
                "turnover": turnover.model_dump_json(),
            }
            changed = connection.execute(update(TURNOVERS).where(same & (TURNOVERS.c.version == turnover.version)).values(row))
            if not changed.rowcount:
                key = {"stage": turnover.stage, "shot": turnover.shot, "version": turnover.version}
                connection.execute(insert(TURNOVERS).values(**key, **row))

    def turnover(self, stage: str, shot: str, recipe_sha256: str) -> Turnover | None:
        """What was made by that recipe, if it ever was."""
        return self._turnover((TURNOVERS.c.stage == stage) & (TURNOVERS.c.shot == shot) & (TURNOVERS.c.recipe_sha256 == recipe_sha256))

    def latest(self, stage: str, shot: str) -> Turnover | None:
        return self._turnover((TURNOVERS.c.stage == stage) & (TURNOVERS.c.shot == shot))

    def _turnover(self, where: Any) -> Turnover | None:
        query = select(TURNOVERS.c.turnover).where(where).order_by(TURNOVERS.c.handed_over.desc()).limit(1)
        with self._reader.connect() as connection:
            found = connection.execute(query).scalar()
        return Turnover.model_validate_json(found) if found else None

    def latest_all(self) -> dict[tuple[str, str], Turnover]:
        """The current turnover of every stage and shot, in one query."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(TURNOVERS.c.turnover).order_by(TURNOVERS.c.handed_over))
            turnovers = [Turnover.model_validate_json(row.turnover) for row in rows]
        return {(turnover.stage, turnover.shot): turnover for turnover in turnovers}

    def versions(self, stage: str, shot: str) -> list[Turnover]:
        """Every version of a stage's work on a shot, oldest first."""
        query = select(TURNOVERS.c.turnover).where((TURNOVERS.c.stage == stage) & (TURNOVERS.c.shot == shot))
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(TURNOVERS.c.version)).all()
        return [Turnover.model_validate_json(row.turnover) for row in rows]

    def next_version(self, stage: str, shot: str) -> int:
        query = select(func.max(TURNOVERS.c.version)).where((TURNOVERS.c.stage == stage) & (TURNOVERS.c.shot == shot))
        with self._reader.connect() as connection:
            return (connection.execute(query).scalar() or 0) + 1

    def fail(self, stage: str, shot: str, problem: dict[str, Any]) -> None:
        """Note why a stage could not make a shot, in the place of what was noted before."""
        with self._writer.begin() as connection:
            self._forget_failure(connection, stage, shot)
            connection.execute(insert(FAILURES).values(stage=stage, shot=shot, problem=json.dumps(problem)))

    def clear_failure(self, stage: str, shot: str) -> None:
        if (stage, shot) in self.failures():
            with self._writer.begin() as connection:
                self._forget_failure(connection, stage, shot)

    def _forget_failure(self, connection: Connection, stage: str, shot: str) -> None:
        connection.execute(delete(FAILURES).where((FAILURES.c.stage == stage) & (FAILURES.c.shot == shot)))

    def failures(self) -> dict[tuple[str, str], dict[str, Any]]:
        with self._reader.connect() as connection:
            rows = connection.execute(select(FAILURES)).all()
        return {(row.stage, row.shot): json.loads(row.problem) for row in rows}

    def get_value(self, key: str) -> Any:
        """A noted JSON value, or None."""
        with self._reader.connect() as connection:
            found = connection.execute(select(NOTED.c.value).where(NOTED.c.key == key)).scalar()
        return None if found is None else json.loads(found)

    def set_value(self, key: str, value: Any) -> None:
        with self._writer.begin() as connection:
            connection.execute(delete(NOTED).where(NOTED.c.key == key))
            connection.execute(insert(NOTED).values(key=key, value=json.dumps(value)))

    def rows(self) -> dict[str, list[Row[Any]]]:
        """Every row of the tables that the sidecars rebuild, in a fixed order."""
        tables = {"frames": FRAMES, "edges": EDGES}
        with self._reader.connect() as connection:
            found = {
                name: list(connection.execute(select(table).order_by(*table.primary_key.columns)).all())
                for name, table in tables.items()
            }
            turnovers = select(TURNOVERS.c.stage, TURNOVERS.c.shot, TURNOVERS.c.version, TURNOVERS.c.turnover)
            found["turnovers"] = list(
                connection.execute(turnovers.order_by(TURNOVERS.c.stage, TURNOVERS.c.shot, TURNOVERS.c.version)).all()
            )
        return found


def _sqlite(path: Path, begin: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _: Any) -> None:
        # The driver's own transactions start too late to be IMMEDIATE, so it is told to start none.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=60000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _ASKED_AT_ONCE] for start in range(0, len(values), _ASKED_AT_ONCE))


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
