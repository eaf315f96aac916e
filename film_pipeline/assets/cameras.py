"""Stage 5, cameras: the locked composition, its plate and passes."""

import dagster as dg

from film_pipeline.assets.call_sheet import call_sheet, stage_asset
from film_pipeline.resources.film import FilmResource


@stage_asset("cameras")
def cameras(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "cameras")
