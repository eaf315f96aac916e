"""The film as Dagster assets: the graph, its partitions, and runs over many shots."""

import datetime
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from at_once import at_once
from small_film import SmallFilm

from film_pipeline import assets
from film_pipeline.assets.call_sheet import EVERY_SHOT, SHOTS, assets_by_stage
from film_pipeline.core.stages import Stage
from film_pipeline.definitions import STAGES, defs
from film_pipeline.departments.film import Film
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.resources.film import FilmResource
from film_pipeline.running import studio_instance
from film_pipeline.sensors.reaper import reap
from film_pipeline.sensors.slates import new_shots, register_shots

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
FIRST, SECOND = "SC010_SH010", "SC010_SH020"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(
    film: SmallFilm, instance: dg.DagsterInstance, names: list[str], shots: tuple[str, str]
) -> dg.ExecuteInProcessResult:
    """One run for many shots, as `film run` and a single-run backfill launch it."""
    job = dg.Definitions(
        assets=dg.load_assets_from_modules(STAGES),
        jobs=[dg.define_asset_job("some", selection=names)],
        resources={"film": FilmResource(production=str(film.root))},
        executor=dg.in_process_executor,
    ).resolve_job_def("some")
    tags = {"dagster/asset_partition_range_start": shots[0], "dagster/asset_partition_range_end": shots[1]}
    return job.execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=False)


def made(instance: dg.DagsterInstance, name: str) -> dict[str, dg.AssetMaterialization]:
    found = instance.fetch_materializations(dg.AssetKey(name), limit=50).records
    return {
        record.partition_key or "": record.asset_materialization
        for record in reversed(found)
        if record.asset_materialization
    }


def test_the_folder_the_graph_and_the_stages_agree() -> None:
    folder = {path.stem for path in Path(assets.__file__).parent.glob("*.py")} - {"__init__", "call_sheet"}
    assert folder == {stage.value for stage in Stage}
    graph = defs.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == folder
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == set(DEPARTMENTS) == {name for names in assets_by_stage().values() for name in names}
    for key in graph.get_all_asset_keys():
        assert graph.get(key).code_version, key


def test_the_graph_depends_as_the_departments_do() -> None:
    graph = defs.resolve_asset_graph()
    for desk in DEPARTMENTS.values():
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(desk.name)).parent_keys}
        assert parents == set(desk.needs), desk.name


def test_many_shots_are_one_run_and_each_is_filed_by_itself(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    register_shots(instance, [FIRST, SECOND])
    result = run(new_film, instance, ["look", "script"], (FIRST, SECOND))
    assert result.success
    with Film(new_film.root) as film:
        for shot, event in made(instance, "look").items():
            turnover = film.frames.latest("look", shot)
            assert turnover is not None
            assert event.tags is not None
            assert event.tags["dagster/data_version"] == turnover.recipe_sha256
    assert set(made(instance, "look")) == {FIRST, SECOND}


def test_a_failing_shot_is_not_filed_and_the_others_are(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    new_film.edit("shots/SC010.yaml", "exposure: {on: 2}", "exposure: {on: 2, holds: [{frame: 1009, frames: 4}]}")
    register_shots(instance, [FIRST, SECOND])
    result = run(new_film, instance, ["script"], (FIRST, SECOND))
    assert set(made(instance, "script")) == {FIRST}
    checks = result.get_asset_check_evaluations()
    assert [check.check_name for check in checks] == [EVERY_SHOT]
    assert not checks[0].passed
    assert "1009" in str(checks[0].metadata[SECOND].value)


def test_where_nothing_can_be_made_the_line_stops(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    (new_film.root / "script.fountain").write_text("[[ never closed", encoding="utf-8")
    register_shots(instance, [FIRST, SECOND])
    result = run(new_film, instance, ["script"], (FIRST, SECOND))
    assert not result.success
    assert made(instance, "script") == {}


def test_what_is_current_is_filed_again_but_not_made_again(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    register_shots(instance, [FIRST, SECOND])
    for expected in (True, False):
        run(new_film, instance, ["look"], (FIRST, SECOND))
        events = made(instance, "look")
        assert {event.metadata["made_now"].value for event in events.values()} == {expected}


@pytest.mark.blender
def test_metadata_shows_pictures(made_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    register_shots(instance, [FIRST, SECOND])
    run(made_film, instance, ["color"], (FIRST, SECOND))
    shown = made(instance, "color")[FIRST].metadata["pictures"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert shown.value is not None
    assert "/thumbnails/" in shown.value
    assert "SC010_SH010_color_v001.1001.png" in shown.value
    review = made(instance, "color")[FIRST].metadata["review"]
    assert str(review.value).endswith(f"/shots/{FIRST}")


def sensed(film: SmallFilm, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    resources = {"film": FilmResource(production=str(film.root))}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources, definitions=defs) as context:
        found = new_shots(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_new_shots_become_partitions_and_gone_ones_leave(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(SHOTS.name, ["SC090_SH010", FIRST])
    found = sensed(new_film, instance)
    assert isinstance(found, dg.SensorResult)
    requests = {
        type(request).__name__: list(request.partition_keys) for request in found.dynamic_partitions_requests or []
    }
    assert requests == {"AddDynamicPartitionsRequest": [SECOND], "DeleteDynamicPartitionsRequest": ["SC090_SH010"]}
    assert isinstance(sensed(new_film, instance, found.cursor), dg.SkipReason)


def test_a_scene_file_that_cannot_be_read_takes_no_partition_away(
    new_film: SmallFilm, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions(SHOTS.name, [FIRST, SECOND])
    new_film.edit("shots/SC010.yaml", "length: 8", "length: none")
    found = sensed(new_film, instance)
    assert isinstance(found, dg.SensorResult)
    assert not found.dynamic_partitions_requests


def test_a_run_that_falls_silent_is_failed(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    run_ = instance.create_run_for_job(_nothing(), status=dg.DagsterRunStatus.STARTED)
    with Film(new_film.root) as film:
        film.frames.heartbeat(run_.run_id)
        assert reap(instance, film.frames) == []
        assert reap(instance, film.frames, datetime.timedelta(seconds=-1)) == [run_.run_id]
        assert film.frames.silent_runs(datetime.timedelta(seconds=-1)) == []
    failed = instance.get_run_by_id(run_.run_id)
    assert failed is not None
    assert failed.status == dg.DagsterRunStatus.FAILURE


def _nothing() -> dg.JobDefinition:
    @dg.op
    def rest() -> None:
        """Does nothing."""

    @dg.job
    def lost() -> None:
        rest()

    return lost


def test_a_run_that_ends_leaves_no_heartbeat(new_film: SmallFilm, instance: dg.DagsterInstance) -> None:
    register_shots(instance, [FIRST, SECOND])
    run(new_film, instance, ["look"], (FIRST, SECOND))
    with Film(new_film.root) as film:
        assert film.frames.silent_runs(datetime.timedelta(seconds=-1)) == []


def test_the_resource_reads_the_environment() -> None:
    resource = FilmResource.from_environment({"FILM_PRODUCTION": "/somewhere", "FILM_REVIEW_URL": "http://there"})
    assert (resource.production, resource.review_url) == ("/somewhere", "http://there")
    assert os.environ.get("FILM_PRODUCTION") != "/somewhere"


def test_processes_that_open_a_new_production_at_the_same_moment_all_get_its_instance(new_film: SmallFilm) -> None:
    def open_it() -> None:
        with Film(new_film.root) as film, studio_instance(film) as instance:
            instance.get_runs_count()

    for _ in range(2):
        assert at_once(3, open_it) == []
        shutil.rmtree(new_film.root / ".film")
