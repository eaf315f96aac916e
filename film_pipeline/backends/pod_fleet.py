"""The pods that one backend has rented: found, started, waited for and ended."""

import asyncio
import contextlib
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from film_pipeline.backends.comfy_client import ComfyClient
from film_pipeline.backends.comfy_shelf import Denied
from film_pipeline.backends.credentials import RUNPOD_ORDER, RUNPOD_WATCH, Credentials, Order, Secret
from film_pipeline.backends.pod_client import (
    DEFAULT_REST,
    Gpu,
    NoBalance,
    NoCapacity,
    Pod,
    PodClient,
    PodRefused,
    TooMany,
    job_of,
    owner_of,
    pod_name,
)
from film_pipeline.backends.pod_start import DEFAULT_PROXY, create_body, pod_url
from film_pipeline.backends.rented import Rented
from film_pipeline.backends.wire import Broken, Unreached
from film_pipeline.core.gate import Ticket
from film_pipeline.core.generating import FrameWork, SubmitFailed, SubmitUncertain, Tenant, WorkerReport
from film_pipeline.core.generators import PodsPlan
from film_pipeline.core.money import written
from film_pipeline.core.problems import FilmProblem

_LOOK_AGAIN_S = (0.5, 1.5, 4.0)
_PRICES_LAST_S = 600.0


@dataclass(frozen=True)
class Surroundings:
    """Where RunPod is and how often it is asked. proxy: how a pod's port is reached, of {pod} and {port}.

    listed_after_s: how long a pod that was rented may be missing in RunPod's list. settling_s: how long a pod that was
    found running is kept, whatever it has to do, after whoever took it over has last asked for what may be on it.
    """

    rest_url: str = DEFAULT_REST
    proxy: str = DEFAULT_PROXY
    poll_s: float = 1.0
    look_s: float = 10.0
    unreachable_s: float = 180.0
    blocked_s: float = 60.0
    listed_after_s: float = 30.0
    settling_s: float = 15.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Fleet:
    """looked: whether RunPod has said at least once which pods there are. tenant: whose money pods are rented with."""

    def __init__(
        self, backend: str, plan: PodsPlan, production: str, credentials: Credentials, around: Surroundings
    ) -> None:
        self._backend, self._plan, self._production = backend, plan, production
        self._credentials, self._around = credentials, around
        self.client = PodClient(self._watching, around.rest_url, 0.2 * min(around.poll_s, 1.0))
        self.looked = False
        self._looked_at = -1e9
        self._rented: dict[str, Rented] = {}
        self._let: dict[str, str] = {}
        self._asking, self._asked_at = 0, -1e9
        self._boot_times: deque[float] = deque(maxlen=16)
        self._leftovers: set[str] = set()
        self._boots: dict[str, asyncio.Task[None]] = {}
        self._deciding = asyncio.Lock()
        self._room = asyncio.Event()
        self._catalog: dict[str, Gpu] = {}
        self._catalog_at = -1e9
        self._blocked: tuple[float, str] = (0.0, "")
        self._overpriced: dict[str, float] = {}
        self.tenant: Tenant | None = None

    def get(self, pod_id: str) -> Rented | None:
        return self._rented.get(pod_id)

    def living(self) -> list[Rented]:
        return [rented for rented in self._rented.values() if rented.living]

    def reports(self) -> list[WorkerReport]:
        return [rented.report(self._backend) for rented in self._rented.values()]

    def takes_work(self, rented: Rented) -> bool:
        """Whether a living pod is to be given frames at all.

        An order that was delivered twice starts two pods under one name. The one that was let to us stays; the other is
        ended as one that the ledger does not know, and whatever it had would be lost with it.
        """
        let = self._let.get(rented.ticket)
        alone = sum(each.ticket == rented.ticket for each in self.living()) == 1
        return not rented.useless and (alone if let is None else let == rented.pod.id)

    @contextlib.contextmanager
    def asked_after(self) -> Iterator[None]:
        """While somebody looks for an order in doubt, and for a while after, no pod that was found running is idle."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            self._asked_at = time.monotonic()

    def blocked(self) -> str:
        """Why no pod is to be rented for now; nothing where one is."""
        until, why = self._blocked
        return why if time.monotonic() < until else ""

    def _block(self, why: str) -> None:
        self._blocked = (time.monotonic() + self._around.blocked_s, why)

    # What there is

    async def look(self, at_once: bool = False, hurry: bool = False) -> None:
        """See which pods there are: those of a process before this one are taken over, those that are gone have ended.

        Raises FilmProblem where RunPod does not say.
        """
        patience = 0.0 if at_once else min(self._around.look_s, 2.0) if hurry else self._around.look_s
        if time.monotonic() - self._looked_at < patience:
            return
        started = time.monotonic()
        listed = {pod.id: pod for pod in await self.client.list()}
        self.looked, self._looked_at = True, time.monotonic()
        for pod in listed.values():
            self._see(pod)
        for rented in self.living():
            # A pod that was rented just now may not be in the list yet.
            if rented.pod.id not in listed and rented.since < started - (
                0 if rented.ready else self._around.listed_after_s
            ):
                self._over(rented, "RunPod no longer has it")

    def _see(self, pod: Pod) -> None:
        rented = self._rented.get(pod.id)
        job = job_of(pod, self._production, self._backend)
        if job is None:
            return
        if pod.gone:
            # It works no more and its disk still costs.
            self._leftovers.add(pod.id)
        if rented is None and not pod.gone:
            self._take(pod, job, taken_over=True)
        elif rented is not None and rented.living:
            rented.pod = replace(pod, usd_per_hour=pod.usd_per_hour or rented.pod.usd_per_hour)
            if pod.gone:
                self._over(rented, f"its state at RunPod is {pod.status}")

    def _take(self, pod: Pod, ticket: str, taken_over: bool) -> Rented:
        known = self._rented.get(pod.id)
        if known is not None:
            # It was seen in the list before RunPod's answer to our own request came.
            known.taken_over = known.taken_over and taken_over
            return known
        token = partial(self._credentials.pod_token, pod.name)
        client = ComfyClient(pod_url(self._around.proxy, pod.id), token, poll_s=self._around.poll_s, worker=pod.id)
        rented = Rented(pod, ticket, client, self._around.now, taken_over)
        self._rented[pod.id] = rented
        self._boots[pod.id] = asyncio.create_task(self._boot(rented), name=f"pod {pod.id} boots")
        return rented

    def _watching(self) -> Secret | None:
        return self._credentials.for_watching((RUNPOD_WATCH, RUNPOD_ORDER))

    # Placing work

    async def place(self, order: Order, ticket: Ticket, work: FrameWork) -> Rented:
        """A ready pod with room for one more job, which is held for it until `leave`.

        Pods are filled before another one is rented. Raises SubmitFailed or SubmitUncertain.
        """
        job, shot = ticket.job, work.shot
        deadline = time.monotonic() + self._plan.boot_timeout_s
        while True:
            self._room.clear()
            async with self._deciding:
                await self._looked_or_not_sent(shot)
                rented = self._with_room()
                if rented is None and len(self.living()) < self._plan.max_workers:
                    rented = await self._rent(order, ticket, work)
                if rented is not None:
                    rented.placing.add(job)
            if rented is not None:
                return await self._when_ready(rented, job, shot)
            left = deadline - time.monotonic()
            if left <= 0:
                raise SubmitFailed(f"{shot}: every pod of {self._backend} is busy", 10.0, spill=True)
            try:
                await asyncio.wait_for(self._room.wait(), min(left, 1.0))
            except TimeoutError:
                continue

    def leave(self, rented: Rented, job: str) -> None:
        rented.placing.discard(job)
        self._room.set()

    def _with_room(self) -> Rented | None:
        fits = [each for each in self.living() if each.load < self._plan.queue_depth and self.takes_work(each)]
        return min(fits, key=lambda rented: (not rented.ready, rented.load), default=None)

    async def _looked_or_not_sent(self, shot: str) -> None:
        try:
            await self.look()
        except FilmProblem as error:
            raise SubmitFailed(f"{shot}: nothing was sent: {error}", 10.0, spill=True) from error

    async def _when_ready(self, rented: Rented, job: str, shot: str) -> Rented:
        try:
            await asyncio.wait({self._boots[rented.pod.id]})
        except asyncio.CancelledError:
            self.leave(rented, job)
            raise
        if not rented.living or not rented.ready:
            self.leave(rented, job)
            raise SubmitFailed(f"{shot}: pod {rented.pod.id} took no work: {rented.why}", 5.0, spill=True)
        return rented

    async def _boot(self, rented: Rented) -> None:
        """Wait until ComfyUI itself answers: that the container runs says nothing of it."""
        deadline = time.monotonic() + self._plan.boot_timeout_s
        why = f"ComfyUI was not ready after {self._plan.boot_timeout_s} s"
        while rented.living and time.monotonic() < deadline:
            try:
                await rented.client.system()
                if rented.taken_over:
                    rented.busy_s = await rented.client.worked_s()
                rented.became_ready()
                if not rented.taken_over:
                    self._boot_times.append(rented.boot_s)
                self._room.set()
                return
            except (Denied, FilmProblem) as error:
                why = str(error)
                break
            except (Unreached, Broken):
                await asyncio.sleep(self._around.poll_s)
            try:
                await self.look()
            except FilmProblem:
                continue  # It is asked again, as long as the pod may boot.
        await self._give_up(rented, why)

    async def _give_up(self, rented: Rented, why: str) -> None:
        if not rented.living:
            return
        rented.useless, rented.why = True, why
        if not rented.taken_over:
            await self._end_or_say(rented, why)
        # What somebody else rented may be of use to them: the sweep and the pod's own lease see to it.

    async def _end_or_say(self, rented: Rented, why: str) -> None:
        try:
            await self.end(rented, why)
        except FilmProblem as error:
            rented.useless, rented.why = True, f"{why}; {error}"

    # Renting

    async def _rent(self, order: Order, ticket: Ticket, work: FrameWork) -> Rented:
        """Start a pod for a job with the tenant's money, or take the one that was started for it before."""
        job, shot = ticket.job, work.shot
        name = pod_name(self._production, self._backend, job)
        try:
            there = [pod for pod in await self.client.list() if pod.name == name and not pod.gone]
            if len(there) > 1:
                raise SubmitFailed(f"{shot}: one order has started {len(there)} pods, and one of them stays", 5.0)
            if there:
                return self._take(there[0], job, taken_over=True)
            await self.refresh_prices()
        except FilmProblem as error:
            raise SubmitFailed(f"{shot}: no pod was rented: {error}", 10.0, spill=True) from error
        if self.tenant is None:
            raise SubmitFailed(f"{shot}: nobody sets money aside for a pod", spill=True)
        await self.tenant.about_to_rent(self._backend, ticket, work)
        try:
            rented = await self._first_to_be_had(order, job, shot, name)
        except SubmitFailed as error:
            await self.tenant.not_rented(self._backend, ticket, str(error))
            raise
        except SubmitUncertain as error:
            await self.tenant.in_doubt(self._backend, ticket, str(error))
            raise
        await self.tenant.rented(self._backend, ticket, rented.pod.id)
        if not self._too_dear(rented.pod.usd_per_hour):
            return rented
        said = f"{rented.pod.gpu} was let for {written(rented.pod.usd_per_hour)} an hour"
        self._overpriced[rented.pod.gpu] = time.monotonic() + self._around.blocked_s
        await self._end_or_say(rented, "it costs more than production.yaml allows")
        raise SubmitFailed(f"{shot}: no pod to be had: {said}", 1.0, spill=True)

    async def _first_to_be_had(self, order: Order, job: str, shot: str, name: str) -> Rented:
        """The first of the GPUs that is let. Raises SubmitFailed where surely none was, or SubmitUncertain."""
        told: list[str] = []
        for gpu in self._plan.gpus:
            price = self._price(gpu)
            if self._too_dear(price) or self._overpriced.get(gpu, 0.0) > time.monotonic():
                told.append(f"{gpu} costs {written(price)} an hour")
                continue
            pod = await self._started(order, job, shot, name, gpu, told)
            if pod is not None:
                pod = replace(pod, gpu=pod.gpu or gpu, usd_per_hour=pod.usd_per_hour or price)
                self._let[job] = pod.id
                return self._take(pod, job, taken_over=False)
        self._block(f"no pod to be had: {'; '.join(told)}")
        raise SubmitFailed(f"{shot}: no pod to be had: {'; '.join(told)}", 30.0, spill=True)

    async def _started(self, order: Order, job: str, shot: str, name: str, gpu: str, told: list[str]) -> Pod | None:
        """The pod, or nothing where this GPU is not to be had (why is added to what was told)."""
        body = create_body(self._plan, name, gpu, self._credentials.pod_token(name), self._around.rest_url)
        try:
            return await self.client.create(order, job, body)
        except NoBalance as error:
            self._block(str(error))
            raise SubmitFailed(f"{shot}: the RunPod account has no money left: {error}", spill=True) from error
        except TooMany as error:
            raise SubmitFailed(f"{shot}: {error}", error.retry_after_s, spill=True) from error
        except NoCapacity as error:
            told.append(f"{gpu}: {error}")
            return None
        except PodRefused as error:
            if error.status == 400:
                # RunPod says both with 400, in words that change: another GPU may still be let.
                told.append(f"{gpu}: {error}")
                return None
            raise SubmitFailed(f"{shot}: RunPod refused to start a pod: {error}", spill=True) from error
        except Unreached as error:
            raise SubmitFailed(f"{shot}: RunPod is away: {error}", 10.0, spill=True) from error
        except Broken as error:
            return await self._after_silence(name, shot, str(error))

    async def _after_silence(self, name: str, shot: str, why: str) -> Pod:
        """A pod may have been started: its name says so, as soon as RunPod lists it."""
        for pause in _LOOK_AGAIN_S:
            await asyncio.sleep(pause * min(self._around.poll_s, 1.0))
            try:
                for pod in await self.client.list():
                    if pod.name == name and not pod.gone:
                        return pod
            except FilmProblem:
                continue
        said = f"{shot}: a pod may have been started: {why}; nobody calls it, so it would end itself"
        raise SubmitUncertain(said, ask_again=True)

    # Prices

    async def refresh_prices(self) -> None:
        """Raises FilmProblem where the catalog is not to be had."""
        if time.monotonic() - self._catalog_at > _PRICES_LAST_S:
            self._catalog = await self.client.catalog(self._plan.cloud)
            self._catalog_at = time.monotonic()

    def dearest(self) -> tuple[Decimal | None, str]:
        """The highest price an hour that a pod of this backend can have, and in words where it is from."""
        if not self._catalog:
            return None, "RunPod's catalog was not asked yet"
        prices = {gpu: self._price(gpu) for gpu in self._plan.gpus}
        unknown = [gpu for gpu, price in prices.items() if price is None]
        if unknown:
            return None, f"RunPod's catalog has no price for {', '.join(unknown)}"
        allowed = {gpu: price for gpu, price in prices.items() if price is not None and not self._too_dear(price)}
        if not allowed:
            return None, f"every GPU costs more than {written(self._plan.max_usd_per_hour)} an hour"
        gpu = max(allowed, key=lambda each: allowed[each])
        return allowed[gpu], f"at most {written(allowed[gpu])} an hour for a {gpu}"

    def boot_time(self) -> tuple[Decimal, str]:
        """Seconds that a pod boots, and where the figure is from: never less than may have to be paid."""
        if self._boot_times:
            return Decimal(str(round(statistics.median(self._boot_times), 1))), "as measured"
        if self._plan.boot_s is not None:
            return self._plan.boot_s, "as production.yaml says"
        return Decimal(self._plan.boot_timeout_s), "at most"

    def _price(self, gpu: str) -> Decimal | None:
        return self._catalog[gpu].price(self._plan.cloud) if gpu in self._catalog else None

    def _too_dear(self, price: Decimal | None) -> bool:
        most = self._plan.max_usd_per_hour
        return price is not None and most is not None and price > most

    # Ending

    async def end(self, rented: Rented, why: str) -> WorkerReport:
        """End a pod. Raises FilmProblem where it may go on costing money."""
        await self.client.terminate(rented.pod.id)
        self._over(rented, why)
        await rented.client.close()
        return rented.report(self._backend)

    async def end_listed(self, pod_id: str, why: str) -> WorkerReport | None:
        """End a pod of this production that may not be one of ours to work with. None where there is none any more."""
        pod = next((pod for pod in await self.client.list() if pod.id == pod_id), None)
        job = job_of(pod, self._production) if pod is not None else None
        if pod is None or job is None:
            return None
        return await self.end(self._known_or_seen(pod, job), why)

    async def listed(self) -> list[WorkerReport]:
        """Every pod of this production that RunPod lists. None is called: a pod that is called lives on."""
        pods = [(pod, owner_of(pod, self._production)) for pod in await self.client.list()]
        return [self._known_or_seen(pod, owner[1]).report(owner[0]) for pod, owner in pods if owner is not None]

    def _known_or_seen(self, pod: Pod, job: str) -> Rented:
        known = self._rented.get(pod.id)
        if known is not None:
            return known
        client = ComfyClient(pod_url(self._around.proxy, pod.id), worker=pod.id)
        seen = Rented(pod, job, client, self._around.now, taken_over=True)
        if pod.gone:
            seen.end(f"its state at RunPod is {pod.status}")
        return seen

    async def end_idle(self) -> list[WorkerReport]:
        async with self._deciding:
            idle = [each for each in self.living() if each.idle_for(self._plan.idle_s) and self._has_settled(each)]
            why = f"it had nothing to do for {self._plan.idle_s} s"
            return [await self.end(rented, why) for rented in idle if not await self._works_for_others(rented)]

    def _has_settled(self, rented: Rented) -> bool:
        """Whether it is known by now what is on a pod that was found running."""
        asked_at = max(rented.since, self._asked_at)
        return not rented.taken_over or (not self._asking and time.monotonic() - asked_at > self._around.settling_s)

    async def _works_for_others(self, rented: Rented) -> bool:
        """Whether a pod that was taken over has jobs that nobody here asked about yet."""
        if not rented.taken_over:
            return False
        try:
            running, waiting = await rented.client.waiting()
        except (Unreached, Broken):
            return False
        return bool(running or waiting)

    async def end_useless(self) -> None:
        """End pods that were ready and have not answered for minutes, those that have stopped, and those that could not
        be ended before. What RunPod does not end now is tried again.
        """
        for pod_id in sorted(self._leftovers):
            with contextlib.suppress(FilmProblem):
                await self.client.terminate(pod_id)
                self._leftovers.discard(pod_id)
        for rented in self.living():
            silent = rented.client.silent_since
            if rented.ready and silent is not None and time.monotonic() - silent > self._around.unreachable_s:
                await self._end_or_say(rented, f"it did not answer for {self._around.unreachable_s:.0f} s")
            elif rented.useless and not rented.taken_over:
                await self._end_or_say(rented, rented.why)

    def _over(self, rented: Rented, why: str) -> None:
        rented.end(why)
        self._room.set()

    async def close(self) -> None:
        for task in self._boots.values():
            task.cancel()
        await asyncio.gather(*self._boots.values(), return_exceptions=True)
        await asyncio.gather(*(rented.client.close() for rented in self._rented.values()))
        await self.client.close()
        # Another event loop may go on: it takes over what is there, as another process would.
        self._rented = {pod: rented for pod, rented in self._rented.items() if not rented.living}
        self._boots.clear()
        self.looked, self._looked_at = False, -1e9
        self._deciding, self._room = asyncio.Lock(), asyncio.Event()
