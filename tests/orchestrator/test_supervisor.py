"""The supervisor against stand-ins that behave, and misbehave, as the real services do."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from floor import LOCAL, SERVERLESS, SHOT, Floor

from film_pipeline import simulators
from film_pipeline.core.jobs import JobState
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.wanted import Wanted

FRAMES = range(1001, 1009)


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[Any]:
    with simulators.comfyui(tmp_path / "comfyui", frame_s=0.02, load_s=0.0, node_s=0.0) as server:
        yield server


@pytest.fixture
def serverless(tmp_path: Path) -> Iterator[Any]:
    endpoints = {"klein": {"worker": "prompt-and-references", "usd_per_image": "0.04", "frame_s": 0.05, "cold_s": 0.1}}
    with simulators.runpod_serverless(
        tmp_path / "runpod", key="order", watch_key="watch", endpoints=endpoints
    ) as server:
        yield server


def local_floor(tmp_path: Path, comfy: Any, **how: Any) -> Floor:
    return Floor(tmp_path / "film", {"local": LOCAL}, {"COMFYUI_URL": comfy.url}, **how)


def serverless_floor(tmp_path: Path, serverless: Any, **how: Any) -> Floor:
    environment = {
        "RUNPOD_API_KEY": "order",
        "RUNPOD_WATCH_KEY": "watch",
        "RUNPOD_ENDPOINT_BASE_URL": serverless.url + "/v2",
    }
    return Floor(tmp_path / "film", {"serverless": SERVERLESS}, environment, **how)


def states(floor: Floor) -> list[JobState]:
    return [job.state for job in floor.ledger.jobs.of()]


def test_every_frame_of_a_take_comes_home_once(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    report = floor.run(floor.wanted(take, FRAMES))
    assert report.problems == {}
    assert {frame for _, frame in floor.landed} == set(FRAMES)
    assert states(floor) == [JobState.INDEXED] * len(FRAMES)
    assert not comfy.bill().ordered_twice()
    assert not list((floor.made / "orders").glob("*.json"))
    assert floor.landed[1, 1001].picture.shape == (48, 64, 3)


def test_what_is_made_is_not_made_again(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    floor.run(floor.wanted(take, FRAMES))
    floor.landed.clear()
    report = floor.run(floor.wanted(take, FRAMES))
    assert len(report.made) == len(FRAMES)
    assert floor.landed == {}


def test_without_a_signature_nothing_is_ordered(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign(takes=1)
    take = floor.open_take()
    [approval] = floor.ledger.approvals.all()
    floor.ledger.revoke(approval.id, "director", "changed my mind")
    report = floor.run(floor.wanted(take, FRAMES))
    assert report.made == set()
    assert all("took it back" in why for why in report.problems.values()), report.problems
    assert not comfy.bill().orders


def test_a_paid_take_costs_what_the_provider_bills(tmp_path: Path, serverless: Any) -> None:
    floor = serverless_floor(tmp_path, serverless)
    floor.sign()
    take = floor.open_take()
    report = floor.run(floor.wanted(take, FRAMES))
    assert report.problems == {}
    total = floor.ledger.spend.total()
    assert total.settled_usd == serverless.bill().total_usd == Decimal("0.04") * len(FRAMES)
    assert total.reserved_usd == 0
    assert floor.ledger.spend.audit() == []


def test_the_cap_holds(tmp_path: Path, serverless: Any) -> None:
    floor = serverless_floor(tmp_path, serverless)
    floor.sign(cap="0.20")
    take = floor.open_take()
    report = floor.run(floor.wanted(take, FRAMES))
    assert len(report.made) == 5
    assert all("0.20" in why or "0.00" in why for why in report.problems.values()), report.problems
    assert serverless.bill().total_usd == Decimal("0.20")


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "black", "input_back"])
def test_a_bad_picture_is_refused_and_made_again(tmp_path: Path, comfy: Any, kind: str) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    comfy.fail(kind, "picture", times=1)
    report = floor.run(floor.wanted(take, [1001, 1002]))
    assert len(report.made) == 2, report.problems
    assert sorted(states(floor)) == sorted([JobState.FAILED, JobState.INDEXED, JobState.INDEXED])


def test_a_frame_that_fails_every_time_is_a_problem_and_not_a_loop(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    comfy.fail("execution_error", "job")
    report = floor.run(floor.wanted(take, [1001]))
    assert report.made == set()
    [why] = report.problems.values()
    assert why
    assert len(floor.ledger.jobs.of()) <= 3


def test_an_order_that_broke_after_it_was_sent_is_found_and_never_sent_twice(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    comfy.fail("drop_after", "POST /prompt", times=3)
    floor.run(floor.wanted(take, FRAMES))
    report = floor.run(floor.wanted(take, FRAMES))
    assert len(report.made) == len(FRAMES), report.problems
    assert not comfy.bill().ordered_twice()
    assert not comfy.bill().keys_used_twice()


def test_a_paid_order_that_broke_after_it_was_sent_waits_for_a_person(tmp_path: Path, serverless: Any) -> None:
    floor = serverless_floor(tmp_path, serverless)
    floor.sign()
    take = floor.open_take()
    serverless.fail("drop_after", "POST run", times=1)
    report = floor.run(floor.wanted(take, [1001, 1002]))
    assert len(report.made) == 1
    assert len(report.uncertain) == 1
    again = floor.run(floor.wanted(take, [1001, 1002]))
    assert len(again.made) == 1
    assert len(again.uncertain) == 1
    total = floor.ledger.spend.total()
    assert total.uncertain_usd == Decimal("0.04")
    assert len(serverless.bill().orders) == 2


def test_a_server_that_forgot_everything_gets_the_frames_again(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()
    comfy.fail("crash", "take", times=1, after=2)
    report = floor.run(floor.wanted(take, FRAMES))
    assert len(report.made) == len(FRAMES), report.problems
    assert JobState.LOST in states(floor)


def test_a_backend_that_is_away_is_said_and_does_not_hold_the_run_for_ever(tmp_path: Path) -> None:
    floor = Floor(tmp_path / "film", {"local": LOCAL}, {"COMFYUI_URL": "http://127.0.0.1:9"})
    floor.sign()
    take = floor.open_take()
    report = floor.run(floor.wanted(take, [1001]), away_s=0.3)
    [why] = report.problems.values()
    assert "127.0.0.1:9" in why


def test_frames_spill_over_to_another_backend_that_was_signed(tmp_path: Path, comfy: Any, serverless: Any) -> None:
    environment = {
        "COMFYUI_URL": comfy.url,
        "RUNPOD_API_KEY": "order",
        "RUNPOD_WATCH_KEY": "watch",
        "RUNPOD_ENDPOINT_BASE_URL": serverless.url + "/v2",
    }
    floor = Floor(tmp_path / "film", {"local": {**LOCAL, "queue_depth": 1}, "serverless": SERVERLESS}, environment)
    floor.sign()
    comfy.control("timing", frame_s=0.4)
    take = floor.open_take()
    report = floor.run(floor.wanted(take, FRAMES))
    assert report.problems == {}
    made_by = {landed.backend.name for landed in floor.landed.values()}
    assert made_by == {"local", "serverless"}
    assert floor.ledger.spend.total().settled_usd == serverless.bill().total_usd


def test_a_take_that_is_opened_while_the_run_goes_on_is_made_by_the_same_run(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign(takes=2)
    first, news = floor.open_take(), floor.ledger.takes.news()
    news.read()
    comfy.control("timing", frame_s=0.3)
    asked: list[int] = []

    def more() -> list[Wanted]:
        if floor.landed and not asked:
            asked.append(floor.open_take().take)
        return [frame for take in news.read() for frame in floor.wanted(take, FRAMES)]

    report = floor.supervisor(more=more).run(floor.wanted(first, FRAMES))
    assert report.problems == {}
    assert {take for take, _ in floor.landed} == {first.take, *asked} == {1, 2}
    assert states(floor) == [JobState.INDEXED] * 2 * len(FRAMES)


def test_what_is_asked_for_when_the_last_frame_is_home_still_belongs_to_the_run(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign(takes=2)
    first = floor.open_take()
    asked: list[int] = []

    def more() -> list[Wanted]:
        done = [job for job in floor.ledger.jobs.of() if job.state is JobState.INDEXED]
        if len(done) < 2 or asked:
            return []
        asked.append(floor.open_take().take)
        return floor.wanted(floor.ledger.takes.of(SHOT)[-1], [1001])

    # It is asked for nothing while it works: only once more, before it leaves.
    report = floor.supervisor(more=more, more_s=60.0).run(floor.wanted(first, [1001, 1002]))
    assert report.problems == {}
    assert set(floor.landed) == {(1, 1001), (1, 1002), (2, 1001)}


def test_a_run_goes_on_when_it_can_not_be_told_what_else_is_wanted(tmp_path: Path, comfy: Any) -> None:
    floor = local_floor(tmp_path, comfy)
    floor.sign()
    take = floor.open_take()

    def more() -> list[Wanted]:
        raise FilmProblem("the cameras were turned over anew", "film run")

    report = floor.supervisor(more=more, more_s=0.01).run(floor.wanted(take, [1001]))
    assert report.problems == {}
    assert set(floor.landed) == {(1, 1001)}
