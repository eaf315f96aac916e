"""Runs whose machine is gone are failed, so that they are tried again: Dagster leaves them started for ever."""

import datetime
import socket

import dagster as dg

from film_pipeline.core.problems import FilmProblem
from film_pipeline.resources.film import HEARTBEAT_S, FilmResource
from film_pipeline.stores.frames import FrameStore

SILENT_FOR = datetime.timedelta(seconds=12 * HEARTBEAT_S)
"""A run that was not heard of for so long has no worker any more."""


def reap(instance: dg.DagsterInstance, frames: FrameStore, silent_for: datetime.timedelta = SILENT_FOR) -> list[str]:
    """Fail the runs that went silent, and forget their heartbeats. Returns their ids."""
    reaped = []
    for run_id in frames.silent_runs(silent_for):
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            said = f"nothing was heard of this run for {silent_for.total_seconds():.0f} s: its worker is gone"
            instance.report_run_failed(run, f"{said} (found on {socket.gethostname()})")
            reaped.append(run_id)
        frames.end_run(run_id)
    return reaped


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def lost_runs(context: dg.SensorEvaluationContext, film: FilmResource) -> dg.SkipReason:
    """Fail runs whose worker is gone."""
    try:
        with film.open() as opened:
            reaped = reap(context.instance, opened.frames)
    except FilmProblem as problem:
        return dg.SkipReason(str(problem))
    for run_id in reaped:
        context.log.warning("failed run %s: its worker is gone", run_id)
    return dg.SkipReason(f"{len(reaped)} runs were lost" if reaped else "every run is heard of")
