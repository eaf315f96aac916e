"""A backend in this process that has every frame made at once: what is left is the supervisor and the ledger alone."""

import asyncio
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from film_pipeline.core.gate import Gate, Ticket
from film_pipeline.core.generating import Fetched, FrameWork, Health, Model, News, Progress, Purpose
from film_pipeline.core.generation import Quote
from film_pipeline.core.recipe import Recipe

PRICE_USD = Decimal("0.01")


class AtOnce:
    """It passes the gate as every backend does. picture: what it gives for every frame."""

    name, provider, paid = "at-once", "bench", True
    purposes: frozenset[Purpose] = frozenset(("frame", "hero"))

    def __init__(self, picture: Path) -> None:
        self._picture = picture

    def model(self, purpose: Purpose) -> Model:
        return Model("none", (), "own work", True)

    def recipe(self, work: FrameWork) -> Recipe:
        return Recipe({"work": work.sha256})

    def quote(self, frames: int, size: tuple[int, int], purpose: Purpose = "frame") -> Quote:
        raise NotImplementedError

    def frame_price(self, size: tuple[int, int], purpose: Purpose) -> Decimal | None:
        return PRICE_USD

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose) -> None:
        """It takes no time."""

    def software(self) -> str:
        return "at once 1"

    async def health(self) -> Health:
        return Health(True, 10_000, warm_models=frozenset({"none"}))

    async def submit(self, gate: Gate, ticket: Ticket, work: FrameWork) -> str:
        await gate.admit(ticket, work.covered)
        return ticket.job

    async def find(self, ticket: Ticket) -> str | None:
        return None

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        await asyncio.sleep(0.01)
        return [News(one, Progress.DONE, 1.0, charged_usd=PRICE_USD) for one in list(provider_ids)]

    async def fetch(self, provider_id: str, into: Path) -> Fetched:
        place = into / "given.png"
        shutil.copyfile(self._picture, place)
        return Fetched(place, 0.0, PRICE_USD)

    async def cancel(self, provider_id: str) -> bool:
        return False

    async def discard(self, provider_id: str) -> None:
        """It remembers nothing."""

    def forget(self, provider_id: str) -> None:
        """It remembers nothing."""

    async def close(self) -> None:
        """It has no connections."""
