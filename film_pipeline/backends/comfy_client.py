"""One ComfyUI server: uploading references, ordering, following, fetching and cancelling jobs.

A job's id at the server is the ticket's job. The server takes the same id twice and works twice, so it is looked up
before every order; "neither queued nor in history" means lost, and never done.
"""

import asyncio
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from film_pipeline.backends.comfy_check import ObjectInfo, check_graph, files_lacking, validation_problem
from film_pipeline.backends.comfy_graphs import Graph, classes_of
from film_pipeline.backends.comfy_history import ABSENT, Standing, in_history, in_queue
from film_pipeline.backends.comfy_shelf import NotRunning, Shelf, answered
from film_pipeline.backends.comfy_socket import Heard, Listener
from film_pipeline.backends.credentials import Order, Secret
from film_pipeline.backends.downloads import save_picture
from film_pipeline.backends.klein import Klein
from film_pipeline.backends.wire import Broken, Reply, Unreached, Wire
from film_pipeline.core.generating import FetchFailed, Guide, News, Progress, SubmitFailed, SubmitUncertain
from film_pipeline.core.problems import FilmProblem

ENDED = frozenset({Progress.DONE, Progress.FAILED, Progress.CANCELLED, Progress.GONE})
_INFO_LASTS_S = 600.0
_LOOK_AGAIN_S = (0.2, 0.8, 2.0)
_TOGETHER_S = 0.01


class ComfyClient:
    """Talks to one server for as long as it is open.

    secret: asked for each time, so that nothing holds it. poll_s: how often it asks when the socket is down; with the
    socket up it asks ten times less often. Methods that ask raise Unreached or Broken where the server is away.
    """

    def __init__(
        self,
        url: str,
        secret: Callable[[], Secret | None] = lambda: None,
        poll_s: float = 1.0,
        timeout_s: float = 60.0,
        worker: str = "",
    ) -> None:
        self._wire = Wire(url, timeout_s=timeout_s, pause_s=0.2 * min(poll_s, 1.0))
        self._secret = secret
        self._poll_s = poll_s
        self._worker = worker
        self._listener = Listener(self._wire.url, str(uuid.uuid4()), secret)
        self._asked_at: dict[str, float] = {}
        self._told: dict[str, tuple[Progress, float]] = {}
        self._absent_since: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._done: dict[str, Standing] = {}
        self._ours: set[str] = set()
        self._shelf = Shelf(self._wire, secret)
        self._posting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._info: tuple[float, dict[str, Any]] = (0.0, {})
        self._asking = asyncio.Lock()
        self.silent_since: float | None = None
        """Since when (time.monotonic) nobody answers; None while somebody does."""

    @property
    def url(self) -> str:
        return self._wire.url

    async def system(self) -> Mapping[str, Any]:
        """`/system_stats`: which ComfyUI that is, on which devices. It answers only when ComfyUI itself does."""
        answer = answered(await self._wire.get("/system_stats", self._secret(), tries=1))
        if "system" not in answer:
            raise Broken("whatever answers there is no ComfyUI")
        return answer

    async def waiting(self) -> tuple[list[str], list[str]]:
        """Ids of the jobs that run and of those that wait, everybody's."""
        standings = await self._queue()
        running = [job for job, standing in standings.items() if standing.state is Progress.RUNNING]
        return running, [job for job in standings if job not in running]

    async def info(self, classes: Sequence[str]) -> ObjectInfo:
        """What the server says of node classes; asked again after ten minutes."""
        # Frames that go out together want the same classes: the first of them asks.
        async with self._asking:
            asked_at, known = self._info
            if time.monotonic() - asked_at > _INFO_LASTS_S:
                asked_at, known = time.monotonic(), {}
            missing = [name for name in classes if name not in known]
            replies = await asyncio.gather(
                *(self._wire.get(f"/object_info/{quote(name)}", self._secret()) for name in missing)
            )
            if replies and all(reply.status == 404 for reply in replies):
                raise Broken("whatever answers there is no ComfyUI")
            for name, reply in zip(missing, replies, strict=True):
                known[name] = {} if reply.status == 404 else answered(reply).get(name, {})
            self._info = (asked_at, known)
            return known

    async def check(self, graph: Graph, shot: str = "") -> None:
        """Raises FilmProblem where the server can't work the graph off."""
        try:
            check_graph(graph, await self.info(classes_of(graph)), shot)
        except FilmProblem:
            # Its maker mends it now: what was missing must not be remembered for ten minutes.
            self._info = (0.0, {})
            raise

    async def lacks(self, klein: Klein) -> FilmProblem | None:
        """What of a model's files is not there."""
        problem = files_lacking(klein, await self.info(("UNETLoader", "CLIPLoader", "VAELoader")))
        if problem is not None:
            self._info = (0.0, {})
        return problem

    async def post(
        self, order: Order, job: str, graph: Graph, guides: Sequence[Guide], notes: Mapping[str, Any]
    ) -> str:
        """Order one job, once: what the server has under this id already is found, not ordered again.

        Raises SubmitFailed or SubmitUncertain.
        """
        order.must_be_for(job)
        job, shot = _canonical(job), str(notes.get("film", {}).get("shot", ""))
        async with self._posting[job]:
            try:
                if await self._has(job):
                    return job
                await self._shelf.upload(guides)
            except (Unreached, Broken) as error:
                raise SubmitFailed(f"{shot}: ComfyUI at {self.url} is away: {error}", 5.0, spill=True) from error
            except (FilmProblem, OSError) as error:
                raise SubmitFailed(str(error)) from error
            self._listener.open()
            self._ours.add(job)
            body = {
                "prompt": graph,
                "prompt_id": job,
                "client_id": self._listener.client_id,
                "extra_data": {"extra_pnginfo": dict(notes)},
            }
            try:
                reply = await self._wire.post("/prompt", body, self._secret())
            except Unreached as error:
                raise SubmitFailed(f"{shot}: ComfyUI at {self.url} is away: {error}", 5.0, spill=True) from error
            except Broken as error:
                return await self._after_silence(job, shot, str(error))
            return await self._after_answer(job, shot, graph, reply)

    async def _after_answer(self, job: str, shot: str, graph: Graph, reply: Reply) -> str:
        if reply.status == 429:
            raise SubmitFailed(f"{shot}: ComfyUI takes no more for now", reply.retry_after_s or 5.0)
        if reply.not_forwarded:
            raise SubmitFailed(
                f"{shot}: ComfyUI does not run yet: {reply.said}", reply.retry_after_s or 5.0, spill=True
            )
        if reply.status in (401, 403):
            raise SubmitFailed(f"{shot}: ComfyUI at {self.url} refused our token: {reply.said}")
        if reply.from_gateway:
            return await self._after_silence(job, shot, f"a gateway answered {reply.status}")
        if reply.status >= 500:
            return await self._after_error(job, shot, reply)
        if reply.status == 400:
            self._shelf.forget()
            raise SubmitFailed(str(validation_problem(shot, graph, _object_or_nothing(reply))))
        if not reply.ok:
            raise SubmitFailed(f"{shot}: ComfyUI answered {reply.status}: {reply.said}")
        try:
            answer = reply.object()
        except Broken as error:
            return await self._after_silence(job, shot, str(error))
        return await self._accepted(job, shot, graph, answer)

    async def _accepted(self, job: str, shot: str, graph: Graph, answer: Mapping[str, Any]) -> str:
        given = answer.get("prompt_id")
        if given != job:
            if isinstance(given, str) and given:
                await self._delete(given)
            raise SubmitFailed(f"{shot}: this ComfyUI gives jobs ids of its own: update it to 0.24 or later")
        if answer.get("node_errors"):
            await self.cancel(job)
            raise SubmitFailed(str(validation_problem(shot, graph, answer)))
        return job

    async def _after_error(self, job: str, shot: str, reply: Reply) -> str:
        """ComfyUI itself has answered, so it is done with the request: what is not there now was not taken."""
        try:
            if await self._has(job):
                return job
        except (Unreached, Broken) as error:
            said = f"{shot}: ComfyUI answered {reply.status} and then nothing more"
            raise SubmitUncertain(said, ask_again=True) from error
        raise SubmitFailed(f"{shot}: ComfyUI answered {reply.status}: {reply.said}", 2.0)

    async def _after_silence(self, job: str, shot: str, why: str) -> str:
        """The order may have arrived, and may still be arriving: found is certain, not found is not."""
        for pause in _LOOK_AGAIN_S:
            await asyncio.sleep(pause * min(self._poll_s, 1.0))
            try:
                if await self._has(job):
                    return job
            except (Unreached, Broken):
                continue
        raise SubmitUncertain(f"{shot}: ComfyUI may have the order: {why}", ask_again=True)

    async def _has(self, job: str) -> bool:
        """Whether the server has a job at all.

        Its jobs API answers for queue and history together; servers without one are asked for both.
        """
        reply = await self._wire.get(f"/api/jobs/{job}", self._secret())
        if reply.status == 404 and _object_or_nothing(reply).get("error") == "Job not found":
            return False
        if reply.status != 404:
            return bool(answered(reply))
        return not (await self.standings([job]))[job].absent

    async def find(self, job: str) -> bool:
        """Whether the server has this job, waiting, running or ended. Raises SubmitUncertain where it does not say."""
        try:
            return await self._has(_canonical(job))
        except NotRunning:
            return False
        except (Unreached, Broken) as error:
            said = f"ComfyUI at {self.url} does not say whether it has job {job}: {error}"
            raise SubmitUncertain(said, ask_again=True) from error

    async def standings(self, jobs: Sequence[str], settled: Collection[str] = ()) -> dict[str, Standing]:
        """How jobs stand. settled: those whose history is there by all accounts, so that nothing else need be asked.

        The queue is read before history: jobs only ever move from the one to the other, and in one step.
        """
        try:
            found = await self._histories([job for job in jobs if job in settled])
            rest = [job for job in jobs if job not in found]
            if rest:
                found |= await self._queue()
                absent = [job for job in rest if job not in found]
                found |= dict(zip(absent, await asyncio.gather(*(self._ended(job) for job in absent)), strict=True))
        except (Unreached, Broken):
            self.silent_since = self.silent_since or time.monotonic()
            raise
        self.silent_since = None
        return {job: found[job] for job in jobs}

    async def _histories(self, jobs: Sequence[str]) -> dict[str, Standing]:
        """Those of the jobs that have ended."""
        answers = await asyncio.gather(*(self._history(job) for job in jobs))
        return {job: ended for job, ended in zip(jobs, answers, strict=True) if ended is not None}

    async def _queue(self) -> dict[str, Standing]:
        answer = answered(await self._wire.get("/queue", self._secret()))
        try:
            return in_queue(answer)
        except (KeyError, TypeError, IndexError) as error:
            raise Broken("whatever answers there has no queue") from error

    async def _history(self, job: str) -> Standing | None:
        history = answered(await self._wire.get(f"/history/{job}", self._secret()))
        if job not in history:
            return None
        try:
            return in_history(history[job])
        except (TypeError, ValueError, AttributeError) as error:
            raise Broken("whatever answers there has no history of ComfyUI's kind") from error

    async def _ended(self, job: str) -> Standing:
        ended = await self._history(job)
        if ended is not None:
            return ended
        if job in self._cancelled:
            return Standing(Progress.CANCELLED)
        return await self._by_jobs_api(job)

    async def _by_jobs_api(self, job: str) -> Standing:
        """The last to be asked, because it answers for nothing that queue and history do not have."""
        reply = await self._wire.get(f"/api/jobs/{job}", self._secret())
        if reply.status == 404:
            return ABSENT
        status = answered(reply).get("status")
        if status == "cancelled":
            return Standing(Progress.CANCELLED)
        if status in ("pending", "in_progress", "completed", "failed"):
            # It has moved between our questions; the next ones tell more.
            return Standing(Progress.WAITING if status == "pending" else Progress.RUNNING)
        raise Broken(f"ComfyUI says that job {job} is {status!r}")

    async def news(self, jobs: Sequence[str], timeout_s: float) -> list[News]:
        """News of these jobs, as soon as there is any; how one ended is told each time it is asked about."""
        if not jobs:
            await asyncio.sleep(timeout_s)
            return []
        self._listener.open()
        deadline = time.monotonic() + timeout_s
        while True:
            self._listener.bell.clear()
            found = await self._ask_about(self._due(jobs)) + self._overheard(jobs)
            if found or time.monotonic() >= deadline:
                return found
            pause = min(self._next_question(jobs), deadline - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._listener.bell.wait(), max(pause, _TOGETHER_S))
            # One frame rings a dozen times: what comes at once is heard at once.
            await asyncio.sleep(_TOGETHER_S)

    def _due(self, jobs: Sequence[str]) -> list[str]:
        now = time.monotonic()
        return [
            job
            for job in jobs
            if self._heard(job).settled
            or self._told.get(job, (None, 0))[0] in ENDED
            or now - self._asked_at.get(job, -1e9) >= self._pace(job)
        ]

    def _pace(self, job: str) -> float:
        # Of jobs that another process ordered, the socket tells nothing.
        hurried = (
            not self._listener.connected
            or job in self._absent_since
            or job not in self._ours
            or self._heard(job).settled
        )
        return self._poll_s if hurried else 10 * self._poll_s

    def _next_question(self, jobs: Sequence[str]) -> float:
        now = time.monotonic()
        return min((self._asked_at.get(job, -1e9) + self._pace(job) - now for job in jobs), default=self._poll_s)

    def _heard(self, job: str) -> Heard:
        return self._listener.heard.get(job, Heard())

    async def _ask_about(self, jobs: Sequence[str]) -> list[News]:
        if not jobs:
            return []
        settled = {job for job in jobs if self._heard(job).settled}
        try:
            standings = await self.standings(jobs, settled)
        except (Unreached, Broken):
            standings = {}
        # Noted only now: whoever is interrupted while asking asks again at once.
        now = time.monotonic()
        for job in jobs:
            self._asked_at[job] = now
            if job in settled and job in standings:
                self._listener.heard[job].settled = False
                if standings[job].state not in ENDED:
                    # An error is told before history is written: ask again soon.
                    self._asked_at[job] = now - self._pace(job) + 0.2
        if not standings:
            return []
        return [news for job in jobs if (news := self._told_of(job, standings[job])) is not None]

    def _told_of(self, job: str, standing: Standing) -> News | None:
        if standing.absent:
            # Asked twice, so that no answer of a server that is just starting or stopping counts as lost.
            since = self._absent_since.setdefault(job, time.monotonic())
            if time.monotonic() - since < self._poll_s:
                return None
        else:
            self._absent_since.pop(job, None)
        if standing.state is Progress.DONE:
            self._done[job] = standing
        heard = self._heard(job)
        progress = standing.progress or heard.progress
        if standing.state not in ENDED and self._told.get(job) == (standing.state, progress):
            return None
        self._told[job] = (standing.state, progress)
        preview, heard.preview = heard.preview, b""
        return News(
            job,
            standing.state,
            progress,
            error="ComfyUI no longer has the job: it was lost in a restart" if standing.absent else standing.error,
            retryable=standing.retryable or standing.absent,
            seconds=standing.seconds,
            worker=self._worker,
            preview=preview,
        )

    def _overheard(self, jobs: Sequence[str]) -> list[News]:
        """Progress and previews that the socket brought, of jobs that no question was answered about just now."""
        found = []
        for job in jobs:
            heard, told = self._heard(job), self._told.get(job, (Progress.WAITING, 0.0))
            as_heard = (Progress.RUNNING, max(heard.progress, told[1]))
            if not heard.running or told[0] in ENDED or (told == as_heard and not heard.preview):
                continue
            self._told[job] = as_heard
            found.append(News(job, *as_heard, worker=self._worker, preview=heard.preview))
            heard.preview = b""
        return found

    async def picture(self, job: str, into: Path) -> tuple[Path, Standing]:
        """Bring a finished job's picture into a folder, whole or not at all. Raises FilmProblem or FetchFailed."""
        job = _canonical(job)
        try:
            # History first: the same order delivered twice waits again while its picture is there already.
            standing = self._done.pop(job, None) or (await self.standings([job], [job]))[job]
            if standing.state in (Progress.WAITING, Progress.RUNNING):
                raise FetchFailed(f"job {job} is {standing.state.value}")
            if standing.state is not Progress.DONE or standing.picture is None:
                why = standing.error or ("it is not there" if standing.absent else f"it is {standing.state.value}")
                raise FilmProblem(f"job {job} has no picture: {why}", "see `film workers`")
            at = {name: str(standing.picture.get(name, "")) for name in ("filename", "subfolder", "type")}
            target = into / f"{job}{os.path.splitext(at['filename'])[1] or '.png'}"
            return await save_picture(self._wire, "/view", target, self._secret(), at), standing
        except (Unreached, Broken) as error:
            raise FetchFailed(f"job {job}'s picture could not be fetched: {error}") from error

    async def cancel(self, job: str) -> bool:
        """Stop this one job. Never sends a request that could mean anybody else's."""
        job = _canonical(job)
        try:
            reply = await self._wire.post(f"/api/jobs/{job}/cancel", {}, self._secret())
            stopped = _object_or_nothing(reply).get("cancelled") is True if reply.ok else await self._delete(job)
        except (Unreached, Broken):
            return False
        if stopped:
            self._cancelled.add(job)
        return stopped

    async def _delete(self, job: str) -> bool:
        """As servers without the jobs API want it: out of the queue, or interrupted by its id."""
        if not job:
            raise ValueError("an interrupt without an id would stop everybody's work")
        standing = (await self._queue()).get(job)
        if standing is None:
            return False
        if standing.state is Progress.WAITING:
            return (await self._wire.post("/queue", {"delete": [job]}, self._secret())).ok
        return (await self._wire.post("/interrupt", {"prompt_id": job}, self._secret())).ok

    async def worked_s(self) -> float:
        """Seconds that the server has worked on the jobs that it still knows of, everybody's."""
        history = answered(await self._wire.get("/history", self._secret()))
        standings = [in_history(entry) for entry in history.values() if isinstance(entry, Mapping)]
        return sum(standing.seconds or 0.0 for standing in standings)

    async def recompute(self) -> None:
        """Let the server forget what it has computed: the same graph would be given the same file again."""
        try:
            await self._wire.post("/free", {"free_memory": True}, self._secret())
        except (Unreached, Broken):
            return  # Then a bad picture may come once more; it is looked at once more.

    def forget(self, job: str) -> None:
        """There is nothing more to be heard of a job."""
        for known in (self._asked_at, self._told, self._absent_since, self._done, self._listener.heard):
            known.pop(job, None)
        self._ours.discard(job)
        self._posting.pop(job, None)

    async def rest(self) -> None:
        """Close the socket until there is something to follow again: its pings alone would keep a pod awake."""
        await self._listener.close()

    async def close(self) -> None:
        """Let go of everything that belongs to this event loop; another one may go on with the client."""
        await self._listener.close()
        await self._wire.close()
        self._posting.clear()
        self._asking = asyncio.Lock()
        self._shelf.close()


def _object_or_nothing(reply: Reply) -> dict[str, Any]:
    try:
        return reply.object()
    except Broken:
        return {"error": {"message": reply.said}}


def _canonical(job: str) -> str:
    """Newer servers take nothing but canonical lowercase UUIDs; an empty id must never be sent."""
    if str(uuid.UUID(job)) != job:
        raise ValueError(f"{job!r} is no canonical lowercase UUID")
    return job
