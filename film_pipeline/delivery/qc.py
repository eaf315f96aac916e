"""Quality control of a master: decoded from the file that goes out, not from what it was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from film_pipeline.core.timing import Rate
from film_pipeline.delivery.looks import Look, look_of_luma, luma_of, reduced
from film_pipeline.delivery.loudness import CEILING_DBTP, SHORTEST_S, Stereo, measure_loudness

_BLACK = 22.0
"""Luma in 8-bit code values; black is 16."""
_LEGAL_LUMA = (5.0, 246.0)
_MAY_BE_OUTSIDE = 0.01
"""EBU R 103: -5 to 105 per cent of the signal, but for 1 per cent of the picture (codecs ring at hard edges)."""
_FLAT = 0.5
_OTHER_PICTURE = 4.0
_MOVED, _MOVING = 6.0, 3.0
_LOUDNESS_TOLERANCE_LU = 1.0
_BT709, _FULL_RANGE = 1, 2


@dataclass(frozen=True)
class Expected:
    """What the master must show and sound like.

    looks: what every frame shows, in small (`looks.look_of` of the picture that was encoded). faded: whether a frame
    stands in a fade. sound: the mix, (n, 2), or None. without_record: pictures that no record vouches for.
    """

    looks: Sequence[Look]
    faded: Sequence[bool]
    rate: Rate
    resolution: tuple[int, int]
    sound: Stereo | None
    sample_rate: int
    loudness_lufs: float
    without_record: Sequence[str] = ()


@dataclass
class QcReport:
    """Faults fail the delivery; notes do not."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        return {"passed": self.passed, "faults": self.faults, "notes": self.notes, "facts": self.facts}

    def as_text(self) -> str:
        lines = ["PASSED" if self.passed else "FAILED", *(f"fault: {fault}" for fault in self.faults)]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines + [f"{name}: {value}" for name, value in self.facts.items()]) + "\n"


def qc(master: Path, expected: Expected) -> QcReport:
    """Decode a master and check it against what was cut.

    Picture: length, size, rate and the time of each frame, BT.709 tags, legal range, black and flat frames, frames
    that repeat the one before or show another picture. Sound: length, format, silence, loudness, peaks, and that it is
    the mix. Records: that every picture has one.
    """
    report = QcReport()
    report.faults += [f"no record: {name}" for name in expected.without_record]
    for check in (_pictures, _sound):
        try:
            with av.open(str(master)) as container:
                check(container, expected, report)
        except (av.FFmpegError, ValueError) as error:
            report.faults.append(f"the master can't be decoded: {error}")
            break
    return report


class _Found:
    """Faults of single frames, told in runs: frames 12-40 are black."""

    def __init__(self) -> None:
        self._frames: dict[str, list[int]] = {}

    def add(self, fault: str, frame: int) -> None:
        self._frames.setdefault(fault, []).append(frame)

    def told(self) -> list[str]:
        return [f"{fault}: {_runs(frames)}" for fault, frames in self._frames.items()]


def _runs(frames: Sequence[int]) -> str:
    """frame 3; frames 3-7, 9 and so on."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"frame{'s' if len(frames) > 1 else ''} {told}"


def _pictures(container: Any, expected: Expected, report: QcReport) -> None:
    if not container.streams.video:
        report.faults.append("the master has no picture")
        return
    stream = container.streams.video[0]
    found = _Found()
    count = 0
    for count, frame in enumerate(container.decode(stream), 1):
        if count == 1:
            _tags(frame, stream, expected, report)
        if count <= len(expected.looks):
            _frame(count - 1, frame, stream, expected, found)
    report.faults += found.told()
    if count != len(expected.looks):
        report.faults.append(f"the master has {count} frames, the cut {len(expected.looks)}")
    report.facts |= {"frames": count, "rate": str(stream.average_rate), "codec": stream.codec_context.name}


def _tags(frame: Any, stream: Any, expected: Expected, report: QcReport) -> None:
    if stream.average_rate != expected.rate.fps:
        report.faults.append(f"the master runs at {stream.average_rate}, the film at {expected.rate.fps}")
    if (frame.width, frame.height) != expected.resolution:
        wide, high = expected.resolution
        report.faults.append(f"the master is {frame.width} x {frame.height}, the film {wide} x {high}")
    if frame.color_range == _FULL_RANGE:
        report.faults.append("the master is tagged full range, a delivery has video range")
    if {frame.color_primaries, frame.color_trc, frame.colorspace} != {_BT709}:
        report.faults.append("the master is not tagged BT.709 (primaries, transfer and matrix)")


def _frame(place: int, frame: Any, stream: Any, expected: Expected, found: _Found) -> None:
    if frame.is_corrupt:
        found.add("damaged", place)
    if frame.pts is None or frame.pts * stream.time_base != place / expected.rate.fps:
        found.add("plays at another time than its own", place)
    luma = luma_of(frame)
    low, high = _LEGAL_LUMA
    if np.count_nonzero((luma < low) | (luma > high)) > _MAY_BE_OUTSIDE * luma.size:
        found.add(f"luma outside the legal range ({low:g} to {high:g}) on more than 1 % of the picture", place)
    if not expected.faded[place]:
        inner = reduced(luma)[14:-14, 25:-25]
        if float(np.percentile(inner, 99)) < _BLACK:
            found.add("black", place)
        elif float(inner.std()) < _FLAT:
            found.add("flat, the whole picture one tone", place)
    _as_cut(place, look_of_luma(luma), expected, found)


def _as_cut(place: int, shown: Look, expected: Expected, found: _Found) -> None:
    """Whether the frame is the picture that the cut shows there, or the one before it again.

    A move is seen where a part of the picture changes by more than grain does, and counts as lost where the frame is
    nearer to the picture before; what moves by less than a codec keeps is not looked for.
    """
    wanted = expected.looks[place].astype(np.float32)
    if place:
        before = expected.looks[place - 1].astype(np.float32)
        move = wanted - before
        moving = np.abs(move) > _MOVING
        if float(np.abs(move).max()) > _MOVED:
            along = float((shown - before)[moving] @ move[moving]) / float(move[moving] @ move[moving])
            if along < 0.5 and float(np.abs(shown - before).mean()) < _OTHER_PICTURE:
                found.add("repeats the frame before it, and the cut does not", place)
                return
    if float(np.abs(shown - wanted).mean()) > _OTHER_PICTURE:
        found.add("not the picture that the cut shows there", place)


def repeated_pictures(exposures: Iterable[tuple[str, int, str, str]]) -> list[str]:
    """Exposures whose picture repeats the one before although what stood before the lens was another.

    exposures: (shot, frame, picture's content hash, the composition's digest) in order.
    """
    faults = []
    before: tuple[str, int, str, str] | None = None
    for exposure in exposures:
        if before is not None and before[0] == exposure[0] and before[2] == exposure[2] and before[3] != exposure[3]:
            faults.append(
                f"{exposure[0]} frame {exposure[1]} repeats frame {before[1]}, and the puppets moved between them"
            )
        before = exposure
    return faults


def _sound(container: Any, expected: Expected, report: QcReport) -> None:
    mix = expected.sound
    if mix is None:
        if container.streams.audio:
            report.faults.append("the master has sound, and the film has none")
        report.notes.append("the film has no sound")
        return
    if not container.streams.audio:
        report.faults.append("the master has no sound")
        return
    stream = container.streams.audio[0]
    if (stream.sample_rate, stream.layout.nb_channels) != (expected.sample_rate, 2):
        report.faults.append(
            f"the sound has {stream.layout.nb_channels} channels at {stream.sample_rate} Hz, not 2 at "
            f"{expected.sample_rate}"
        )
        return
    samples = _samples(container, stream)
    if len(samples) != len(mix):
        report.faults.append(f"the sound is {len(samples)} samples long, the picture {len(mix)}")
    _as_mixed(samples, mix, report)
    _level(samples, stream.codec_context.name, expected, report)


def _samples(container: Any, stream: Any) -> Stereo:
    """The sound as a player plays it: without the encoder's run-in, and up to where its last packet says it ends."""
    parts, last = [], 0
    for packet in container.demux(stream):
        if packet.pts is not None:
            last = max(last, round((packet.pts + packet.duration) * stream.time_base * stream.sample_rate))
        parts += [_stereo(frame) for frame in packet.decode()]
    if not parts:
        raise ValueError("its sound holds nothing")
    return np.concatenate(parts)[:last]


def _stereo(frame: Any) -> Stereo:
    """(n, 2) float32, full scale 1."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, 2)
    scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** -(8 * samples.dtype.itemsize - 1)
    return np.asarray(samples * scale, dtype=np.float32)


def _as_mixed(samples: Stereo, mix: Stereo, report: QcReport) -> None:
    """Whether it is the mix that is heard, and in its place."""
    length = min(len(samples), len(mix))
    power = float((mix[:length].astype(np.float64) ** 2).sum())
    apart = float(((samples[:length] - mix[:length]).astype(np.float64) ** 2).sum())
    if power > 0 and float(np.abs(samples).max()) == 0:
        report.faults.append("the sound is silent, and the mix is not")
    elif apart > 0.25 * power + 1e-8 * length:
        report.faults.append("the sound is not the mix, or not in its place")


def _level(samples: Stereo, codec: str, expected: Expected, report: QcReport) -> None:
    loudness = measure_loudness(samples, expected.sample_rate)
    report.facts |= {
        "loudness_lufs": round(loudness.integrated_lufs, 2),
        "true_peak_dbtp": round(loudness.true_peak_dbtp, 2),
    }
    if not np.isfinite(loudness.integrated_lufs):
        why = "is too short to measure" if len(samples) < SHORTEST_S * expected.sample_rate else "is silent"
        report.notes.append(f"the sound {why}, and has no loudness")
    elif abs(loudness.integrated_lufs - expected.loudness_lufs) > _LOUDNESS_TOLERANCE_LU:
        report.faults.append(
            f"the sound is {loudness.integrated_lufs:.1f} LUFS loud, the delivery asks for {expected.loudness_lufs:g}"
        )
    # AAC rounds waves off, and a rounded wave may peak a little higher.
    spare = 0.5 if codec == "aac" else 0.05
    if loudness.true_peak_dbtp > CEILING_DBTP + spare:
        report.faults.append(f"the sound peaks at {loudness.true_peak_dbtp:.2f} dBTP, above {CEILING_DBTP:g}")
