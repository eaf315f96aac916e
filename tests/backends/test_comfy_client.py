"""A ComfyUI server's jobs: ordered once, followed to their end, fetched whole, cancelled one by one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backend_makers import KEY, OpenGate, a_guide, a_job, a_production, a_ticket, a_work, an_approval
from comfy_stand_in import ComfyStandIn, a_png

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.core.gate import GateLocked
from film_pipeline.core.generating import Health, News, Progress, SubmitFailed, SubmitUncertain
from film_pipeline.core.problems import FilmProblem

PLAN = {"kind": "local-klein", "model": "klein-4b"}
PRODUCTION = a_production({"local-klein": PLAN})
GATE_APPROVAL = an_approval(["local-klein"])
Test = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A server, a backend that works on it, and a gate between them."""

    def __init__(self, server: ComfyStandIn, folder: Path, token: str = "") -> None:
        self.server, self.folder = server, folder
        self.gate = OpenGate(GATE_APPROVAL)
        self.opened: list[LocalKlein] = []
        self.environment = {"COMFYUI_TOKEN": token} if token else {}
        self.backend = self.another_process()

    def another_process(self) -> LocalKlein:
        """The same backend, as a new process would open it."""
        credentials = Credentials(self.environment, PRODUCTION, self.folder)
        plan = PRODUCTION.generation["local-klein"]
        backend = LocalKlein("local-klein", plan, credentials, self.server.url, poll_s=0.1)  # type: ignore[arg-type]
        self.opened.append(backend)
        return backend

    async def submit(self, job: str = "", **work: Any) -> str:
        ticket = a_ticket("local-klein", job=job or a_job())
        return await self.backend.submit(self.gate, ticket, a_work(**work))

    async def until(self, job: str, *states: Progress, timeout_s: float = 5.0) -> News:
        """The first news that the job is in one of these states."""
        async with asyncio.timeout(timeout_s):
            while True:
                for news in await self.backend.news([job], 0.5):
                    if news.state in states:
                        return news


def on_a_stage(tmp_path: Path, test: Test, token: str = "", **server: Any) -> None:
    async def whole() -> None:
        async with ComfyStandIn(token, **server) as stand_in:
            stage = Stage(stand_in, tmp_path, token)
            try:
                await test(stage)
            finally:
                for backend in stage.opened:
                    await backend.close()

    asyncio.run(whole())


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
            OpenGate(GATE_APPROVAL).admit(a_ticket("local-klein", job=job), a_work().covered),
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
        with pytest.raises(SubmitFailed, match="ComfyUI lacks the model flux-2-klein-4b.safetensors") as told:
            await stage.submit()
        assert told.value.spill and stage.server.posted == []
        stage.server.nodes["UNETLoader"]["input"]["required"]["unet_name"] = [["flux-2-klein-4b.safetensors"], {}]
        await stage.submit()

    on_a_stage(tmp_path, test)


# Following


def test_a_job_is_told_as_it_waits_runs_and_is_done(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        assert (await stage.until(job, Progress.WAITING)).progress == 0
        await stage.server.begin(job)
        await stage.until(job, Progress.RUNNING)
        await stage.server.tell("progress", value=2, max=4, prompt_id=job, node="14")
        await stage.server.show(b"a preview")
        seen = [await stage.until(job, Progress.RUNNING)]
        while not seen[-1].preview:
            seen.append(await stage.until(job, Progress.RUNNING))
        assert max(news.progress for news in seen) == 0.5
        assert seen[-1].preview == b"a preview"
        await stage.server.finish(job)
        done = await stage.until(job, Progress.DONE)
        assert done.seconds == 2.5 and done.charged_usd == 0

    on_a_stage(tmp_path, test)


def test_success_counts_only_when_history_is_there(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.begin(job)
        await stage.until(job, Progress.RUNNING)
        await stage.server.tell("execution_success", prompt_id=job)
        assert all(news.state is Progress.RUNNING for news in await stage.backend.news([job], 0.3))
        await stage.server.finish(job)
        await stage.until(job, Progress.DONE, timeout_s=1.0)

    on_a_stage(tmp_path, test)


def test_the_end_is_told_each_time_it_is_asked_about(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.finish(job)
        for _ in range(3):
            await stage.until(job, Progress.DONE)

    on_a_stage(tmp_path, test)


def test_without_news_the_time_is_waited_out(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.until(job, Progress.WAITING)
        before = asyncio.get_running_loop().time()
        assert await stage.backend.news([job], 0.4) == []
        assert 0.35 < asyncio.get_running_loop().time() - before < 1.5

    on_a_stage(tmp_path, test)


def test_jobs_are_followed_by_asking_while_the_socket_is_down(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.faults["GET /ws"] = [500] * 1000
        job = await stage.submit()
        await stage.until(job, Progress.WAITING)
        await stage.server.finish(job)
        await stage.until(job, Progress.DONE, timeout_s=2.0)

    on_a_stage(tmp_path, test)


def test_a_socket_that_drops_is_opened_again(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.until(job, Progress.WAITING)
        while not stage.server.sockets:
            await asyncio.sleep(0.01)
        (first,) = stage.server.sockets.values()
        await first.close()
        async with asyncio.timeout(3):
            while next(iter(stage.server.sockets.values())) is first:
                await stage.backend.news([job], 0.1)
        await stage.server.finish(job)
        await stage.until(job, Progress.DONE, timeout_s=2.0)

    on_a_stage(tmp_path, test)


def test_a_new_process_follows_the_jobs_of_the_one_before(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.backend.close()
        stage.backend = stage.another_process()
        assert await stage.backend.find(a_ticket("local-klein", job=job)) == job
        await stage.until(job, Progress.WAITING)
        await stage.server.finish(job)
        await stage.until(job, Progress.DONE, timeout_s=2.0)

    on_a_stage(tmp_path, test)


def test_a_job_that_a_restart_lost_is_gone_and_never_done(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.begin(job)
        await stage.until(job, Progress.RUNNING)
        stage.server.restart()
        gone = await stage.until(job, Progress.GONE, Progress.DONE)
        assert gone.state is Progress.GONE and gone.retryable and "restart" in gone.error
        assert await stage.backend.find(a_ticket("local-klein", job=job)) is None

    on_a_stage(tmp_path, test)


def test_a_server_that_is_down_for_a_while_loses_no_job(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.__aexit__()
        assert await stage.backend.news([job], 0.5) == []
        await stage.server.__aenter__()
        await stage.until(job, Progress.WAITING)
        await stage.server.finish(job)
        await stage.until(job, Progress.DONE)

    on_a_stage(tmp_path, test)


def test_one_empty_answer_does_not_make_a_job_lost(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.until(job, Progress.WAITING)
        kept, stage.server.pending = stage.server.pending, []
        told = await stage.backend.news([job], 0.0)
        stage.server.pending = kept
        assert all(news.state is not Progress.GONE for news in told)
        assert all(news.state is not Progress.GONE for news in await stage.backend.news([job], 0.5))

    on_a_stage(tmp_path, test)


def test_a_failed_job_names_shot_and_node(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        decoding = next(node for node, part in stage.server.pending[0][2].items() if part["class_type"] == "VAEDecode")
        await stage.server.fail(job, decoding, "the latent is empty")
        failed = await stage.until(job, Progress.FAILED, timeout_s=2.0)
        assert failed.error == (
            "SC010_SH020: ComfyUI failed at decoding (VAEDecode): RuntimeError: the latent is empty"
        )
        assert not failed.retryable

    on_a_stage(tmp_path, test)


def test_running_out_of_memory_may_pass(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.fail(job, "1", "CUDA out of memory. Tried to allocate 2 GiB")
        assert (await stage.until(job, Progress.FAILED)).retryable

    on_a_stage(tmp_path, test)


def test_a_job_without_a_picture_has_failed(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.finish(job, pictures=False)
        assert "without a picture" in (await stage.until(job, Progress.FAILED, Progress.DONE)).error

    on_a_stage(tmp_path, test)


# Fetching and cancelling


def test_a_picture_is_brought_home_whole(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job, picture = await stage.submit(), a_png(shade=7)
        await stage.server.finish(job, picture)
        await stage.until(job, Progress.DONE)
        stage.server.faults["GET /view"] = ["short", 502]
        fetched = await stage.backend.fetch(job, tmp_path / "home")
        assert fetched.path.read_bytes() == picture
        assert [path.name for path in (tmp_path / "home").iterdir()] == [f"{job}.png"]
        assert fetched.seconds == 2.5 and fetched.charged_usd == 0

    on_a_stage(tmp_path, test)


def test_a_picture_that_is_always_cut_is_a_problem_and_leaves_no_file(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        await stage.server.finish(job, a_png()[:-9])
        await stage.until(job, Progress.DONE)
        with pytest.raises(FilmProblem, match="cut short"):
            await stage.backend.fetch(job, tmp_path / "home")
        assert not (tmp_path / "home").exists() or not list((tmp_path / "home").iterdir())

    on_a_stage(tmp_path, test)


def test_nothing_is_fetched_of_a_job_that_is_not_done(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        job = await stage.submit()
        with pytest.raises(FilmProblem, match="it is waiting"):
            await stage.backend.fetch(job, tmp_path)
        with pytest.raises(FilmProblem, match="it is not there"):
            await stage.backend.fetch(a_job(), tmp_path)

    on_a_stage(tmp_path, test)


@pytest.mark.parametrize("has_jobs_api", [True, False])
def test_cancelling_stops_one_job_and_nobody_elses(has_jobs_api: bool, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.has_jobs_api = has_jobs_api
        running, waiting, other = [await stage.submit() for _ in range(3)]
        await stage.server.begin(running)
        assert await stage.backend.cancel(running)
        assert await stage.backend.cancel(waiting)
        assert not await stage.backend.cancel(a_job())
        for job in (running, waiting):
            await stage.until(job, Progress.CANCELLED)
        assert [entry[1] for entry in stage.server.pending] == [other]
        assert all(body and body["prompt_id"] == running for body in stage.server.interrupts)
        with pytest.raises(ValueError):
            await stage.backend.cancel("")

    on_a_stage(tmp_path, test)


# Token, health


def test_the_token_goes_with_every_request_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(stage: Stage) -> None:
        with caplog.at_level("DEBUG"):
            job = await stage.submit(guides=[a_guide(tmp_path, "plate")])
            await stage.server.finish(job)
            news = await stage.until(job, Progress.DONE)
            fetched = await stage.backend.fetch(job, tmp_path / "home")
        assert set(stage.server.authorizations) == {f"Bearer {KEY}"}
        shown = f"{stage.server.requests}{news}{fetched}{stage.backend.recipe(a_work())}{caplog.text}{vars(stage.backend)}"
        assert KEY not in shown

    on_a_stage(tmp_path, test, token=KEY)


def test_a_wrong_token_is_told(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.token = "another"
        with pytest.raises(SubmitFailed) as told:
            await stage.submit()
        assert "refused our token" in str(told.value) and KEY not in str(told.value)
        assert not (await stage.backend.health()).ready

    on_a_stage(tmp_path, test, token=KEY)


def test_health_says_how_much_more_it_takes(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        assert (await stage.backend.health()).slots == 2
        await stage.submit()
        health = await stage.backend.health()
        assert health.ready and health.slots == 1 and health.queued == 1
        assert stage.backend.software() == "ComfyUI 0.33.0"

    on_a_stage(tmp_path, test)


def test_a_backend_can_be_used_by_one_event_loop_after_another(tmp_path: Path) -> None:
    async def opened() -> ComfyStandIn:
        return await ComfyStandIn().__aenter__()

    with asyncio.Runner() as servers:
        server = servers.run(opened())
        stage = Stage(server, tmp_path)

        async def asked_and_closed() -> Health:
            health = await stage.backend.health()
            await stage.backend.close()
            return health

        async def ask() -> None:
            for _ in range(2):
                health = await asyncio.to_thread(lambda: asyncio.run(asked_and_closed()))
                assert health.ready

        servers.run(ask())
        servers.run(server.__aexit__())
