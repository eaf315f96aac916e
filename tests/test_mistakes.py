"""Mistakes that show when a film's files are put together: each is named by its file, line, field and mend."""

import json
import pickle
from pathlib import Path

import pytest
from film_makers import a_film, compose_all

from film_pipeline.core.problems import FilmProblem, under
from film_pipeline.departments.film import Film

PIM = "shots[0].cast[0]"


def mistake(root: Path) -> FilmProblem:
    with pytest.raises(FilmProblem) as caught:
        compose_all(root)
    return caught.value


def test_the_small_film_has_no_mistakes(tmp_path: Path) -> None:
    assert list(compose_all(a_film(tmp_path))) == ["SC010_SH010", "SC010_SH020"]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "said", "mend"),
    [
        ("pose: point", "pose: pont", "pose: pont", f"{PIM}.keys[1].pose", "no pose 'pont'", "did you mean point"),
        ("pose: stand", "pose: xyzzy", "pose: xyzzy", f"{PIM}.keys[0].pose", "no pose 'xyzzy'", "crouch"),
        ("{head: [4", "{haed: [4", "haed", f"{PIM}.keys[1].joints.haed", "no joint 'haed'", "did you mean head"),
        ("blink: 0.5", "wink: 0.5", "wink", f"{PIM}.keys[1].face.wink", "no face shape 'wink'", "blink"),
        (
            "face: {blink: 0.5}",
            "hands: {grp_left: 1}",
            "grp_left",
            f"{PIM}.keys[1].hands.grp_left",
            "no hand shape 'grp_left'",
            "did you mean grip_left",
        ),
        (
            "face: {blink: 0.5}",
            "with_poses: {sti: 0.2}",
            "sti",
            f"{PIM}.keys[1].with_poses.sti",
            "no pose 'sti'",
            "did you mean sit",
        ),
        ("look_at: lamp", "look_at: lmap", "lmap", f"{PIM}.keys[1].look_at", "no 'lmap'", "did you mean lamp"),
        ("look_at: lamp", "look_at: pim", "look_at", f"{PIM}.keys[1].look_at", "can't look at itself", "name"),
        ("look_at: lamp", "at: centr", "at: centr", f"{PIM}.keys[1].at", "no mark 'centr'", "did you mean centre"),
        ("facing: lamp", "facing: pim", "facing", f"{PIM}.facing", "can't face itself", "name a mark"),
        ("facing: lamp", "facing: xyzzy", "facing", f"{PIM}.facing", "no 'xyzzy' in this shot", "choose among"),
        ("at: centre", "at: xyzzy", "at: xyzzy", f"{PIM}.at", "no mark 'xyzzy'", "centre, window"),
        ("props: [lantern]", "props: [lanten]", "props", f"{PIM}.props[0]", "no prop 'lanten'", "mean lantern"),
        ("character: pim", "character: pam", "pam", f"{PIM}.character", "no puppet 'pam'", "the cast is pim"),
        ("set: room", "set: rom", "set: rom", "set", "no set 'rom'", "the film's sets are room"),
        ("set: room", "set: ../../rom", "set:", "set", "leads out of", "copy it into"),
        ("subject: pim", "subject: pam", "subject", "shots[0].subject", "no 'pam' to frame", "did you mean pim"),
        ("focus: pim", "focus: pam", "focus", "shots[0].camera.focus", "no 'pam' in this shot", "did you mean pim"),
        ("target: lamp", "target: lmp", "camera: {po", "shots[1].camera.target", "no 'lmp'", "did you mean lamp"),
        ("position: [2, -2, 1], target: lamp", "lens_mm: 20", "{l", "shots[1].camera", "nothing to frame", "name a"),
        ("lamp: {glow", "lmap: {glow", "lmap", "shots[0].pieces.lmap", "no piece 'lmap'", "did you mean lamp"),
        ("{intensity: 150}", "{target: dsk}", "key:", "light.key.target", "no 'dsk'", "did you mean desk"),
        (
            "    camera:\n",
            "    light: {torch: {follows: pim.hand}}\n    camera:\n",
            "torch",
            "shots[0].light.torch.follows",
            "follows 'pim.hand'",
            "pim.hand_left",
        ),
        ("frame: 1005", "frame: 1013", "exposure:", "shots[0].exposure", "outside the shot", "mend the holds"),
        ("frame: 1005", "frame: 1010", "exposure:", "shots[0].exposure", "runs past", "mend the holds"),
        (
            "        - {frame: 1005, frames: 4}",
            "        - {frame: 1005, frames: 4}\n        - {frame: 1005, frames: 2}",
            "exposure:",
            "shots[0].exposure",
            "begins inside another",
            "mend",
        ),
        ("scene: SC010", "scene: SC990", "scene:", "", "SC990 is not in the script", "the script has SC010"),
        ("    camera: {position: [2, -2, 1], target: lamp}", "    look: {grain: {amuont: 1}}\n    subject: lamp",
         "look:", "look.grain.amuont", "no such field", "spelling"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_shot_is_named_by_line_field_and_mend(
    tmp_path: Path, old: str, new: str, line: str, field: str, said: str, mend: str
) -> None:
    root = a_film(tmp_path, shots_SC010_yaml=(old, new))
    problem = mistake(root)
    path = root / "shots" / "SC010.yaml"
    assert problem.file == path
    assert problem.line is not None and line in path.read_text(encoding="utf-8").splitlines()[problem.line - 1]
    assert problem.field_name == field
    assert said in problem.problem
    assert mend in problem.mend


def test_a_light_is_named_where_it_was_last_changed(tmp_path: Path) -> None:
    root = a_film(
        tmp_path,
        sets_room_set_yaml=("target: lamp", "target: candle"),
        shots_SC010_yaml=("light:\n  key: {intensity: 150}\n", ""),
    )
    problem = mistake(root)
    assert (problem.file, problem.field_name) == (root / "sets/room/set.yaml", "lights.key.target")
    assert problem.line == 10


def test_two_files_of_one_scene_are_named(tmp_path: Path) -> None:
    root = a_film(tmp_path)
    (root / "shots/SC020.yaml").write_bytes((root / "shots/SC010.yaml").read_bytes())
    problem = mistake(root)
    assert (problem.file, problem.line) == (root / "shots/SC020.yaml", 1)
    assert "SC010.yaml and SC020.yaml" in problem.problem
    assert problem.mend == "merge them"


def test_one_broken_scene_stops_no_other(tmp_path: Path) -> None:
    root = a_film(tmp_path)
    (root / "shots/SC000.yaml").write_text("scene: [", encoding="utf-8")
    with Film(root) as film:
        assert list(film.shots) == ["SC010_SH010", "SC010_SH020"]
        assert [problem.file for problem in film.problems] == [root / "shots/SC000.yaml"]


def test_a_shot_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with Film(a_film(tmp_path)) as film, pytest.raises(FilmProblem, match="SC010_SH010, SC010_SH020"):
        film.shot("SC010_SH990")


def test_no_production_at_all_says_how_to_begin_one(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="film new"):
        Film.find(tmp_path)


@pytest.mark.parametrize(
    ("link", "named_in", "field"),
    [
        ("script.fountain", "production.yaml", "script"),
        ("shots/SC010.yaml", "shots/SC010.yaml", ""),
        ("sets/room", "shots/SC010.yaml", "set"),
        ("sets/room/set.yaml", "shots/SC010.yaml", "set"),
        ("cast/pim", "shots/SC010.yaml", f"{PIM}.character"),
        ("cast/pim/character.yaml", "shots/SC010.yaml", f"{PIM}.character"),
        ("look/look.yaml", "look/look.yaml", ""),
    ],
)
def test_a_link_out_of_the_production_is_not_followed(tmp_path: Path, link: str, named_in: str, field: str) -> None:
    root = a_film(tmp_path / "film")
    outside = tmp_path / "outside"
    (root / link).rename(outside)
    (root / link).symlink_to(outside)
    problem = mistake(root)
    assert (problem.file, problem.field_name) == (root / named_in, field)
    assert problem.line is not None
    assert "leads out of film/" in problem.problem
    assert problem.mend


def test_a_link_within_the_production_is_followed(tmp_path: Path) -> None:
    root = a_film(tmp_path)
    (root / "cast/pim").rename(root / "cast/pimpernel")
    (root / "cast/pim").symlink_to(root / "cast/pimpernel")
    assert compose_all(root)


@pytest.mark.parametrize("script", ["../script.fountain", "/etc/hostname"])
def test_a_script_elsewhere_is_not_read(tmp_path: Path, script: str) -> None:
    root = a_film(tmp_path / "film", production_yaml=("fps: 24", f"script: {script}"))
    problem = mistake(root)
    assert (problem.file, problem.line, problem.field_name) == (root / "production.yaml", 3, "script")
    assert problem.mend


def test_a_grade_elsewhere_is_not_read(tmp_path: Path) -> None:
    root = a_film(tmp_path / "film", look_look_yaml=("exposure_stops: 0.5", "cdl: ../../grade.cc"))
    (tmp_path / "grade.cc").write_text("<ColorCorrection/>", encoding="utf-8")
    problem = mistake(root)
    assert (problem.file, problem.line, problem.field_name) == (root / "look/look.yaml", 1, "cdl")
    assert "leads out of look/" in problem.problem


def test_a_problem_says_all_it_knows_in_one_line() -> None:
    problem = FilmProblem("there is no set", "build one", Path("shots/SC010.yaml"), 3, "set", "SC010_SH010")
    assert str(problem) == "shots/SC010.yaml:3: set: there is no set. Mend: build one"
    assert str(FilmProblem("it stopped.", shot="SC010_SH010")) == "SC010_SH010: it stopped."


def test_a_problem_survives_a_process_and_json() -> None:
    first = FilmProblem("one", "mend", Path("a.yaml"), 1, "field", "SC010_SH010", [FilmProblem("two")], ("set",))
    again = pickle.loads(pickle.dumps(first))
    assert str(again) == str(first)
    assert (again.steps, [str(other) for other in again.others]) == (("set",), ["two."])
    told = json.loads(json.dumps(first.as_json()))
    assert (told["file"], told["line"], told["others"][0]["problem"]) == ("a.yaml", 1, "two")


def test_a_problem_gathers_the_way_to_its_field_from_inside_outwards() -> None:
    with pytest.raises(FilmProblem) as caught, under("cast", 0), under("keys", 2):
        raise FilmProblem("there is no pose")
    assert caught.value.steps == ("cast", 0, "keys", 2)
