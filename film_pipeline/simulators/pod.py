"""One simulated pod: its life, what it costs, and the ComfyUI that runs in it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from film_pipeline.simulators.book import Charge, charged, per_second
from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui import ComfyUI
from film_pipeline.simulators.listening import Listener
from film_pipeline.simulators.pod_requests import DATA_CENTERS

PROVISIONING, STARTING, RUNNING = "PROVISIONING", "STARTING", "RUNNING"
EXITED, ERROR, TERMINATED = "EXITED", "ERROR", "TERMINATED"
_ALLOWED: Mapping[str, tuple[str, ...]] = {
    PROVISIONING: ("stop", "terminate"),
    STARTING: ("stop", "terminate"),
    RUNNING: ("stop", "restart", "terminate"),
    EXITED: ("start", "terminate"),
    ERROR: ("start", "terminate"),
    TERMINATED: (),
}
_GUARDED = ("FILM_POD_TOKEN", "FILM_POD_SILENT_S")


@dataclass
class Pod:
    """A pod.

    price: dollars an hour of all its GPUs. paid: when it cost money, from and to; to is None while it does.
    """

    id: str
    wanted: dict[str, Any]
    price: Decimal
    clock: Clock
    created_s: float
    status: str = PROVISIONING
    started_s: float | None = None
    terminated_s: float | None = None
    locked: bool = False
    paid: list[tuple[float, float | None]] = field(default_factory=list)
    comfyui: ComfyUI | None = None
    listener: Listener | None = None
    generation: int = 0
    """Counts its boots: a boot that was overtaken by a stop must not go on."""

    @property
    def name(self) -> str:
        return str(self.wanted["name"])

    @property
    def actions(self) -> tuple[str, ...]:
        allowed = _ALLOWED[self.status]
        return tuple(action for action in allowed if not (self.locked and action in ("stop", "restart")))

    @property
    def token(self) -> str:
        """What the guard in front of its ComfyUI asks for; empty where none was started."""
        return str(self.wanted.get("env", {}).get(_GUARDED[0], ""))

    @property
    def silent_s(self) -> float | None:
        """After how many seconds without a call its guard ends it; None without a guard."""
        told = self.wanted.get("env", {}).get(_GUARDED[1])
        return None if told is None or not self.token else float(told)

    def exposes(self, port: int) -> bool:
        return f"{port}/http" in self.wanted.get("ports", [])

    def begin_to_cost(self) -> None:
        self.paid.append((self.clock.now(), None))

    def cease_to_cost(self) -> None:
        if self.paid and self.paid[-1][1] is None:
            self.paid[-1] = (self.paid[-1][0], self.clock.now())

    def charge(self) -> Charge:
        """What it cost until now: whole seconds, a begun one counts."""
        now = self.clock.now()
        seconds = Decimal(sum(math.ceil((now if to is None else to) - begun) for begun, to in self.paid))
        return charged(self.id, "pod", seconds, per_second(self.price, seconds))

    def document(self) -> dict[str, Any]:
        """As REST v2 tells it."""
        wanted, running = self.wanted, self.status == RUNNING
        gpu = wanted["gpu"]
        count = gpu.get("count", 1)
        costs = self.status not in (EXITED, TERMINATED)
        return {
            "id": self.id,
            "name": wanted["name"],
            "status": self.status,
            "actions": list(self.actions),
            "image": wanted.get("image", ""),
            "args": wanted.get("args", ""),
            "disk": wanted.get("disk", 20),
            "mounts": wanted.get("mounts", {}),
            "ports": wanted.get("ports", []),
            "env": wanted.get("env", {}),
            "registry": wanted.get("registry"),
            "gpu": {"id": gpu["id"], "count": count, "vcpuCount": 8 * count, "memory": 32 * count},
            "cloud": wanted.get("cloud", "SECURE"),
            "dataCenterId": None if self.status == PROVISIONING else self._data_center(),
            "cudaVersion": None if self.status == PROVISIONING else "12.8",
            "ssh": {"proxy": None, "direct": None},
            "template": None,
            "cost": float(self.price) if costs else 0.0,
            "locked": self.locked,
            "globalNetworking": {"enabled": bool(wanted.get("globalNetworking", False))},
            "runtime": self._runtime() if running else None,
            "createdAt": self.clock.stamp(self.created_s),
            "startedAt": None if self.started_s is None else self.clock.stamp(self.started_s),
        }

    def _data_center(self) -> str:
        return next(iter(self.wanted.get("dataCenterIds") or DATA_CENTERS))

    def _runtime(self) -> dict[str, Any]:
        busy = self.comfyui is not None and self.comfyui.queue.running is not None
        ports = [str(port).split("/") for port in self.wanted.get("ports", [])]
        return {
            "uptime": int(self.clock.now() - (self.started_s or 0.0)),
            "gpus": [{"util": 97 if busy else 0, "memoryUtil": 60}],
            "cpu": {"util": 12},
            "memory": {"util": 30},
            "ports": [
                {"private": int(number), "public": None, "type": kind, "ip": None}
                for number, kind in ports
                if number.isdigit()
            ],
        }
