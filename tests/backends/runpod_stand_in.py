"""A tiny RunPod for these tests: REST v2 pods whose ComfyUI is a stand-in, a serverless endpoint, and faults.

A pod's id is the port that its ComfyUI listens on, so that `http://127.0.0.1:{pod}` reaches it.
"""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from comfy_stand_in import ComfyStandIn

CATALOG = [
    {"id": "NVIDIA GeForce RTX 4090", "price": {"secure": 0.69, "community": 0.34}, "availability": "LOW"},
    {"id": "NVIDIA L40S", "price": {"secure": 0.86, "community": 0.79}, "availability": "HIGH"},
]
NO_CAPACITY = {"title": "Bad Request", "status": 400, "detail": "There are no longer any instances available"}
PRICES = {gpu["id"]: gpu["price"]["secure"] for gpu in CATALOG}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunpodStandIn:
    """faults: `METHOD /path` -> statuses, (status, body), `drop`, `drop after` for its next requests.

    boots: whether pods' ComfyUI comes up; boot_s: how long that takes. asked: method, path, key, body.
    """

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.comfy: dict[str, ComfyStandIn] = {}
        self.asked: list[tuple[str, str, str, Any]] = []
        self.faults: dict[str, list[Any]] = {}
        self.boots, self.boot_s = True, 0.05
        self.let_for: float | None = None
        self.models = ["flux-2-klein-4b.safetensors"]
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.file_keys: list[str] = []
        self.health: dict[str, Any] = {"jobs": {"inQueue": 0, "inProgress": 0}, "workers": {"idle": 0, "running": 0}}
        self.url = ""
        self._boots: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "RunpodStandIn":
        app = web.Application(middlewares=[self._middleware], client_max_size=2**27)
        app.router.add_get("/v2/pods", self._list)
        app.router.add_post("/v2/pods", self._create)
        app.router.add_post("/v2/pods/{id}/action", self._action)
        app.router.add_delete("/v2/pods/{id}", self._delete)
        app.router.add_get("/v2/catalog/gpus", self._catalog)
        app.router.add_post("/v2/{endpoint}/run", self._run)
        app.router.add_get("/v2/{endpoint}/status/{id}", self._status)
        app.router.add_post("/v2/{endpoint}/cancel/{id}", self._cancel)
        app.router.add_get("/v2/{endpoint}/health", self._health)
        app.router.add_get("/files/{name}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for boot in self._boots:
            boot.cancel()
        await asyncio.gather(*self._boots, return_exceptions=True)
        for pod in list(self.comfy):
            await self.stop(pod)
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.method, request.path, key, body))
        route = f"{request.method} {request.path}"
        fault = next((self.faults[name].pop(0) for name in self.faults if self.faults[name] and name in route), None)
        if fault == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(fault, int):
            return web.json_response(
                {"title": "Trouble", "status": fault, "detail": "trouble"}, status=fault, headers={"Retry-After": "7"}
            )
        if isinstance(fault, tuple):
            return web.json_response(fault[1], status=fault[0])
        answer = await handler(request)
        if fault == "drop after":
            assert request.transport is not None
            request.transport.close()
        if isinstance(fault, str) and fault.startswith("after "):
            return web.Response(status=int(fault.removeprefix("after ")), text="gateway trouble")
        if fault == "cut":
            return web.Response(text=(answer.text or "")[:9])
        return answer

    # Pods

    def calls(self, method: str, path: str) -> list[tuple[str, Any]]:
        """Key and body of the requests to one route."""
        return [(key, body) for asked, at, key, body in self.asked if asked == method and at == path]

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"pods": list(self.pods.values())})

    async def _catalog(self, _: web.Request) -> web.Response:
        return web.json_response({"gpus": CATALOG})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        gpu = body["gpu"]["id"]
        pod = self.add(body["name"], body.get("env", {}), gpu, self.let_for or PRICES.get(gpu, 0))
        return web.json_response(self.pods[pod], status=201)

    def add(self, name: str, env: dict[str, str] | None = None, gpu: str = "NVIDIA L40S", cost: float = 0.86) -> str:
        # The system may offer one port twice, and a pod is known by its port.
        pod = next(port for port in (str(free_port()) for _ in range(1000)) if port not in self.pods)
        self.pods[pod] = {
            "id": pod,
            "name": name,
            "status": "PROVISIONING",
            "gpu": {"id": gpu, "count": 1},
            "cost": cost,
            "env": env or {},
            "createdAt": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "startedAt": None,
        }
        self._boots.append(asyncio.create_task(self._boot(pod)))
        return pod

    async def _boot(self, pod: str) -> None:
        await asyncio.sleep(self.boot_s)
        if pod not in self.pods:
            return
        self.pods[pod]["status"] = "RUNNING"
        if not self.boots:
            return
        await asyncio.sleep(self.boot_s)
        comfy = ComfyStandIn(self.pods[pod]["env"].get("FILM_POD_TOKEN", ""))
        comfy.nodes["UNETLoader"]["input"]["required"]["unet_name"] = [self.models, {}]
        comfy.port = int(pod)
        self.comfy[pod] = await comfy.__aenter__()

    async def _action(self, request: web.Request) -> web.Response:
        pod = request.match_info["id"]
        if pod not in self.pods:
            return web.json_response({"title": "Not Found", "status": 404, "detail": "resource not found"}, status=404)
        await self.end(pod)
        return web.json_response({"id": pod, "status": "TERMINATED"})

    async def _delete(self, request: web.Request) -> web.Response:
        await self.end(request.match_info["id"])
        return web.Response(status=204)

    async def end(self, pod: str) -> None:
        self.pods.pop(pod, None)
        await self.stop(pod)

    async def stop(self, pod: str) -> None:
        if pod in self.comfy:
            await self.comfy.pop(pod).__aexit__()

    def grow_old(self, pod: str, seconds: float) -> None:
        born = datetime.now(UTC) - timedelta(seconds=seconds)
        self.pods[pod]["createdAt"] = born.isoformat().replace("+00:00", "Z")

    # Serverless

    async def _run(self, request: web.Request) -> web.Response:
        job = f"job-{len(self.jobs)}-u1"
        self.jobs[job] = {"id": job, "status": "IN_QUEUE"}
        return web.json_response({"id": job, "status": "IN_QUEUE"})

    async def _status(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return web.json_response({"error": "job not found"}, status=404) if job is None else web.json_response(job)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["id"]]
        job["status"] = "CANCELLED"
        return web.json_response({"id": job["id"], "status": "CANCELLED"})

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health)

    async def _file(self, request: web.Request) -> web.Response:
        self.file_keys.append(request.headers.get("Authorization", ""))
        content = self.files.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)
