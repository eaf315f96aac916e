"""A simulated service in a process of its own: `python -m film_pipeline.simulators comfyui --folder there`.

Prints one line of JSON with its address as soon as it can be reached, and runs until it is sent SIGTERM or SIGINT. With
`--parent` it also ends when that process, which started it, is gone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from film_pipeline.simulators import SERVICES, built
from film_pipeline.simulators.listening import Listener

_LOOK_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m film_pipeline.simulators", description=__doc__)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps its files")
    parser.add_argument("--port", type=int, default=0, help="on the loopback interface; any that is free unless given")
    parser.add_argument("--options", type=json.loads, default={}, help="a JSON object: what the service's class takes")
    parser.add_argument("--parent", type=int, default=0, help="the id of the process that it must not outlive")
    asked = parser.parse_args()
    asyncio.run(_serve(asked.service, asked.folder, asked.port, asked.options, asked.parent))


async def _serve(name: str, folder: Path, port: int, options: dict[str, Any], parent: int) -> None:
    service = built(name, folder, **options)
    listener = Listener(service.app, port)
    await listener.open()
    await service.start(listener.url)
    print(json.dumps({"url": listener.url, "service": name}), flush=True)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    while not over.is_set() and parent in (0, os.getppid()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _LOOK_S)
    await service.stop()
    await listener.close()


if __name__ == "__main__":
    main()
