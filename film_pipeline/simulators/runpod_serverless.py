"""A stand-in for RunPod serverless (`https://api.runpod.ai/v2/{endpoint}/...`): jobs, workers, results that expire.

Two kinds of endpoints: worker-comfyui, that runs a graph and is paid by the second of start, execution and idling; and
image models that take a prompt and pictures and are paid by the image.
"""

import json
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from film_pipeline.simulators.book import Bill
from film_pipeline.simulators.clock import Clock, first_of
from film_pipeline.simulators.comfyui_engine import JOB_FAULTS as NODE_FAULTS
from film_pipeline.simulators.faults import PICTURE, Fault
from film_pipeline.simulators.serverless_handlers import EndpointPlan, Handler, ImageModel, WorkerComfyUI
from film_pipeline.simulators.serverless_queue import ENDED, FAILED, JOB_FAULTS, TIMED_OUT, Endpoint, Job
from film_pipeline.simulators.service import Command, Service

KEY, WATCH_KEY = "simulated-runpod-key", "simulated-runpod-watch-key"
MOST_BYTES = {"run": 10_000_000, "runsync": 20_000_000}
LIMITS = {"run": 1000, "runsync": 2000, "status": 2000, "stream": 2000, "cancel": 100, "purge-queue": 2}
"""Calls of an endpoint within 10 seconds."""
_WINDOW_S = 10.0
_TIMEOUT_MS, _TTL_MS, _LONGEST_TTL_MS = 600_000, 86_400_000, 604_800_000
_WAIT_MS = 90_000

ENDPOINTS: Mapping[str, Mapping[str, Any]] = {
    "simulated-comfyui": {"worker": "worker-comfyui", "usd_per_second": "0.00031"},
    "flux-2-klein-9b-edit": {"worker": "prompt-and-references", "usd_per_image": "0.03", "max_references": 5},
    "qwen-image-edit-2511": {"worker": "prompt-and-references", "usd_per_image": "0.02", "max_references": 3},
    "seedream-v4-edit": {"worker": "prompt-and-references", "usd_per_image": "0.027", "max_references": 10},
    "nano-banana-edit": {"worker": "prompt-and-references", "usd_per_image": "0.038", "max_references": 4},
}
"""Endpoints that are there unless others are given, with the prices of November 2026."""


class RunPodServerless(Service):
    """One account's endpoints.

    key: may do everything; watch_key: everything but order.
    endpoints: fields of EndpointPlan by endpoint id, in place of ENDPOINTS. limits: other limits than LIMITS.
    too_large_status: what a payload that is too large is answered with.
    """

    own_faults: ClassVar[frozenset[str]] = JOB_FAULTS | NODE_FAULTS | PICTURE

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        key: str = KEY,
        watch_key: str = WATCH_KEY,
        endpoints: Mapping[str, Mapping[str, Any]] | None = None,
        limits: Mapping[str, int] | None = None,
        too_large_status: int = 400,
    ) -> None:
        super().__init__(folder, clock or Clock(), seed)
        self._key, self._watch_key, self._too_large_status = key, watch_key, too_large_status
        self._limits = {**LIMITS, **(limits or {})}
        self._asked: dict[tuple[str, str], deque[float]] = {}
        self._plans = {name: EndpointPlan(**plan) for name, plan in (endpoints or ENDPOINTS).items()}
        self._endpoints: dict[str, Endpoint] = {}

    async def start(self, url: str) -> None:
        await super().start(url)
        for name, plan in self._plans.items():
            if name not in self._endpoints:
                self._endpoints[name] = self._endpoint(name, plan)

    def _endpoint(self, name: str, plan: EndpointPlan) -> Endpoint:
        def handler(worker: str) -> Handler:
            if plan.paid_by_second:
                return WorkerComfyUI(self.folder / "workers" / worker, self.clock, self.faults, plan)
            return ImageModel(self.folder / "files", self.url, self.clock, self.faults, plan, name)

        if not plan.paid_by_second:
            plan.cold_s = 0.0
        return Endpoint(name, plan, self.clock, self.faults, self.book, handler, self.beside)

    def bill(self) -> Bill:
        return self.book.bill(charge for endpoint in self._endpoints.values() for charge in endpoint.running_charges())

    # --- routes

    def routes(self) -> Sequence[BaseRoute]:
        by_endpoint = "/v2/{endpoint}"
        return [
            Route(f"{by_endpoint}/run", self._guarded("run", self._run), methods=["POST"]),
            Route(f"{by_endpoint}/runsync", self._guarded("runsync", self._run_sync), methods=["POST"]),
            Route(f"{by_endpoint}/status/{{job}}", self._guarded("status", self._status), methods=["GET"]),
            Route(f"{by_endpoint}/stream/{{job}}", self._guarded("stream", self._stream), methods=["GET"]),
            Route(f"{by_endpoint}/cancel/{{job}}", self._guarded("cancel", self._cancel), methods=["POST"]),
            Route(f"{by_endpoint}/retry/{{job}}", self._guarded("retry", self._retry), methods=["POST"]),
            Route(f"{by_endpoint}/purge-queue", self._guarded("purge-queue", self._purge), methods=["POST"]),
            Route(f"{by_endpoint}/health", self._guarded("health", self._health), methods=["GET"]),
            Route("/files/{name}", self._file, methods=["GET"]),
        ]

    def failing(self, status: int, fault: Fault) -> Response:
        if status in (502, 524):
            return Response(f"<title>{status}</title>", status, media_type="text/html")
        said = "Too Many Requests" if status == 429 else "Internal Server Error"
        headers = {"Retry-After": str(max(1, round(fault.retry_after_s)))} if status == 429 else None
        return _error(status, said, headers)

    def refusals(self) -> dict[Any, Any]:
        async def told(request: Request, error: Exception) -> Response:
            status = getattr(error, "status_code", 500)
            return _error(status, str(getattr(error, "detail", "")))

        return {404: told, 405: told}

    def call_name(self, method: str, path: str) -> str:
        """Without ids: `POST run`, `GET status`, `GET files`."""
        parts = path.strip("/").split("/")
        return f"{method} {parts[2] if parts[0] == 'v2' and len(parts) > 2 else parts[0]}"

    def _guarded(self, operation: str, handler: Any) -> Any:
        async def handle(request: Request) -> Response:
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or key not in (self._key, self._watch_key):
                return _error(401, "Unauthorized")
            if key != self._key and operation in ("run", "runsync", "retry"):
                return _error(403, "Forbidden")
            endpoint = self._endpoints.get(request.path_params["endpoint"])
            if endpoint is None:
                return _error(404, "endpoint not found")
            if self._too_often(endpoint.name, operation):
                return _error(429, "Too Many Requests")
            if "job" not in request.path_params:
                answer: Response = await handler(request, endpoint)
                return answer
            job = endpoint.find(request.path_params["job"])
            if job is None:
                return _error(404, "request does not exist")
            answer = await handler(endpoint, job)
            return answer

        return handle

    def _too_often(self, endpoint: str, operation: str) -> bool:
        most = self._limits.get(operation)
        if most is None:
            return False
        now, asked = self.clock.now(), self._asked.setdefault((endpoint, operation), deque())
        while asked and now - asked[0] > _WINDOW_S:
            asked.popleft()
        if len(asked) >= most:
            return True
        asked.append(now)
        return False

    async def _run(self, request: Request, endpoint: Endpoint) -> Response:
        job = await self._ordered("run", request, endpoint)
        return job if isinstance(job, Response) else JSONResponse({"id": job.id, "status": "IN_QUEUE"})

    async def _run_sync(self, request: Request, endpoint: Endpoint) -> Response:
        job = await self._ordered("runsync", request, endpoint)
        if isinstance(job, Response):
            return job
        wait_ms = min(300_000, max(1000, int(request.query_params.get("wait", _WAIT_MS))))
        until = self.clock.now() + wait_ms / 1000
        while not job.over.is_set() and self.clock.now() < until:
            await first_of(job.over.wait(), self.clock.sleep(until - self.clock.now()))
        return JSONResponse(job.document())

    async def _ordered(self, operation: str, request: Request, endpoint: Endpoint) -> Job | Response:
        raw = await request.body()
        if len(raw) > MOST_BYTES[operation]:
            return _error(self._too_large_status, f"exceeded max body size of {MOST_BYTES[operation] // 10**6}MB")
        try:
            body = json.loads(raw)
        except ValueError:
            return _error(400, "invalid JSON in request body")
        if not isinstance(body, dict) or body.get("input") is None:
            return _error(400, "input is required")
        policy = body.get("policy", {})
        wrong = _policy_error(policy)
        if wrong:
            return _error(400, wrong)
        if endpoint.waiting > 50 and endpoint.waiting > endpoint.plan.max_workers * 500:
            return _error(429, "Too Many Requests")
        return self._accept(operation, endpoint, body["input"], policy)

    def _accept(self, operation: str, endpoint: Endpoint, given: Any, policy: Mapping[str, Any]) -> Job:
        job = Job(
            f"{'sync-' if operation == 'runsync' else ''}{uuid.uuid4()}-u1",
            given,
            operation == "runsync",
            policy.get("executionTimeout", _TIMEOUT_MS) / 1000,
            policy.get("ttl", _TTL_MS) / 1000,
            self.clock.now(),
        )
        self.book.order(f"POST {operation}", "", [endpoint.name, given], job.id, self.clock.now())
        endpoint.submit(job)
        return job

    async def _status(self, endpoint: Endpoint, job: Job) -> Response:
        return JSONResponse(job.document())

    async def _stream(self, endpoint: Endpoint, job: Job) -> Response:
        return JSONResponse({"status": job.status, "stream": []})

    async def _cancel(self, endpoint: Endpoint, job: Job) -> Response:
        endpoint.cancel(job)
        return JSONResponse({"id": job.id, "status": job.status})

    async def _retry(self, endpoint: Endpoint, job: Job) -> Response:
        if job.status not in (FAILED, TIMED_OUT):
            return _error(400, "only jobs that are FAILED or TIMED_OUT can be retried")
        endpoint.retry(job)
        return JSONResponse({"id": job.id, "status": job.status})

    async def _purge(self, request: Request, endpoint: Endpoint) -> Response:
        return JSONResponse({"removed": endpoint.purge(), "status": "completed"})

    async def _health(self, request: Request, endpoint: Endpoint) -> Response:
        return JSONResponse(endpoint.health())

    async def _file(self, request: Request) -> Response:
        """Where `image_url` points: public, as the real one is."""
        file = self.folder / "files" / Path(request.path_params["name"]).name
        return FileResponse(file) if file.is_file() else Response(status_code=404)

    # --- control

    def commands(self) -> dict[str, Command]:
        return {**super().commands(), "jobs": self._jobs, "plan": self._change_plan}

    def _jobs(self, endpoint: str) -> list[dict[str, Any]]:
        """Every job that the endpoint ever took, without inputs and outputs; those that nobody may ask for too."""
        now = self.clock.now()
        return [
            {
                "id": job.id,
                "status": job.status,
                "error": job.error,
                "forgotten": job.forgotten(now),
                "ended": job.status in ENDED,
            }
            for job in self._endpoints[endpoint].jobs.values()
        ]

    def _change_plan(self, endpoint: str, **values: Any) -> None:
        """Change what an endpoint is like, from now on."""
        known = {one.name for one in fields(EndpointPlan)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"an endpoint has no {name}")
            setattr(self._plans[endpoint], name, value)


def _policy_error(policy: Any) -> str:
    """What is wrong with a policy; empty where nothing is."""
    if not isinstance(policy, dict):
        return "policy must be an object"
    timeout, ttl = policy.get("executionTimeout", _TIMEOUT_MS), policy.get("ttl", _TTL_MS)
    if not isinstance(timeout, int) or timeout <= 5000:
        return "policy.executionTimeout must be more than 5000 ms"
    if not isinstance(ttl, int) or not 10_000 <= ttl <= _LONGEST_TTL_MS:
        return "policy.ttl must be from 10000 ms to one week"
    return ""


def _error(status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": said}, status, dict(headers or {}))
