"""What all simulated services share: clock, faults, book, control calls, and an app behind the door."""

import asyncio
import inspect
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from film_pipeline.simulators.book import Bill, Book
from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.door import CONTROL, Door
from film_pipeline.simulators.faults import REQUEST, Fault, Faults

log = logging.getLogger(__name__)
Command = Callable[..., Any]


class Service(ABC):
    """A provider that is not there.

    folder: where it keeps its files and its book; it may have been used by an earlier process. seed: of its dice.
    """

    own_faults: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, folder: Path, clock: Clock, seed: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.clock = clock
        self.faults = Faults(REQUEST | self.own_faults, seed)
        self.book = Book(folder / "book.jsonl")
        self.url = ""
        self._beside: set[asyncio.Task[None]] = set()
        self.app = Door(
            self, Starlette(routes=list(self.routes()), exception_handlers=self.refusals()), self._control()
        )

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """Every route that it answers."""

    @abstractmethod
    def failing(self, status: int, fault: Fault) -> Response:
        """How it words such a failure."""

    def refusals(self) -> dict[Any, Any]:
        """How it words an unknown path or a wrong method: Starlette's exception handlers."""
        return {}

    def call_name(self, method: str, path: str) -> str:
        return f"{method} {path}"

    async def start(self, url: str) -> None:
        """Begin to work. url: where it can be reached."""
        self.url = url

    async def stop(self) -> None:
        """Stop working: what runs beside the requests ends."""
        tasks, self._beside = self._beside, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run beside the requests, until it is done or the service stops. Its errors are logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: %r", type(self).__name__, error, exc_info=error)

    async def die(self) -> None:
        """What a kill does to it, besides breaking its connections. A provider goes on; a server of ours does not."""
        log.debug("%s goes on", type(self).__name__)

    async def revive(self) -> None:
        """Begin anew after a kill."""
        log.debug("%s is reached again at %s", type(self).__name__, self.url)

    def bill(self) -> Bill:
        return self.book.bill()

    def commands(self) -> dict[str, Command]:
        """The control calls, by name: each takes and gives JSON values."""
        return {
            "bill": lambda: self.bill().as_json(),
            "fail": lambda **fault: self.faults.add(Fault(**fault)),
            "script": self.faults.script,
            "clear_faults": self.faults.clear,
            "faults_shown": lambda: self.faults.shown,
            "advance": self.clock.advance,
            "now": self.clock.now,
        }

    def _control(self) -> Starlette:
        async def command(request: Request) -> Response:
            named = self.commands().get(request.path_params["name"])
            if named is None:
                return JSONResponse({"error": f"no command {request.path_params['name']!r}"}, 404)
            body = await request.body()
            try:
                result = named(**(json.loads(body) if body else {}))
                if inspect.isawaitable(result):
                    result = await result
            except (ValueError, TypeError, KeyError) as error:
                return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
            return JSONResponse({"result": result})

        return Starlette(routes=[Route(f"{CONTROL}/{{name}}", command, methods=["POST"])])
