"""Stage 10, deliver: each shot's deliverable, and the masters."""

import dagster as dg

from film_pipeline.assets.call_sheet import call_sheet, stage_asset
from film_pipeline.resources.film import FilmResource


@stage_asset("deliver")
def deliver(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "deliver")


@stage_asset("master")
def master(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "master")
