"""Signed approvals, orders and opened ledgers for the tests of the gate and of money."""

import datetime
import hashlib
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered, Order, Reserved, Ticket
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.core.production import Approver
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.takes import Take, TakeWish

PRODUCTION = "the-test-film"
SHOT = "SC010_SH010"
NOW = datetime.datetime(2026, 11, 23, 8, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(days=30)
PASSPHRASE = "a lantern in the attic"
KEY = keys.open_private_key(keys.new_private_key(PASSPHRASE), PASSPHRASE)
STRANGER = keys.open_private_key(keys.new_private_key(PASSPHRASE), PASSPHRASE)
DIRECTOR = Approver(name="director", public_key=keys.public_key_of(KEY))
BACKENDS = ("pods", "serverless", "klein")
COVERED = Covered(
    composition="c" * 64,
    look="1" * 64,
    direction="d" * 64,
    references={"marlow": "a" * 64, "study": "b" * 64},
    models={"pods": "Klein 9B (FLUX Non-Commercial)", "serverless": "Klein 4B (Apache-2.0)", "klein": "Klein 4B"},
)


def open_ledger(place: Path | str, budget: str = "100", **changes: Any) -> Ledger:
    """A ledger whose clock stands still at NOW."""
    terms: dict[str, Any] = {
        "production": PRODUCTION,
        "approvers": (DIRECTOR,),
        "budget_usd": Decimal(budget),
        "clock": lambda: NOW,
    }
    return Ledger(place, **(terms | changes))


def an_approval(ledger: Ledger, **changes: Any) -> Approval:
    """An approval of the director's, signed."""
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "production": PRODUCTION,
        "ledger": ledger.id,
        "shot": SHOT,
        "work": "take",
        "covered": COVERED,
        "backends": BACKENDS,
        "takes": 3,
        "cap_usd": Decimal("1.00"),
        "signer": DIRECTOR.name,
        "public_key": DIRECTOR.public_key,
        "signed_at": NOW.isoformat(),
        "expires_at": LATER.isoformat(),
    }
    return Approval(**(fields | changes)).signed_by(KEY)


def approve(ledger: Ledger, **changes: Any) -> Approval:
    """An approval that is entered."""
    approval = an_approval(ledger, **changes)
    ledger.add(approval)
    return approval


def a_wish(**changes: Any) -> TakeWish:
    fields: dict[str, Any] = {
        "shot": SHOT,
        "covered": COVERED,
        "backends": BACKENDS,
        "asked_by": "director",
        "via": "cli",
    }
    return TakeWish(**(fields | changes))


def open_take(ledger: Ledger, **changes: Any) -> Take:
    take = ledger.open_take(a_wish(**changes))
    assert isinstance(take, Take), take
    return take


def an_order(frame: int = 1001, take: int = 1, quoted: str | None = "0.10", **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "shot": SHOT,
        "work": "take",
        "take": take,
        "frame": frame,
        "recipe_sha256": hashlib.sha256(f"{frame} {take}".encode()).hexdigest(),
        "covered": COVERED,
        "backend": "serverless",
        "quoted_usd": None if quoted is None else Decimal(quoted),
    }
    return Order(**(fields | changes))


def reserve(ledger: Ledger, *orders: Order) -> list[Ticket]:
    reserved = ledger.reserve(orders)
    assert isinstance(reserved, Reserved), reserved
    return [placed.ticket for placed in reserved.placed]


def submit(ledger: Ledger, ticket: Ticket, provider_id: str = "") -> str:
    """Take a ticket through the gate and note the provider's id, as a backend and its supervisor do."""
    ledger.admit(ticket, COVERED)
    ledger.move(Move(ticket.job, JobState.SUBMITTED, provider_id or f"at-provider-{ticket.job[:8]}"))
    return ticket.job


def a_ticket(ledger: Ledger, **changes: Any) -> Ticket:
    """A reserved ticket of an approved first take."""
    approve(ledger)
    open_take(ledger)
    return reserve(ledger, an_order(**changes))[0]
