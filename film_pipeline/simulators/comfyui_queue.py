"""The simulated ComfyUI's queue and history, and what `/queue`, `/history` and `/api/jobs` tell of them.

All of it is in memory, as it is in the real one.
"""

import heapq
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from film_pipeline.simulators.comfyui_engine import Run

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
_MOST_KEPT = 10000


@dataclass(frozen=True)
class Job:
    """A prompt that was accepted. wanted: the outputs to be made."""

    number: float
    id: str
    graph: dict[str, Any]
    extra_data: dict[str, Any]
    wanted: list[str]
    arrived: int = 0

    def entry(self) -> list[Any]:
        return [self.number, self.id, self.graph, self.extra_data, self.wanted]

    def __lt__(self, other: "Job") -> bool:
        return (self.number, self.arrived) < (other.number, other.arrived)


@dataclass
class Queue:
    """What waits, what runs, and what is over."""

    waiting: list[Job] = field(default_factory=list)
    running: Job | None = None
    history: dict[str, dict[str, Any]] = field(default_factory=dict)
    _arrivals: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def remaining(self) -> int:
        return len(self.waiting) + (self.running is not None)

    def known(self) -> set[str]:
        """Every job, waiting, running or ended."""
        open_ones = [*self.waiting, *([self.running] if self.running else [])]
        return {job.id for job in open_ones} | set(self.history)

    def put(self, number: float, job_id: str, graph: dict[str, Any], extra: dict[str, Any], wanted: list[str]) -> None:
        """The same id put twice waits twice: nothing here looks for repeats."""
        heapq.heappush(self.waiting, Job(number, job_id, graph, extra, wanted, next(self._arrivals)))

    def take(self) -> Job:
        self.running = heapq.heappop(self.waiting)
        return self.running

    def remove(self, job_id: str) -> bool:
        """Take one waiting job out. Whether there was one."""
        found = next((job for job in self.waiting if job.id == job_id), None)
        if found is None:
            return False
        self.waiting.remove(found)
        heapq.heapify(self.waiting)
        return True

    def finish(self, job: Job, run: Run) -> None:
        """Write the history. The same id run twice leaves one entry, the later one."""
        self.running = None
        while len(self.history) > _MOST_KEPT:
            del self.history[next(iter(self.history))]
        self.history[job.id] = {
            "prompt": job.entry(),
            "outputs": run.outputs,
            "status": run.status(),
            "meta": run.meta,
        }

    def queue_document(self) -> dict[str, Any]:
        return {
            "queue_running": [self.running.entry()] if self.running else [],
            "queue_pending": [job.entry() for job in sorted(self.waiting)],
        }

    def history_document(self, most: int | None = None, offset: int = -1) -> dict[str, Any]:
        ids = list(self.history)
        if offset < 0 and most is not None:
            offset = max(0, len(ids) - most)
        kept = ids[max(0, offset) :][:most]
        return {job_id: self.history[job_id] for job_id in kept}

    def job(self, job_id: str) -> dict[str, Any] | None:
        """One job as `/api/jobs/{id}` tells it. None where nobody knows it."""
        if job_id in self.history:
            return _ended(job_id, self.history[job_id], whole=True)
        if self.running is not None and self.running.id == job_id:
            return _open(self.running, "in_progress")
        waiting = next((job for job in self.waiting if job.id == job_id), None)
        return None if waiting is None else _open(waiting, "pending")

    def jobs(self, statuses: Collection[str]) -> list[dict[str, Any]]:
        told = [_open(self.running, "in_progress")] if self.running else []
        told += [_open(job, "pending") for job in self.waiting]
        told += [_ended(job_id, entry) for job_id, entry in self.history.items()]
        return [job for job in told if job["status"] in statuses]


def listed(
    jobs: list[dict[str, Any]], sort_by: str, descending: bool, limit: int | None, offset: int
) -> dict[str, Any]:
    """A page of jobs with its place in the whole, as `/api/jobs` answers."""
    ordered = sorted(jobs, key=_length if sort_by == "execution_duration" else _created, reverse=descending)
    page = ordered[offset:] if limit is None else ordered[offset : offset + limit]
    place = {
        "offset": offset,
        "limit": limit,
        "total": len(ordered),
        "has_more": offset + len(page) < len(ordered),
    }
    return {"jobs": page, "pagination": place}


def _created(job: Mapping[str, Any]) -> int:
    return int(job.get("create_time", 0))


def _length(job: Mapping[str, Any]) -> int:
    began, ended = job.get("execution_start_time"), job.get("execution_end_time")
    return int(ended - began) if began and ended else 0


def _open(job: Job, status: str) -> dict[str, Any]:
    told = {
        "id": job.id,
        "status": status,
        "priority": job.number,
        "create_time": job.extra_data.get("create_time"),
        "outputs_count": 0,
        "workflow_id": _workflow_id(job.extra_data),
    }
    return _without_nothing(told)


def _ended(job_id: str, entry: Mapping[str, Any], whole: bool = False) -> dict[str, Any]:
    number, _, graph, extra_data, _ = entry["prompt"]
    messages: dict[str, dict[str, Any]] = {name: data for name, data in entry["status"]["messages"]}
    last = next((messages[name] for name in _LAST if name in messages), {})
    pictures = [
        {**picture, "nodeId": node_id, "mediaType": kind}
        for node_id, output in entry["outputs"].items()
        for kind, made in output.items()
        for picture in made
    ]
    told = {
        "id": job_id,
        "status": _status(entry, messages),
        "priority": number,
        "create_time": extra_data.get("create_time"),
        "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
        "execution_end_time": last.get("timestamp"),
        "execution_error": messages.get("execution_error"),
        "outputs_count": len(pictures),
        "preview_output": next((one for one in pictures if one["type"] == "output"), next(iter(pictures), None)),
        "workflow_id": _workflow_id(extra_data),
    }
    job = _without_nothing(told)
    if whole:
        job["outputs"] = entry["outputs"]
        job["execution_status"] = entry["status"]
        job["workflow"] = {"prompt": graph, "extra_data": extra_data}
    return job


_LAST = ("execution_success", "execution_error", "execution_interrupted")


def _status(entry: Mapping[str, Any], messages: Mapping[str, Any]) -> str:
    if entry["status"]["status_str"] == "success":
        return "completed"
    return "cancelled" if "execution_interrupted" in messages else "failed"


def _workflow_id(extra_data: Mapping[str, Any]) -> Any:
    """A `workflow` in extra_pnginfo that is no object breaks the real server here, and so it does this one."""
    return extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("id")


def _without_nothing(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None}
