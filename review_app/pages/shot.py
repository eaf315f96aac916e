"""Shot: the viewer, the shots of its scene, its versions and recipe, and the timeline."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Turnover
from film_pipeline.core.stages import Stage
from review_app.pages.desk import HERE, Desk
from review_app.queries import Reading, ScenePage, Seen, ShotPage, Strip
from review_app.queries.strips import STRIPS

CLIPS_AROUND = 3
SHOTS_LISTED = 60
_POSTER_WIDTH = 480
_NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"><path fill="#2b2b2b" d="M0 0h16v9H0z"/></svg>'


def routes(desk: Desk) -> list[Route]:
    async def page(request: Request) -> Response:
        seen, shot = await desk.shot(request.path_params["shot"])
        strips, composed = await run_in_threadpool(_asked, desk, shot.name)
        assert seen.reading is not None
        scene = seen.reading.scene_of(shot.name)
        assert scene is not None
        before, after = seen.reading.around(shot.name)
        return await desk.page(
            request,
            "shot.html",
            window=_window(scene, shot),
            title=shot.name,
            here="scenes",
            parts=("player",),
            shot=shot,
            scene=scene,
            reading=seen.reading,
            lights=seen.of,
            strips=strips,
            composed=composed,
            told=_told(seen.reading, shot, strips, composed, before, after),
            before=before,
            after=after,
            stage_lights=list(zip(Stage, seen.of(shot.name), strict=True)),
        )

    async def strip(request: Request) -> Response:
        _, shot = await desk.shot(request.path_params["shot"])
        stage = request.path_params["stage"]
        if stage not in STRIPS:
            raise HTTPException(404, "that stage has no pictures")
        found = await run_in_threadpool(desk.queries.strip, shot.name, stage, request.path_params["version"])
        if found is None:
            raise HTTPException(404, "there is no such version")
        return JSONResponse(found.as_json())

    async def around(request: Request) -> Response:
        seen, shot = await desk.shot(request.path_params["shot"])
        return JSONResponse({"clips": await run_in_threadpool(_around, desk, seen, shot)})

    async def poster(request: Request) -> Response:
        seen, shot = await desk.shot(request.path_params["shot"])
        versions = {stage.value: light.version for stage, light in zip(Stage, seen.of(shot.name), strict=True)}
        sha256 = await run_in_threadpool(desk.queries.screening.poster, shot.name, versions)
        headers = {"Cache-Control": "private, no-cache"}
        if sha256:
            try:
                made = await run_in_threadpool(desk.queries.thumbnail, sha256, _POSTER_WIDTH)
                return FileResponse(made, media_type="image/jpeg", headers=headers)
            except FilmProblem:
                # The record is there and the file is not: `film verify` tells it, a list of shots shows an empty frame.
                return Response(_NOTHING, media_type="image/svg+xml", headers=headers)
        return Response(_NOTHING, media_type="image/svg+xml", headers=headers)

    async def previz(request: Request) -> Response:
        seen, shot = await desk.shot(request.path_params["shot"])
        assert seen.reading is not None
        models = await run_in_threadpool(_models, desk, shot.name)
        before, after = seen.reading.around(shot.name)
        return await desk.page(
            request,
            "previz.html",
            title=f"{shot.name} in 3D",
            here="scenes",
            shot=shot,
            models=models,
            urls={"shot": shot.name, "models": models, "shot_url": f"/shots/{shot.name}"},
            has_previz=(HERE / "static" / "previz.js").is_file(),
            before=before,
            after=after,
        )

    return [
        Route("/shots/{shot}", page),
        Route("/shots/{shot}/strips/{stage}/{version:int}", strip),
        Route("/shots/{shot}/around", around),
        Route("/shots/{shot}/poster.jpg", poster),
        Route("/shots/{shot}/previz", previz),
    ]


def _window(scene: ScenePage, shot: ShotPage) -> tuple[int, int]:
    """Which of the scene's shots the list shows: all of them, or those around the shot in a very long scene."""
    place = scene.shots.index(shot)
    first = max(0, min(place - SHOTS_LISTED // 2, len(scene.shots) - SHOTS_LISTED))
    return first, first + SHOTS_LISTED


def _asked(desk: Desk, shot: str) -> tuple[list[Strip], Turnover | None]:
    return desk.queries.strips(shot), desk.queries.composition(shot)


def _clip(shot: ShotPage, first: int = 0, last: int = 0) -> dict[str, Any]:
    return {
        "name": shot.name,
        "shot": shot.name,
        "first": first or shot.first_frame,
        "last": last or shot.last_frame,
        "exposures": [[exposure.frame, exposure.held_frames] for exposure in shot.exposures],
        "lines": [frame for frame, _, _ in shot.dialogue],
    }


def _told(
    reading: Reading, shot: ShotPage, strips: list[Strip], composed: Turnover | None, before: str, after: str
) -> dict[str, Any]:
    """What the player needs to know."""
    keypoints = next((item.sha256 for item in composed.items if item.role == "keypoints"), "") if composed else ""
    return {
        "rate": [reading.rate.numerator, reading.rate.denominator],
        "size": list(reading.resolution),
        "shot": _clip(shot),
        "strips": [strip.as_json() for strip in strips],
        "keypoints": keypoints,
        "before": f"/shots/{before}" if before else "",
        "after": f"/shots/{after}" if after else "",
        "previz": f"/shots/{shot.name}/previz",
        "reel": None,
    }


def _around(desk: Desk, seen: Seen, shot: ShotPage) -> list[dict[str, Any]]:
    """The clips of the cut that play before, at and after a shot, each with what stands of it."""
    reading = seen.reading
    if reading is None or reading.cut is None:
        return []
    clips = reading.cut.clips
    places = [place for place, clip in enumerate(clips) if clip.shot == shot.name]
    if not places:
        return []
    near = clips[max(0, places[0] - CLIPS_AROUND) : places[-1] + CLIPS_AROUND + 1]
    strips = {name: desk.queries.strips(name)[:1] for name in {clip.shot for clip in near}}
    return [
        {
            **_clip(reading.shots[clip.shot], clip.source.first_frame, clip.source.last_frame),
            "strip": strips[clip.shot][0].as_json() if strips[clip.shot] else None,
        }
        for clip in near
        if clip.shot in reading.shots
    ]


def _models(desk: Desk, shot: str) -> list[dict[str, str]]:
    """The .glb files of the shot's set and puppets, by role."""
    made = desk.queries.frames.latest("set_characters", shot)
    items = [item for item in made.items if item.role.endswith("_glb")] if made else []
    return [{"role": item.role, "url": f"/media/{item.sha256}.glb"} for item in items]
