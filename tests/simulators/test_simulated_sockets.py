import json
import struct
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import ME, a_graph, assert_document, finished, opened, uploaded
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.comfyui(tmp_path) as running:
        uploaded(running.url)
        yield running


def listening(server: ThreadServer, client: str) -> ClientConnection:
    return connect(f"{server.url.replace('http', 'ws')}/ws?clientId={client}", proxy=None)


def posted(server: ThreadServer, graph: Any = None, **body: Any) -> str:
    answer = requests.post(f"{server.url}/prompt", json={"prompt": graph or a_graph(), **body}, timeout=10)
    return str(answer.json()["prompt_id"])


def heard(socket: ClientConnection, until: str = "executing", node: Any = None) -> list[tuple[str, Any]]:
    """Messages until the one that ends a job; previews as ("preview", bytes)."""
    messages: list[tuple[str, Any]] = []
    while True:
        message = socket.recv(timeout=10)
        if isinstance(message, bytes):
            messages.append(("preview", message))
            continue
        told = json.loads(message)
        messages.append((told["type"], told["data"]))
        if told["type"] == until and told["data"].get("node") == node:
            return messages


def without_noise(messages: list[tuple[str, Any]]) -> list[str]:
    """The kinds of messages in their order, the same one after another told once."""
    kinds = [kind for kind, _ in messages if kind not in ("status", "preview", "progress_state")]
    return [kind for number, kind in enumerate(kinds) if number == 0 or kind != kinds[number - 1]]


def test_a_client_is_greeted_with_the_queue_and_its_id(server: ThreadServer) -> None:
    with listening(server, "c1") as socket:
        assert json.loads(socket.recv(timeout=5)) == {
            "type": "status",
            "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "c1"},
        }


def test_a_job_is_told_step_by_step_and_the_end_is_node_null(server: ThreadServer) -> None:
    with listening(server, "c1") as socket:
        posted(server, client_id="c1", prompt_id=ME)
        messages = heard(socket)
    assert without_noise(messages) == [
        "execution_start",
        "execution_cached",
        "executing",
        "progress",
        "executing",
        "executed",
        "execution_success",
        "executing",
    ]
    by_kind = dict(messages)
    assert_document(by_kind["progress"], {"value": 4, "max": 4, "prompt_id": ME, "node": "16"})
    places = [{"filename": "frame_00001_.png", "subfolder": "", "type": "output"}]
    told = {"node": "18", "display_node": "18", "output": {"images": places}, "prompt_id": ME}
    assert_document(by_kind["executed"], told)
    assert messages[-1] == ("executing", {"node": None, "prompt_id": ME})
    nodes = [data["node"] for kind, data in messages if kind == "executing"]
    assert set(nodes) == {*a_graph(), None}


def test_success_is_told_before_the_history_is_written_and_node_null_after_it(server: ThreadServer) -> None:
    server.control("timing", history_s=0.3)
    with listening(server, "c1") as socket:
        posted(server, client_id="c1", prompt_id=ME)
        while json.loads(told if isinstance(told := socket.recv(timeout=5), str) else "{}").get("type") != (
            "execution_success"
        ):
            pass
        assert requests.get(f"{server.url}/history/{ME}", timeout=5).json() == {}
        assert requests.get(f"{server.url}/api/jobs/{ME}", timeout=5).json()["status"] == "in_progress"
        heard(socket)
        assert ME in requests.get(f"{server.url}/history/{ME}", timeout=5).json()


def test_a_repeat_tells_all_nodes_as_cached_and_shows_the_old_picture(server: ThreadServer) -> None:
    with listening(server, "c1") as socket:
        posted(server, client_id="c1")
        heard(socket)
        posted(server, client_id="c1")
        messages = heard(socket)
    assert without_noise(messages) == [
        "execution_start",
        "execution_cached",
        "executed",
        "execution_success",
        "executing",
    ]
    cached = next(data for kind, data in messages if kind == "execution_cached")
    assert set(cached["nodes"]) == set(a_graph())


def test_a_job_is_told_to_its_own_client_and_to_nobody_else(server: ThreadServer) -> None:
    with listening(server, "c1") as mine, listening(server, "c2") as other:
        posted(server, client_id="c1")
        heard(mine)
        posted(server, a_graph(2), client_id="c2")
        messages = heard(other)
    assert {data["prompt_id"] for kind, data in messages if kind == "executed"} == {messages[-1][1]["prompt_id"]}


def test_errors_and_interrupts_go_to_every_client(server: ThreadServer) -> None:
    with listening(server, "c1") as mine, listening(server, "c2") as other:
        server.fail("execution_error", "job", times=1)
        failed = posted(server, client_id="c1")
        heard(mine)
        server.control("timing", frame_s=5.0)
        stopped = posted(server, a_graph(2), client_id="c1")
        while json.loads(told if isinstance(told := mine.recv(timeout=5), str) else "{}").get("type") != "progress":
            requests.post(f"{server.url}/interrupt", json={"prompt_id": stopped}, timeout=5)
            if isinstance(told, str) and json.loads(told)["type"] == "execution_interrupted":
                break
        kinds = {kind: data for kind, data in heard(other, "execution_interrupted")}
    assert kinds["execution_error"]["prompt_id"] == failed
    assert kinds["execution_error"]["exception_type"] == "RuntimeError"
    assert kinds["execution_interrupted"]["prompt_id"] == stopped


def test_previews_are_jpegs_behind_two_numbers(server: ThreadServer) -> None:
    with listening(server, "c1") as socket:
        posted(server, client_id="c1")
        frame = dict(heard(socket))["preview"]
    assert struct.unpack(">II", frame[:8]) == (1, 1)
    assert opened(frame[8:]).format == "JPEG"


def test_a_client_that_says_so_gets_previews_with_their_node(server: ThreadServer) -> None:
    with listening(server, "c1") as socket:
        socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        heard(socket, "feature_flags")
        posted(server, client_id="c1", prompt_id=ME)
        frame = dict(heard(socket))["preview"]
    kind, length = struct.unpack(">II", frame[:8])
    told = json.loads(frame[8 : 8 + length])
    assert (kind, told["node_id"], told["prompt_id"], told["image_type"]) == (4, "16", ME, "image/jpeg")
    assert opened(frame[8 + length :]).format == "JPEG"


def test_a_second_socket_with_the_same_id_takes_the_place_of_the_first(server: ThreadServer) -> None:
    with listening(server, "c1") as first:
        first.recv(timeout=5)
        with listening(server, "c1") as second:
            second.recv(timeout=5)
            posted(server, client_id="c1")
            heard(second)
            with pytest.raises(TimeoutError):
                first.recv(timeout=0.05)


def test_when_the_first_socket_closes_later_the_second_hears_no_more(server: ThreadServer) -> None:
    """As in the real server, which strikes off whoever holds the id then."""
    with listening(server, "c1") as first, listening(server, "c1") as second:
        second.recv(timeout=5)
        first.close()
        time.sleep(0.05)
        posted(server, client_id="c1")
        with pytest.raises(TimeoutError):
            while True:
                second.recv(timeout=0.3)


def test_without_an_id_a_client_gets_one(server: ThreadServer) -> None:
    with connect(f"{server.url.replace('http', 'ws')}/api/ws", proxy=None) as socket:
        sid = json.loads(socket.recv(timeout=5))["data"]["sid"]
    assert uuid.UUID(hex=sid)


def test_the_proxys_token_is_asked_for_here_too(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, token="secret") as server:
        with pytest.raises((ConnectionClosed, InvalidStatus), match=r"403|401|4401"):
            listening(server, "c1").recv(timeout=5)
        url = f"{server.url.replace('http', 'ws')}/ws?clientId=c1"
        with connect(url, proxy=None, additional_headers={"Authorization": "Bearer secret"}) as socket:
            assert json.loads(socket.recv(timeout=5))["type"] == "status"


def test_messages_can_change_places(server: ThreadServer) -> None:
    server.fail("socket_swap", "socket execution_start", times=1)
    with listening(server, "c1") as socket:
        posted(server, client_id="c1")
        kinds = without_noise(heard(socket))
    assert kinds[:2] == ["execution_cached", "execution_start"]


def test_a_message_can_get_lost(server: ThreadServer) -> None:
    server.fail("socket_mute", "socket execution_success", times=1)
    with listening(server, "c1") as socket:
        posted(server, client_id="c1")
        kinds = without_noise(heard(socket))
    assert "execution_success" not in kinds


def test_a_websocket_can_break_in_the_middle_of_a_job_that_goes_on(server: ThreadServer) -> None:
    server.control("timing", frame_s=0.4)
    server.fail("socket_drop", "socket progress", times=1)
    with listening(server, "c1") as socket:
        posted(server, client_id="c1", prompt_id=ME)
        with pytest.raises(ConnectionClosed):
            heard(socket)
    with listening(server, "c1") as again:
        assert json.loads(again.recv(timeout=5))["type"] == "status"
        assert json.loads(again.recv(timeout=5)) == {"type": "executing", "data": {"node": "16"}}
    assert finished(server.url, ME)["status"]["completed"] is True
