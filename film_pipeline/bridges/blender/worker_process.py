"""Starting, watching and restarting the Blender process."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LIBRARIES = "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1"
PYTHON_VARIABLE = "FILM_BLENDER_PYTHON"
START_TIMEOUT_S = 120.0
YIELD_TIMEOUT_S = 60.0
_LINE_LIMIT = 64 * 2**20

Progress = Callable[[dict[str, Any]], Awaitable[None]]


class BlenderMissing(Exception):
    """Blender's own Python is not there or can't start."""


class WorkerDied(Exception):
    """The Blender process ended in the middle of a request."""


class WorkerFailed(Exception):
    """Blender refused the request and lives on."""


def blender_python() -> Path:
    """Blender's own Python: FILM_BLENDER_PYTHON, else `.venv-blender` in a folder above this file."""
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise BlenderMissing(f"{PYTHON_VARIABLE} names {named}, which is no program")
        return Path(found)
    for folder in Path(__file__).resolve().parents:
        candidate = folder / ".venv-blender" / "bin" / "python"
        if candidate.exists():
            return candidate
    raise BlenderMissing(f"there is no .venv-blender here: run `make setup`, or set {PYTHON_VARIABLE}")


def probe(python: Path) -> str:
    """What keeps Blender from starting, found out in a process of its own; empty where nothing does."""
    told = subprocess.run(
        [str(python), "-c", "import bpy, os; os._exit(0)"],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    if told.returncode == 0:
        return ""
    last = (told.stderr.strip().splitlines() or [f"it ended with status {told.returncode}"])[-1]
    if ".so" in last:
        return f"system libraries are missing ({last}): apt-get install {LIBRARIES}"
    return f"{last}: run `make setup`"


class WorkerProcess:
    """One Blender process, started when it is first needed; requests go one at a time."""

    def __init__(self) -> None:
        self.version = ""
        self.pid: int | None = None
        self.restarts = -1
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0

    async def ask(self, do: str, asked: dict[str, Any], progress: Progress | None = None) -> dict[str, Any]:
        """Have Blender do something.

        Raises WorkerFailed where it refuses, WorkerDied where it ends, BlenderMissing where it can't start. A caller
        that is cancelled stops Blender after the frame in hand; a Blender that does not yield is ended.
        """
        async with self._turn:
            process = await self._running()
            self._number += 1
            number = self._number
            await self._send(process, {"id": number, "do": do, "with": asked})
            try:
                return await self._answer(process, number, progress)
            except asyncio.CancelledError:
                await self._yield(process, number)
                raise

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                await self._end(self._process)

    async def start(self) -> None:
        async with self._turn:
            await self._running()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        python = blender_python()
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(Path(__file__).with_name("worker.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL if not os.environ.get("FILM_BLENDER_LOG") else None,
            limit=_LINE_LIMIT,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        except TimeoutError as error:
            await self._end(process)
            raise BlenderMissing(f"Blender did not start within {START_TIMEOUT_S:.0f} s") from error
        if not line:
            await process.wait()
            raise BlenderMissing(probe(python) or "Blender ended as it started")
        told = json.loads(line)
        self.version, self.pid, self._process = told["ready"], told["pid"], process
        self.restarts += 1
        if self.restarts:
            log.warning("Blender was started again (%d times)", self.restarts)
        return process

    async def _send(self, process: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            await process.wait()
            raise WorkerDied(f"Blender ended (status {process.returncode})") from error

    async def _answer(
        self, process: asyncio.subprocess.Process, number: int, progress: Progress | None
    ) -> dict[str, Any]:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            message = json.loads(line)
            if message.get("id") != number:
                continue
            if "progress" in message:
                if progress is not None:
                    await progress(message["progress"])
            elif "error" in message:
                raise WorkerFailed(message["error"])
            else:
                result: dict[str, Any] = message["result"]
                return result
        await process.wait()
        raise WorkerDied(f"Blender ended in the middle of its work (status {process.returncode})")

    async def _yield(self, process: asyncio.subprocess.Process, number: int) -> None:
        with contextlib.suppress(WorkerDied):
            await self._send(process, {"cancel": number})
        try:
            await asyncio.wait_for(asyncio.shield(self._answer(process, number, None)), YIELD_TIMEOUT_S)
        except (WorkerFailed, WorkerDied):
            return
        except TimeoutError:
            log.warning("Blender did not yield within %.0f s: it is ended", YIELD_TIMEOUT_S)
            await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
