"""A simulated service in a process of its own: `python -m film_pipeline.simulators comfyui --folder there`.

Prints one line of JSON with its address as soon as it can be reached, and runs until it is sent SIGTERM or SIGINT.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from film_pipeline.simulators import SERVICES, built
from film_pipeline.simulators.listening import Listener


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m film_pipeline.simulators", description=__doc__)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps its files")
    parser.add_argument("--port", type=int, default=0, help="on the loopback interface; any that is free unless given")
    parser.add_argument("--options", type=json.loads, default={}, help="a JSON object: what the service's class takes")
    asked = parser.parse_args()
    asyncio.run(_serve(asked.service, asked.folder, asked.port, asked.options))


async def _serve(name: str, folder: Path, port: int, options: dict[str, Any]) -> None:
    service = built(name, folder, **options)
    listener = Listener(service.app, port)
    await listener.open()
    await service.start(listener.url)
    print(json.dumps({"url": listener.url, "service": name}), flush=True)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()
    await service.stop()
    await listener.close()


if __name__ == "__main__":
    main()
