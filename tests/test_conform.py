"""OTIO out and back: an edit comes home as its order and its trims, and everything else is refused by its event."""

import json
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest
from cut_samples import RATES, a_cut, assembly_of, cuts, plays
from hypothesis import HealthCheck, given, settings
from opentimelineio.opentime import RationalTime, TimeRange

from film_pipeline.core.cut import Cut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.editorial.conform import conform
from film_pipeline.editorial.timeline import to_otio, write_otio

MEDIA = {shot: f"../{shot}_edit_proxy_v001.mp4" for shot in ("SC010_SH010", "SC010_SH020", "SC020_SH010")}
Edit = Callable[[otio.schema.Timeline], object]


def edited(tmp_path: Path, edit: Edit, rate: str = "24") -> Path:
    """Our timeline after somebody worked on it."""
    timeline = to_otio(a_cut(rate), MEDIA, "mix.wav")
    edit(timeline)
    path = tmp_path / "edited.otio"
    otio.adapters.write_to_file(timeline, str(path))
    return path


def picture(timeline: otio.schema.Timeline) -> otio.schema.Track:
    return timeline.video_tracks()[0]


def frames(first: float, length: float, rate: float = 24.0) -> TimeRange:
    return TimeRange(RationalTime(first, rate), RationalTime(length, rate))


@pytest.mark.parametrize("rate", RATES)
def test_an_unchanged_timeline_is_the_same_cut(tmp_path: Path, rate: str) -> None:
    cut = a_cut(rate)
    write_otio(cut, MEDIA, "mix.wav", tmp_path / "cut.otio")
    assert conform(cut, tmp_path / "cut.otio") == cut


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts())
def test_any_cut_goes_out_and_comes_back(tmp_path: Path, cut: Cut) -> None:
    write_otio(cut, {}, None, tmp_path / "cut.otio")
    assert conform(assembly_of(cut), tmp_path / "cut.otio") == cut


def test_the_timeline_tells_an_editing_room_what_it_needs() -> None:
    timeline = to_otio(a_cut("23.976"), MEDIA, "mix.wav")
    assert timeline.global_start_time.to_timecode() == "01:00:00:00"
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    first = picture(timeline)[0]
    assert first.name == "SC010_SH010"
    assert first.media_reference.target_url == MEDIA["SC010_SH010"]
    assert (first.available_range().start_time.value, first.available_range().duration.value) == (1001, 48)
    assert (first.source_range.start_time.value, first.source_range.duration.value) == (1009, 32)
    assert [(marker.name, marker.marked_range.start_time.value) for marker in first.markers] == [
        ("PIM: Who is there?", 1012)
    ]
    assert timeline.duration().value == 96
    assert timeline.audio_tracks()[0].duration().value == 96


def test_a_shot_without_media_is_a_missing_reference_of_its_length() -> None:
    reference = picture(to_otio(a_cut(), {}))[0].media_reference
    assert isinstance(reference, otio.schema.MissingReference)
    assert reference.available_range == frames(1001, 48)


def test_order_and_trims_come_back(tmp_path: Path) -> None:
    def edit(timeline: otio.schema.Timeline) -> None:
        track = picture(timeline)
        first = track.pop(0)
        track.append(first)
        track[0].source_range = frames(1001, 20)
        track.append(first.deepcopy())
        track[-1].source_range = frames(1045, 4)

    cut = conform(a_cut(), edited(tmp_path, edit))
    assert plays(cut) == [
        ("SC010_SH020", 1001, 1020),
        ("SC020_SH010", 1009, 1040),
        ("SC010_SH010", 1009, 1040),
        ("SC010_SH010", 1045, 1048),
    ]


def test_a_shot_may_be_left_out(tmp_path: Path) -> None:
    assert plays(conform(a_cut(), edited(tmp_path, lambda timeline: picture(timeline).pop(1)))) == [
        ("SC010_SH010", 1009, 1040),
        ("SC020_SH010", 1009, 1040),
    ]


@pytest.mark.parametrize("name", ["SC010_SH020", "SC010_SH020_edit_proxy_v001.mp4", "a name of the editor's own"])
def test_a_clip_that_lost_our_metadata_is_known_by_its_names(tmp_path: Path, name: str) -> None:
    def edit(timeline: otio.schema.Timeline) -> None:
        clip = picture(timeline)[1]
        clip.metadata.clear()
        clip.name = name
        clip.media_reference.name = ""

    assert conform(a_cut(), edited(tmp_path, edit)) == a_cut()


def test_a_gap_of_no_length_and_a_speed_of_one_are_nothing(tmp_path: Path) -> None:
    def edit(timeline: otio.schema.Timeline) -> None:
        picture(timeline).insert(1, otio.schema.Gap(duration=RationalTime(0, 24)))
        picture(timeline)[0].effects.append(otio.schema.LinearTimeWarp(time_scalar=1.0))

    assert conform(a_cut(), edited(tmp_path, edit)) == a_cut()


def test_a_rate_of_23_98_means_23_976(tmp_path: Path) -> None:
    def edit(timeline: otio.schema.Timeline) -> None:
        for clip in picture(timeline):
            clip.source_range = frames(1009, 32, 23.98)

    assert conform(a_cut("23.976"), edited(tmp_path, edit, "23.976")) == a_cut("23.976")


def test_a_picture_track_that_is_switched_off_does_not_count(tmp_path: Path) -> None:
    def edit(timeline: otio.schema.Timeline) -> None:
        other = otio.schema.Track("V2", kind="Video", children=[otio.schema.Clip("SC010_SH010", None, frames(1009, 3))])
        other.enabled = False
        timeline.tracks.append(other)

    assert conform(a_cut(), edited(tmp_path, edit)) == a_cut()


def _second_track(timeline: otio.schema.Timeline) -> None:
    clip = otio.schema.Clip("SC010_SH010", source_range=frames(1009, 5))
    timeline.tracks.append(otio.schema.Track("V2", kind="Video", children=[clip]))


def _nested(timeline: otio.schema.Timeline) -> None:
    inner = otio.schema.Stack("nest", children=[otio.schema.Clip("SC010_SH010", source_range=frames(1009, 5))])
    picture(timeline).append(inner)


def _transition(timeline: otio.schema.Timeline) -> None:
    half = RationalTime(6, 24)
    picture(timeline).insert(1, otio.schema.Transition("d", "SMPTE_Dissolve", in_offset=half, out_offset=half))


def _track_trimmed(timeline: otio.schema.Timeline) -> None:
    picture(timeline).source_range = frames(0, 50)


def _renamed(timeline: otio.schema.Timeline) -> None:
    picture(timeline)[1] = otio.schema.Clip("SC010_SH025", source_range=frames(1009, 5))


def _without_frames(timeline: otio.schema.Timeline) -> None:
    picture(timeline)[1] = otio.schema.Clip("SC010_SH020")


def _ranged(first: float, length: float, rate: float = 24.0) -> Edit:
    return lambda timeline: setattr(picture(timeline)[1], "source_range", frames(first, length, rate))


def _warped(effect: otio.schema.Effect) -> Edit:
    return lambda timeline: picture(timeline)[1].effects.append(effect)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_warped(otio.schema.LinearTimeWarp(time_scalar=0.5)), "event 2 retimes SC010_SH020"),
        (_warped(otio.schema.FreezeFrame()), "event 2 retimes SC010_SH020"),
        (_transition, "event 2 is a transition"),
        (
            lambda timeline: picture(timeline).insert(1, otio.schema.Gap(duration=RationalTime(7, 24))),
            "gap of 7 frames",
        ),
        (_second_track, "2 picture tracks"),
        (lambda timeline: picture(timeline).clear(), "0 picture tracks"),
        (_nested, "event 4 is a nested timeline"),
        (_track_trimmed, "as a whole"),
        (lambda timeline: setattr(picture(timeline)[1], "enabled", False), "event 2 is switched off"),
        (_renamed, "event 2 is of 'SC010_SH025'"),
        (_without_frames, "event 2 does not say which frames"),
        (_ranged(1009, 32, 25.0), "event 2 runs at 25 frames a second, the film at 24"),
        (_ranged(1009.5, 32), "event 2 does not lie on whole frames"),
        (_ranged(1009, 31.5), "event 2 does not lie on whole frames"),
        (_ranged(float("nan"), 32), "event 2 does not lie on whole frames"),
        (_ranged(1009, 0), "event 2 plays no frame"),
        (_ranged(1009, -4), "event 2 plays no frame"),
        (_ranged(900, 32), "event 2 plays 900 to 931 of SC010_SH020, which has 1001-1048"),
        (_ranged(1040, 32), "event 2 plays 1040 to 1071"),
    ],
)
def test_what_puppets_cannot_do_is_refused_by_event_and_file(tmp_path: Path, edit: Edit, told: str) -> None:
    path = edited(tmp_path, edit)
    with pytest.raises(FilmProblem, match=told) as refused:
        conform(a_cut(), path)
    assert refused.value.file == path
    assert refused.value.mend


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00junk", b"[]", b'"words"', b'{"OTIO_SCHEMA": "Clip.1"}'])
def test_a_broken_timeline_is_refused_by_its_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.otio"
    path.write_bytes(content)
    with pytest.raises(FilmProblem) as refused:
        conform(a_cut(), path)
    assert refused.value.file == path


def test_a_timeline_cut_short_on_the_way_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda timeline: None)
    path.write_text(path.read_text()[:-200])
    with pytest.raises(FilmProblem, match="can't be read"):
        conform(a_cut(), path)


def test_metadata_of_another_kind_under_our_name_is_no_crash(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda timeline: None)
    document = json.loads(path.read_text())
    for clip in document["tracks"]["children"][0]["children"]:
        clip["metadata"]["film_pipeline"] = "somebody's note"
    path.write_text(json.dumps(document))
    assert conform(a_cut(), path) == a_cut()


@pytest.mark.parametrize(
    ("name", "told"), [("edit.xml", "xml"), ("edit", "without suffix"), ("gone.otio", "no such file")]
)
def test_a_file_that_is_no_edit_is_refused(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / name
    if not name.startswith("gone"):
        path.write_text("")
    with pytest.raises(FilmProblem, match=told):
        conform(a_cut(), path)


def test_two_timelines_are_no_edit(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda timeline: None)
    with pytest.raises(FilmProblem, match="one timeline"):
        conform(a_cut(), path, path)
