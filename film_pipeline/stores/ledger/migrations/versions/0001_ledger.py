"""People, approvals and their revocations, takes, jobs, spend, notes, verdicts, workers and cursors."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_UNTIL_UNDONE = "state NOT IN ('cancelled', 'failed', 'lost')"
_APPEND_ONLY = ("ledger", "approvals", "revocations", "take_approvals", "spend", "notes", "verdicts")
_KEPT = ("takes", "jobs")
_SAME = {
    "ledger": "id = NEW.id",
    "approvals": "number = NEW.number OR id = NEW.id",
    "revocations": "approval = NEW.approval",
    "take_approvals": "approval = NEW.approval AND take = NEW.take",
    "spend": "number = NEW.number",
    "notes": "number = NEW.number OR said_as = NEW.said_as",
    "verdicts": "number = NEW.number OR said_as = NEW.said_as",
    "takes": "shot = NEW.shot AND work = NEW.work AND take = NEW.take OR asked_as = NEW.asked_as",
    "jobs": f"job = NEW.job OR task = NEW.task AND (attempt = NEW.attempt OR {_UNTIL_UNDONE})",
}
"""Which rows a new one would stand in the place of."""


def upgrade() -> None:
    _make_tables()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _make_tables() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("production", sa.String(128), nullable=False),
        sa.Column("opened_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("discord_id", sa.String(32), unique=True),
        sa.Column("password_hash", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("added_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("production", sa.String(128), nullable=False),
        sa.Column("ledger", sa.String(36), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("work", sa.String(16), nullable=False),
        sa.Column("covered", sa.Text, nullable=False),
        sa.Column("backends", sa.Text, nullable=False),
        sa.Column("takes", sa.Integer, nullable=False),
        sa.Column("cap_micros", sa.BigInteger, nullable=False),
        sa.Column("frame_cap_micros", sa.BigInteger),
        sa.Column("signer", sa.String(128), nullable=False),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("signed_at", sa.String(40), nullable=False),
        sa.Column("expires_at", sa.String(40), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("added_at", sa.String(40), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("approvals_by_shot", "approvals", ["shot", "work"])
    op.create_table(
        "revocations",
        sa.Column("approval", sa.String(64), primary_key=True),
        sa.Column("revoked_by", sa.String(128), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "takes",
        sa.Column("shot", sa.String(64), primary_key=True),
        sa.Column("work", sa.String(16), primary_key=True),
        sa.Column("take", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("approval", sa.String(64), nullable=False),
        sa.Column("backends", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(128), nullable=False),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("asked_as", sa.String(128), unique=True),
        sa.Column("opened_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "take_approvals",
        sa.Column("approval", sa.String(64), primary_key=True),
        sa.Column("take", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("counted_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("job", sa.String(36), primary_key=True),
        sa.Column("task", sa.String(255), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("approval", sa.String(64), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("work", sa.String(16), nullable=False),
        sa.Column("take", sa.Integer, nullable=False),
        sa.Column("frame", sa.Integer),
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("recipe_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger, nullable=False),
        sa.Column("held_micros", sa.BigInteger, nullable=False),
        sa.Column("charged_micros", sa.BigInteger),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("provider_id", sa.String(255), nullable=False),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String(128), nullable=False),
        sa.Column("reserved_at", sa.String(40), nullable=False),
        sa.Column("submitted_at", sa.String(40)),
        sa.Column("moved_at", sa.String(40), nullable=False),
        sa.CheckConstraint("held_micros >= 0", name="nothing_negative_is_held"),
    )
    op.create_index(
        "one_job_a_task",
        "jobs",
        ["task"],
        unique=True,
        sqlite_where=sa.text(_UNTIL_UNDONE),
        postgresql_where=sa.text(_UNTIL_UNDONE),
    )
    op.create_index("jobs_by_task", "jobs", ["task", "attempt"], unique=True)
    op.create_index("jobs_by_shot", "jobs", ["shot", "work", "take"])
    op.create_index("jobs_by_state", "jobs", ["state", "shot"])
    op.create_index("jobs_by_approval", "jobs", ["approval", "take"])
    op.create_index("jobs_by_worker", "jobs", ["backend", "worker"])
    op.create_index("jobs_by_provider", "jobs", ["backend", "provider_id"])
    op.create_table(
        "spend",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("approval", sa.String(64), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger, nullable=False),
        sa.Column("settled_micros", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("entered_by", sa.String(128), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("spend_by_job", "spend", ["job"])
    op.create_index("spend_by_day", "spend", ["at"])
    op.create_table(
        "notes",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("take", sa.Integer),
        sa.Column("frame", sa.Integer),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("drawing", sa.Text),
        sa.Column("reply_to", NUMBER),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("said_as", sa.String(128), unique=True),
        sqlite_autoincrement=True,
    )
    op.create_index("notes_by_shot", "notes", ["shot", "number"])
    op.create_table(
        "verdicts",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("work", sa.String(16), nullable=False),
        sa.Column("take", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("given_by", sa.String(128), nullable=False),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("said_as", sa.String(128), unique=True),
        sqlite_autoincrement=True,
    )
    op.create_index("verdicts_by_take", "verdicts", ["shot", "work", "take", "number"])
    op.create_table(
        "workers",
        sa.Column("backend", sa.String(64), primary_key=True),
        sa.Column("provider_id", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("job_in_hand", sa.String(36), nullable=False),
        sa.Column("price_hour_micros", sa.BigInteger),
        sa.Column("seconds_per_frame", sa.Float),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("started_at", sa.String(40), nullable=False),
        sa.Column("heard_at", sa.String(40), nullable=False),
        sa.Column("ended_at", sa.String(40)),
    )
    op.create_index("workers_by_job", "workers", ["job"])
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("moved_at", sa.String(40), nullable=False),
    )


def _guard_sqlite() -> None:
    for table in _APPEND_ONLY:
        _refuse(table, "changed", "BEFORE UPDATE")
    for table in (*_APPEND_ONLY, *_KEPT):
        _refuse(table, "removed", "BEFORE DELETE")
        # INSERT OR REPLACE removes the row that is in its way without asking the trigger above.
        _refuse(table, "replaced", "BEFORE INSERT", f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_SAME[table]})")


def _refuse(table: str, what: str, event: str, when: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_are_not_{what} {event} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never {what}'); END"
    )


def _guard_postgres() -> None:
    op.execute(
        """
        CREATE FUNCTION ledger_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of % are never changed or removed (%)', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in _APPEND_ONLY:
        _trigger(table, "UPDATE OR DELETE OR TRUNCATE")
    for table in _KEPT:
        _trigger(table, "DELETE OR TRUNCATE")


def _trigger(table: str, events: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_stay BEFORE {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()"
    )
