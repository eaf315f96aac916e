"""What is at work: the claims of this machine's processes, every backend, rented machines, and takes under way."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from film_pipeline.core.generating import rents
from film_pipeline.core.jobs import JobState
from film_pipeline.departments.film import Film
from film_pipeline.stores.leases import Held, held
from film_pipeline.stores.ledger.jobs import Job, UnderWay
from film_pipeline.stores.ledger.workers import Worker

_LIVE_S = 30.0
"""A supervisor looks at its backends every few seconds: what was not heard of for so long has none."""
_QUEUED = (JobState.RESERVED, JobState.SUBMITTING, JobState.SUBMITTED)
_GIVEN_BACK = 20
_CLAIMS, _TAKES = 60, 100


@dataclass(frozen=True)
class Machine:
    """A machine as it was last heard of. paid: its time costs money, under the job that stands with it.

    made, made_usd: frames that it was charged for. in_hand: the job that it works on. lease_s: how long it lives
    without a call; None where its backend is no longer in production.yaml, or rents nothing.
    """

    worker: Worker
    silent_s: float
    age_s: float
    paid: Job | None
    made: int
    made_usd: Decimal
    in_hand: Job | None
    lease_s: float | None

    @property
    def live(self) -> bool:
        return self.silent_s < _LIVE_S

    @property
    def ends_itself_in_s(self) -> float | None:
        """The lease: how long it lives at most if nobody calls. None for one that is not rented, or should be gone."""
        if self.paid is None or self.lease_s is None or self.silent_s >= self.lease_s:
            return None
        return self.lease_s - self.silent_s

    @property
    def reckoned_usd(self) -> Decimal | None:
        """All of its time so far at its price, to the cent; None where nobody knows the price."""
        price = self.worker.price_hour_usd
        if price is None:
            return None
        return (price * Decimal(int(self.age_s)) / 3600).quantize(Decimal("0.01"))

    @property
    def own_usd(self) -> Decimal | None:
        """What starting and waiting was charged, once its bill is there."""
        return self.paid.charged_usd if self.paid is not None else None

    @property
    def bill_usd(self) -> Decimal | None:
        return None if self.own_usd is None else self.own_usd + self.made_usd


@dataclass(frozen=True)
class BackendRow:
    """A backend. machine: how it is, where it rents none; machines: how many it has rented."""

    name: str
    model: str
    state: str
    why: str
    queued: int
    running: int
    uncertain: int
    machines: int
    seconds_per_frame: float | None
    today_usd: Decimal
    heard_s: float | None


@dataclass(frozen=True)
class AtWork:
    """Everything that works, at one moment. claims: None where this system does not tell who holds what."""

    moment: datetime.datetime
    claims: tuple[Held, ...] | None
    more_claims: int
    backends: tuple[BackendRow, ...]
    machines: tuple[Machine, ...]
    given_back: tuple[Machine, ...]
    under_way: tuple[UnderWay, ...]
    more_under_way: int

    @property
    def supervised(self) -> bool:
        """Whether a supervisor was heard of just now."""
        heard = [backend.heard_s for backend in self.backends if backend.heard_s is not None]
        return any(seconds < _LIVE_S for seconds in [*heard, *(machine.silent_s for machine in self.machines)])


def at_work(film: Film) -> AtWork:
    """What works now, as the ledger and this machine's kernel know it. Nothing is asked of any provider."""
    ledger = film.ledger
    now = ledger.books.time(None)
    living = ledger.workers.at_work()
    machines = tuple(_machine(film, worker, now) for worker in living if _is_machine(worker))
    claims = held(film.made)
    under_way = ledger.jobs.under_way()
    return AtWork(
        moment=now,
        claims=None if claims is None else tuple(claims[:_CLAIMS]),
        more_claims=max(0, len(claims or ()) - _CLAIMS),
        backends=tuple(_backends(film, living, machines, now)),
        machines=machines,
        given_back=tuple(_machine(film, worker, now) for worker in ledger.workers.given_back(_GIVEN_BACK)),
        under_way=tuple(under_way[:_TAKES]),
        more_under_way=max(0, len(under_way) - _TAKES),
    )


def _is_machine(worker: Worker) -> bool:
    """A backend that rents none stands in the ledger under its own name."""
    return worker.provider_id != worker.backend


def _backends(
    film: Film, living: list[Worker], machines: tuple[Machine, ...], now: datetime.datetime
) -> Iterator[BackendRow]:
    ledger = film.ledger
    counts = ledger.jobs.counts((*_QUEUED, JobState.RUNNING, JobState.UNCERTAIN))
    spent = ledger.spend.by("engine", now.date().isoformat())
    own = {worker.backend: worker for worker in living if not _is_machine(worker)}
    named = film.generating
    for name in dict.fromkeys([*named, *(worker.backend for worker in living), *(name for name, _ in counts)]):
        mine = [machine for machine in machines if machine.worker.backend == name]
        told = own.get(name)
        heard = _since(told.heard_at, now) if told else min((machine.silent_s for machine in mine), default=None)
        yield BackendRow(
            name=name,
            model=named[name].model("frame").said if name in named else "no longer in production.yaml",
            state=_state(told, heard, mine),
            why=told.why if told else "",
            queued=sum(counts.get((name, state), 0) for state in _QUEUED),
            running=counts.get((name, JobState.RUNNING), 0),
            uncertain=counts.get((name, JobState.UNCERTAIN), 0),
            machines=len(mine),
            seconds_per_frame=told.seconds_per_frame if told else None,
            today_usd=spent[name].settled_usd if name in spent else Decimal(0),
            heard_s=heard,
        )


def _state(told: Worker | None, heard_s: float | None, machines: list[Machine]) -> str:
    if told is None:
        return "rents" if machines else "at rest"
    return told.state if heard_s is not None and heard_s < _LIVE_S else "at rest"


def _machine(film: Film, worker: Worker, now: datetime.datetime) -> Machine:
    jobs = film.ledger.jobs
    made, made_usd = jobs.on_machine(worker.backend, worker.provider_id)
    return Machine(
        worker=worker,
        silent_s=_since(worker.heard_at, now),
        age_s=_since(worker.started_at, _moment(worker.ended_at) if worker.ended_at else now),
        paid=jobs.one(worker.job) if worker.job else None,
        made=made,
        made_usd=made_usd,
        in_hand=jobs.one(worker.job_in_hand) if worker.job_in_hand else None,
        lease_s=_lease_s(film, worker.backend),
    )


def _lease_s(film: Film, name: str) -> float | None:
    backend = film.generating.get(name)
    return backend.silent_s if backend is not None and rents(backend) else None


def _since(text: str, now: datetime.datetime) -> float:
    return max(0.0, (now - _moment(text)).total_seconds())


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
