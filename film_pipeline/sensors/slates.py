"""New shots get their slate: the shot files are watched, and Dagster's partitions follow them."""

import hashlib
from pathlib import Path

import dagster as dg

from film_pipeline.assets.call_sheet import SHOTS
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.resources.film import FilmResource


def partitions_to_change(instance: dg.DagsterInstance, shots: list[str]) -> tuple[list[str], list[str]]:
    """The shots that Dagster does not know yet, and those that it knows and the film has no more."""
    known = instance.get_dynamic_partitions(SHOTS.name)
    return [shot for shot in shots if shot not in known], [shot for shot in known if shot not in shots]


def register_shots(instance: dg.DagsterInstance, shots: list[str]) -> tuple[list[str], list[str]]:
    """Make Dagster's partitions the shots of the film. Returns what was added and what was taken away."""
    added, gone = partitions_to_change(instance, shots)
    if added:
        instance.add_dynamic_partitions(SHOTS.name, added)
    for shot in gone:
        instance.delete_dynamic_partition(SHOTS.name, shot)
    return added, gone


@dg.sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def new_shots(context: dg.SensorEvaluationContext, film: FilmResource) -> dg.SensorResult | dg.SkipReason:
    """Register the shots of new and changed scene files as partitions. The cursor is the files' fingerprint."""
    try:
        with film.open() as opened:
            fingerprint = _fingerprint(opened)
            if fingerprint == context.cursor:
                return dg.SkipReason("the script and the shot files are as they were")
            added, gone = partitions_to_change(context.instance, list(opened.shots))
            problems = [str(problem) for problem in opened.problems]
    except FilmProblem as problem:
        return dg.SkipReason(str(problem))
    for problem in problems:
        context.log.error(problem)
    requests = [SHOTS.build_add_request(added)] if added else []
    return dg.SensorResult(
        cursor=fingerprint,
        # A scene file that can't be read takes no partition away: its shots are still the film's.
        dynamic_partitions_requests=[*requests, *([SHOTS.build_delete_request(gone)] if gone and not problems else [])],
    )


def _fingerprint(film: Film) -> str:
    files: list[Path] = [film.script_file, *sorted((film.root / "shots").glob("*.yaml"))]
    said = [f"{path.name} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files if path.exists()]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()
