"""Quality control: every fault is found in a master that was made to have it, and none in a good one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cut_samples import RATES
from film_samples import SAMPLE_RATE, SIZE, a_mix, picture

from film_pipeline.core.timing import Rate
from film_pipeline.delivery.encode import encode_prores, encode_review
from film_pipeline.delivery.looks import look_of
from film_pipeline.delivery.loudness import normalise
from film_pipeline.delivery.qc import Expected, qc, repeated_pictures

RATE = Rate.parse("24")
COUNT = 14
Encode = Callable[..., int]
CODECS = pytest.mark.parametrize(
    ("encode", "name"), [(encode_review, "film.mp4"), (encode_prores, "film.mov")], ids=["h264", "prores"]
)


def a_film(count: int = COUNT) -> list[np.ndarray]:
    return [picture(number) for number in range(count)]


@cache
def sound_for(count: int = COUNT, rate: Rate = RATE) -> np.ndarray:
    return normalise(a_mix(rate.samples(count, SAMPLE_RATE)), SAMPLE_RATE, -16.0)


def expected(film: Sequence[np.ndarray], sound: np.ndarray | None = None, **more: Any) -> Expected:
    plain = Expected(
        looks=[look_of(frame) for frame in film],
        faded=[False] * len(film),
        rate=RATE,
        resolution=SIZE,
        sound=sound,
        sample_rate=SAMPLE_RATE,
        loudness_lufs=-16.0,
    )
    return replace(plain, **more)


def faults(path: Path, frames: Sequence[np.ndarray], wanted: Expected, encode: Encode = encode_review) -> list[str]:
    encode(frames, RATE, wanted.sound, path)
    return qc(path, wanted).faults


# ---------------------------------------------------------------- good masters


@CODECS
@pytest.mark.parametrize("rate", RATES)
def test_a_good_master_passes_at_every_rate(tmp_path: Path, encode: Encode, name: str, rate: str) -> None:
    film, fps = a_film(), Rate.parse(rate)
    sound = sound_for(rate=fps)
    encode(film, fps, sound, tmp_path / name)
    report = qc(tmp_path / name, expected(film, sound, rate=fps))
    assert report.faults == []
    assert report.passed
    assert report.facts["frames"] == COUNT
    assert report.facts["loudness_lufs"] == pytest.approx(-16, abs=0.3)
    assert report.as_text().startswith("PASSED\n")
    assert report.as_json()["passed"] is True


@CODECS
def test_a_silent_film_without_a_cue_sheet_passes(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film(8)
    encode(film, RATE, None, tmp_path / name)
    report = qc(tmp_path / name, expected(film))
    assert report.passed
    assert report.notes == ["the film has no sound"]


@CODECS
@pytest.mark.parametrize("count", [1, 3])
def test_a_film_of_a_few_frames_passes(tmp_path: Path, encode: Encode, name: str, count: int) -> None:
    film, sound = a_film(count), sound_for(count)
    assert faults(tmp_path / name, film, expected(film, sound), encode) == []


@CODECS
def test_holds_with_moving_grain_are_no_repeated_pictures(tmp_path: Path, encode: Encode, name: str) -> None:
    rng = np.random.default_rng(5)
    held = picture(0).astype(float)
    film = [np.clip(held + rng.normal(0, 5, (*held.shape[:2], 1)), 0, 255).astype(np.uint8) for _ in range(12)]
    assert faults(tmp_path / name, film, expected(film), encode) == []


@CODECS
def test_exact_holds_pass(tmp_path: Path, encode: Encode, name: str) -> None:
    film = [picture(number // 4) for number in range(16)]
    assert faults(tmp_path / name, film, expected(film), encode) == []


@CODECS
def test_fades_to_black_are_no_fault(tmp_path: Path, encode: Encode, name: str) -> None:
    levels = [min(1.0, (number + 0.5) / 6, (COUNT - number - 0.5) / 6) for number in range(COUNT)]
    film = [np.round(frame * level).astype(np.uint8) for frame, level in zip(a_film(), levels, strict=True)]
    film[0][:] = 0
    wanted = expected(film, faded=[level < 1 for level in levels])
    assert faults(tmp_path / name, film, wanted, encode) == []


@CODECS
def test_ink_on_paper_is_within_the_legal_range(tmp_path: Path, encode: Encode, name: str) -> None:
    """The hardest picture for a codec that we make: thin black lines on white."""
    film = []
    for number in range(6):
        drawing = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
        drawing[:, number::11] = 0
        drawing[number::17] = 0
        film.append(drawing)
    assert faults(tmp_path / name, film, expected(film), encode) == []


def test_a_night_with_a_candle_is_not_black(tmp_path: Path) -> None:
    film = [np.full((SIZE[1], SIZE[0], 3), 3, np.uint8) for _ in range(6)]
    for number, frame in enumerate(film):
        frame[60:90, 100 + 8 * number : 125 + 8 * number] = (255, 190, 90)
    assert faults(tmp_path / "film.mp4", film, expected(film)) == []


# ---------------------------------------------------------------- faults of the picture


@CODECS
@pytest.mark.parametrize("level", [0, 4])
def test_black_frames_are_found_and_told_as_a_run(tmp_path: Path, encode: Encode, name: str, level: int) -> None:
    film = a_film()
    for place in (5, 6, 7, 12):
        film[place] = np.full_like(film[0], level)
    assert faults(tmp_path / name, film, expected(film), encode) == ["black: frames 5-7, 12"]


@CODECS
def test_a_flat_frame_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    film[9] = np.full_like(film[0], 130)
    assert faults(tmp_path / name, film, expected(film), encode) == ["flat, the whole picture one tone: frame 9"]


@CODECS
def test_a_frame_that_shows_the_one_before_it_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    shown = list(film)
    shown[11] = film[10]
    assert faults(tmp_path / name, shown, expected(film), encode) == [
        "repeats the frame before it, and the cut does not: frame 11"
    ]


@pytest.mark.parametrize("pixels", [3, 6])
def test_even_a_small_move_that_is_lost_is_found(tmp_path: Path, pixels: int) -> None:
    film = []
    for number in range(10):
        drawing = picture(0).copy()
        drawing[80:104, 160 + pixels * number : 172 + pixels * number] = 10
        film.append(drawing)
    shown = list(film)
    shown[6] = film[5]
    assert faults(tmp_path / "film.mp4", film, expected(film)) == []
    assert faults(tmp_path / "film.mp4", shown, expected(film)) == [
        "repeats the frame before it, and the cut does not: frame 6"
    ]


@CODECS
def test_a_frame_of_another_shot_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    shown = list(film)
    shown[3] = 255 - film[3]
    assert faults(tmp_path / name, shown, expected(film), encode) == [
        "not the picture that the cut shows there: frame 3"
    ]


@CODECS
def test_a_master_that_begins_a_frame_late_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    found = faults(tmp_path / name, [film[0], *film[:-1]], expected(film), encode)
    assert any("repeats the frame before it" in fault for fault in found)


@CODECS
@pytest.mark.parametrize(("count", "told"), [(13, "has 13 frames, the cut 14"), (15, "has 15 frames, the cut 14")])
def test_a_wrong_length_is_found(tmp_path: Path, encode: Encode, name: str, count: int, told: str) -> None:
    wanted = expected(a_film())
    assert faults(tmp_path / name, a_film(count), wanted, encode) == [f"the master {told}"]


@CODECS
def test_a_wrong_rate_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    encode(film, Rate.parse("23.976"), None, tmp_path / name)
    found = qc(tmp_path / name, expected(film)).faults
    assert found[0] == "the master runs at 24000/1001, the film at 24"
    assert "plays at another time than its own: frames 1-13" in found


@CODECS
def test_a_wrong_size_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film(4)
    wanted = expected(film, resolution=(640, 360))
    assert faults(tmp_path / name, film, wanted, encode) == ["the master is 256 x 144, the film 640 x 360"]


def encode_with_faults(frames: Sequence[np.ndarray], path: Path, full_range: bool, tag: int) -> None:
    """H.264 by another encoder's settings."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = tag
        context.color_range = 1
        for number, picture_ in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture_, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace="ITU709",
                src_color_range="JPEG",
                dst_color_range="JPEG" if full_range else "MPEG",
            )
            frame.color_range = 1
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_luma_out_of_the_legal_range_is_found(tmp_path: Path) -> None:
    film = a_film(6)
    for frame in film:
        frame[:40] = 255
        frame[110:] = 0
    encode_with_faults(film, tmp_path / "film.mp4", full_range=True, tag=1)
    found = qc(tmp_path / "film.mp4", expected(film)).faults
    assert found[0].startswith("luma outside the legal range (5 to 246)")
    assert found[0].endswith("frames 0-5")
    encode_with_faults(film, tmp_path / "film.mp4", full_range=False, tag=1)
    assert qc(tmp_path / "film.mp4", expected(film)).faults == []


@pytest.mark.parametrize("tag", [2, 5])
def test_a_master_that_is_not_tagged_bt_709_is_found(tmp_path: Path, tag: int) -> None:
    film = a_film(3)
    encode_with_faults(film, tmp_path / "film.mp4", full_range=False, tag=tag)
    assert qc(tmp_path / "film.mp4", expected(film)).faults == [
        "the master is not tagged BT.709 (primaries, transfer and matrix)"
    ]


# ---------------------------------------------------------------- records


def test_a_picture_without_a_record_is_found(tmp_path: Path) -> None:
    film = a_film(2)
    wanted = expected(film, without_record=["shots/SC010_SH010/color/v001/a.png"])
    assert faults(tmp_path / "film.mp4", film, wanted) == ["no record: shots/SC010_SH010/color/v001/a.png"]


def test_a_picture_that_repeats_although_the_puppets_moved_is_found_by_its_hash() -> None:
    shot, other = "SC010_SH010", "SC010_SH020"
    exposures = [
        (shot, 1001, "a", "pose 1"),
        (shot, 1003, "b", "pose 2"),
        (shot, 1005, "b", "pose 3"),
        (shot, 1007, "c", "pose 4"),
        (shot, 1009, "c", "pose 4"),
        (other, 1001, "c", "pose 5"),
    ]
    assert repeated_pictures(exposures) == [f"{shot} frame 1005 repeats frame 1003, and the puppets moved between them"]
    assert repeated_pictures([]) == []


# ---------------------------------------------------------------- faults of the sound


def sound_faults(path: Path, mastered: np.ndarray | None, wanted: np.ndarray | None, encode: Encode) -> list[str]:
    """QC of a master whose sound is another than the film's. Its picture is as long as its sound, then cut to ours."""
    film = a_film()
    encode(film, RATE, mastered, path)
    return qc(path, expected(film, wanted)).faults


@CODECS
def test_a_master_without_its_sound_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    assert sound_faults(tmp_path / name, None, sound_for(), encode) == ["the master has no sound"]
    assert sound_faults(tmp_path / name, sound_for(), None, encode) == ["the master has sound, and the film has none"]


@CODECS
def test_a_wrong_sound_length_is_found_to_the_sample(tmp_path: Path, encode: Encode, name: str) -> None:
    mix = sound_for()
    longer = np.concatenate([mix, mix[:1]])
    assert sound_faults(tmp_path / name, mix, longer, encode) == ["the sound is 28000 samples long, the picture 28001"]
    assert sound_faults(tmp_path / name, mix, mix[:-1], encode) == [
        "the sound is 28000 samples long, the picture 27999"
    ]


@CODECS
def test_silence_for_a_mix_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    mix = sound_for()
    assert "the sound is silent, and the mix is not" in sound_faults(tmp_path / name, mix * 0, mix, encode)


@CODECS
def test_sound_out_of_its_place_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    mix = sound_for()
    late = np.roll(mix, 2000, axis=0)
    assert sound_faults(tmp_path / name, late, mix, encode) == ["the sound is not the mix, or not in its place"]


@CODECS
def test_sound_that_is_too_loud_or_peaks_too_high_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    loud = sound_for() * 1.4
    [found] = sound_faults(tmp_path / name, loud, loud, encode)
    assert "LUFS loud, the delivery asks for -16" in found
    peaks = sound_for().copy()
    peaks[20_000:20_040] = 1.0
    assert any("dBTP, above -1" in fault for fault in sound_faults(tmp_path / name, peaks, peaks, encode))


@CODECS
def test_a_film_whose_mix_is_silent_passes_with_a_note(tmp_path: Path, encode: Encode, name: str) -> None:
    film, silence = a_film(), np.zeros((28_000, 2), np.float32)
    encode(film, RATE, silence, tmp_path / name)
    report = qc(tmp_path / name, expected(film, silence))
    assert report.faults == []
    assert report.notes == ["the sound is silent, and has no loudness"]


def test_sound_of_another_format_is_found(tmp_path: Path) -> None:
    film = a_film()
    with av.open(str(tmp_path / "film.mov"), "w") as container:
        container.add_stream("pcm_s16le", rate=44_100, layout="mono")
        stream = container.streams.audio[0]
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.int16), format="s16", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = qc(tmp_path / "film.mov", expected(film, sound_for())).faults
    assert found == ["the master has no picture", "the sound has 1 channels at 44100 Hz, not 2 at 48000"]


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("content", [b"", b"not a film at all" * 100])
def test_a_file_that_is_no_film_is_found(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    [found] = qc(tmp_path / "film.mp4", expected(a_film(2))).faults
    assert found.startswith("the master can't be decoded")


def test_a_file_that_is_not_there_is_found(tmp_path: Path) -> None:
    assert not qc(tmp_path / "gone.mp4", expected(a_film(2))).passed


@CODECS
def test_a_master_cut_short_by_a_full_disk_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film, sound = a_film(), sound_for()
    encode(film, RATE, sound, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 2 // 3])
    assert not qc(tmp_path / name, expected(film, sound)).passed


@CODECS
def test_a_master_damaged_inside_is_found(tmp_path: Path, encode: Encode, name: str) -> None:
    film = a_film()
    encode(film, RATE, None, tmp_path / name)
    content = bytearray((tmp_path / name).read_bytes())
    start = content.index(b"mdat") + len(content) // 2
    content[start : start + 3000] = bytes(3000)
    (tmp_path / name).write_bytes(content)
    assert not qc(tmp_path / name, expected(film)).passed


def test_every_fault_of_a_master_is_told_together(tmp_path: Path) -> None:
    film, sound = a_film(), sound_for()
    shown = list(film)
    shown[2] = np.zeros_like(film[0])
    encode_review(shown[:-1], RATE, sound[: RATE.samples(13, SAMPLE_RATE)], tmp_path / "film.mp4")
    report = qc(tmp_path / "film.mp4", expected(film, sound, without_record=["a.png"]))
    assert [fault.split(":")[0] for fault in report.faults] == [
        "no record",
        "black",
        "not the picture that the cut shows there",
        "the master has 13 frames, the cut 14",
        "the sound is 26000 samples long, the picture 28000",
    ]
    assert report.as_text().startswith("FAILED\nfault: no record: a.png\n")
