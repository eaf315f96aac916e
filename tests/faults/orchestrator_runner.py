"""A process that has everything loaded and forks one orchestrator after the other, some of them to be killed.

It reads a line of JSON for each: what to do (`sign`, `run`), where, and when to die. Its answer is a line of JSON: how
the process ended, and what it said.
"""

import json
import os
import select
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from broken_floors import FLOORS
from countdown import Countdown, Moment
from kill_floor import Places, told

from film_pipeline.backends.wire import trusted

_LONGEST_S = 60.0
_LOADED_BY_EACH = (
    "anyio._backends._asyncio",
    "httpcore",
    "numpy.ma",
    "PIL.PngImagePlugin",
    "runpod.endpoint",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
)
"""What a run loads when it first needs it: with certificates a third of its work, and none of what is tested."""


def live(asked: dict[str, Any], says: int) -> None:
    """In the forked process."""

    def say(what: str) -> None:
        os.write(says, (what + "\n").encode())

    moment = Moment(**asked["moment"]) if asked.get("moment") else None
    floor = FLOORS[asked.get("floor", "")](Path(asked["root"]), asked["name"], Places(**asked["places"]))
    if asked["do"] == "sign":
        floor.sign()
    else:
        Countdown(moment, lambda what: say(f"killed at {what}")).begin()
        say(told(floor.run()))
    floor.close()


def forked(asked: dict[str, Any]) -> dict[str, Any]:
    """Let one live, for `seconds` at most if that is asked, and say how it ended."""
    hears, says = os.pipe()
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(hears)
            os.dup2(says, 2)
            live(asked, says)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(says)
    said, killed = listened(hears, process, asked.get("seconds"))
    _, status, used = os.wait4(process, 0)
    took_s, worked_s = time.monotonic() - began, used.ru_utime + used.ru_stime
    return {"status": status, "said": said, "killed": killed, "seconds": took_s, "worked_s": worked_s}


def listened(hears: int, process: int, seconds: float | None) -> tuple[str, bool]:
    """What it said until it ended; whether it was killed because its time was over."""
    parts, until = [], time.monotonic() + (seconds or _LONGEST_S)
    killed = False
    while True:
        ready, _, _ = select.select([hears], [], [], max(until - time.monotonic(), 0))
        if not ready and not killed:
            os.kill(process, signal.SIGKILL)
            killed = True
            continue
        part = os.read(hears, 65536)
        if not part:
            os.close(hears)
            said = b"".join(parts).decode(errors="replace")
            return (said if not killed or seconds else f"it hung for {_LONGEST_S} s\n{said}"), killed
        parts.append(part)


def main() -> None:
    for module in _LOADED_BY_EACH:
        import_module(module)
    trusted()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(forked(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
