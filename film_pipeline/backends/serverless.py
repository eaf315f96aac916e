"""RunPod serverless endpoints: our own graph to worker-comfyui, or prompt and references to an image-edit model.

There is no idempotency key and nothing to look an order up by. So an order whose answer did not come is uncertain, and
a result is kept on our disk the moment it is seen, because RunPod forgets it.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from film_pipeline.backends.comfy_graphs import check_references, fit_of
from film_pipeline.backends.credentials import RUNPOD_ORDER, RUNPOD_WATCH, Credentials, Secret
from film_pipeline.backends.downloads import keep
from film_pipeline.backends.klein import klein
from film_pipeline.backends.klein_orders import (
    klein_recipe,
    leave_to_order,
    licence_said,
    must_belong,
    must_suit,
    prepare,
)
from film_pipeline.backends.prices import Hire, Pace, hired_quote, per_image_quote
from film_pipeline.backends.runpod_sdk import Endpoint
from film_pipeline.backends.serverless_payload import (
    BY_URL,
    LARGEST_RUN,
    Sending,
    comfy_input,
    plain_input,
    references_input,
    sending_for,
)
from film_pipeline.backends.serverless_results import Results, Seen
from film_pipeline.backends.wire import Broken, Reply, Unreached, Wire
from film_pipeline.core.gate import Gate, Ticket
from film_pipeline.core.generating import (
    Fetched,
    FetchFailed,
    FrameWork,
    Health,
    Model,
    News,
    Progress,
    Purpose,
    SubmitFailed,
    SubmitUncertain,
)
from film_pipeline.core.generation import Quote
from film_pipeline.core.generators import EndpointModel, ServerlessPlan
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe

DEFAULT_URL = "https://api.runpod.ai/v2"
_HOUR_S = 3600
_AT_ONCE = 20
_NEW_FOR_S = 10.0


class Serverless:
    """One endpoint. spool: where results are kept until they are fetched."""

    provider = "runpod"
    paid = True

    def __init__(
        self,
        name: str,
        plan: ServerlessPlan,
        credentials: Credentials,
        spool: Path,
        url: str = DEFAULT_URL,
        poll_s: float = 1.0,
    ) -> None:
        self.name, self._plan, self._credentials = name, plan, credentials
        self.purposes: frozenset[Purpose] = frozenset(plan.purposes)
        self.pace = Pace(plan.seconds_per_frame)
        self._klein = None if isinstance(plan.model, EndpointModel) else klein(plan.model, plan.precision)
        self._wire = Wire(url, timeout_s=60.0, pause_s=0.2 * min(poll_s, 1.0))
        self._sdk = Endpoint(plan.endpoint, self._watching, url)
        self._results = Results(spool, plan)
        self._poll_s = poll_s
        self._sent_at: dict[str, float] = {}
        self._missing_since: dict[str, float] = {}
        self._told: dict[str, Progress] = {}
        self._held_until = 0.0
        self._sendings: dict[tuple[str, ...], Sending] = {}

    def model(self, purpose: Purpose) -> Model:
        if isinstance(self._plan.model, EndpointModel):
            given = self._plan.model
            return Model(given.name, (), given.licence, given.commercial)
        assert self._klein is not None
        return self._klein.model

    def recipe(self, work: FrameWork) -> Recipe:
        sending = self._sending(work)
        if self._plan.worker == "worker-comfyui" and self._klein is not None:
            return klein_recipe(work, self._klein, sending.said)
        return Recipe(
            {
                "made": "frame by a serverless endpoint",
                "version": 1,
                "endpoint": self._plan.endpoint,
                "model": self.model(work.purpose).said,
                "input": plain_input(work, self._plan),
                "references": [
                    {"number": number, "role": guide.role, "sha256": guide.sha256}
                    for number, guide in enumerate(work.guides, start=1)
                ],
                "references_sent": sending.said if work.guides else "none",
                "fit": fit_of(work).as_recipe(),
            }
        )

    def quote(self, frames: int, size: tuple[int, int], purpose: Purpose = "frame") -> Quote:
        licence, second = licence_said(self.model(purpose)), self._plan.price_per_second
        if second is None:
            return per_image_quote(self.name, frames, self._plan.usd_per_image, licence)
        known = "" if self._plan.usd_per_second is not None else f" for a {self._plan.gpu} as of August 2026"
        said = f"{second.normalize():f} USD a second{known}"
        hire = Hire(second * _HOUR_S, said, overhead_said="a worker's start and idling come on top, which nobody tells")
        return hired_quote(self.name, frames, hire, self.pace.seconds(size, purpose), licence)

    def frame_price(self, size: tuple[int, int], purpose: Purpose) -> Decimal | None:
        return self.quote(1, size, purpose).cost_usd

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose) -> None:
        self.pace.measured(seconds, size, purpose)

    def software(self) -> str:
        kind = "worker-comfyui" if self._plan.worker == "worker-comfyui" else "endpoint"
        return f"RunPod serverless {kind} {self._plan.endpoint}, version not told"

    async def health(self) -> Health:
        if not self._credentials.has(RUNPOD_ORDER):
            return Health(False, 0, why=f"the credential {RUNPOD_ORDER} is not set")
        try:
            told = await self._sdk.health()
        except FilmProblem as error:
            return Health(False, 0, why=str(error), away=True)
        jobs, workers = _counts(told.get("jobs")), _counts(told.get("workers"))
        in_hand = jobs.get("inQueue", 0) + jobs.get("inProgress", 0)
        room = max(2 * self._plan.max_workers - in_hand, 0)
        warm = workers.get("idle", 0) + workers.get("ready", 0) + workers.get("running", 0) > 0
        model = frozenset({self.model(self._plan.purposes[0]).name}) if warm else frozenset()
        held = self._held_until - time.monotonic()
        if held > 0:
            return Health(False, 0, in_hand, model, f"RunPod wants us to wait for {held:.0f} s")
        return Health(room > 0, room, in_hand, model, "" if warm else "the first frame waits for a worker to start")

    async def submit(self, gate: Gate, ticket: Ticket, work: FrameWork) -> str:
        must_belong(ticket, work, self.name)
        must_suit(work, self.purposes, self.name)
        try:
            # Before the gate: what happens between the gate and the order makes it uncertain if we die meanwhile.
            body = await asyncio.to_thread(self._body, work)
        except (FilmProblem, OSError) as error:
            raise SubmitFailed(f"{work.shot}: {error}") from error
        admission = await gate.admit(ticket, work.covered)
        order = leave_to_order(self._credentials, admission, self.name, RUNPOD_ORDER)
        order.must_be_for(ticket.job)
        try:
            reply = await self._wire.post(f"/{self._plan.endpoint}/run", body, order.bearer)
        except Unreached as error:
            raise SubmitFailed(f"{work.shot}: RunPod is away: {error}", 5.0, spill=True) from error
        except Broken as error:
            raise SubmitUncertain(f"{work.shot}: RunPod may have the order: {error}") from error
        given = self._given_id(work.shot, reply)
        self._sent_at[given] = time.monotonic()
        return given

    def _given_id(self, shot: str, reply: Reply) -> str:
        said = f"{shot}: RunPod answered {reply.status}: {reply.said}"
        if reply.status == 429:
            wait = reply.retry_after_s or 10.0
            self._held_until = time.monotonic() + wait
            raise SubmitFailed(said, wait)
        if reply.status == 402:
            raise SubmitFailed(f"{shot}: the RunPod account has no money left", spill=True)
        if reply.status in (401, 403):
            raise SubmitFailed(f"{shot}: RunPod refused the key: {reply.said}", spill=True)
        if reply.status == 404:
            raise SubmitFailed(f"{shot}: there is no endpoint {self._plan.endpoint}", spill=True)
        if reply.status >= 500:
            raise SubmitUncertain(f"{said}; it may have the order")
        if not reply.ok:
            raise SubmitFailed(said)
        try:
            given = reply.object().get("id")
        except Broken as error:
            raise SubmitUncertain(f"{shot}: RunPod has the order, and its answer was cut short") from error
        if not isinstance(given, str) or not given:
            raise SubmitUncertain(f"{shot}: RunPod took the order and named no id")
        return given

    def _body(self, work: FrameWork) -> dict[str, Any]:
        check_references(work)
        if len(work.guides) > self._plan.max_references:
            raise FilmProblem(
                f"{self.name} takes {self._plan.max_references} references and {len(work.guides)} are given",
                "leave some out, or use another backend",
                shot=work.shot,
            )
        sending = self._sending(work)
        body = {"input": self._input(work, sending), "policy": self._policy()}
        size = len(json.dumps(body))
        if size > LARGEST_RUN:
            raise FilmProblem(f"the order has {size} bytes and RunPod takes {LARGEST_RUN}", "give fewer references")
        return body

    def _input(self, work: FrameWork, sending: Sending) -> dict[str, Any]:
        if self._plan.worker == "worker-comfyui" and self._klein is not None:
            return comfy_input(prepare(work, self._klein, sending.said).graph, work.guides, sending)
        return {**plain_input(work, self._plan), **references_input(work.guides, self._plan, sending)}

    def _policy(self) -> dict[str, int]:
        return {"executionTimeout": self._plan.execution_timeout_s * 1000, "ttl": self._plan.ttl_s * 1000}

    def _sending(self, work: FrameWork) -> Sending:
        """How the references go along. The same references always go the same way, so the recipe can say it."""
        if self._plan.reference_url:
            return BY_URL
        key = tuple(guide.sha256 for guide in work.guides)
        if key not in self._sendings:
            self._sendings[key] = sending_for(work.guides)
        return self._sendings[key]

    async def find(self, ticket: Ticket) -> str | None:
        raise SubmitUncertain(
            f"{ticket.shot}: RunPod's serverless has no way to ask for an order without its id (job {ticket.job})"
        )

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        deadline = time.monotonic() + timeout_s
        pause = self._poll_s
        while True:
            found = await self._asked(provider_ids)
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            held = max(self._held_until - time.monotonic(), 0.0)
            await asyncio.sleep(min(max(pause, held), left))
            pause = min(pause * 1.5, 5 * self._poll_s)

    async def _asked(self, provider_ids: Sequence[str]) -> list[News]:
        if self._held_until > time.monotonic():
            provider_ids = [each for each in provider_ids if self._results.kept(each)]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(provider_id: str) -> News | None:
            async with gate:
                return await self._news_of(provider_id)

        answers = await asyncio.gather(*(one(each) for each in provider_ids))
        return [news for news in answers if news is not None]

    async def _news_of(self, provider_id: str) -> News | None:
        kept = self._results.kept(provider_id)
        if kept is not None:
            return kept.as_news(provider_id)
        try:
            reply = await self._wire.get(self._path("status", provider_id), self._watching())
            seen = await self._seen(provider_id, reply)
        except (Unreached, Broken):
            return None
        if seen is None or (self._told.get(provider_id) == seen.state and not seen.over):
            return None
        self._told[provider_id] = seen.state
        return seen.as_news(provider_id)

    async def _seen(self, provider_id: str, reply: Reply) -> Seen | None:
        if reply.status == 429:
            self._held_until = time.monotonic() + (reply.retry_after_s or 5.0)
            return None
        if reply.status in (401, 403):
            raise FilmProblem(f"RunPod refused the key: {reply.said}", f"check {RUNPOD_WATCH} or {RUNPOD_ORDER}")
        if reply.status == 404:
            return self._forgotten(provider_id)
        if not reply.ok:
            raise Broken(f"status {reply.status}")
        self._missing_since.pop(provider_id, None)
        return await self._results.see(provider_id, reply.object())

    def _forgotten(self, provider_id: str) -> Seen | None:
        """RunPod forgets jobs after their time, done or not. Asked twice, and not of jobs that were sent just now."""
        now = time.monotonic()
        since = self._missing_since.setdefault(provider_id, now)
        young = now - self._sent_at.get(provider_id, -1e9) < min(_NEW_FOR_S, 10 * self._poll_s)
        if young or now - since < self._poll_s:
            return None
        return Seen(
            Progress.UNKNOWN,
            error=f"RunPod no longer knows job {provider_id}: it may have been worked on and paid for",
        )

    async def fetch(self, provider_id: str, into: Path) -> Fetched:
        kept = self._results.kept(provider_id)
        if kept is None:
            try:
                reply = await self._wire.get(self._path("status", provider_id), self._watching())
                seen = await self._seen(provider_id, reply)
            except (Unreached, Broken) as error:
                raise FetchFailed(f"job {provider_id} could not be fetched: {error}") from error
            kept = self._results.kept(provider_id)
            if kept is None:
                raise _without_picture(provider_id, seen)
        assert kept.picture is not None
        content = await asyncio.to_thread(kept.picture.read_bytes)
        path = await asyncio.to_thread(keep, content, into / kept.picture.name)
        detail = {"software": self.software(), **kept.detail}
        return Fetched(path, kept.seconds, kept.charged_usd, kept.estimated, detail)

    async def cancel(self, provider_id: str) -> bool:
        try:
            return await self._sdk.cancel(provider_id)
        except FilmProblem:
            return False  # Whether it will is the question, and nobody says that it will.

    async def discard(self, provider_id: str) -> None:
        """Each order is worked off anew."""

    def forget(self, provider_id: str) -> None:
        self._results.forget(provider_id)
        self._told.pop(provider_id, None)
        self._sent_at.pop(provider_id, None)

    async def close(self) -> None:
        await self._wire.close()

    def _watching(self) -> Secret | None:
        return self._credentials.for_watching((RUNPOD_WATCH, RUNPOD_ORDER))

    def _path(self, what: str, provider_id: str) -> str:
        return f"/{self._plan.endpoint}/{what}/{quote(provider_id, safe='')}"


def _without_picture(provider_id: str, seen: Seen | None) -> Exception:
    """Why a job's picture can't be fetched: not now, or never."""
    if seen is None or not seen.over:
        return FetchFailed(
            f"job {provider_id}: {'RunPod does not say' if seen is None else f'it is {seen.state.value}'}"
        )
    return FilmProblem(
        f"job {provider_id} has no picture: {seen.error or f'it is {seen.state.value}'}", "see the endpoint's logs"
    )


def _counts(told: Any) -> dict[str, int]:
    return {str(name): int(count) for name, count in told.items()} if isinstance(told, Mapping) else {}
