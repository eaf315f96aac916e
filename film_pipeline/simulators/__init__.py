"""Faithful stand-ins for services that cost money or can't be had here, used by the tests and by `film simulate`.

    with simulators.comfyui(frame_s=0.2) as server:
        requests.get(f"{server.url}/queue")
        server.fail("drop_after", "POST /prompt", times=1)
        assert not server.bill().ordered_twice()

Each runs in a thread of this process; `simulators.in_process("comfyui", folder)` runs one in a process of its own. They
listen on the loopback interface only.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui import ComfyUI
from film_pipeline.simulators.discord import Discord
from film_pipeline.simulators.people import People
from film_pipeline.simulators.runpod_pods import RunPodPods
from film_pipeline.simulators.runpod_serverless import RunPodServerless
from film_pipeline.simulators.service import Service
from film_pipeline.simulators.serving import ProcessServer, Server, ThreadServer, in_process, in_thread

Serving = AbstractContextManager[ThreadServer]
SERVICES: Mapping[str, type[Service]] = {
    "comfyui": ComfyUI,
    "runpod_pods": RunPodPods,
    "runpod_serverless": RunPodServerless,
    "discord": Discord,
}


def built(name: str, folder: Path, clock_scale: float = 1.0, **options: Any) -> Service:
    """A service by its name, not yet listening. clock_scale: how many of its seconds pass in one on the wall."""
    return SERVICES[name](folder, Clock(clock_scale), **options)


@contextlib.contextmanager
def serving(name: str, folder: Path | None = None, port: int = 0, **options: Any) -> Iterator[ThreadServer]:
    """A service by its name in a thread. folder: a temporary one unless given. options: as its class takes them."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"film-{name}-")))
        yield stack.enter_context(in_thread(built(name, place, **options), port))


def comfyui(folder: Path | None = None, port: int = 0, **options: Any) -> Serving:
    """A ComfyUI server: see `comfyui.ComfyUI`."""
    return serving("comfyui", folder, port, **options)


def runpod_pods(folder: Path | None = None, port: int = 0, **options: Any) -> Serving:
    """RunPod's GPU pods: see `runpod_pods.RunPodPods`."""
    return serving("runpod_pods", folder, port, **options)


def runpod_serverless(folder: Path | None = None, port: int = 0, **options: Any) -> Serving:
    """RunPod's serverless endpoints: see `runpod_serverless.RunPodServerless`."""
    return serving("runpod_serverless", folder, port, **options)


def discord(folder: Path | None = None, port: int = 0, **options: Any) -> Serving:
    """Discord: see `discord.Discord`."""
    return serving("discord", folder, port, **options)


__all__ = [
    "SERVICES",
    "People",
    "ProcessServer",
    "Server",
    "ThreadServer",
    "built",
    "comfyui",
    "discord",
    "in_process",
    "in_thread",
    "runpod_pods",
    "runpod_serverless",
    "serving",
]
