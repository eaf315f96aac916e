"""The ten stages of the film as Dagster assets, a module a stage."""
