"""The cut as FCPXML 1.9, with rational times.

Written here: the OTIO adapter takes only whole rates. Source: Apple's FCPXML reference.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as xml

from film_pipeline.core.cut import Clip, Cut
from film_pipeline.core.timing import Rate
from film_pipeline.editorial.edl import FIRST_RECORD_HOUR

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_fcpxml(cut: Cut, media: Mapping[str, str], path: Path) -> None:
    """media: shot -> the address of its film, relative to the file."""
    rate = cut.rate
    root = xml.Element("fcpxml", version="1.9")
    resources = xml.SubElement(root, "resources")
    width, height = cut.resolution
    xml.SubElement(resources, "format", id="r1", frameDuration=_time(1, rate), width=str(width), height=str(height))
    title = _text(cut.title)
    event = xml.SubElement(xml.SubElement(root, "library"), "event", name=title)
    project = xml.SubElement(event, "project", name=title)
    offset = FIRST_RECORD_HOUR * 3600 * rate.timebase
    length, start = _time(cut.length, rate), _time(offset, rate)
    sequence = xml.SubElement(project, "sequence", format="r1", duration=length, tcStart=start, tcFormat="NDF")
    spine = xml.SubElement(sequence, "spine")
    assets: dict[str, str] = {}
    for clip in cut.clips:
        if clip.shot not in assets:
            assets[clip.shot] = f"r{len(assets) + 2}"
            _asset(resources, assets[clip.shot], clip, media.get(clip.shot, f"{clip.shot}.mov"), rate)
        _asset_clip(spine, assets[clip.shot], clip, offset, rate)
        offset += len(clip.source)
    xml.indent(root)
    text = xml.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n', encoding="utf-8")


def _asset(resources: xml.Element, name: str, clip: Clip, address: str, rate: Rate) -> None:
    start, length = _time(clip.available.first_frame, rate), _time(len(clip.available), rate)
    asset = xml.SubElement(
        resources,
        "asset",
        id=name,
        name=_text(clip.shot),
        start=start,
        duration=length,
        hasVideo="1",
        format="r1",
    )
    xml.SubElement(asset, "media-rep", kind="original-media", src=quote(address, safe="/:%"))


def _asset_clip(spine: xml.Element, asset: str, clip: Clip, offset: int, rate: Rate) -> None:
    made = xml.SubElement(
        spine,
        "asset-clip",
        ref=asset,
        name=_text(clip.shot),
        offset=_time(offset, rate),
        start=_time(clip.source.first_frame, rate),
        duration=_time(len(clip.source), rate),
    )
    for marker in clip.markers:
        if marker.frame in clip.source:
            start, length = _time(marker.frame, rate), _time(1, rate)
            xml.SubElement(made, "marker", start=start, duration=length, value=_text(marker.name))


def _text(words: str) -> str:
    """Without the letters that XML can't hold; the writer escapes the rest."""
    return _NOT_IN_XML.sub("", words)


def _time(frames: int, rate: Rate) -> str:
    return f"{frames * rate.denominator}/{rate.numerator}s"
