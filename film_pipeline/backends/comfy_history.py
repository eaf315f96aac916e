"""What ComfyUI's answers say of a job: its standing, why it failed, and where its picture lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from film_pipeline.backends.comfy_graphs import saved_files, title_of
from film_pipeline.core.generating import Progress

_RETRYABLE = ("outofmemory", "out of memory", "cuda error", "mps backend out of memory")


@dataclass(frozen=True)
class Standing:
    """How a job stands. absent: it is in no list of the server's; whether it ever was is not known from that."""

    state: Progress
    progress: float = 0.0
    error: str = ""
    retryable: bool = False
    seconds: float | None = None
    picture: Mapping[str, str] | None = None
    preview: bytes = b""
    absent: bool = False

    def with_preview(self, preview: bytes) -> "Standing":
        return replace(self, preview=preview)


ABSENT = Standing(Progress.GONE, absent=True)


def in_queue(queue: Mapping[str, Any]) -> dict[str, Standing]:
    """Every job of `/queue`. Raises KeyError, TypeError or IndexError where that is no queue."""
    found = {str(entry[1]): Standing(Progress.WAITING) for entry in queue["queue_pending"]}
    return found | {str(entry[1]): Standing(Progress.RUNNING) for entry in queue["queue_running"]}


def in_history(entry: Mapping[str, Any]) -> Standing:
    """How a job of `/history/{id}` ended."""
    status = entry.get("status") or {}
    messages = [(str(kind), said) for kind, said in status.get("messages", []) if isinstance(said, Mapping)]
    seconds = _seconds(messages)
    graph, shot = _graph_and_shot(entry)
    if status.get("status_str") == "success" and status.get("completed", True):
        pictures = saved_files(entry.get("outputs", {}).values())
        if pictures:
            return Standing(Progress.DONE, 1.0, seconds=seconds, picture=pictures[-1])
        return Standing(Progress.FAILED, error=f"{shot}ComfyUI finished without a picture", seconds=seconds)
    for kind, said in messages:
        if kind == "execution_interrupted":
            return Standing(Progress.CANCELLED, seconds=seconds)
        if kind == "execution_error":
            return replace(failure(shot, graph, said), seconds=seconds)
    return Standing(Progress.FAILED, error=f"{shot}ComfyUI gave up without saying why", seconds=seconds)


def failure(shot: str, graph: Mapping[str, Any], said: Mapping[str, Any]) -> Standing:
    """An `execution_error` in words that name the shot and the node."""
    node = title_of(graph, str(said.get("node_id", "?")))
    reason = f"{said.get('exception_type', 'error')}: {str(said.get('exception_message', '')).strip()}"
    retryable = any(word in reason.lower() for word in _RETRYABLE)
    return Standing(
        Progress.FAILED,
        error=f"{shot}ComfyUI failed at {node} ({said.get('node_type', '?')}): {reason}",
        retryable=retryable,
    )


def _graph_and_shot(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    posted = entry.get("prompt") or []
    graph = posted[2] if len(posted) > 2 and isinstance(posted[2], Mapping) else {}
    extra = posted[3] if len(posted) > 3 and isinstance(posted[3], Mapping) else {}
    notes = extra.get("extra_pnginfo") or {}
    film = notes.get("film") if isinstance(notes, Mapping) else None
    shot = str(film.get("shot", "")) if isinstance(film, Mapping) else ""
    return graph, f"{shot}: " if shot else ""


def _seconds(messages: list[tuple[str, Mapping[str, Any]]]) -> float | None:
    times = {kind: said["timestamp"] for kind, said in messages if isinstance(said.get("timestamp"), int | float)}
    began = times.get("execution_start")
    ended = next(
        (times[kind] for kind in ("execution_success", "execution_error", "execution_interrupted") if kind in times),
        None,
    )
    return max(float(ended - began) / 1000, 0.0) if began is not None and ended is not None else None
