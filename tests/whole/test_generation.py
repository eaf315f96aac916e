"""Generation from the signature to the cut, on every kind of backend at once, against stand-ins with play money."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from simulated_stage import PLAY, Stage

from film_pipeline.core.record import Record
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.gatekeeping import Signing, another_take, sign
from film_pipeline.resources.film import FilmResource
from film_pipeline.sensors.slates import register_shots
from film_pipeline.sensors.takes import takes_asked_for
from film_pipeline.signing import key_file, keys_folder
from film_pipeline.stores.filing import sidecar_of
from film_pipeline.stores.rebuild import verify

pytestmark = pytest.mark.blender

FIRST, SECOND = "SC010_SH010", "SC010_SH020"


def test_a_shot_goes_from_the_gate_to_the_cut(stage: Stage) -> None:
    closed = stage.ask("status")["shots"][0]["stages"]
    assert closed["render"]["state"] == "gate"
    assert closed["deliver"]["state"] == "gate"
    quoted = stage.ask("quote", FIRST, "--takes", "2")
    assert quoted["gate"] == "locked"
    assert {row["backend"] for row in quoted["backends"]} == {
        "klein-local",
        "klein-pods",
        "klein-serverless",
        "image-edit",
    }
    assert [row["commercial"] for row in quoted["backends"]] == [True, False, True, False]
    ran = stage.ask("run", "--through", "color")
    assert set(ran["at_gate"]) == {FIRST, SECOND}, "a run ends at the gate, and is no failure"

    for shot in (FIRST, SECOND):
        stage.ask("approve", shot, "--takes", "2", "--cap", "2.00", "--as", "director")
    done = stage.ask("run")
    assert done["problems"] == []
    with Film(stage.film.root) as film:
        assert list(verify(film.made, film.frames)) == []
        finished = film.frames.latest("color", FIRST)
        assert finished is not None
        for item in finished.of("color"):
            record = Record.model_validate_json(sidecar_of(film.made / item.path).read_bytes())
            assert record.certified_by == "director"
            assert record.signoffs[0].signature
            assert record.lineage.events[0].provider in ("local", "runpod")
            assert record.engine_summary[0] in film.generating
        spent = film.ledger.spend.total()
        assert spent.uncertain_usd == 0
        assert film.ledger.spend.audit() == []
    master = stage.film.root / ".film" / "film" / "deliver" / "v001"
    assert list(master.glob("*.mp4"))


def test_one_backend_alone_makes_a_take_and_its_bill_is_the_ledgers(stage: Stage) -> None:
    before = stage.bill()
    stage.ask("approve", FIRST, "--cap", "1.00", "--as", "director", "--backend", "image-edit")
    stage.ask("run", "--shots", FIRST, "--through", "render")
    with Film(stage.film.root) as film:
        assert film.ledger.spend.total().settled_usd == stage.bill() - before == Decimal("0.09")


def test_changing_the_composition_locks_the_gate_again_and_says_so(stage: Stage) -> None:
    stage.ask("approve", FIRST, "--cap", "1.00", "--as", "director")
    (signed,) = stage.ask("approvals", FIRST)["rows"]
    assert signed[1:4] == [FIRST, "take", "director"]
    assert signed[6] == "1.00 USD of 1.00 USD"
    stage.film.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: reach}")
    stage.ask("run", "--shots", FIRST, "--through", "cameras")
    quoted = stage.ask("quote", FIRST)
    assert quoted["gate"] == "locked"
    assert any("the composition changed" in reason for reason in quoted["reasons"])
    ran = stage.ask("run", "--shots", FIRST, "--through", "render")
    assert "the composition changed" in ran["at_gate"][FIRST]
    assert stage.bill() == 0


def test_a_take_with_direction_and_the_circled_one_goes_into_the_cut(stage: Stage) -> None:
    stage.ask("approve", FIRST, "--takes", "2", "--cap", "2.00", "--as", "director", "--backend", "klein-local")
    first = stage.ask("run", "--shots", FIRST, "--through", "render")
    assert first["problems"] == []
    stage.ask("take", FIRST, "--direction", "colder light")
    stage.ask("run", "--shots", FIRST, "--through", "render")
    with Film(stage.film.root) as film:
        shown = film.frames.latest("render", FIRST)
        assert shown is not None
        assert shown.facts["direction"] == "colder light"
        record = film.frames.record_at(shown.of("render")[0].path)
        assert record is not None
        assert "colder light" in record.lineage.events[0].detail["prompt"]
        takes = sorted(take.take for take in film.ledger.takes.of(FIRST))
    stage.ask("circle", FIRST, str(takes[0]))
    stage.ask("run", "--shots", FIRST, "--through", "color")
    with Film(stage.film.root) as film:
        shown = film.frames.latest("render", FIRST)
        assert shown is not None
        assert shown.version == takes[0]
    refused = stage.run("take", FIRST)
    assert refused.returncode == 1
    assert "locked" in refused.stderr


def test_what_is_signed_while_frames_are_made_is_made_by_the_same_run(stage: Stage) -> None:
    """A shot that waited at the gate, and another take of one that did not."""
    local, keys = stage.studio.servers["comfyui"], keys_folder(os.environ, Path.home())

    def signing(shot: str) -> Signing:
        key, passphrase = key_file(keys, "director"), PLAY["FILM_KEY_PASSPHRASE"]
        return Signing(shot, 2, Decimal("1.00"), "director", key, passphrase, backends=["klein-local"])

    with Film(stage.film.root) as film, Film(stage.film.root) as director, ThreadPoolExecutor(1) as elsewhere:
        sign(director, signing(FIRST))
        local.fail("slow", "GET /view", times=1, seconds=10)
        run = elsewhere.submit(Line(film, DEPARTMENTS).work, "render", [FIRST, SECOND])
        until(lambda: local.bill().orders != ())
        sign(director, signing(SECOND))
        another_take(director, FIRST, "director", "cli", direction="colder light")
        outcomes = run.result(120)
        assert [(one.shot, one.made, one.problem, one.waits) for one in outcomes] == [
            (FIRST, True, None, ""),
            (SECOND, True, None, ""),
        ]
        takes = {take.take for take in film.ledger.takes.of(FIRST)}
        assert len(takes) == 2
        assert takes <= {turnover.version for turnover in film.frames.versions("render", FIRST)}
        newest = film.frames.latest("render", FIRST)
        assert newest is not None
        assert newest.facts["direction"] == "colder light"
        assert list(verify(film.made, film.frames)) == []
    assert not local.bill().ordered_twice()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.02)


def test_a_revoked_approval_opens_nothing_more(stage: Stage) -> None:
    stage.ask("approve", FIRST, "--cap", "1.00", "--as", "director")
    stage.ask("revoke", FIRST, "--note", "wait")
    ran = stage.ask("run", "--shots", FIRST, "--through", "render")
    assert ran["made"] == []
    assert stage.bill() == 0


def test_the_sensor_sees_an_approval_once_and_a_verdict_too(stage: Stage) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        register_shots(instance, [FIRST, SECOND])

        def tick(cursor: str | None) -> dg.SensorResult:
            resources = {"film": FilmResource(production=str(stage.film.root))}
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                found = takes_asked_for(context)
            assert isinstance(found, dg.SensorResult)
            return found

        nothing = tick(None)
        assert nothing.run_requests == []
        for shot in (FIRST, SECOND):
            stage.ask("approve", shot, "--cap", "1.00", "--as", "director")
        asked = tick(nothing.cursor)
        assert len(asked.run_requests or []) == 1, "two neighbouring shots are one run"
        assert (asked.run_requests or [])[0].tags["dagster/asset_partition_range_start"] == FIRST
        assert tick(asked.cursor).run_requests == []
        stage.ask("run", "--shots", FIRST, "--through", "render")
        with Film(stage.film.root) as film:
            take = film.ledger.takes.of(FIRST)[0].take
        stage.ask("reject", FIRST, str(take))
        again = tick(asked.cursor)
        assert len(again.run_requests or []) == 1
