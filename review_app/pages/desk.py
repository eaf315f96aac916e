"""What every page works with: the queries, the templates and the words for what is shown."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from film_pipeline.core.stages import Stage
from review_app.keys import WHERE, Key, keys_of
from review_app.queries import Queries, Seen, ShotPage
from review_app.queries.watching import Light

HERE = Path(__file__).resolve().parent.parent
DAGSTER_URL = "http://127.0.0.1:3000"
NAV = (
    ("scenes", "/scenes", "Scenes"),
    ("board", "/board", "Board"),
    ("dailies", "/dailies", "Dailies"),
    ("pictures", "/pictures/storyboard", "Pictures"),
    ("find", "/find", "Find a frame"),
)
_STATE_WORDS = {
    "current": "done",
    "due": "due",
    "waits": "waits for another stage",
    "stopped": "stopped",
    "unknown": "not worked out yet",
}


@dataclass
class Desk:
    """Answers pages over one production."""

    queries: Queries
    dagster_url: str = field(default_factory=lambda: os.environ.get("FILM_DAGSTER_URL", DAGSTER_URL))
    templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals |= {
            "nav": NAV,
            "stages": list(Stage),
            "where_words": WHERE,
            "picture": picture_url,
            "in_dagster": self.in_dagster,
            "query": query_string,
        }
        self.templates.filters |= {"data": data_block, "light": light_words, "size": file_size, "path": quote}

    async def page(self, request: Request, template: str, status: int = 200, **shown: Any) -> Response:
        """A page or a part of one."""
        parts = shown.pop("parts", ())
        keys = keys_of(*parts)
        context = {
            "here": "",
            "path": request.url.path,
            "keys_told": [{"key": key.key, "action": key.action} for key in keys],
            "keys_by_place": _by_place(keys),
            "seen": self.queries.seen,
            "person": getattr(request.state, "person", None),
            **shown,
        }
        # A long page takes a while to write: no other answer waits for it.
        written = await run_in_threadpool(self.templates.get_template(template).render, context)
        return HTMLResponse(written, status_code=status)

    def in_dagster(self, asset: str, shot: str = "") -> str:
        """The page of an asset, at a shot's partition, in Dagster's web UI."""
        query = f"?view=partitions&partition={quote(shot)}" if shot else ""
        return f"{self.dagster_url}/assets/{quote(asset)}{query}"

    async def read(self) -> Seen:
        """What is known of the film. Raises a 503 where its files have not been read yet."""
        seen = await self.queries.fresh()
        if seen.reading is None:
            raise HTTPException(503, seen.problem or "the film is being read")
        return seen

    async def shot(self, name: str) -> tuple[Seen, ShotPage]:
        """A shot by its name. Raises a 404 where the film has none of that name."""
        seen = await self.read()
        assert seen.reading is not None
        shot = seen.reading.shot(name)
        if shot is None:
            raise HTTPException(404, "the film has no such shot")
        return seen, shot


def _by_place(keys: list[Key]) -> list[tuple[str, list[Key]]]:
    return [
        (WHERE[where], [key for key in keys if key.where == where])
        for where in WHERE
        if any(key.where == where for key in keys)
    ]


def picture_url(sha256: str, width: int) -> str:
    return f"/pictures/{sha256}.{width}.jpg"


def query_string(**values: str) -> str:
    kept = {name: value for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


def data_block(value: Any) -> Markup:
    """JSON for a data block of a page: nothing in it can end the block or begin a tag."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&'\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)


def light_words(light: Light, stage: Stage) -> str:
    """A stage light in words: Cameras: done, version 3."""
    said = f"{stage.heading}: {_STATE_WORDS[light.state]}"
    if light.version:
        said += f", version {light.version}"
    return f"{said} ({light.why})" if light.why and light.state != "unknown" else said


def file_size(count: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    raise AssertionError("unreachable")
