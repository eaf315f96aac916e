"""All stand-ins at once, for `film simulate`: play money, real protocol."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_pipeline.simulators import SERVICES, ThreadServer, built, in_thread
from film_pipeline.simulators.discord import API, CHANNEL, TOKEN
from film_pipeline.simulators.pod_proxy import PREFIX
from film_pipeline.simulators.runpod_pods import KEY, WATCH_KEY

ENVIRONMENT_FILE = "simulators.env"
_FRAME_S = 2.0
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "comfyui": {"frame_s": _FRAME_S, "load_s": 0.5},
    "runpod_pods": {
        "provisioning_s": 2.0,
        "starting_s": 6.0,
        "ready_s": 4.0,
        "comfyui": {"frame_s": _FRAME_S, "load_s": 0.5},
    },
    "runpod_serverless": {
        "endpoints": {
            "simulated-comfyui": {"cold_s": 4.0, "frame_s": _FRAME_S, "load_s": 0.5},
            "flux-2-klein-9b-edit": {
                "worker": "prompt-and-references",
                "usd_per_image": "0.03",
                "max_references": 5,
                "frame_s": _FRAME_S,
            },
        }
    },
    "discord": {"intent": True},
}
"""Quick enough to watch, slow enough to see what happens."""


class Studio:
    """The stand-ins that run. addresses: the environment variables that point a production at them."""

    def __init__(self, servers: Mapping[str, ThreadServer], running: contextlib.ExitStack) -> None:
        self.servers, self._running = servers, running
        self.addresses = _addresses(servers)

    def stop(self) -> None:
        self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_all(folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None, clock_scale: float = 1.0) -> Studio:
    """Start every stand-in in this process and write the environment that points at them.

    folder: where they keep their files, and where `simulators.env` is written. options: by service, instead of those
    above. clock_scale: how much faster than the wall they live, so that hours of pods can be watched in minutes.
    """
    chosen = {**_OPTIONS, **(options or {})}
    with contextlib.ExitStack() as starting:
        servers = {
            name: starting.enter_context(
                in_thread(built(name, folder / name, clock_scale=clock_scale, **chosen.get(name, {})))
            )
            for name in SERVICES
        }
        studio = Studio(servers, starting.pop_all())
    write_environment(folder / ENVIRONMENT_FILE, studio.addresses)
    return studio


def write_environment(path: Path, variables: Mapping[str, str]) -> None:
    """`NAME=value` a line, in one step; for the owner only, as a file with keys is kept."""
    text = "# Stand-ins on this machine: no money is spent here.\n"
    text += "".join(f"{name}={value}\n" for name, value in variables.items())
    partial = path.with_name(f".{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def _addresses(servers: Mapping[str, ThreadServer]) -> dict[str, str]:
    pods, serverless = servers["runpod_pods"].url, servers["runpod_serverless"].url
    return {
        "COMFYUI_URL": servers["comfyui"].url,
        "RUNPOD_API_KEY": KEY,
        "RUNPOD_WATCH_KEY": WATCH_KEY,
        "RUNPOD_REST_URL": f"{pods}/v2",
        "RUNPOD_PODS_URL": f"{pods}/v2",
        "RUNPOD_PROXY_URL": f"{pods}{PREFIX}/{{pod}}-{{port}}",
        "RUNPOD_SERVERLESS_URL": f"{serverless}/v2",
        "RUNPOD_ENDPOINT_BASE_URL": f"{serverless}/v2",
        "DISCORD_API_URL": f"{servers['discord'].url}{API}",
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_CHANNEL": CHANNEL,
    }
