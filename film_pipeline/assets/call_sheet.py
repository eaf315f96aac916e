"""What every stage's asset does: bring its shots up to date, file each as it finishes, and say what failed."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import dagster as dg

from film_pipeline.core.record import Item, Turnover
from film_pipeline.core.stages import Stage
from film_pipeline.departments.line import Outcome
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.resources.film import FilmResource, tell

SHOTS = dg.DynamicPartitionsDefinition(name="shots")
EVERY_SHOT = "every_shot_is_made"
# Dagster files one event a partition of a run, made or not, all with one data version. This marker (internal to
# Dagster 1.13, held by a test) leaves the filing to us: an event a shot, as it finishes, and none for one that failed.
FILED_HERE = {"__source_asset_observation__": True}
_PICTURES = {".png", ".jpg", ".exr"}


def stage_asset(department: str, **more: Any) -> Any:
    """The decorator of a stage's asset: its group, its shots, its check and its code version."""
    desk = DEPARTMENTS[department]
    return dg.asset(
        name=department,
        group_name=desk.stage.value,
        description=desk.says,
        code_version=desk.code_version,
        deps=list(desk.needs),
        partitions_def=None if desk.whole_film else SHOTS,
        backfill_policy=None if desk.whole_film else dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec(EVERY_SHOT, asset=department)],
        **more,
    )


def call_sheet(context: dg.AssetExecutionContext, film: FilmResource, department: str) -> dg.MaterializeResult:
    """Work through the shots of this run.

    Raises dg.Failure where nothing could be made, so that the line stops; where some shots failed, the others go on
    and the check names those that did not.
    """
    shots = context.partition_keys if context.has_partition_key or context.has_partition_key_range else []
    outcomes = film.line.work(
        department,
        shots,
        progress=tell,
        filed=lambda outcome: _file(context, film, outcome),
    )
    failed = [outcome for outcome in outcomes if outcome.problem is not None]
    problems = {outcome.shot or "film": str(outcome.problem) for outcome in failed}
    waiting = {outcome.shot or "film": outcome.waits for outcome in outcomes if outcome.waits}
    if failed and len(failed) == len(outcomes):
        raise dg.Failure("\n".join(problems.values()), metadata=dict(problems), allow_retries=False)
    return dg.MaterializeResult(
        metadata=FILED_HERE,
        check_results=[
            dg.AssetCheckResult(
                passed=not failed,
                check_name=EVERY_SHOT,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"shots": len(outcomes), "failed": len(failed), **problems, **waiting},
            )
        ],
    )


def _file(context: dg.AssetExecutionContext, film: FilmResource, outcome: Outcome) -> None:
    if outcome.turnover is None:
        if outcome.waits:
            context.log.info("%s: %s", outcome.shot or "the film", outcome.waits)
        else:
            context.log.error(str(outcome.problem))
        return
    context.log_event(
        dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=outcome.shot or None,
            metadata=metadata_of(outcome.turnover, outcome.made, film.review_url),
            tags={"dagster/data_version": outcome.turnover.recipe_sha256},
        )
    )


def metadata_of(turnover: Turnover, made: bool, review_url: str) -> Mapping[str, dg.MetadataValue | Any]:
    """What the Dagster UI shows of a turnover: its facts, its files, and pictures by their thumbnails' address."""
    pictures = [item for item in turnover.items if PurePosixPath(item.path).suffix in _PICTURES]
    shown = _first_middle_last(pictures)
    facts = {key: value for key, value in turnover.facts.items() if isinstance(value, str | int | float | bool)}
    return {
        **facts,
        "version": turnover.version,
        "made_now": made,
        "recipe": turnover.recipe_sha256,
        "files": len(turnover.items),
        **({"review": dg.MetadataValue.url(f"{review_url}/shots/{turnover.shot}")} if turnover.shot else {}),
        "megabytes": round(sum(item.bytes for item in turnover.items) / 1e6, 2),
        **({"pictures": dg.MetadataValue.md(_strip(shown, review_url))} if shown else {}),
    }


def _first_middle_last(items: list[Item]) -> list[Item]:
    by_role: dict[str, list[Item]] = {}
    for item in items:
        by_role.setdefault(item.role, []).append(item)
    shown = []
    for of_role in by_role.values():
        places = sorted({0, len(of_role) // 2, len(of_role) - 1})
        shown += [of_role[place] for place in places]
    return shown[:12]


def _strip(items: list[Item], review_url: str) -> str:
    named = [(PurePosixPath(item.path).name, item.sha256) for item in items]
    return "\n".join(f"![{name}]({review_url}/thumbnails/{sha256}.jpg) {name}\n" for name, sha256 in named)


def assets_by_stage() -> dict[Stage, list[str]]:
    """The departments of each stage, as the graph shows them."""
    by_stage: dict[Stage, list[str]] = {stage: [] for stage in Stage}
    for desk in DEPARTMENTS.values():
        by_stage[desk.stage].append(desk.name)
    return by_stage
