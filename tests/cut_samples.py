"""Cuts for the tests of editorial."""

from dataclasses import replace

from hypothesis import strategies as st

from film_pipeline.core.cut import Clip, Cut, EditEvent, Marker
from film_pipeline.core.timing import FrameRange, Rate

RATES = ("23.976", "24", "25", "29.97", "30")


def a_clip(shot: str, length: int = 48, handles: int = 8, **more: object) -> Clip:
    clip = Clip(shot, FrameRange(1001 + handles, 1000 + length - handles), FrameRange(1001, 1000 + length))
    return replace(clip, **more)


def a_cut(rate: str = "24", shots: tuple[str, ...] = ("SC010_SH010", "SC010_SH020", "SC020_SH010")) -> Cut:
    """Three shots of 48 frames with handles of 8; the first has a line of dialogue at 1012."""
    clips = [a_clip(shot) for shot in shots]
    clips[0] = replace(clips[0], markers=(Marker(1012, "PIM: Who is there?"),))
    return Cut("The Unwritten Page", Rate.parse(rate), tuple(clips), (1280, 720))


def plays(cut: Cut) -> list[tuple[str, int, int]]:
    return [(clip.shot, clip.source.first_frame, clip.source.last_frame) for clip in cut.clips]


def events(*played: tuple[str, int, int]) -> list[EditEvent]:
    return [EditEvent(*one, number) for number, one in enumerate(played, 1)]


@st.composite
def cuts(draw: st.DrawFn, most: int = 5) -> Cut:
    """An assembly at any rate, and an edit of it that may use a shot twice or leave one out."""
    shots = draw(st.lists(st.integers(1, 60), min_size=1, max_size=most))
    available = [FrameRange(1001, 1000 + length) for length in shots]
    clips = []
    for number in draw(st.lists(st.integers(0, len(shots) - 1), min_size=1, max_size=2 * most)):
        first = draw(st.integers(1001, available[number].last_frame))
        last = draw(st.integers(first, available[number].last_frame))
        clips.append(Clip(f"SC010_SH{number + 1:02d}0", FrameRange(first, last), available[number]))
    return Cut("Any", Rate.parse(draw(st.sampled_from(RATES))), tuple(clips), (640, 360))


def assembly_of(cut: Cut) -> Cut:
    """Every shot of a cut once, as it was shot."""
    whole = {clip.shot: replace(clip, source=clip.available) for clip in cut.clips}
    return replace(cut, clips=tuple(whole.values()))
