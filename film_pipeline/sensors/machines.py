"""Rented machines that nobody needs are ended, whatever became of the run that rented them."""

import asyncio

import dagster as dg

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.orchestrator.landlords import Landlords
from film_pipeline.resources.film import FilmResource


async def sweep(film: Film) -> list[str]:
    """End and settle machines that the ledger does not know or no longer needs. Returns what was said of them."""
    landlords = Landlords(film.ledger, film.generating)
    try:
        await landlords.begin()
        await landlords.end()
    finally:
        await asyncio.gather(*(backend.close() for backend in film.generating.values()), return_exceptions=True)
    rented = [worker for worker in film.ledger.workers.at_work() if worker.job]
    return [f"{worker.backend} {worker.provider_id}: {worker.state}" for worker in rented]


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def rented_machines(context: dg.SensorEvaluationContext, film: FilmResource) -> dg.SkipReason:
    """End rented machines that have nothing to do, and settle what they cost."""
    try:
        with film.open() as opened:
            if not opened.generates:
                return dg.SkipReason("no machines are rented")
            living = asyncio.run(sweep(opened))
    except FilmProblem as problem:
        return dg.SkipReason(str(problem))
    return dg.SkipReason("; ".join(living) or "no machine is rented")
