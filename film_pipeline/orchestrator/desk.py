"""A backend as the supervisor deals with it: how much it takes, whether it is to be trusted now, what it costs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from film_pipeline.core.generating import FrameWork, GeneratingBackend, Health, rents
from film_pipeline.orchestrator.callsheet import InHand

Now = Callable[[], float]
_TRIPS_AFTER = 3
_FIRST_REST_S = 5.0
_LONGEST_REST_S = 120.0
_UNKNOWN_PRICE = Decimal("1e9")
_NOT_ASKED = Health(False, 0, why="it was not asked yet")


@dataclass
class Breaker:
    """A backend that failed several times in a row is left alone for a while, each time for longer.

    share: how much of that time is really waited.
    """

    now: Now = time.monotonic
    share: float = 1.0
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
        self._until = max(self._until, self.now() + seconds * self.share)


@dataclass
class Desk:
    """One backend with what is in hand there.

    place: its place in the order of preference. ids: the provider's ids of what it has in hand, in the order in which
    it came. A list of its own, because whoever waits for news of it may be given more meanwhile.
    """

    backend: GeneratingBackend
    place: int
    now: Now = time.monotonic
    breaker: Breaker = field(default_factory=Breaker)
    health: Health = _NOT_ASKED
    ids: list[str] = field(default_factory=list)
    jobs: dict[str, InHand] = field(default_factory=dict)
    """By the provider's ids."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    going_out: int = 0
    seconds_per_frame: float | None = None
    _free: int = 0
    _willing_at: float = 0.0
    _heard_at: float = 0.0
    _refuses_since: float | None = None
    _prices: dict[tuple[int, int, str], Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.breaker.now = self.now
        self._willing_at = self._heard_at = self.now()

    @property
    def name(self) -> str:
        return self.backend.name

    # How much it takes

    @property
    def free(self) -> int:
        """How many more orders it would take now."""
        return 0 if self.breaker.open or not self.health.ready else max(self._free, 0)

    @property
    def unwilling_s(self) -> float:
        """For how long it has taken no orders: because it is away, full, or refuses every one.

        While it is left alone because frames failed there, nobody knows; they are not tried for ever.
        """
        if self.health is _NOT_ASKED:
            return 0.0
        return self.now() - min(self._willing_at, self._refuses_since or self.now())

    @property
    def told(self) -> Health:
        """Its health as people read it: one that is being left alone takes no orders, however well it says it is."""
        if not self.breaker.open:
            return self.health
        why = f"it failed several times in a row and is left alone for {self.breaker.rests_s:.0f} s"
        return replace(self.health, ready=False, why=f"{why}: {self.health.why}" if self.health.why else why)

    @property
    def silent_s(self) -> float:
        """For how long nobody has answered there. Before it was asked for the first time nobody could."""
        return 0.0 if self.health is _NOT_ASKED else self.now() - self._heard_at

    def looked(self, health: Health) -> None:
        """It was asked how it is."""
        if self.health is _NOT_ASKED:
            self._willing_at = self._heard_at = self.now()
        self.health = health
        self._prices.clear()
        # What is on its way it can't know of yet. What is done there frees its room when we hear of it.
        unheard = max(len(self.ids) - health.queued, 0)
        self._free = health.slots - self.going_out - unheard
        if health.ready or self.breaker.open:
            self._willing_at = self.now()
        if not health.away:
            self._heard_at = self.now()

    def asks_to_wait(self, seconds: float) -> None:
        """It takes orders again after so long, by its own word."""
        self.breaker.rest(seconds)

    def can_not(self, seconds: float) -> None:
        """It can't take this order now, and maybe no other one either. It is left alone for so long."""
        self.breaker.rest(seconds)
        self._refuses_since = self._refuses_since or self.now()

    def took(self) -> None:
        """It took an order."""
        self._willing_at = self._heard_at = self.now()
        self._refuses_since = None

    def heard(self) -> None:
        """There was news of it."""
        self._heard_at = self.now()

    # What it has in hand

    def going(self, orders: int) -> None:
        """So many orders are on their way to it."""
        self._free -= orders
        self.going_out += orders

    def gone(self, arrived: bool) -> None:
        """An order is no longer on its way."""
        self.going_out -= 1
        if arrived:
            self.took()
        else:
            self._free += 1

    def follow(self, one: InHand) -> None:
        if one.provider_id not in self.jobs:
            self.ids.append(one.provider_id)
        self.jobs[one.provider_id] = one
        self.arrived.set()

    def settled(self, one: InHand) -> None:
        """There is no more news to come of it, and there is room for another."""
        if self.jobs.get(one.provider_id) is one:
            del self.jobs[one.provider_id]
            self.ids.remove(one.provider_id)
            self._free += 1
            if not self.ids:
                self.arrived.clear()

    def let_go(self, one: InHand) -> None:
        self.settled(one)

    def machine_of(self, provider_id: str) -> str:
        """The rented machine that has an order; empty where none is rented."""
        return self.backend.machine_of(provider_id) if rents(self.backend) else ""

    # What it costs

    def price(self, work: FrameWork) -> Decimal:
        """What one more such frame costs there, for comparing; what nobody knows is dearer than anything known."""
        key = (work.width, work.height, work.purpose)
        if key not in self._prices:
            quoted = self.quoted(work)
            self._prices[key] = _UNKNOWN_PRICE if quoted is None else quoted
        return self._prices[key]

    def quoted(self, work: FrameWork) -> Decimal | None:
        """What the gate is told that such a frame costs. None where nobody knows."""
        return self.backend.frame_price((work.width, work.height), work.purpose)

    def measured(self, seconds: float, work: FrameWork) -> None:
        """A frame took so long there."""
        self.seconds_per_frame = seconds
        self.backend.measured(seconds, (work.width, work.height), work.purpose)
        self._prices.clear()

    def warm(self, work: FrameWork) -> bool:
        return self.backend.model(work.purpose).name in self.health.warm_models
