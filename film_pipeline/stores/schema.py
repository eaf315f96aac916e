"""The tables of the frame store, and its numbered migrations."""

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
)

from film_pipeline.core.problems import FilmProblem

METADATA = MetaData()

SCHEMA_VERSION = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

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
    Column("bytes", Integer, nullable=False),
    Column("made_at", String(40), nullable=False),
    Column("record", Text, nullable=False),
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
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stage", String(64), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("recipe_sha256", String(64), nullable=False),
    Column("handed_over", Integer, nullable=False),
    Column("turnover", Text, nullable=False),
    UniqueConstraint("stage", "shot", "version", name="a_version_is_handed_over_once"),
    Index("turnovers_by_recipe", "stage", "shot", "recipe_sha256"),
)

FAILURES = Table(
    "failures",
    METADATA,
    Column("stage", String(64), primary_key=True),
    Column("shot", String(64), primary_key=True),
    Column("problem", Text, nullable=False),
)

NOTED = Table("noted", METADATA, Column("key", String(128), primary_key=True), Column("value", Text, nullable=False))


def _first_tables(connection: Connection) -> None:
    METADATA.create_all(connection, tables=[FRAMES, EDGES, TURNOVERS, FAILURES, NOTED])


MIGRATIONS = {1: _first_tables}
"""Every change of the tables, by the number of the version that it leads to."""


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version. Raises FilmProblem for a store that is newer than this software."""
    newest = max(MIGRATIONS)
    if _version(engine) == newest:
        return
    with engine.begin() as connection:
        METADATA.create_all(connection, tables=[SCHEMA_VERSION])
        version = connection.execute(select(SCHEMA_VERSION.c.version)).scalars().all()
        at = max(version, default=0)
        if at > newest:
            raise FilmProblem(
                f"the store is of version {at}, this software knows {newest}", "install the newer film_pipeline"
            )
        for number in range(at + 1, newest + 1):
            MIGRATIONS[number](connection)
            connection.execute(insert(SCHEMA_VERSION).values(version=number))


def _version(engine: Engine) -> int:
    with engine.connect() as connection:
        if not inspect(connection).has_table(SCHEMA_VERSION.name):
            return 0
        return max(connection.execute(select(SCHEMA_VERSION.c.version)).scalars().all(), default=0)
