"""Renting pods: through the gate, never twice, and ended where they are of no use."""

import asyncio
import base64
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from backend_makers import (
    KEY,
    WATCH,
    OpenGate,
    a_guide,
    a_job,
    a_ticket,
)
from pod_rig import APPROVAL, PLAN, Rig, on_a_rig
from runpod_stand_in import NO_CAPACITY

from film_pipeline.backends import pod_guard
from film_pipeline.backends.pod_client import pod_name
from film_pipeline.core.gate import GateLocked
from film_pipeline.core.generating import Progress, SubmitFailed, SubmitUncertain

# Starting


def test_the_first_frame_rents_a_pod_in_its_own_name_and_waits_for_comfyui(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        provider_id = await rig.submit(job, guides=[a_guide(tmp_path, "plate")])
        ((pod, comfy),) = rig.runpod.comfy.items()
        assert provider_id == f"{pod}/{job}" and comfy.posted == [job]
        ((key, body),) = rig.created()
        assert key == KEY
        assert body["name"] == f"film_the-bridge_pods_{job}"
        assert body["gpu"] == {"id": "NVIDIA GeForce RTX 4090", "count": 1}
        assert body["ports"] == ["8188/http"] and "{port}" in body["env"]["FILM_POD_START"]
        assert zlib.decompress(base64.b64decode(body["env"]["FILM_GUARD"])) == Path(pod_guard.__file__).read_bytes()
        assert KEY not in str(body) and WATCH not in str(body)

    on_a_rig(tmp_path, test)


def test_a_locked_gate_reads_no_key_and_asks_nobody(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.gate.locked = "the budget is spent"
        with pytest.raises(GateLocked):
            await rig.submit()
        assert rig.runpod.asked == [] and rig.environment.reads == []

    on_a_rig(tmp_path, test)


def test_a_forged_admission_starts_no_pod(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.gate = OpenGate(APPROVAL.model_copy(update={"cap_usd": Decimal("5000")}))
        with pytest.raises(GateLocked, match="forged or edited"):
            await rig.submit()
        assert rig.runpod.asked == [] and rig.environment.reads == []

    on_a_rig(tmp_path, test)


def test_starting_uses_the_ordering_key_and_everything_else_the_watching_one(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        await rig.backend.fetch(provider_id, tmp_path / "home")
        await rig.sweep()
        keys = {(method, path.split("/")[2]): key for method, path, key, _ in rig.runpod.asked}
        assert keys[("POST", "pods")] in (KEY, WATCH)
        assert {key for key, _ in rig.created()} == {KEY}
        assert {key for method, path, key, _ in rig.runpod.asked if (method, path) != ("POST", "/v2/pods")} == {WATCH}

    on_a_rig(tmp_path, test)


def test_no_key_ever_goes_to_a_pod_or_into_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(rig: Rig) -> None:
        with caplog.at_level("DEBUG"):
            provider_id = await rig.submit()
            (comfy,) = rig.runpod.comfy.values()
            await rig.finish(provider_id)
            news = await rig.until(provider_id, Progress.DONE)
            reports = await rig.backend.workers()
        token = rig.created()[0][1]["env"]["FILM_POD_TOKEN"]
        assert set(comfy.authorizations) == {f"Bearer {token}"}
        shown = f"{comfy.requests}{news}{reports}{caplog.text}{vars(rig.backend._fleet)}"
        for secret in (KEY, WATCH, token):
            assert secret not in shown

    on_a_rig(tmp_path, test)


def test_a_provider_that_repeats_the_key_is_not_repeated(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [(403, {"title": "Forbidden", "detail": f"the key {KEY} may not"})]
        with pytest.raises(SubmitFailed) as told:
            await rig.submit()
        assert "may not" in str(told.value) and KEY not in str(told.value)

    on_a_rig(tmp_path, test)


def test_a_gpu_that_is_not_to_be_had_makes_room_for_the_next(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [(400, NO_CAPACITY)]
        await rig.submit()
        assert [body["gpu"]["id"] for _, body in rig.created()] == PLAN["gpus"]

    on_a_rig(tmp_path, test)


def test_no_gpu_to_be_had_sends_the_frame_elsewhere(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [(400, NO_CAPACITY), (400, {"detail": "disk must be at least 50"})]
        with pytest.raises(SubmitFailed) as told:
            await rig.submit()
        assert told.value.spill and told.value.retry_after_s
        assert "no longer any instances" in str(told.value) and "disk must be at least 50" in str(told.value)
        health = await rig.backend.health()
        assert not health.ready and "no pod to be had" in health.why

    on_a_rig(tmp_path, test)


def test_an_empty_account_is_told_as_such(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [402]
        with pytest.raises(SubmitFailed, match="no money left") as told:
            await rig.submit()
        assert told.value.spill and len(rig.created()) == 1
        assert not (await rig.backend.health()).ready

    on_a_rig(tmp_path, test)


def test_a_broken_rule_is_not_tried_on_other_gpus(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [(422, {"title": "Unprocessable", "errors": ["image is required"]})]
        with pytest.raises(SubmitFailed, match="image is required") as told:
            await rig.submit()
        assert told.value.retry_after_s == 0 and len(rig.created()) == 1

    on_a_rig(tmp_path, test)


def test_too_many_requests_are_waited_for(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [429]
        with pytest.raises(SubmitFailed) as told:
            await rig.submit()
        assert told.value.retry_after_s == 7 and len(rig.created()) == 1

    on_a_rig(tmp_path, test)


@pytest.mark.parametrize("fault", ["drop after", "cut", "after 502"])
def test_a_pod_whose_answer_did_not_come_is_found_by_its_name_and_not_started_twice(fault: str, tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [fault]
        provider_id = await rig.submit()
        assert len(rig.created()) == 1 and list(rig.runpod.pods) == [provider_id.partition("/")[0]]

    on_a_rig(tmp_path, test)


@pytest.mark.parametrize("fault", ["drop", 500, 502])
def test_a_pod_that_may_have_been_started_leaves_the_order_uncertain(fault: Any, tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.faults["POST /v2/pods"] = [fault]
        with pytest.raises(SubmitUncertain, match="may have been started"):
            await rig.submit()
        assert len(rig.created()) == 1
        assert await rig.backend.find(a_ticket("pods")) is None

    on_a_rig(tmp_path, test)


def test_a_pod_from_before_a_crash_is_taken_and_not_started_again(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        name = pod_name("the-bridge", "pods", job)
        token = rig.backend._credentials.pod_token(name).reveal()
        pod = rig.runpod.add(name, {"FILM_POD_TOKEN": token})
        assert await rig.submit(job) == f"{pod}/{job}"
        assert rig.created() == []

    on_a_rig(tmp_path, test)


def twin_of(rig: Rig, job: str) -> str:
    """A second pod of the same name, as where one order was delivered twice."""
    name = pod_name("the-bridge", "pods", job)
    token = rig.backend._credentials.pod_token(name).reveal()
    return rig.runpod.add(name, {"FILM_POD_TOKEN": token})


def test_the_second_pod_of_an_order_that_was_delivered_twice_gets_no_work(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        let, _, _ = (await rig.submit(job)).partition("/")
        twin = twin_of(rig, job)
        async with asyncio.timeout(5):
            while twin not in {report.worker for report in await rig.backend.workers() if report.state == "ready"}:
                await asyncio.sleep(0.05)
        assert (await rig.submit()).partition("/")[0] == let
        health = await rig.backend.health()
        assert health.slots == 0, "the twin has room that nobody may use"
        # The ledger does not know it: the landlord ends it, and there is room for another one.
        await rig.backend.end_machine(twin, "the ledger does not know it")
        assert (await rig.submit()).partition("/")[0] not in (let, twin)

    on_a_rig(tmp_path, test)


def test_the_second_pod_gets_no_work_when_the_first_has_gone(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        let, _, _ = (await rig.submit(job)).partition("/")
        twin = twin_of(rig, job)
        await rig.backend.workers()
        await rig.backend.end_machine(let, "it went")
        assert (await rig.submit()).partition("/")[0] not in (let, twin)

    on_a_rig(tmp_path, test)


def test_of_two_pods_under_one_name_none_is_taken_before_one_is_gone(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        first, second = twin_of(rig, job), twin_of(rig, job)
        with pytest.raises(SubmitFailed, match="one order has started 2 pods"):
            await rig.submit(job)
        assert (await rig.backend.health()).slots == 2, "room is on the third, that is not rented yet"
        await rig.backend.end_machine(second, "the ledger does not know it")
        assert (await rig.submit()).partition("/")[0] == first
        assert rig.created() == []

    on_a_rig(tmp_path, test, max_workers=3)


def test_gpus_that_cost_too_much_are_not_taken(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.submit()
        assert [body["gpu"]["id"] for _, body in rig.created()] == ["NVIDIA GeForce RTX 4090"]
        rig.runpod.let_for = 1.99
        rig.backend = rig.another_process()
        await rig.sweep()
        with pytest.raises(SubmitFailed, match=r"was let for 1\.99 USD an hour"):
            await rig.submit()
        assert rig.runpod.pods == {}

    on_a_rig(tmp_path, test, max_usd_per_hour="0.70", gpus=["NVIDIA L40S", "NVIDIA GeForce RTX 4090"])


def test_a_pod_whose_comfyui_never_comes_up_is_ended(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.boots = False
        plan = rig.backend._plan.model_copy(update={"boot_timeout_s": 1})
        rig.backend._plan = rig.backend._fleet._plan = plan
        with pytest.raises(SubmitFailed, match="was not ready after 1 s") as told:
            await rig.submit()
        assert told.value.spill and rig.runpod.pods == {}
        (report,) = await rig.backend.workers()
        assert report.state == "ended" and report.boot_s > 0.9
        assert report.cost_usd == report.overhead_usd and report.cost_usd is not None and report.cost_usd > 0

    on_a_rig(tmp_path, test)


def test_a_pod_that_fails_while_it_boots_is_told_at_once(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.boots = False
        submitting = asyncio.create_task(rig.submit())
        while not rig.runpod.pods or next(iter(rig.runpod.pods.values()))["status"] != "RUNNING":
            await asyncio.sleep(0.02)
        next(iter(rig.runpod.pods.values()))["status"] = "ERROR"
        with pytest.raises(SubmitFailed, match="its state at RunPod is ERROR"):
            await asyncio.wait_for(submitting, 5)

    on_a_rig(tmp_path, test)


def test_a_pod_without_our_model_is_ended_at_once(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.runpod.models = []
        with pytest.raises(SubmitFailed, match="lacks the model"):
            await rig.submit()
        assert rig.runpod.pods == {}

    on_a_rig(tmp_path, test)
