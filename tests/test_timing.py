"""Rates, frame ranges, timecode and the exposure sheet."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.timing import FIRST_FRAME, Exposure, ExposureSheet, FrameRange, Rate

WRITTEN = ("23.976", "24", "25", "29.97", "30", "47.952", "48", "50", "59.94", "60")
RATES = st.sampled_from(WRITTEN).map(Rate.parse)
HOUR_FRAMES = st.integers(0, 60 * 3600)


@st.composite
def plans(draw: st.DrawFn) -> tuple[FrameRange, int, list[tuple[int, int]]]:
    """A range, a rhythm and holds that neither overlap nor leave the range, in any order."""
    frames = FrameRange.of_length(draw(st.integers(1, 120)), draw(st.integers(1, 2000)))
    cuts = sorted(draw(st.sets(st.sampled_from(list(frames)), max_size=10)))
    holds = []
    for first, following in zip(cuts[::2], [*cuts[2::2], frames.last_frame + 1], strict=False):
        holds.append((first, draw(st.integers(1, following - first))))
    return frames, draw(st.integers(1, 6)), draw(st.permutations(holds))


def walked(frames: FrameRange, on: int, holds: list[tuple[int, int]]) -> dict[int, int]:
    """The picture on screen at every frame, found frame by frame as an animator counts."""
    held, shown, current, left = dict(holds), {}, 0, 0
    for frame in frames:
        if frame in held:
            current, left = frame, held[frame]
        elif left == 0:
            current, left = frame, on
        shown[frame] = current
        left -= 1
    return shown


@pytest.mark.parametrize(
    ("written", "fps"),
    [
        ("23.976", Fraction(24000, 1001)),
        (23.976, Fraction(24000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        (24, Fraction(24)),
        (24.0, Fraction(24)),
        ("25", Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        ("30", Fraction(30)),
        ("59.94", Fraction(60000, 1001)),
    ],
)
def test_a_rate_is_an_exact_fraction(written: str | float, fps: Fraction) -> None:
    assert Rate.parse(written).fps == fps


@settings(deadline=None)
@given(RATES)
def test_a_rates_label_is_read_as_the_same_rate(rate: Rate) -> None:
    assert Rate.parse(rate.label) == rate
    assert Rate.parse(f"{rate.numerator}/{rate.denominator}") == rate


@pytest.mark.parametrize(
    "written", ["0", "-24", "24/0", "nan", "inf", "fast", "", "23.98", "1e3", "1e99999999", "24/7", "10000", "٢٤"]
)
def test_what_is_no_rate_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"rate"):
        Rate.parse(written)


@settings(deadline=None)
@given(RATES, HOUR_FRAMES)
def test_seconds_and_frames_are_each_others_inverse(rate: Rate, frames: int) -> None:
    assert rate.frames(rate.seconds(frames)) == frames
    assert rate.seconds(frames) * rate.fps == frames


@settings(deadline=None)
@given(RATES, HOUR_FRAMES, st.sampled_from([44_100, 48_000, 96_000]))
def test_sound_never_drifts_from_the_picture(rate: Rate, frame: int, sample_rate: int) -> None:
    off = Fraction(rate.samples(frame, sample_rate), sample_rate) - rate.seconds(frame)
    assert abs(off) <= Fraction(1, 2 * sample_rate)


@pytest.mark.parametrize("rate", [Rate.parse(written) for written in WRITTEN[:5]], ids=WRITTEN[:5])
def test_the_frames_of_an_hour_share_out_its_samples_evenly(rate: Rate) -> None:
    hour = rate.frames(3600)
    starts = [rate.samples(frame, 48_000) for frame in range(hour + 1)]
    lengths = {after - before for before, after in itertools.pairwise(starts)}
    assert max(lengths) - min(lengths) <= 1
    assert abs(Fraction(starts[-1]) - rate.seconds(hour) * 48_000) <= Fraction(1, 2)


@settings(deadline=None)
@given(RATES, HOUR_FRAMES)
def test_timecode_counts_back_to_its_frame(rate: Rate, frame: int) -> None:
    hours, minutes, seconds, frames = (int(part) for part in rate.timecode(frame).split(":"))
    assert minutes < 60 and seconds < 60 and frames < rate.timebase
    assert ((hours * 60 + minutes) * 60 + seconds) * rate.timebase + frames == frame


def test_timecode_runs_over_into_seconds_and_hours() -> None:
    assert Rate.parse("23.976").timecode(23) == "00:00:00:23"
    assert Rate.parse("23.976").timecode(24) == "00:00:01:00"
    assert Rate.parse("25").timecode(25 * 3600) == "01:00:00:00"


def test_a_shot_begins_at_1001_and_includes_its_last_frame() -> None:
    frames = FrameRange.of_length(48)
    assert (frames.first_frame, frames.last_frame, len(frames), str(frames)) == (1001, 1048, 48, "1001-1048")
    assert 1001 in frames and 1048 in frames
    assert 1000 not in frames and 1049 not in frames and "1001" not in frames
    assert list(frames) == list(range(1001, 1049))


def test_handles_lengthen_a_range_at_both_ends() -> None:
    assert FrameRange(1001, 1010).with_handles(8) == FrameRange(993, 1018)


def test_a_range_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="runs forward"):
        FrameRange(1002, 1001)
    with pytest.raises(ValueError, match="at least one frame"):
        FrameRange.of_length(0)


@settings(deadline=None)
@given(plans())
def test_a_sheet_covers_its_range_exactly_whatever_is_held(plan: tuple[FrameRange, int, list[tuple[int, int]]]) -> None:
    frames, on, holds = plan
    sheet = ExposureSheet.shoot(frames, on, holds)
    covered = [exposure.frame + place for exposure in sheet.exposures for place in range(exposure.held_frames)]
    assert covered == list(frames)
    assert sheet.unique_frames == tuple(exposure.frame for exposure in sheet.exposures)
    held = dict(holds)
    for exposure in sheet.exposures:
        assert exposure.held_frames == held[exposure.frame] if exposure.frame in held else exposure.held_frames <= on
    assert set(held) <= set(sheet.unique_frames)


@settings(deadline=None)
@given(plans())
def test_what_is_exposed_agrees_with_a_walk_along_the_film(plan: tuple[FrameRange, int, list[tuple[int, int]]]) -> None:
    frames, on, holds = plan
    sheet = ExposureSheet.shoot(frames, on, holds)
    assert {frame: sheet.exposed(frame) for frame in frames} == walked(frames, on, holds)


def test_on_twos_every_second_frame_is_shot() -> None:
    assert ExposureSheet.shoot(FrameRange(1001, 1007)).unique_frames == (1001, 1003, 1005, 1007)


def test_a_hold_cuts_the_rhythm_short_and_the_rhythm_goes_on_after_it() -> None:
    sheet = ExposureSheet.shoot(FrameRange(1001, 1012), on=2, holds=[(1004, 5)])
    assert sheet.exposures == (
        Exposure(1001, 2),
        Exposure(1003, 1),
        Exposure(1004, 5),
        Exposure(1009, 2),
        Exposure(1011, 2),
    )


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ([(1000, 2)], "hold at frame 1000 is outside the shot"),
        ([(1011, 2)], "hold at frame 1011 is outside the shot"),
        ([(1009, 3)], "hold at frame 1009 runs past"),
        ([(1003, 0)], "lasts 0 frames"),
        ([(1003, -2)], "lasts -2 frames"),
        ([(1003, 4), (1005, 2)], "hold at frame 1005 begins inside another"),
        ([(1003, 2), (1003, 4)], "hold at frame 1003 begins inside another"),
    ],
)
def test_a_hold_that_cannot_be_is_refused(holds: list[tuple[int, int]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ExposureSheet.shoot(FrameRange.of_length(10), 2, holds)


def test_a_sheet_is_never_asked_for_a_frame_outside_the_shot() -> None:
    sheet = ExposureSheet.shoot(FrameRange.of_length(4))
    for frame in (FIRST_FRAME - 1, FIRST_FRAME + 4):
        with pytest.raises(ValueError, match="outside the shot"):
            sheet.exposed(frame)
    with pytest.raises(ValueError, match="on ones or more"):
        ExposureSheet.shoot(FrameRange.of_length(4), on=0)


@pytest.mark.parametrize(
    "exposures",
    [
        (Exposure(1001, 2), Exposure(1004, 1)),
        (Exposure(1001, 3), Exposure(1003, 2)),
        (Exposure(1001, 2),),
        (Exposure(1001, 5),),
        (Exposure(1001, 0), Exposure(1001, 4)),
    ],
)
def test_a_sheet_with_a_gap_or_an_overlap_cannot_be(exposures: tuple[Exposure, ...]) -> None:
    with pytest.raises(ValueError, match="exposure sheet"):
        ExposureSheet(FrameRange(1001, 1004), exposures)
