"""The one place where Dagster's parts are wired."""

import os

import dagster as dg

from film_pipeline.assets import (
    cameras,
    color,
    deliver,
    edit,
    look,
    render,
    script,
    set_characters,
    storyboard,
    vfx,
)
from film_pipeline.resources.film import FilmResource
from film_pipeline.sensors.failed_runs import failed_runs
from film_pipeline.sensors.machines import rented_machines
from film_pipeline.sensors.reaper import lost_runs
from film_pipeline.sensors.slates import new_shots
from film_pipeline.sensors.takes import takes_asked_for

STAGES = (script, storyboard, look, set_characters, cameras, render, vfx, color, edit, deliver)

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(STAGES),
    jobs=[
        dg.define_asset_job("whole_film", selection=dg.AssetSelection.all(), description="Every stage of every shot.")
    ],
    sensors=[new_shots, takes_asked_for, rented_machines, lost_runs, failed_runs],
    resources={"film": FilmResource.from_environment(os.environ)},
    executor=dg.in_process_executor,
)
