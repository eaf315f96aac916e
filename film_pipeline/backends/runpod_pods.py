"""FLUX.2 Klein in ComfyUI on rented RunPod pods, kept warm across shots and never longer than they are of use."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from film_pipeline.backends.credentials import RUNPOD_ORDER, Credentials
from film_pipeline.backends.klein import klein
from film_pipeline.backends.klein_orders import (
    klein_recipe,
    leave_to_order,
    licence_said,
    must_belong,
    must_suit,
    prepared_or_refused,
)
from film_pipeline.backends.local_klein import comfy_said, must_be_able
from film_pipeline.backends.pod_fleet import Fleet, Surroundings
from film_pipeline.backends.prices import Hire, Pace, charge, hired_quote
from film_pipeline.backends.rented import Rented
from film_pipeline.backends.wire import Broken, Unreached
from film_pipeline.core.gate import Gate, Ticket
from film_pipeline.core.generating import (
    Fetched,
    FrameWork,
    Health,
    Model,
    News,
    Progress,
    Purpose,
    SubmitFailed,
    SubmitUncertain,
    Tenant,
    WorkerReport,
)
from film_pipeline.core.generation import Quote
from film_pipeline.core.generators import PodsPlan
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import Recipe

_LOST = "the pod that had the job is gone"


class RunpodPods:
    """A provider's id of a job is the pod's id and the job's, `pod/job`."""

    provider = "runpod"
    paid = True

    def __init__(
        self,
        name: str,
        plan: PodsPlan,
        production: str,
        credentials: Credentials,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.name, self._plan, self._production, self._credentials = name, plan, production, credentials
        self._around = surroundings or Surroundings()
        self.purposes: frozenset[Purpose] = frozenset(plan.purposes)
        self.pace = Pace(plan.seconds_per_frame)
        self._klein = klein(plan.model, plan.precision)
        self._fleet = Fleet(name, plan, production, credentials, self._around)
        self.idle_s, self.silent_s = float(plan.idle_s), float(plan.silent_s)
        self.listed_after_s = self._around.listed_after_s
        self._system: Mapping[str, Any] = {}

    def model(self, purpose: Purpose) -> Model:
        return self._klein.model

    def recipe(self, work: FrameWork) -> Recipe:
        return klein_recipe(work, self._klein)

    def quote(self, frames: int, size: tuple[int, int], purpose: Purpose = "frame") -> Quote:
        """By the dearest of the GPUs that production.yaml lets it take, each pod booted and idle once.

        Prices are known once `health` was asked.
        """
        price, said = self._fleet.dearest()
        pods = min(self._plan.max_workers, -(-frames // self._plan.queue_depth)) if frames else 0
        boot, how = self._fleet.boot_time()
        overhead = f"{pods} x {boot:.0f} s to boot ({how}) and {self._plan.idle_s} s idle"
        hire = Hire(price, said, pods * (boot + self._plan.idle_s), overhead)
        return hired_quote(self.name, frames, hire, self.pace.seconds(size, purpose), licence_said(self._klein.model))

    def frame_price(self, size: tuple[int, int], purpose: Purpose) -> Decimal | None:
        seconds = self.pace.seconds(size, purpose)
        return None if seconds is None else charge(seconds[0], self._fleet.dearest()[0])

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose) -> None:
        self.pace.measured(seconds, size, purpose)

    def machine_of(self, provider_id: str) -> str:
        return _pod(provider_id)

    def overhead_usd(self) -> Decimal | None:
        return charge(self._fleet.boot_time()[0] + self._plan.idle_s, self._fleet.dearest()[0])

    def software(self) -> str:
        return comfy_said(self._system)

    async def health(self) -> Health:
        why = self._fleet.blocked()
        if not self._credentials.has(RUNPOD_ORDER):
            why = f"the credential {RUNPOD_ORDER} is not set"
        try:
            await self._fleet.look()
            await self._fleet.end_useless()
            await self._fleet.end_idle()
            await self._fleet.refresh_prices()
        except FilmProblem as error:
            return Health(False, 0, why=str(error), away=True)
        living = self._fleet.living()
        working = [rented for rented in living if self._fleet.takes_work(rented)]
        room = sum(max(self._plan.queue_depth - rented.load, 0) for rented in working)
        room += (self._plan.max_workers - len(living)) * self._plan.queue_depth if not why else 0
        warm = frozenset({self._klein.model.name}) if any(rented.ready for rented in living) else frozenset()
        if not why and not warm:
            why = "no pod is ready: the first frame waits for one to boot"
        queued = sum(rented.load for rented in living)
        return Health(room > 0, max(room, 0), queued, warm, why)

    async def submit(self, gate: Gate, ticket: Ticket, work: FrameWork) -> str:
        """Rents a pod where no rented one has room, and waits until it has booted."""
        must_belong(ticket, work, self.name)
        must_suit(work, self.purposes, self.name)
        admission = await gate.admit(ticket, work.covered)
        order = leave_to_order(self._credentials, admission, self.name, RUNPOD_ORDER)
        prepared = prepared_or_refused(work, self._klein)
        rented = await self._fleet.place(order, ticket, work)
        try:
            await self._must_be_able(rented, prepared.graph, work.shot)
            await rented.client.post(order, ticket.job, prepared.graph, work.guides, prepared.notes)
            rented.in_hand.add(ticket.job)
        finally:
            self._fleet.leave(rented, ticket.job)
        return f"{rented.pod.id}/{ticket.job}"

    async def _must_be_able(self, rented: Rented, graph: Any, shot: str) -> None:
        try:
            await must_be_able(rented.client, graph, shot)
        except SubmitFailed as error:
            if not error.retry_after_s:
                # A pod without our model is of no use to anybody, and every minute of it costs.
                await self._fleet.end(rented, f"it can't do our work: {error}")
            raise
        try:
            self._system = self._system or await rented.client.system()
        except (Unreached, Broken):
            self._system = {}

    async def find(self, ticket: Ticket) -> str | None:
        with self._fleet.asked_after():
            return await self._found(ticket)

    async def _found(self, ticket: Ticket) -> str | None:
        try:
            await self._fleet.look(at_once=True)
        except FilmProblem as error:
            raise SubmitUncertain(f"RunPod does not say which pods there are: {error}", ask_again=True) from error
        for rented in self._fleet.living():
            if rented.pod.status in ("PROVISIONING", "STARTING") and not rented.ready:
                continue  # Its container has not run yet, so it has no jobs.
            if await rented.client.find(ticket.job):
                # It has something that we want, be it finished or not: it is not idle before that is home.
                rented.to_fetch.add(ticket.job)
                return f"{rented.pod.id}/{ticket.job}"
        return None

    async def news(self, provider_ids: Sequence[str], timeout_s: float) -> list[News]:
        deadline = time.monotonic() + timeout_s
        while True:
            await self._look_if_needed(provider_ids)
            found = self._gone(provider_ids)
            if found:
                return found
            left = min(max(deadline - time.monotonic(), 0.0), self._around.look_s)
            asked = self._by_pod(provider_ids)
            if asked:
                found = await self._first_news(asked, left)
            else:
                await asyncio.sleep(min(left, self._around.poll_s))
            if found or time.monotonic() >= deadline:
                return found

    async def _look_if_needed(self, provider_ids: Sequence[str]) -> None:
        unknown = any(self._fleet.get(_pod(each)) is None for each in provider_ids)
        silent = any(rented.client.silent_since is not None for rented in self._fleet.living())
        try:
            await self._fleet.look(at_once=unknown and not self._fleet.looked, hurry=silent or unknown)
        except FilmProblem:
            return  # RunPod does not say: then there is no news of its pods, and the jobs stay as they were.
        await self._fleet.end_useless()

    def _gone(self, provider_ids: Sequence[str]) -> list[News]:
        if not self._fleet.looked:
            return []
        found = []
        for each in provider_ids:
            rented = self._fleet.get(_pod(each))
            if rented is None or not rented.living:
                why = f"{_LOST}{f': {rented.why}' if rented is not None and rented.why else ''}"
                found.append(News(each, Progress.GONE, error=why, retryable=True, worker=_pod(each)))
        return found

    def _by_pod(self, provider_ids: Sequence[str]) -> list[tuple[Rented, list[str]]]:
        grouped: dict[str, list[str]] = {}
        for each in provider_ids:
            grouped.setdefault(_pod(each), []).append(_job(each))
        pairs = ((self._fleet.get(pod), jobs) for pod, jobs in grouped.items())
        return [(rented, jobs) for rented, jobs in pairs if rented is not None and rented.living]

    async def _first_news(self, asked: Sequence[tuple[Rented, list[str]]], timeout_s: float) -> list[News]:
        """From whichever pod has news first, and from every other that has some by then."""
        tasks = {asyncio.create_task(rented.client.news(jobs, timeout_s)): rented for rented, jobs in asked}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=timeout_s + 1)
        finally:
            for task in tasks:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        found: list[News] = []
        for rented, answer in zip(tasks.values(), answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            if not isinstance(answer, BaseException):
                found += [self._charged(rented, news) for news in answer]
                await self._rest_if_idle(rented)
        return found

    async def _rest_if_idle(self, rented: Rented) -> None:
        """A pod that we forget must hear nothing, so that it ends itself."""
        if not rented.busy:
            await rented.client.rest()

    def _charged(self, rented: Rented, news: News) -> News:
        rented.note(news.provider_id, news)
        ended = news.state in (Progress.DONE, Progress.FAILED, Progress.CANCELLED)
        return replace(
            news,
            provider_id=f"{rented.pod.id}/{news.provider_id}",
            worker=rented.pod.id,
            charged_usd=rented.price_of(news.seconds) if ended else None,
            estimated=ended,
        )

    async def fetch(self, provider_id: str, into: Path) -> Fetched:
        rented = self._fleet.get(_pod(provider_id))
        if rented is None and not self._fleet.looked:
            await self._fleet.look(at_once=True)
            rented = self._fleet.get(_pod(provider_id))
        if rented is None or not rented.living:
            raise FilmProblem(f"{_LOST}, and its picture with it", "have the frame ordered again")
        path, standing = await rented.client.picture(_job(provider_id), into)
        rented.fetched(_job(provider_id))
        await self._rest_if_idle(rented)
        detail = {"software": self.software(), "pod": rented.pod.id, "gpu": rented.pod.gpu}
        return Fetched(path, standing.seconds, rented.price_of(standing.seconds), estimated=True, detail=detail)

    async def cancel(self, provider_id: str) -> bool:
        rented = self._fleet.get(_pod(provider_id))
        if rented is None or not rented.living:
            return False
        return await rented.client.cancel(_job(provider_id))

    async def workers(self) -> list[WorkerReport]:
        await self._fleet.look(at_once=True)
        return self._fleet.reports()

    def rent_with(self, tenant: Tenant) -> None:
        self._fleet.tenant = tenant

    async def listed(self) -> list[WorkerReport]:
        return await self._fleet.listed()

    async def end_machine(self, worker: str, why: str) -> WorkerReport | None:
        return await self._fleet.end_listed(worker, why)

    async def end_idle(self) -> list[WorkerReport]:
        return await self._fleet.end_idle()

    async def discard(self, provider_id: str) -> None:
        rented = self._fleet.get(_pod(provider_id))
        if rented is not None and rented.living:
            await rented.client.recompute()

    def forget(self, provider_id: str) -> None:
        rented = self._fleet.get(_pod(provider_id))
        if rented is not None:
            rented.let_go(_job(provider_id))

    async def close(self) -> None:
        await self._fleet.close()


def _pod(provider_id: str) -> str:
    return provider_id.partition("/")[0]


def _job(provider_id: str) -> str:
    return provider_id.partition("/")[2]
