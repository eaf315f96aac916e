"""What a simulated provider was ordered and what it would have charged: the other side of the ledger."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

_MICRO_USD = Decimal("0.000001")


@dataclass(frozen=True)
class Order:
    """One order that the provider accepted.

    key: the client's own id for it (a prompt id, a nonce, a pod's name); empty where the provider takes none.
    payload_sha256: of what was ordered, without what differs between two orders of the same thing.
    provider_id: the provider's id for it.
    """

    call: str
    key: str
    payload_sha256: str
    provider_id: str
    at_s: float


@dataclass(frozen=True)
class Charge:
    """One line of the bill. provider_id: the job, worker or pod. what: start, execution, idle, image, pod."""

    provider_id: str
    what: str
    seconds: Decimal
    usd: Decimal


@dataclass(frozen=True)
class Bill:
    """Everything that the provider accepted, and what it would have charged by now."""

    orders: tuple[Order, ...]
    charges: tuple[Charge, ...]

    @property
    def total_usd(self) -> Decimal:
        return sum((charge.usd for charge in self.charges), Decimal(0))

    def of(self, provider_id: str) -> Decimal:
        """What one job, worker or pod cost, in dollars."""
        return sum((charge.usd for charge in self.charges if charge.provider_id == provider_id), Decimal(0))

    def ordered_twice(self) -> dict[str, int]:
        """Payloads that were ordered more than once, and how often: frames that would be paid for again."""
        return _repeated(order.payload_sha256 for order in self.orders)

    def keys_used_twice(self) -> dict[str, int]:
        """The clients' own ids that came with more than one order."""
        return _repeated(order.key for order in self.orders if order.key)

    def as_json(self) -> dict[str, Any]:
        charges = [
            {**asdict(charge), "seconds": str(charge.seconds), "usd": str(charge.usd)} for charge in self.charges
        ]
        return {
            "total_usd": str(self.total_usd),
            "orders": [asdict(order) for order in self.orders],
            "charges": charges,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Bill":
        return cls(
            tuple(Order(**order) for order in document["orders"]),
            tuple(
                Charge(line["provider_id"], line["what"], Decimal(line["seconds"]), Decimal(line["usd"]))
                for line in document["charges"]
            ),
        )


class Book:
    """The provider's record of orders and charges.

    file: where it is kept, one JSON document a line; a provider that is killed and started again reads it back. None
    keeps it in memory.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.orders: list[Order] = []
        self.charges: list[Charge] = []
        if file is not None and file.exists():
            self._read_back(file)

    def order(self, call: str, key: str, payload: Any, provider_id: str, at_s: float) -> None:
        order = Order(call, key, payload_sha256(payload), provider_id, round(at_s, 3))
        self.orders.append(order)
        self._keep({"order": asdict(order)})

    def charge(self, provider_id: str, what: str, seconds: Decimal, usd: Decimal) -> None:
        charge = charged(provider_id, what, seconds, usd)
        self.charges.append(charge)
        self._keep({"charge": {**asdict(charge), "seconds": str(charge.seconds), "usd": str(charge.usd)}})

    def bill(self, running: Iterable[Charge] = ()) -> Bill:
        """running: charges that still grow."""
        return Bill(tuple(self.orders), (*self.charges, *running))

    def _keep(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _read_back(self, file: Path) -> None:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        kept = Bill.from_json(
            {
                "orders": [line["order"] for line in lines if "order" in line],
                "charges": [line["charge"] for line in lines if "charge" in line],
            }
        )
        self.orders, self.charges = list(kept.orders), list(kept.charges)


def charged(provider_id: str, what: str, seconds: Decimal, usd: Decimal) -> Charge:
    """A line of the bill. Parts of a millionth of a dollar are rounded up, as in the ledger."""
    return Charge(provider_id, what, seconds, usd.quantize(_MICRO_USD, ROUND_CEILING))


def payload_sha256(payload: Any) -> str:
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def per_second(price_usd_an_hour: Decimal, seconds: Decimal) -> Decimal:
    return price_usd_an_hour * seconds / 3600


def counted_seconds(seconds: float) -> Decimal:
    """Seconds as providers count them: in whole milliseconds."""
    return Decimal(round(seconds * 1000)) / 1000


def _repeated(keys: Iterable[str]) -> dict[str, int]:
    return {key: times for key, times in Counter(keys).items() if times > 1}
