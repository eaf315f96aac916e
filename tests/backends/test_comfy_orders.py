"""Orders to a ComfyUI server: through the gate, once, and certain of what became of them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backend_makers import OpenGate, a_guide, a_job, a_ticket, a_work
from comfy_stage import GATE_APPROVAL, PRODUCTION, Stage, on_a_stage

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.core.gate import GateLocked
from film_pipeline.core.generating import SubmitFailed, SubmitUncertain

# Ordering


def test_an_order_goes_through_the_gate_and_under_the_tickets_job(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = a_job()
        assert await stage.submit(job) == job
        assert stage.server.posted == [job]
        assert stage.gate.admitted == [job]
        body = stage.server.requests[-1][2]
        assert body["extra_data"]["extra_pnginfo"]["film"]["shot"] == "SC010_SH020"

    on_a_stage(tmp_path, test)


def test_a_locked_gate_sends_nothing(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.gate.locked = "the look changed"
        with pytest.raises(GateLocked):
            await stage.submit()
        assert stage.server.requests == [] and stage.server.authorizations == []

    on_a_stage(tmp_path, test)


def test_a_ticket_buys_only_what_it_names(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        for changes in ({"frame": 1002}, {"take": 2}, {"shot": "SC010_SH030"}, {"backend": "pods"}):
            with pytest.raises(GateLocked):
                await stage.backend.submit(stage.gate, replace(a_ticket("local-klein"), **changes), a_work())
        assert stage.gate.admitted == []

    on_a_stage(tmp_path, test)


def test_a_backend_does_not_do_what_production_yaml_keeps_from_it(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.backend.purposes = frozenset({"frame"})
        with pytest.raises(SubmitFailed, match="not for a hero") as told:
            await stage.submit(purpose="hero")
        assert told.value.spill

    on_a_stage(tmp_path, test)


def test_the_same_job_posted_twice_is_worked_once(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = a_job()
        await stage.submit(job)
        stage.gate = OpenGate(GATE_APPROVAL)
        stage.backend = stage.another_process()
        assert await stage.submit(job) == job
        await stage.server.finish(job)
        stage.gate, stage.backend = OpenGate(GATE_APPROVAL), stage.another_process()
        assert await stage.submit(job) == job
        assert stage.server.posted == [job]

    on_a_stage(tmp_path, test)


def test_the_same_job_posted_at_the_same_moment_is_worked_once(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        from film_pipeline.backends.klein_orders import prepare

        job, credentials = a_job(), Credentials({}, PRODUCTION, tmp_path)
        order = credentials.for_order(
            await OpenGate(GATE_APPROVAL).admit(a_ticket("local-klein", job=job), a_work().covered),
            "local-klein",
            "COMFYUI_TOKEN",
            needed=False,
        )
        prepared = prepare(a_work(), stage.backend._klein)
        posts = [stage.backend._client.post(order, job, prepared.graph, (), prepared.notes) for _ in range(8)]
        assert set(await asyncio.gather(*posts)) == {job}
        assert stage.server.posted == [job]

    on_a_stage(tmp_path, test)


def test_references_lie_there_once_under_the_name_of_their_content(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        guides = [a_guide(tmp_path, "plate"), a_guide(tmp_path, "pose")]
        await stage.submit(guides=guides)
        await stage.submit(guides=guides)
        stage.backend = stage.another_process()
        await stage.submit(guides=guides)
        assert sorted(stage.server.uploads) == sorted(f"film-{guide.sha256}.png" for guide in guides)

    on_a_stage(tmp_path, test)


def test_a_picture_of_somebody_elses_under_our_name_is_left_alone_and_told(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        guide = a_guide(tmp_path, "plate")
        stage.server.inputs[f"film-{guide.sha256}.png"] = b"theirs"
        with pytest.raises(SubmitFailed, match="holds another picture"):
            await stage.submit(guides=[guide])
        assert stage.server.inputs[f"film-{guide.sha256}.png"] == b"theirs"
        assert stage.server.posted == []

    on_a_stage(tmp_path, test)


def test_references_that_were_removed_are_brought_again(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        guide = a_guide(tmp_path, "plate")
        await stage.submit(guides=[guide])
        stage.server.inputs.clear()
        with pytest.raises(SubmitFailed, match=r"image 1: plate plate \(LoadImage\): image - Invalid image file"):
            await stage.submit(guides=[guide])
        await stage.submit(guides=[guide])
        assert len(stage.server.posted) == 2

    on_a_stage(tmp_path, test)


# Orders that go wrong


def test_a_server_that_is_away_has_surely_not_been_asked(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        backend = LocalKlein(
            "local-klein",
            PRODUCTION.generation["local-klein"],  # type: ignore[arg-type]
            Credentials({}, PRODUCTION, tmp_path),
            "http://127.0.0.1:9",
        )
        with pytest.raises(SubmitFailed, match="is away") as told:
            await backend.submit(stage.gate, a_ticket("local-klein"), a_work())
        assert told.value.spill and told.value.retry_after_s
        health = await backend.health()
        assert not health.ready and "is away" in health.why
        with pytest.raises(SubmitUncertain):
            await backend.find(a_ticket("local-klein"))
        await backend.close()

    on_a_stage(tmp_path, test)


@pytest.mark.parametrize("fault", ["drop after", "cut", "after 502", "after 524"])
def test_an_order_that_arrived_is_found_though_its_answer_did_not_come(fault: str, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.faults["POST /prompt"] = [fault]
        job = a_job()
        assert await stage.submit(job) == job
        assert stage.server.posted == [job]

    on_a_stage(tmp_path, test)


@pytest.mark.parametrize("fault", ["drop", 502, 504, 524])
def test_an_order_that_may_be_under_way_is_uncertain_and_not_sent_again(fault: Any, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.faults["POST /prompt"] = [fault]
        with pytest.raises(SubmitUncertain, match="SC010_SH020"):
            await stage.submit()
        assert stage.server.posted == []

    on_a_stage(tmp_path, test)


def test_what_comfyui_itself_refused_was_not_taken(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        for status, wait in ((500, 2.0), (429, 3.0), (403, 0.0)):
            stage.server.faults["POST /prompt"] = [status]
            with pytest.raises(SubmitFailed) as told:
                await stage.submit()
            assert told.value.retry_after_s == wait
        assert stage.server.posted == []

    on_a_stage(tmp_path, test)


def test_an_order_that_got_through_before_an_error_is_found(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.faults["POST /prompt"] = ["after 500"]
        job = a_job()
        assert await stage.submit(job) == job

    on_a_stage(tmp_path, test)


def test_a_server_that_vanishes_after_the_order_leaves_it_uncertain(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.faults["POST /prompt"] = ["drop after"]
        submitting = asyncio.create_task(stage.submit())
        while not stage.server.posted:
            await asyncio.sleep(0.01)
        await stage.server.__aexit__()
        with pytest.raises(SubmitUncertain):
            await submitting
        await stage.server.__aenter__()

    on_a_stage(tmp_path, test)


def test_a_server_that_gives_ids_of_its_own_is_too_old_and_keeps_nothing_of_ours(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.gives_own_ids = True
        with pytest.raises(SubmitFailed, match="update it"):
            await stage.submit()
        assert stage.server.pending == []

    on_a_stage(tmp_path, test)


def test_a_missing_model_is_told_in_film_terms_and_nothing_is_posted(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.nodes["UNETLoader"]["input"]["required"]["unet_name"] = [[], {}]
        with pytest.raises(SubmitFailed, match="lacks the model flux-2-klein-4b") as told:
            await stage.submit()
        assert told.value.spill and stage.server.posted == []
        stage.server.nodes["UNETLoader"]["input"]["required"]["unet_name"] = [["flux-2-klein-4b.safetensors"], {}]
        await stage.submit()

    on_a_stage(tmp_path, test)
