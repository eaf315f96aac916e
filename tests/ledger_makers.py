"""Signed approvals, orders and opened ledgers for the tests of the gate and of money."""

import datetime
import hashlib
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from postgres_server import run_in_postgres
from sqlalchemy import insert, select, text, update

from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered, Locked, Order, Reserved, Ticket
from film_pipeline.core.jobs import JobState, Move
from film_pipeline.core.production import Approver
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.schema import APPROVALS, LEDGER_STORE, METADATA
from film_pipeline.stores.ledger.takes import Take, TakeWish

PRODUCTION = "the-test-film"
SHOT = "SC010_SH010"
NOW = datetime.datetime(2026, 11, 23, 8, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(days=30)
KEY, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
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


def verdict(ledger: Ledger, covered: Covered = COVERED, **changes: Any) -> Any:
    asked: dict[str, Any] = {"shot": SHOT, "work": "take", "covered": covered, "backends": BACKENDS}
    return ledger.verdict(**(asked | changes))


def reasons(outcome: Any) -> str:
    assert isinstance(outcome, Locked), outcome
    return str(outcome)


def write_row(ledger: Ledger, approval: Approval, **columns: Any) -> None:
    """Write an approval straight into the database, past everything that looks at it."""
    other = an_approval(ledger)
    ledger.add(other)
    with ledger.books.writing() as connection:
        row = dict(connection.execute(select(APPROVALS).where(APPROVALS.c.id == other.id)).one()._mapping)
        plain = approval.model_dump(mode="json", exclude={"covered", "backends", "cap_usd", "frame_cap_usd"})
        row |= plain | {"number": row["number"] + 1000} | columns
        connection.execute(insert(APPROVALS).values(row))
    ledger.revoke(other.id, "director", "it was only there to be copied")


def edit_rows(ledger: Ledger, table: Any, /, **columns: Any) -> None:
    """Change rows as somebody does who has the database in hand, its triggers too."""
    with ledger.books.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"DROP TRIGGER IF EXISTS {table.name}_are_not_changed"))
        else:
            connection.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL"))
        connection.execute(update(table).values(columns))


def emptied(url: str) -> str:
    """The same database as it is after its migrations, whatever a test did to it."""
    tables = ", ".join(METADATA.tables)
    restored = "; ".join(f"ALTER TABLE {table} ENABLE TRIGGER ALL" for table in METADATA.tables)
    run_in_postgres(
        url,
        # What guards the rows is silent for the one who replicates a database.
        f"SET session_replication_role = replica; SET lock_timeout = '20s'; {restored}; "
        f"TRUNCATE {tables} RESTART IDENTITY; UPDATE ledger_version SET version_num = '{LEDGER_STORE.head}'",
    )
    return url
