"""The ledger: how many frames a second go through all of their states, every check on and every commit on the disk.

Run it: python benchmarks/bench_ledger.py [--postgres URL] [--frames N] [--folder DIR]. Without a URL only SQLite is
measured. The Postgres database must be empty: `bench_ledger` leaves its ledger there.
All figures of one call are of one run on one machine.
"""

import argparse
import datetime
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered, Order, Reserved, Ticket
from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.core.production import Approver
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.takes import TakeWish

FRAMES_PER_SECOND_BAR = 100
GROUP = 32
"""Frames whose news come in together, and are entered together."""
SHOT = "SC010_SH010"
COVERED = Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models={"stand-in": "none"})


def run(place: Path | str | None = None, frames: int = 2000, folder: Path | None = None) -> dict[str, Any]:
    """Measure in SQLite in a scratch folder, or in the database at `place`, and return the figures with their bar."""
    root = Path(tempfile.mkdtemp(prefix="bench-ledger-", dir=folder))
    try:
        figures = _measured(place or root / "ledger.sqlite", frames)
    finally:
        shutil.rmtree(root)
    figures["holds"] = figures["frames_per_s_one_by_one"] >= FRAMES_PER_SECOND_BAR
    return figures


def _measured(place: Path | str, frames: int) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    director = Approver(name="director", public_key=keys.public_key_of(key))
    ledger = Ledger(place, "bench", [director], Decimal("1000000"))
    figures: dict[str, Any] = {"database": "sqlite" if ledger.books.database.file else "postgres", "frames": frames}
    for name, group in (("one_by_one", 1), ("in_groups", GROUP)):
        _sign(ledger, key, director)
        figures |= {f"{step}_{name}": rate for step, rate in _through_all_states(ledger, frames, group).items()}
    figures["admit_ms"] = 1000 / figures["admitted_per_s_one_by_one"]
    figures["verdict_ms"] = _seconds(lambda: ledger.verdict(SHOT, "take", COVERED, ["stand-in"]), 50) * 1000
    figures["first_sums_ms"] = _first_sums(place, director) * 1000
    wrong = ledger.spend.audit()
    assert not wrong, wrong
    ledger.close()
    return figures


def _sign(ledger: Ledger, key: Ed25519PrivateKey, director: Approver) -> None:
    now = datetime.datetime.now(datetime.UTC)
    approval = Approval(
        id=str(uuid.uuid4()),
        production="bench",
        ledger=ledger.id,
        shot=SHOT,
        covered=COVERED,
        backends=("stand-in",),
        takes=10,
        cap_usd=Decimal("10000"),
        signer=director.name,
        public_key=director.public_key,
        signed_at=now.isoformat(),
        expires_at=(now + datetime.timedelta(days=1)).isoformat(),
    )
    ledger.add(approval.signed_by(key))


def _through_all_states(ledger: Ledger, frames: int, group: int) -> dict[str, float]:
    """Frames a second through each step. The gate lets tickets through one by one, whatever the group."""
    take = ledger.open_take(TakeWish(SHOT, COVERED, ("stand-in",), "bench", "cli")).take  # type: ignore[union-attr]
    orders = [
        Order(SHOT, "take", take, 1001 + number, uuid.uuid4().hex * 2, COVERED, "stand-in", Decimal("0.01"))
        for number in range(frames)
    ]
    tickets: list[Ticket] = []

    def reserve() -> None:
        reserved = ledger.reserve(orders)
        assert isinstance(reserved, Reserved), reserved
        tickets.extend(reserved.to_submit)

    def admit() -> None:
        for ticket in tickets:
            ledger.admit(ticket, COVERED)

    def move(to: JobState, charge: Charge | None = None) -> Callable[[], None]:
        def moved() -> None:
            for some in _grouped(tickets, group):
                ledger.move(*(Move(one.job, to, provider_id=one.job, worker="w", charge=charge) for one in some))

        return moved

    steps = {
        "reserved": reserve,
        "admitted": admit,
        "submitted": move(JobState.SUBMITTED),
        "running": move(JobState.RUNNING),
        "fetched": move(JobState.FETCHED, Charge(Decimal("0.008"), False)),
        "indexed": move(JobState.INDEXED),
    }
    seconds = {name: _seconds(step) for name, step in steps.items()}
    rates = {f"{name}_per_s": frames / taken for name, taken in seconds.items()}
    return rates | {"frames_per_s": frames / sum(seconds.values())}


def _first_sums(place: Path | str, director: Approver) -> float:
    """What a process pays once for adding up everything that was ever entered."""
    ledger = Ledger(place, "bench", [director], Decimal("1000000"))
    taken = _seconds(ledger.spend.total)
    ledger.close()
    return taken


def _grouped(tickets: Sequence[Ticket], size: int) -> list[Sequence[Ticket]]:
    return [tickets[start : start + size] for start in range(0, len(tickets), size)]


def _seconds(work: Callable[[], object], rounds: int = 1) -> float:
    before = time.perf_counter()
    for _ in range(rounds):
        work()
    return (time.perf_counter() - before) / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="", metavar="URL")
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    print(json.dumps(run(asked.postgres or None, asked.frames, asked.folder), indent=2))


if __name__ == "__main__":
    main()
