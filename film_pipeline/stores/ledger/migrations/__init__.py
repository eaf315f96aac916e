"""Numbered changes of the ledger's tables, by Alembic."""
