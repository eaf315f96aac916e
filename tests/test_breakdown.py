"""The breakdown: a first shot list out of a script alone."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_pipeline.core import poses
from film_pipeline.core.acting import POSE_OF_VERB, acts_in
from film_pipeline.core.beats import beats_of, spoken_seconds
from film_pipeline.core.breakdown import breakdown_yaml, needed_characters, needed_sets, propose_shots
from film_pipeline.core.files import read_yaml
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.screenplay import Screenplay, read_screenplay
from film_pipeline.core.shot import ExposurePlan, SceneFile, Shot
from film_pipeline.core.skeleton import PARENTS
from film_pipeline.core.slugs import slug, slugs_of
from film_pipeline.core.timing import FIRST_FRAME, Rate

DATA = Path(__file__).parent / "data"
FILM = Rate.parse(24)


def break_down(screenplay: Screenplay, rate: Rate = FILM) -> list[SceneFile]:
    characters = [needed.name for needed in needed_characters(screenplay)]
    sets = [needed.name for needed in needed_sets(screenplay)]
    return [propose_shots(scene, characters, sets, rate) for scene in screenplay.scenes]


def of_text(tmp_path: Path, text: str) -> list[SceneFile]:
    path = tmp_path / "script.fountain"
    path.write_text(text, encoding="utf-8")
    return break_down(read_screenplay(path))


@pytest.fixture
def lamplighter() -> SceneFile:
    return break_down(read_screenplay(DATA / "the_lamplighter.fountain"))[0]


def saying(scene: SceneFile, words: str) -> Shot:
    return next(shot for shot in scene.shots if any(words in line.text for line in shot.dialogue))


def test_a_scene_opens_wide_on_those_who_are_there(lamplighter: SceneFile) -> None:
    opening = lamplighter.shots[0]
    assert (opening.id, opening.size, opening.transition) == ("SH010", "wide", "fade in")
    assert [member.character for member in opening.cast] == ["bram"]
    assert opening.cast[0].keys[0].pose == "sit"
    assert opening.cast[0].keys[-1].pose == "sit_write"
    assert "BRASS CLOCK" in opening.action


def test_coverage_alternates_by_speaker_and_grows_closer(lamplighter: SceneFile) -> None:
    singles = [(shot.subject, shot.size) for shot in lamplighter.shots if len(shot.dialogue) == 1]
    assert ("ida", "medium") in singles and ("bram", "medium close-up") in singles
    for before, after in zip(lamplighter.shots, lamplighter.shots[1:], strict=False):
        assert (before.subject, before.size) != (after.subject, after.size)


def test_capitalised_things_get_an_insert_and_people_and_sounds_do_not(lamplighter: SceneFile) -> None:
    inserts = [shot.action for shot in lamplighter.shots if shot.size == "insert"]
    assert inserts == ["INSERT - LANTERN", "INSERT - THE PLATE Scratched letters: LIGHT ME."]


def test_a_long_scene_closes_wide(lamplighter: SceneFile) -> None:
    assert lamplighter.shots[-1].size == "wide"


def test_whoever_enters_is_not_there_before_and_walks_in(lamplighter: SceneFile) -> None:
    entrance = next(place for place, shot in enumerate(lamplighter.shots) if "enters" in shot.action)
    before = {member.character for shot in lamplighter.shots[:entrance] for member in shot.cast}
    assert "ida" not in before
    ida = next(member for member in lamplighter.shots[entrance].cast if member.character == "ida")
    assert {"walk_a", "walk_b", "hold_out"} <= {key.pose for key in ida.keys}
    places = [key.at for key in ida.keys]
    assert isinstance(places[0], tuple) and isinstance(places[-1], tuple) and places[0][0] > places[-1][0] > 0


def test_whoever_left_is_not_there_after(lamplighter: SceneFile) -> None:
    assert [member.character for member in lamplighter.shots[-1].cast] == ["bram"]


def test_the_camera_never_crosses_the_line(lamplighter: SceneFile) -> None:
    for shot in lamplighter.shots:
        if shot.camera.position is not None:
            assert shot.camera.position[1] < 0
            continue
        subject = next(member for member in shot.cast if member.character == shot.subjects[0])
        first = subject.keys[0].facing
        facing = first if isinstance(first, float) else subject.facing
        assert isinstance(facing, float)
        # The direction from the subject to the camera, as a puppet's facing is counted: 0 looks along -y.
        assert math.cos(math.radians(facing + shot.camera.angle_deg)) > 0
    left = {member.at[0] for shot in lamplighter.shots for member in shot.cast if member.character == "bram"}
    assert all(isinstance(x, float) and x < 0 for x in left)


def test_a_line_takes_its_reading_time_and_a_tail(lamplighter: SceneFile) -> None:
    shot = saying(lamplighter, "We are closed")
    line = shot.dialogue[0]
    spoken = FILM.frames(spoken_seconds(line.text))
    assert spoken == round(11 / 2.5 * 24)
    assert line.frame > FIRST_FRAME
    assert line.frame + spoken < FIRST_FRAME + shot.length <= line.frame + spoken + 24


def test_lips_move_while_somebody_speaks_and_are_closed_after(lamplighter: SceneFile) -> None:
    shot = saying(lamplighter, "We are closed")
    keys = shot.cast[0].keys
    moving = [key.frame for key in keys if key.face.get("jaw_open", 0) > 0]
    assert len(moving) > 10
    assert all((frame - FIRST_FRAME) % 2 == 0 for frame in moving)
    last = shot.dialogue[0].frame + FILM.frames(spoken_seconds(shot.dialogue[0].text))
    assert shot.dialogue[0].frame < moving[0] and moving[-1] <= last
    assert "jaw_open" not in keys[-1].face


def test_two_who_speak_at_once_are_seen_together(lamplighter: SceneFile) -> None:
    shot = saying(lamplighter, "You do.")
    assert [line.text for line in shot.dialogue] == ["You do.", "I don't."]
    assert shot.dialogue[0].frame == shot.dialogue[1].frame
    assert {member.character for member in shot.cast} == {"bram", "ida"}


def test_a_voice_over_leaves_the_lips_closed(lamplighter: SceneFile) -> None:
    shot = saying(lamplighter, "forty years ago")
    assert all("jaw_open" not in key.face for member in shot.cast for key in member.keys)


def test_stillness_is_held(lamplighter: SceneFile) -> None:
    closing = lamplighter.shots[-1]
    assert closing.exposure is not None and closing.exposure.holds
    assert len(closing.exposure_sheet(ExposurePlan()).unique_frames) < closing.length / 4


def test_somebody_who_sits_listens_sitting(lamplighter: SceneFile) -> None:
    shot = saying(lamplighter, "went out at the bridge")
    bram = next(member for member in shot.cast if member.character == "bram")
    assert all(key.pose.startswith("sit") for key in bram.keys)


def test_what_is_not_done_is_not_acted() -> None:
    assert [act.pose for act in acts_in("Without looking up, she sits and writes.")] == ["sit", "sit_write"]
    assert acts_in("The lamp flickers.") == []


def test_every_pose_that_a_verb_asks_for_is_in_the_library() -> None:
    known = set(poses.POSES)
    for pose in set(POSE_OF_VERB.values()):
        assert ({pose} if pose not in ("walk", "climb") else {f"{pose}_a", f"{pose}_b"}) <= known


def test_names_pile_up_until_a_verb_comes() -> None:
    scene = read_screenplay(DATA / "the_bridge.fountain").scenes[1]
    doings = [(name, act.pose) for name, act in beats_of(scene)[0].doings]
    assert doings == [("MOTHER", "sit"), ("FATHER", "sit"), ("JUNE", "sit"), ("ANNA", "walk"), ("ANNA", "sit")]


def test_everybody_needs_a_puppet_of_their_own() -> None:
    needed = needed_characters(read_screenplay(DATA / "the_bridge.fountain"))
    names = [each.name for each in needed]
    assert names == ["vera", "anna_80e2", "mother", "father", "june", "anna"]
    assert needed[2].lines == 2


def test_a_place_seen_from_inside_and_outside_is_two_sets() -> None:
    screenplay = read_screenplay(DATA / "the_bridge.fountain")
    assert [each.name for each in needed_sets(screenplay)] == ["most", "kitchen", "kitchen_exterior"]
    assert [scene.set for scene in break_down(screenplay)] == ["most", "kitchen", "kitchen_exterior"]


def test_a_set_that_is_named_in_the_heading_is_used(tmp_path: Path) -> None:
    path = tmp_path / "s.fountain"
    path.write_text("INT. ARCHIVIST'S STUDY - NIGHT\n\nGo.\n\nINT. STAIRCASE\n\nGo.\n\nEXT. MOON\n\nGo.")
    scenes = read_screenplay(path).scenes
    assert [propose_shots(scene, [], ["study", "stair"], FILM).set for scene in scenes] == ["study", "stair", "moon"]


def test_people_without_a_puppet_are_heard_and_named_in_the_notes() -> None:
    scene = read_screenplay(DATA / "the_lamplighter.fountain").scenes[0]
    proposed = propose_shots(scene, ["bram"], [], FILM)
    assert {member.character for shot in proposed.shots for member in shot.cast} == {"bram"}
    assert proposed.shots[0].notes == "Without a puppet: IDA."
    assert saying(proposed, "went out at the bridge").dialogue[0].character == "ida"


def test_an_empty_scene_is_still_a_shot(tmp_path: Path) -> None:
    scene = of_text(tmp_path, "EXT. SEA - DAWN")[0]
    assert [(shot.size, shot.cast, shot.camera.position is not None) for shot in scene.shots] == [("wide", (), True)]


@pytest.mark.parametrize("rate", ["23.976", "24", "25", "29.97", "30", "60"])
def test_a_breakdown_lasts_as_long_at_every_rate(rate: str) -> None:
    screenplay = read_screenplay(DATA / "the_lamplighter.fountain")
    for scene, filmed in zip(break_down(screenplay, Rate.parse(rate)), break_down(screenplay), strict=True):
        seconds = float(Rate.parse(rate).seconds(sum(shot.length for shot in scene.shots)))
        assert seconds == pytest.approx(float(FILM.seconds(sum(shot.length for shot in filmed.shots))), rel=0.03)


@pytest.mark.parametrize("script", ["the_lamplighter.fountain", "the_bridge.fountain"])
def test_the_yaml_reads_back_equal(tmp_path: Path, script: str) -> None:
    for scene in break_down(read_screenplay(DATA / script)):
        path = tmp_path / f"{scene.scene}.yaml"
        path.write_text(breakdown_yaml(scene, "Proposed from the script.\n\nChange what you like."), encoding="utf-8")
        assert read_yaml(path, SceneFile) == scene
        assert path.read_text(encoding="utf-8").startswith("# Proposed from the script.\n#\n# Change what you like.\n")


_WHO = st.sampled_from(["ODILE", "PIM", "ОДИЛЬ", "@小明", "@Éva", "MAN #2", "GUARD (V.O.)", "PIM ^"])
_DONE = st.sampled_from(
    [
        "Odile sits and writes. PIM, a courier, enters with a LANTERN.",
        "PIM climbs. He knocks three times, then leaves.",
        "CLOSE ON - A PAGE: yes",
        "She looks up. \u0007 'Quote' # not a comment: {x}",
        "> CUT TO:",
        "Nobody moves.",
    ]
)
_SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.one_of(st.tuples(_WHO, _SAID).map(list), _DONE.map(lambda text: [text])), max_size=8))
def test_any_scene_breaks_down_into_shots_that_hold_together(tmp_path: Path, parts: list[list[str]]) -> None:
    body = "\n\n".join("\n".join(part) for part in parts)
    try:
        scenes = of_text(tmp_path, f"INT. X - DAY\n\n{body}\n")
    except FilmProblem:
        return
    known = poses.library()
    for scene in scenes:
        path = tmp_path / "SC.yaml"
        path.write_text(breakdown_yaml(scene, "proposed"), encoding="utf-8")
        assert read_yaml(path, SceneFile) == scene
        for shot in scene.shots:
            shot.exposure_sheet(ExposurePlan())
            assert all(line.frame in shot.frames for line in shot.dialogue)
            for member in shot.cast:
                assert all(key.frame in shot.frames for key in member.keys)
                for key in member.keys:
                    poses.key_pose(key, known, [*PARENTS])


@settings(max_examples=300, deadline=None)
@given(names=st.lists(st.text(max_size=30), max_size=8))
def test_names_become_identifiers_that_are_never_empty_and_never_collide(names: list[str]) -> None:
    found = slugs_of(names)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(found)
    assert all(name.isascii() and name.isidentifier() and name == name.lower() for name in found.values())
    assert slugs_of(reversed(names)) == found


def test_names_of_other_alphabets_are_spelt_out() -> None:
    assert [slug(name) for name in ("ОДИЛЬ", "ÉLOÏSE", "ピム", "김", "小明", "O'BRIEN", "1ST MAN")] == [
        "odil",
        "eloise",
        "pimu",
        "gim",
        "u5c0f_u660e",
        "obrien",
        "n1st_man",
    ]
