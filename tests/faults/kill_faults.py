"""What goes wrong at the providers while orchestrators are killed, drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Any

from film_pipeline.simulators import Server

Fault = dict[str, Any]

_NETWORK: list[Fault] = [
    {"kind": "500", "rate": 0.05},
    {"kind": "429", "rate": 0.03},
    {"kind": "524", "rate": 0.03},
    {"kind": "502", "rate": 0.03},
    {"kind": "drop_before", "rate": 0.05},
    {"kind": "drop_after", "rate": 0.05},
    {"kind": "slow", "rate": 0.1, "seconds": 0.15},
]
"""On any call: most hit questions, some orders."""
COMFYUI: list[Fault] = [
    *_NETWORK,
    {"kind": "duplicate", "rate": 0.1},
    *(
        {"kind": kind, "call": "POST /prompt", "times": 1}
        for kind in ("500", "524", "429", "drop_before", "drop_after")
    ),
    {"kind": "500", "call": "POST /prompt", "times": 1, "handled": True},
    {"kind": "524", "call": "POST /prompt", "times": 1, "handled": True},
    {"kind": "slow", "call": "POST /prompt", "rate": 0.5, "seconds": 0.15},
    {"kind": "duplicate", "call": "POST /prompt", "times": 2},
    {"kind": "drop_after", "call": "GET /view", "times": 2},
    {"kind": "lost", "call": "take", "times": 1},
    {"kind": "crash", "call": "take", "times": 1, "after": 1},
    *(
        {"kind": kind, "call": "picture", "times": 1}
        for kind in ("truncated", "corrupt", "empty", "black", "input_back")
    ),
    {"kind": "execution_error", "call": "job", "times": 1},
    {"kind": "out_of_memory", "call": "job", "times": 1},
    {"kind": "socket_drop", "call": "socket *", "rate": 0.2},
    {"kind": "socket_mute", "call": "socket *", "rate": 0.3},
]
PODS: list[Fault] = [
    *_NETWORK,
    *(
        {"kind": kind, "call": "POST /v2/pods", "times": 1}
        for kind in ("500", "429", "524", "drop_before", "drop_after")
    ),
    {"kind": "524", "call": "POST /v2/pods", "times": 1, "handled": True},
    {"kind": "duplicate", "call": "POST /v2/pods", "times": 1},
    {"kind": "slow", "call": "POST /v2/pods", "times": 1, "seconds": 0.2},
    *(
        {"kind": kind, "call": "POST proxy /prompt", "times": 1}
        for kind in ("524", "drop_before", "drop_after", "duplicate")
    ),
    {"kind": "slow", "call": "POST proxy /prompt", "times": 2, "seconds": 0.15},
    {"kind": "boot_slow", "call": "boot", "times": 1, "seconds": 0.3},
    {"kind": "boot_error", "call": "boot", "times": 1},
    {"kind": "vanish", "call": "boot", "times": 1, "seconds": 0.2},
    {"kind": "drop_after", "call": "POST /v2/pods/*", "times": 1},
    {"kind": "500", "call": "POST /v2/pods/*", "times": 1},
]
SERVERLESS: list[Fault] = [
    *_NETWORK,
    *({"kind": kind, "call": "POST run", "times": 1} for kind in ("500", "429", "524", "drop_before", "drop_after")),
    {"kind": "500", "call": "POST run", "times": 1, "handled": True},
    {"kind": "duplicate", "call": "GET *", "rate": 0.2},
    {"kind": "lost", "call": "accept", "times": 1},
    {"kind": "stuck", "call": "work", "times": 1},
    {"kind": "expired", "call": "work", "times": 1},
    {"kind": "cold_slow", "call": "cold", "times": 1, "seconds": 5},
    *(
        {"kind": kind, "call": "picture", "times": 1}
        for kind in ("truncated", "corrupt", "empty", "black", "input_back")
    ),
    {"kind": "execution_error", "call": "job", "times": 1},
]
"""An order that is delivered twice is not among them: serverless has no key to tell it by, and nobody would know."""
NO_CAPACITY = "no capacity"


@dataclass(frozen=True)
class Weather:
    """What goes wrong in one seed."""

    comfyui: tuple[Fault, ...]
    pods: tuple[Fault, ...]
    serverless: tuple[Fault, ...]
    no_capacity: bool

    @classmethod
    def of(cls, chance: random.Random) -> "Weather":
        def some(among: list[Fault]) -> tuple[Fault, ...]:
            return tuple(chance.sample(among, chance.choice([0, 1, 1, 2, 3])))

        return cls(some(COMFYUI), some(PODS), some(SERVERLESS), chance.random() < 0.1)

    def comes(self, comfyui: Server, pods: Server, serverless: Server) -> None:
        for server, faults in ((comfyui, self.comfyui), (pods, self.pods), (serverless, self.serverless)):
            for fault in faults:
                server.fail(**fault)
        if self.no_capacity:
            self._capacity(pods, 0)

    def goes(self, comfyui: Server, pods: Server, serverless: Server) -> None:
        for server in (comfyui, pods, serverless):
            server.clear_faults()
        if self.no_capacity:
            self._capacity(pods, 8)

    @staticmethod
    def _capacity(pods: Server, number: int) -> None:
        for gpu in ("NVIDIA L40S", "NVIDIA GeForce RTX 4090"):
            pods.control("set_capacity", gpu=gpu, pods=number)

    def said(self) -> str:
        return "; ".join(
            f"{name}: {', '.join(str({**fault}) for fault in faults) or 'fair'}"
            for name, faults in (("comfyui", self.comfyui), ("pods", self.pods), ("serverless", self.serverless))
        ) + (f"; {NO_CAPACITY}" if self.no_capacity else "")
