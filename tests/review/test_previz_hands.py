"""What a person does in the previz viewer by mouse and key, and what of it is handed back as an edit of the file."""

import json
from typing import Any

import numpy as np
import pytest
from previz_page import PrevizPage, previz_page, site
from review_server import until
from small_film import SmallFilm

from film_pipeline.core.previz import Previz
from film_pipeline.departments.film import Film
from film_pipeline.departments.shot_edits import Accepted, accept, propose

pytestmark = pytest.mark.blender
__all__ = ["previz_page", "site"]

SHOT, CLOSE = "SC010_SH010", "SC010_SH020"
ROOTS = """(viewer) => viewer.shot.frames.map((frame, exposure) => {
  viewer.puppets[0].pose(exposure, viewer.proposals.rootOf("maker", frame));
  return [...viewer.puppets[0].root.elements];
})"""
LENSES = """(viewer) => viewer.shot.frames.map((frame, exposure) => {
  const { matrix, lens_mm } = viewer.proposals.lensAt(exposure);
  return [...matrix.elements, lens_mm];
})"""


def proposed(film: SmallFilm, changes: Any, shot: str = SHOT) -> tuple[Previz, str]:
    """What the film says of changes that the viewer handed back: the shot as it would be, and the diff."""
    with Film(film.root) as opened:
        proposal = propose(opened, shot, changes)
        assert proposal.problems == ()
        assert proposal.previz is not None
        return proposal.previz, proposal.diff


def roots_of(previz: Previz) -> list[np.ndarray]:
    """Where the puppet's root is at each exposure, by the film."""
    roots = []
    for pose in previz.puppets[0].poses:
        x, y, z, w = pose.rotations[:4]
        turn = 2 * np.arctan2(z, w)
        roots.append(np.array([*pose.translations[:3], np.cos(turn), np.sin(turn)]))
        assert abs(x) + abs(y) < 1e-6
    return roots


def assert_same_roots(shown: list[list[float]], previz: Previz) -> None:
    for matrix, root in zip(shown, roots_of(previz), strict=True):
        np.testing.assert_allclose([*matrix[12:15], matrix[0], matrix[1]], root, atol=2e-3)


def lenses_of(previz: Previz) -> list[list[float]]:
    camera = previz.camera
    exposures = range(len(previz.exposures))
    matrices = [camera.matrices[min(number, len(camera.matrices) - 1)] for number in exposures]
    lenses = [camera.lenses_mm[min(number, len(camera.lenses_mm) - 1)] for number in exposures]
    return [[*np.reshape(rows, (4, 4)).T.reshape(-1), lens] for rows, lens in zip(matrices, lenses, strict=True)]


def test_a_puppet_dragged_over_the_plan_is_an_edit_of_its_place_and_stands_where_it_will(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    before = (made_film.root / "shots" / "SC010.yaml").read_bytes()
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("t")
    begin = previz_page.seen_at((0, 0.5, 0))
    previz_page.page.mouse.click(*begin)
    previz_page.settle()
    assert previz_page.page.get_by_role("complementary", name="Selected").inner_text().startswith("The Maker")
    previz_page.drag((begin[0] + 8, begin[1] - 8), (-90, 70))
    (told,) = previz_page.told("edit")
    change = told["change"]
    assert (change["kind"], change["character"], change["key"]) == ("puppet", "maker", None)
    assert change["at"][0] < -0.5 and change["at"][1] < 0 and abs(change["at"][2]) < 0.05
    # It stood on a mark and faced as the mark says; it goes on facing that way.
    assert change["facing"] == 0
    previz, diff = proposed(made_film, told["changes"])
    assert "-        at: bench\n" in diff or "-        at: bench" in diff
    assert_same_roots(previz_page.ask(ROOTS), previz)
    assert (made_film.root / "shots" / "SC010.yaml").read_bytes() == before


def test_a_puppet_dropped_near_a_mark_stands_on_it_and_faces_as_it_says(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("n", "n", "t")
    begin, mark = previz_page.seen_at((0, 0.5, 0)), previz_page.seen_at((1.36, 1.15, 0))
    previz_page.drag((begin[0] + 8, begin[1] - 8), (mark[0] - begin[0], mark[1] - begin[1]))
    (told,) = previz_page.told("edit")
    assert told["change"] == {"kind": "puppet", "character": "maker", "key": None, "at": "door"}
    previz, diff = proposed(made_film, told["change"])
    assert "+        at: door" in diff
    assert_same_roots(previz_page.ask(ROOTS), previz)


def test_from_a_key_on_a_puppet_walks_there_and_the_viewer_walks_as_the_film_does(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.ask(
        """(viewer) => {
          viewer.proposals.movePuppet("maker", 1005, viewer.lens.target.clone().set(0.4, 0.9, 0), true);
          viewer.proposals.turnPuppet("maker", 1005, 200, true);
          viewer.proposals.turnPuppet("maker", 1001, -20, false);
        }"""
    )
    changes = previz_page.ask("(viewer) => viewer.proposals.changes")
    assert [change["key"] for change in changes] == [1005, None]
    assert changes[0] == {"kind": "puppet", "character": "maker", "key": 1005, "at": [0.4, 0.9, 0], "facing": -160}
    previz, diff = proposed(made_film, changes)
    assert "+          - {frame: 1005, pose: think, at: [0.4, 0.9, 0], facing: -160}" in diff
    shown = previz_page.ask(ROOTS)
    assert shown[0] != shown[1] != shown[2]
    assert_same_roots(shown, previz)


def test_on_its_way_between_two_keys_a_puppet_is_not_to_be_moved_and_it_says_why(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    made_film.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: think, at: [1, 1, 0]}")
    with Film(made_film.root) as film:
        walking = propose(film, SHOT, {"kind": "camera", "lens_mm": 32}).previz
    assert walking is not None
    previz_page.open_shot(made_film.root, SHOT, json.loads(walking.model_dump_json()))
    previz_page.press("n", "n")
    held = "(viewer) => Boolean(window.previz.crew.hands.controls.object)"
    assert previz_page.ask(held)
    previz_page.page.evaluate("previz.seek(1003)")
    previz_page.settle()
    assert not previz_page.ask(held)
    panel = previz_page.page.get_by_role("complementary", name="Selected")
    assert "on the way from the key at 1001 to the one at 1005" in panel.inner_text()
    panel.get_by_role("button", name="Next key").click()
    assert previz_page.page.evaluate("previz.frame") == 1005
    assert previz_page.ask(held)


def test_a_turned_puppet_is_an_edit_of_its_facing(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press("n", "n", "t", "r")
    middle = previz_page.seen_at((0, 0.5, 0))
    for reach in range(20, 200):
        previz_page.page.mouse.move(middle[0] + reach, middle[1])
        if previz_page.page.evaluate("previz.crew.hands.controls.axis") == "Z":
            break
    else:
        pytest.fail("there is no ring to take hold of")
    previz_page.drag((middle[0] + reach, middle[1]), (-reach, -reach))
    (told,) = previz_page.told("edit")
    change = told["change"]
    assert set(change) == {"kind", "character", "key", "facing"}
    assert abs(change["facing"]) > 5
    previz, diff = proposed(made_film, change)
    assert "+        facing: " in diff
    assert_same_roots(previz_page.ask(ROOTS), previz)


def test_a_dragged_camera_is_put_down_by_hand_where_the_film_will_put_it(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    previz_page.open_shot(made_film.root, CLOSE)
    previz_page.press("n", "t")
    begin = previz_page.seen_at(previz_page.ask("(viewer) => viewer.proposals.camera.position.toArray()"))
    previz_page.drag((begin[0] + 8, begin[1] - 8), (-60, 20))
    (told,) = previz_page.told("edit")
    change = told["change"]
    assert set(change) == {"kind", "position", "target"}, "a camera that stood by framing is written by hand"
    previz, diff = proposed(made_film, change, CLOSE)
    assert not previz.camera.framed
    assert "position: [" in diff and "target: [" in diff
    np.testing.assert_allclose(previz_page.ask(LENSES), lenses_of(previz), atol=2e-3)


@pytest.mark.parametrize("shot", [SHOT, CLOSE])
def test_place_tilt_roll_and_moves_stay_the_cameras_when_it_is_moved_by_hand(
    made_film: SmallFilm, previz_page: PrevizPage, shot: str
) -> None:
    made_film.edit(
        "shots/SC010.yaml",
        "camera: {lens_mm: 50, angle_deg: 30}",
        "camera: {lens_mm: 50, angle_deg: 30, place: [0.4, 0.6], tilt_deg: 4, roll_deg: -6, "
        "moves: [{kind: track_left, amount: 0.3}]}",
    )
    with Film(made_film.root) as film:
        current = propose(film, shot, {"kind": "puppet", "character": "maker", "facing": 0}).previz
    assert current is not None
    previz_page.open_shot(made_film.root, shot, json.loads(current.model_dump_json()))
    np.testing.assert_allclose(previz_page.ask(LENSES), lenses_of(current), atol=1e-6)
    previz_page.ask(
        """(viewer) => {
          const { position } = viewer.proposals.camera;
          const { x, y, z } = position;
          viewer.proposals.moveCamera({ position: position.clone().set(x + 0.3, y - 0.2, z + 0.1) });
          viewer.proposals.moveCamera({ lens_mm: 28 });
        }"""
    )
    previz, _ = proposed(made_film, previz_page.ask("(viewer) => viewer.proposals.changes"), shot)
    np.testing.assert_allclose(previz_page.ask(LENSES), lenses_of(previz), atol=3e-3)


def test_a_camera_that_has_moved_already_is_moved_at_the_first_frame(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    previz_page.open_shot(made_film.root, SHOT, frame=1005)
    previz_page.press("n")
    panel = previz_page.page.get_by_role("complementary", name="Selected")
    assert "go to the first frame" in panel.inner_text()
    previz_page.press("=")
    assert previz_page.told("edit") == []
    panel.get_by_role("button", name="To the first frame").click()
    previz_page.press("=")
    assert previz_page.told("edit")[0]["change"]["lens_mm"] == 35


def test_the_camera_is_operated_from_behind_it(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, CLOSE)
    previz_page.press("c")
    box = previz_page.page.locator(".previz-canvas").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    previz_page.drag(middle, (60, 0))
    previz_page.press("d")
    assert previz_page.told("edit") == [], "looking is not operating"
    previz_page.press("o")
    eye = previz_page.ask("(viewer) => viewer.proposals.camera.position.toArray()")
    subject = previz_page.joints()["maker"]["head"]
    seen = previz_page.seen_at(subject)
    previz_page.drag(middle, (60, 0))
    panned = previz_page.told("edit")[-1]["change"]
    np.testing.assert_allclose(panned["position"], eye, atol=1e-3)
    assert previz_page.seen_at(subject)[0] - seen[0] == pytest.approx(60, abs=6), "what is seen goes with the hand"
    told = len(previz_page.told("edit"))
    where = "(viewer) => (viewer.hand?.camera ?? viewer.proposals.camera).position.toArray()"
    stood = np.array(previz_page.ask(where))
    previz_page.page.keyboard.down("w")
    until(lambda: np.linalg.norm(np.array(previz_page.ask(where)) - stood) > 0.05, "no step forward")
    previz_page.page.keyboard.up("w")
    until(lambda: len(previz_page.told("edit")) > told, "no change is told")
    dollied = previz_page.told("edit")[-1]["change"]
    before, after = (np.linalg.norm(np.subtract(one["position"], one["target"])) for one in (panned, dollied))
    assert after < before - 0.02
    previz, _ = proposed(made_film, dollied, CLOSE)
    np.testing.assert_allclose(previz_page.ask(LENSES), lenses_of(previz), atol=2e-3)


def test_changes_are_taken_back_one_by_one(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, CLOSE)
    previz_page.press("n", "=", "=", "Backspace")
    told = previz_page.told("edit")
    assert [one["change"] and one["change"]["lens_mm"] for one in told] == [60, 65, None]
    assert [change["lens_mm"] for change in told[-1]["changes"]] == [60]
    previz_page.press("Backspace", "Backspace")
    assert previz_page.told("edit")[-1] == {"shot": CLOSE, "change": None, "changes": []}
    assert len(previz_page.told("edit")) == 4


def test_an_accepted_edit_is_shown_as_the_shot_now_is(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT, frame=1006)
    with Film(made_film.root) as film:
        proposal = propose(film, SHOT, {"kind": "puppet", "character": "maker", "at": [0.5, 0.9, 0], "facing": 30})
        assert isinstance(accept(film, proposal), Accepted)
    assert proposal.previz is not None
    previz_page.press("n", "=")
    previz_page.page.evaluate(
        "(previz) => previz_update(previz)".replace("previz_update", "window.previz.update"),
        json.loads(proposal.previz.model_dump_json()),
    )
    previz_page.settle()
    assert previz_page.page.evaluate("previz.frame") == 1006
    assert previz_page.ask("(viewer) => viewer.proposals.changes") == []
    assert_same_roots(previz_page.ask(ROOTS), proposal.previz)
    np.testing.assert_allclose(previz_page.ask(LENSES), lenses_of(proposal.previz), atol=1e-6)


def test_every_key_of_the_table_does_something_and_goes_no_further(
    made_film: SmallFilm, previz_page: PrevizPage
) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    keys = previz_page.page.evaluate("island.KEYS")
    assert len({(key, row["shift"]) for row in keys for key in row["keys"]}) == sum(len(row["keys"]) for row in keys)
    for row in keys:
        assert row["island"] == "previz" and row["does"] and row["group"] in previz_page.page.evaluate("island.GROUPS")
        name = row["action"].split(":")[0]
        assert row["held"] or previz_page.page.evaluate("(name) => name in previz.crew.acts", name), row
    names = {" ": "Space", "arrowup": "ArrowUp", "arrowdown": "ArrowDown", "arrowleft": "ArrowLeft"}
    names |= {"arrowright": "ArrowRight", "pageup": "PageUp", "pagedown": "PageDown", "escape": "Escape"}
    previz_page.press("n")
    for row in keys:
        for key in row["keys"]:
            if key not in ("+", "escape"):
                previz_page.press(names.get(key, key.capitalize() if len(key) > 1 else key))
    assert previz_page.told("key") == []
    previz_page.press("j", "?", "3")
    previz_page.page.evaluate("previz.viewer.chosen = null; previz.viewer.measured = []; previz.crew.tool = 'move'")
    previz_page.press("Escape")
    assert previz_page.told("key") == ["j", "?", "3", "Escape"]


def test_a_person_walks_around_by_key(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    eye = "(viewer) => [...viewer.views.free.position.toArray(), ...viewer.views.orbit.target.toArray()]"
    stood = np.array(previz_page.ask(eye))
    for key, moves in (("w", True), ("ArrowLeft", False), ("e", True)):
        previz_page.press("f")
        before = np.array(previz_page.ask(eye))
        previz_page.page.keyboard.down(key)
        # On a busy machine pictures are far between, and a step is made with each of them.
        until(lambda at=before: np.linalg.norm(np.array(previz_page.ask(eye))[3:] - at[3:]) > 0.15, f"{key}: no step")
        previz_page.page.keyboard.up(key)
        previz_page.settle()
        after = np.array(previz_page.ask(eye))
        assert bool(np.linalg.norm(after[:3] - before[:3]) > 0.1) is moves, key
    assert previz_page.ask(eye)[2] > stood[2]


def test_space_plays_in_real_time_and_stops(made_film: SmallFilm, previz_page: PrevizPage) -> None:
    previz_page.open_shot(made_film.root, SHOT)
    previz_page.press(" ")
    until(lambda: len(previz_page.told("frame")) >= 2, "nothing plays")
    previz_page.press(" ")
    told = [one["frame"] for one in previz_page.told("frame")]
    assert set(told) <= set(range(1001, 1009))
    stopped = previz_page.page.evaluate("previz.frame")
    previz_page.page.wait_for_timeout(300)
    assert previz_page.page.evaluate("previz.frame") == stopped
