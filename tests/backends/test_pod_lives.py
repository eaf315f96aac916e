"""Rented pods: shared, watched, found again, charged for, and ended in time."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from backend_makers import a_job, a_ticket, a_work
from pod_rig import Rig, on_a_rig

from film_pipeline.backends.pod_client import Pod, job_of, pod_name
from film_pipeline.core.gate import GateLocked, Ticket
from film_pipeline.core.generating import Progress, SubmitUncertain
from film_pipeline.core.problems import FilmProblem

# Sharing


def test_frames_of_many_shots_share_a_warm_pod_and_a_second_is_rented_when_it_is_full(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        first = await rig.submit()
        second = await rig.submit()
        assert first.partition("/")[0] == second.partition("/")[0]
        third = await rig.submit()
        assert third.partition("/")[0] != first.partition("/")[0]
        await rig.finish(first)
        await rig.until(first, Progress.DONE)
        fourth, fifth = await rig.submit(), await rig.submit()
        assert {each.partition("/")[0] for each in (fourth, fifth)} == {
            first.partition("/")[0],
            third.partition("/")[0],
        }
        assert len(rig.created()) == 2

    on_a_rig(tmp_path, test)


def test_frames_that_come_together_rent_no_more_pods_than_they_need(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        ids = await asyncio.gather(*(rig.submit() for _ in range(4)))
        assert len(rig.created()) == 2 and len(set(ids)) == 4
        health = await rig.backend.health()
        assert health.slots == 0 and health.queued == 4 and not health.ready

    on_a_rig(tmp_path, test)


def test_a_frame_without_room_waits_for_room(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        first = await rig.submit()
        waiting = asyncio.create_task(rig.submit())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await rig.finish(first)
        await rig.until(first, Progress.DONE)
        assert (await asyncio.wait_for(waiting, 3)).partition("/")[0] == first.partition("/")[0]

    on_a_rig(tmp_path, test, max_workers=1, queue_depth=1)


def test_frames_are_charged_by_their_seconds_and_the_rest_is_overhead(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        pod = provider_id.partition("/")[0]
        rig.runpod.grow_old(pod, 600)
        await rig.finish(provider_id)
        done = await rig.until(provider_id, Progress.DONE)
        assert done.charged_usd == Decimal("0.000480") and done.estimated and done.worker == pod
        fetched = await rig.backend.fetch(provider_id, tmp_path / "home")
        assert fetched.charged_usd == done.charged_usd and fetched.estimated
        report = await rig.report(pod)
        assert report.busy_s == 2.5 and report.usd_per_hour == Decimal("0.69")
        assert 590 < report.boot_s + report.idle_s < 610
        assert report.cost_usd is not None and report.overhead_usd is not None
        assert Decimal("0.1145") < report.overhead_usd < report.cost_usd < Decimal("0.1165")

    on_a_rig(tmp_path, test)


# Losing and finding


def test_jobs_of_a_pod_that_is_gone_are_gone(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.runpod.end(provider_id.partition("/")[0])
        gone = await rig.until(provider_id, Progress.GONE)
        assert gone.retryable and "the pod that had the job is gone" in gone.error
        assert (await rig.report(provider_id.partition("/")[0])).state == "ended"
        with pytest.raises(FilmProblem, match="is gone"):
            await rig.backend.fetch(provider_id, tmp_path)

    on_a_rig(tmp_path, test)


def test_jobs_that_a_restart_of_comfyui_lost_are_gone_though_the_pod_is_there(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.until(provider_id, Progress.WAITING)
        rig.runpod.comfy[provider_id.partition("/")[0]].restart()
        assert "lost in a restart" in (await rig.until(provider_id, Progress.GONE)).error

    on_a_rig(tmp_path, test)


def test_a_pod_that_does_not_answer_for_long_is_ended_and_its_jobs_are_gone(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        pod = provider_id.partition("/")[0]
        await rig.until(provider_id, Progress.WAITING)
        await rig.runpod.stop(pod)
        await rig.until(provider_id, Progress.GONE, timeout_s=10)
        assert rig.runpod.pods == {}
        assert "did not answer" in (await rig.report(pod)).why

    on_a_rig(tmp_path, test)


def test_a_silent_runpod_makes_no_job_lost(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.until(provider_id, Progress.WAITING)
        rig.runpod.faults["GET /v2/pods"] = [503] * 1000
        assert all(news.state is not Progress.GONE for news in await rig.backend.news([provider_id], 1.0))
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)

    on_a_rig(tmp_path, test)


def test_a_new_process_finds_pods_and_jobs_of_the_one_before(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        provider_id = await rig.submit(job)
        await rig.backend.close()
        rig.backend = rig.another_process()
        assert await rig.backend.find(a_ticket("pods", job=job)) == provider_id
        assert await rig.backend.find(a_ticket("pods")) is None
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        assert (await rig.backend.fetch(provider_id, tmp_path / "home")).path.is_file()
        assert (await rig.submit()).partition("/")[0] == provider_id.partition("/")[0]
        assert len(rig.created()) == 1

    on_a_rig(tmp_path, test)


def test_a_new_process_hears_that_jobs_are_gone_whose_pod_has_ended(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        rig.backend = rig.another_process()
        assert (await rig.until(f"1234/{a_job()}", Progress.GONE)).retryable

    on_a_rig(tmp_path, test)


def test_a_pod_that_does_not_say_leaves_its_jobs_uncertain(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.runpod.stop(provider_id.partition("/")[0])
        with pytest.raises(SubmitUncertain):
            await rig.backend.find(a_ticket("pods", job=provider_id.partition("/")[2]))
        rig.runpod.faults["GET /v2/pods"] = [500] * 10
        with pytest.raises(SubmitUncertain, match="which pods"):
            await rig.backend.find(a_ticket("pods"))

    on_a_rig(tmp_path, test)


def test_cancelling_stops_the_job_and_keeps_the_pod(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        first, second = await rig.submit(), await rig.submit()
        assert await rig.backend.cancel(first)
        assert (await rig.until(first, Progress.CANCELLED)).state is Progress.CANCELLED
        comfy = rig.runpod.comfy[first.partition("/")[0]]
        assert [entry[1] for entry in comfy.pending] == [second.partition("/")[2]]
        assert not await rig.backend.cancel(f"9/{a_job()}")

    on_a_rig(tmp_path, test)


# Ending


def test_a_sweep_ends_what_the_ledger_does_not_know_and_nobody_elses_pods(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        known_by_job, known_by_id, unknown = a_job(), a_job(), a_job()
        needed = [rig.runpod.add(pod_name("the-bridge", "pods", job)) for job in (known_by_job, known_by_id)]
        lost = rig.runpod.add(pod_name("the-bridge", "pods", unknown))
        renamed = rig.runpod.add(pod_name("the-bridge", "older-pods", a_job()))
        others = [
            rig.runpod.add(name)
            for name in (
                pod_name("the-bridge-2", "pods", a_job()),
                "film_the-bridge_pods_training",
                "my-training-pod",
                f"film_the-bridge_{a_job()}",
            )
        ]
        ended = await rig.sweep(known_by_job, needed[1])
        assert {report.worker for report in ended} == {lost, renamed}
        assert {report.ticket for report in ended} >= {unknown}
        assert set(rig.runpod.pods) == {*needed, *others}
        assert all(report.cost_usd is not None for report in ended)

    on_a_rig(tmp_path, test)


def test_a_sweep_that_could_not_end_a_pod_says_so(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        pod = rig.runpod.add(pod_name("the-bridge", "pods", a_job()))
        rig.runpod.faults["/action"] = [500]
        with pytest.raises(FilmProblem, match=f"pod {pod} still costs money"):
            await rig.sweep()
        rig.runpod.faults["/action"] = ["drop"]
        with pytest.raises(FilmProblem, match="may still cost money"):
            await rig.sweep()
        rig.runpod.faults["GET /v2/pods"] = [500]
        with pytest.raises(FilmProblem, match="does not answer"):
            await rig.sweep()
        rig.runpod.faults["/action"] = [409]
        await rig.sweep()
        assert rig.runpod.pods == {}

    on_a_rig(tmp_path, test)


def test_an_idle_pod_is_ended_and_not_before_its_pictures_are_home(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        assert await rig.backend.end_idle() == []
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        assert await rig.backend.end_idle() == []
        await rig.backend.fetch(provider_id, tmp_path / "home")
        (ended,) = await rig.backend.end_idle()
        assert ended.state == "ended" and rig.runpod.pods == {}

    on_a_rig(tmp_path, test)


def test_a_warm_pod_is_kept_for_as_long_as_was_said(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        await rig.backend.fetch(provider_id, tmp_path / "home")
        assert await rig.backend.end_idle() == []
        health = await rig.backend.health()
        assert health.ready and health.warm_models == {"klein-4b bf16"}

    on_a_rig(tmp_path, test, idle_s=60)


def test_a_pod_that_works_for_another_process_is_not_idle(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.submit()
        await rig.taken_over()
        assert await rig.backend.end_idle() == []

    on_a_rig(tmp_path, test)


def test_a_pod_with_a_picture_of_an_order_that_was_in_doubt_is_not_idle_before_that_is_home(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job, work = a_job(), a_work()
        ticket = a_ticket("pods", job=job, work=work)
        await rig.finish(await rig.submit(job))
        await rig.taken_over(settling_s=0.0)
        provider_id = await rig.backend.find(ticket)
        assert provider_id is not None
        assert await rig.backend.end_idle() == []
        await rig.until(provider_id, Progress.DONE)
        await rig.backend.fetch(provider_id, tmp_path / "home")
        [ended] = await rig.backend.end_idle()
        assert ended.state == "ended"

    on_a_rig(tmp_path, test)


def test_a_pod_that_was_taken_over_is_not_idle_while_orders_in_doubt_are_looked_for(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.finish(await rig.submit())
        await rig.taken_over(settling_s=0.3)
        await asyncio.sleep(0.4)
        rig.runpod.faults["GET /v2/pods"] = [500] * 6
        with pytest.raises(SubmitUncertain):
            await rig.backend.find(a_ticket("pods"))
        assert await rig.backend.end_idle() == [], "what nobody could ask about is still there"
        rig.runpod.faults.clear()
        await asyncio.sleep(0.4)
        assert len(await rig.backend.end_idle()) == 1

    on_a_rig(tmp_path, test)


def test_a_pod_whose_order_a_person_has_given_up_is_idle(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        job = a_job()
        await rig.finish(await rig.submit(job))
        await rig.taken_over(settling_s=0.0)
        provider_id = await rig.backend.find(a_ticket("pods", job=job, work=a_work()))
        assert provider_id is not None
        rig.backend.forget(provider_id)
        assert len(await rig.backend.end_idle()) == 1

    on_a_rig(tmp_path, test)


def test_closing_lets_pods_and_orders_go_on(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.backend.close()
        assert len(rig.runpod.pods) == 1
        assert rig.runpod.comfy[provider_id.partition("/")[0]].pending

    on_a_rig(tmp_path, test)


# Quotes and health


def test_a_quote_is_unknown_until_the_catalog_and_a_frame_have_told(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        quote = rig.backend.quote(10, (1000, 1000))
        assert quote.cost_usd is None and "price unknown" in quote.said
        assert (await rig.backend.health()).ready
        quote = rig.backend.quote(10, (1000, 1000))
        assert quote.cost_usd is None and "how long a frame takes is unknown" in quote.said
        rig.backend.pace.measured(9.0, (1000, 1000))
        quote = rig.backend.quote(10, (1000, 1000))
        # 10 frames of 9 s on 2 pods, which boot for 30 s at most: 150 s of 0.86 USD an hour.
        assert quote.cost_usd == Decimal("0.035834") and "0.86 USD an hour for a NVIDIA L40S" in quote.said
        assert "2 x 30 s to boot (at most) and 0 s idle" in quote.said

    on_a_rig(tmp_path, test)


def test_a_measured_boot_counts_more_than_a_guess(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.submit()
        assert "(as measured)" in rig.backend.quote(1, (1280, 720)).said

    on_a_rig(tmp_path, test, seconds_per_frame=12)


def test_booting_is_part_of_a_quote_where_it_is_known(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.backend.health()
        quote = rig.backend.quote(10, (1280, 720))
        # 120 s of frames, and 2 pods that each boot for 120 s and idle for 60 s: 480 s of 0.69 USD an hour.
        assert quote.cost_usd == Decimal("0.092") and "120 s to boot (as production.yaml says)" in quote.said

    on_a_rig(
        tmp_path,
        test,
        seconds_per_frame=12,
        boot_s=120,
        idle_s=60,
        gpus=["NVIDIA GeForce RTX 4090"],
        max_usd_per_hour="0.70",
    )


def test_a_gpu_without_a_price_makes_the_quote_unknown(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        await rig.backend.health()
        quote = rig.backend.quote(1, (1280, 720))
        assert quote.cost_usd is None and "no price for NVIDIA H300" in quote.said

    on_a_rig(tmp_path, test, seconds_per_frame=12, gpus=["NVIDIA L40S", "NVIDIA H300"])


def test_health_says_what_keeps_the_backend_from_work(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        health = await rig.backend.health()
        assert health.ready and health.slots == 4 and "waits for one to boot" in health.why
        rig.runpod.faults["GET /v2/pods"] = [401]
        rig.backend = rig.another_process()
        assert "refused the key" in (await rig.backend.health()).why
        del rig.environment["RUNPOD_API_KEY"]
        assert "RUNPOD_API_KEY is not set" in (await rig.backend.health()).why

    on_a_rig(tmp_path, test)


def test_names_of_pods_tell_whose_they_are() -> None:
    job = a_job()
    pod = Pod("p", pod_name("a-b", "c", job), "RUNNING")
    assert job_of(pod, "a-b") == job and job_of(pod, "a-b", "c") == job
    assert job_of(pod, "a") is None and job_of(pod, "a-b", "b-c") is None
    assert job_of(replace(pod, name=pod.name.upper()), "a-b") is None


def test_a_ticket_of_another_backend_rents_nothing(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        ticket: Ticket = a_ticket("local-klein")
        with pytest.raises(GateLocked):
            await rig.backend.submit(rig.gate, ticket, a_work())
        assert rig.runpod.asked == []

    on_a_rig(tmp_path, test)


def test_a_pod_that_stopped_is_ended_because_its_disk_still_costs(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        pod = provider_id.partition("/")[0]
        rig.runpod.pods[pod]["status"] = "EXITED"
        rig.runpod.faults["/action"] = [500]
        await rig.until(provider_id, Progress.GONE)
        async with asyncio.timeout(3):
            while rig.runpod.pods:
                await rig.backend.health()

    on_a_rig(tmp_path, test)


def test_a_closed_backend_can_be_used_again(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.backend.close()
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        assert (await rig.submit()).partition("/")[0] == provider_id.partition("/")[0]

    on_a_rig(tmp_path, test)


def test_an_idle_pod_hears_nothing_of_us_so_that_it_would_end_itself(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        comfy = rig.runpod.comfy[provider_id.partition("/")[0]]
        async with asyncio.timeout(3):
            while not any(not socket.closed for socket in comfy.sockets.values()):
                await asyncio.sleep(0.02)
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        await rig.backend.fetch(provider_id, tmp_path / "home")
        async with asyncio.timeout(3):
            while any(not socket.closed for socket in comfy.sockets.values()):
                await asyncio.sleep(0.02)
        asked = len(comfy.authorizations)
        await rig.backend.health()
        assert len(comfy.authorizations) == asked and rig.runpod.pods
        assert (await rig.submit()).partition("/")[0] == provider_id.partition("/")[0]

    on_a_rig(tmp_path, test, idle_s=60)


def test_asking_for_health_ends_idle_pods(tmp_path: Path) -> None:
    async def test(rig: Rig) -> None:
        provider_id = await rig.submit()
        await rig.finish(provider_id)
        await rig.until(provider_id, Progress.DONE)
        await rig.backend.health()
        assert rig.runpod.pods
        await rig.backend.fetch(provider_id, tmp_path / "home")
        await rig.backend.health()
        assert rig.runpod.pods == {}

    on_a_rig(tmp_path, test)
