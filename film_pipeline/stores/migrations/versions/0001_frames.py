"""Frames, their lineage, turnovers, failures, noted values and the heartbeats of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "frames",
        sa.Column("media_path", sa.String(1024), primary_key=True),
        sa.Column("recipe_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("shot", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("frame", sa.Integer),
        sa.Column("role", sa.String(128), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.String(40), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("frames_by_recipe", "frames", ["recipe_sha256"])
    op.create_index("frames_by_content", "frames", ["sha256"])
    op.create_index("frames_by_shot", "frames", ["shot", "stage", "version", "frame"])
    op.create_table(
        "edges",
        sa.Column("media_path", sa.String(1024), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("reference_sha256", sa.String(64), nullable=False),
        sa.Column("role", sa.String(128), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
    )
    op.create_index("edges_by_reference", "edges", ["reference_sha256"])
    op.create_index("edges_by_content", "edges", ["sha256"])
    op.create_table(
        "turnovers",
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("shot", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("recipe_sha256", sa.String(64), nullable=False),
        sa.Column("handed_over", sa.Integer, nullable=False),
        sa.Column("turnover", sa.Text, nullable=False),
    )
    op.create_index("turnovers_by_handover", "turnovers", ["stage", "shot", "handed_over"])
    op.create_index("turnovers_by_recipe", "turnovers", ["stage", "shot", "recipe_sha256"])
    op.create_table(
        "failures",
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("shot", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("failed_at", sa.String(40), nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
    )
    op.create_table(
        "noted",
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("process", sa.String(128), nullable=False),
        sa.Column("beat_at", sa.String(40), nullable=False),
    )
    op.create_index("runs_by_beat", "runs", ["beat_at"])
