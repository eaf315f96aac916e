"""The cut: assembling, recutting, and where frames play."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.cut import FADE_FRAMES, Cut, assemble, recut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.shot import Line, Shot
from film_pipeline.core.timing import FrameRange

PRODUCTION = Production(name="film", title="Film", handles=4)


def a_cut(**lengths: int) -> Cut:
    return assemble(PRODUCTION, {name: Shot(id="SH010", length=length) for name, length in lengths.items()})


def test_the_assembly_plays_every_shot_in_order_less_its_handles() -> None:
    cut = a_cut(a=20, b=48)
    assert [(clip.shot, str(clip.source), str(clip.available)) for clip in cut.clips] == [
        ("a", "1005-1016", "1001-1020"),
        ("b", "1005-1044", "1001-1048"),
    ]
    assert cut.length == 12 + 40
    assert cut.rate == PRODUCTION.rate


def test_a_shot_of_handles_alone_is_refused() -> None:
    with pytest.raises(FilmProblem, match="handles alone take 8") as refused:
        a_cut(a=8)
    assert refused.value.shot == "a"
    assert refused.value.mend
    assert a_cut(a=9).length == 1


@given(st.lists(st.integers(9, 60), min_size=1, max_size=6))
def test_every_frame_of_the_cut_is_found_where_it_plays(lengths: list[int]) -> None:
    cut = a_cut(**{f"shot{number}": length for number, length in enumerate(lengths)})
    places = list(cut.frames())
    assert [place for place, _, _ in places] == list(range(cut.length))
    for place, clip, frame in places:
        assert cut.place_of(clip.shot, frame) == place
        assert cut.start_of(clip.shot) == place - (frame - clip.available.first_frame)


def test_what_the_cut_does_not_show_has_no_place() -> None:
    cut = a_cut(a=20)
    assert cut.place_of("a", 1001) is None
    assert cut.place_of("b", 1005) is None
    assert cut.start_of("b") is None


def test_an_edit_reorders_trims_and_repeats_shots() -> None:
    cut = recut(a_cut(a=20, b=48), [("b", 1001, 1010), ("a", 1005, 1006), ("b", 1040, 1048)])
    assert [(clip.shot, clip.source) for clip in cut.clips] == [
        ("b", FrameRange(1001, 1010)),
        ("a", FrameRange(1005, 1006)),
        ("b", FrameRange(1040, 1048)),
    ]
    assert cut.length == 21


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([("c", 1001, 1002)], "'c', which the film does not have"),
        ([("a", 1010, 1002)], "runs backwards"),
        ([("a", 1001, 1021)], "plays 1001 to 1021, and the shot has 1001-1020"),
        ([("a", 1000, 1010)], "plays 1000 to 1010"),
        ([], "no clips"),
    ],
)
def test_an_edit_of_what_was_never_shot_is_refused(wanted: list[tuple[str, int, int]], said: str) -> None:
    with pytest.raises(FilmProblem, match=said) as refused:
        recut(a_cut(a=20), wanted)
    assert refused.value.mend


def test_a_fade_rises_from_black_and_falls_to_black() -> None:
    shots = {
        "in": Shot(id="SH010", length=60, transition="fade in"),
        "cut": Shot(id="SH020", length=60),
        "out": Shot(id="SH030", length=60, transition="fade out"),
    }
    fading_in, plain, fading_out = assemble(PRODUCTION, shots).clips
    rising = [fading_in.level(frame) for frame in fading_in.source]
    assert rising == sorted(rising)
    assert 0 < rising[0] < 0.1 and set(rising[FADE_FRAMES:]) == {1.0}
    assert {plain.level(frame) for frame in plain.source} == {1.0}
    assert [fading_out.level(frame) for frame in fading_out.source] == pytest.approx(rising[::-1])


def test_dialogue_is_marked_where_it_is_heard() -> None:
    line = Line(character="PIM", text="You dropped this.", frame=1017)
    [clip] = assemble(PRODUCTION, {"a": Shot(id="SH010", length=48, dialogue=(line,))}).clips
    assert [(marker.frame, marker.name) for marker in clip.markers] == [(1017, "PIM: You dropped this.")]
