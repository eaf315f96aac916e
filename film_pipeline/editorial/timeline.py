"""The cut as an OpenTimelineIO timeline."""

from collections.abc import Mapping
from pathlib import Path

import opentimelineio as otio

from film_pipeline.core.cut import Clip, Cut
from film_pipeline.core.timing import FrameRange, Rate
from film_pipeline.editorial.edl import FIRST_RECORD_HOUR

METADATA = "film_pipeline"


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
        "fades": [clip.fade_in, clip.fade_out],
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
