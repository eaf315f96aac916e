"""A simulated serverless endpoint: its queue, its workers that start, work and idle, and what all of it costs."""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from film_pipeline.simulators.book import Book, Charge, charged, counted_seconds
from film_pipeline.simulators.clock import Clock, first_of
from film_pipeline.simulators.faults import Faults
from film_pipeline.simulators.serverless_handlers import EndpointPlan, Handler

IN_QUEUE, IN_PROGRESS = "IN_QUEUE", "IN_PROGRESS"
COMPLETED, FAILED, CANCELLED, TIMED_OUT = "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"
ENDED = frozenset({COMPLETED, FAILED, CANCELLED, TIMED_OUT})
JOB_FAULTS = frozenset({"lost", "stuck", "expired", "cold_slow"})
"""At the moment `accept`, lost: nobody knows the job any more. At `work`, when a worker takes a job: stuck, it goes on
until its time is over; expired, its result is gone at once. At `cold`: a worker's start takes `seconds` more."""
KEPT_S = {False: 1800.0, True: 60.0}
"""How long results are kept: those of /run, those of /runsync."""


@dataclass
class Job:
    """One order. timeout_s: of its execution. ttl_s: after which nobody knows it, done or not."""

    id: str
    given: Any
    sync: bool
    timeout_s: float
    ttl_s: float
    submitted_s: float
    status: str = IN_QUEUE
    began_s: float | None = None
    ended_s: float | None = None
    worker: str = ""
    output: Any = None
    error: str | None = None
    gone: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[dict[str, Any]] | None" = None

    def document(self) -> dict[str, Any]:
        """As `/status` tells it."""
        told: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.began_s is not None:
            told["delayTime"] = _milliseconds(self.began_s - self.submitted_s)
            told["workerId"] = self.worker
        if self.began_s is not None and self.ended_s is not None:
            told["executionTime"] = _milliseconds(self.ended_s - self.began_s)
        if self.output is not None:
            told["output"] = self.output
        if self.error is not None:
            told["error"] = self.error
        return told

    def end(self, status: str, at_s: float) -> None:
        self.status, self.ended_s = status, at_s
        self.over.set()

    def forgotten(self, now_s: float) -> bool:
        """Whether the provider answers 404 for it."""
        too_old = now_s - self.submitted_s > self.ttl_s
        return self.gone or too_old or (self.ended_s is not None and now_s - self.ended_s > KEPT_S[self.sync])

    def renew(self) -> None:
        """Back into the queue, with the same id and input."""
        self.status, self.began_s, self.ended_s, self.worker = IN_QUEUE, None, None, ""
        self.output = self.error = None
        self.over = asyncio.Event()


@dataclass
class Worker:
    """phase: start, execution or idle. since_s: when it began. job: whom the seconds of an execution belong to."""

    id: str
    phase: str
    since_s: float
    job: str = ""


class Endpoint:
    """One endpoint. new_handler: makes one worker's program."""

    def __init__(
        self,
        name: str,
        plan: EndpointPlan,
        clock: Clock,
        faults: Faults,
        book: Book,
        new_handler: Callable[[str], Handler],
        beside: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.name, self.plan = name, plan
        self._clock, self._faults, self._book = clock, faults, book
        self._new_handler, self._beside = new_handler, beside
        self.jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._ended: deque[Job] = deque()
        self._workers: dict[str, Worker] = {}
        self._work_came = asyncio.Event()
        self.retried = 0

    # --- orders

    def submit(self, job: Job) -> None:
        job.gone = self._faults.befalls("accept", frozenset({"lost"}), job.id) is not None
        self.jobs[job.id] = job
        self._sweep()
        if not job.gone:
            self._enqueue(job)
            self._beside(self._expire(job))

    def _sweep(self) -> None:
        """Let go of inputs and outputs that nobody can ask for any more: pictures are large."""
        while self._ended and self._ended[0].forgotten(self._clock.now()):
            job = self._ended.popleft()
            job.given = job.output = None

    def _enqueue(self, job: Job) -> None:
        self._waiting.append(job)
        self._work_came.set()
        free = sum(worker.phase != "execution" for worker in self._workers.values())
        if len(self._waiting) > free and len(self._workers) < self.plan.max_workers:
            worker = Worker(uuid.uuid4().hex[:14], "start", self._clock.now())
            self._workers[worker.id] = worker
            self._beside(self._life(worker))

    def find(self, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        return None if job is None or job.forgotten(self._clock.now()) else job

    def cancel(self, job: Job) -> None:
        """Stop it where it is; what has ended stays as it is."""
        if job.status in ENDED:
            return
        if job in self._waiting:
            self._waiting.remove(job)
            job.end(CANCELLED, self._clock.now())
        elif job.task is not None:
            job.status = CANCELLED
            job.task.cancel()

    def retry(self, job: Job) -> None:
        job.renew()
        self.retried += 1
        self._enqueue(job)

    def purge(self) -> int:
        """Take everything out of the queue. How much there was."""
        purged, self._waiting = list(self._waiting), deque()
        for job in purged:
            job.end(CANCELLED, self._clock.now())
        return len(purged)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def health(self) -> dict[str, Any]:
        known = [job for job in self.jobs.values() if not job.gone]
        counted = {status: sum(job.status == status for job in known) for status in (COMPLETED, FAILED, IN_PROGRESS)}
        phases = [worker.phase for worker in self._workers.values()]
        return {
            "jobs": {
                "completed": counted[COMPLETED],
                "failed": counted[FAILED],
                "inProgress": counted[IN_PROGRESS],
                "inQueue": self.waiting,
                "retried": self.retried,
            },
            "workers": {
                "idle": phases.count("idle"),
                "initializing": phases.count("start"),
                "ready": phases.count("idle") + phases.count("execution"),
                "running": phases.count("execution"),
                "throttled": 0,
                "unhealthy": 0,
            },
        }

    # --- workers

    async def _life(self, worker: Worker) -> None:
        """Start, work as long as there is work, wait a while for more, and end. Every second of it is paid."""
        try:
            fault = self._faults.befalls("cold", frozenset({"cold_slow"}))
            await self._clock.sleep(self.plan.cold_s + (fault.seconds if fault is not None else 0.0))
            handler = self._new_handler(worker.id)
            self._turn(worker, "idle")
            while await self._work_within(self.plan.idle_s):
                job = self._waiting.popleft()
                self._turn(worker, "execution", job.id)
                await self._work(worker, job, handler)
                self._turn(worker, "idle", at_s=job.ended_s)
        finally:
            self._turn(worker, "over")
            del self._workers[worker.id]

    def _turn(self, worker: Worker, phase: str, job: str = "", at_s: float | None = None) -> None:
        """Charge the phase that ends here, and begin the next. at_s: when that was, where it was not just now."""
        moment_s = self._clock.now() if at_s is None else at_s
        charge = self._so_far(worker, moment_s)
        if charge is not None:
            self._book.charge(charge.provider_id, charge.what, charge.seconds, charge.usd)
        worker.phase, worker.since_s, worker.job = phase, moment_s, job

    def _so_far(self, worker: Worker, until_s: float) -> Charge | None:
        seconds = counted_seconds(until_s - worker.since_s)
        if worker.phase == "over" or not seconds or not self.plan.paid_by_second:
            return None
        return charged(worker.job or worker.id, worker.phase, seconds, self.plan.second_usd() * seconds)

    def running_charges(self) -> list[Charge]:
        now = self._clock.now()
        return [charge for worker in self._workers.values() if (charge := self._so_far(worker, now)) is not None]

    async def _work_within(self, seconds: float) -> bool:
        """Whether there is work, now or before the time is over."""
        until = self._clock.now() + seconds
        while not self._waiting:
            if self._clock.now() >= until:
                return False
            self._work_came.clear()
            await first_of(self._work_came.wait(), self._clock.sleep(until - self._clock.now()))
        return True

    async def _work(self, worker: Worker, job: Job, handler: Handler) -> None:
        # What is told and what is billed are the same seconds.
        job.status, job.began_s, job.worker = IN_PROGRESS, worker.since_s, worker.id
        fault = self._faults.befalls("work", frozenset({"stuck", "expired"}), job.id)
        stuck = fault is not None and fault.kind == "stuck"
        work = self._clock.sleep(job.timeout_s * 2) if stuck else handler.handle(job.given, job.id)
        job.task = asyncio.ensure_future(_answer(work))
        over = asyncio.ensure_future(self._clock.sleep(job.timeout_s))
        try:
            await asyncio.wait({job.task, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if not job.task.done():
            job.task.cancel()
            job.error = "job timed out: execution timeout exceeded"
            self._end(job, TIMED_OUT)
        elif job.task.cancelled():
            self._end(job, CANCELLED)
        else:
            self._finish(job, job.task)
        if fault is not None and fault.kind == "expired":
            job.gone = True

    def _finish(self, job: Job, task: "asyncio.Task[dict[str, Any]]") -> None:
        """As the worker's library reports what its handler returned."""
        raised = task.exception()
        if raised is not None:
            job.error = f'{{"error_type": "{type(raised).__name__}", "error_message": "{raised}"}}'
            self._end(job, FAILED)
            return
        answer = dict(task.result())
        error = answer.pop("error", None)
        job.output = answer or None
        if error:
            job.error = str(error)
        self._end(job, FAILED if error else COMPLETED)

    def _end(self, job: Job, status: str) -> None:
        job.end(status, self._clock.now())
        self._ended.append(job)
        begun_and_broken_off = status in (CANCELLED, TIMED_OUT) or (status == FAILED and self.plan.charge_failures)
        if not self.plan.paid_by_second and (status == COMPLETED or begun_and_broken_off):
            self._book.charge(job.id, "image", Decimal(0), self.plan.image_usd())

    async def _expire(self, job: Job) -> None:
        """The hard limit of a job's life."""
        await self._clock.sleep(job.ttl_s)
        job.gone = True
        self.cancel(job)


async def _answer(work: Coroutine[Any, Any, Any]) -> dict[str, Any]:
    answer = await work
    return answer if isinstance(answer, dict) else {}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
