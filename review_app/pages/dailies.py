"""Dailies: the newest pictures as they land, by scene, day and backend, and all of them played in a row."""

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from film_pipeline.core.stages import Stage
from review_app.pages.desk import Desk
from review_app.queries import Landed, Reading
from review_app.queries.strips import NAMED, STRIPS, label_of

LOOKED_AT = 600
_PICTURES_A_CARD = 8
_ORDER = {stage.value: number for number, stage in enumerate(Stage)}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SCENE = re.compile(r"[A-Z0-9]{1,12}")


@dataclass
class Rush:
    """The pictures of one version of a shot that came lately, in order of frame."""

    shot: str
    stage: str
    version: int
    engine: str
    last_at: str
    frames: list[Landed] = field(default_factory=list)

    @property
    def label(self) -> str:
        return label_of(self.stage, self.version)

    @property
    def shown(self) -> list[Landed]:
        """So many pictures as fit on a card, from first to last."""
        count = len(self.frames)
        if count <= _PICTURES_A_CARD:
            return self.frames
        return [self.frames[place * (count - 1) // (_PICTURES_A_CARD - 1)] for place in range(_PICTURES_A_CARD)]


def rushes(landed: list[Landed]) -> list[Rush]:
    """What landed, by shot, stage and version; what came last stands first."""
    by_version: dict[tuple[str, str, int], Rush] = {}
    for frame in landed:
        if frame.stage not in STRIPS or not frame.shot:
            continue
        key = (frame.shot, frame.stage, frame.version)
        rush = by_version.setdefault(key, Rush(*key, frame.engine, frame.made_at))
        rush.frames.append(frame)
    for rush in by_version.values():
        rush.frames.sort(key=lambda frame: frame.frame or 0)
    # Moments are kept to the second: what was made within one was made in the order of the stages.
    return sorted(by_version.values(), key=lambda rush: (rush.last_at, _ORDER[rush.stage]), reverse=True)


def routes(desk: Desk) -> list[Route]:
    def asked(request: Request) -> dict[str, str]:
        given = request.query_params
        day, scene = given.get("day", ""), given.get("scene", "")
        return {
            "scene": scene if _SCENE.fullmatch(scene) else "",
            "day": day if _DAY.fullmatch(day) else "",
            "engine": given.get("engine", "")[:128],
        }

    def ask(wanted: dict[str, str]) -> tuple[list[Rush], list[str], list[str]]:
        queries = desk.queries
        return rushes(queries.landed(LOOKED_AT, **wanted)), queries.days(), queries.engines()

    async def page(request: Request) -> Response:
        wanted = asked(request)
        seen = await desk.read()
        assert seen.reading is not None
        found, days, engines = await run_in_threadpool(ask, wanted)
        part = request.headers.get("hx-request") == "true"
        return await desk.page(
            request,
            "_rushes.html" if part else "dailies.html",
            title="Dailies",
            here="dailies",
            parts=("list",),
            rushes=found,
            looked_at=LOOKED_AT,
            days=days,
            engines=engines,
            scenes=[scene.id for scene in seen.reading.scenes],
            wanted=wanted,
            reading=seen.reading,
            named=NAMED,
        )

    async def play(request: Request) -> Response:
        wanted = asked(request)
        seen = await desk.read()
        assert seen.reading is not None
        found, _, _ = await run_in_threadpool(ask, wanted)
        clips = [_clip(seen.reading, rush) for rush in reversed(found) if rush.shot in seen.reading.shots]
        return await desk.page(
            request,
            "reel.html",
            title="Dailies, all of them",
            here="dailies",
            parts=("player",),
            clips=clips,
            told=_told(seen.reading, clips) if clips else None,
            back="/dailies",
        )

    return [Route("/dailies", page), Route("/dailies/play", play)]


def _clip(reading: Reading, rush: Rush) -> dict[str, Any]:
    shot = reading.shots[rush.shot]
    return {
        "name": shot.name,
        "shot": shot.name,
        "first": shot.first_frame,
        "last": shot.last_frame,
        "exposures": [[exposure.frame, exposure.held_frames] for exposure in shot.exposures],
        "lines": [],
        "strip": {
            "key": f"{rush.stage}.{rush.version}",
            "stage": rush.stage,
            "version": rush.version,
            "label": rush.label,
            "frames": [[frame.frame or 1001, frame.sha256] for frame in rush.frames],
            "movie": "",
        },
    }


def _told(reading: Reading, clips: list[dict[str, Any]]) -> dict[str, Any]:
    """A player that has no shot of its own, only a reel."""
    return {
        "rate": [reading.rate.numerator, reading.rate.denominator],
        "size": list(reading.resolution),
        "shot": {**clips[0], "name": "", "shot": ""},
        "strips": [],
        "keypoints": "",
        "before": "",
        "after": "",
        "previz": "",
        "reel": clips,
    }
