"""Stage 4, set and characters: sets and puppets as USD and glb, and their turnarounds."""

import dagster as dg

from film_pipeline.assets.call_sheet import call_sheet, stage_asset
from film_pipeline.resources.film import FilmResource


@stage_asset("set_characters")
def set_characters(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "set_characters")


@stage_asset("turnarounds")
def turnarounds(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "turnarounds")
