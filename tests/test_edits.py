"""Edits of a shot file: the asked fields are other, and nothing else is, not by a space."""

import difflib
from pathlib import Path
from typing import Any

import pytest
from film_makers import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from film_pipeline.core.edits import CameraMoved, PuppetMoved, diff_of, edited, problems_in, read_changes
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.yaml_edit import NoSuchPlace, set_field, written

PATH = Path("shots/SC010.yaml")
FLOW = """\
# The room at night.
scene: SC010
set: room   # two windows

shots:
  - id: SH010   # the first
    length: 12
    cast:
      - character: pim
        at: centre
        facing: 40
        keys:
          - {frame: 1001, pose: stand, look_at: odile}   # waits
          - {frame: 1005,  pose: "walk_a",at: [ 0.50, -1, 0 ], ease: hold }
      - {character: odile}
    camera: {lens_mm: 35, angle_deg: 20}  # by framing
  - id: SH020
    length: 4
    # nobody is here
    notes: >
      The camera stands
      and waits.
"""
BLOCK = """\
scene: SC010
set: room
shots:
- id: SH010
  length: 12
  cast:
  - character: 'pim'
    at:
    - 1
    - 2.0   # far back
    - 0
    facing: odile
    keys:
    - frame: 1001
      pose: stand
    - frame: 1005
      pose: walk_a
      # after the step
  - character: odile
  camera:
    position:
      - 0.0
      - -3.5
      - 1.2
    target: pim
"""


def load(text: str) -> Any:
    return YAML(typ="safe").load(text)


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def moved(text: str, shot: str = "SH010", **change: Any) -> str:
    kind = CameraMoved if {"position", "target", "lens_mm"} & set(change) else PuppetMoved
    return edited(text, shot, [kind.model_validate(change)], PATH)


@pytest.mark.parametrize(
    ("change", "went", "came"),
    [
        ({"character": "pim", "at": (0.1234, -2, 0)}, "        at: centre", "        at: [0.123, -2, 0]"),
        ({"character": "pim", "facing": -90.04}, "        facing: 40", "        facing: -90"),
        (
            {"character": "pim", "key": 1005, "at": (0.5, 0.25, 0)},
            '          - {frame: 1005,  pose: "walk_a",at: [ 0.50, -1, 0 ], ease: hold }',
            '          - {frame: 1005,  pose: "walk_a",at: [ 0.50, 0.25, 0 ], ease: hold }',
        ),
        (
            {"character": "pim", "key": 1005, "at": "window"},
            '          - {frame: 1005,  pose: "walk_a",at: [ 0.50, -1, 0 ], ease: hold }',
            '          - {frame: 1005,  pose: "walk_a",at: window, ease: hold }',
        ),
        (
            {"character": "pim", "key": 1001, "at": (1, 2, 0), "facing": 12.5},
            "          - {frame: 1001, pose: stand, look_at: odile}   # waits",
            "          - {frame: 1001, pose: stand, at: [1, 2, 0], facing: 12.5, look_at: odile}   # waits",
        ),
        (
            {"character": "odile", "at": (1, 2, 0)},
            "      - {character: odile}",
            "      - {character: odile, at: [1, 2, 0]}",
        ),
        (
            {"position": (0, -3, 1.5), "target": (0, 0, 1)},
            "    camera: {lens_mm: 35, angle_deg: 20}  # by framing",
            "    camera: {lens_mm: 35, position: [0, -3, 1.5], target: [0, 0, 1], angle_deg: 20}  # by framing",
        ),
        (
            {"lens_mm": 50},
            "    camera: {lens_mm: 35, angle_deg: 20}  # by framing",
            "    camera: {lens_mm: 50, angle_deg: 20}  # by framing",
        ),
    ],
)
def test_one_line_is_other_and_its_comment_stays(change: dict[str, Any], went: str, came: str) -> None:
    after = moved(FLOW, **change)
    assert changed_lines(FLOW, after) == ([went], [came])


def test_a_block_stays_a_block_with_the_comments_in_it() -> None:
    after = moved(BLOCK, character="pim", at=(1, -0.75, 0.4))
    assert "    - 1\n    - -0.75   # far back\n    - 0.4\n" in after
    assert moved(BLOCK, character="pim", at=(1, 2, 0)) == BLOCK
    with pytest.raises(FilmProblem, match="a comment stands inside what would be replaced"):
        moved(BLOCK, character="pim", at="window")
    bare = moved(BLOCK.replace("   # far back", ""), character="pim", at="window")
    assert "  - character: 'pim'\n    at: window\n    facing: odile\n" in bare
    key = moved(BLOCK, character="pim", key=1005, at=(0, 0, 0))
    assert "      pose: walk_a\n      at: [0, 0, 0]\n      # after the step\n" in key
    camera = moved(BLOCK, position=(0, -3.5, 1.25), lens_mm=28)
    assert changed_lines(BLOCK, camera) == (["      - 1.2"], ["      - 1.25", "    lens_mm: 28"])


def test_a_shot_without_a_camera_is_given_one_on_a_line_of_its_own() -> None:
    after = moved(FLOW, "SH020", position=(0, -3, 1), target="centre")
    assert changed_lines(FLOW, after) == ([], ["    camera: {position: [0, -3, 1], target: centre}"])
    assert "    length: 4\n    camera: {" in after
    empty = FLOW.replace("    length: 4\n", "    length: 4\n    camera:   # to come\n")
    assert "    camera: {lens_mm: 18}   # to come\n" in moved(empty, "SH020", lens_mm=18)


def test_several_changes_are_one_edit() -> None:
    changes = read_changes(
        [
            {"kind": "puppet", "character": "pim", "key": None, "at": [1, 1, 0]},
            {"kind": "camera", "lens_mm": 21},
            {"kind": "puppet", "character": "pim", "key": 1005, "facing": 8},
        ]
    )
    went, came = changed_lines(FLOW, edited(FLOW, "SH010", changes, PATH))
    assert (len(went), len(came)) == (3, 3)


def test_line_breaks_of_another_system_and_a_missing_last_one_stay() -> None:
    windows = BLOCK.replace("\n", "\r\n")
    after = moved(windows, character="pim", key=1005, at=(0, 0, 0))
    assert "\r\n      at: [0, 0, 0]\r\n" in after
    assert after.count("\n") == after.count("\r\n") == BLOCK.count("\n") + 1
    cut = "scene: SC010\nset: room\nshots:\n  - id: SH010\n    length: 4"
    assert moved(cut, lens_mm=50) == cut + "\n    camera: {lens_mm: 50}"


@pytest.mark.parametrize(
    ("text", "change", "says"),
    [
        (FLOW, {"character": "nobody", "facing": 1}, "nobody called 'nobody' is in the shot"),
        (FLOW, {"character": "pim", "key": 1003, "facing": 1}, "pim has no key at 1003"),
        (FLOW, {"character": "odile", "key": 1001, "facing": 1}, "odile has no key at 1001"),
        ("scene: SC010\nset: room\nshots: {}\n", {"lens_mm": 50}, "the file has no shot SH010"),
        ("scene: [", {"lens_mm": 50}, "broken YAML"),
    ],
)
def test_what_the_file_does_not_have_is_said(text: str, change: dict[str, Any], says: str) -> None:
    with pytest.raises(FilmProblem, match=says.replace("[", r"\[")):
        moved(text, **change)


SHARED = """\
scene: SC010
set: room
spot: &spot [1, 2, 0]
base: &base {lens_mm: 35, angle_deg: 5}
shots:
  - id: SH010
    length: 4
    cast: [{character: pim, at: *spot}]
    camera: *base
  - id: SH020
    length: 4
    cast: [{character: pim, at: &there [0, 0, 0]}]
    camera: {<<: *base, roll_deg: 2}
  - id: SH030
    length: 4
    cast: [{character: pim, at: *there}]
"""


def test_what_an_alias_shares_is_changed_for_one_or_not_at_all() -> None:
    after = moved(SHARED, character="pim", at=(3, 3, 0))
    assert changed_lines(SHARED, after)[1] == ["    cast: [{character: pim, at: [3, 3, 0]}]"]
    merged = moved(SHARED, "SH020", lens_mm=50)
    assert "camera: {<<: *base, roll_deg: 2, lens_mm: 50}" in merged
    for shot, change in (("SH010", {"lens_mm": 50}), ("SH020", {"character": "pim", "at": (9, 9, 0)})):
        with pytest.raises(FilmProblem, match="without changing something else") as told:
            moved(SHARED, shot, **change)
        assert told.value.mend == "edit this field by hand"


numbers = st.floats(-50, 50, allow_nan=False)
places = st.tuples(numbers, numbers, numbers)
FILES = sorted((SAMPLE / "shots").glob("*.yaml"))


@settings(max_examples=40)
@given(data=st.data())
def test_of_the_sample_film_any_puppet_and_any_camera_can_be_moved_and_nothing_else_moves(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(FILES))
    text = path.read_text(encoding="utf-8")
    before = load(text)
    number, shot = data.draw(st.sampled_from(list(enumerate(before["shots"]))))
    cast = shot.get("cast", [])
    if cast and data.draw(st.booleans()):
        member = data.draw(st.sampled_from(range(len(cast))))
        key = data.draw(st.sampled_from([None, *range(len(cast[member]["keys"]))]))
        frame = None if key is None else cast[member]["keys"][key]["frame"]
        change: Any = PuppetMoved(
            character=cast[member]["character"], key=frame, at=data.draw(places), facing=data.draw(numbers)
        )
        there = cast[member] if key is None else cast[member]["keys"][key]
        there.update(at=list(change.at), facing=round(change.facing, 1))
    else:
        change = CameraMoved(position=data.draw(places), target=data.draw(places), lens_mm=data.draw(st.floats(5, 200)))
        shot.setdefault("camera", {}).update(
            position=list(change.position), target=list(change.target), lens_mm=change.lens_mm
        )
    after = edited(text, shot["id"], [change], path)
    assert load(after) == before
    assert [line for line in after.splitlines() if "#" in line] == [line for line in text.splitlines() if "#" in line]
    went, came = changed_lines(text, after)
    assert len(went) <= 3 and len(came) <= 3
    assert diff_of(text, text, "x") == ""
    assert problems_in(text, path) == []
    assert number < len(before["shots"])


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_a_hostile_name_is_a_name_and_nothing_more(name: str) -> None:
    try:
        after = moved(FLOW, character="pim", at=name)
    except FilmProblem as problem:
        # Some characters have no place in a YAML file at all.
        assert problem.mend == "edit this field by hand"
        return
    expected = load(FLOW)
    expected["shots"][0]["cast"][0]["at"] = name
    assert load(after) == expected
    assert len(after.splitlines()) == len(FLOW.splitlines())


@pytest.mark.parametrize(
    "name", ["a: b", "x}, {character: evil", "- x", "# x", "&a", "*a", "!!python/name:os.system", "yes", "1001", "null"]
)
def test_a_name_that_looks_like_yaml_is_quoted(name: str) -> None:
    assert load(moved(FLOW, character="pim", at=name))["shots"][0]["cast"][0]["at"] == name


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"kind": "puppet", "character": "pim"}, "nothing is asked for"),
        ({"kind": "camera"}, "nothing is asked for"),
        ({"kind": "light", "at": [0, 0, 0]}, "kind"),
        ({"kind": "puppet", "character": "pim", "at": [0, 0]}, "at"),
        ({"kind": "puppet", "character": "pim", "at": [float("nan"), 0, 0]}, "finite"),
        ({"kind": "puppet", "character": "pim", "at": [1e9, 0, 0]}, "out of all reach"),
        ({"kind": "puppet", "character": "pim", "key": 3, "facing": 1}, "frames are numbered from 1001"),
        ({"kind": "camera", "lens_mm": 0}, "greater than 4"),
        ({"kind": "camera", "position": [0, 0, 0], "file": "../../etc/passwd"}, "file"),
        ("drop table", "dictionary"),
        (None, "dictionary"),
    ],
)
def test_what_is_no_change_is_refused(asked: Any, says: str) -> None:
    with pytest.raises(FilmProblem, match="this is no change of a shot") as told:
        read_changes(asked)
    assert says in told.value.problem
    assert "docs/review-app.md" in told.value.mend


def test_the_models_have_the_last_word() -> None:
    after = moved(FLOW, target="pim")
    assert [problem.field_name for problem in problems_in(after, PATH)] == ["shots[0].camera"]
    assert problems_in(moved(FLOW, character="pim", at="centre"), PATH) == []


def test_a_diff_is_what_patch_reads() -> None:
    diff = diff_of(FLOW, moved(FLOW, character="pim", facing=41), "shots/SC010.yaml")
    assert diff.startswith("--- a/shots/SC010.yaml\n+++ b/shots/SC010.yaml\n@@ ")
    assert "\n-        facing: 40\n+        facing: 41\n" in diff
    cut = "scene: SC010\nset: room\nshots:\n  - {id: SH010, length: 4}"
    assert "\\ No newline at end of file" in diff_of(cut, moved(cut, lens_mm=50), "x")


def test_numbers_are_written_as_people_write_them() -> None:
    assert written([0.1 + 0.2, -0.0001, 100, -2.50, "a b"]) == '[0.3, 0, 100, -2.5, "a b"]'
    with pytest.raises(NoSuchPlace):
        set_field("a: {b: 1}", ("a", "c", "d"), 1)
    with pytest.raises(NoSuchPlace):
        set_field("a: [1]", ("a", 0), 1)
