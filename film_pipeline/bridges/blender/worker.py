"""The long-lived Blender process: runs in Blender's own Python, takes requests as JSON lines and answers in kind.

Started by worker_process.py. It imports nothing of the film but its neighbour scene.py.
"""

import json
import os
import queue
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
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.add(message["cancel"])
            else:
                self.requests.put(message)
        self.requests.put(None)


def main() -> None:
    inbox = Inbox()
    answer({"ready": scene.version(), "pid": os.getpid()})
    while (request := inbox.requests.get()) is not None:
        number = request["id"]
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
    # Blender may hang while its interpreter is torn down: there is nothing left to tear down properly.
    os._exit(0)


if __name__ == "__main__":
    main()
