"""What was ordered, kept on disk from before the order until its frame is home.

A run that takes up what another left knows from here what a job was to be, even where the author's files have changed.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from film_pipeline.core.gate import Covered
from film_pipeline.core.generating import FrameWork, Guide, Lora
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.disk import disk_problem, flush_all, partial_of

_JOB = len("00000000-0000-0000-0000-000000000000")


class Orders:
    """The orders of a production that are under way: a JSON file a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, orders: Mapping[str, FrameWork]) -> None:
        """Keep what jobs are to be; all is on the disk when this returns. Raises FilmProblem where that refuses."""
        partials = {self._place(job): partial_of(self._place(job)) for job in orders}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for work, partial in zip(orders.values(), partials.values(), strict=True):
                partial.write_text(json.dumps(_as_json(work), ensure_ascii=False), encoding="utf-8")
            flush_all(partials.values())
            for place, partial in partials.items():
                os.replace(partial, place)
            flush_all([self.folder])
        except OSError as error:
            raise disk_problem(error, self.folder) from error
        finally:
            for partial in partials.values():
                partial.unlink(missing_ok=True)

    def read(self, job: str) -> FrameWork | None:
        """What a job was to be; None where nothing was kept. Raises FilmProblem for a file that can't be read."""
        place = self._place(job)
        try:
            return _from_json(json.loads(place.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise FilmProblem(
                f"the order can't be read: {error}", "film spend --uncertain names its job", place
            ) from error

    def done(self, job: str) -> None:
        """The frame is home, or will never come: the order is no longer needed."""
        self._place(job).unlink(missing_ok=True)

    def tidy(self, live: Callable[[Collection[str]], Collection[str]]) -> None:
        """Remove what killed runs left: orders of jobs that have ended, and files that were never finished.

        live: of these jobs, those that have not ended. Every job is in the ledger before its order is kept.
        """
        found = {path: path.name.lstrip(".")[:_JOB] for path in self.folder.glob("*")}
        living = set(live(set(found.values())))
        for path, job in found.items():
            if job not in living:
                path.unlink(missing_ok=True)

    def _place(self, job: str) -> Path:
        return self.folder / f"{job}.json"


def _as_json(work: FrameWork) -> dict[str, Any]:
    told = {field.name: getattr(work, field.name) for field in dataclasses.fields(work)}
    guides = [{**dataclasses.asdict(guide), "path": str(guide.path)} for guide in work.guides]
    return {
        **told,
        "guides": guides,
        "covered": work.covered.model_dump(mode="json"),
        "lora": None if work.lora is None else dataclasses.asdict(work.lora),
        "note": dict(work.note),
    }


def _from_json(told: dict[str, Any]) -> FrameWork:
    return FrameWork(
        **{
            **told,
            "guides": tuple(Guide(**{**guide, "path": Path(guide["path"])}) for guide in told["guides"]),
            "covered": Covered.model_validate(told["covered"]),
            "lora": None if told["lora"] is None else Lora(**told["lora"]),
        }
    )
