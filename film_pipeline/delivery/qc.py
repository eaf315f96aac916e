"""Quality control of a master: decoded from the file that goes out, not from what it was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.timing import Rate
from film_pipeline.delivery.loudness import CEILING_DBTP, measure_loudness

_BLACK = 6.0
_SAME = 0.35
_LOUDNESS_TOLERANCE_LU = 1.0


@dataclass(frozen=True)
class Expected:
    """What the master must show: for every frame the picture's content hash (the same for held frames), and fades."""

    pictures: Sequence[str]
    faded: Sequence[bool]
    rate: Rate
    sound_samples: int | None
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
    """Decode a master and check length, rate, black, frozen and flat frames, sound length, loudness and records."""
    report = QcReport()
    report.faults += [f"no record: {name}" for name in expected.without_record]
    try:
        with av.open(str(master)) as container:
            _pictures(container, expected, report)
        with av.open(str(master)) as container:
            _sound(container, expected, report)
    except (av.FFmpegError, IndexError) as error:
        report.faults.append(f"the master can't be decoded: {error}")
    return report


def _pictures(container: Any, expected: Expected, report: QcReport) -> None:
    stream = container.streams.video[0]
    if stream.average_rate != expected.rate.fps:
        report.faults.append(f"the master runs at {stream.average_rate}, the film at {expected.rate.fps}")
    last: NDArray[np.float32] | None = None
    count = 0
    for count, frame in enumerate(container.decode(stream), 1):
        small = frame.reformat(width=160, height=90, format="gray").to_ndarray().astype(np.float32)
        if count <= len(expected.pictures):
            _check(count - 1, small, last, expected, report)
            if frame.pts is not None and frame.pts * stream.time_base != (count - 1) / expected.rate.fps:
                report.faults.append(
                    f"frame {count - 1} plays at {float(frame.pts * stream.time_base):.4f} s, not at its time"
                )
        last = small
    if count != len(expected.pictures):
        report.faults.append(f"the master has {count} frames, the cut {len(expected.pictures)}")
    report.facts |= {"frames": count, "rate": str(stream.average_rate), "codec": stream.codec_context.name}


def _check(
    place: int, small: NDArray[np.float32], last: NDArray[np.float32] | None, expected: Expected, report: QcReport
) -> None:
    inner = small[9:-9, 12:-12]
    if float(np.percentile(inner, 99)) < _BLACK + 16 and not expected.faded[place]:
        report.faults.append(f"frame {place} is black")
    if float(inner.std()) < 0.5 and not expected.faded[place]:
        report.faults.append(f"frame {place} is flat: the whole picture is one tone")
    if last is None or place == 0 or expected.faded[place] or expected.faded[place - 1]:
        return
    same = float(np.abs(small - last).mean()) < _SAME
    if same and expected.pictures[place] != expected.pictures[place - 1]:
        # A puppet may move by less than a codec keeps, so this is a note; the same file again is a fault below.
        report.notes.append(f"frame {place} looks like the one before it")


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
    if expected.sound_samples is None:
        report.notes.append("the film has no sound")
        return
    if not container.streams.audio:
        report.faults.append("the master has no sound")
        return
    parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    stacked = np.concatenate([part if part.shape[0] == 2 else part.reshape(-1, 2).T for part in parts], axis=1).T
    samples = stacked.astype(np.float32) if stacked.dtype.kind == "f" else (stacked / 2**31).astype(np.float32)
    # AAC works in blocks of 1024 samples, so its last block may run over.
    spare = 1024 if container.streams.audio[0].codec_context.name == "aac" else 0
    if not 0 <= len(samples) - expected.sound_samples <= spare:
        report.faults.append(f"the sound is {len(samples)} samples long, the picture {expected.sound_samples}")
    loudness = measure_loudness(samples, expected.sample_rate)
    report.facts |= {
        "loudness_lufs": round(loudness.integrated_lufs, 2),
        "true_peak_dbtp": round(loudness.true_peak_dbtp, 2),
    }
    if (
        np.isfinite(loudness.integrated_lufs)
        and abs(loudness.integrated_lufs - expected.loudness_lufs) > _LOUDNESS_TOLERANCE_LU
    ):
        report.faults.append(
            f"the sound is {loudness.integrated_lufs:.1f} LUFS loud, the delivery asks for {expected.loudness_lufs:g}"
        )
    if loudness.true_peak_dbtp > CEILING_DBTP + (0.5 if spare else 0.05):
        report.faults.append(f"the sound peaks at {loudness.true_peak_dbtp:.2f} dBTP, above {CEILING_DBTP:g}")
