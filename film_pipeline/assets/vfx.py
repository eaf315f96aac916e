"""Stage 7, vfx: the comp over the passes."""

import dagster as dg

from film_pipeline.assets.call_sheet import call_sheet, stage_asset
from film_pipeline.resources.film import FilmResource


@stage_asset("vfx")
def vfx(context: dg.AssetExecutionContext, film: FilmResource) -> dg.MaterializeResult:
    return call_sheet(context, film, "vfx")
