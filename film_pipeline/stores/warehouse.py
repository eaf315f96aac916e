"""The lineage warehouse: a DuckDB snapshot of the frame store, built anew and swapped in, never written in place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Record
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.leases import claim
from film_pipeline.stores.media import write_atomically

KEPT_SNAPSHOTS = 3
CURRENT = "CURRENT"

_TABLES = {
    "frames": (
        "deliverable VARCHAR, media_path VARCHAR, sha256 VARCHAR, recipe_sha256 VARCHAR, stage VARCHAR, shot VARCHAR, "
        "version INTEGER, frame INTEGER, role VARCHAR, kind VARCHAR, bytes BIGINT, take INTEGER, "
        "composition_lock VARCHAR, licences VARCHAR, fallback VARCHAR, certified_by VARCHAR, made_at VARCHAR, recipe JSON"
    ),
    "events": (
        "media_path VARCHAR, sha256 VARCHAR, shot VARCHAR, engine VARCHAR, provider VARCHAR, software VARCHAR, "
        "author VARCHAR, cost_usd DECIMAL(18,6), seconds DOUBLE, started_at VARCHAR"
    ),
    "edges": "media_path VARCHAR, sha256 VARCHAR, reference_sha256 VARCHAR, role VARCHAR, name VARCHAR",
    "signoffs": "media_path VARCHAR, sha256 VARCHAR, name VARCHAR, role VARCHAR, signed_at VARCHAR, subject VARCHAR",
}

_VIEWS = """
CREATE VIEW cost_by_day AS
    SELECT substr(started_at, 1, 10) AS day, shot, engine, provider, count(*) AS files,
           sum(cost_usd) AS cost_usd, count(*) FILTER (WHERE cost_usd IS NULL) AS of_unknown_price
    FROM events GROUP BY ALL;
CREATE VIEW lineage AS
    WITH RECURSIVE made_from AS (
        SELECT sha256, reference_sha256, role, name, 1 AS depth FROM edges
        UNION
        SELECT made_from.sha256, edges.reference_sha256, edges.role, edges.name, made_from.depth + 1
        FROM made_from JOIN edges ON edges.sha256 = made_from.reference_sha256 WHERE made_from.depth < 32
    )
    SELECT DISTINCT * FROM made_from;
"""


def publish(frames: FrameStore, folder: Path) -> Path:
    """Build the next snapshot from the store and make it the current one. Readers of the last one are not disturbed.

    Returns the snapshot's path. The last three are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with claim(folder, "warehouse", "film"):
        numbers = sorted(int(path.stem.split("-")[1]) for path in folder.glob("provenance-*.duckdb"))
        snapshot = folder / f"provenance-{(numbers[-1] if numbers else 0) + 1:03d}.duckdb"
        building = snapshot.with_suffix(".duckdb.tmp")
        building.unlink(missing_ok=True)
        try:
            _build(building, frames.records())
            building.replace(snapshot)
        finally:
            building.unlink(missing_ok=True)
        write_atomically(folder / CURRENT, snapshot.name.encode())
        for number in numbers[: -(KEPT_SNAPSHOTS - 1)]:
            (folder / f"provenance-{number:03d}.duckdb").unlink(missing_ok=True)
    return snapshot


def open_current(folder: Path) -> duckdb.DuckDBPyConnection:
    """The current snapshot, read-only. Raises FilmProblem where none was published yet."""
    pointer = folder / CURRENT
    if not pointer.is_file():
        raise FilmProblem("no lineage was published yet", "film run publishes it when it ends", file=pointer)
    return duckdb.connect(str(folder / pointer.read_text().strip()), read_only=True)


def _build(path: Path, records: Any) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _TABLES}
    for record in records:
        for name, row in _rows(record):
            rows[name].append(row)
    with duckdb.connect(str(path)) as connection:
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
            names = [column.split()[0] for column in columns.split(", ") if column[0].islower()]
            if rows[name]:
                frame = pd.DataFrame(rows[name], columns=names)
                connection.register("incoming", frame)
                connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
                connection.unregister("incoming")
        connection.execute(_VIEWS)


def _rows(record: Record) -> Iterator[tuple[str, tuple[Any, ...]]]:
    path, sha256 = record.media_path, record.content_hash_sha256
    yield (
        "frames",
        (
            record.deliverable,
            path,
            sha256,
            record.recipe_sha256,
            record.stage,
            record.lineage.shot,
            record.version,
            record.frame,
            record.role,
            record.lineage.kind,
            record.media_bytes,
            record.take,
            record.composition_lock,
            "; ".join(record.license_summary),
            record.fallback,
            record.certified_by,
            record.made_at,
            json.dumps(record.recipe, sort_keys=True),
        ),
    )
    for done in record.lineage.events:
        yield (
            "events",
            (
                path,
                sha256,
                record.lineage.shot,
                done.engine,
                done.provider,
                done.software,
                done.author,
                done.cost_usd,
                done.seconds,
                done.started_at,
            ),
        )
    for reference in record.references:
        yield "edges", (path, sha256, reference.sha256, reference.role, reference.name)
    for signed in record.signoffs:
        yield "signoffs", (path, sha256, signed.name, signed.role, signed.signed_at, signed.subject)
