"""The tables of the frame store as they are now. How they came to be so is in `migrations/versions/`."""

from pathlib import Path

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

from film_pipeline.stores.database import Schema

FRAME_STORE = Schema(
    called="the store",
    head="0002",
    migrations=Path(__file__).parent / "migrations",
    version_table="alembic_version",
    writers=0x66696C6D,
    broken="remove the file; `film reindex` makes it again from the records beside the media",
    refused="check the store's disk and owner; `film reindex` makes it again from the records beside the media",
)

METADATA = MetaData()

FRAMES = Table(
    "frames",
    METADATA,
    Column("media_path", String(1024), primary_key=True),
    Column("recipe_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("frame", Integer),
    Column("role", String(128), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("made_at", String(40), nullable=False),
    Column("record", Text, nullable=False),
    Column("engine", String(128), nullable=False, server_default=""),
    Index("frames_by_time", "made_at", "media_path"),
    Index("frames_by_engine", "engine", "made_at", "media_path"),
    Index("frames_by_recipe", "recipe_sha256"),
    Index("frames_by_content", "sha256"),
    Index("frames_by_shot", "shot", "stage", "version", "frame"),
)

EDGES = Table(
    "edges",
    METADATA,
    Column("media_path", String(1024), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("reference_sha256", String(64), nullable=False),
    Column("role", String(128), nullable=False),
    Column("name", String(512), nullable=False),
    Index("edges_by_reference", "reference_sha256"),
    Index("edges_by_content", "sha256"),
)

TURNOVERS = Table(
    "turnovers",
    METADATA,
    Column("stage", String(64), primary_key=True),
    Column("shot", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("recipe_sha256", String(64), nullable=False),
    Column("handed_over", Integer, nullable=False),
    Column("turnover", Text, nullable=False),
    Index("turnovers_by_handover", "stage", "shot", "handed_over"),
    Index("turnovers_by_recipe", "stage", "shot", "recipe_sha256"),
)

FAILURES = Table(
    "failures",
    METADATA,
    Column("stage", String(64), primary_key=True),
    Column("shot", String(64), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("failed_at", String(40), nullable=False),
    Column("problem", Text, nullable=False),
)

NOTED = Table(
    "noted",
    METADATA,
    Column("key", String(128), primary_key=True),
    Column("value", Text, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("process", String(128), nullable=False),
    Column("beat_at", String(40), nullable=False),
    Index("runs_by_beat", "beat_at"),
)
