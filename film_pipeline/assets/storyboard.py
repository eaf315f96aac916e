"""Stage 2, storyboard: panels, the contact sheet and the animatic."""

import dagster as dg

from film_pipeline.assets.call_sheet import call_sheet, stage_asset
from film_pipeline.resources.film import FilmResource


@stage_asset("storyboard")
def storyboard(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "storyboard")


@stage_asset("animatic")
def animatic(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "animatic")
