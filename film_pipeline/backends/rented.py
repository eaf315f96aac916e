"""One rented pod as we know it: how far it has booted, what it has in hand, and what it has cost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from film_pipeline.backends.comfy_client import ComfyClient
from film_pipeline.backends.pod_client import Pod, seconds_since
from film_pipeline.backends.prices import charge
from film_pipeline.core.generating import News, Progress, WorkerReport

_ENDED = frozenset({Progress.DONE, Progress.FAILED, Progress.CANCELLED, Progress.GONE})


@dataclass
class Rented:
    """placing: jobs on their way there. in_hand: ordered there. to_fetch: theirs are pictures that are to come home.

    since: when we came to know it (time.monotonic). ended_after_s: how long it was rented, once it is over.
    taken_over: found running, from a process before this one.
    """

    pod: Pod
    ticket: str
    client: ComfyClient
    now: Callable[[], datetime]
    taken_over: bool = False
    placing: set[str] = field(default_factory=set)
    in_hand: set[str] = field(default_factory=set)
    to_fetch: set[str] = field(default_factory=set)
    ready: bool = False
    useless: bool = False
    """Whether it takes no work, and is to be ended: it never got ready, or lacks what we need."""
    boot_s: float = 0.0
    busy_s: float = 0.0
    since: float = field(default_factory=time.monotonic)
    idle_since: float = field(default_factory=time.monotonic)
    ended_after_s: float | None = None
    why: str = ""

    @property
    def living(self) -> bool:
        return self.ended_after_s is None

    @property
    def load(self) -> int:
        return len(self.placing | self.in_hand)

    @property
    def busy(self) -> bool:
        """Whether it has something to do, or a picture that is not home yet."""
        return bool(self.placing or self.in_hand or self.to_fetch)

    def idle_for(self, seconds: float) -> bool:
        """Whether it is ready and has not been busy for so long."""
        return self.ready and not self.busy and time.monotonic() - self.idle_since >= seconds

    @property
    def rented_s(self) -> float:
        if self.ended_after_s is not None:
            return self.ended_after_s
        return seconds_since(self.pod.created_at, self.now())

    def became_ready(self) -> None:
        if not self.ready:
            self.ready, self.idle_since = True, time.monotonic()
            self.boot_s = 0.0 if self.taken_over else self.rented_s

    def end(self, why: str) -> None:
        if self.living:
            self.ended_after_s, self.why = self.rented_s, why

    def note(self, job: str, news: News) -> None:
        """What became of a job that it had."""
        if news.state not in _ENDED:
            self.in_hand.add(job)
            return
        if job in self.in_hand:
            self.busy_s += news.seconds or 0.0
        self.in_hand.discard(job)
        if news.state is Progress.DONE:
            self.to_fetch.add(job)
        self.idle_since = time.monotonic()

    def fetched(self, job: str) -> None:
        self.to_fetch.discard(job)
        self.idle_since = time.monotonic()

    def let_go(self, job: str) -> None:
        """Nobody wants anything of a job any more."""
        self.client.forget(job)
        self.in_hand.discard(job)
        self.to_fetch.discard(job)

    def price_of(self, seconds: float | None) -> Decimal | None:
        return None if seconds is None else charge(seconds, self.pod.usd_per_hour)

    @property
    def state(self) -> Literal["booting", "ready", "unreachable", "ended"]:
        if not self.living:
            return "ended"
        if not self.ready:
            return "booting"
        return "ready" if self.client.silent_since is None else "unreachable"

    def report(self, backend: str) -> WorkerReport:
        rented = self.rented_s
        cost, work = self.price_of(rented), self.price_of(min(self.busy_s, rented))
        boot = self.boot_s if self.ready else rented
        return WorkerReport(
            worker=self.pod.id,
            backend=backend,
            name=self.pod.name,
            ticket=self.ticket,
            state=self.state,
            model=self.pod.model,
            gpu=self.pod.gpu,
            usd_per_hour=self.pod.usd_per_hour,
            rented_at=self.pod.created_at,
            boot_s=boot,
            busy_s=self.busy_s,
            idle_s=max(rented - boot - self.busy_s, 0.0),
            cost_usd=cost,
            overhead_usd=cost - work if cost is not None and work is not None else None,
            job=min(self.in_hand, default=""),
            queued=max(self.load - 1, 0),
            why=self.why,
        )
