"""RunPod's REST v2 for pods, as far as we need it: catalog, list, create, end.

The SDK's pod calls are GraphQL, which retires, with values put into the query unescaped; so this is our own.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from film_pipeline.backends.credentials import Order, Secret
from film_pipeline.backends.wire import Broken, Reply, Unreached, Wire
from film_pipeline.core.problems import FilmProblem

DEFAULT_REST = "https://api.runpod.io/v2"
GONE_STATES = frozenset({"EXITED", "ERROR", "TERMINATED"})
_CAPACITY = re.compile(
    r"capacity|no longer any instances|no instances|not available|unavailable|out of stock|no resources|insufficient",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pod:
    """A pod as RunPod tells of it. Of what we put into its environment only the model is kept: the rest is secret."""

    id: str
    name: str
    status: str
    gpu: str = ""
    usd_per_hour: Decimal | None = None
    created_at: str = ""
    started_at: str = ""
    model: str = ""

    @property
    def gone(self) -> bool:
        return self.status in GONE_STATES


@dataclass(frozen=True)
class Gpu:
    """A GPU type in the catalog. Prices a GPU and hour; None where the catalog names none."""

    id: str
    secure_usd: Decimal | None
    community_usd: Decimal | None
    availability: str = ""

    def price(self, cloud: str) -> Decimal | None:
        return self.secure_usd if cloud == "SECURE" else self.community_usd


class PodRefused(Exception):
    """RunPod did not start a pod, for this reason; surely none was started."""

    def __init__(self, said: str, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(said)
        self.status, self.retry_after_s = status, retry_after_s


class NoCapacity(PodRefused):
    """There is no such GPU to be had now: another one may be."""


class NoBalance(PodRefused):
    """The account has no money left (402)."""


class RuleBroken(PodRefused):
    """The order breaks a rule of RunPod's: it has to be changed (400, 422), or the key may not (401, 403)."""


class TooMany(PodRefused):
    """Too many requests (429)."""


class PodClient:
    """secret: the watching credential, asked for each time. Creating takes an `Order` besides.

    Methods raise FilmProblem where RunPod does not answer as it should; `create` raises PodRefused, or Broken where a
    pod may have been started.
    """

    def __init__(self, secret: Callable[[], Secret | None], url: str = DEFAULT_REST, pause_s: float = 0.2) -> None:
        self._wire, self._secret = Wire(url, timeout_s=30.0, pause_s=pause_s), secret

    async def list(self) -> list[Pod]:
        answer = await self._asked("/pods")
        pods = answer.get("pods")
        if not isinstance(pods, list):
            raise _odd("its list of pods is none")
        try:
            return [pod for pod in map(pod_of, pods) if pod.status != "TERMINATED"]
        except Broken as error:
            raise _odd(str(error)) from error

    async def catalog(self, cloud: str) -> dict[str, Gpu]:
        answer = await self._asked("/catalog/gpus", {"include": "AVAILABILITY", "product": "POD", "cloud": cloud})
        gpus = answer.get("gpus")
        if not isinstance(gpus, list):
            raise _odd("its catalog has no GPUs")
        found = [_gpu_of(gpu) for gpu in gpus if isinstance(gpu, Mapping)]
        return {gpu.id: gpu for gpu in found}

    async def create(self, order: Order, job: str, body: Mapping[str, Any]) -> Pod:
        """Start one pod, once. Raises PodRefused, Broken or Unreached."""
        order.must_be_for(job)
        reply = await self._wire.post("/pods", dict(body), order.bearer)
        if reply.status in (200, 201):
            return pod_of(reply.object())
        if reply.status >= 500:
            raise Broken(f"RunPod answered {reply.status}: {reply.said}")
        raise _refused(reply)

    async def terminate(self, pod_id: str) -> None:
        """End a pod for good. Raises FilmProblem unless RunPod agrees, or no longer has it."""
        path = f"/pods/{quote(pod_id, safe='')}"
        try:
            reply = await self._wire.post(f"{path}/action", {"action": "terminate"}, self._secret())
            if reply.status == 409 or reply.status == 405:
                reply = await self._wire.delete(path, self._secret())
        except (Unreached, Broken) as error:
            raise FilmProblem(
                f"pod {pod_id} may still cost money: RunPod did not answer ({error})",
                "end it in RunPod's console, or run `film workers sweep` again",
            ) from error
        if not reply.ok and reply.status != 404:
            raise FilmProblem(
                f"pod {pod_id} still costs money: RunPod answered {reply.status}: {reply.said}",
                "end it in RunPod's console",
            )

    async def close(self) -> None:
        await self._wire.close()

    async def _asked(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            reply = await self._wire.get(path, self._secret(), params)
            if reply.status in (401, 403):
                raise FilmProblem(f"RunPod refused the key: {reply.said}", "check RUNPOD_WATCH_KEY or RUNPOD_API_KEY")
            if not reply.ok:
                raise Broken(f"status {reply.status}: {reply.said}")
            return reply.object()
        except (Unreached, Broken) as error:
            raise FilmProblem(f"RunPod does not answer: {error}", "see its status page; it is asked again") from error


def pod_name(production: str, backend: str, job: str) -> str:
    """A name that no other pod has: whose it is, and the ticket's job that it was started for."""
    return f"film_{production}_{backend}_{job}"


def job_of(pod: Pod, production: str, backend: str | None = None) -> str | None:
    """The job that one of this production's pods was started for; None for everybody else's pods."""
    owner = owner_of(pod, production)
    return owner[1] if owner is not None and backend in (None, owner[0]) else None


def owner_of(pod: Pod, production: str) -> tuple[str, str] | None:
    """The backend and the job that one of this production's pods was started for."""
    begin = f"film_{production}_"
    whose, _, job = pod.name.removeprefix(begin).rpartition("_")
    if not pod.name.startswith(begin) or "_" in whose or not whose:
        return None
    try:
        return (whose, job) if str(uuid.UUID(job)) == job else None
    except ValueError:
        return None


def pod_of(read: Any) -> Pod:
    """Raises Broken for what is no pod."""
    if not isinstance(read, Mapping) or not isinstance(read.get("id"), str) or not read["id"]:
        raise Broken("RunPod's answer is no pod")
    gpu, env = read.get("gpu"), read.get("env")
    return Pod(
        id=read["id"],
        name=str(read.get("name") or ""),
        status=str(read.get("status") or ""),
        gpu=str(gpu.get("id") or "") if isinstance(gpu, Mapping) else "",
        usd_per_hour=_money(read.get("cost")),
        created_at=str(read.get("createdAt") or ""),
        started_at=str(read.get("startedAt") or ""),
        model=str(env.get("FILM_MODEL") or "") if isinstance(env, Mapping) else "",
    )


def seconds_since(moment: str, now: datetime) -> float:
    """Seconds since a moment that RunPod named; 0 where it named none."""
    try:
        return max((now - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _gpu_of(read: Mapping[str, Any]) -> Gpu:
    given = read.get("price")
    price: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    return Gpu(
        str(read.get("id") or ""),
        _money(price.get("secure")),
        _money(price.get("community")),
        str(read.get("availability") or ""),
    )


def _money(value: Any) -> Decimal | None:
    """A price above nothing; RunPod writes 0 where there is no price to be had."""
    try:
        read = Decimal(str(value)) if value is not None and not isinstance(value, bool) else None
    except InvalidOperation:
        return None
    return read if read is not None and read.is_finite() and read > 0 else None


def _refused(reply: Reply) -> PodRefused:
    said = f"RunPod answered {reply.status}: {reply.said}"
    if reply.status == 402:
        return NoBalance(said, reply.status)
    if reply.status == 429:
        return TooMany(said, reply.status, reply.retry_after_s or 10.0)
    if reply.status == 400 and _CAPACITY.search(reply.said):
        return NoCapacity(said, reply.status)
    return RuleBroken(said, reply.status)


def _odd(what: str) -> FilmProblem:
    return FilmProblem(f"RunPod answers oddly: {what}", "see docs/backends/runpod-pods.md")
