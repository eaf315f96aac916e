"""What a serverless endpoint says of a job, and its results kept on our disk before RunPod forgets them."""

import asyncio
import contextlib
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from film_pipeline.backends.downloads import PictureCut, is_cut, keep, save_picture
from film_pipeline.backends.serverless_payload import cost_in, picture_in, suffix_of
from film_pipeline.backends.wire import Broken, Unreached, Wire
from film_pipeline.core.generating import News, Progress
from film_pipeline.core.generators import ServerlessPlan
from film_pipeline.core.money import usd
from film_pipeline.core.problems import FilmProblem

_STATES = {
    "IN_QUEUE": Progress.WAITING,
    "IN_PROGRESS": Progress.RUNNING,
    "RUNNING": Progress.RUNNING,
    "COMPLETED": Progress.DONE,
    "FAILED": Progress.FAILED,
    "TIMED_OUT": Progress.FAILED,
    "CANCELLED": Progress.CANCELLED,
}
_BROKEN_OFF = ("TIMED_OUT", "CANCELLED")
_OVER = frozenset({Progress.DONE, Progress.FAILED, Progress.CANCELLED, Progress.UNKNOWN})
_PASSING = re.compile(r"out ?of ?memory|worker (exited|died)|timed?[ _]?out|connection|temporar", re.IGNORECASE)
_TRIED_FOR_S = 900.0
"""A picture that is paid for and can't be reached is tried for so long: making it again would cost again."""


@dataclass(frozen=True)
class Seen:
    """A job as the endpoint tells of it. picture: where its result is kept."""

    state: Progress
    error: str = ""
    retryable: bool = False
    seconds: float | None = None
    charged_usd: Decimal | None = None
    estimated: bool = False
    worker: str = ""
    picture: Path | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.state in _OVER

    def as_news(self, provider_id: str) -> News:
        return News(
            provider_id,
            self.state,
            1.0 if self.state is Progress.DONE else 0.0,
            error=self.error,
            retryable=self.retryable,
            charged_usd=self.charged_usd,
            estimated=self.estimated,
            seconds=self.seconds,
            worker=self.worker,
        )


class Results:
    """Reads status answers, and keeps pictures in a folder: the picture, then a note of what it cost beside it."""

    def __init__(self, spool: Path, plan: ServerlessPlan) -> None:
        self._spool, self._plan = spool, plan
        self._failing_since: dict[str, float] = {}

    def kept(self, provider_id: str) -> Seen | None:
        """A result that is on our disk already. The note is written last, so that what it names is whole."""
        note = self._spool / f"{_stem(provider_id)}.json"
        if not note.is_file():
            return None
        read = json.loads(note.read_text(encoding="utf-8"))
        if not (self._spool / read["picture"]).is_file():
            return None
        charged = read["charged_usd"]
        return Seen(
            Progress.DONE,
            seconds=read["seconds"],
            charged_usd=None if charged is None else Decimal(charged),
            estimated=read["estimated"],
            worker=read["worker"],
            picture=self._spool / read["picture"],
            detail=read["detail"],
        )

    def forget(self, provider_id: str) -> None:
        """Its picture is elsewhere by now, or is none: what is kept of it goes. The note goes first."""
        (self._spool / f"{_stem(provider_id)}.json").unlink(missing_ok=True)
        for picture in self._spool.glob(f"{_stem(provider_id)}.*"):
            picture.unlink(missing_ok=True)

    async def see(self, provider_id: str, told: Mapping[str, Any]) -> Seen:
        """Read a status answer; a completed job's picture is brought home before it counts as done.

        Raises Broken or Unreached where that has to be tried again.
        """
        state = _STATES.get(str(told.get("status")))
        if state is None:
            raise Broken(f"RunPod says that the job is {told.get('status')!r}")
        seen = self._priced(state, told)
        if state is Progress.DONE:
            return await self._brought_home(provider_id, told.get("output"), seen)
        return seen

    def _priced(self, state: Progress, told: Mapping[str, Any]) -> Seen:
        worked, waited = _seconds(told.get("executionTime")), _seconds(told.get("delayTime"))
        error = _error(told) if state is Progress.FAILED else ""
        broken_off = told.get("status") in _BROKEN_OFF and worked is not None
        charged, estimated = self._charge(state, told.get("output"), worked, broken_off)
        return Seen(
            state,
            error=error,
            retryable=state is Progress.FAILED and bool(_PASSING.search(f"{told.get('status')} {error}")),
            seconds=worked,
            charged_usd=charged,
            estimated=estimated,
            worker=str(told.get("workerId") or ""),
            detail={"delay_s": waited, "endpoint": self._plan.endpoint},
        )

    def _charge(
        self, state: Progress, output: Any, worked: float | None, broken_off: bool
    ) -> tuple[Decimal | None, bool]:
        """The provider's own word where it gives one, else by the prices of production.yaml.

        Failures cost time too, and work that was broken off after it began costs its picture: nobody says otherwise.
        """
        if state not in _OVER:
            return None, False
        said = cost_in(output)
        if said is not None:
            return said, False
        a_second = self._plan.price_per_second
        if a_second is not None and worked is not None:
            return usd(a_second * Decimal(str(worked))), True
        if self._plan.usd_per_image is not None:
            costs = state is Progress.DONE or broken_off
            return (usd(self._plan.usd_per_image) if costs else Decimal("0")), True
        return None, False

    async def _brought_home(self, provider_id: str, output: Any, seen: Seen) -> Seen:
        try:
            picture = await self._kept_picture(provider_id, output)
        except FilmProblem as error:
            return self._without_picture(seen, str(error), retryable=isinstance(error, PictureCut))
        except (Unreached, Broken) as error:
            since = self._failing_since.setdefault(provider_id, time.monotonic())
            if time.monotonic() - since < _TRIED_FOR_S:
                raise
            return self._without_picture(seen, f"its picture could not be brought home: {error}")
        note = {
            "picture": picture.name,
            "seconds": seen.seconds,
            "charged_usd": None if seen.charged_usd is None else str(seen.charged_usd),
            "estimated": seen.estimated,
            "worker": seen.worker,
            "detail": dict(seen.detail),
        }
        target = self._spool / f"{_stem(provider_id)}.json"
        await asyncio.to_thread(keep, json.dumps(note).encode(), target)
        kept = self.kept(provider_id)
        assert kept is not None
        return kept

    def _without_picture(self, seen: Seen, why: str, retryable: bool = False) -> Seen:
        return Seen(
            Progress.FAILED,
            error=why,
            retryable=retryable,
            seconds=seen.seconds,
            charged_usd=seen.charged_usd,
            estimated=seen.estimated,
            worker=seen.worker,
            detail=seen.detail,
        )

    async def _kept_picture(self, provider_id: str, output: Any) -> Path:
        found = picture_in(output)
        if found.content:
            if is_cut(found.content):
                raise PictureCut("the endpoint sent a picture that is cut short", "render the frame again")
            target = self._spool / f"{_stem(provider_id)}{suffix_of(found.content)}"
            return await asyncio.to_thread(keep, found.content, target)
        parts = urlsplit(found.url)
        target = self._spool / f"{_stem(provider_id)}{Path(parts.path).suffix.lower() or '.png'}"
        # Never with our key: where the endpoint has put its picture is anybody's server.
        wire = Wire(f"{parts.scheme}://{parts.netloc}")
        try:
            return await save_picture(wire, f"{parts.path}{f'?{parts.query}' if parts.query else ''}", target)
        finally:
            await wire.close()


def _stem(provider_id: str) -> str:
    """A file name for an id, whatever the provider puts into it."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", provider_id):
        return provider_id
    return hashlib.sha256(provider_id.encode()).hexdigest()


def _seconds(milliseconds: Any) -> float | None:
    if not isinstance(milliseconds, int | Decimal) or isinstance(milliseconds, bool) or milliseconds < 0:
        return None
    return float(milliseconds) / 1000


def _error(told: Mapping[str, Any]) -> str:
    output = told.get("output")
    said = told.get("error") or (output.get("error") if isinstance(output, Mapping) else None)
    if isinstance(said, str) and said.startswith("{"):
        with contextlib.suppress(ValueError, AttributeError):  # Then it is said as it came.
            said = json.loads(said).get("error_message") or said
    if told.get("status") == "TIMED_OUT":
        return f"it took longer than the endpoint allows{f': {said}' if said else ''}"
    return str(said or "the endpoint failed without saying why")[:1000]
