"""How often something may be tried: so many times within so many seconds, by account and by address."""

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

KEPT = 4096
"""So many keys are remembered; beyond them the one that was tried longest ago is forgotten."""


class Limit:
    """Counts tries by key. Safe to use from several threads; its memory is bounded whatever is tried."""

    def __init__(
        self, most: int, within_s: float, keep: int = KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self.within_s, self.keep, self._clock = most, within_s, keep, clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tries)

    def try_now(self, key: str) -> float:
        """Count a try before it is made, so that many at once are many. Returns the seconds to wait; 0 if it may be."""
        now = self._clock()
        with self._lock:
            tries = self._tries.setdefault(key, deque(maxlen=self.most))
            self._tries.move_to_end(key)
            while len(self._tries) > self.keep:
                self._tries.popitem(last=False)
            while tries and now - tries[0] >= self.within_s:
                tries.popleft()
            if len(tries) >= self.most:
                return self.within_s - (now - tries[0])
            tries.append(now)
            return 0.0

    def waits(self, key: str) -> float:
        """The seconds that somebody has to wait before the next try; 0 if it may be made. Counts nothing."""
        now = self._clock()
        with self._lock:
            tries = [tried for tried in self._tries.get(key, ()) if now - tried < self.within_s]
            return self.within_s - (now - tries[0]) if len(tries) >= self.most else 0.0

    def forgive(self, key: str) -> None:
        """It went well: what was tried before counts no more."""
        with self._lock:
            self._tries.pop(key, None)


def address_key(address: str) -> str:
    """Whose tries an address counts for: in IPv6 a household has a whole network of them."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "nowhere"
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.ip_network((read, 64), strict=False))
    return str(read)
