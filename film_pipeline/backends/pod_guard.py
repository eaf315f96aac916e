"""Runs inside a rented pod: it starts ComfyUI, lets only us in, and ends the pod when nobody calls.

Nothing but Python's own library, and no other file of ours: the pod's start command carries this file's text.

- It listens on the pod's public port. A request without the bearer token is refused; one with it is passed on to
  ComfyUI, which listens on 127.0.0.1. Websockets are passed on as they are.
- Each request that was let in, and each word of a websocket's client, counts as hearing from us. After `--silent-s` of
  silence, or when ComfyUI ends, the pod is terminated with the key and the id that RunPod puts into every pod.
- ComfyUI, with whatever custom nodes it has, sees neither the token nor the key.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

TOKEN, KEY, POD, REST = "FILM_POD_TOKEN", "RUNPOD_API_KEY", "RUNPOD_POD_ID", "FILM_RUNPOD_REST"
HEAD_LIMIT, PIECE = 65536, 65536
PAUSES_S = (2, 5, 10, 20, 40, 60)


class Guard:
    def __init__(self, comfyui_port: int, token: str, silent_s: float) -> None:
        self.comfyui_port, self.token, self.silent_s = comfyui_port, token, silent_s
        self.heard_at = time.monotonic()

    def hear(self) -> None:
        self.heard_at = time.monotonic()

    @property
    def silence_s(self) -> float:
        return time.monotonic() - self.heard_at

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection carries one request, so that each is checked."""
        upstream = None
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            request, headers = parsed(head)
            length = body_length(headers)
            if not self.lets_in(headers):
                await swallow(reader, min(length or 0, HEAD_LIMIT))
                await refuse(writer, 401, "the bearer token is missing or wrong")
                return
            self.hear()
            try:
                upstream = await asyncio.open_connection("127.0.0.1", self.comfyui_port)
            except OSError:
                await swallow(reader, length or 0)
                await refuse(writer, 503, "ComfyUI does not answer yet")
                return
            await self.pass_on(request, headers, (reader, writer), upstream)
        except asyncio.LimitOverrunError:
            await refuse(writer, 431, "the headers are too long")
        except ValueError as error:
            await refuse(writer, 400, str(error))
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):  # noqa: UP041 (older Pythons)
            pass  # The caller or ComfyUI hung up: there is nobody left to tell.
        finally:
            for end in (writer, upstream[1] if upstream else None):
                if end is not None:
                    end.close()

    def lets_in(self, headers: list[tuple[str, str]]) -> bool:
        given = [value for name, value in headers if name.lower() == "authorization"]
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self.token.encode())

    async def pass_on(self, request: str, headers: list[tuple[str, str]], caller: Any, upstream: Any) -> None:
        upgrade = any(name.lower() == "upgrade" for name, _ in headers)
        kept = [(name, value) for name, value in headers if name.lower() not in ("authorization", "connection", "host")]
        kept += [("Host", f"127.0.0.1:{self.comfyui_port}"), ("Connection", "Upgrade" if upgrade else "close")]
        lines = [request, *(f"{name}: {value}" for name, value in kept)]
        upstream[1].write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        back = asyncio.ensure_future(self.copy(upstream[0], caller[1]))
        if upgrade:
            there = asyncio.ensure_future(self.copy(caller[0], upstream[1], hear=True))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
        elif body_length(headers) is None:
            await self.copy_chunks(caller[0], upstream[1])
            await back
        else:
            await self.copy(caller[0], upstream[1], left=body_length(headers), hear=True)
            await back
        back.cancel()

    async def copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, left: int | None = None, hear: bool = False
    ) -> None:
        while left is None or left > 0:
            piece = await source.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                break
            left = left if left is None else left - len(piece)
            if hear:
                self.hear()
            target.write(piece)
            await target.drain()

    async def copy_chunks(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """One chunked body and not a byte more, so that no second request hides behind it."""
        while True:
            line = await source.readline()
            size = line.split(b";")[0].strip()
            if not size or not all(digit in b"0123456789abcdefABCDEF" for digit in size):
                raise OSError("a chunk can't be read")
            target.write(line)
            if int(size, 16) == 0:
                break
            await self.copy(source, target, left=int(size, 16) + 2, hear=True)
        while (line := await source.readline()) not in (b"\r\n", b""):
            target.write(line)
        target.write(line)
        await target.drain()


def parsed(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The request line and the headers. Raises ValueError for what no honest client sends."""
    request, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or line[0] in " \t":
            raise ValueError("a header can't be read")
        headers.append((name, value.strip()))
    if len(request.split(" ")) != 3:
        raise ValueError("the request line can't be read")
    return request, headers


def body_length(headers: list[tuple[str, str]]) -> int | None:
    """How long the body is; None where it comes in chunks. Raises ValueError where that is not clear."""
    coding = [value.lower() for name, value in headers if name.lower() == "transfer-encoding"]
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if coding:
        if coding != ["chunked"] or lengths:
            raise ValueError("the length of the body is not clear")
        return None
    if len(lengths) > 1 or any(not length.isdigit() for length in lengths):
        raise ValueError("the Content-Length can't be read")
    return int(lengths.pop()) if lengths else 0


async def swallow(reader: asyncio.StreamReader, left: int) -> None:
    """Read a body that goes nowhere: closing on unread bytes would tear the refusal off too."""
    while left > 0:
        piece = await asyncio.wait_for(reader.read(min(PIECE, left)), 30)
        if not piece:
            return
        left -= len(piece)


async def refuse(writer: asyncio.StreamWriter, status: int, why: str) -> None:
    body = json.dumps({"error": {"type": "film_guard", "message": why}}).encode()
    head = (
        f"HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "X-Film-Guard: not forwarded\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()


def start_comfyui(command: str, port: int) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in (TOKEN, KEY)}
    words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
    if not words:
        raise ValueError("no command starts ComfyUI")
    return subprocess.Popen(words, env=environment, start_new_session=True)


def stop_comfyui(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def say(text: str) -> None:
    print(f"film guard: {text}", file=sys.stderr, flush=True)


def terminate() -> bool:
    """Ask RunPod to end this pod. Returns whether it will."""
    pod = os.environ.get(POD, "")
    address = f"{os.environ.get(REST, 'https://api.runpod.io/v2').rstrip('/')}/pods/{pod}/action"
    request = urllib.request.Request(
        address,
        data=json.dumps({"action": "terminate"}).encode(),
        headers={"Authorization": f"Bearer {os.environ.get(KEY, '')}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(200 <= answer.status < 300)
    except urllib.error.HTTPError as error:
        say(f"RunPod answered {error.code} to the pod's wish to end")
        if error.code in (401, 403):
            return terminate_by_command(pod)
        return error.code == 404
    except (OSError, ValueError) as error:
        say(f"RunPod can't be reached: {type(error).__name__}")
        return False


def terminate_by_command(pod: str) -> bool:
    """As RunPod's own tool does it, which is in every pod and signs in by itself."""
    tool = shutil.which("runpodctl")
    return tool is not None and subprocess.run([tool, "remove", "pod", pod], check=False, timeout=60).returncode == 0


async def end_pod(why: str) -> None:
    """Try until RunPod has agreed: as long as the pod is there, it costs money."""
    say(f"the pod ends itself: {why}")
    tried = 0
    while not await asyncio.get_running_loop().run_in_executor(None, terminate):
        await asyncio.sleep(PAUSES_S[min(tried, len(PAUSES_S) - 1)])
        tried += 1
    say("RunPod ends the pod")


async def run(options: argparse.Namespace) -> None:
    """Serve until the pod has to end. Whatever goes wrong here ends the pod too: an unguarded pod must not stay."""
    process = None
    try:
        if len(os.environ.get(TOKEN, "")) < 32:
            raise ValueError(f"{TOKEN} is not set, so the pod would be open to everybody")
        process = start_comfyui(options.start, options.comfyui_port)
        why = await guard_until_the_end(options, process)
    except (OSError, ValueError) as error:
        why = str(error)
    if process is not None:
        await asyncio.get_running_loop().run_in_executor(None, stop_comfyui, process)
    if why:
        await end_pod(why)


async def guard_until_the_end(options: argparse.Namespace, process: subprocess.Popen[bytes]) -> str:
    """Why the pod must end; nothing where RunPod itself stops the container."""
    guard = Guard(options.comfyui_port, os.environ[TOKEN], options.silent_s)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    # Never waited for when it closes: Python 3.12 would wait as long as anybody holds a websocket open.
    server = await asyncio.start_server(guard.serve, options.host, options.port, limit=HEAD_LIMIT)
    say(f"listening on {options.port}, ending after {options.silent_s} s of silence")
    try:
        while not stopped.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopped.wait(), min(1.0, options.silent_s / 4))
            if process.poll() is not None:
                return f"ComfyUI ended with code {process.returncode}"
            if guard.silence_s > options.silent_s:
                return f"nobody called for {options.silent_s} s"
    finally:
        server.close()
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--comfyui-port", type=int, default=8190)
    parser.add_argument("--silent-s", type=float, default=float(os.environ.get("FILM_POD_SILENT_S", "300")))
    parser.add_argument("--start", default=os.environ.get("FILM_POD_START", ""), help="starts ComfyUI on {port}")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
