"""A run that failed is noted in the film's own store, where the review app and Discord find it."""

import dagster as dg

from film_pipeline.core.problems import FilmProblem
from film_pipeline.resources.film import FilmResource

LAST_FAILED = "last_failed_run"


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_runs(context: dg.RunFailureSensorContext, film: FilmResource) -> None:
    """Note the run that failed last: its id, when, and why."""
    run = context.dagster_run
    said = context.failure_event.message or "it gave no reason"
    asked = run.tags.get("film/asked", "")
    note = {"run_id": run.run_id, "said": said[:2000], "asked": asked}
    try:
        with film.open() as opened:
            opened.frames.set_value(LAST_FAILED, note)
    except FilmProblem as problem:
        context.log.error("the failure can't be noted: %s", problem)
