import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import ME, a_graph, finished, opened, until, uploaded

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer
from film_pipeline.simulators.faults import Fault, Faults
from film_pipeline.simulators.serving import ControlRefused


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.comfyui(tmp_path) as running:
        uploaded(running.url)
        yield running


def posted(server: ThreadServer, **body: Any) -> requests.Response:
    return requests.post(f"{server.url}/prompt", json={"prompt": a_graph(), **body}, timeout=10)


def test_a_connection_that_breaks_before_the_request_is_read_leaves_no_order(server: ThreadServer) -> None:
    server.fail("drop_before", "POST /prompt", times=1)
    with pytest.raises(requests.ConnectionError):
        posted(server, prompt_id=ME)
    assert requests.get(f"{server.url}/api/jobs/{ME}", timeout=5).status_code == 404
    assert not server.bill().orders


def test_a_connection_that_breaks_before_the_answer_leaves_an_order_that_can_be_found(server: ThreadServer) -> None:
    server.fail("drop_after", "POST /prompt", times=1)
    with pytest.raises(requests.ConnectionError):
        posted(server, prompt_id=ME)
    assert finished(server.url, ME)["status"]["completed"] is True
    assert [order.key for order in server.bill().orders] == [ME]
    assert not server.bill().ordered_twice()


def test_a_client_that_dies_in_the_middle_of_its_request_has_ordered_nothing(server: ThreadServer) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    body = json.dumps({"prompt": a_graph(), "prompt_id": ME}).encode()
    head = f"POST /prompt HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as dying:
        dying.sendall(head + body[: len(body) // 2])
    time.sleep(0.05)
    assert requests.get(f"{server.url}/queue", timeout=5).json() == {"queue_running": [], "queue_pending": []}
    assert not server.bill().orders


def test_a_request_that_is_delivered_twice_is_two_orders(server: ThreadServer) -> None:
    server.fail("duplicate", "POST /prompt", times=1)
    assert posted(server, prompt_id=ME).json()["number"] == 1
    assert server.bill().keys_used_twice() == {ME: 2}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 524])
def test_an_error_status_is_answered_instead_of_an_order(server: ThreadServer, status: int) -> None:
    server.fail(str(status), "POST /prompt", times=1)
    assert posted(server).status_code == status
    assert not server.bill().orders
    assert posted(server).status_code == 200


def test_a_gateway_can_give_up_on_an_order_that_was_accepted(server: ThreadServer) -> None:
    server.fail("524", "POST /prompt", times=1, handled=True)
    assert posted(server, prompt_id=ME).status_code == 524
    assert finished(server.url, ME)["status"]["completed"] is True


def test_an_answer_can_be_slow(server: ThreadServer) -> None:
    server.fail("slow", "GET /queue", times=1, seconds=0.3)
    began = time.monotonic()
    requests.get(f"{server.url}/queue", timeout=5)
    assert time.monotonic() - began >= 0.3


def test_a_script_says_what_befalls_each_call_in_turn(server: ThreadServer) -> None:
    server.script("GET /queue", ["ok", "500", {"kind": "429", "retry_after_s": 7}, "ok"])
    answers = [requests.get(f"{server.url}/api/queue", timeout=5) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 500, 429, 200, 200]
    assert answers[2].headers["retry-after"] == "7"
    assert [shown["kind"] for shown in server.faults_shown()] == ["500", "429"]


def test_faults_begin_after_so_many_calls_and_end_when_they_are_cleared(server: ThreadServer) -> None:
    server.fail("500", "GET /queue", after=2)
    assert [requests.get(f"{server.url}/queue", timeout=5).status_code for _ in range(4)] == [200, 200, 500, 500]
    server.clear_faults()
    assert requests.get(f"{server.url}/queue", timeout=5).status_code == 200


def test_the_same_seed_throws_the_same_dice() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults({"500"}, seed)
        faults.add(Fault("500", rate=0.3))
        return [faults.befalls("GET /x", frozenset({"500"})) is not None for _ in range(200)]

    assert struck(4) == struck(4)
    assert struck(4) != struck(5)
    assert 30 < sum(struck(4)) < 90


def test_a_fault_that_a_service_does_not_know_is_refused(server: ThreadServer) -> None:
    with pytest.raises(ControlRefused, match="no fault 'earthquake' here"):
        server.fail("earthquake")
    with pytest.raises(ControlRefused, match="no command 'dance'"):
        server.control("dance")


def test_control_calls_are_beyond_all_faults_and_tokens(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, token="secret") as server:
        server.fail("drop_before")
        assert server.bill().orders == ()


def test_a_job_can_be_lost_by_a_server_that_stays(server: ThreadServer) -> None:
    server.fail("lost", times=1)
    posted(server, prompt_id=ME)
    until(server.faults_shown)
    assert requests.get(f"{server.url}/history/{ME}", timeout=5).json() == {}
    assert requests.get(f"{server.url}/api/jobs/{ME}", timeout=5).status_code == 404
    assert requests.get(f"{server.url}/queue", timeout=5).json() == {"queue_running": [], "queue_pending": []}
    other = posted(server).json()["prompt_id"]
    assert finished(server.url, other)["status"]["completed"] is True


def test_a_crash_in_the_middle_loses_every_job_and_no_file(server: ThreadServer) -> None:
    finished(server.url, posted(server).json()["prompt_id"])
    server.control("timing", frame_s=0.2)
    server.fail("crash", times=1, after=1)
    requests.post(f"{server.url}/prompt", json={"prompt": a_graph(2)}, timeout=5)
    requests.post(f"{server.url}/prompt", json={"prompt": a_graph(3)}, timeout=5)
    until(server.faults_shown)
    assert requests.get(f"{server.url}/history", timeout=5).json() == {}
    place = {"filename": "frame_00001_.png", "type": "output"}
    assert requests.get(f"{server.url}/view", params=place, timeout=5).status_code == 200


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "empty", "black", "input_back", "wrong_size"])
def test_a_finished_picture_can_be_bad_while_the_job_says_success(server: ThreadServer, kind: str) -> None:
    server.fail(kind, "picture", times=1)
    entry = finished(server.url, posted(server).json()["prompt_id"])
    assert entry["status"]["completed"] is True
    place = entry["outputs"]["18"]["images"][0]
    data = requests.get(f"{server.url}/view", params=place, timeout=5).content
    if kind in ("black", "input_back", "wrong_size"):
        assert opened(data).size == ((32, 24) if kind == "wrong_size" else (64, 48))
    else:
        with pytest.raises((OSError, SyntaxError)):
            opened(data)
