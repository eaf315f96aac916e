import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import Like, a_graph, a_plate, assert_document, node, opened, until

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer
from film_pipeline.simulators.runpod_serverless import KEY, WATCH_KEY

JOB = Like(r"[0-9a-f-]{36}-u1")
SYNC_JOB = Like(r"sync-[0-9a-f-]{36}-u1")
WORKER = Like(r"[0-9a-f]{14}")
PLATE = base64.b64encode(a_plate()).decode()
GRAPHS = {"worker": "worker-comfyui", "usd_per_second": "0.001", "cold_s": 0.05, "idle_s": 0.3, "max_workers": 1}
EDITS = {"worker": "prompt-and-references", "usd_per_image": "0.03", "max_references": 2, "idle_s": 0.05}


class Endpoint:
    """One endpoint from the client's side."""

    def __init__(self, server: ThreadServer, name: str) -> None:
        self.server, self.url = server, f"{server.url}/v2/{name}"

    def ask(self, method: str, path: str, body: Any = None, key: str = KEY) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.request(method, f"{self.url}/{path}", json=body, headers=headers, timeout=20)

    def run(self, given: Any, **more: Any) -> str:
        answer = self.ask("POST", "run", {"input": given, **more})
        assert answer.status_code == 200, answer.text
        assert_document(answer.json(), {"id": JOB, "status": "IN_QUEUE"})
        return str(answer.json()["id"])

    def run_sync(self, given: Any) -> dict[str, Any]:
        return dict(self.ask("POST", "runsync", {"input": given}).json())

    def status(self, job: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"status/{job}").json())

    def ended(self, job: str) -> dict[str, Any]:
        states = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
        return until(lambda: told if (told := self.status(job))["status"] in states else None)


def graph_input(graph: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"workflow": graph or a_graph(), "images": [{"name": "plate.png", "image": PLATE}], **more}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.runpod_serverless(tmp_path, endpoints={"graphs": GRAPHS, "edits": EDITS}) as running:
        yield running


@pytest.fixture
def graphs(server: ThreadServer) -> Endpoint:
    return Endpoint(server, "graphs")


@pytest.fixture
def edits(server: ThreadServer) -> Endpoint:
    return Endpoint(server, "edits")


# --- the life of a job


def test_a_job_waits_works_and_brings_its_picture_without_metadata(graphs: Endpoint) -> None:
    job = graphs.run(graph_input())
    assert_document(graphs.status(job), {"id": job, "status": "IN_QUEUE"})
    working = until(lambda: (told := graphs.status(job))["status"] != "IN_QUEUE" and told)
    assert working["status"] in ("IN_PROGRESS", "COMPLETED")
    done = graphs.ended(job)
    picture = {"filename": "frame_00001_.png", "type": "base64", "data": str}
    whole = {"id": job, "status": "COMPLETED", "delayTime": int, "executionTime": int, "workerId": WORKER}
    assert_document(done, {**whole, "output": {"images": [picture]}})
    assert done["delayTime"] >= 50
    data = opened(base64.b64decode(done["output"]["images"][0]["data"]))
    assert (data.size, data.text) == ((64, 48), {})  # type: ignore[attr-defined]


def test_a_synchronous_job_answers_when_it_is_done(graphs: Endpoint) -> None:
    done = graphs.run_sync(graph_input())
    assert done["status"] == "COMPLETED"
    assert_document(done["id"], SYNC_JOB)


def test_a_synchronous_job_that_takes_too_long_is_told_as_it_stands(graphs: Endpoint) -> None:
    graphs.server.fail("stuck", "work", times=1)
    answer = graphs.ask("POST", "runsync?wait=1000", {"input": graph_input()})
    assert_document(answer.json(), {"id": SYNC_JOB, "status": "IN_PROGRESS", "delayTime": int, "workerId": WORKER})


def test_a_graph_without_pictures_is_a_success_that_says_so(graphs: Endpoint) -> None:
    graph = {"1": node("EmptyLatentImage", width=64, height=64, batch_size=1)}
    graph |= {
        "2": node("VAELoader", vae_name="flux2-vae.safetensors"),
        "3": node("VAEDecode", samples=["1", 0], vae=["2", 0]),
    }
    graph["4"] = node("PreviewImage", images=["3", 0])
    assert graphs.run_sync({"workflow": graph})["output"] == {"status": "success_no_images", "images": []}


def test_a_refused_graph_fails_with_the_servers_reasons(graphs: Endpoint) -> None:
    graph = a_graph()
    graph["14"]["inputs"]["noise_seed"] = 2**64
    told = graphs.run_sync(graph_input(graph))
    assert told["status"] == "FAILED"
    assert told["error"].startswith("Workflow validation failed:\n• Node 14 (errors): ")
    assert "value_bigger_than_max" in told["error"]
    assert "output" not in told


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"prompt": "x"}, "Missing 'workflow' parameter"),
        (graph_input(images=[{"name": "a.png"}]), "'images' must be a list of objects with 'name' and 'image' keys"),
        ("{", "Invalid JSON format in input"),
        (graph_input(images=[{"name": "a.png", "image": "%%%"}]), "Failed to upload one or more input images"),
    ],
)
def test_a_wrong_input_fails_the_job_and_not_the_request(graphs: Endpoint, given: Any, error: str) -> None:
    told = graphs.run_sync(given)
    assert (told["status"], told["error"]) == ("FAILED", error)


def test_a_node_that_fails_fails_the_job_with_details(graphs: Endpoint) -> None:
    graphs.server.fail("out_of_memory", "job", times=1)
    told = graphs.run_sync(graph_input())
    assert (told["status"], told["error"]) == ("FAILED", "Job processing failed")
    assert "Node Type: SamplerCustomAdvanced" in told["output"]["details"][0]


def test_a_job_that_takes_longer_than_its_policy_times_out(graphs: Endpoint) -> None:
    graphs.server.fail("stuck", "work", times=1)
    job = graphs.run(graph_input(), policy={"executionTimeout": 6000})
    until(lambda: graphs.status(job)["status"] == "IN_PROGRESS")
    graphs.server.advance(6.1)
    told = graphs.ended(job)
    assert (told["status"], told["executionTime"] >= 6000) == ("TIMED_OUT", True)


def test_a_job_is_retried_only_when_it_failed_or_timed_out(graphs: Endpoint) -> None:
    graphs.server.fail("out_of_memory", "job", times=1)
    job = graphs.run(graph_input())
    assert graphs.ended(job)["status"] == "FAILED"
    assert graphs.ask("POST", f"retry/{job}").json() == {"id": job, "status": "IN_QUEUE"}
    assert graphs.ended(job)["status"] == "COMPLETED"
    assert graphs.ask("POST", f"retry/{job}").status_code == 400
    assert graphs.ask("GET", "health").json()["jobs"]["retried"] == 1


def test_waiting_jobs_are_cancelled_and_purged_and_a_running_one_is_stopped(graphs: Endpoint) -> None:
    graphs.server.fail("stuck", "work", times=1)
    running, *waiting = [graphs.run(graph_input()) for _ in range(4)]
    until(lambda: graphs.status(running)["status"] == "IN_PROGRESS")
    assert graphs.ask("POST", f"cancel/{waiting[0]}").json() == {"id": waiting[0], "status": "CANCELLED"}
    assert graphs.ask("POST", "purge-queue").json() == {"removed": 2, "status": "completed"}
    assert graphs.ask("POST", f"cancel/{running}").json() == {"id": running, "status": "CANCELLED"}
    told = graphs.ended(running)
    assert told["status"] == "CANCELLED"
    assert graphs.ask("POST", f"cancel/{running}").json()["status"] == "CANCELLED"


def test_health_tells_jobs_and_workers(graphs: Endpoint) -> None:
    jobs = {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    workers = {"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0}
    assert graphs.ask("GET", "health").json() == {"jobs": jobs, "workers": workers}
    graphs.run_sync(graph_input())
    told = graphs.ask("GET", "health").json()
    assert told["jobs"] == {**jobs, "completed": 1}
    assert (told["workers"]["idle"], told["workers"]["ready"]) == (1, 1)


# --- what is forgotten


@pytest.mark.parametrize(("operation", "kept_s"), [("run", 1800), ("runsync", 60)])
def test_results_are_kept_for_so_long_and_then_not_found(graphs: Endpoint, operation: str, kept_s: int) -> None:
    job = graphs.ask("POST", operation, {"input": graph_input()}).json()["id"]
    graphs.ended(job)
    graphs.server.advance(kept_s - 5)
    assert graphs.status(job)["status"] == "COMPLETED"
    graphs.server.advance(6)
    answer = graphs.ask("GET", f"status/{job}")
    assert (answer.status_code, answer.json()) == (404, {"error": "request does not exist"})
    assert graphs.ask("POST", f"retry/{job}").status_code == 404


def test_a_job_does_not_outlive_its_ttl_done_or_not(graphs: Endpoint) -> None:
    done = graphs.run(graph_input(), policy={"ttl": 10_000})
    graphs.ended(done)
    graphs.server.fail("stuck", "work", times=1)
    stuck = graphs.run(graph_input(), policy={"ttl": 10_000})
    until(lambda: graphs.status(stuck)["status"] == "IN_PROGRESS")
    graphs.server.advance(10.1)
    assert graphs.ask("GET", f"status/{done}").status_code == 404
    assert graphs.ask("GET", f"status/{stuck}").status_code == 404
    until(lambda: graphs.server.control("jobs", endpoint="graphs")[1]["status"] == "CANCELLED")


def test_a_job_can_be_lost_and_a_result_can_expire_at_once(graphs: Endpoint) -> None:
    graphs.server.fail("lost", "accept", times=1)
    assert graphs.ask("GET", f"status/{graphs.run(graph_input())}").status_code == 404
    graphs.server.fail("expired", "work", times=1)
    job = graphs.run(graph_input())
    until(lambda: graphs.ask("GET", f"status/{job}").status_code == 404)
    assert graphs.server.bill().of(job) > 0


# --- refusals


def test_nobody_is_served_without_the_key_or_by_an_unknown_endpoint(server: ThreadServer) -> None:
    assert Endpoint(server, "graphs").ask("GET", "health", key="other").status_code == 401
    assert requests.get(f"{server.url}/v2/graphs/health", timeout=5).status_code == 401
    assert Endpoint(server, "nothing").ask("GET", "health").status_code == 404


def test_the_watching_key_asks_and_cancels_and_orders_nothing(edits: Endpoint) -> None:
    order = {"input": {"prompt": "x", "images": [PLATE]}}
    assert [edits.ask("POST", path, order, key=WATCH_KEY).status_code for path in ("run", "runsync")] == [403, 403]
    job = edits.run(order["input"])
    assert edits.ask("GET", f"status/{job}", key=WATCH_KEY).status_code == 200
    assert edits.ask("POST", f"cancel/{job}", key=WATCH_KEY).status_code == 200
    assert len(edits.server.bill().orders) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "run", 405),
        ("POST", "health", 405),
        ("POST", "status/x", 405),
        ("GET", "status/x", 404),
        ("POST", "cancel/x", 404),
        ("GET", "graphql", 404),
    ],
)
def test_wrong_methods_and_unknown_things_are_refused(graphs: Endpoint, method: str, path: str, status: int) -> None:
    assert graphs.ask(method, path).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": None},
        [],
        {"input": {"a": 1}, "policy": {"executionTimeout": 5000}},
        {"input": {"a": 1}, "policy": {"ttl": 9999}},
    ],
)
def test_an_order_that_says_nothing_or_asks_too_much_is_refused(graphs: Endpoint, body: Any) -> None:
    assert graphs.ask("POST", "run", body).status_code == 400
    assert not graphs.server.bill().orders


@pytest.mark.parametrize(("operation", "most"), [("run", 10_000_000), ("runsync", 20_000_000)])
def test_a_payload_over_the_limit_is_refused(graphs: Endpoint, operation: str, most: int) -> None:
    frame = len(json.dumps({"input": {"prompt": ""}}))
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    body = json.dumps({"input": {"prompt": "x" * (most - frame + 1)}})
    answer = requests.post(f"{graphs.url}/{operation}", data=body, headers=headers, timeout=20)
    assert (answer.status_code, "exceeded max body size" in answer.json()["error"]) == (400, True)
    body = json.dumps({"input": {"prompt": "x" * (most - frame)}})
    assert requests.post(f"{graphs.url}/{operation}", data=body, headers=headers, timeout=20).status_code == 200


def test_too_many_calls_within_ten_seconds_are_refused(tmp_path: Path) -> None:
    with simulators.runpod_serverless(tmp_path, endpoints={"edits": EDITS}, limits={"run": 2}) as server:
        edits = Endpoint(server, "edits")
        order = {"input": {"prompt": "x", "images": [PLATE]}}
        assert [edits.ask("POST", "run", order).status_code for _ in range(3)] == [200, 200, 429]
        server.advance(10.1)
        assert edits.ask("POST", "run", order).status_code == 200


# --- image models


def test_an_image_model_takes_a_prompt_and_pictures_and_tells_address_and_cost(edits: Endpoint) -> None:
    given = {"prompt": "by moonlight", "images": [PLATE, f"data:image/png;base64,{PLATE}"], "seed": 4}
    told = edits.run_sync(given)
    output = {"image_url": Like(r"http://127\.0\.0\.1:\d+/files/[0-9a-f]{32}\.png"), "cost": 0.03}
    whole = {"id": SYNC_JOB, "status": "COMPLETED", "delayTime": int, "executionTime": int, "workerId": WORKER}
    assert_document(told, {**whole, "output": output})
    picture = opened(requests.get(told["output"]["image_url"], timeout=5).content)
    assert (picture.size, picture.format) == ((64, 48), "PNG")
    again = edits.run_sync(given)["output"]["image_url"]
    assert opened(requests.get(again, timeout=5).content).tobytes() == picture.tobytes()
    assert [charge.what for charge in edits.server.bill().charges] == ["image", "image"]
    assert edits.server.bill().total_usd == Decimal("0.06")


def test_a_picture_is_fetched_from_this_machine_and_made_in_the_size_asked_for(edits: Endpoint) -> None:
    first = edits.run_sync({"prompt": "x", "images": [PLATE]})["output"]["image_url"]
    given = {
        "prompt": "x",
        "images": [first],
        "size": "1280*720",
        "output_format": "jpeg",
        "enable_base64_output": True,
    }
    kind, _, data = edits.run_sync(given)["output"]["image_url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert opened(base64.b64decode(data)).size == (1280, 720)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"images": [PLATE]}, "prompt is a required input."),
        ({"prompt": "x"}, "images is a required input."),
        ({"prompt": "x", "images": []}, "images is a required input."),
        ({"prompt": "x", "images": [PLATE] * 3}, "images: at most 2 are supported"),
        ({"prompt": "x", "images": ["https://example.com/a.png"]}, "Invalid image URL in images array"),
        ({"prompt": "x", "images": [base64.b64encode(b"text").decode()]}, "Invalid image URL in images array"),
        ({"prompt": "x", "images": [PLATE], "steps": 4}, "Unexpected input. steps is not a valid input option."),
        ({"prompt": "x", "images": [PLATE], "size": "1280x720"}, "size must be written as width*height"),
        ({"prompt": "x", "images": [PLATE], "seed": 2**31}, "seed must be an integer from -1 to 2147483647"),
    ],
)
def test_an_image_model_fails_what_it_can_not_use_and_charges_nothing(edits: Endpoint, given: Any, error: str) -> None:
    told = edits.run_sync(given)
    assert (told["status"], told["error"]) == ("FAILED", error)
    assert edits.server.bill().total_usd == 0


# --- money


def test_start_execution_and_idling_are_paid_and_the_bill_adds_up(graphs: Endpoint) -> None:
    job = graphs.run(graph_input())
    told = graphs.ended(job)
    until(lambda: graphs.ask("GET", "health").json()["workers"]["ready"] == 0)
    bill = graphs.server.bill()
    by_kind = {
        kind: [charge for charge in bill.charges if charge.what == kind] for kind in ("start", "execution", "idle")
    }
    (start,), (execution,) = by_kind["start"], by_kind["execution"]
    assert start.provider_id == told["workerId"]
    assert start.seconds >= Decimal("0.05")
    assert execution.provider_id == job
    assert abs(execution.seconds * 1000 - told["executionTime"]) <= 2
    assert sum(charge.seconds for charge in by_kind["idle"]) >= Decimal("0.3")
    assert abs(bill.total_usd - Decimal("0.001") * sum(charge.seconds for charge in bill.charges)) < Decimal("0.00001")


def test_failures_time_outs_and_cancelled_work_are_paid_too(graphs: Endpoint) -> None:
    graphs.server.script("job", ["out_of_memory"])
    graphs.server.script("work", ["ok", "stuck"])
    failed = graphs.run(graph_input())
    graphs.ended(failed)
    stuck = graphs.run(graph_input())
    until(lambda: graphs.status(stuck)["status"] == "IN_PROGRESS")
    time.sleep(0.05)
    graphs.ask("POST", f"cancel/{stuck}")
    until(lambda: "workerId" in graphs.ended(stuck))
    until(lambda: graphs.server.bill().of(stuck) > 0)
    assert graphs.server.bill().of(failed) > 0


def test_what_grows_is_on_the_bill_before_it_ends(graphs: Endpoint) -> None:
    graphs.server.fail("stuck", "work", times=1)
    job = graphs.run(graph_input())
    until(lambda: graphs.status(job)["status"] == "IN_PROGRESS")
    graphs.server.advance(100)
    assert graphs.server.bill().of(job) >= Decimal("0.1")


def test_the_same_input_ordered_twice_is_seen_although_there_is_no_key(graphs: Endpoint) -> None:
    graphs.server.fail("drop_after", "POST run", times=1)
    with pytest.raises(requests.ConnectionError):
        graphs.run(graph_input())
    graphs.run(graph_input())
    assert list(graphs.server.bill().ordered_twice().values()) == [2]
    assert len(graphs.server.control("jobs", endpoint="graphs")) == 2


# --- the SDK

SDK = """
import json, runpod
runpod.api_key = {key!r}
endpoint = runpod.Endpoint("edits")
given = json.loads({given!r})
job = endpoint.run({{"input": given}})
print(json.dumps({{
    "output": job.output(timeout=20),
    "status": job.status(),
    "sync": endpoint.run_sync({{"input": given}}),
    "health": endpoint.health(),
    "purged": endpoint.purge_queue(),
    "cancelled": endpoint.run({{"input": given}}).cancel(),
}}))
"""


def test_the_real_sdk_gets_along_with_it(server: ThreadServer) -> None:
    given = json.dumps({"prompt": "x", "images": [PLATE]})
    told = subprocess.run(
        [sys.executable, "-c", SDK.format(key=KEY, given=given)],
        env={**os.environ, "RUNPOD_ENDPOINT_BASE_URL": f"{server.url}/v2"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout.splitlines()[-1])
    assert said["status"] == "COMPLETED"
    assert said["output"]["cost"] == said["sync"]["cost"] == 0.03
    assert set(said["health"]) == {"jobs", "workers"}
    assert said["purged"] == {"removed": 0, "status": "completed"}
    assert set(said["cancelled"]) == {"id", "status"}
