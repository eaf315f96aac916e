"""Frames, rates and the exposure sheet. A time is an integer frame with a rational rate, never a float of seconds."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

FIRST_FRAME = 1001
"""The number of a shot's first frame, the same in every department."""


@dataclass(frozen=True)
class Rate:
    """Frames per second as an exact fraction."""

    fps: Fraction

    @classmethod
    def parse(cls, text: str | int | float) -> "Rate":
        """Read 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60 or a fraction such as 24000/1001.

        Raises ValueError for a rate that is not positive or is not one of those.
        """
        written = str(text).strip()
        if written in _NTSC:
            return cls(_NTSC[written])
        if not _WRITTEN.fullmatch(written):
            raise ValueError(f"{written!r} is no frame rate: write 23.976, 24, 25, 29.97, 30 or a fraction")
        try:
            fps = Fraction(written)
        except ZeroDivisionError as error:
            raise ValueError(f"{written!r} is no frame rate: nothing is divided by 0") from error
        if fps <= 0:
            raise ValueError(f"a frame rate is positive, not {written}")
        if fps.denominator not in (1, 1001) or not 1 <= fps <= _FASTEST:
            raise ValueError(f"{written!r} is no frame rate of film or video: write 23.976, 24, 25, 29.97, 30")
        return cls(fps)

    @property
    def numerator(self) -> int:
        return self.fps.numerator

    @property
    def denominator(self) -> int:
        return self.fps.denominator

    @property
    def timebase(self) -> int:
        """Frames counted in one second of non-drop timecode: 24 for 23.976."""
        return -(-self.fps.numerator // self.fps.denominator)

    @property
    def label(self) -> str:
        """How people write it: 23.976, 24, 29.97."""
        for written, fps in _NTSC.items():
            if fps == self.fps:
                return written
        return str(self.fps)

    def seconds(self, frames: int) -> Fraction:
        """Exact length of that many frames."""
        return Fraction(frames) / self.fps

    def samples(self, frames: int, sample_rate: int) -> int:
        """Audio samples up to the start of frame `frames` (counted from 0), rounded to the nearest."""
        return round(Fraction(frames * sample_rate) / self.fps)

    def frames(self, seconds: Fraction | float) -> int:
        """Whole frames nearest to a length in seconds."""
        return round(Fraction(seconds) * self.fps)

    def timecode(self, frames: int) -> str:
        """Non-drop timecode of a frame counted from 0, HH:MM:SS:FF."""
        base = self.timebase
        seconds, frame = divmod(frames, base)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        return f"{hours:02d}:{minute:02d}:{second:02d}:{frame:02d}"


_WRITTEN = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?|[0-9]{1,7}/[0-9]{1,5}")
_FASTEST = 1000
_NTSC = {
    "23.976": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "47.952": Fraction(48000, 1001),
    "59.94": Fraction(60000, 1001),
}


@dataclass(frozen=True)
class FrameRange:
    """A run of frames, both ends included."""

    first_frame: int
    last_frame: int

    def __post_init__(self) -> None:
        if self.last_frame < self.first_frame:
            raise ValueError(f"a frame range runs forward: {self.first_frame} to {self.last_frame}")

    @classmethod
    def of_length(cls, frames: int, first_frame: int = FIRST_FRAME) -> "FrameRange":
        if frames < 1:
            raise ValueError(f"a shot is at least one frame long, not {frames}")
        return cls(first_frame, first_frame + frames - 1)

    def __len__(self) -> int:
        return self.last_frame - self.first_frame + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first_frame, self.last_frame + 1))

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self.first_frame <= frame <= self.last_frame

    def with_handles(self, frames: int) -> "FrameRange":
        """The range with that many more frames at each end."""
        return FrameRange(self.first_frame - frames, self.last_frame + frames)

    def __str__(self) -> str:
        return f"{self.first_frame}-{self.last_frame}"


@dataclass(frozen=True)
class Exposure:
    """One pose in front of the lens: the frame it is shot at, and how many frames of film it holds."""

    frame: int
    held_frames: int


@dataclass(frozen=True)
class ExposureSheet:
    """Which frames of a shot are shot, and for how long each is held.

    The exposures cover the range exactly, in order and without gaps.
    """

    frames: FrameRange
    exposures: tuple[Exposure, ...]

    def __post_init__(self) -> None:
        expected = self.frames.first_frame
        for exposure in self.exposures:
            if exposure.frame != expected or exposure.held_frames < 1:
                raise ValueError(f"the exposure sheet has a gap or an overlap at frame {expected}")
            expected += exposure.held_frames
        if expected != self.frames.last_frame + 1:
            raise ValueError(f"the exposure sheet ends at {expected - 1}, the shot at {self.frames.last_frame}")

    @classmethod
    def shoot(cls, frames: FrameRange, on: int = 2, holds: Iterable[tuple[int, int]] = ()) -> "ExposureSheet":
        """Expose a range on ones, twos or more, with holds as (frame, frames held).

        A hold begins a new exposure at its own frame; the rhythm goes on after it.
        Raises ValueError for a hold outside the range, shorter than one frame, or overlapping another.
        """
        if on < 1:
            raise ValueError(f"a shot is exposed on ones or more, not on {on}")
        asked = sorted(holds)
        held = dict(asked)
        last_held = frames.first_frame - 1
        for frame, length in asked:
            if frame not in frames:
                raise ValueError(f"the hold at frame {frame} is outside the shot ({frames})")
            if length < 1:
                raise ValueError(f"the hold at frame {frame} lasts {length} frames: at least 1")
            if frame <= last_held:
                raise ValueError(f"the hold at frame {frame} begins inside another")
            last_held = frame + length - 1
            if last_held > frames.last_frame:
                raise ValueError(f"the hold at frame {frame} runs past the shot's last frame {frames.last_frame}")
        exposures: list[Exposure] = []
        frame = frames.first_frame
        while frame <= frames.last_frame:
            length = held.get(frame, on)
            nearest_hold = min((hold for hold in held if hold > frame), default=frames.last_frame + 1)
            length = min(length, nearest_hold - frame, frames.last_frame + 1 - frame)
            exposures.append(Exposure(frame, length))
            frame += length
        return cls(frames, tuple(exposures))

    @property
    def unique_frames(self) -> tuple[int, ...]:
        """The frames that are really shot."""
        return tuple(exposure.frame for exposure in self.exposures)

    def exposed(self, frame: int) -> int:
        """The unique frame that is on screen at `frame`."""
        if frame not in self.frames:
            raise ValueError(f"frame {frame} is outside the shot ({self.frames})")
        return self.exposures[bisect_right(self.exposures, frame, key=lambda exposure: exposure.frame) - 1].frame
