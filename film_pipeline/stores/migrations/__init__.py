"""Numbered changes of the store's tables, by Alembic."""
