"""Keys that people have unlocked for their session: in the memory of this process, and nowhere else.

A key is let go when its session ends, when its person does nothing for a while, and when the process ends.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

IDLE_S = 30 * 60.0
_LOOK_EVERY_S = 15.0


@dataclass(frozen=True)
class Unlocked:
    """A private key that is open. signer: who signs with it, as production.yaml says."""

    signer: str
    key: Ed25519PrivateKey
    fingerprint: str


@dataclass
class _Held:
    unlocked: Unlocked
    person: str
    until: float


class KeyRing:
    """Open keys by session. A thread of its own lets go of those that nobody uses, whether or not anybody asks."""

    def __init__(self, idle_s: float = IDLE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.idle_s, self._clock = idle_s, clock
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sweeper: threading.Thread | None = None

    def put(self, session: str, person: str, unlocked: Unlocked) -> None:
        """Keep a key open for a session."""
        with self._lock:
            self._held[session] = _Held(unlocked, person, self._clock() + self.idle_s)
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="lets go of keys", daemon=True)
                self._sweeper.start()

    def of(self, session: str) -> Unlocked | None:
        """The key of a session, if it is open."""
        self.let_go()
        with self._lock:
            held = self._held.get(session)
            return held.unlocked if held else None

    def touch(self, session: str) -> None:
        """Its person is there: the key stays open for longer."""
        with self._lock:
            held = self._held.get(session)
            if held is not None and held.until > self._clock():
                held.until = self._clock() + self.idle_s

    def drop(self, session: str) -> None:
        with self._lock:
            self._held.pop(session, None)

    def drop_all_of(self, person: str, but: str = "") -> None:
        with self._lock:
            for session in [one for one, held in self._held.items() if held.person == person and one != but]:
                del self._held[session]

    def let_go(self) -> None:
        """Drop what was not used for too long."""
        now = self._clock()
        with self._lock:
            for session in [one for one, held in self._held.items() if held.until <= now]:
                del self._held[session]

    def close(self) -> None:
        self._ended.set()
        with self._lock:
            self._held.clear()

    def _sweep(self) -> None:
        while not self._ended.wait(min(_LOOK_EVERY_S, self.idle_s)):
            self.let_go()
