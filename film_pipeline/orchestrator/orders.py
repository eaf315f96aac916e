"""What was ordered, kept on disk from before the order until its frame is home.

A run that takes up what another left knows from here what a job was to be, even where the author's files have changed.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from film_pipeline.core.gate import Covered
from film_pipeline.core.generating import FrameWork, Guide, Lora
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.disk import write_atomically


class Orders:
    """The orders of a production that are under way: a JSON file a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, job: str, work: FrameWork) -> None:
        """Raises FilmProblem where the disk refuses."""
        write_atomically(self._place(job), json.dumps(_as_json(work), ensure_ascii=False).encode())

    def read(self, job: str) -> FrameWork | None:
        """What a job was to be; None where nothing was kept. Raises FilmProblem for a file that can't be read."""
        place = self._place(job)
        try:
            told = json.loads(place.read_text(encoding="utf-8"))
            return _from_json(told)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise FilmProblem(
                f"the order can't be read: {error}", "film spend --uncertain names its job", place
            ) from error

    def done(self, job: str) -> None:
        """The frame is home, or will never come: the order is no longer needed."""
        self._place(job).unlink(missing_ok=True)

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
