"""The long-lived Blender process: runs in Blender's own Python, takes requests as JSON lines and answers in kind.

Started by worker_process.py. It imports nothing of the film but its neighbour scene.py.
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import traceback

# Blender prints its progress to standard output, so the answers go through a private copy of it.
_ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import scene  # noqa: E402


def answer(message: dict) -> None:
    _ANSWERS.write(json.dumps(message) + "\n")
    _ANSWERS.flush()


class Inbox:
    """Requests in the order they come. A cancellation is seen at once, between two frames of the request it ends."""

    def __init__(self) -> None:
        self.requests: queue.Queue = queue.Queue()
        self.cancelled: set[int] = set()
        self.busy = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.add(message["cancel"])
            else:
                self.requests.put(message)
        if self.busy:
            # The bridge is gone: nobody will hear the answer, and an orphan would render for hours.
            os._exit(1)
        self.requests.put(None)


def die_with_the_bridge() -> None:
    """On Linux the kernel ends this process with its parent, even while Blender holds the interpreter in a frame."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main() -> None:
    die_with_the_bridge()
    inbox = Inbox()
    answer({"ready": scene.version(), "pid": os.getpid()})
    while (request := inbox.requests.get()) is not None:
        number = request["id"]
        inbox.busy = True
        try:
            result = scene.OPERATIONS[request["do"]](
                request["with"],
                lambda told, number=number: answer({"id": number, "progress": told}),
                lambda number=number: number in inbox.cancelled,
            )
            answer({"id": number, "result": result})
        except scene.Cancelled:
            answer({"id": number, "error": "cancelled", "kind": "cancelled"})
        except Exception as error:
            traceback.print_exc()
            answer({"id": number, "error": f"{type(error).__name__}: {error}", "kind": "failed"})
        inbox.busy = False
    # Blender may hang while its interpreter is torn down: there is nothing left to tear down properly.
    os._exit(0)


if __name__ == "__main__":
    main()
