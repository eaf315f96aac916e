"""A backend as the supervisor deals with it: how much it takes, whether it is to be trusted now, what it costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from film_pipeline.core.generating import FrameWork, GeneratingBackend, Health

Now = Callable[[], float]
_LOOK_S = 2.0
_LOOK_AGAIN_S = 0.05
_TRIPS_AFTER = 3
_FIRST_REST_S = 5.0
_LONGEST_REST_S = 120.0
_UNKNOWN_PRICE = Decimal("1e9")


@dataclass
class Breaker:
    """A backend that failed several times in a row is left alone for a while, each time for longer."""

    now: Now = time.monotonic
    failures: int = 0
    rests: int = 0
    _until: float = 0.0

    @property
    def open(self) -> bool:
        """Whether the backend is being left alone."""
        return self.now() < self._until

    @property
    def rests_s(self) -> float:
        """For how long it is going to be left alone."""
        return max(0.0, self._until - self.now())

    def worked(self) -> None:
        self.failures, self.rests = 0, 0

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= _TRIPS_AFTER:
            self.rest(min(_FIRST_REST_S * 2**self.rests, _LONGEST_REST_S))
            self.failures, self.rests = 0, self.rests + 1

    def rest(self, seconds: float) -> None:
        """Leave the backend alone for so long."""
        self._until = max(self._until, self.now() + seconds)


@dataclass
class Desk:
    """One backend with what is in hand there. free: how many more orders it would take now."""

    backend: GeneratingBackend
    place: int
    now: Now = time.monotonic
    breaker: Breaker = field(default_factory=Breaker)
    health: Health = field(default_factory=lambda: Health(False, 0, why="not asked yet"))
    in_hand: dict[str, str] = field(default_factory=dict)
    """Provider's id -> job, of what was submitted and is not home."""
    going_out: int = 0
    seconds_per_frame: float | None = None
    _ready_at: float | None = None
    _free: int = 0
    _looked_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.breaker.now = self.now

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def free(self) -> int:
        return 0 if self.breaker.open or not self.health.ready else max(self._free, 0)

    @property
    def away_s(self) -> float:
        """For how long it has taken no orders; 0 where it does, or rests."""
        if self.health.ready or self.breaker.open or self._ready_at is None:
            return 0.0
        return self.now() - self._ready_at

    @property
    def told(self) -> Health:
        """Its health as people read it: one that is being left alone takes no orders, however well it says it is."""
        if not self.breaker.open:
            return self.health
        why = f"it failed several times in a row and is left alone for {self.breaker.rests_s:.0f} s"
        return replace(self.health, ready=False, why=f"{why}: {self.health.why}" if self.health.why else why)

    def take(self, orders: int) -> None:
        """So many orders are on their way to it."""
        self._free -= orders

    def price(self, work: FrameWork) -> Decimal:
        """What one more such frame costs there, for comparing; what nobody knows is dearer than anything known."""
        quoted = self.backend.frame_price((work.width, work.height), work.purpose)
        return _UNKNOWN_PRICE if quoted is None else quoted

    def warm(self, work: FrameWork) -> bool:
        return self.backend.model(work.purpose).name in self.health.warm_models

    async def look(self, hungry: bool) -> bool:
        """Ask how it is, not more often than it makes sense. Whether it was asked.

        hungry: there is work that it has no room for.
        """
        since = self.now() - self._looked_at
        if since < (_LOOK_AGAIN_S if hungry and self.free == 0 else _LOOK_S):
            return False
        self._looked_at = self.now()
        # What is on its way the backend can't know of yet.
        self.health = await self.backend.health()
        self._free = self.health.slots - self.going_out
        if self.health.ready or self._ready_at is None:
            self._ready_at = self.now()
        return True
