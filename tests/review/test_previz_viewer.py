"""The previz viewer in a real Chromium, over a film that a real Blender shot: what it shows is what was composed."""

import json
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from previz_page import WEB, PrevizPage, previz_page, site
from small_film import SmallFilm

from film_pipeline.core.camera import project
from film_pipeline.core.composition import Composition
from film_pipeline.core.set_build import changed
from film_pipeline.core.set_pieces import build_piece
from film_pipeline.departments.cameras import compose_shot, previz_of_shot
from film_pipeline.departments.film import Film
from film_pipeline.engines.passes import read_passes

pytestmark = pytest.mark.blender
__all__ = ["previz_page", "site"]

SHOT, CLOSE = "SC010_SH010", "SC010_SH020"
MARK = (0.0, 0.5, 0.0)
"""Of the bench, where the Maker stands."""


def composed(film: SmallFilm, shot: str = SHOT) -> Composition:
    with Film(film.root) as opened:
        return compose_shot(opened, opened.shot(shot))


def document_of(film: SmallFilm, shot: str = SHOT) -> dict[str, Any]:
    """The shot told anew from the author's files as they are now."""
    with Film(film.root) as opened:
        composition = compose_shot(opened, opened.shot(shot))
        told: dict[str, Any] = json.loads(previz_of_shot(opened, opened.shot(shot), composition).model_dump_json())
        return told


@pytest.mark.parametrize("shot", [SHOT, CLOSE])
def test_a_posed_puppets_bones_are_within_a_millimetre_of_the_composed_joints(
    made_film: SmallFilm, previz_page: PrevizPage, shot: str
) -> None:
    composition = composed(made_film, shot)
    previz_page.open_shot(made_film.root, shot)
    for frame in composition.sheet.unique_frames:
        previz_page.page.evaluate("(frame) => previz.seek(frame)", frame)
        bones, joints = previz_page.joints(), composition.joints(frame)
        assert set(bones) == set(joints) == {"maker"}
        assert set(bones["maker"]) == set(joints["maker"])
        for joint, place in joints["maker"].items():
            assert np.linalg.norm(bones["maker"][joint] - place) < 0.001, (frame, joint)


@pytest.mark.parametrize("shot", [SHOT, CLOSE])
def test_the_puppets_matte_is_where_the_plate_has_it(made_film: SmallFilm, previz_page: PrevizPage, shot: str) -> None:
    composition = composed(made_film, shot)
    previz_page.open_shot(made_film.root, shot)
    with Film(made_film.root) as film:
        turnover = film.frames.latest("cameras", shot)
        assert turnover is not None
        plates = {item.frame: film.made / item.path for item in turnover.of("passes")}
    assert set(plates) == set(composition.sheet.unique_frames)
    for frame, path in plates.items():
        matte = read_passes(path, composition.identities).mattes["maker"] > 0.5
        height, width = matte.shape
        rows, columns = np.flatnonzero(matte.any(axis=1)), np.flatnonzero(matte.any(axis=0))
        plate = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        previz_page.page.evaluate("(frame) => previz.seek(frame)", frame)
        shown = previz_page.ask(f"(viewer) => viewer.matteBox('maker', {width * 4}, {height * 4})")
        off = np.abs(np.array(shown) / 4 - plate) / [width, height, width, height]
        assert off.max() < 0.01, (frame, plate, shown)


def test_through_the_camera_every_joint_is_seen_in_the_gate_where_the_lens_projects_it(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    composition = composed(made_film)
    previz_page.open_shot(made_film.root, SHOT)
    for width, height in ((1100, 700), (900, 420), (640, 900)):
        previz_page.page.set_viewport_size({"width": width, "height": height})
        previz_page.page.evaluate("previz.lookThrough(true)")
        previz_page.page.wait_for_timeout(150)
        for frame in composition.sheet.unique_frames:
            previz_page.page.evaluate("(frame) => previz.seek(frame)", frame)
            joints = composition.joints(frame)["maker"]
            gate = previz_page.ask("(viewer) => viewer.views.gate(viewer.shot.aspect)")
            top = previz_page.ask("(viewer) => viewer.parts.canvas.getBoundingClientRect().top")
            asked = project(np.array(list(joints.values())), composition.cameras[frame], gate["width"], gate["height"])
            for (joint, place), (x, y) in zip(joints.items(), asked, strict=True):
                seen = previz_page.seen_at(place)
                off = np.hypot(seen[0] - gate["left"] - x, seen[1] - top - gate["top"] - y)
                assert off < 0.1, (frame, joint)


def test_held_frames_show_the_exposure_that_is_on_screen(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT, frame=1003)
    page = previz_page.page
    assert page.evaluate("previz.frame") == 1003
    for frame in (1004, 1007, 1007, 1099, -4):
        page.evaluate("(frame) => previz.seek(frame)", frame)
    assert previz_page.told("frame") == [
        {"shot": SHOT, "frame": 1004, "exposed": 1003},
        {"shot": SHOT, "frame": 1007, "exposed": 1005},
        {"shot": SHOT, "frame": 1008, "exposed": 1005},
        {"shot": SHOT, "frame": 1001, "exposed": 1001},
    ]
    sheet = page.get_by_role("slider", name="Exposure sheet")
    assert sheet.get_attribute("aria-valuetext") == "frame 1001   exposure 1 of 3, held 2, 1001 to 1002"
    box = sheet.bounding_box()
    assert box is not None
    last = previz_page.page.evaluate("previz.sheet.xOf(1008) + previz.sheet.wide / 2")
    previz_page.drag((box["x"] + 80, box["y"] + 30), (last - 80, 0))
    assert page.evaluate("previz.frame") == 1008
    assert sheet.get_attribute("aria-valuetext") == "frame 1008   exposure 3 of 3, held 4, 1005 to 1008"


def test_the_set_is_as_the_shot_has_it(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    pieces = """    pieces:
      door: {open_deg: -70}
      crate: {at: [1.2, -0.4, 0.1], turn_deg: 100}
      shelf: {visible: false}
      lamp: {glow: {1003: 0.25, 1005: 0}}
    exposure: {on: 2, holds"""
    made_film.edit("shots/SC010.yaml", "    exposure: {on: 2, holds", pieces)
    previz_page.open_shot(made_film.root, SHOT, document_of(made_film), frame=1003)
    boxes = previz_page.ask(
        """(viewer) => Object.fromEntries(viewer.room.surfaces.map(({ mesh }) => {
             mesh.updateWorldMatrix(true, false);
             mesh.geometry.computeBoundingBox();
             const corners = mesh.geometry.attributes.position;
             const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
             const place = viewer.lens.target.clone();
             for (let i = 0; i < corners.count; i += 1) {
               place.fromBufferAttribute(corners, i).applyMatrix4(mesh.matrixWorld).toArray().forEach((value, axis) => {
                 low[axis] = Math.min(low[axis], value);
                 high[axis] = Math.max(high[axis], value);
               });
             }
             return [mesh.userData.name, { low, high, shown: mesh.visible }];
           }))"""
    )
    with Film(made_film.root) as film:
        shot, set_ = film.shot(SHOT).shot, film.set_of(film.shot(SHOT))
    seen = 0
    for piece in set_.file.pieces:
        for part in build_piece(changed(piece, shot.pieces.get(piece.name))):
            box = boxes[f"{piece.name}_{part.name}"]
            low, high = part.mesh.bounds
            np.testing.assert_allclose([box["low"], box["high"]], [low, high], atol=0.001)
            assert box["shown"] is (piece.name != "shelf")
            seen += 1
    assert seen == len(boxes)
    glow = "(viewer) => viewer.room.surfaces.find(({ name }) => name === 'lamp_bulb_surface').strength"
    assert previz_page.ask(glow) == pytest.approx(9 * 0.25)
    previz_page.page.evaluate("previz.seek(1005)")
    assert previz_page.ask(glow) == 0


def test_a_wild_wall_that_the_camera_stands_behind_is_out(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    made_film.edit(
        "shots/SC010.yaml",
        "camera: {lens_mm: 32, angle_deg: 24",
        "camera: {lens_mm: 32, position: [-4, 0, 1.4], angle_deg: 24",
    )
    previz_page.open_shot(made_film.root, SHOT, document_of(made_film))
    previz_page.page.evaluate("previz.lookThrough(true)")
    previz_page.settle()
    shown = """(viewer) => Object.fromEntries(viewer.room.pieces.map(
      ({ told, meshes }) => [told.name, meshes.every((mesh) => mesh.visible)]))"""
    assert previz_page.ask(shown) | {"wall_left": True} == dict.fromkeys(previz_page.ask(shown), True)
    assert previz_page.ask(shown)["wall_left"] is False


def test_a_measured_way_is_as_long_as_it_is(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("t", "m")
    for place in ((1.2, -0.6, 0), (-1.0, -1.6, 0)):
        previz_page.page.mouse.click(*previz_page.seen_at(place))
        previz_page.settle()
    (measured,) = previz_page.told("measure")
    assert measured["metres"] == pytest.approx(np.hypot(2.2, 1.0), abs=0.02)
    assert previz_page.page.get_by_text("2.42 m").count() + previz_page.page.get_by_text("2.41 m").count() == 1
    previz_page.press("Escape")
    assert previz_page.ask("(viewer) => viewer.measured") == []


def test_a_rod_says_how_tall_each_puppet_is_and_where_its_eyes_are(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    composition = composed(made_film)
    previz_page.open_shot(made_film.root, SHOT)
    joints = composition.joints(1001)["maker"]
    eyes = (joints["eye_left"][2] + joints["eye_right"][2]) / 2
    told = previz_page.page.locator(".previz-label:visible").all_text_contents()
    height = composition.cast["maker"].file.height_m
    assert f"{composition.cast['maker'].file.name} {height:.2f} m" in told
    assert f"eyes {eyes:.2f}" in told
    tops = previz_page.ask("(viewer) => viewer.rods[0].labels()[0].place.toArray()")
    assert tops[2] == pytest.approx(height)


def test_a_picture_is_drawn_in_every_view_surface_and_light(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    pictures: dict[str, float] = {}
    for view in ("c", "f", "t"):
        for surface in ("textured", "clay", "wire"):
            previz_page.press(view)
            light = "work" if surface != "clay" else "shot"
            previz_page.ask(
                "(viewer, [surface, light]) => { viewer.surface = surface; viewer.light = light; viewer.wear(); }",
                [surface, light],
            )
            previz_page.settle()
            pictures[f"{view} {surface}"] = spread(previz_page)
    assert min(pictures.values()) > 4, pictures
    assert len({round(value, 3) for value in pictures.values()}) == len(pictures)


def spread(previz_page: PrevizPage) -> float:
    """How far the picture's greys lie apart: nothing drawn is 0."""
    import io

    from PIL import Image

    shot = previz_page.page.locator(".previz-canvas").screenshot()
    return float(np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float).std())


def test_opening_and_closing_leaves_nothing_behind(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    for _ in range(3):
        previz_page.open_shot(made_film.root, SHOT)
        previz_page.page.evaluate("previz.dispose(); previz.dispose()")
        assert previz_page.page.evaluate("document.getElementById('here').childElementCount") == 0
        assert previz_page.ask("(viewer) => viewer.stage.renderer.info.memory") == {"geometries": 0, "textures": 0}
    models = {role: f"/files/{role}" for role in ("set_workshop_glb", "puppet_maker_glb")}
    previz_page.begin("/files/previz", models)
    previz_page.page.evaluate("previz.dispose()")
    previz_page.page.wait_for_timeout(300)
    assert previz_page.page.evaluate("document.getElementById('here').childElementCount") == 0
    assert previz_page.told("problem") == []


def test_scrubbing_does_not_heap_up_memory(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("n", "t", "f")
    memory = "(viewer) => viewer.stage.renderer.info.memory"
    scrub = """async () => {
      for (let step = 0; step < 16; step += 1) {
        previz.seek(1001 + (step % 8));
        await new Promise(requestAnimationFrame);
      }
    }"""
    previz_page.page.evaluate(scrub)
    before = previz_page.ask(memory)
    for _ in range(3):
        previz_page.page.evaluate(scrub)
    assert previz_page.ask(memory) == before


@pytest.mark.parametrize(
    ("document", "models", "says"),
    [
        ("/files/nothing", {}, "can't be fetched: 404"),
        ({"version": 7}, {}, "reads previz version 1; the shot's is 7"),
        (None, {}, "Nobody said where the model set_workshop_glb is"),
        (
            None,
            {"set_workshop_glb": "/files/nothing", "puppet_maker_glb": "/files/nothing"},
            "A model can't be fetched: 404",
        ),
        (None, {"set_workshop_glb": "/page.css", "puppet_maker_glb": "/page.css"}, ""),
    ],
)
def test_what_can_not_be_opened_says_why(
    made_film: SmallFilm, previz_page: PrevizPage, document: Any, models: dict[str, str], says: str
) -> None:
    asked = document if document is not None else document_of(made_film)
    previz_page.begin(asked, models)
    failed = previz_page.page.evaluate("previz.ready.then(() => '', (error) => error.message)")
    assert says in failed and failed
    assert [told["message"] for told in previz_page.told("problem")] == [failed]
    assert previz_page.page.get_by_role("status").filter(has_text=failed).count() == 1
    previz_page.errors[:] = [error for error in previz_page.errors if "404" not in error]


def test_axe_finds_nothing(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("n")
    axe = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    previz_page.page.evaluate(axe)
    found = previz_page.page.evaluate(
        "axe.run('#here').then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"
    )
    assert found == []


def test_the_strictest_policy_is_kept(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("c", "v", "l", "h", "t", "n", "m")
    assert previz_page.told("violation") == []
    position = previz_page.page.evaluate("getComputedStyle(document.querySelector('.previz-view')).position")
    assert position == "relative", "the style sheet is there all the same"


def test_main_thread_work_is_small(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    """By the thread's own clock, which stands while other programs run."""
    session = previz_page.page.context.new_cdp_session(previz_page.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked_ms() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")) * 1000

    previz_page.open_shot(made_film.root, SHOT)
    assert worked_ms() < 2000
    for frame in (1003, 1005, 1001, 1003, 1005):
        before = worked_ms()
        previz_page.page.evaluate("(frame) => previz.seek(frame)", frame)
        previz_page.settle()
        assert worked_ms() - before < 100


def test_the_page_of_a_shot_shows_it_in_3d_and_its_help_lists_the_keys(reviewed: str, page: Page) -> None:
    page.goto(f"{reviewed}/shots/{SHOT}/previz?frame=1006")
    page.wait_for_function("() => document.querySelector('[data-previz]').previz")
    opened = "document.querySelector('[data-previz]').previz"
    page.evaluate(f"{opened}.ready.then(() => {opened}.viewer.pictures).then(() => null)")
    assert page.evaluate(f"{opened}.frame") == 1006
    viewer, room = page.locator(".previz-viewer").bounding_box(), page.locator("[data-previz]").bounding_box()
    assert viewer == room, "the viewer fills its place"
    page.evaluate(f"{opened}.seek(1002)")
    assert page.url.endswith("?frame=1002")
    page.keyboard.press("?")
    told = page.locator("#help dl > div").all_inner_texts()
    rows = page.evaluate("import('/static/previz.js').then((island) => island.KEYS.map((row) => row.does))")
    assert len(rows) > 30
    assert all(any(row in text for text in told) for row in rows)
