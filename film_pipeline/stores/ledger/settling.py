"""What jobs cost: entries for what they were charged, and for what is free again.

A hired worker's bill covers the frames that it made. They are charged for their own seconds; what is left of the bill,
boot and idling, is the worker's own cost. However late a frame is charged, both together are the provider's bill.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy import Connection, select

from film_pipeline.core.jobs import Charge, JobState
from film_pipeline.core.money import dollars, micros_of, usd, written
from film_pipeline.stores.ledger.entries import Entry, Kind
from film_pipeline.stores.ledger.schema import JOBS

WORKER = "worker"


@dataclass
class Hand:
    """A row of jobs that a transaction has in hand."""

    CHANGING: ClassVar[tuple[str, ...]] = (
        "state",
        "held_micros",
        "charged_micros",
        "estimated",
        "provider_id",
        "worker",
        "seconds",
        "error",
        "decided_by",
        "submitted_at",
        "moved_at",
    )
    values: dict[Any, Any]
    changed: bool = False

    @property
    def state(self) -> JobState:
        return JobState(self.values["state"])

    @property
    def is_worker(self) -> bool:
        return bool(self.values["work"] == WORKER)

    def put(self, **changes: Any) -> None:
        self.values.update(changes)
        self.changed = True

    def row(self) -> dict[str, Any]:
        """The parameters that write it down."""
        return {"of_job": self.values["job"]} | {f"new_{name}": self.values[name] for name in self.CHANGING}


@dataclass
class Bill:
    """Charges of one transaction: they change the jobs in hand and write the entries that explain it."""

    connection: Connection
    hands: dict[str, Hand]
    entries: list[Entry] = field(default_factory=list)
    _asked: set[tuple[str, str]] = field(default_factory=set)
    _hired: list[Hand] = field(default_factory=list)
    _seen: int = 0

    def charge(self, hand: Hand, charge: Charge, by: str = "") -> None:
        """A job cost so much; for a hired worker so much is its whole bill, of which its frames have paid a part."""
        amount = micros_of(usd(charge.usd))
        if hand.is_worker:
            amount -= self._paid_by_frames(hand)
        self._book(hand, amount, charge.estimated, by)

    def spend_what_is_held(self, hand: Hand, by: str = "") -> None:
        """Nobody knows what it cost: all that is set aside for it counts as spent, as an estimate."""
        held = hand.values["held_micros"]
        self._book(hand, held, held > 0, by)

    def release(self, hand: Hand, by: str = "") -> None:
        """What is still set aside is free again."""
        held = hand.values["held_micros"]
        if held:
            self.entries.append(Entry.of_job("release", hand.values, reserved=-held, entered_by=by))
            hand.put(held_micros=0)

    def _book(self, hand: Hand, amount: int, estimated: bool, by: str) -> None:
        before, held = hand.values["charged_micros"], hand.values["held_micros"]
        more = amount - (before or 0)
        kind: Kind = "adjust" if before is not None or amount < 0 else "overhead" if hand.is_worker else "settle"
        note = _note(hand.values, before, amount)
        self.entries.append(Entry.of_job(kind, hand.values, -held, more, estimated=estimated, entered_by=by, note=note))
        hand.put(charged_micros=amount, held_micros=0, estimated=estimated)
        if more and not hand.is_worker and hand.values["worker"]:
            self._correct_worker(hand, more)

    def _correct_worker(self, frame: Hand, more: int) -> None:
        """A frame was charged after its worker's bill came: that much less of the bill was the worker's own."""
        worker = self._worker_of(frame)
        if worker is not None and worker.values["charged_micros"] is not None:
            note = f"charged to the frame of job {frame.values['job']}"
            estimated = worker.values["estimated"]
            entry = Entry.of_job("adjust", worker.values, settled=-more, estimated=estimated, note=note)
            self.entries.append(entry)
            worker.put(charged_micros=worker.values["charged_micros"] - more)

    def _worker_of(self, frame: Hand) -> Hand | None:
        place = (frame.values["backend"], frame.values["worker"])
        if place not in self._asked:
            self._asked.add(place)
            on_it = (JOBS.c.backend == place[0]) & (JOBS.c.provider_id == place[1])
            query = select(JOBS).where(JOBS.c.work == WORKER, on_it)
            for row in self.connection.execute(query).mappings():
                self.hands.setdefault(row["job"], Hand(dict(row)))
        at_place = (hand for hand in self._workers() if (hand.values["backend"], hand.values["provider_id"]) == place)
        return next(at_place, None)

    def _workers(self) -> list[Hand]:
        if len(self.hands) != self._seen:
            self._seen = len(self.hands)
            self._hired = [hand for hand in self.hands.values() if hand.is_worker]
        return self._hired

    def _paid_by_frames(self, worker: Hand) -> int:
        in_hand = (hand.values["charged_micros"] or 0 for hand in self.hands.values() if _works_on(hand.values, worker))
        return self._paid_before(worker) + sum(in_hand)

    def _paid_before(self, worker: Hand) -> int:
        """By frames that are not in hand."""
        if not worker.values["provider_id"]:
            return 0
        on_it = (JOBS.c.backend == worker.values["backend"]) & (JOBS.c.worker == worker.values["provider_id"])
        paid = select(JOBS.c.job, JOBS.c.charged_micros).where(on_it, JOBS.c.work != WORKER)
        rows = self.connection.execute(paid.where(JOBS.c.charged_micros.is_not(None)))
        return sum(row.charged_micros for row in rows if row.job not in self.hands)


def _works_on(values: Mapping[Any, Any], worker: Hand) -> bool:
    place = (worker.values["backend"], worker.values["provider_id"])
    return bool(values["work"] != WORKER and (values["backend"], values["worker"]) == place and place[1])


def _note(values: Mapping[Any, Any], before: int | None, amount: int) -> str:
    if before is not None:
        return f"{written(dollars(before))} before"
    over = amount - values["reserved_micros"]
    return f"{written(dollars(over))} more than was set aside" if over > 0 else ""
