"""A run that failed is told where people look: in the film's own store, and by the review app and Discord from there."""

import dagster as dg

from film_pipeline.core.problems import FilmProblem
from film_pipeline.resources.film import FilmResource

LAST_FAILED = "last_failed_run"


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_runs(context: dg.RunFailureSensorContext, film: FilmResource) -> None:
    """Note the run that failed last: its id, when, and why."""
    run = context.dagster_run
    said = context.failure_event.message or "it gave no reason"
    note = {
        "run_id": run.run_id,
        "said": said[:2000],
        "tags": {k: v for k, v in run.tags.items() if k.startswith("film/")},
    }
    try:
        with film.open() as opened:
            opened.frames.set_value(LAST_FAILED, note)
    except FilmProblem as problem:
        context.log.error("the failure can't be noted: %s", problem)
