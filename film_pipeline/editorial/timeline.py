"""The cut as an OpenTimelineIO timeline, and out of it as OTIO, CMX 3600 EDL and FCPXML."""

from collections.abc import Mapping
from pathlib import Path

import opentimelineio as otio

from film_pipeline.core.cut import Clip, Cut
from film_pipeline.core.timing import FrameRange, Rate

METADATA = "film_pipeline"
FIRST_RECORD_HOUR = 1


def otio_rate(rate: Rate) -> float:
    """OTIO counts rates as floats: the nearest double of the fraction, which it knows as 23.976 and 29.97."""
    return float(rate.fps)


def to_otio(cut: Cut, media: Mapping[str, str], sound: str | None = None) -> otio.schema.Timeline:
    """The cut as a timeline.

    media: shot -> the address of its film (relative to the timeline). sound: the address of the mix.
    """
    rate = otio_rate(cut.rate)
    hour = FIRST_RECORD_HOUR * 3600 * cut.rate.timebase
    timeline = otio.schema.Timeline(cut.title, global_start_time=otio.opentime.RationalTime(hour, rate))
    picture = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(picture)
    for clip in cut.clips:
        picture.append(_clip(clip, rate, media.get(clip.shot, "")))
    if sound is not None:
        track = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
        whole = otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(cut.length, rate)
        )
        track.append(otio.schema.Clip("mix", otio.schema.ExternalReference(sound, whole), whole))
        timeline.tracks.append(track)
    timeline.metadata[METADATA] = {"resolution": list(cut.resolution), "rate": cut.rate.label, "frames": cut.length}
    return timeline


def _range(frames: FrameRange, rate: float) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(frames.first_frame, rate), otio.opentime.RationalTime(len(frames), rate)
    )


def _clip(clip: Clip, rate: float, address: str) -> otio.schema.Clip:
    reference = (
        otio.schema.ExternalReference(address, _range(clip.available, rate))
        if address
        else otio.schema.MissingReference(available_range=_range(clip.available, rate))
    )
    reference.name = clip.shot
    made = otio.schema.Clip(clip.shot, reference, _range(clip.source, rate))
    made.metadata[METADATA] = {
        "shot": clip.shot,
        "take": clip.take,
        "handles": [
            clip.source.first_frame - clip.available.first_frame,
            clip.available.last_frame - clip.source.last_frame,
        ],
    }
    for marker in clip.markers:
        if marker.frame in clip.source:
            at = otio.opentime.TimeRange(
                otio.opentime.RationalTime(marker.frame, rate), otio.opentime.RationalTime(1, rate)
            )
            made.markers.append(otio.schema.Marker(marker.name, at, color=marker.color))
    return made


def write_otio(cut: Cut, media: Mapping[str, str], sound: str | None, path: Path) -> None:
    otio.adapters.write_to_file(to_otio(cut, media, sound), str(path), adapter_name="otio_json")


def write_edl(cut: Cut, path: Path) -> None:
    """CMX 3600. Source timecode counts the shot's own frame numbers, so that 1001 comes back as 1001.

    Written here: the OTIO adapter leaves out what it can't name and rounds 23.976 by its own rules.
    Reel names have at most 8 characters; the shot's whole name follows as a comment.
    """
    rate = cut.rate
    lines = [f"TITLE: {cut.title}", "FCM: NON-DROP FRAME", ""]
    record = FIRST_RECORD_HOUR * 3600 * rate.timebase
    for number, clip in enumerate(cut.clips, 1):
        source_in, source_out = clip.source.first_frame, clip.source.last_frame + 1
        record_out = record + len(clip.source)
        times = " ".join(rate.timecode(frame) for frame in (source_in, source_out, record, record_out))
        lines += [f"{number:03d}  {_reel(clip.shot):8} V     C        {times}", f"* FROM CLIP NAME: {clip.shot}"]
        lines += [
            f"* LOC: {rate.timecode(record + m.frame - source_in)} {m.color:7} {m.name}"
            for m in clip.markers
            if m.frame in clip.source
        ]
        record = record_out
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _reel(shot: str) -> str:
    scene, _, name = shot.partition("_")
    return (scene.removeprefix("SC") + name.removeprefix("SH"))[:8]


def write_fcpxml(cut: Cut, media: Mapping[str, str], path: Path) -> None:
    """FCPXML 1.9 with rational times.

    Written here: the OTIO adapter takes only whole rates. Source: Apple's FCPXML reference.
    """
    from xml.etree import ElementTree as xml

    rate = cut.rate
    root = xml.Element("fcpxml", version="1.9")
    resources = xml.SubElement(root, "resources")
    width, height = cut.resolution
    xml.SubElement(resources, "format", id="r1", frameDuration=_time(1, rate), width=str(width), height=str(height))
    library = xml.SubElement(xml.SubElement(root, "library"), "event", name=cut.title)
    project = xml.SubElement(library, "project", name=cut.title)
    hour = FIRST_RECORD_HOUR * 3600 * rate.timebase
    sequence = xml.SubElement(
        project, "sequence", format="r1", duration=_time(cut.length, rate), tcStart=_time(hour, rate), tcFormat="NDF"
    )
    spine = xml.SubElement(sequence, "spine")
    assets: dict[str, str] = {}
    offset = hour
    for clip in cut.clips:
        if clip.shot not in assets:
            assets[clip.shot] = f"r{len(assets) + 2}"
            asset = xml.SubElement(
                resources,
                "asset",
                id=assets[clip.shot],
                name=clip.shot,
                start=_time(clip.available.first_frame, rate),
                duration=_time(len(clip.available), rate),
                hasVideo="1",
                format="r1",
            )
            xml.SubElement(asset, "media-rep", kind="original-media", src=media.get(clip.shot, f"{clip.shot}.mov"))
        event = xml.SubElement(
            spine,
            "asset-clip",
            ref=assets[clip.shot],
            name=clip.shot,
            offset=_time(offset, rate),
            start=_time(clip.source.first_frame, rate),
            duration=_time(len(clip.source), rate),
        )
        for marker in clip.markers:
            if marker.frame in clip.source:
                xml.SubElement(
                    event, "marker", start=_time(marker.frame, rate), duration=_time(1, rate), value=marker.name
                )
        offset += len(clip.source)
    xml.indent(root)
    text = xml.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n', encoding="utf-8")


def _time(frames: int, rate: Rate) -> str:
    return f"{frames * rate.denominator}/{rate.numerator}s"
