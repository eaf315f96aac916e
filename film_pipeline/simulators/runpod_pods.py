"""A stand-in for RunPod's GPU pods: REST v2, the public proxy, and a ComfyUI in every pod that runs.

It charges by the second from creation to termination, boots slowly, runs out of GPUs and out of credit. Whoever names a
`FILM_POD_TOKEN` in a pod's environment is understood to have put our guard before its ComfyUI.
"""

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from film_pipeline.simulators import pod as states
from film_pipeline.simulators.book import Bill
from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui import ComfyUI
from film_pipeline.simulators.faults import Fault
from film_pipeline.simulators.listening import Listener
from film_pipeline.simulators.pod import Pod
from film_pipeline.simulators.pod_proxy import PREFIX, Proxy
from film_pipeline.simulators.pod_requests import (
    CATALOG,
    CLOUDS,
    DATA_CENTERS,
    Refused,
    check_action,
    check_create,
    check_update,
    problem,
)
from film_pipeline.simulators.service import Command, Service

KEY, WATCH_KEY = "simulated-runpod-key", "simulated-runpod-watch-key"
_BOOT_FAULTS = frozenset({"boot_slow", "boot_error", "vanish"})
"""At the moment `boot`. boot_slow: the container needs `seconds` more. boot_error: it ends in ERROR. vanish: it is gone
`seconds` after it runs."""
_NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
_ROOM = 8
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WATCH_S = 0.02


class RunPodPods(Service):
    """One account at RunPod.

    key: may do everything; watch_key: everything but rent a pod.
    balance_usd: what it holds; text, as money is. capacity: pods to be had by GPU type, 8 of each unless given.
    provisioning_s, starting_s, ready_s: from the order to the machine, to the running container, to ComfyUI's answer.
    limit_s: after which the proxy answers 524. remembered_s: how long a terminated pod is still told by its id.
    requests_a_minute: beyond which it answers 429. comfyui: options of the pods' ComfyUI servers.
    """

    own_faults: ClassVar[frozenset[str]] = _BOOT_FAULTS

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        key: str = KEY,
        watch_key: str = WATCH_KEY,
        balance_usd: str = "100",
        capacity: Mapping[str, int] | None = None,
        provisioning_s: float = 4.0,
        starting_s: float = 20.0,
        ready_s: float = 15.0,
        limit_s: float = 100.0,
        remembered_s: float = 60.0,
        requests_a_minute: int = 1_000_000,
        templates: Mapping[str, dict[str, Any]] | None = None,
        comfyui: Mapping[str, Any] | None = None,
    ) -> None:
        clock = clock or Clock()
        self._proxy = Proxy(self._reachable, clock, limit_s, self.beside)
        super().__init__(folder, clock, seed)
        self._key, self._watch_key, self._balance = key, watch_key, Decimal(balance_usd)
        self._capacity = {gpu: _ROOM for gpu in CATALOG} | dict(capacity or {})
        self._boot = (provisioning_s, starting_s, ready_s)
        self._remembered_s, self._requests_a_minute = remembered_s, requests_a_minute
        self._templates, self._comfyui = dict(templates or {}), dict(comfyui or {})
        self._pods: dict[str, Pod] = {}
        self._asked: Counter[int] = Counter()
        self._names = random.Random(seed)
        self._comfyui_faults: list[dict[str, Any]] = []

    async def start(self, url: str) -> None:
        await super().start(url)
        self.beside(self._watch())

    async def stop(self) -> None:
        await super().stop()
        for pod in self._pods.values():
            await self._take_down(pod)

    # --- money

    def bill(self) -> Bill:
        """All orders, those placed with the pods' ComfyUI servers too; one charge a pod."""
        orders = [*self.book.orders]
        for pod in self._pods.values():
            if pod.comfyui is not None:
                orders += pod.comfyui.book.orders
        return Bill(tuple(orders), tuple(pod.charge() for pod in self._pods.values()))

    def balance_usd(self) -> Decimal:
        return self._balance - self.bill().total_usd

    async def _watch(self) -> None:
        """Stop everything when the money is gone, and end pods that nobody calls."""
        while True:
            await asyncio.sleep(_WATCH_S)
            living = [pod for pod in self._pods.values() if pod.status in (states.STARTING, states.RUNNING)]
            if living and self.balance_usd() <= 0:
                for pod in living:
                    await self._halt(pod)
            for pod in living:
                heard_s = pod.comfyui.heard_at_s if pod.comfyui else pod.started_s
                if pod.silent_s and heard_s is not None and self.clock.now() - heard_s > pod.silent_s:
                    await self._terminate(pod)

    # --- lives

    async def _boot_up(self, pod: Pod, fresh: bool = True) -> None:
        """From the order to a ComfyUI that answers."""
        pod.generation += 1
        turn = pod.generation
        provisioning_s, starting_s, ready_s = self._boot
        fault = self.faults.befalls("boot", _BOOT_FAULTS, pod.id)
        slower_s = fault.seconds if fault is not None and fault.kind == "boot_slow" else 0.0
        if fresh:
            await self.clock.sleep(provisioning_s)
        if pod.generation != turn:
            return
        pod.status = states.STARTING
        await self.clock.sleep(starting_s + slower_s)
        if pod.generation != turn:
            return
        if fault is not None and fault.kind == "boot_error":
            pod.status = states.ERROR
            return
        pod.status, pod.started_s = states.RUNNING, self.clock.now()
        if fault is not None and fault.kind == "vanish":
            self.beside(self._vanish_later(pod, fault.seconds))
        await self.clock.sleep(ready_s)
        if pod.generation == turn:
            await self._put_up(pod)

    async def _put_up(self, pod: Pod) -> None:
        comfyui = ComfyUI(self.folder / "pods" / pod.id, self.clock, **self._comfyui)
        for fault in self._comfyui_faults:
            comfyui.faults.add(Fault(**fault))
        listener = Listener(comfyui.app)
        await listener.open()
        await comfyui.start(listener.url)
        pod.comfyui, pod.listener = comfyui, listener

    async def _take_down(self, pod: Pod) -> None:
        comfyui, listener = pod.comfyui, pod.listener
        pod.generation += 1
        pod.listener = None
        if comfyui is not None and listener is not None:
            comfyui.sockets.drop(None)
            await listener.close()
            await comfyui.die()
            self.book.orders += comfyui.book.orders
            self.faults.shown += comfyui.faults.shown
            pod.comfyui = None
            # The container's disk does not outlive the container.
            shutil.rmtree(self.folder / "pods" / pod.id, ignore_errors=True)

    async def _halt(self, pod: Pod) -> None:
        pod.cease_to_cost()
        pod.status = states.EXITED
        await self._take_down(pod)

    async def _terminate(self, pod: Pod) -> None:
        pod.cease_to_cost()
        pod.status, pod.terminated_s = states.TERMINATED, self.clock.now()
        await self._take_down(pod)

    async def _vanish_later(self, pod: Pod, seconds: float) -> None:
        await self.clock.sleep(seconds)
        await self._vanish(pod.id)

    async def _vanish(self, pod_id: str) -> None:
        """Gone without a word: not listed, not told by its id."""
        await self._terminate(self._pods[pod_id])
        self._pods[pod_id].terminated_s = float("-inf")

    def _reachable(self, pod_id: str) -> Pod | None:
        pod = self._pods.get(pod_id)
        return pod if pod is not None and pod.status != states.TERMINATED else None

    # --- routes

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/v2/pods", self._guarded(self._pods_route), methods=["GET", "POST"]),
            Route("/v2/pods/{id}", self._guarded(self._pod_route), methods=["GET", "PATCH", "DELETE"]),
            Route("/v2/pods/{id}/action", self._guarded(self._act), methods=["POST"]),
            Route("/v2/catalog/gpus", self._guarded(self._catalog), methods=["GET"]),
            Route("/v2/catalog/gpus/{id:path}", self._guarded(self._catalog_one), methods=["GET"]),
            Mount(PREFIX, app=self._proxied),
        ]

    async def _proxied(self, scope: Any, receive: Any, send: Any) -> None:
        await self._proxy({**scope, "path": scope["path"]}, receive, send)

    def call_name(self, method: str, path: str) -> str:
        """Through the proxy, every pod's `/queue` is `GET proxy /queue`."""
        if path.startswith(f"{PREFIX}/"):
            return f"{method} proxy /{path.removeprefix(PREFIX + '/').partition('/')[2]}"
        return f"{method} {path}"

    def failing(self, status: int, fault: Fault) -> Response:
        if status == 429:
            seconds = max(1, round(fault.retry_after_s))
            return problem(429, "rate limit exceeded for the minute window", headers={"Retry-After": str(seconds)})
        if status in (502, 524):
            return Response(f"<title>{status}</title>", status, media_type="text/html")
        return problem(status, "an internal error occurred")

    def refusals(self) -> dict[Any, Any]:
        async def wrong_path(request: Request, error: Exception) -> Response:
            return problem(404, "resource not found")

        async def wrong_method(request: Request, error: Exception) -> Response:
            allowed = dict(getattr(error, "headers", None) or {})
            return problem(405, "The requested method is not allowed for this path.", headers=allowed)

        return {404: wrong_path, 405: wrong_method}

    def _guarded(self, handler: Any) -> Any:
        """Ask for the key, count the calls, and word every refusal as RFC 9457 says."""

        async def handle(request: Request) -> Response:
            try:
                self._admit(request)
                answer: Response = await handler(request)
            except Refused as refused:
                answer = refused.answer()
            answer.headers["RateLimit-Policy"] = f'"minute";q={self._requests_a_minute};w=60'
            if answer.status_code == 429:
                answer.headers["Retry-After"] = str(60 - int(self.clock.now()) % 60)
            return answer

        return handle

    def _admit(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refused(401, "missing bearer token")
        if key not in (self._key, self._watch_key):
            raise Refused(401, "invalid bearer token")
        if key != self._key and request.method == "POST" and request.url.path == "/v2/pods":
            raise Refused(403, "access denied")
        minute = int(self.clock.now() // 60)
        self._asked[minute] += 1
        if self._asked[minute] > self._requests_a_minute:
            raise Refused(429, "rate limit exceeded for the minute window")

    async def _pods_route(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._create(check_create(await _body(request)))
        listed = [pod.document() for pod in self._pods.values() if pod.status != states.TERMINATED]
        return JSONResponse({"pods": listed})

    async def _create(self, wanted: dict[str, Any]) -> Response:
        if "templateId" in wanted:
            wanted = self._from_template(wanted)
        gpu = CATALOG.get(wanted["gpu"]["id"])
        cloud, count = wanted.get("cloud", "SECURE"), wanted["gpu"].get("count", 1)
        price = gpu.price(cloud) if gpu is not None else None
        if gpu is None or price is None:
            raise Refused(400, f"gpu.id {wanted['gpu']['id']!r} is not offered in the {cloud} cloud")
        if count > gpu.document()["maxCount"][cloud.lower()]:
            raise Refused(400, f"gpu.count {count} is more than {gpu.id} allows")
        if self.balance_usd() < price * count:
            raise Refused(402, "Your account balance is too low to rent this pod: add credit and try again.")
        if self._taken(gpu.id) + 1 > self._capacity[gpu.id]:
            raise Refused(400, _NO_CAPACITY)
        pod = Pod(self._new_id(), wanted, price * count, self.clock, self.clock.now())
        self._pods[pod.id] = pod
        pod.begin_to_cost()
        self.book.order("POST /v2/pods", pod.name, wanted, pod.id, self.clock.now())
        self.beside(self._boot_up(pod))
        return JSONResponse(pod.document(), 201)

    def _from_template(self, wanted: dict[str, Any]) -> dict[str, Any]:
        template = self._templates.get(wanted["templateId"])
        if template is None:
            raise Refused(404, "template not found")
        env = {**template.get("env", {}), **wanted.get("env", {})}
        return {**template, **{key: value for key, value in wanted.items() if key != "templateId"}, "env": env}

    def _taken(self, gpu: str) -> int:
        held = (states.PROVISIONING, states.STARTING, states.RUNNING)
        return sum(pod.wanted["gpu"]["id"] == gpu and pod.status in held for pod in self._pods.values())

    def _new_id(self) -> str:
        return "".join(self._names.choice(_LETTERS) for _ in range(14))

    def _pod(self, request: Request) -> Pod:
        pod = self._pods.get(request.path_params["id"])
        gone_s = None if pod is None else pod.terminated_s
        if pod is None or (gone_s is not None and self.clock.now() - gone_s > self._remembered_s):
            raise Refused(404, "pod not found")
        return pod

    async def _pod_route(self, request: Request) -> Response:
        pod = self._pod(request)
        if request.method == "PATCH":
            changes = check_update(await _body(request))
            pod.locked = changes.pop("locked", pod.locked)
            pod.wanted |= changes
        elif request.method == "DELETE":
            if pod.status == states.TERMINATED:
                raise Refused(404, "pod not found")
            await self._terminate(pod)
            return Response(status_code=204)
        return JSONResponse(pod.document())

    async def _act(self, request: Request) -> Response:
        pod, action = self._pod(request), check_action(await _body(request))
        if action not in pod.actions:
            raise Refused(409, f"action {action!r} is not valid for a pod that is {pod.status}")
        if action == "terminate":
            await self._terminate(pod)
            return Response(status_code=204)
        if action == "stop":
            await self._halt(pod)
        elif action == "restart":
            await self._take_down(pod)
            pod.status, pod.started_s = states.STARTING, None
            self.beside(self._boot_up(pod, fresh=False))
        else:
            if self._taken(pod.wanted["gpu"]["id"]) + 1 > self._capacity[pod.wanted["gpu"]["id"]]:
                raise Refused(400, _NO_CAPACITY)
            pod.begin_to_cost()
            pod.status, pod.started_s = states.STARTING, None
            self.beside(self._boot_up(pod, fresh=False))
        return JSONResponse(pod.document())

    async def _catalog(self, request: Request) -> Response:
        told = [self._gpu(gpu_id, request) for gpu_id in CATALOG]
        return JSONResponse({"gpus": told})

    async def _catalog_one(self, request: Request) -> Response:
        if request.path_params["id"] not in CATALOG:
            raise Refused(404, "GPU type not found")
        return JSONResponse(self._gpu(request.path_params["id"], request))

    def _gpu(self, gpu_id: str, request: Request) -> dict[str, Any]:
        asked = request.query_params
        include, product = asked.get("include"), asked.get("product")
        if include not in (None, "AVAILABILITY"):
            raise Refused(422, "Request validation failed.", ["include: expected AVAILABILITY"])
        if (include is None) != (product is None):
            raise Refused(400, "include=AVAILABILITY and product are only valid together")
        if asked.get("cloud") not in (None, *CLOUDS):
            raise Refused(422, "Request validation failed.", ["cloud: expected SECURE or COMMUNITY"])
        told = CATALOG[gpu_id].document()
        if include is not None:
            room = self._capacity[gpu_id] - self._taken(gpu_id)
            level = "NONE" if room <= 0 else "LOW" if room == 1 else "MEDIUM" if room < _ROOM // 2 else "HIGH"
            told["availability"] = level
            told["dataCenters"] = [{"id": name, "name": name, "availability": level} for name in DATA_CENTERS]
        return told

    # --- control

    def commands(self) -> dict[str, Command]:
        return {
            **super().commands(),
            "pods": lambda: [pod.document() for pod in self._pods.values()],
            "comfyui_url": self._listening,
            "comfyui_fail": self._fail_comfyui,
            "vanish": self._vanish,
            "set_capacity": lambda gpu, pods: self._capacity.update({gpu: int(pods)}),
            "set_balance": self._set_balance,
            "balance": lambda: str(self.balance_usd()),
        }

    def _listening(self, pod_id: str) -> str | None:
        """Where a pod's ComfyUI listens by itself, without proxy and guard; None while it does not."""
        listener = self._pods[pod_id].listener
        return None if listener is None else listener.url

    def _fail_comfyui(self, **fault: Any) -> None:
        """A fault in every pod's ComfyUI, those of pods to come too."""
        Fault(**fault)
        self._comfyui_faults.append(fault)
        for pod in self._pods.values():
            if pod.comfyui is not None:
                pod.comfyui.faults.add(Fault(**fault))

    def _set_balance(self, usd: str) -> None:
        """What is left from now on."""
        self._balance = Decimal(usd) + self.bill().total_usd


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, "the request body is not valid JSON") from error
