"""FLUX.2 Klein in a ComfyUI that somebody runs: it costs nothing, and passes the gate for its licence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from film_pipeline.backends.comfy_check import device_problem
from film_pipeline.backends.comfy_client import ENDED, ComfyClient
from film_pipeline.backends.credentials import Credentials, Secret
from film_pipeline.backends.klein import klein
from film_pipeline.backends.klein_orders import (
    klein_recipe,
    leave_to_order,
    licence_said,
    must_belong,
    must_suit,
    prepared_or_refused,
)
from film_pipeline.backends.prices import Pace, free_quote
from film_pipeline.backends.wire import Broken, Unreached
from film_pipeline.core.gate import Gate, Ticket
from film_pipeline.core.generating import Fetched, FrameWork, Health, Model, News, Purpose, SubmitFailed
from film_pipeline.core.generation import Quote
from film_pipeline.core.generators import LocalKleinPlan
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe

DEFAULT_URL = "http://127.0.0.1:8188"


class LocalKlein:
    """A ComfyUI server at an address. Its address and its token, if it has one, are in the environment."""

    provider = "local"
    paid = False

    def __init__(
        self,
        name: str,
        plan: LocalKleinPlan,
        credentials: Credentials,
        url: str = DEFAULT_URL,
        poll_s: float = 1.0,
    ) -> None:
        self.name, self._plan, self._credentials = name, plan, credentials
        self.purposes: frozenset[Purpose] = frozenset(plan.purposes)
        self.pace = Pace(plan.seconds_per_frame)
        self._klein = klein(plan.model, plan.precision)
        self._client = ComfyClient(url, self._token, poll_s=poll_s, worker=name)
        self._system: Mapping[str, Any] = {}

    def model(self, purpose: Purpose) -> Model:
        return self._klein.model

    def recipe(self, work: FrameWork) -> Recipe:
        return klein_recipe(work, self._klein)

    def quote(self, frames: int, size: tuple[int, int], purpose: Purpose = "frame") -> Quote:
        return free_quote(self.name, frames, licence_said(self._klein.model))

    def frame_price(self, size: tuple[int, int], purpose: Purpose) -> Decimal | None:
        return Decimal("0")

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose) -> None:
        self.pace.measured(seconds, size, purpose)

    def software(self) -> str:
        return comfy_said(self._system)

    async def health(self) -> Health:
        try:
            self._system = await self._client.system()
            running, waiting = await self._client.waiting()
            problem = device_problem(self._klein, self._system) or await self._client.lacks(self._klein)
        except (Unreached, Broken) as error:
            return Health(False, 0, why=f"ComfyUI at {self._client.url} is away: {error}", away=True)
        if problem:
            return Health(False, 0, len(waiting), why=str(problem))
        in_hand = len(running) + len(waiting)
        return Health(True, max(self._plan.queue_depth - in_hand, 0), in_hand, frozenset({self._klein.model.name}))

    async def submit(self, gate: Gate, ticket: Ticket, work: FrameWork) -> str:
        must_belong(ticket, work, self.name)
        must_suit(work, self.purposes, self.name)
        admission = await gate.admit(ticket, work.covered)
        order = leave_to_order(self._credentials, admission, self.name, self._plan.token_env, needed=False)
        prepared = prepared_or_refused(work, self._klein)
        await must_be_able(self._client, prepared.graph, work.shot)
        return await self._client.post(order, ticket.job, prepared.graph, work.guides, prepared.notes)

    async def find(self, ticket: Ticket) -> str | None:
        return ticket.job if await self._client.find(ticket.job) else None

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        told = await self._client.news(provider_ids, timeout_s)
        return [replace(news, charged_usd=Decimal("0")) if news.state in ENDED else news for news in told]

    async def fetch(self, provider_id: str, into: Path) -> Fetched:
        path, standing = await self._client.picture(provider_id, into)
        return Fetched(path, standing.seconds, Decimal("0"), detail={"software": self.software(), "server": "local"})

    async def cancel(self, provider_id: str) -> bool:
        return await self._client.cancel(provider_id)

    async def discard(self, provider_id: str) -> None:
        await self._client.recompute()

    def forget(self, provider_id: str) -> None:
        self._client.forget(provider_id)

    async def close(self) -> None:
        await self._client.close()

    def _token(self) -> Secret | None:
        return self._credentials.for_watching((self._plan.token_env,), needed=False)


async def must_be_able(client: ComfyClient, graph: Any, shot: str) -> None:
    """Raises SubmitFailed, in film terms, where the server lacks a model or is too old."""
    try:
        await client.check(graph, shot)
    except FilmProblem as error:
        raise SubmitFailed(str(error), spill=True) from error
    except (Unreached, Broken) as error:
        raise SubmitFailed(f"{shot}: ComfyUI at {client.url} is away: {error}", 5.0, spill=True) from error


def comfy_said(system: Mapping[str, Any]) -> str:
    """Name and version, as far as the server has said."""
    about = system.get("system", {})
    version = about.get("comfyui_version") if isinstance(about, Mapping) else None
    return f"ComfyUI {version}" if version else "ComfyUI, version not known"
