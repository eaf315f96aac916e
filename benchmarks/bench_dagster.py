"""What Dagster itself costs: ten stages that do nothing, over many shots, by three ways of running them.

Run it: python -m benchmarks.bench_dagster. CPU seconds of this process and its children, of one call on one machine.
"""

import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from benchmarks.rows import Row
from film_pipeline.assets.call_sheet import SHOTS, call_sheet
from film_pipeline.core.record import Turnover
from film_pipeline.departments.line import Outcome
from film_pipeline.resources.film import FilmResource

STAGES = 10
SHOTS_IN_ONE_RUN = 240
SHOTS_RUN_ALONE = 12
SHOTS_BY_DEFAULT = 2
ONE_RUN_BAR_MS = 15.0
RUN_A_SHOT_BAR_MS = 60.0
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class IdleLine:
    """A production line that has nothing to do and says so, shot by shot, as the real one does."""

    def work(
        self, name: str, shots: Iterable[str], progress: object, filed: Callable[[Outcome], None]
    ) -> list[Outcome]:
        outcomes = []
        for shot in shots:
            turnover = Turnover(stage=name, shot=shot, version=1, recipe_sha256="0" * 64, items=(), facts={"frames": 1})
            outcomes.append(Outcome(name, shot, turnover))
            filed(outcomes[-1])
        return outcomes


class IdleFilm(FilmResource):
    """The film's resource over the idle line."""

    @property
    def line(self) -> IdleLine:  # type: ignore[override]
        return IdleLine()


def stage(number: int) -> dg.AssetsDefinition:
    """A stage as the film's own are made, after the one before it."""

    @dg.asset(
        name=f"stage_{number}",
        deps=[f"stage_{number - 1}"] if number else [],
        partitions_def=SHOTS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("every_shot_is_made", asset=f"stage_{number}")],
    )
    def idle(context: dg.AssetExecutionContext, film: IdleFilm) -> dg.MaterializeResult:
        return call_sheet(context, film, f"stage_{number}")

    return idle


def definitions(executor: dg.ExecutorDefinition) -> dg.Definitions:
    return dg.Definitions(
        assets=[stage(number) for number in range(STAGES)],
        jobs=[dg.define_asset_job("idle", selection="*")],
        resources={"film": IdleFilm()},
        executor=executor,
    )


def idle_job() -> dg.JobDefinition:
    """For the processes that Dagster's default executor starts."""
    return definitions(dg.multiprocess_executor).resolve_job_def("idle")


def run() -> list[Row]:
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as home:
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.local_temp(home) as instance:
            instance.add_dynamic_partitions(SHOTS.name, [f"SC010_SH{n:04d}" for n in range(SHOTS_IN_ONE_RUN)])
            names = instance.get_dynamic_partitions(SHOTS.name)
            job = definitions(dg.in_process_executor).resolve_job_def("idle")
            one = _milliseconds(lambda: _in_one_run(job, instance, names), SHOTS_IN_ONE_RUN)
            alone = _milliseconds(lambda: _a_run_each(job, instance, names[:SHOTS_RUN_ALONE]), SHOTS_RUN_ALONE)
            default = _milliseconds(lambda: _by_default(instance, names[:SHOTS_BY_DEFAULT]), SHOTS_BY_DEFAULT)
    return [
        Row(f"Dagster, CPU a stage of a shot, {way}", figure, "ms", bar, default, figure <= bar)
        for way, figure, bar in (
            ("one run for 240 shots", one, ONE_RUN_BAR_MS),
            ("a run a shot", alone, RUN_A_SHOT_BAR_MS),
        )
    ]


def _in_one_run(job: dg.JobDefinition, instance: dg.DagsterInstance, names: list[str]) -> None:
    tags = {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[-1]}
    assert job.execute_in_process(instance=instance, tags=tags, run_config=QUIET).success


def _a_run_each(job: dg.JobDefinition, instance: dg.DagsterInstance, names: list[str]) -> None:
    for name in names:
        assert job.execute_in_process(instance=instance, partition_key=name, run_config=QUIET).success


def _by_default(instance: dg.DagsterInstance, names: list[str]) -> None:
    for name in names:
        with dg.execute_job(
            dg.reconstructable(idle_job),
            instance=instance,
            tags={"dagster/partition": name},
            run_config={**QUIET, "execution": {"config": {"max_concurrent": 2}}},
        ) as result:
            assert result.success


def _milliseconds(work: Callable[[], None], shots: int) -> float:
    before = _cpu_seconds()
    work()
    return (_cpu_seconds() - before) * 1000 / shots / STAGES


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    for row in run():
        sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    main()
