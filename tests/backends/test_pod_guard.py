"""The guard that runs in a pod: as a process, as RunPod would start it, in front of a ComfyUI and against a RunPod."""

import asyncio
import contextlib
import http.client
import http.server
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_makers import OpenGate, a_guide, a_production, a_ticket, a_work, an_approval
from comfy_stand_in import ComfyStandIn, a_png
from runpod_stand_in import free_port
from websockets.sync.client import connect

from film_pipeline.backends import pod_guard
from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.backends.pod_start import START_COMMAND, guard_text
from film_pipeline.core.generating import Progress

TOKEN = "t" * 64
COMFYUI = """
import json, os, sys
from aiohttp import web

seen = []

async def about(request):
    return web.json_response({"env": dict(os.environ), "headers": dict(request.headers), "seen": seen})

async def forget(request):
    seen.clear()
    return web.Response()

async def echo(request):
    body = await request.read()
    seen.append(len(body))
    return web.Response(body=body)

async def talk(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str("heard " + message.data)
    return socket

async def leave(request):
    os._exit(3)

app = web.Application(client_max_size=2**26)
app.add_routes([web.get("/about", about), web.post("/echo", echo), web.get("/forget", forget), web.get("/ws", talk),
                web.get("/leave", leave)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, handle_signals=False)
"""


class Runpod:
    """Takes pods' wishes to end. answers: statuses of its next answers, then 200."""

    def __init__(self) -> None:
        self.wishes: list[tuple[str, str, Any]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.wishes.append((self.path, self.headers["Authorization"], body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v2"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class GuardProcess:
    """A guard that was started the way a pod starts it."""

    def __init__(
        self, folder: Path, runpod: Runpod, silent_s: float = 30, comfyui_port: int = 0, **environment: str
    ) -> None:
        script = folder / "comfyui.py"
        script.write_text(COMFYUI)
        self.port, comfyui_port = free_port(), comfyui_port or free_port()
        command = START_COMMAND.replace("8188", str(self.port)).replace("8190", str(comfyui_port))
        self.process = subprocess.Popen(
            [sys.executable, *shlex.split(command)[1:], "--host", "127.0.0.1"],
            env={
                "PATH": os.environ["PATH"],
                "FILM_GUARD": guard_text(),
                "FILM_POD_TOKEN": TOKEN,
                "FILM_POD_START": f"{sys.executable} {script} {{port}}",
                "FILM_POD_SILENT_S": str(silent_s),
                "FILM_RUNPOD_REST": runpod.url,
                "RUNPOD_API_KEY": "the pod's own key",
                "RUNPOD_POD_ID": "pod123",
                **environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, path: str, body: Any = None, token: str = TOKEN, **how: Any) -> tuple[int, bytes, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body, headers, **how)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def until_ready(self) -> "GuardProcess":
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "/about")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("the guard never got ready")

    def said(self) -> str:
        """What it wrote, once it has ended."""
        return self.process.communicate(timeout=15)[1]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=15)


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    runpod = Runpod()
    yield runpod
    runpod.close()


@pytest.fixture(scope="module")
def one_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardProcess]:
    runpod = Runpod()
    guard = GuardProcess(tmp_path_factory.mktemp("pod"), runpod)
    yield guard.until_ready()
    guard.close()
    runpod.close()


@pytest.fixture
def guard(one_guard: GuardProcess) -> GuardProcess:
    """A guard that many tests ask, with nothing seen yet."""
    one_guard.ask("GET", "/forget")
    return one_guard


def raw(guard: GuardProcess, request: bytes, wait_s: float = 3.0) -> bytes:
    """What comes back for bytes as they are."""
    with socket.create_connection(("127.0.0.1", guard.port), timeout=wait_s) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_only_who_has_the_token_gets_to_comfyui(guard: GuardProcess) -> None:
    for token in ("", "wrong", TOKEN[:-1], f"{TOKEN}x"):
        status, body, headers = guard.ask("POST", "/echo", b"x" * 10_000, token=token)
        assert status == 401 and TOKEN.encode() not in body
        assert headers["X-Film-Guard"] == "not forwarded"
    assert guard.ask("POST", "/echo", b"hello")[:2] == (200, b"hello")
    about = json.loads(guard.ask("GET", "/about")[1])
    assert about["seen"] == [5]


def test_comfyui_sees_neither_token_nor_key(guard: GuardProcess) -> None:
    about = json.loads(guard.ask("GET", "/about")[1])
    assert "FILM_POD_TOKEN" not in about["env"] and "RUNPOD_API_KEY" not in about["env"]
    assert TOKEN not in json.dumps(about)
    assert about["headers"]["Host"].startswith("127.0.0.1:")


def test_large_and_chunked_bodies_go_through(guard: GuardProcess) -> None:
    large = os.urandom(3_000_000)
    assert guard.ask("POST", "/echo", large)[:2] == (200, large)
    chunks = iter([large[:1000], large[1000:200_000]])
    assert guard.ask("POST", "/echo", chunks, encode_chunked=True)[:2] == (200, large[:200_000])


def test_no_second_request_hides_behind_the_first(guard: GuardProcess) -> None:
    first = f"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 5\r\n\r\nhello"
    answer = raw(guard, f"{first}POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nbad".encode())
    assert answer.count(b"HTTP/1.1 200") == 1 and answer.endswith(b"hello")
    assert json.loads(guard.ask("GET", "/about")[1])["seen"] == [5]


@pytest.mark.parametrize(
    "headers",
    [
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 5\r\nContent-Length: 6",
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: -5",
        f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer wrong",
        f"Authorization : Bearer {TOKEN}",
    ],
)
def test_requests_that_mean_two_things_are_refused(headers: str, guard: GuardProcess) -> None:
    answer = raw(guard, f"POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert json.loads(guard.ask("GET", "/about")[1])["seen"] == []


def test_websockets_go_through_with_the_token_only(guard: GuardProcess) -> None:
    from websockets.exceptions import InvalidStatus

    address = f"ws://127.0.0.1:{guard.port}/ws?clientId=a"
    with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None) as socket:
        socket.send("progress")
        assert socket.recv(timeout=3) == "heard progress"
    with pytest.raises(InvalidStatus):
        connect(address, proxy=None)


def test_before_comfyui_is_up_the_guard_says_that_nothing_was_passed_on(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod, FILM_POD_START="sleep 30")
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                status, _, headers = guard.ask("POST", "/prompt", b"{}")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert status == 503 and headers["X-Film-Guard"] == "not forwarded"
    finally:
        guard.close()


def test_a_pod_that_hears_nothing_ends_itself(tmp_path: Path, runpod: Runpod) -> None:
    started = time.monotonic()
    guard = GuardProcess(tmp_path, runpod, silent_s=1)
    said = guard.said()
    assert time.monotonic() - started < 10
    assert runpod.wishes == [("/v2/pods/pod123/action", "Bearer the pod's own key", {"action": "terminate"})]
    assert "nobody called for 1.0 s" in said
    assert "the pod's own key" not in said and TOKEN not in said


def test_strangers_do_not_keep_a_pod_alive(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod, silent_s=1.5)
    deadline = time.monotonic() + 10
    while guard.process.poll() is None:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError):
            guard.ask("GET", "/about", token="wrong")
        time.sleep(0.1)
    guard.said()
    assert len(runpod.wishes) == 1


def test_each_call_keeps_a_pod_alive_and_so_does_a_websocket(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod, silent_s=1.0).until_ready()
    try:
        for _ in range(4):
            time.sleep(0.4)
            guard.ask("GET", "/about")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with connect(f"ws://127.0.0.1:{guard.port}/ws", additional_headers=headers, proxy=None) as socket:
            for _ in range(4):
                time.sleep(0.4)
                socket.send("still here")
                socket.recv(timeout=2)
        assert runpod.wishes == [] and guard.process.poll() is None
        guard.said()
        assert len(runpod.wishes) == 1
    finally:
        guard.close()


def test_a_held_websocket_does_not_keep_the_guard_from_ending_the_pod(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod, silent_s=1).until_ready()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with connect(f"ws://127.0.0.1:{guard.port}/ws", additional_headers=headers, proxy=None, ping_interval=None):
        guard.said()
    assert len(runpod.wishes) == 1


def test_a_pod_whose_comfyui_ended_ends_itself(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod).until_ready()
    with pytest.raises((OSError, http.client.HTTPException)):
        guard.ask("GET", "/leave")
    assert "ComfyUI ended with code 3" in guard.said()
    assert len(runpod.wishes) == 1


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"FILM_POD_TOKEN": ""}, "open to everybody"),
        ({"FILM_POD_START": "/no/such/program"}, "No such file"),
        ({"FILM_POD_START": ""}, "no command"),
    ],
)
def test_a_pod_that_was_started_wrongly_ends_itself(
    environment: dict[str, str], why: str, tmp_path: Path, runpod: Runpod
) -> None:
    assert why in GuardProcess(tmp_path, runpod, **environment).said()
    assert len(runpod.wishes) == 1


def test_the_wish_to_end_is_repeated_until_runpod_agrees(tmp_path: Path, runpod: Runpod) -> None:
    runpod.answers = [500]
    started = time.monotonic()
    GuardProcess(tmp_path, runpod, silent_s=0.5).said()
    assert len(runpod.wishes) == 2
    assert time.monotonic() - started >= pod_guard.PAUSES_S[0]


def test_a_key_that_may_not_falls_back_on_runpods_own_tool(tmp_path: Path, runpod: Runpod) -> None:
    runpod.answers = [403]
    tool = tmp_path / "runpodctl"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\n')
    tool.chmod(0o755)
    GuardProcess(tmp_path, runpod, silent_s=0.5, PATH=f"{tmp_path}:{os.environ['PATH']}").said()
    assert (tmp_path / "told").read_text() == "remove pod pod123\n"
    assert len(runpod.wishes) == 1


def test_a_stopped_container_takes_comfyui_with_it_and_wishes_nothing(tmp_path: Path, runpod: Runpod) -> None:
    guard = GuardProcess(tmp_path, runpod, FILM_POD_START=f"sh -c 'echo $$ > {tmp_path}/pid; sleep 60'")
    deadline = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    guard.process.send_signal(signal.SIGTERM)
    guard.said()
    assert runpod.wishes == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_frame_is_made_through_the_guard_from_its_references_to_its_picture(tmp_path: Path, runpod: Runpod) -> None:
    production = a_production({"local-klein": {"kind": "local-klein", "model": "klein-4b"}})
    credentials = Credentials({"COMFYUI_TOKEN": TOKEN}, production, tmp_path)
    gate = OpenGate(an_approval(["local-klein"]))

    async def whole() -> bytes:
        async with ComfyStandIn() as comfy:
            guard = GuardProcess(tmp_path, runpod, comfyui_port=comfy.port, FILM_POD_START="sleep 60")
            url, plan = f"http://127.0.0.1:{guard.port}", production.generation["local-klein"]
            backend = LocalKlein("local-klein", plan, credentials, url, poll_s=0.5)  # type: ignore[arg-type]
            try:
                async with asyncio.timeout(10):
                    while not (await backend.health()).ready:
                        await asyncio.sleep(0.05)
                    work = a_work([a_guide(tmp_path, "plate")])
                    job = await backend.submit(gate, a_ticket("local-klein", work=work), work)
                    while not comfy.sockets:
                        await asyncio.sleep(0.05)
                    await comfy.finish(job, a_png((640, 352), 33))
                    while not any(news.state is Progress.DONE for news in await backend.news([job], 5)):
                        continue
                    fetched = await backend.fetch(job, tmp_path / "home")
            finally:
                await backend.close()
                guard.close()
            assert len(comfy.uploads) == 1 and set(comfy.authorizations) == {""}
            return fetched.path.read_bytes()

    assert asyncio.run(whole()) == a_png((640, 352), 33)
