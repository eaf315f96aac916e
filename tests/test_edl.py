"""CMX 3600: our lists as OTIO's own adapter reads them, edits read back, and refusals by line."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest
from cut_samples import RATES, a_clip, a_cut, assembly_of, cuts, plays
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_pipeline.core.cut import Cut, Marker
from film_pipeline.core.problems import FilmProblem
from film_pipeline.editorial.conform import conform
from film_pipeline.editorial.edl import write_edl

HEAD = "TITLE: An edit\nFCM: NON-DROP FRAME\n\n"
FIRST = "001  010010   V     C        00:00:42:01 00:00:43:09 01:00:00:00 01:00:01:08\n* FROM CLIP NAME: SC010_SH010\n"


def an_edl(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "edited.edl"
    path.write_text(text, encoding="utf-8")
    return path


def read_by_the_adapter(path: Path, cut: Cut) -> list[otio.schema.Clip]:
    timeline = otio.adapters.read_from_file(str(path), adapter_name="cmx_3600", rate=float(cut.rate.fps))
    [track] = timeline.video_tracks()
    return list(track)


def reels(path: Path) -> list[str]:
    return [line.split()[1] for line in path.read_text().splitlines() if line[:3].isdigit()]


@pytest.mark.parametrize("rate", RATES)
def test_an_unchanged_edl_is_the_same_cut(tmp_path: Path, rate: str) -> None:
    cut = a_cut(rate)
    assert write_edl(cut, tmp_path / "cut.edl") == [tmp_path / "cut.edl"]
    assert conform(cut, tmp_path / "cut.edl") == cut


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts())
def test_any_cut_goes_out_and_comes_back(tmp_path: Path, cut: Cut) -> None:
    write_edl(cut, tmp_path / "cut.edl")
    assert conform(assembly_of(cut), tmp_path / "cut.edl") == cut


@pytest.mark.parametrize("rate", RATES)
def test_otios_own_adapter_reads_the_same_cut(tmp_path: Path, rate: str) -> None:
    cut = a_cut(rate)
    write_edl(cut, tmp_path / "cut.edl")
    read = read_by_the_adapter(tmp_path / "cut.edl", cut)
    assert [
        (clip.name, clip.source_range.start_time.value, clip.source_range.end_time_inclusive().value) for clip in read
    ] == plays(cut)
    assert [marker.name for marker in read[0].markers] == ["PIM: Who is there?"]


def test_times_are_the_shots_own_frames_and_the_films_timecode(tmp_path: Path) -> None:
    write_edl(a_cut("23.976"), tmp_path / "cut.edl")
    lines = (tmp_path / "cut.edl").read_text().splitlines()
    assert lines[:2] == ["TITLE: The Unwritten Page", "FCM: NON-DROP FRAME"]
    assert lines[3] == "001  010010   V     C        00:00:42:01 00:00:43:09 01:00:00:00 01:00:01:08"
    assert lines[5] == "* LOC: 01:00:00:03 RED     PIM: Who is there?"


def test_a_fade_is_told_to_whoever_reads_the_list(tmp_path: Path) -> None:
    cut = Cut("A", a_cut().rate, (a_clip("SC010_SH010", fade_in=16), a_clip("SC010_SH020", fade_out=12)), (64, 64))
    write_edl(cut, tmp_path / "cut.edl")
    text = (tmp_path / "cut.edl").read_text()
    assert "* FADE IN 16 FRAMES" in text
    assert "* FADE OUT 12 FRAMES" in text
    assert conform(cut, tmp_path / "cut.edl") == cut


@pytest.mark.parametrize(
    "shots",
    [
        ("SC0100_SH0100", "SC010_SH00100"),
        ("SC010_SH020", "SC0100_SH20"),
        ("SC01000AB_SH01000AB", "SC01000AB_SH01000AC", "SC01000AB_SH01001AB"),
        ("a shot", "A-shot", "ashot", "ASHOTR1", "ß", "紙"),
    ],
)
def test_every_shot_has_a_reel_of_its_own(tmp_path: Path, shots: tuple[str, ...]) -> None:
    cut = a_cut(shots=shots)
    write_edl(cut, tmp_path / "cut.edl")
    names = reels(tmp_path / "cut.edl")
    assert len(set(names)) == len(shots)
    assert all(name.isascii() and name.isalnum() and len(name) <= 8 for name in names)
    assert plays(conform(cut, tmp_path / "cut.edl")) == plays(cut)


@given(st.lists(st.from_regex(r"SC\d{3,5}[AB]{0,2}_SH\d{3,5}[AB]{0,2}", fullmatch=True), min_size=1, unique=True))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reels_never_collide(tmp_path: Path, shots: Sequence[str]) -> None:
    write_edl(a_cut(shots=tuple(shots)), tmp_path / "cut.edl")
    assert len(set(reels(tmp_path / "cut.edl"))) == len(shots)


def test_a_shot_that_plays_twice_has_one_reel(tmp_path: Path) -> None:
    write_edl(a_cut(shots=("SC0100_SH0100", "SC010_SH00100", "SC0100_SH0100")), tmp_path / "cut.edl")
    first, other, again = reels(tmp_path / "cut.edl")
    assert first == again != other


EVIL = (
    "Who?\n002  AX       V     C        00:00:00:00 00:00:01:00 01:00:02:00 01:00:03:00\r\n"
    "* FROM CLIP NAME: X\u2028M2\x85FCM: DROP FRAME\x00"
)


def test_no_title_and_no_dialogue_can_write_a_line_of_its_own(tmp_path: Path) -> None:
    cut = a_cut()
    clips = [replace(clip, markers=(Marker(1012, EVIL),)) for clip in cut.clips]
    cut = replace(cut, title=EVIL, clips=tuple(clips))
    write_edl(cut, tmp_path / "cut.edl")
    lines = (tmp_path / "cut.edl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3 + 3 * 3
    assert len(lines[0]) <= len("TITLE: ") + 70
    assert conform(cut, tmp_path / "cut.edl") == cut
    assert len(read_by_the_adapter(tmp_path / "cut.edl", cut)) == 3


def test_a_cut_of_a_thousand_events_goes_into_two_lists_that_conform_together(tmp_path: Path) -> None:
    cut = a_cut(shots=tuple(f"SC{number:04d}_SH010" for number in range(1, 1001)))
    parts = write_edl(cut, tmp_path / "cut.edl")
    assert [part.name for part in parts] == ["cut.edl", "cut.part2.edl"]
    assert [len(reels(part)) for part in parts] == [999, 1]
    assert conform(cut, *parts) == conform(cut, *reversed(parts)) == cut
    assert [len(read_by_the_adapter(part, cut)) for part in parts] == [999, 1]


def test_999_events_are_one_list(tmp_path: Path) -> None:
    cut = a_cut(shots=tuple(f"SC{number:04d}_SH010" for number in range(1, 1000)))
    assert write_edl(cut, tmp_path / "cut.edl") == [tmp_path / "cut.edl"]


def test_a_part_that_is_missing_in_the_middle_is_a_gap(tmp_path: Path) -> None:
    cut = a_cut(shots=tuple(f"SC{number:04d}_SH010" for number in range(1, 2010)))
    first, _, third = write_edl(cut, tmp_path / "cut.edl")
    with pytest.raises(FilmProblem, match="leaves a gap") as refused:
        conform(cut, first, third)
    assert (refused.value.file, refused.value.line) == (third, 4)


def test_an_edl_as_editing_rooms_write_it_is_understood(tmp_path: Path) -> None:
    """With a byte order mark, sound, comments, events out of their order and files' names for shots' names."""
    text = (
        "\ufeffTITLE: Edit v2\r\nFCM: NON-DROP FRAME\r\n\r\n"
        "002  AX       V     C        00:00:41:17 00:00:42:17 01:00:01:08 01:00:02:08\r\n"
        "* FROM CLIP NAME: SC010_SH020_edit_proxy_v001.mp4\r\n\r\n"
        "001  AX       AA/V  C        00:00:42:01 00:00:43:09 01:00:00:00 01:00:01:08\r\n"
        "* SOURCE FILE: whatever\r\n* FROM CLIP NAME:  SC010_SH010\r\n\r\n"
        "003  AX       A     C        00:00:00:00 00:00:02:08 01:00:00:00 01:00:02:08\r\n* FROM CLIP NAME: mix.wav\r\n"
        "004  AX       A2    C        00:00:00:00 00:00:02:08 01:00:00:00 01:00:02:08\r\n"
    )
    cut = conform(a_cut(), an_edl(tmp_path, text))
    assert plays(cut) == [("SC010_SH010", 1009, 1040), ("SC010_SH020", 1001, 1024)]


def second(line: str) -> str:
    return HEAD + FIRST + line + "\n* FROM CLIP NAME: SC010_SH020\n"


_TIMES = "00:00:42:01 00:00:43:01 01:00:01:08 01:00:02:08"


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        (second(f"002  AX V D 024 {_TIMES}"), "event 2 of AX is no straight cut", 6),
        (second(f"002  AX V W001 024 {_TIMES}"), "event 2 of AX is no straight cut", 6),
        (second(f"002  BL V C {_TIMES}"), "event 2 is a gap of black", 6),
        (second(f"002  AX V2 C {_TIMES}"), "event 2 lies on track V2", 6),
        (second("002  AX V C 00:00:42:01 00:00:43:01 01:00:01:08 01:00:03:08"), "event 2 of AX is retimed", 6),
        (second("002  AX V C 00:00:42:01 00:00:43:01 01:00:02:08 01:00:03:08"), "event 2 leaves a gap of 24", 6),
        (second("002  AX V C 00:00:42:01 00:00:43:01 01:00:01:07 01:00:02:07"), "event 2 plays over the event", 6),
        (second("002  AX V C 00:00:42;01 00:00:43;01 01:00:01;08 01:00:02;08"), "drop-frame", 6),
        (second("002  AX V C 00:00:42:24 00:00:43:24 01:00:01:08 01:00:02:08"), "has a frame 24", 6),
        (second("002  AX V C 00:00:72:01 00:00:73:01 01:00:01:08 01:00:02:08"), "is no timecode", 6),
        (second("002  AX V C 00:00:42:01 00:00:43:01 01:00:01:08"), "event can't be read", 6),
        (second("002  AX V C 00:00:43:01 00:00:43:01 01:00:01:08 01:00:01:08"), "event 2 plays no frame", 6),
        (second("002  AX V C 00:00:20:00 00:00:21:00 01:00:01:08 01:00:02:08"), "event 2 plays 480 to 503", 6),
        (second(f"002  AX V C {_TIMES}").replace("SH020", "SH099"), "event 2 is of 'SC010_SH099'", 6),
        (HEAD + FIRST + f"002  AX V C {_TIMES}\n", "event 2 has no clip name", 6),
        (HEAD + f"002  AX V C {_TIMES}\n" + FIRST, "event 2 has no clip name", 4),
        (HEAD + FIRST.replace("\n*", "\nM2   AX       012.0                00:00:42:01\n*"), "event 1 is retimed", 5),
        (HEAD.replace("NON-DROP", "DROP") + FIRST, "drop-frame", 2),
    ],
)
def test_what_is_no_straight_cut_is_refused_by_event_file_and_line(
    tmp_path: Path, text: str, told: str, line: int
) -> None:
    path = an_edl(tmp_path, text)
    with pytest.raises(FilmProblem, match=told) as refused:
        conform(a_cut(), path)
    assert (refused.value.file, refused.value.line) == (path, line)
    assert refused.value.mend


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80 junk", HEAD.encode(), b"%PDF-1.7"])
def test_a_file_without_events_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.edl"
    path.write_bytes(content)
    with pytest.raises(FilmProblem, match="no clips") as refused:
        conform(a_cut(), path)
    assert refused.value.file == path
