"""Running a simulated service: in a thread of this process, or in a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import requests

from film_pipeline.simulators.book import Bill
from film_pipeline.simulators.door import CONTROL
from film_pipeline.simulators.listening import Listener
from film_pipeline.simulators.service import Service

Result = TypeVar("Result")
_PATIENCE_S = 30.0


class ControlRefused(Exception):
    """A simulated service did not understand a control call."""


class Server:
    """A simulated service from outside: its address, and the calls that no real provider offers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._calls = requests.Session()
        self._calls.trust_env = False

    def control(self, command: str, **arguments: Any) -> Any:
        """Call a command by its name. Raises ControlRefused."""
        answer = self._calls.post(f"{self.url}{CONTROL}/{command}", json=arguments, timeout=_PATIENCE_S)
        document = answer.json()
        if answer.status_code != 200:
            raise ControlRefused(f"{command}: {document['error']}")
        return document["result"]

    def bill(self) -> Bill:
        """What was ordered, and what it would have cost by now."""
        return Bill.from_json(self.control("bill"))

    def fail(self, kind: str, call: str = "*", **how: Any) -> None:
        """Ask for a fault: see `faults.Fault` for how."""
        self.control("fail", kind=kind, call=call, **how)

    def script(self, call: str, steps: Sequence[str | dict[str, Any]]) -> None:
        """What befalls the next calls of that name, one after the other; `ok` lets one pass."""
        self.control("script", call=call, steps=list(steps))

    def clear_faults(self) -> None:
        self.control("clear_faults")

    def faults_shown(self) -> list[dict[str, str]]:
        return list(self.control("faults_shown"))

    def advance(self, seconds: float) -> None:
        """Move the provider's clock on."""
        self.control("advance", seconds=seconds)

    def let_go(self) -> None:
        self._calls.close()


class ThreadServer(Server):
    """A service in a thread of this process. service: the object itself."""

    def __init__(self, service: Service, port: int = 0) -> None:
        self.service = service
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(service).__name__, daemon=True)
        self._thread.start()
        self._listener = Listener(service.app, port)
        self._do(self._open())
        super().__init__(self._listener.url)

    def kill(self) -> None:
        """What kill -9 does: every connection breaks, and what a ComfyUI had only in memory is gone."""
        self._do(self._die())

    def restart(self) -> None:
        """Begin again on the same port."""
        self._do(self._open_again())

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()
        self.let_go()

    async def _open(self) -> None:
        await self._listener.open()
        await self.service.start(self._listener.url)

    async def _die(self) -> None:
        await self._listener.close()
        await self.service.die()

    async def _open_again(self) -> None:
        await self._listener.open()
        await self.service.revive()

    async def _end(self) -> None:
        await self.service.stop()
        await self._listener.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._loop.shutdown_default_executor()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)


@contextlib.contextmanager
def in_thread(service: Service, port: int = 0) -> Iterator[ThreadServer]:
    server = ThreadServer(service, port)
    try:
        yield server
    finally:
        server.close()


class ProcessServer(Server):
    """A service in a process of its own, that can be killed apart from its clients."""

    def __init__(self, name: str, folder: Path, port: int = 0, **options: Any) -> None:
        self._command = [sys.executable, "-m", "film_pipeline.simulators", name, "--folder", str(folder)]
        self._options = options
        self._log = folder / "log.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self.process, url = self._begin(port)
        super().__init__(url)

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(_PATIENCE_S)

    def restart(self) -> None:
        """Begin again on the same port and in the same folder."""
        self.process, _ = self._begin(int(self.url.rsplit(":", 1)[1]))

    def close(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_PATIENCE_S / 3)
            except subprocess.TimeoutExpired:
                self.kill()
        self.let_go()

    def _begin(self, port: int) -> tuple["subprocess.Popen[str]", str]:
        command = [*self._command, "--port", str(port), "--options", json.dumps(self._options)]
        command += ["--parent", str(os.getpid())]
        with self._log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        assert process.stdout is not None
        with process.stdout as said:
            line = said.readline()
        if not line:
            status = process.wait(_PATIENCE_S)
            raise RuntimeError(f"the simulator ended with status {status}: see {self._log}")
        return process, json.loads(line)["url"]


@contextlib.contextmanager
def in_process(name: str, folder: Path, port: int = 0, **options: Any) -> Iterator[ProcessServer]:
    """Start one by its name, such as `comfyui`. options: as its class takes them, JSON values only."""
    server = ProcessServer(name, folder, port, **options)
    try:
        yield server
    finally:
        server.close()
