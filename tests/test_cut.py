"""The cut: where frames play, how fades go, the first assembly, and an edit laid over it."""

import pytest
from cut_samples import a_clip, a_cut, assembly_of, cuts, events, plays
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.cut import FADE_FRAMES, Cut, assemble, recut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.core.shot import Line, Shot
from film_pipeline.core.timing import FrameRange

PRODUCTION = Production(name="a-film", title="A Film", handles=8)


def _naively(cut: Cut) -> list[tuple[str, int]]:
    return [
        (clip.shot, frame)
        for clip in cut.clips
        for frame in range(clip.source.first_frame, 9999)
        if frame in clip.source
    ]


@given(cuts())
def test_a_cut_agrees_with_the_list_of_its_frames(cut: Cut) -> None:
    naive = _naively(cut)
    assert [(clip.shot, frame) for _, clip, frame in cut.frames()] == naive
    assert [place for place, _, _ in cut.frames()] == list(range(cut.length)) == list(range(len(naive)))
    for clip in cut.clips:
        for frame in clip.available:
            expected = naive.index((clip.shot, frame)) if (clip.shot, frame) in naive else None
            assert cut.place_of(clip.shot, frame) == expected
    assert cut.place_of("SC999_SH010", 1001) is None


@given(cuts())
def test_a_shot_starts_where_its_first_frame_would_be_but_for_the_trim(cut: Cut) -> None:
    for clip in cut.clips:
        start = cut.start_of(clip.shot)
        first = next(other for other in cut.clips if other.shot == clip.shot).source.first_frame
        assert start is not None
        assert start + first - 1001 == cut.place_of(clip.shot, first)
    assert cut.start_of("SC999_SH010") is None


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_fade_rises_to_full_and_falls_from_it(length: int, fade_in: int, fade_out: int) -> None:
    clip = a_clip("SC010_SH010", length, 0, fade_in=min(fade_in, length), fade_out=min(fade_out, length))
    levels = [clip.level(frame) for frame in clip.source]
    assert all(0 < level <= 1 for level in levels)
    rising, falling = levels[: clip.fade_in], levels[len(levels) - clip.fade_out :]
    if clip.fade_in + clip.fade_out <= length:
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)
        assert set(levels[clip.fade_in : length - clip.fade_out]) <= {1.0}
    assert (len(rising) == 0 or levels[0] < 1) and (len(falling) == 0 or levels[-1] < 1)


def test_a_fade_in_and_a_fade_out_mirror_each_other() -> None:
    into = a_clip("SC010_SH010", 20, 0, fade_in=10)
    out = a_clip("SC010_SH010", 20, 0, fade_out=10)
    assert [into.level(frame) for frame in into.source] == [out.level(frame) for frame in reversed(list(out.source))]


def test_the_first_assembly_is_every_shot_less_its_handles() -> None:
    shots = {
        "SC010_SH010": Shot(
            id="SH010", length=40, transition="fade in", dialogue=(Line(character="PIM", text="Oh", frame=1020),)
        ),
        "SC010_SH020": Shot(id="SH020", length=17, transition="fade out"),
    }
    cut = assemble(PRODUCTION, shots, {"SC010_SH010": "t003"})
    assert plays(cut) == [("SC010_SH010", 1009, 1032), ("SC010_SH020", 1009, 1009)]
    assert [clip.available for clip in cut.clips] == [FrameRange(1001, 1040), FrameRange(1001, 1017)]
    assert [clip.take for clip in cut.clips] == ["t003", ""]
    assert (cut.clips[0].fade_in, cut.clips[1].fade_out) == (FADE_FRAMES, 1)
    assert [(marker.frame, marker.name) for marker in cut.clips[0].markers] == [(1020, "PIM: Oh")]


def test_a_shot_that_is_all_handles_is_refused_by_name() -> None:
    with pytest.raises(FilmProblem, match=r"16 frames long.*handles") as refused:
        assemble(PRODUCTION, {"SC010_SH010": Shot(id="SH010", length=16)})
    assert refused.value.shot == "SC010_SH010"


@given(cuts())
def test_any_order_and_trim_inside_what_was_shot_can_be_cut(cut: Cut) -> None:
    again = recut(assembly_of(cut), events(*plays(cut)))
    assert again == cut


def test_a_shot_that_plays_twice_fades_in_once_and_out_once() -> None:
    cut = Cut("A", a_cut().rate, (a_clip("SC010_SH010", fade_in=16, fade_out=16), a_clip("SC010_SH020")), (64, 64))
    cut = recut(cut, events(("SC010_SH010", 1009, 1020), ("SC010_SH020", 1009, 1020), ("SC010_SH010", 1021, 1040)))
    assert [(clip.fade_in, clip.fade_out) for clip in cut.clips] == [(12, 0), (0, 0), (0, 16)]
    assert cut.place_of("SC010_SH010", 1021) == 24


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (("SC010_SH011", 1009, 1020), "event 2 is of 'SC010_SH011'.*did you mean SC010_SH010"),
        (("SC010_SH010", 1000, 1020), "event 2 plays 1000 to 1020 of SC010_SH010, which has 1001-1048"),
        (("SC010_SH010", 1009, 1049), "event 2 plays 1009 to 1049"),
        (("SC010_SH010", 1020, 1009), "event 2 plays no frame"),
    ],
)
def test_an_edit_of_what_was_never_shot_is_refused_by_its_event(event: tuple[str, int, int], told: str) -> None:
    with pytest.raises(FilmProblem, match=told):
        recut(a_cut(), events(("SC010_SH020", 1009, 1020), event))


def test_an_edit_without_clips_is_refused() -> None:
    with pytest.raises(FilmProblem, match="no clips"):
        recut(a_cut(), [])
