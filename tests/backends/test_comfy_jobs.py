"""Jobs on a ComfyUI server: followed to their end, fetched whole, cancelled one by one."""

import asyncio
from pathlib import Path

import pytest
from backend_makers import KEY, a_guide, a_job, a_ticket, a_work
from comfy_stage import Stage, on_a_stage
from comfy_stand_in import ComfyStandIn, a_png

from film_pipeline.backends.klein import klein
from film_pipeline.core.generating import FetchFailed, Health, Progress, SubmitFailed
from film_pipeline.core.problems import FilmProblem

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
        with pytest.raises(FetchFailed, match="is waiting"):
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


def test_the_token_goes_with_every_request_and_nowhere_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(stage: Stage) -> None:
        with caplog.at_level("DEBUG"):
            job = await stage.submit(guides=[a_guide(tmp_path, "plate")])
            await stage.server.finish(job)
            news = await stage.until(job, Progress.DONE)
            fetched = await stage.backend.fetch(job, tmp_path / "home")
        assert set(stage.server.authorizations) == {f"Bearer {KEY}"}
        shown = (
            f"{stage.server.requests}{news}{fetched}{stage.backend.recipe(a_work())}{caplog.text}{vars(stage.backend)}"
        )
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


def test_health_says_which_model_is_missing(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.server.nodes["VAELoader"]["input"]["required"]["vae_name"] = [[], {}]
        health = await stage.backend.health()
        assert not health.ready and "lacks the model flux2-vae.safetensors" in health.why
        assert "models/vae" in health.why
        stage.server.nodes["VAELoader"]["input"]["required"]["vae_name"] = [["flux2-vae.safetensors"], {}]
        assert (await stage.backend.health()).ready

    on_a_stage(tmp_path, test)


def test_health_says_that_apple_needs_other_files(tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        stage.backend._klein = klein("klein-4b", "fp8")
        health = await stage.backend.health()
        assert not health.ready and "precision: bf16" in health.why

    on_a_stage(tmp_path, test, device="mps")
