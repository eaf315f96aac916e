"""What backends would take, and whether they are there: asked in the background, so that no page waits for them."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from film_pipeline.core.generating import GeneratingBackend
from film_pipeline.core.problems import FilmProblem

log = logging.getLogger(__name__)

FRESH_S = 20.0
"""So long it is believed what a backend said of itself."""
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Presence:
    """Whether a backend takes orders now, and why not. asked: False until it has answered."""

    asked: bool = False
    ready: bool = False
    why: str = ""


ASKING = Presence()


class Presences:
    """What the backends said of themselves lately. One thread asks all of them at once; nobody waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Presence]] = {}
        self._asking: Future[None] | None = None
        self._asker = ThreadPoolExecutor(1, "asks backends")

    def of(self, backends: Mapping[str, GeneratingBackend]) -> dict[str, Presence]:
        """What is known of each backend now. Those that have not been asked for a while are asked meanwhile."""
        now = time.monotonic()
        with self._lock:
            known = {name: self._known.get(name, (-FRESH_S, ASKING)) for name in backends}
            stale = any(now - at >= FRESH_S for at, _ in known.values())
            if stale and (self._asking is None or self._asking.done()):
                self._asking = self._asker.submit(self._ask, dict(backends))
        return {name: presence for name, (_, presence) in known.items()}

    def close(self) -> None:
        self._asker.shutdown(wait=False, cancel_futures=True)

    def _ask(self, backends: Mapping[str, GeneratingBackend]) -> None:
        try:
            asyncio.run(self._ask_all(backends))
        except Exception:
            # The next page that wants to know asks again.
            log.exception("the backends can't be asked")

    async def _ask_all(self, backends: Mapping[str, GeneratingBackend]) -> None:
        await asyncio.gather(*(self._ask_one(name, backend) for name, backend in backends.items()))

    async def _ask_one(self, name: str, backend: GeneratingBackend) -> None:
        """Each is known as soon as it has answered, however slow the others are."""
        presence = await _presence(backend)
        with self._lock:
            self._known[name] = (time.monotonic(), presence)


async def _presence(backend: GeneratingBackend) -> Presence:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            health = await backend.health()
        return Presence(True, health.ready, health.why)
    except TimeoutError:
        return Presence(True, False, f"it did not answer within {_PATIENCE_S:.0f} s")
    except FilmProblem as problem:
        return Presence(True, False, str(problem))
    finally:
        await backend.close()
