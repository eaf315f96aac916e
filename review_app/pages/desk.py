"""What every page works with: the queries, the templates and the words for what is shown."""

import json
import os
from collections.abc import Awaitable, Callable
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

from film_pipeline.core.money import written
from film_pipeline.core.stages import Stage
from review_app.accounts import Accounts
from review_app.keys import WHERE, Key, keys_of
from review_app.pages.figures import amount, film_seconds, lasting
from review_app.queries import LOOK_FOR_S, Queries, Seen, ShotPage
from review_app.queries.watching import Light
from review_app.verdicts import Verdicts

HERE = Path(__file__).resolve().parent.parent
DAGSTER_URL = "http://127.0.0.1:3000"
NAV = (
    ("scenes", "/scenes", "Scenes"),
    ("board", "/board", "Board"),
    ("dailies", "/dailies", "Dailies"),
    ("pictures", "/pictures/storyboard", "Pictures"),
    ("find", "/find", "Find a frame"),
    ("spend", "/spend", "Spend"),
    ("workers", "/workers", "Workers"),
)
_STATE_WORDS = {
    "current": "done",
    "due": "due",
    "waits": "waits for another stage",
    "gate": "at the gate",
    "stopped": "stopped",
    "unknown": "not worked out yet",
}
AboutShot = Callable[[Request, Seen, ShotPage], Awaitable[dict[str, Any]]]


@dataclass
class Desk:
    """Answers pages over one production. verdicts: the only way to write; it asks who somebody is."""

    queries: Queries
    accounts: Accounts
    nav: list[tuple[str, str, str]] = field(default_factory=lambda: list(NAV))
    about_shot: list[AboutShot] = field(default_factory=list)
    """What others show on the page of a shot: each adds to what the template knows."""
    dagster_url: str = field(default_factory=lambda: os.environ.get("FILM_DAGSTER_URL", DAGSTER_URL))
    verdicts: Verdicts = field(init=False)
    templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.verdicts = Verdicts(self.queries, self.accounts)
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals |= {
            "nav": self.nav,
            "stages": list(Stage),
            "where_words": WHERE,
            "picture": picture_url,
            "in_dagster": self.in_dagster,
            "query": query_string,
        }
        self.templates.filters |= {
            "data": data_block,
            "light": light_words,
            "size": file_size,
            "path": quote,
            "money": written,
            "day": day_of,
            "when": moment_of,
            "amount": amount,
            "lasting": lasting,
            "film_seconds": film_seconds,
        }

    async def page(self, request: Request, template: str, status: int = 200, **shown: Any) -> Response:
        """A page or a part of one."""
        parts = shown.pop("parts", ())
        keys = keys_of(*parts)
        person = getattr(request.state, "person", None)
        context = {
            "here": "",
            "path": request.url.path,
            "keys_told": [{"key": key.key, "action": key.action} for key in keys],
            "keys_by_place": _by_place(keys),
            "seen": self.queries.seen,
            "person": person,
            "heard": getattr(request.state, "heard", ""),
            "csrf": person.csrf if person else "",
            "unlocked": self.accounts.keyring.of(person.session) if person else None,
            **shown,
        }
        # A long page takes a while to write: no other answer waits for it.
        written = await run_in_threadpool(self.templates.get_template(template).render, context)
        return HTMLResponse(written, status_code=status)

    def in_dagster(self, asset: str, shot: str = "") -> str:
        """The page of an asset, at a shot's partition, in Dagster's web UI."""
        query = f"?view=partitions&partition={quote(shot)}" if shot else ""
        return f"{self.dagster_url}/assets/{quote(asset)}{query}"

    async def read(self, wait_s: float = LOOK_FOR_S) -> Seen:
        """What is known of the film, after a look that is waited for so long; without a wait, as it is known.

        Raises a 503 where its files have not been read yet.
        """
        seen = await self.queries.fresh(wait_s) if wait_s else self.queries.seen
        if seen.reading is None:
            raise HTTPException(503, seen.problem or "the film is being read")
        return seen

    async def shot(self, name: str, wait_s: float = LOOK_FOR_S) -> tuple[Seen, ShotPage]:
        """A shot by its name. Raises a 404 where the film has none of that name.

        wait_s: none for what somebody sends. They decided by what they saw, and what they sign is held to that.
        """
        seen = await self.read(wait_s)
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


def day_of(moment: str) -> str:
    """2026-11-25, in UTC as everything is kept."""
    return moment[:10]


def moment_of(moment: str) -> str:
    """2026-11-25 18:09, in UTC as everything is kept."""
    return moment[:16].replace("T", " ")


def file_size(count: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    raise AssertionError("unreachable")
