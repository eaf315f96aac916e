"""The look bible, its resolving, and grades as ASC CDL."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.cdl import Cdl, Correction, read_cdl, read_corrections, write_cc, write_ccc, write_cdl
from film_pipeline.core.look import Look, LookFile, read_look, resolve
from film_pipeline.core.problems import FilmProblem

SAMPLE = Path(__file__).parents[1] / "productions" / "the-unwritten-page" / "look" / "look.yaml"
BIBLE = """\
palette: {moon: '#ffffff', lamp: [1.0, 0.5, 0.25]}
exposure_stops: 0.5
grain: {amount: 0.03, size: 2.0}
monochrome: {amount: 0.8, tint: moon}
vfx:
  - {op: glow, amount: 0.2, tint: lamp}
  - {op: ink, width: 3}
scenes:
  SC020:
    exposure_stops: -1
    grain: {amount: 0.05}
    vfx: {glow: {amount: 0.6}, ink: false, dust: {count: 4}}
"""


def written(folder: Path, text: str = BIBLE) -> Path:
    path = folder / "look.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shot_overrides_the_scene_and_the_scene_the_show(tmp_path: Path) -> None:
    bible = read_look(written(tmp_path))
    show = resolve(bible, "SC010", {})
    scene = resolve(bible, "SC020", {})
    shot = resolve(bible, "SC020", {"exposure_stops": 2, "grain": {"seed": 9}})
    assert (show.exposure_stops, scene.exposure_stops, shot.exposure_stops) == (0.5, -1, 2)
    assert (show.grain.amount, scene.grain.amount, shot.grain.amount) == (0.03, 0.05, 0.05)
    assert (shot.grain.size, shot.grain.seed) == (2.0, 9)


def test_a_scene_changes_the_stack_by_name_and_keeps_its_order(tmp_path: Path) -> None:
    bible = read_look(written(tmp_path))
    assert [operation.op for operation in resolve(bible, "SC010", {}).vfx] == ["glow", "ink"]
    changed = resolve(bible, "SC020", {}).vfx
    assert [operation.op for operation in changed] == ["glow", "dust"]
    assert changed[0].amount == 0.6
    assert changed[0].tint == (1.0, 0.5, 0.25)


def test_a_shot_can_give_a_stack_of_its_own(tmp_path: Path) -> None:
    own = resolve(read_look(written(tmp_path)), "SC020", {"vfx": [{"op": "flicker", "stops": 0.1}]})
    assert [operation.op for operation in own.vfx] == ["flicker"]


def test_colours_are_found_in_the_palette_and_hex_is_linearized(tmp_path: Path) -> None:
    look = resolve(read_look(written(tmp_path)), "SC010", {"border": {"paper": "#808080"}})
    assert look.monochrome.tint == (1.0, 1.0, 1.0)
    assert look.border.paper[0] == pytest.approx(0.2158, abs=1e-4)


def test_a_change_of_grain_changes_nothing_but_the_color_part(tmp_path: Path) -> None:
    bible = read_look(written(tmp_path))
    plain, grainy = resolve(bible, "", {}), resolve(bible, "", {"grain": {"amount": 0.1}})
    assert plain.color_part != grainy.color_part
    assert plain.vfx_part == grainy.vfx_part
    assert plain.render_part == grainy.render_part
    assert plain.sha256 != grainy.sha256


def test_a_change_of_ink_leaves_render_and_color_alone(tmp_path: Path) -> None:
    bible = read_look(written(tmp_path))
    plain, inked = resolve(bible, "", {}), resolve(bible, "", {"vfx": {"ink": {"width": 4}}})
    assert plain.vfx_part != inked.vfx_part
    assert plain.color_part == inked.color_part
    assert plain.render_part == inked.render_part


def test_the_same_look_has_the_same_name_however_it_was_reached(tmp_path: Path) -> None:
    bible = read_look(written(tmp_path))
    assert resolve(bible, "", {"exposure_stops": -1.0}).sha256 == resolve(bible, "", {"exposure_stops": -1}).sha256
    assert resolve(LookFile(), "", {}) == Look()


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ({"grian": {"amount": 1}}, "look.grian"),
        ({"grain": {"amuont": 1}}, "look.grain.amuont"),
        ({"grain": {"amount": 9}}, "look.grain.amount"),
        ({"vfx": {"glitter": {}}}, "look.vfx.glitter"),
        ({"vfx": {"ink": {"width": -1}}}, "look.vfx.ink.width"),
        ({"vfx": [{"op": "rain"}]}, "look.vfx[0]"),
        ({"vfx": "none"}, "look.vfx"),
        ({"border": {"paper": "parchment"}}, "look.border.paper"),
        ({"cdl": "nowhere.cc"}, "look.cdl"),
        ({"cdl": {"slope": [1, 1]}}, "look.cdl.slope[2]"),
        ({"cdl": {"power": [0, 1, 1]}}, "look.cdl.power"),
    ],
)
def test_a_wrong_override_is_refused_at_the_shots_line(tmp_path: Path, override: dict[str, object], field: str) -> None:
    bible = read_look(written(tmp_path))
    with pytest.raises(FilmProblem) as refused:
        resolve(bible, "SC010", override, tmp_path / "SC010.yaml", 31)
    assert (refused.value.file, refused.value.line, refused.value.field_name) == (tmp_path / "SC010.yaml", 31, field)
    assert refused.value.mend


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("grain: {amount: 2}\n", 1, "grain.amount"),
        ("scenes:\n  SC010:\n    grain:\n      amount: 2\n", 4, "scenes.SC010.grain.amount"),
        ("vfx:\n  - {op: ink}\n  - {op: ink, widht: 3}\n", 3, "vfx[1].widht"),
        ("exposure: 1\n", 1, "exposure"),
        ("scenes:\n  SC010:\n    vfx:\n      dust: {count: -4}\n", 4, "scenes.SC010.vfx.dust.count"),
    ],
)
def test_a_mistake_in_the_bible_is_named_by_its_line(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(FilmProblem) as refused:
        read_look(written(tmp_path, text))
    assert (refused.value.line, refused.value.field_name) == (line, field)


def test_a_grade_may_stand_in_a_file_beside_the_bible(tmp_path: Path) -> None:
    graded = Cdl(slope=(1.1, 1.0, 0.9), saturation=0.5)
    (tmp_path / "grades.ccc").write_text(
        write_ccc([Correction(id="day"), Correction(id="night", cdl=graded)]), encoding="utf-8"
    )
    bible = read_look(written(tmp_path, "cdl: grades.ccc#night\n"))
    assert resolve(bible, "", {}).cdl == graded
    assert resolve(bible, "", {"cdl": {"file": "grades.ccc#day"}}).cdl == Cdl()
    assert resolve(bible, "", {"cdl": {"saturation": 0.2}}).cdl == Cdl(slope=(1.1, 1.0, 0.9), saturation=0.2)


def test_the_samples_bible_resolves_for_every_scene() -> None:
    bible = read_look(SAMPLE)
    looks = [resolve(bible, scene, {}) for scene in ("SC010", "SC020", "SC030")]
    assert all(look.border.width > 0 and look.monochrome.amount > 0.8 for look in looks)
    assert "graphic novel" in looks[0].prompt_text()


_NUMBER = st.floats(min_value=-4, max_value=4, allow_nan=False)
_POSITIVE = st.floats(min_value=1e-3, max_value=8, allow_nan=False)
_CDLS = st.builds(
    Cdl,
    slope=st.tuples(_POSITIVE, _POSITIVE, _POSITIVE),
    offset=st.tuples(_NUMBER, _NUMBER, _NUMBER),
    power=st.tuples(_POSITIVE, _POSITIVE, _POSITIVE),
    saturation=_POSITIVE,
)


@given(_CDLS, st.text("abc <&>\"'_é", min_size=1, max_size=12))
def test_a_grade_survives_every_kind_of_file(tmp_path_factory: pytest.TempPathFactory, cdl: Cdl, name: str) -> None:
    folder = tmp_path_factory.mktemp("grades")
    correction = Correction(id=name, description="by hand", cdl=cdl)
    for extension, text in (
        ("cc", write_cc(cdl, name, "by hand")),
        ("ccc", write_ccc([correction])),
        ("cdl", write_cdl([correction])),
    ):
        path = folder / f"grade.{extension}"
        path.write_text(text, encoding="utf-8")
        assert read_corrections(path) == (correction,)


def test_our_grades_open_in_opencolorio(tmp_path: Path) -> None:
    import PyOpenColorIO as ocio

    path = tmp_path / "grade.cc"
    path.write_text(write_cc(Cdl(slope=(1.5, 1.0, 0.5), saturation=0.25), "SC010_SH010"), encoding="utf-8")
    transform = ocio.CDLTransform.CreateFromFile(str(path), "SC010_SH010")
    assert transform.getSlope() == [1.5, 1.0, 0.5]
    assert transform.getSat() == 0.25


def test_a_grade_of_an_older_release_without_a_namespace_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.cdl"
    path.write_text(
        "<ColorDecisionList><ColorDecision><ColorCorrection id='a'><SOPNode><Description>x</Description>"
        "<Slope>2 2 2</Slope><Offset>0 0 0</Offset><Power>1 1 1</Power></SOPNode>"
        "<SATNode><Saturation>0.5</Saturation></SATNode></ColorCorrection></ColorDecision></ColorDecisionList>",
        encoding="utf-8",
    )
    assert read_cdl(path) == Cdl(slope=(2, 2, 2), saturation=0.5)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("<ColorCorrection>\n<SOPNode>\n<Slope>1 1</Slope>", 3, "2 numbers where 3 belong"),
        ("<ColorCorrection>\n<SOPNode>\n<Slope>1 one 1</Slope>", 3, "not in numbers"),
        ("<ColorCorrection><SOPNode>\n<Power>1 nan 1</Power>", 2, "finite"),
        ("<ColorCorrection><SOPNode>\n<Slope>-1 1 1</Slope></SOPNode></ColorCorrection>", 2, "at least 0"),
        ("<ColorCorrection>\n<SOPNode></ColorCorrection>", 2, "broken CDL"),
        ("<ColorCorrectionCollection></ColorCorrectionCollection>", 1, "holds no correction"),
        ("<svg></svg>", 1, "no grade"),
        ("slope: 1", 1, "broken CDL"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><ColorCorrection/>', 1, "entity"),
    ],
)
def test_a_malformed_grade_is_named_by_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "grade.cc"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FilmProblem) as refused:
        read_cdl(path)
    assert refused.value.file == path
    assert refused.value.line == line
    assert said in refused.value.problem


def test_a_collection_needs_the_name_of_a_grade(tmp_path: Path) -> None:
    path = tmp_path / "grades.ccc"
    path.write_text(write_ccc([Correction(id="day"), Correction(id="night")]), encoding="utf-8")
    for name in ("", "dusk"):
        with pytest.raises(FilmProblem, match="night"):
            read_cdl(path, name)
