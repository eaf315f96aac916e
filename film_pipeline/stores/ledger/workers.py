"""Workers: the machines that frames are made on, as they were last heard of."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, insert, select, update

from film_pipeline.core.money import dollars, micros_of, usd
from film_pipeline.stores.ledger.books import Books, stamp, storable
from film_pipeline.stores.ledger.schema import WORKERS


@dataclass(frozen=True)
class Worker:
    """A machine at a backend. provider_id: the provider's name of it; of a local one the backend's own.

    job: under which its time is paid for; empty where it costs nothing. state: in the provider's words.
    price_hour_usd: None where nobody knows. seconds_per_frame: None before its first frame. why: what keeps it from
    working, or what ended it.
    """

    backend: str
    provider_id: str
    name: str = ""
    job: str = ""
    state: str = ""
    model: str = ""
    job_in_hand: str = ""
    price_hour_usd: Decimal | None = None
    seconds_per_frame: float | None = None
    why: str = ""
    started_at: str = ""
    heard_at: str = ""
    ended_at: str = ""


class Workers:
    """Who works, and who did."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def heard(self, worker: Worker, now: datetime.datetime | None = None) -> None:
        """Note how a worker is, at this moment. When it started is kept from the first time; its times are not read."""
        self._note(worker, None, now)

    def ended(self, worker: Worker, now: datetime.datetime | None = None) -> None:
        """Note that a worker works no more."""
        self._note(worker, stamp(self._books.time(now)), now)

    def at_work(self, backend: str = "") -> list[Worker]:
        """Those that have not ended, by backend and the time of their start."""
        return [worker for worker in self.all(backend) if not worker.ended_at]

    def all(self, backend: str = "") -> list[Worker]:
        query = select(WORKERS).order_by(WORKERS.c.backend, WORKERS.c.started_at, WORKERS.c.provider_id)
        if backend:
            query = query.where(WORKERS.c.backend == backend)
        with self._books.reading() as connection:
            return [_worker(row) for row in connection.execute(query)]

    def given_back(self, most: int) -> list[Worker]:
        """Those that have ended, the last first."""
        query = select(WORKERS).where(WORKERS.c.ended_at.is_not(None)).order_by(WORKERS.c.ended_at.desc()).limit(most)
        with self._books.reading() as connection:
            return [_worker(row) for row in connection.execute(query)]

    def silent(self, since: datetime.timedelta, now: datetime.datetime | None = None) -> list[Worker]:
        """Those at work that were not heard of for so long."""
        limit = stamp(self._books.time(now) - since)
        return [worker for worker in self.at_work() if worker.heard_at < limit]

    def _note(self, worker: Worker, ended_at: str | None, now: datetime.datetime | None) -> None:
        key = (WORKERS.c.backend == worker.backend) & (WORKERS.c.provider_id == worker.provider_id)
        moment = stamp(self._books.time(now))
        row = _row(worker) | {"heard_at": moment, "ended_at": ended_at}
        with self._books.writing() as connection:
            if not connection.execute(update(WORKERS).where(key).values(row)).rowcount:
                place = {"backend": worker.backend, "provider_id": worker.provider_id, "started_at": moment}
                connection.execute(insert(WORKERS).values(place | row))


def _row(worker: Worker) -> dict[str, Any]:
    price = worker.price_hour_usd
    return {
        "name": worker.name,
        "job": worker.job,
        "state": worker.state,
        "model": worker.model,
        "job_in_hand": worker.job_in_hand,
        "price_hour_micros": None if price is None else micros_of(usd(price)),
        "seconds_per_frame": worker.seconds_per_frame,
        "why": storable(worker.why),
    }


def _worker(row: Row[Any]) -> Worker:
    price = row.price_hour_micros
    return Worker(
        backend=row.backend,
        provider_id=row.provider_id,
        name=row.name,
        job=row.job,
        state=row.state,
        model=row.model,
        job_in_hand=row.job_in_hand,
        price_hour_usd=None if price is None else dollars(price),
        seconds_per_frame=row.seconds_per_frame,
        why=row.why,
        started_at=row.started_at,
        heard_at=row.heard_at,
        ended_at=row.ended_at or "",
    )
