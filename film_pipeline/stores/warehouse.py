"""The lineage warehouse: a DuckDB snapshot of the frame store, built anew and swapped in, never written in place."""

import json
from pathlib import Path

import duckdb
import pandas as pd

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.disk import flush
from film_pipeline.stores.frames import Edge, FrameStore
from film_pipeline.stores.leases import claim
from film_pipeline.stores.media import disk_problem, write_atomically

KEPT_SNAPSHOTS = 3
CURRENT = "CURRENT"
_PUBLISHED_WHILE_OPENING = 5

_TEXT = "VARCHAR"
_SHAPE = {
    **dict.fromkeys(["deliverable", "content_hash_sha256", "certified_by", "stage", "role", "media_path"], _TEXT),
    **dict.fromkeys(["recipe_sha256", "composition_lock", "ticket", "fallback", "made_at"], _TEXT),
    **dict.fromkeys(["version", "frame", "take"], "INTEGER"),
    "media_bytes": "BIGINT",
    "recipe": "JSON",
    "license_summary": [_TEXT],
    "lineage": {
        "kind": _TEXT,
        "shot": _TEXT,
        "events": [
            {
                **dict.fromkeys(["engine", "provider", "software", "author", "started_at"], _TEXT),
                "cost_usd": "DECIMAL(18,6)",
                "seconds": "DOUBLE",
                "detail": "JSON",
            }
        ],
    },
    "references": [dict.fromkeys(["role", "name", "sha256", "licence"], _TEXT)],
    "signoffs": [dict.fromkeys(["name", "role", "signed_at", "subject", "signature"], _TEXT)],
}
"""What of a record goes into the warehouse's columns."""

_TABLES = """
CREATE TABLE frames (
    media_path VARCHAR, sha256 VARCHAR, deliverable VARCHAR, stage VARCHAR, shot VARCHAR, version INTEGER,
    frame INTEGER, "role" VARCHAR, kind VARCHAR, bytes BIGINT, take INTEGER, recipe_sha256 VARCHAR, recipe JSON,
    composition_lock VARCHAR, ticket VARCHAR, licences VARCHAR, fallback VARCHAR,
    certified_by VARCHAR, made_at VARCHAR);
CREATE TABLE events (
    media_path VARCHAR, sha256 VARCHAR, shot VARCHAR, engine VARCHAR, provider VARCHAR, software VARCHAR,
    author VARCHAR, cost_usd DECIMAL(18,6), seconds DOUBLE, started_at VARCHAR, detail JSON);
CREATE TABLE edges (
    media_path VARCHAR, sha256 VARCHAR, reference_sha256 VARCHAR, "role" VARCHAR, "name" VARCHAR, licence VARCHAR);
CREATE TABLE signoffs (
    media_path VARCHAR, sha256 VARCHAR, "name" VARCHAR, "role" VARCHAR, signed_at VARCHAR, subject VARCHAR,
    signature VARCHAR);
CREATE TABLE turnovers (
    stage VARCHAR, shot VARCHAR, version INTEGER, recipe_sha256 VARCHAR, handed_over INTEGER, is_current BOOLEAN,
    turnover JSON);
"""

_FILL = (
    """INSERT INTO frames SELECT r.media_path, r.content_hash_sha256, r.deliverable, r.stage, r.lineage.shot, r.version,
        r.frame, r."role", r.lineage.kind, r.media_bytes, r.take, r.recipe_sha256, r.recipe, r.composition_lock,
        r.ticket, array_to_string(r.license_summary, '; '), r.fallback, r.certified_by, r.made_at FROM records""",
    """INSERT INTO events SELECT media_path, sha256, shot, e.engine, e.provider, e.software, e.author,
        e.cost_usd, e.seconds, e.started_at, e.detail
        FROM (SELECT r.media_path AS media_path, r.content_hash_sha256 AS sha256, r.lineage.shot AS shot,
                     unnest(r.lineage.events) AS e FROM records)""",
    """INSERT INTO edges SELECT media_path, sha256, e.sha256, e."role", e."name", e.licence
        FROM (SELECT r.media_path AS media_path, r.content_hash_sha256 AS sha256, unnest(r."references") AS e
              FROM records)""",
    """INSERT INTO signoffs SELECT media_path, sha256, s."name", s."role", s.signed_at, s.subject, s.signature
        FROM (SELECT r.media_path AS media_path, r.content_hash_sha256 AS sha256, unnest(r.signoffs) AS s
              FROM records)""",
)

_VIEWS = """
CREATE VIEW shots AS
    SELECT shot, count(*) AS files, count(DISTINCT stage) AS stages, sum(bytes) AS bytes, max(made_at) AS last_made_at
    FROM frames WHERE shot <> '' GROUP BY shot;
CREATE VIEW costs AS
    SELECT substr(started_at, 1, 10) AS day, shot, engine, provider, count(*) AS files, sum(cost_usd) AS cost_usd,
           count(*) - count(cost_usd) AS files_of_unknown_price
    FROM events GROUP BY substr(started_at, 1, 10), shot, engine, provider;
CREATE VIEW cost_by_day AS
    SELECT day, sum(files) AS files, sum(cost_usd) AS cost_usd, sum(files_of_unknown_price) AS files_of_unknown_price
    FROM costs GROUP BY day;
CREATE VIEW cost_by_engine AS
    SELECT engine, provider, sum(files) AS files, sum(cost_usd) AS cost_usd,
           sum(files_of_unknown_price) AS files_of_unknown_price
    FROM costs GROUP BY engine, provider;
CREATE VIEW cost_by_shot AS
    SELECT shot, sum(files) AS files, sum(cost_usd) AS cost_usd, sum(files_of_unknown_price) AS files_of_unknown_price
    FROM costs GROUP BY shot;
CREATE VIEW lineage AS
    WITH RECURSIVE made_from (sha256, reference_sha256) AS (
        SELECT sha256, reference_sha256 FROM edges
        UNION
        SELECT made_from.sha256, edges.reference_sha256
        FROM made_from JOIN edges ON edges.sha256 = made_from.reference_sha256
    )
    SELECT sha256, reference_sha256 FROM made_from;
"""
"""`lineage` is the closure of the whole film, for a SQL prompt; `lineage_of` asks for one file and is quick."""

_LINEAGE_OF = """
WITH RECURSIVE reached (sha256, steps) AS (
    SELECT CAST(? AS VARCHAR), 0
    UNION
    SELECT edges.reference_sha256, reached.steps + 1
    FROM reached JOIN edges ON edges.sha256 = reached.sha256 WHERE reached.steps < 64
), nearest AS (SELECT sha256, min(steps) AS steps FROM reached GROUP BY sha256)
SELECT DISTINCT edges.sha256, edges.reference_sha256, edges."role", edges."name", nearest.steps + 1 AS steps
FROM nearest JOIN edges ON edges.sha256 = nearest.sha256
ORDER BY steps, edges.sha256, edges.reference_sha256, edges."role", edges."name"
"""


def publish(frames: FrameStore, folder: Path) -> Path:
    """Build the next snapshot from the store and make it the current one. Readers of the last one are not disturbed.

    Returns the snapshot's path. The last three are kept. Raises FilmProblem where the disk refuses.
    """
    with claim(folder, "warehouse", "film"):
        numbers = [_number(path) for path in _snapshots(folder)]
        snapshot = folder / f"provenance-{max(numbers, default=0) + 1:03d}.duckdb"
        building = snapshot.with_suffix(".duckdb.tmp")
        _remove_unfinished(folder)
        try:
            _build(building, frames)
            flush(building)
            building.replace(snapshot)
        except duckdb.Error as error:
            raise FilmProblem(
                f"the lineage can't be published: {str(error).splitlines()[0]}",
                "free some space if the disk is full, and run it again; the last snapshot still stands",
                file=snapshot,
            ) from error
        except OSError as error:
            raise disk_problem(error, snapshot) from error
        finally:
            _remove_unfinished(folder)
        write_atomically(folder / CURRENT, snapshot.name.encode())
        for old in _snapshots(folder)[:-KEPT_SNAPSHOTS]:
            old.unlink(missing_ok=True)
    return snapshot


def open_current(folder: Path) -> duckdb.DuckDBPyConnection:
    """The current snapshot, read-only. Raises FilmProblem where none was published yet or it can't be read."""
    pointer = folder / CURRENT
    for attempt in range(_PUBLISHED_WHILE_OPENING):
        try:
            snapshot = folder / pointer.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise FilmProblem(
                "no lineage was published yet", "run the film: it publishes when it ends", file=pointer
            ) from error
        try:
            return duckdb.connect(str(snapshot), read_only=True)
        except duckdb.Error as error:
            # Between reading the name and opening the file, newer snapshots may have pushed it out: ask again.
            if snapshot.exists() or attempt == _PUBLISHED_WHILE_OPENING - 1:
                raise FilmProblem(
                    f"the lineage can't be read: {str(error).splitlines()[0]}",
                    f"remove {pointer.name}, and run the film to publish it anew",
                    file=snapshot,
                ) from error
    raise AssertionError("unreachable")


def lineage_of(connection: duckdb.DuckDBPyConnection, sha256: str) -> list[Edge]:
    """All that a file was made from, down to the author's files; nearest first. At most 64 steps deep."""
    return [Edge(*row) for row in connection.execute(_LINEAGE_OF, [sha256]).fetchall()]


def _snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob("provenance-*.duckdb"), key=_number)


def _number(snapshot: Path) -> int:
    digits = snapshot.stem.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


def _remove_unfinished(folder: Path) -> None:
    for unfinished in folder.glob("provenance-*.duckdb.tmp*"):
        unfinished.unlink(missing_ok=True)


def _build(path: Path, frames: FrameStore) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("BEGIN")
        connection.execute(_TABLES)
        for texts in frames.record_texts():
            connection.register("incoming", pd.DataFrame({"record": texts}))
            connection.execute(
                f"CREATE TEMP TABLE records AS SELECT from_json(record, '{json.dumps(_SHAPE)}') AS r FROM incoming"
            )
            connection.unregister("incoming")
            for statement in _FILL:
                connection.execute(statement)
            connection.execute("DROP TABLE records")
        turnovers = frames.turnover_rows()
        if turnovers:
            connection.register("incoming", pd.DataFrame([tuple(row) for row in turnovers], columns=_COLUMNS))
            connection.execute(_FILL_TURNOVERS)
            connection.unregister("incoming")
        connection.execute(_VIEWS)
        connection.execute("COMMIT")


_COLUMNS = ["stage", "shot", "version", "recipe_sha256", "handed_over", "turnover"]
_FILL_TURNOVERS = """
INSERT INTO turnovers SELECT stage, shot, version, recipe_sha256, handed_over,
    handed_over = max(handed_over) OVER (PARTITION BY stage, shot), turnover FROM incoming
"""
