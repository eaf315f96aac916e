"""Serverless endpoints: orders that can't be looked up, results that expire, payloads with a limit."""

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from backend_makers import (
    KEY,
    WATCH,
    CountedEnvironment,
    OpenGate,
    a_guide,
    a_production,
    a_ticket,
    a_work,
    an_approval,
)
from comfy_stand_in import a_png
from PIL import Image
from runpod_stand_in import RunpodStandIn

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.serverless import Serverless
from film_pipeline.core.gate import GateLocked
from film_pipeline.core.generating import Lora, News, Progress, SubmitFailed, SubmitUncertain
from film_pipeline.core.problems import FilmProblem

COMFY = {"kind": "runpod-serverless", "endpoint": "abc123", "model": "klein-4b", "usd_per_second": "0.00031"}
EDIT = {
    "kind": "runpod-serverless",
    "endpoint": "image-edit",
    "worker": "prompt-and-references",
    "model": {"name": "Some Edit Model", "licence": "Apache-2.0", "commercial": True},
    "usd_per_image": "0.02",
    "fields": {"size": "size"},
    "extra": {"output_format": "png"},
}
Test = Callable[["Counter"], Awaitable[None]]


class Counter:
    """A RunPod with an endpoint, and a backend that orders there."""

    def __init__(self, runpod: RunpodStandIn, folder: Path, plan: dict[str, Any]) -> None:
        self.runpod, self.folder = runpod, folder
        self.production = a_production({"endpoint": plan})
        self.environment = CountedEnvironment({"RUNPOD_API_KEY": KEY, "RUNPOD_WATCH_KEY": WATCH})
        self.gate = OpenGate(an_approval(["endpoint"]))
        self.opened: list[Serverless] = []
        self.backend = self.another_process()

    def another_process(self) -> Serverless:
        credentials = Credentials(self.environment, self.production, self.folder)
        plan = self.production.generation["endpoint"]
        spool = self.folder / "spool"
        backend = Serverless("endpoint", plan, credentials, spool, f"{self.runpod.url}/v2", poll_s=0.05)  # type: ignore[arg-type]
        self.opened.append(backend)
        return backend

    async def submit(self, **work: Any) -> str:
        asked = a_work(**work)
        return await self.backend.submit(self.gate, a_ticket("endpoint", work=asked), asked)

    def complete(self, job: str, output: Any, execution_ms: int = 4000, **more: Any) -> None:
        self.runpod.jobs[job] |= {
            "status": "COMPLETED",
            "output": output,
            "executionTime": execution_ms,
            "delayTime": 900,
            "workerId": "worker-7",
            **more,
        }

    async def until(self, job: str, *states: Progress, timeout_s: float = 5.0) -> News:
        async with asyncio.timeout(timeout_s):
            while True:
                for news in await self.backend.news([job], 0.3):
                    if news.state in states:
                        return news

    def sent(self) -> list[tuple[str, Any]]:
        plan = self.production.generation["endpoint"]
        return self.runpod.calls("POST", f"/v2/{plan.endpoint}/run")  # type: ignore[union-attr]


def at_the_counter(tmp_path: Path, test: Test, plan: dict[str, Any] | None = None, **more: Any) -> None:
    async def whole() -> None:
        async with RunpodStandIn() as runpod:
            counter = Counter(runpod, tmp_path, {**(plan or COMFY), **more})
            try:
                await test(counter)
            finally:
                for backend in counter.opened:
                    await backend.close()

    asyncio.run(whole())


def as_comfy_output(picture: bytes) -> dict[str, Any]:
    return {"images": [{"filename": "f.png", "type": "base64", "data": base64.b64encode(picture).decode()}]}


# Ordering


def test_our_graph_goes_to_worker_comfyui_with_its_references_and_a_policy(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        guide = a_guide(tmp_path, "plate")
        assert await counter.submit(guides=[guide], lora=Lora("ink", 1.0, "CC0-1.0")) == "job-0-u1"
        ((key, body),) = counter.sent()
        assert key == KEY
        assert body["policy"] == {"executionTimeout": 600_000, "ttl": 3_600_000}
        loads = [part["inputs"]["image"] for part in body["input"]["workflow"].values() if "image" in part["inputs"]]
        assert body["input"]["images"][0]["name"] in loads
        assert base64.b64decode(body["input"]["images"][0]["image"]) == guide.path.read_bytes()
        assert KEY not in json.dumps(body)

    at_the_counter(tmp_path, test)


def test_an_edit_model_gets_a_prompt_that_names_the_references_by_number(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        await counter.submit(guides=[a_guide(tmp_path, "plate"), a_guide(tmp_path, "pose")])
        sent = counter.sent()[0][1]["input"]
        assert "match the exact pose from image 2" in sent["prompt"].lower()
        assert sent["size"] == "640*352" and sent["output_format"] == "png"
        assert sent["seed"] == (2**62 + 7) % 2**31
        assert [each[:22] for each in sent["images"]] == ["data:image/png;base64,"] * 2

    at_the_counter(tmp_path, test, EDIT)


def test_references_may_be_published_instead(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        guide = a_guide(tmp_path, "plate")
        await counter.submit(guides=[guide])
        assert counter.sent()[0][1]["input"]["images"] == [f"https://media.example/refs/{guide.sha256}.png"]

    at_the_counter(tmp_path, test, EDIT, reference_url="https://media.example/refs/")


def test_an_endpoint_that_takes_one_picture_gets_one(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        await counter.submit(guides=[a_guide(tmp_path, "plate")])
        sent = counter.sent()[0][1]["input"]
        assert isinstance(sent["picture"], str) and "images" not in sent
        with pytest.raises(SubmitFailed, match="takes 1 references and 2 are given"):
            await counter.submit(guides=[a_guide(tmp_path, "plate"), a_guide(tmp_path, "pose")])

    at_the_counter(tmp_path, test, EDIT, fields={"image": "picture"}, max_references=1)


def test_a_locked_gate_and_a_forged_admission_send_nothing_and_read_no_key(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        counter.gate.locked = "not signed"
        with pytest.raises(GateLocked):
            await counter.submit()
        counter.gate = OpenGate(replace_cap(counter.gate))
        with pytest.raises(GateLocked, match="forged or edited"):
            await counter.submit()
        assert counter.runpod.asked == [] and counter.environment.reads == []

    def replace_cap(gate: OpenGate) -> Any:
        return gate.approval.model_copy(update={"cap_usd": Decimal("999")})

    at_the_counter(tmp_path, test)


@pytest.mark.parametrize(
    "fault", ["drop", "drop after", "cut", 500, 502, 504, 524, "after 502", (200, {"status": "?"})]
)
def test_an_order_that_may_have_arrived_is_uncertain_and_sent_once(fault: Any, tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        counter.runpod.faults["/run"] = [fault]
        with pytest.raises(SubmitUncertain):
            await counter.submit()
        assert len(counter.sent()) == 1
        with pytest.raises(SubmitUncertain):
            await counter.backend.find(a_ticket("endpoint"))

    at_the_counter(tmp_path, test)


@pytest.mark.parametrize(
    ("fault", "said", "wait", "spill"),
    [
        (400, "trouble", 0.0, False),
        (401, "refused the key", 0.0, True),
        (402, "no money left", 0.0, True),
        (404, "no endpoint abc123", 0.0, True),
        (429, "429", 7.0, False),
    ],
)
def test_an_order_that_was_refused_costs_nothing(
    fault: int, said: str, wait: float, spill: bool, tmp_path: Path
) -> None:
    async def test(counter: Counter) -> None:
        counter.runpod.faults["/run"] = [fault]
        with pytest.raises(SubmitFailed, match=said) as told:
            await counter.submit()
        assert (told.value.retry_after_s, told.value.spill) == (wait, spill)
        assert len(counter.sent()) == 1

    at_the_counter(tmp_path, test)


def test_a_runpod_that_is_away_was_surely_not_asked(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        plan = counter.production.generation["endpoint"]
        credentials = Credentials(counter.environment, counter.production, tmp_path)
        away = Serverless("endpoint", plan, credentials, tmp_path, "http://127.0.0.1:9/v2")  # type: ignore[arg-type]
        with pytest.raises(SubmitFailed, match="is away") as told:
            await away.submit(counter.gate, a_ticket("endpoint"), a_work())
        assert told.value.spill
        await away.close()

    at_the_counter(tmp_path, test)


def test_after_too_many_requests_nobody_is_asked_until_the_time_is_over(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        counter.runpod.faults["/run"] = [429]
        with pytest.raises(SubmitFailed):
            await counter.submit()
        health = await counter.backend.health()
        assert not health.ready and "wait" in health.why
        before = len(counter.runpod.asked)
        assert await counter.backend.news([job], 0.3) == []
        assert len(counter.runpod.asked) == before

    at_the_counter(tmp_path, test)


def test_large_references_are_made_smaller_until_the_order_fits(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        guides = [a_guide(tmp_path, "set", f"set {n}", size=(900, 700), noise=True) for n in range(4)]
        await counter.submit(guides=guides)
        ((_, body),) = counter.sent()
        assert len(json.dumps(body)) < 10_000_000
        pictures = [Image.open(io.BytesIO(base64.b64decode(each["image"]))) for each in body["input"]["images"]]
        assert all(picture.width * picture.height <= 1_005_000 for picture in pictures)
        assert all(abs(picture.width / picture.height - 9 / 7) < 0.01 for picture in pictures)
        work = a_work(guides=guides)
        sent_as = counter.backend.recipe(work).ingredients["references_sent"]
        assert sent_as.startswith("as JPEG")
        assert counter.another_process().recipe(work).sha256 == counter.backend.recipe(work).sha256

    at_the_counter(tmp_path, test)


def test_the_same_frame_has_the_same_recipe_here_and_on_a_local_server(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        from film_pipeline.backends.klein import klein
        from film_pipeline.backends.klein_orders import klein_recipe

        work = a_work([a_guide(tmp_path, "plate")])
        assert counter.backend.recipe(work).sha256 == klein_recipe(work, klein("klein-4b")).sha256
        assert counter.backend.recipe(replace(work, frame=1003)).sha256 == counter.backend.recipe(work).sha256

    at_the_counter(tmp_path, test)


# Following and fetching


def test_a_job_is_told_as_it_waits_runs_and_is_done(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job, picture = await counter.submit(), a_png()
        await counter.until(job, Progress.WAITING)
        counter.runpod.jobs[job]["status"] = "IN_PROGRESS"
        await counter.until(job, Progress.RUNNING)
        counter.complete(job, as_comfy_output(picture))
        done = await counter.until(job, Progress.DONE)
        assert done.charged_usd == Decimal("0.00124") and done.estimated
        assert done.seconds == 4.0 and done.worker == "worker-7"
        fetched = await counter.backend.fetch(job, tmp_path / "home")
        assert fetched.path.read_bytes() == picture
        assert fetched.detail["delay_s"] == 0.9
        assert {key for _, path, key, _ in counter.runpod.asked if "/status/" in path} == {WATCH}

    at_the_counter(tmp_path, test)


def test_a_result_is_kept_the_moment_it_is_seen_and_outlives_runpods_memory(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job, picture = await counter.submit(), a_png()
        counter.complete(job, as_comfy_output(picture))
        await counter.until(job, Progress.DONE)
        counter.runpod.jobs.clear()
        counter.backend = counter.another_process()
        assert (await counter.until(job, Progress.DONE)).charged_usd == Decimal("0.00124")
        assert (await counter.backend.fetch(job, tmp_path / "home")).path.read_bytes() == picture

    at_the_counter(tmp_path, test)


def test_a_picture_by_url_is_fetched_without_our_key_and_at_the_providers_price(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job, picture = await counter.submit(), a_png()
        counter.runpod.files["out.png"] = picture
        counter.complete(job, {"image_url": f"{counter.runpod.url}/files/out.png?signed=1", "cost": 0.0314571})
        done = await counter.until(job, Progress.DONE)
        assert done.charged_usd == Decimal("0.031458") and not done.estimated
        assert (await counter.backend.fetch(job, tmp_path / "home")).path.read_bytes() == picture
        assert counter.runpod.file_keys == [""]

    at_the_counter(tmp_path, test, EDIT)


def test_a_picture_by_url_that_fails_for_a_moment_is_fetched_later(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job, picture = await counter.submit(), a_png()
        counter.runpod.files["out.png"] = picture
        counter.runpod.faults["/files/"] = [503, "drop", 500, 502]
        counter.complete(job, {"image_url": f"{counter.runpod.url}/files/out.png"})
        assert (await counter.until(job, Progress.DONE, Progress.FAILED, timeout_s=10)).state is Progress.DONE

    at_the_counter(tmp_path, test, EDIT)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"status": "success_no_images", "images": []}, "success_no_images"),
        ({"images": [], "errors": ["VAE is missing"]}, "VAE is missing"),
        (None, "without a picture"),
        ({"images": [{"type": "base64", "data": base64.b64encode(a_png()[:-8]).decode()}]}, "cut short"),
        ({"image_url": "{url}/files/gone.png"}, "no longer there"),
    ],
)
def test_a_paid_job_without_a_picture_has_failed_and_is_charged(output: Any, said: str, tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        counter.complete(job, json.loads(json.dumps(output).replace("{url}", counter.runpod.url)))
        failed = await counter.until(job, Progress.FAILED, Progress.DONE)
        assert failed.state is Progress.FAILED and said in failed.error
        # A picture that was cut may be whole when it is made again; an endpoint that gives none will give none.
        assert failed.charged_usd == Decimal("0.00124") and failed.retryable == (said == "cut short")
        with pytest.raises(FilmProblem):
            await counter.backend.fetch(job, tmp_path / "home")

    at_the_counter(tmp_path, test)


def test_failures_cost_the_time_they_took(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        failed, late, stopped = [await counter.submit() for _ in range(3)]
        error = json.dumps({"error_type": "RuntimeError", "error_message": "the LoRA is missing"})
        counter.runpod.jobs[failed] |= {"status": "FAILED", "error": error, "executionTime": 2000}
        counter.runpod.jobs[late] |= {"status": "TIMED_OUT", "executionTime": 600_000}
        counter.runpod.jobs[stopped] |= {"status": "CANCELLED"}
        news = await counter.until(failed, Progress.FAILED)
        assert news.error == "the LoRA is missing" and news.charged_usd == Decimal("0.00062") and not news.retryable
        news = await counter.until(late, Progress.FAILED)
        assert "longer than the endpoint allows" in news.error and news.retryable
        assert news.charged_usd == Decimal("0.186")
        assert (await counter.until(stopped, Progress.CANCELLED)).charged_usd is None

    at_the_counter(tmp_path, test)


def test_a_job_that_runpod_forgot_may_have_been_paid(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        await counter.until(job, Progress.WAITING)
        counter.runpod.jobs.clear()
        forgotten = await counter.until(job, Progress.UNKNOWN, Progress.GONE, Progress.FAILED)
        assert forgotten.state is Progress.UNKNOWN and "paid for" in forgotten.error and not forgotten.retryable

    at_the_counter(tmp_path, test)


def test_a_job_that_was_sent_just_now_is_not_forgotten_because_it_is_not_listed_yet(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        counter.runpod.faults["/status/"] = [404, 404, 404]
        assert (await counter.until(job, Progress.WAITING, Progress.UNKNOWN)).state is Progress.WAITING

    at_the_counter(tmp_path, test)


def test_a_troubled_runpod_makes_no_job_forgotten(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        counter.runpod.faults["/status/"] = [500, 502, 503, "drop", "cut", (200, {"status": "PURGED"}), 429]
        assert await counter.backend.news([job], 0.4) == []

    at_the_counter(tmp_path, test)


def test_a_refused_key_is_told(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        counter.runpod.faults["/status/"] = [401]
        with pytest.raises(FilmProblem, match="refused the key"):
            await counter.backend.news([job], 0.1)

    at_the_counter(tmp_path, test)


def test_cancelling_says_whether_it_will(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        job = await counter.submit()
        assert await counter.backend.cancel(job)
        assert (await counter.until(job, Progress.CANCELLED)).state is Progress.CANCELLED
        counter.runpod.faults["/cancel/"] = [500]
        assert not await counter.backend.cancel(job)
        assert {key for _, path, key, _ in counter.runpod.asked if "/cancel/" in path} == {WATCH}

    at_the_counter(tmp_path, test)


def test_health_says_what_is_queued_and_whether_a_worker_is_warm(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        health = await counter.backend.health()
        assert health.ready and health.slots == 6 and "waits for a worker to start" in health.why
        counter.runpod.health = {"jobs": {"inQueue": 4, "inProgress": 2}, "workers": {"running": 3}}
        health = await counter.backend.health()
        assert not health.ready and health.queued == 6 and health.warm_models == {"klein-4b bf16"}
        counter.runpod.faults["/health"] = [401, 500]
        for _ in range(2):
            health = await counter.backend.health()
            assert not health.ready and "does not answer" in health.why and WATCH not in health.why

    at_the_counter(tmp_path, test)


def test_no_key_is_shown_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(counter: Counter) -> None:
        with caplog.at_level("DEBUG"):
            job = await counter.submit(guides=[a_guide(tmp_path, "plate")])
            await counter.backend.health()
            counter.complete(job, as_comfy_output(a_png()))
            news = await counter.until(job, Progress.DONE)
            fetched = await counter.backend.fetch(job, tmp_path / "home")
            counter.runpod.faults["/run"] = [(400, {"error": f"bad key {KEY}"})]
            with pytest.raises(SubmitFailed) as told:
                await counter.submit()
        kept = "".join(path.read_text() for path in (tmp_path / "spool").glob("*.json"))
        bodies = [body for _, _, _, body in counter.runpod.asked]
        shown = f"{news}{fetched}{told.value}{caplog.text}{vars(counter.backend)}{kept}{bodies}"
        assert KEY not in shown and WATCH not in shown

    at_the_counter(tmp_path, test)


# Quotes


def test_quotes_are_by_the_image_by_the_second_or_unknown(tmp_path: Path) -> None:
    async def by_second(counter: Counter) -> None:
        assert counter.backend.quote(10, (1000, 1000)).cost_usd is None
        counter.backend.pace.measured(10, (1000, 1000))
        quote = counter.backend.quote(10, (2000, 1000))
        assert quote.cost_usd == Decimal("0.062") and "start and idling come on top" in quote.said

    async def by_image(counter: Counter) -> None:
        assert counter.backend.quote(10, (1000, 1000)).cost_usd == Decimal("0.2")

    async def unknown(counter: Counter) -> None:
        quote = counter.backend.quote(10, (1000, 1000))
        assert quote.cost_usd is None and "price unknown" in quote.said

    at_the_counter(tmp_path, by_second)
    at_the_counter(tmp_path, by_image, EDIT)
    at_the_counter(tmp_path, unknown, EDIT, usd_per_image=None)


def test_the_price_of_an_endpoint_may_be_known_from_its_gpu(tmp_path: Path) -> None:
    async def test(counter: Counter) -> None:
        quote = counter.backend.quote(10, (1000, 1000))
        assert quote.cost_usd == Decimal("0.0053") and "for a L40S as of August 2026" in quote.said

    at_the_counter(tmp_path, test, usd_per_second=None, gpu="L40S", seconds_per_frame=1)
