"""Dagster resources: the film as an opened production, and how its pictures are shown."""
