"""The tables of the ledger as they are now. How they came to be so is in `migrations/versions/`.

Money is in whole millionths of a dollar, times are UTC as ISO 8601 text. Triggers of the database
refuse to change or remove a row of `APPEND_ONLY`, and to remove one of `KEPT`.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from film_pipeline.core.jobs import UNDONE
from film_pipeline.stores.database import Schema

_RESTORE = "restore it from a backup: what was signed and spent stands nowhere else"
LEDGER_STORE = Schema(
    called="the ledger",
    head="0002",
    migrations=Path(__file__).parent / "migrations",
    version_table="ledger_version",
    writers=0x6C656467,
    broken=_RESTORE,
    refused=f"check the ledger's disk and owner; if it is broken, {_RESTORE}",
)

METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Numbers that a table gives its rows: SQLite counts up only what is called INTEGER."""
UNTIL_UNDONE = f"state NOT IN ({', '.join(sorted(repr(state.value) for state in UNDONE))})"
"""Of the jobs of one task at most one may stand here: in work, uncertain or made."""

LEDGER = Table(
    "ledger",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("production", String(128), nullable=False),
    Column("opened_at", String(40), nullable=False),
)

PEOPLE = Table(
    "people",
    METADATA,
    Column("name", String(128), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("discord_id", String(32), unique=True),
    Column("password_hash", Text),
    Column("active", Boolean, nullable=False),
    Column("added_at", String(40), nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_sha256", String(64), primary_key=True),
    Column("person", String(128), nullable=False),
    Column("begun_at", String(40), nullable=False),
    Column("seen_at", String(40), nullable=False),
    Column("expires_at", String(40), nullable=False),
    Index("sessions_by_person", "person"),
)
"""Who is in, by the hash of what their browser holds. Ended ones are removed."""

INVITATIONS = Table(
    "invitations",
    METADATA,
    Column("token_sha256", String(64), primary_key=True),
    Column("person", String(128), nullable=False),
    Column("made_by", String(128), nullable=False),
    Column("made_at", String(40), nullable=False),
    Column("expires_at", String(40), nullable=False),
    Column("accepted_at", String(40)),
)
"""Links that let somebody choose a password, once. person: empty for the first owner, who also chooses a name."""

SHARES = Table(
    "shares",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("title", String(255), nullable=False),
    Column("clips", Text, nullable=False),
    Column("made_by", String(128), nullable=False),
    Column("made_at", String(40), nullable=False),
    Column("expires_at", String(40), nullable=False),
    Column("revoked_by", String(128), nullable=False),
    Column("revoked_at", String(40)),
    sqlite_autoincrement=True,
)
"""Links under which somebody without an account sees some pictures."""

APPROVALS = Table(
    "approvals",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("production", String(128), nullable=False),
    Column("ledger", String(36), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("work", String(16), nullable=False),
    Column("covered", Text, nullable=False),
    Column("backends", Text, nullable=False),
    Column("takes", Integer, nullable=False),
    Column("cap_micros", BigInteger, nullable=False),
    Column("frame_cap_micros", BigInteger),
    Column("signer", String(128), nullable=False),
    Column("public_key", String(64), nullable=False),
    Column("signed_at", String(40), nullable=False),
    Column("expires_at", String(40), nullable=False),
    Column("note", Text, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("added_at", String(40), nullable=False),
    Index("approvals_by_shot", "shot", "work"),
    sqlite_autoincrement=True,
)

REVOCATIONS = Table(
    "revocations",
    METADATA,
    Column("approval", String(64), primary_key=True),
    Column("revoked_by", String(128), nullable=False),
    Column("why", Text, nullable=False),
    Column("revoked_at", String(40), nullable=False),
)

TAKES = Table(
    "takes",
    METADATA,
    Column("shot", String(64), primary_key=True),
    Column("work", String(16), primary_key=True),
    Column("take", Integer, primary_key=True, autoincrement=False),
    Column("approval", String(64), nullable=False),
    Column("backends", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("asked_by", String(128), nullable=False),
    Column("via", String(16), nullable=False),
    Column("asked_as", String(128), unique=True),
    Column("opened_at", String(40), nullable=False),
    Index("takes_by_opening", "opened_at"),
)

TAKE_APPROVALS = Table(
    "take_approvals",
    METADATA,
    Column("approval", String(64), primary_key=True),
    Column("take", Integer, primary_key=True, autoincrement=False),
    Column("counted_at", String(40), nullable=False),
)
"""Which takes count against an approval: those opened under it, and those that it paid a frame of."""

JOBS = Table(
    "jobs",
    METADATA,
    Column("job", String(36), primary_key=True),
    Column("task", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("approval", String(64), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("work", String(16), nullable=False),
    Column("take", Integer, nullable=False),
    Column("frame", Integer),
    Column("backend", String(64), nullable=False),
    Column("recipe_sha256", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    Column("charged_micros", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("provider_id", String(255), nullable=False),
    Column("worker", String(255), nullable=False),
    Column("seconds", Float),
    Column("error", Text, nullable=False),
    Column("decided_by", String(128), nullable=False),
    Column("reserved_at", String(40), nullable=False),
    Column("submitted_at", String(40)),
    Column("moved_at", String(40), nullable=False),
    CheckConstraint("held_micros >= 0", name="nothing_negative_is_held"),
    Index(
        "one_job_a_task",
        "task",
        unique=True,
        sqlite_where=text(UNTIL_UNDONE),
        postgresql_where=text(UNTIL_UNDONE),
    ),
    Index("jobs_by_task", "task", "attempt", unique=True),
    Index("jobs_by_shot", "shot", "work", "take"),
    Index("jobs_by_state", "state", "shot"),
    Index("jobs_by_approval", "approval", "take"),
    Index("jobs_by_worker", "backend", "worker"),
    Index("jobs_by_provider", "backend", "provider_id"),
)

SPEND = Table(
    "spend",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("job", String(36), nullable=False),
    Column("approval", String(64), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("backend", String(64), nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("settled_micros", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("entered_by", String(128), nullable=False),
    Column("note", Text, nullable=False),
    Index("spend_by_job", "job"),
    Index("spend_by_day", "at"),
    sqlite_autoincrement=True,
)

NOTES = Table(
    "notes",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("take", Integer),
    Column("frame", Integer),
    Column("author", String(128), nullable=False),
    Column("text", Text, nullable=False),
    Column("drawing", Text),
    Column("reply_to", NUMBER),
    Column("via", String(16), nullable=False),
    Column("said_as", String(128), unique=True),
    Index("notes_by_shot", "shot", "number"),
    sqlite_autoincrement=True,
)

VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("shot", String(64), nullable=False),
    Column("work", String(16), nullable=False),
    Column("take", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("given_by", String(128), nullable=False),
    Column("via", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Column("said_as", String(128), unique=True),
    Index("verdicts_by_take", "shot", "work", "take", "number"),
    sqlite_autoincrement=True,
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("backend", String(64), primary_key=True),
    Column("provider_id", String(255), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("job", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("job_in_hand", String(36), nullable=False),
    Column("price_hour_micros", BigInteger),
    Column("seconds_per_frame", Float),
    Column("why", Text, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("heard_at", String(40), nullable=False),
    Column("ended_at", String(40)),
    Index("workers_by_job", "job"),
)

CURSORS = Table(
    "cursors",
    METADATA,
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    Column("moved_at", String(40), nullable=False),
)

APPEND_ONLY = (LEDGER, APPROVALS, REVOCATIONS, TAKE_APPROVALS, SPEND, NOTES, VERDICTS)
"""Rows that are neither changed nor removed."""
KEPT = (TAKES, JOBS)
"""Rows that change and are never removed."""
