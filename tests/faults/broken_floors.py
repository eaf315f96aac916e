"""Floors with one part broken on purpose: what comes of them must not pass the checks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kill_floor import POLL_S, KillFloor

from film_pipeline.backends.credentials import Credentials
from film_pipeline.backends.local_klein import LocalKlein
from film_pipeline.backends.serverless import Serverless
from film_pipeline.core.gate import Ticket
from film_pipeline.core.generating import Fetched, GeneratingBackend, News
from film_pipeline.orchestrator.wanted import Landed


class NeverLooks(LocalKlein):
    """Says of every order in doubt that it was never sent."""

    async def find(self, ticket: Ticket) -> str | None:
        return None


class HearsNoCharges(Serverless):
    """Takes every order for one that cost nothing."""

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        return [replace(news, charged_usd=None) for news in await super().news(provider_ids, timeout_s)]

    async def fetch(self, *args: Any) -> Fetched:
        return replace(await super().fetch(*args), charged_usd=None)


class Forgetful(KillFloor):
    """Orders again what it is in doubt about."""

    def _backends(self) -> dict[str, GeneratingBackend]:
        environment = self.places.environment()
        plan: Any = self.production.generation["local"]
        keys = Credentials(environment, self.production, self.root)
        return {**super()._backends(), "local": NeverLooks("local", plan, keys, self.places.comfyui, POLL_S)}


class Spendthrift(KillFloor):
    """Enters no charge of the endpoint that is paid by the image."""

    def _backends(self) -> dict[str, GeneratingBackend]:
        environment = self.places.environment()
        plan: Any = self.production.generation["image"]
        keys = Credentials(environment, self.production, self.root)
        url = f"{self.places.serverless}/v2"
        deaf = HearsNoCharges("image", plan, keys, self.made / "incoming" / "image", url, POLL_S)
        return {**super()._backends(), "image": deaf}


class Careless(KillFloor):
    """Says of one shot's frames that they are filed, and files nothing."""

    def index(self, landed: Landed) -> None:
        if landed.work.shot != "SC010_SH050":
            super().index(landed)


FLOORS: Mapping[str, type[KillFloor]] = {
    "": KillFloor,
    "forgetful": Forgetful,
    "spendthrift": Spendthrift,
    "careless": Careless,
}
