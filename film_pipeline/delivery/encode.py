"""Encoding masters with PyAV: H.264 for review, ProRes 422 HQ to keep."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate

SAMPLE_RATE = 48_000
Picture = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class _Codec:
    video: str
    pixels: str
    audio: str
    options: dict[str, str]
    container: dict[str, str]


# One thread and no library names in the file, so that the same frames are the same bytes.
_H264 = _Codec("libx264", "yuv420p", "aac", {"preset": "fast", "crf": "17", "tune": "film"}, {"movflags": "+faststart"})
_PRORES = _Codec("prores_ks", "yuv422p10le", "pcm_s24le", {"profile": "3", "vendor": "apl0"}, {})


def encode_review(frames: Iterable[Picture], rate: Rate, sound: NDArray[np.float32] | None, path: Path) -> int:
    """H.264 in MP4, 4:2:0, BT.709. frames: (h, w, 3) 8 or 16 bit. Returns the number of frames written."""
    return _encode(frames, rate, sound, path, _H264)


def encode_prores(frames: Iterable[Picture], rate: Rate, sound: NDArray[np.float32] | None, path: Path) -> int:
    """ProRes 422 HQ in MOV with PCM sound, timecode from 01:00:00:00, BT.709. Returns the number of frames written."""
    return _encode(frames, rate, sound, path, _PRORES)


def _encode(frames: Iterable[Picture], rate: Rate, sound: NDArray[np.float32] | None, path: Path, codec: _Codec) -> int:
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        with av.open(str(partial), "w", options={**codec.container, "fflags": "+bitexact"}) as container:
            written = _write(container, frames, rate, sound, codec)
        os.replace(partial, path)
    except av.FFmpegError as error:
        raise FilmProblem(
            f"{path.name} can't be encoded: {error}", "check the disk and the frame size", file=path
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return written


def _write(
    container: Any, frames: Iterable[Picture], rate: Rate, sound: NDArray[np.float32] | None, codec: _Codec
) -> int:
    video = container.add_stream(codec.video, rate=rate.fps, options={**codec.options, "threads": "2"})
    video.pix_fmt = codec.pixels
    video.time_base = 1 / rate.fps
    video.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT
    context = video.codec_context
    context.color_primaries = context.color_trc = context.colorspace = 1
    context.color_range = 1
    if codec.video == "prores_ks":
        video.metadata["timecode"] = "01:00:00:00"
    audio = None
    if sound is not None:
        audio = container.add_stream(codec.audio, rate=SAMPLE_RATE, layout="stereo")
        if codec.audio == "aac":
            audio.bit_rate = 256_000
    count, sounded = 0, 0
    for picture in frames:
        if count == 0:
            video.height, video.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture), format="rgb48le" if picture.dtype == np.uint16 else "rgb24"
        )
        frame = frame.reformat(
            format=codec.pixels, dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
        )
        frame.pts, frame.time_base = count, 1 / rate.fps
        container.mux(video.encode(frame))
        count += 1
        if audio is not None and sound is not None:
            upto = min(len(sound), rate.samples(count, SAMPLE_RATE))
            _sound(container, audio, sound, sounded, upto)
            sounded = upto
    if count == 0:
        raise FilmProblem("there is nothing to encode", "the cut has no frames")
    container.mux(video.encode(None))
    if audio is not None:
        container.mux(audio.encode(None))
    return count


def _sound(container: Any, stream: Any, sound: NDArray[np.float32], first: int, last: int) -> None:
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


def write_wav(sound: NDArray[np.float32], path: Path) -> None:
    """The mix as 24-bit PCM."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    with av.open(str(partial), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("pcm_s24le", rate=SAMPLE_RATE, layout="stereo")
        for first in range(0, len(sound), SAMPLE_RATE):
            _sound(container, stream, sound, first, min(len(sound), first + SAMPLE_RATE))
        container.mux(stream.encode(None))
    os.replace(partial, path)
