"""A stand-in for a ComfyUI server (its API of 0.33 to 0.38): HTTP, websocket, one worker, everything in memory.

The pictures that it makes are its plates, toned and hatched, with SIMULATED written across. It costs nothing; its book
says what was ordered.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from film_pipeline.simulators import comfyui_queue
from film_pipeline.simulators.book import counted_seconds
from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui_engine import JOB_FAULTS, Engine, Timing
from film_pipeline.simulators.comfyui_files import Handler, Shelf
from film_pipeline.simulators.comfyui_graph import checked, said
from film_pipeline.simulators.comfyui_queue import Job, Queue
from film_pipeline.simulators.comfyui_sockets import SOCKET_FAULTS, Sockets
from film_pipeline.simulators.faults import PICTURE, Fault
from film_pipeline.simulators.service import Command, Service

_SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")
_CRASHES = frozenset({"lost", "crash"})
"""At the moment `take`, when the worker takes a job from the queue. lost: that job is forgotten. crash: all are."""


class ComfyUI(Service):
    """One server with one GPU.

    folder: holds `input`, `output` and `temp`; what was written there outlives a kill. timing: see Timing. token: what
    an authenticating proxy in front asks for; core ComfyUI asks nobody. single_use_keys: whether that proxy refuses an
    `Idempotency-Key` that it has seen. models: further or other files by model folder. device: `mps` can't load fp8.
    """

    own_faults: ClassVar[frozenset[str]] = PICTURE | JOB_FAULTS | SOCKET_FAULTS | _CRASHES

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        frame_s: float = 0.0,
        load_s: float = 0.0,
        node_s: float = 0.0,
        history_s: float = 0.01,
        models: Mapping[str, list[str]] | None = None,
        token: str = "",
        single_use_keys: bool = False,
        previews: bool = True,
        device: str = "cuda",
    ) -> None:
        clock = clock or Clock()
        self.timing = Timing(frame_s, load_s, node_s, history_s)
        self.engine = Engine(folder, clock, self.timing, models, previews=previews, device=device)
        self._shelf = Shelf(self.engine, device)
        super().__init__(folder, clock, seed)
        self.engine.faults = self.faults
        self._token, self._single_use_keys = token, single_use_keys
        self.sockets = Sockets(self.faults)
        self.queue = Queue()
        self._keys: set[str] = set()
        self._number = 0
        self._interrupt = False
        self._free = False
        self._woken = asyncio.Event()
        self.executing: tuple[str | None, str | None] = (None, None)
        """The client that is being worked for, and the node."""
        self.heard_at_s = self.clock.now()
        self.forgotten: set[str] = set()
        """Jobs that went in crashes, done or not."""

    # --- running

    async def start(self, url: str) -> None:
        await super().start(url)
        self._woken = asyncio.Event()
        self.beside(self.sockets.publish())
        self.beside(self._work())

    async def die(self) -> None:
        """Queue, history and cache are gone; input and output stay."""
        await self.stop()
        self.queue = Queue()
        self.sockets.forget()
        self.engine.forget()
        self._keys.clear()
        self._number, self._interrupt, self._free = 0, False, False

    async def revive(self) -> None:
        await self.start(self.url)

    async def _work(self) -> None:
        """The one worker: a job at a time."""
        while True:
            while not self.queue.waiting:
                self._woken.clear()
                await self._woken.wait()
            job = self.queue.take()
            self._queue_changed()
            fault = self.faults.befalls("take", _CRASHES, job.id)
            if fault is not None:
                self._lose(fault.kind)
                continue
            await self._run(job)
            if self._free:
                self.engine.forget()
                self._free = False

    async def _run(self, job: Job) -> None:
        client = job.extra_data.get("client_id")
        self._interrupt = False
        began = self.clock.now()
        run = await self.engine.run(job.id, job.graph, job.wanted, job.extra_data, _Ear(self, job.id, client))
        self.executing = (None, None)
        # The trap of the real server: success is told first, history is written after it, node=null is the safe sign.
        await self.clock.sleep(self.timing.history_s)
        self.queue.finish(job, run)
        self._queue_changed()
        self.book.charge(job.id, "execution", counted_seconds(self.clock.now() - began), Decimal(0))
        if client is not None:
            self.sockets.say("executing", {"node": None, "prompt_id": job.id}, client)

    def _lose(self, kind: str) -> None:
        """lost: the job that was just begun is forgotten. crash: as after a crash of the server and its start anew,
        files stay, all else is gone, and every websocket breaks."""
        if kind == "lost":
            self.queue.running = None
            self._queue_changed()
            return
        self.forgotten |= self.queue.known()
        self.queue = Queue()
        self.engine.forget()
        self._number = 0
        self.sockets.drop(None)

    def _queue_changed(self) -> None:
        self.sockets.say("status", {"status": self._queue_info()}, None)

    def _queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.queue.remaining}}

    # --- routes

    def routes(self) -> Sequence[BaseRoute]:
        plain: list[tuple[str, str, Handler]] = [
            ("GET", "/", self._root),
            ("GET", "/prompt", self._get_prompt),
            ("POST", "/prompt", self._post_prompt),
            ("GET", "/queue", self._get_queue),
            ("POST", "/queue", self._post_queue),
            ("GET", "/history", self._get_history),
            ("POST", "/history", self._post_history),
            ("GET", "/history/{prompt_id}", self._get_history_of),
            ("POST", "/interrupt", self._post_interrupt),
            ("POST", "/free", self._post_free),
            *self._shelf.handlers(),
        ]
        only_api: list[tuple[str, str, Handler]] = [
            ("GET", "/api/jobs", self._get_jobs),
            ("GET", "/api/jobs/{job_id}", self._get_job),
            ("POST", "/api/jobs/{job_id}/cancel", self._cancel_job),
        ]
        both = [(method, f"{prefix}{path}", handler) for method, path, handler in plain for prefix in ("", "/api")]
        # One route a path: a path that is known with another method is 405, as aiohttp answers it.
        paths: dict[str, dict[str, Handler]] = {}
        for method, path, handler in (*both, *only_api):
            paths.setdefault(path, {})[method] = handler
        served: list[BaseRoute] = [
            Route(path, self._guarded(by_method), methods=list(by_method)) for path, by_method in paths.items()
        ]
        return [*served, WebSocketRoute("/ws", self._socket), WebSocketRoute("/api/ws", self._socket)]

    def _guarded(self, by_method: Mapping[str, Handler]) -> Handler:
        """Ask for the proxy's token; what a handler can't read is 500 in plain text, as aiohttp answers it."""

        async def handle(request: Request) -> Response:
            self.heard_at_s = self.clock.now()
            refused = self._refused(request.headers)
            if refused is not None:
                return refused
            handler = by_method.get(request.method) or by_method["GET"]
            try:
                return await handler(request)
            except (ValueError, TypeError, KeyError, AttributeError, IndexError):
                return _broken()

        return handle

    def _refused(self, headers: Mapping[str, str]) -> Response | None:
        if not self._token:
            return None
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented:
            return _proxy_error(401, "unauthorized", "Missing or malformed Authorization header.")
        if presented != self._token:
            return _proxy_error(401, "unauthorized", "Invalid token.")
        return None

    def call_name(self, method: str, path: str) -> str:
        """`/api/prompt` and `/prompt` are one call."""
        return f"{method} {path if path.startswith('/api/jobs') else path.removeprefix('/api')}"

    def failing(self, status: int, fault: Fault) -> Response:
        if status == 429:
            told = _proxy_error(429, "rate_limited", "Too many requests.")
            told.headers["Retry-After"] = str(max(1, round(fault.retry_after_s)))
            return told
        return _broken(status)

    def refusals(self) -> dict[Any, Any]:
        async def plain(request: Request, error: Exception) -> Response:
            status = getattr(error, "status_code", 500)
            return PlainTextResponse(f"{status}: {getattr(error, 'detail', '')}", status)

        return {404: plain, 405: plain}

    async def _socket(self, socket: WebSocket) -> None:
        refused = self._refused(socket.headers)
        if refused is not None:
            await socket.send_denial_response(refused)
            return
        self.heard_at_s = self.clock.now()
        client_id = socket.query_params.get("clientId", "") or uuid.uuid4().hex
        executing, node = self.executing
        current = node if executing == client_id else None
        await self.sockets.listen(socket, client_id, {"status": self._queue_info()}, current)

    async def _root(self, request: Request) -> Response:
        return PlainTextResponse("<!DOCTYPE html><title>ComfyUI (SIMULATED)</title>", media_type="text/html")

    # --- prompts

    async def _get_prompt(self, request: Request) -> Response:
        return JSONResponse(self._queue_info())

    async def _post_prompt(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if "number" in body:
            number = float(body["number"])
        else:
            number = -self._number if body.get("front") else self._number
            self._number += 1
        if "prompt" not in body:
            return _refusal(said("no_prompt", "No prompt provided", "No prompt provided"))
        prompt_id = _prompt_id(body.get("prompt_id"))
        if prompt_id is None:
            details = (
                "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
                "omit it to let the server generate one"
            )
            return _refusal(said("invalid_prompt_id", "prompt_id must be a valid UUID", details))
        verdict = checked(body["prompt"], self.engine, body.get("partial_execution_targets"))
        if verdict.error is not None:
            return _refusal(verdict.error, verdict.node_errors)
        used = self._used_key(request)
        if used is not None:
            return used
        extra = {key: value for key, value in dict(body.get("extra_data", {})).items() if key not in _SECRETS}
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        extra["create_time"] = int(time.time() * 1000)
        self.book.order("POST /prompt", prompt_id, body["prompt"], prompt_id, self.clock.now())
        self.queue.put(number, prompt_id, body["prompt"], extra, verdict.outputs)
        self._queue_changed()
        self._woken.set()
        return JSONResponse({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _used_key(self, request: Request) -> Response | None:
        key = request.headers.get("idempotency-key")
        if not self._single_use_keys or key is None:
            return None
        if key in self._keys:
            message = "This Idempotency-Key has already been used. Keys are single-use."
            return _proxy_error(422, "idempotency_key_reuse", message)
        self._keys.add(key)
        return None

    async def _get_queue(self, request: Request) -> Response:
        return JSONResponse(self.queue.queue_document())

    async def _post_queue(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if body.get("clear"):
            self.queue.waiting.clear()
        for job_id in body.get("delete", []):
            self.queue.remove(job_id)
        self._queue_changed()
        return Response(status_code=200)

    async def _get_history(self, request: Request) -> Response:
        most, offset = request.query_params.get("max_items"), request.query_params.get("offset")
        return JSONResponse(
            self.queue.history_document(None if most is None else int(most), -1 if offset is None else int(offset))
        )

    async def _get_history_of(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        known = self.queue.history.get(prompt_id)
        return JSONResponse({} if known is None else {prompt_id: known})

    async def _post_history(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if body.get("clear"):
            self.queue.history.clear()
        for job_id in body.get("delete", []):
            self.queue.history.pop(job_id, None)
        return Response(status_code=200)

    async def _post_interrupt(self, request: Request) -> Response:
        """An empty body, or one that is no JSON, interrupts whoever runs."""
        try:
            target = json.loads(await request.body()).get("prompt_id")
        except json.JSONDecodeError:
            target = None
        if not target or (self.queue.running is not None and self.queue.running.id == target):
            self._interrupt = True
        return Response(status_code=200)

    def interrupted(self) -> bool:
        return self._interrupt

    async def _post_free(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if body.get("unload_models") or body.get("free_memory"):
            if self.queue.remaining:
                self._free = True
            else:
                self.engine.forget()
        return Response(status_code=200)

    # --- jobs

    async def _get_jobs(self, request: Request) -> Response:
        asked = request.query_params
        statuses = [word.strip().lower() for word in asked.get("status", "").split(",") if word.strip()]
        wrong = [word for word in statuses if word not in comfyui_queue.STATUSES]
        if wrong:
            known = ", ".join(comfyui_queue.STATUSES)
            return _job_error(f"Invalid status value(s): {', '.join(wrong)}. Valid values: {known}")
        sort_by, order = asked.get("sort_by", "created_at").lower(), asked.get("sort_order", "desc").lower()
        if sort_by not in ("created_at", "execution_duration"):
            return _job_error("sort_by must be 'created_at' or 'execution_duration'")
        if order not in ("asc", "desc"):
            return _job_error("sort_order must be 'asc' or 'desc'")
        limit, offset = _whole(asked.get("limit")), _whole(asked.get("offset", "0"))
        if limit == "wrong" or offset == "wrong":
            return _job_error(f"{'limit' if limit == 'wrong' else 'offset'} must be an integer")
        if isinstance(limit, int) and limit <= 0:
            return _job_error("limit must be a positive integer")
        jobs = self.queue.jobs(statuses or comfyui_queue.STATUSES)
        return JSONResponse(
            comfyui_queue.listed(
                jobs, sort_by, order == "desc", limit if isinstance(limit, int) else None, max(0, int(offset or 0))
            )
        )

    async def _get_job(self, request: Request) -> Response:
        job = self.queue.job(request.path_params["job_id"])
        return _job_error("Job not found", 404) if job is None else JSONResponse(job)

    async def _cancel_job(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        if self.queue.running is not None and self.queue.running.id == job_id:
            self._interrupt = True
            return JSONResponse({"cancelled": True})
        cancelled = self.queue.remove(job_id)
        if cancelled:
            self._queue_changed()
        return JSONResponse({"cancelled": cancelled})

    # --- control

    def commands(self) -> dict[str, Command]:
        return {
            **super().commands(),
            "crash": lambda: self._lose("crash"),
            "timing": self._set_timing,
            "forgotten": lambda: sorted(self.forgotten),
        }

    def _set_timing(self, **seconds: float) -> None:
        for name, value in seconds.items():
            if not hasattr(self.timing, name):
                raise ValueError(f"nothing here takes {name}")
            setattr(self.timing, name, value)


class _Ear:
    """The client of one job."""

    def __init__(self, server: ComfyUI, prompt_id: str, client: str | None) -> None:
        self._server, self._prompt_id, self._client = server, prompt_id, client

    def say(self, event: str, data: dict[str, Any]) -> None:
        if event == "executing":
            self._server.executing = (self._client, data["node"])
        if self._client is not None:
            self._server.sockets.say(event, data, self._client)

    def say_to_all(self, event: str, data: dict[str, Any]) -> None:
        self._server.sockets.say(event, data, None)

    def preview(self, node_id: str, picture: bytes) -> None:
        if self._client is not None:
            self._server.sockets.preview(node_id, self._prompt_id, picture, self._client)

    def interrupted(self) -> bool:
        return self._server.interrupted()


def _prompt_id(given: Any) -> str | None:
    """The client's id, or a new one where it gave none; None where it is no canonical UUID in small letters."""
    if given is None:
        return str(uuid.uuid4())
    try:
        return given if isinstance(given, str) and str(uuid.UUID(given)) == given else None
    except ValueError:
        return None


def _whole(text: str | None) -> int | str | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return "wrong"


def _refusal(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> Response:
    return JSONResponse({"error": error, "node_errors": node_errors or {}}, 400)


def _job_error(message: str, status: int = 400) -> Response:
    return JSONResponse({"error": message}, status)


def _proxy_error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "details": None}}, status)


def _broken(status: int = 500) -> Response:
    if status == 500:
        return PlainTextResponse("500 Internal Server Error\n\nServer got itself in trouble", 500)
    return PlainTextResponse(f"<html><title>{status}</title></html>", status, media_type="text/html")
