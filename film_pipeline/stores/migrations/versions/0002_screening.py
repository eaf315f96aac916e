"""What made a frame first, as a column; frames by the time and by what made them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_FIRST_ENGINE = {
    "sqlite": "json_extract(record, '$.engine_summary[0]')",
    "postgresql": "record::json->'engine_summary'->>0",
}


def upgrade() -> None:
    op.add_column("frames", sa.Column("engine", sa.String(128), nullable=False, server_default=""))
    first = _FIRST_ENGINE[op.get_bind().dialect.name]
    op.execute(sa.text(f"UPDATE frames SET engine = coalesce({first}, '')"))
    op.create_index("frames_by_time", "frames", ["made_at", "media_path"])
    op.create_index("frames_by_engine", "frames", ["engine", "made_at", "media_path"])
