"""Encoding: exact frames, times, sound, colours and bytes; and nothing left behind where it fails."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cut_samples import RATES
from film_samples import SAMPLE_RATE, a_mix, picture, pictures, planes, rgb_of, video_frames

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import Rate
from film_pipeline.delivery.encode import encode_prores, encode_review, write_wav

Encode = Callable[..., int]
CODECS = pytest.mark.parametrize(
    ("encode", "name"), [(encode_review, "film.mp4"), (encode_prores, "film.mov")], ids=["h264", "prores"]
)
RATE = Rate.parse("24")


def heard(path: Path) -> tuple[np.ndarray, int]:
    """Decoded sound, (n, 2), and the sample at which the file says that it ends."""
    parts, end = [], Fraction(0)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = max(end, (packet.pts + packet.duration) * stream.time_base)
            for frame in packet.decode():
                array = frame.to_ndarray()
                array = array.T if frame.format.is_planar else array.reshape(-1, 2)
                parts.append(array if array.dtype.kind == "f" else array / 2**31)
    return np.concatenate(parts), round(end * SAMPLE_RATE)


# ---------------------------------------------------------------- length and time


@CODECS
@pytest.mark.parametrize("rate", RATES)
def test_every_frame_is_there_at_its_exact_time_and_the_sound_as_long(
    tmp_path: Path, encode: Encode, name: str, rate: str
) -> None:
    fps = Rate.parse(rate).fps
    mix = a_mix(Rate.parse(rate).samples(31, SAMPLE_RATE))
    assert encode(pictures(31), Rate.parse(rate), mix, tmp_path / name) == 31
    times = video_frames(tmp_path / name)[1]
    assert times == [number / fps for number in range(31)]
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == fps
        assert stream.duration * stream.time_base == 31 / fps
        assert abs(Fraction(container.duration, av.time_base) - 31 / fps) < Fraction(1, 1000)
    samples, end = heard(tmp_path / name)
    assert end == len(mix)
    assert len(samples) >= len(mix)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@CODECS
@pytest.mark.parametrize("count", [1, 2, 24])
def test_a_film_without_sound_has_no_sound_track(tmp_path: Path, encode: Encode, name: str, count: int) -> None:
    assert encode(pictures(count), RATE, None, tmp_path / name) == count
    assert len(video_frames(tmp_path / name)[0]) == count
    with av.open(str(tmp_path / name)) as container:
        assert not container.streams.audio


@CODECS
def test_one_frame_of_film_has_its_sound(tmp_path: Path, encode: Encode, name: str) -> None:
    encode(pictures(1), RATE, a_mix(2000), tmp_path / name)
    assert len(video_frames(tmp_path / name)[0]) == 1
    assert heard(tmp_path / name)[1] == 2000


@CODECS
def test_a_click_is_heard_at_its_sample(tmp_path: Path, encode: Encode, name: str) -> None:
    """AAC begins with a run-in of its own; a player leaves it out."""
    mix = np.zeros((48_000, 2), np.float32)
    mix[10_000] = 0.9
    mix[47_900] = 0.7
    encode(pictures(24), RATE, mix, tmp_path / name)
    samples, _ = heard(tmp_path / name)
    assert abs(int(np.abs(samples[:24_000, 0]).argmax()) - 10_000) <= 1
    assert abs(int(np.abs(samples[24_000:48_000, 0]).argmax()) - 23_900) <= 1


def test_prores_keeps_the_sound_to_24_bits(tmp_path: Path) -> None:
    mix = a_mix(48_000)
    encode_prores(pictures(24), RATE, mix, tmp_path / "film.mov")
    samples, _ = heard(tmp_path / "film.mov")
    assert samples.shape == mix.shape
    assert np.abs(samples - mix).max() < 2**-22


@CODECS
def test_timecode_begins_at_the_hour_or_where_it_is_told_to(tmp_path: Path, encode: Encode, name: str) -> None:
    encode(pictures(2), RATE, None, tmp_path / name)
    encode(pictures(2), RATE, None, tmp_path / f"shot_{name}", timecode=RATE.timecode(1001))
    for path, timecode in ((name, "01:00:00:00"), (f"shot_{name}", "00:00:41:17")):
        with av.open(str(tmp_path / path)) as container:
            assert container.streams.video[0].metadata["timecode"] == timecode


# ---------------------------------------------------------------- colour

PATCHES = [
    (0, 0, 0),
    (255, 255, 255),
    (128, 128, 128),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (230, 180, 90),
    (12, 15, 18),
    (200, 210, 230),
    (64, 80, 96),
]


def patches() -> np.ndarray:
    chart = np.zeros((96, 320, 3), np.uint8)
    for number, colour in enumerate(PATCHES):
        chart[:, number * 32 : (number + 1) * 32] = colour
    return chart


@CODECS
@pytest.mark.parametrize("bits", [8, 16])
def test_flat_colours_come_back(tmp_path: Path, encode: Encode, name: str, bits: int) -> None:
    chart = patches() if bits == 8 else patches().astype(np.uint16) * 257
    encode([chart] * 3, RATE, None, tmp_path / name)
    frame = video_frames(tmp_path / name)[0][1]
    luma, cb, cr = planes(frame)
    down, across = luma.shape[0] // cb.shape[0], luma.shape[1] // cb.shape[1]
    for number, colour in enumerate(PATCHES):
        middle = slice(number * 32 + 12, number * 32 + 20)
        parts = (
            luma[40:56, middle],
            *(part[40 // down : 56 // down, middle.start // across : middle.stop // across] for part in (cb, cr)),
        )
        assert rgb_of(*(float(part.mean()) for part in parts)) == pytest.approx(colour, abs=2)


@CODECS
def test_black_is_16_and_white_is_235(tmp_path: Path, encode: Encode, name: str) -> None:
    for level, code in ((0, 16), (255, 235)):
        for dtype, scale in ((np.uint8, 1), (np.uint16, 257)):
            even = np.full((64, 64, 3), level * scale, dtype)
            encode([even], RATE, None, tmp_path / name)
            luma, cb, cr = planes(video_frames(tmp_path / name)[0][0])
            assert luma.mean() == pytest.approx(code, abs=0.3)
            assert (cb.mean(), cr.mean()) == pytest.approx((128, 128), abs=0.3)


@CODECS
def test_the_file_says_bt_709_and_video_range(tmp_path: Path, encode: Encode, name: str) -> None:
    encode(pictures(2), RATE, None, tmp_path / name)
    frame = video_frames(tmp_path / name)[0][0]
    assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
    assert b"colr" in (tmp_path / name).read_bytes()
    assert frame.format.name == ("yuv420p" if name == "film.mp4" else "yuv422p10le")


# ---------------------------------------------------------------- bytes


@CODECS
def test_the_same_frames_are_the_same_bytes(tmp_path: Path, encode: Encode, name: str) -> None:
    written = []
    for number in range(3):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        encode(pictures(30), RATE, a_mix(60_000), path)
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]
    assert b"Lavf" not in written[0]


def test_h264_can_start_to_play_before_it_is_all_there(tmp_path: Path) -> None:
    encode_review(pictures(3), RATE, None, tmp_path / "film.mp4")
    content = (tmp_path / "film.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


# ---------------------------------------------------------------- refusals


def _breaks_after(count: int) -> Iterator[np.ndarray]:
    yield from pictures(count)
    raise FilmProblem("frame 1004 is lost", "make it again", shot="SC010_SH010")


def _of_another_size() -> Iterator[np.ndarray]:
    yield from pictures(3)
    yield picture(3, (128, 72))


@CODECS
@pytest.mark.parametrize(
    ("frames", "sound", "told"),
    [
        (lambda: iter(()), None, "nothing to encode"),
        (lambda: iter(()), np.zeros((0, 2), np.float32), "nothing to encode"),
        (lambda: _breaks_after(3), None, "frame 1004 is lost"),
        (lambda: _breaks_after(0), None, "frame 1004 is lost"),
        (_of_another_size, None, "frame 3 is 128 x 72, the first 256 x 144"),
        (lambda: iter([picture(0, (257, 144))]), None, "257 x 144.*even sides"),
        (lambda: iter([picture(0, (256, 145))]), None, "256 x 145.*even sides"),
        (lambda: iter([np.zeros((144, 256), np.uint8)]), None, "frame 0 is no picture"),
        (lambda: iter([np.zeros((144, 256, 4), np.uint8)]), None, "frame 0 is no picture"),
        (lambda: iter([np.zeros((144, 256, 3), np.float32)]), None, "frame 0 is no picture"),
        (lambda: pictures(3), np.zeros((6001, 2), np.float32), "6001 samples long, the picture 6000"),
        (lambda: pictures(3), np.zeros((5999, 2), np.float32), "5999 samples long, the picture 6000"),
    ],
)
def test_what_cannot_be_encoded_is_refused_and_leaves_no_file(
    tmp_path: Path, encode: Encode, name: str, frames: Callable[[], Any], sound: np.ndarray | None, told: str
) -> None:
    with pytest.raises(FilmProblem, match=told):
        encode(frames(), RATE, sound, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@CODECS
def test_a_failure_leaves_the_film_that_was_there(tmp_path: Path, encode: Encode, name: str) -> None:
    encode(pictures(2), RATE, None, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(FilmProblem):
        encode(_breaks_after(1), RATE, None, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@CODECS
def test_a_file_that_cannot_be_written_is_a_problem_that_names_it(tmp_path: Path, encode: Encode, name: str) -> None:
    with pytest.raises(FilmProblem) as refused:
        encode(pictures(2), RATE, None, tmp_path / "nowhere" / name)
    assert refused.value.file == tmp_path / "nowhere" / name
    (tmp_path / name).mkdir()
    with pytest.raises(FilmProblem):
        encode(pictures(2), RATE, None, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_wav_holds_the_mix_and_a_failure_leaves_none(tmp_path: Path) -> None:
    mix = a_mix(100_001)
    write_wav(mix, tmp_path / "mix.wav")
    samples, end = heard(tmp_path / "mix.wav")
    assert end == len(samples) == len(mix)
    assert np.abs(samples - mix).max() < 2**-22
    write_wav(mix, tmp_path / "again.wav")
    assert (tmp_path / "mix.wav").read_bytes() == (tmp_path / "again.wav").read_bytes()
    with pytest.raises(FilmProblem, match=r"mix\.wav can't be encoded"):
        write_wav(mix, tmp_path / "nowhere" / "mix.wav")


def test_sound_over_full_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    write_wav(np.array([[2.0, -2.0]] * 100, np.float32), tmp_path / "loud.wav")
    samples, _ = heard(tmp_path / "loud.wav")
    assert samples.max() == pytest.approx(1, abs=1e-6)
    assert samples.min() == pytest.approx(-1, abs=1e-6)
