"""Running the film through Dagster: what is due is launched as one run for many shots, and nothing else."""

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Turnover
from film_pipeline.core.slate import spans
from film_pipeline.core.stages import Stage
from film_pipeline.departments.department import WHOLE_FILM
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import AtGate, Current, Due, Line, State, Stopped
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.stores.disk import write_atomically
from film_pipeline.stores.leases import FileLock

if TYPE_CHECKING:
    import dagster as dg

_HERE = Path(__file__).resolve().parent
DAGSTER_SETTINGS = next(path for path in (_HERE.parent / "dagster.yaml", _HERE / "dagster.yaml") if path.is_file())
"""In a checkout it lies at the top; an installed package carries it inside."""


@dataclass
class Report:
    """What a run came to, by department and shot."""

    made: list[tuple[str, str]] = field(default_factory=list)
    current: int = 0
    problems: list[FilmProblem] = field(default_factory=list)
    at_gate: dict[str, str] = field(default_factory=dict)
    """Shots that wait for a person, and why."""
    runs: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "made": [{"department": name, "shot": shot or None} for name, shot in self.made],
            "current": self.current,
            "problems": [problem.as_json() for problem in self.problems],
            "at_gate": self.at_gate,
            "runs": self.runs,
        }


def chosen_shots(film: Film, names: Sequence[str]) -> list[str]:
    """The shots asked for, in the film's order; all of them when none is named. Raises FilmProblem."""
    for name in names:
        film.shot(name)
    return [name for name in film.shots if not names or name in names]


def due(line: Line, shots: Sequence[str], through: Stage, only: Collection[str] = ()) -> list[tuple[str, str]]:
    """Every department (of these departments) and shot that is not current and can be worked on."""
    found = []
    for department in line.through(through):
        if only and department.name not in only:
            continue
        if department.whole_film and not covers_the_film(line, shots, department.needs):
            continue
        for shot in line.shots_of(department, shots):
            if isinstance(line.state(department.name, shot), Due):
                found.append((department.name, shot))
    return found


def covers_the_film(line: Line, shots: Sequence[str], needs: Sequence[str]) -> bool:
    """Whether work on the whole film makes sense when only these shots were asked for."""
    return not needs or set(shots) == set(line.film.shots)


def run_film(
    film: Film,
    shots: Sequence[str],
    through: Stage,
    watch: Callable[[str, str, int, int], None],
    only: Collection[str] = (),
) -> Report:
    """Make everything that is out of date and nothing else. A shot that fails takes no other with it.

    only: the departments that are to work; all of them unless given.
    """
    report = Report()
    line = Line(film, DEPARTMENTS)
    work = due(line, shots, through, only)
    before = film.frames.latest_all()
    if not work:
        _conclude(line, shots, through, before, report, only)
        return report
    film.close()
    with studio_instance(film) as instance:
        _launch(film, instance, work, watch, report)
    # What the run made is read back from the stores, not believed.
    after = Line(Film(film.root), DEPARTMENTS)
    _conclude(after, shots, through, before, report, only)
    return report


def _conclude(
    line: Line,
    shots: Sequence[str],
    through: Stage,
    before: Mapping[tuple[str, str], Turnover],
    report: Report,
    only: Collection[str] = (),
) -> None:
    """Say what became of the film. What was turned over before the run was not made by it."""
    failures = line.film.frames.failures()
    report.problems += line.film.problems
    seen: set[str] = set()
    for department in line.through(through):
        if department.whole_film and not covers_the_film(line, shots, department.needs):
            continue
        if only and department.name not in only:
            continue
        for shot in line.shots_of(department, shots):
            state = line.state(department.name, shot)
            key = (department.name, shot)
            if isinstance(state, Current):
                report.current += 1
                if before.get(key) != state.turnover:
                    report.made.append(key)
            if isinstance(state, AtGate):
                report.at_gate.setdefault(shot or "film", state.why)
            problem = _problem_of(state, failures.get(key))
            if problem is not None and str(problem) not in seen:
                seen.add(str(problem))
                report.problems.append(problem)


def _problem_of(state: State, failure: dict[str, Any] | None) -> FilmProblem | None:
    if isinstance(state, Stopped):
        return state.problem
    if isinstance(state, Due) and failure is not None and not failure["problem"].startswith("waits for"):
        return FilmProblem(
            failure["problem"],
            failure["mend"] or "",
            Path(failure["file"]) if failure["file"] else None,
            failure["line"],
            failure["field"] or "",
            failure["shot"] or "",
        )
    return None


def _launch(
    film: Film,
    instance: "dg.DagsterInstance",
    work: list[tuple[str, str]],
    watch: Callable[[str, str, int, int], None],
    report: Report,
) -> None:
    from film_pipeline.definitions import defs
    from film_pipeline.resources.film import watching
    from film_pipeline.sensors.reaper import reap
    from film_pipeline.sensors.slates import register_shots

    reap(instance, film.frames)
    register_shots(instance, list(film.shots))
    order = instance.get_dynamic_partitions("shots")
    job = defs.get_job_def("whole_film")
    names = list(dict.fromkeys(name for name, _ in work))
    wanted = {shot for _, shot in work if shot != WHOLE_FILM}
    with watching(watch):
        parts = spans([shot in wanted for shot in order]) or [None]
        for part, span in enumerate(parts, 1):
            # What belongs to the whole film waits for the last part.
            asked = [name for name in names if part == len(parts) or not DEPARTMENTS[name].whole_film]
            tags = {"film/production": film.production.name}
            if span is not None:
                tags |= {
                    "dagster/asset_partition_range_start": order[span[0]],
                    "dagster/asset_partition_range_end": order[span[1]],
                }
            result = job.execute_in_process(
                instance=instance,
                tags=tags,
                asset_selection=[_key(name) for name in asked],
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
            report.runs.append(result.run_id)


def _key(name: str) -> "dg.AssetKey":
    import dagster as dg

    return dg.AssetKey(name)


def dagster_home(film: Film) -> Path:
    """The production's own Dagster instance, with the settings of this software."""
    home = film.made / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        write_atomically(home / "dagster.yaml", DAGSTER_SETTINGS.read_bytes())
    return home


@contextmanager
def studio_instance(film: Film) -> Iterator["dg.DagsterInstance"]:
    """The production's Dagster instance, with the environment that its resources read."""
    home = dagster_home(film)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["FILM_PRODUCTION"] = str(film.root)
    with warnings.catch_warnings():
        # Dagster warns of its own beta features (single-run backfills) at every import.
        warnings.simplefilter("ignore")
        import dagster as dg

        # The first one to open it makes its tables, and Dagster lets no second one wait for that.
        opening = FileLock(home / "opening.lock")
        try:
            opening.take(wait=True)
            opened = dg.DagsterInstance.from_config(str(home))
        finally:
            opening.let_go()
        with opened as instance:
            yield instance
