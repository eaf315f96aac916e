"""FCPXML: exact rational times at every rate, escapes, and what OTIO's own adapter reads of it."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio
import pytest
from cut_samples import a_cut, cuts, plays
from hypothesis import HealthCheck, given, settings

from film_pipeline.core.cut import Cut, Marker
from film_pipeline.editorial.fcpxml import write_fcpxml


def written(tmp_path: Path, cut: Cut, media: Mapping[str, str] | None = None) -> xml.Element:
    path = tmp_path / "cut.fcpxml"
    write_fcpxml(cut, media or {}, path)
    return xml.parse(path).getroot()


def frames(element: xml.Element, name: str, cut: Cut) -> int:
    """An attribute such as 1001/24s in frames; it has to be whole."""
    count = Fraction(element.attrib[name].removesuffix("s")) * cut.rate.fps
    assert count.denominator == 1
    return int(count)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts())
def test_every_clip_stands_on_its_frames_at_any_rate(tmp_path: Path, cut: Cut) -> None:
    root = written(tmp_path, cut)
    clips = root.findall(".//asset-clip")
    assert [
        (
            clip.attrib["name"],
            frames(clip, "start", cut),
            frames(clip, "start", cut) + frames(clip, "duration", cut) - 1,
        )
        for clip in clips
    ] == plays(cut)
    hour = 3600 * cut.rate.timebase
    places = [frames(clip, "offset", cut) - hour for clip in clips]
    assert places == [sum(len(other.source) for other in cut.clips[:number]) for number in range(len(clips))]
    sequence = root.find(".//sequence")
    assert sequence is not None and frames(sequence, "duration", cut) == cut.length
    assets = {asset.attrib["id"]: asset for asset in root.findall(".//asset")}
    assert len(assets) == len({clip.shot for clip in cut.clips})
    for clip, ours in zip(clips, cut.clips, strict=True):
        asset = assets[clip.attrib["ref"]]
        assert asset.attrib["name"] == ours.shot
        assert (frames(asset, "start", cut), frames(asset, "duration", cut)) == (1001, len(ours.available))


@pytest.mark.parametrize(
    ("rate", "one"),
    [("23.976", "1001/24000s"), ("24", "1/24s"), ("25", "1/25s"), ("29.97", "1001/30000s"), ("30", "1/30s")],
)
def test_a_frame_is_an_exact_fraction_of_a_second(tmp_path: Path, rate: str, one: str) -> None:
    format_ = written(tmp_path, a_cut(rate)).find(".//format")
    assert format_ is not None
    assert (format_.attrib["frameDuration"], format_.attrib["width"], format_.attrib["height"]) == (one, "1280", "720")


@pytest.mark.parametrize("rate", ["24", "25", "30"])
def test_otios_own_adapter_reads_the_same_cut_at_whole_rates(tmp_path: Path, rate: str) -> None:
    cut = a_cut(rate)
    write_fcpxml(cut, {}, tmp_path / "cut.fcpxml")
    [timeline] = otio.adapters.read_from_file(str(tmp_path / "cut.fcpxml"), adapter_name="fcpx_xml")
    clips = [clip for clip in timeline.find_clips() if isinstance(clip, otio.schema.Clip)]
    assert [
        (clip.name, clip.source_range.start_time.value, clip.source_range.end_time_inclusive().value) for clip in clips
    ] == plays(cut)


def test_titles_dialogue_and_addresses_are_escaped(tmp_path: Path) -> None:
    said = "PIM: <b>\"Ink\" & 'paper'</b>\n]]> \x00\x0b\ufffe紙"
    cut = a_cut()
    first = replace(cut.clips[0], markers=(Marker(1012, said),))
    cut = replace(cut, title="<!-- & -->", clips=(first, *cut.clips[1:]))
    root = written(tmp_path, cut, {"SC010_SH010": '../a film/"take" & 1.mp4'})
    marker = root.find(".//marker")
    assert marker is not None
    assert marker.attrib["value"] == "PIM: <b>\"Ink\" & 'paper'</b>\n]]> 紙"
    project = root.find(".//project")
    assert project is not None and project.attrib["name"] == "<!-- & -->"
    assert [media.attrib["src"] for media in root.findall(".//media-rep")][:2] == [
        "../a%20film/%22take%22%20%26%201.mp4",
        "SC010_SH020.mov",
    ]
