"""Dagster sensors: what starts work by itself."""
