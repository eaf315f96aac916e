"""Encoding with PyAV: H.264 for review, H.264 of key frames alone for proxies, ProRes 422 HQ to keep."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate

SAMPLE_RATE = 48_000
FIRST_TIMECODE = "01:00:00:00"
Picture = NDArray[np.uint8] | NDArray[np.uint16]
Stereo = NDArray[np.float32]


@dataclass(frozen=True)
class _Codec:
    video: str
    pixels: str
    audio: str
    options: dict[str, str]
    container: dict[str, str]


# A fixed number of threads and no library names in the file, so that the same frames are the same bytes. Without
# mbtree, because x264's AVX-512 code for it gives other bytes from run to run at some widths.
_H264 = _Codec(
    "libx264",
    "yuv420p",
    "aac",
    {"preset": "fast", "crf": "17", "tune": "film", "x264-params": "mbtree=0", "threads": "2"},
    {"movflags": "+faststart"},
)
# Every frame by itself, so that any of them is sought without decoding others; and without B-frames there is nothing to
# put in order, so that the time of a frame in the file is the time at which it is shown.
_PROXY = _Codec(
    "libx264",
    "yuv420p",
    "aac",
    {"preset": "fast", "crf": "19", "tune": "film", "g": "1", "bf": "0", "x264-params": "mbtree=0", "threads": "2"},
    {"movflags": "+faststart"},
)
_PRORES = _Codec("prores_ks", "yuv422p10le", "pcm_s24le", {"profile": "3", "vendor": "apl0", "threads": "2"}, {})
_BT709, _LIMITED, _BITEXACT = 1, 1, 1 << 23
# Rounded, not cut off, and the same on every processor.
_CAREFULLY = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_WHITE_16 = np.float32(65280 / 65535)
"""swscale takes 255 x 256 for white in 16 bits."""


def encode_review(
    frames: Iterable[Picture], rate: Rate, sound: Stereo | None, path: Path, timecode: str = FIRST_TIMECODE
) -> int:
    """H.264 in MP4, 4:2:0, BT.709, with AAC sound. frames: (h, w, 3), 8 or 16 bit, of one even size.

    sound: (n, 2) at 48 kHz, exactly as long as the picture. timecode: of the first frame.
    Returns the number of frames written. Raises FilmProblem, and then leaves no file.
    """
    return _encode(frames, rate, sound, path, timecode, _H264)


def encode_proxy(
    frames: Iterable[Picture], rate: Rate, sound: Stereo | None, path: Path, timecode: str = FIRST_TIMECODE
) -> int:
    """H.264 in MP4 of key frames alone, for editing rooms and the review app; otherwise as `encode_review`."""
    return _encode(frames, rate, sound, path, timecode, _PROXY)


def encode_prores(
    frames: Iterable[Picture], rate: Rate, sound: Stereo | None, path: Path, timecode: str = FIRST_TIMECODE
) -> int:
    """ProRes 422 HQ in MOV, BT.709, with 24-bit PCM sound; otherwise as `encode_review`."""
    return _encode(frames, rate, sound, path, timecode, _PRORES)


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` when all of it is written. Raises FilmProblem."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except (av.FFmpegError, OSError) as error:
        raise FilmProblem(
            f"{path.name} can't be encoded: {error}", "check the disk and the frame size", file=path
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _encode(
    frames: Iterable[Picture], rate: Rate, sound: Stereo | None, path: Path, timecode: str, codec: _Codec
) -> int:
    with (
        _whole_or_nothing(path) as partial,
        av.open(str(partial), "w", options={**codec.container, "fflags": "+bitexact"}) as container,
    ):
        return _write(container, frames, rate, sound, timecode, codec)


def _write(
    container: Any, frames: Iterable[Picture], rate: Rate, sound: Stereo | None, timecode: str, codec: _Codec
) -> int:
    video = _video_stream(container, rate, timecode, codec)
    audio = None if sound is None else _audio_stream(container, codec)
    count, sounded = 0, 0
    for picture in frames:
        if count == 0:
            video.height, video.width = picture.shape[:2]
        container.mux(video.encode(_frame(picture, count, (video.height, video.width), rate, codec.pixels)))
        count += 1
        if sound is not None:
            upto = min(len(sound), rate.samples(count, SAMPLE_RATE))
            _sound(container, audio, sound, sounded, upto)
            sounded = upto
    if count == 0:
        raise FilmProblem("there is nothing to encode", "the cut has no frames")
    if sound is not None and len(sound) != rate.samples(count, SAMPLE_RATE):
        raise FilmProblem(
            f"the sound is {len(sound)} samples long, the picture {rate.samples(count, SAMPLE_RATE)}",
            "mix the sound to the cut again",
        )
    for stream in (video, audio):
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def _video_stream(container: Any, rate: Rate, timecode: str, codec: _Codec) -> Any:
    video = container.add_stream(codec.video, rate=rate.fps, options=codec.options)
    video.pix_fmt = codec.pixels
    video.time_base = 1 / rate.fps
    context = video.codec_context
    context.flags |= _BITEXACT
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    video.metadata["timecode"] = timecode
    return video


def _audio_stream(container: Any, codec: _Codec) -> Any:
    audio = container.add_stream(codec.audio, rate=SAMPLE_RATE, layout="stereo")
    if codec.audio == "aac":
        audio.bit_rate = 256_000
    return audio


def _frame(picture: Picture, number: int, size: tuple[int, int], rate: Rate, pixels: str) -> av.VideoFrame:
    """The picture as the codec takes it. size: (height, width) of the first."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype not in (np.uint8, np.uint16):
        raise FilmProblem(
            f"frame {number} is no picture: {picture.dtype} of {picture.shape}", "frames are (h, w, 3), 8 or 16 bit"
        )
    height, width = picture.shape[:2]
    if (height, width) != size:
        raise FilmProblem(
            f"frame {number} is {width} x {height}, the first {size[1]} x {size[0]}", "finish the frames at one size"
        )
    if height % 2 or width % 2:
        raise FilmProblem(
            f"the frames are {width} x {height}, and 4:2:0 video has even sides", "set an even `resolution`"
        )
    if picture.dtype == np.uint16:
        picture = np.rint(picture * _WHITE_16).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(picture), format="rgb48le" if picture.dtype == np.uint16 else "rgb24"
    )
    frame = frame.reformat(
        format=pixels,
        dst_colorspace="ITU709",
        src_color_range="JPEG",
        dst_color_range="MPEG",
        interpolation=_CAREFULLY,
    )
    frame.color_primaries = frame.color_trc = _BT709
    frame.pts, frame.time_base = number, 1 / rate.fps
    return frame


def _sound(container: Any, stream: Any, sound: Stereo, first: int, last: int) -> None:
    if last <= first:
        return
    part = np.clip(sound[first:last], -1, 1)
    if stream.codec_context.name == "aac":
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(part.T.astype(np.float32)), format="fltp", layout="stereo"
        )
    else:
        whole = np.round(part.astype(np.float64) * (2**31 - 1)).astype(np.int32)
        frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format="s32", layout="stereo")
    frame.sample_rate, frame.pts = SAMPLE_RATE, first
    container.mux(stream.encode(frame))


def write_wav(sound: Stereo, path: Path) -> None:
    """The mix as 24-bit PCM at 48 kHz. Raises FilmProblem, and then leaves no file."""
    with (
        _whole_or_nothing(path) as partial,
        av.open(str(partial), "w", options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("pcm_s24le", rate=SAMPLE_RATE, layout="stereo")
        for first in range(0, len(sound), SAMPLE_RATE):
            _sound(container, stream, sound, first, min(len(sound), first + SAMPLE_RATE))
        container.mux(stream.encode(None))
