"""The soundtrack: sounds that stay with their frames through every edit, and a mix as long as the cut to the sample."""

import hashlib
import logging
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cut_samples import RATES, a_cut, cuts, events
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.cut import Cut, recut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.timing import FrameRange
from film_pipeline.delivery.encode import write_wav
from film_pipeline.editorial.soundtrack import Cue, SoundFile, SpokenLine, Tune, mix, read_sound, recipe_of_sound
from film_pipeline.editorial.synth import GENERATORS

SHOTS = {shot: FrameRange(1001, 1048) for shot in ("SC010_SH010", "SC010_SH020", "SC020_SH010")}
RATE = 8_000


def dry(*cues: Cue) -> SoundFile:
    """A cue sheet heard without the room."""
    return SoundFile(cues=cues, room_wet=0)


def a_knock(shot: str = "", frame: int | None = None) -> Cue:
    return Cue(sound="knock", shot=shot, frame=frame, seconds=0.5)


def mixed(sound: SoundFile, cut: Cut, folder: Path, dialogue: Sequence[SpokenLine] = ()) -> np.ndarray:
    return mix(sound, cut, SHOTS, dialogue, folder, RATE)


def first_heard(samples: np.ndarray) -> int:
    return int(np.nonzero(np.abs(samples).max(axis=1) > 1e-6)[0][0])


def a_recording(folder: Path, samples: np.ndarray) -> str:
    write_wav(samples.astype(np.float32), folder / "voice.wav")
    return "voice.wav"


# ---------------------------------------------------------------- length


@settings(max_examples=25, deadline=None)
@given(cuts())
def test_the_mix_is_as_long_as_the_cut_to_the_sample(cut: Cut) -> None:
    sound = dry(Cue(sound="tick", pitch=900))
    samples = mix(sound, cut, {}, (), Path("."), RATE)
    assert samples.shape == (round(Fraction(cut.length * RATE) / cut.rate.fps), 2)
    assert samples.dtype == np.float32


@pytest.mark.parametrize(
    ("rate", "samples"),
    [("23.976", 192_192), ("24", 192_000), ("25", 184_320), ("29.97", 153_754), ("30", 153_600)],
)
def test_96_frames_are_so_many_samples_at_48_kilohertz(tmp_path: Path, rate: str, samples: int) -> None:
    assert len(mix(SoundFile(), a_cut(rate), SHOTS, (), tmp_path)) == samples


# ---------------------------------------------------------------- cues


@pytest.mark.parametrize("rate", RATES)
def test_a_cue_sounds_at_its_frame(tmp_path: Path, rate: str) -> None:
    cut = a_cut(rate)
    heard = first_heard(mixed(dry(a_knock("SC010_SH020", 1021)), cut, tmp_path))
    place = cut.place_of("SC010_SH020", 1021)
    assert place == 44
    # A knock begins softly, within the fade of five milliseconds.
    assert 0 <= heard - cut.rate.samples(place, RATE) < 0.005 * RATE


def test_a_cue_moves_with_its_shot_through_an_edit(tmp_path: Path) -> None:
    cut = recut(a_cut(), events(("SC020_SH010", 1009, 1040), ("SC010_SH020", 1015, 1030)))
    heard = first_heard(mixed(dry(a_knock("SC010_SH020", 1021)), cut, tmp_path))
    assert 0 <= heard - cut.rate.samples(32 + 6, RATE) < 0.005 * RATE


def test_a_cue_in_a_shot_that_plays_twice_sounds_where_its_frame_plays(tmp_path: Path) -> None:
    cut = recut(a_cut(), events(("SC010_SH010", 1009, 1016), ("SC010_SH020", 1009, 1016), ("SC010_SH010", 1030, 1048)))
    heard = first_heard(mixed(dry(a_knock("SC010_SH010", 1034)), cut, tmp_path))
    assert 0 <= heard - cut.rate.samples(20, RATE) < 0.005 * RATE


def test_a_cue_at_frames_trimmed_off_the_head_is_under_way_at_the_cut(tmp_path: Path) -> None:
    name = a_recording(tmp_path, np.repeat(np.linspace(0, 0.5, 48_000)[:, None], 2, axis=1))
    cue = Cue(sound="file", file=name, shot="SC010_SH010", frame=1001, gain_db=0)
    samples = mixed(dry(cue), a_cut(), tmp_path)
    # The cut begins 8 frames, a third of a second, into the sound.
    assert samples[0, 0] == pytest.approx(0.5 / 3, abs=0.01)
    assert np.abs(samples[int(0.67 * RATE) :]).max() < 0.01


def test_a_cue_at_frames_trimmed_off_the_tail_is_heard_over_the_next_shot(tmp_path: Path) -> None:
    heard = first_heard(mixed(dry(a_knock("SC010_SH010", 1045)), a_cut(), tmp_path))
    assert 0 <= heard - a_cut().rate.samples(36, RATE) < 0.005 * RATE


def test_a_shot_that_the_edit_leaves_out_is_silent_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = recut(a_cut(), events(("SC010_SH020", 1009, 1040)))
    sound = SoundFile(cues=(a_knock("SC010_SH010"),), tunes=(Tune(shot="SC010_SH010", notes=((0, 440),)),))
    with caplog.at_level(logging.INFO):
        samples = mixed(sound, cut, tmp_path, [SpokenLine("SC010_SH010", 1010, "PIM", "Who is there?")])
    assert np.abs(samples).max() == 0
    assert caplog.text.count("the edit leaves SC010_SH010 out") == 3


def test_a_cue_without_a_length_goes_on_to_the_end_and_no_further(tmp_path: Path) -> None:
    samples = mixed(dry(Cue(sound="drone", pitch=110, shot="SC020_SH010")), a_cut(), tmp_path)
    start = a_cut().rate.samples(64 - 8, RATE)
    assert np.abs(samples[:start]).max() == 0
    assert np.abs(samples[-RATE // 4 :]).max() > 0.01


def test_a_pan_to_the_left_is_heard_on_the_left_alone(tmp_path: Path) -> None:
    samples = mixed(dry(Cue(sound="drone", pan=-1)), a_cut(), tmp_path)
    assert np.abs(samples[:, 0]).max() > 0.1
    assert np.abs(samples[:, 1]).max() < 1e-6


@pytest.mark.parametrize(
    ("cue", "told"),
    [
        (a_knock("SC010_SH011"), "starts at SC010_SH011, which the film does not have.*did you mean SC010_SH010"),
        (a_knock("SC010_SH010", 1049), "starts at frame 1049 of SC010_SH010, which has 1001-1048"),
        (a_knock("SC010_SH010", 0), "starts at frame 0"),
    ],
)
def test_a_cue_at_what_was_never_shot_is_refused(tmp_path: Path, cue: Cue, told: str) -> None:
    with pytest.raises(FilmProblem, match=told) as refused:
        mixed(dry(Cue(sound="wind"), cue), a_cut(), tmp_path)
    assert refused.value.file == tmp_path / "sound.yaml"
    assert refused.value.field_name == "cues.1"


# ---------------------------------------------------------------- files


def test_a_recording_plays_as_it_is_at_its_place(tmp_path: Path) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 48_000)
    name = a_recording(tmp_path, np.stack([wave, -wave], axis=1))
    cue = Cue(sound="file", file=name, shot="SC010_SH020", frame=1009, gain_db=0)
    samples = mix(dry(cue), a_cut(), SHOTS, (), tmp_path)
    start = a_cut().rate.samples(32, 48_000)
    middle = slice(start + 1000, start + 23_000)
    assert np.abs(samples[middle, 0] - wave[1000:23_000]).max() < 1e-4
    assert np.abs(samples[middle, 1] + wave[1000:23_000]).max() < 1e-4
    assert np.abs(samples[: start - 1]).max() == np.abs(samples[start + 24_000 :]).max() == 0


def test_a_recording_of_another_rate_keeps_its_length_and_pitch(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "voice.flac"), "w") as container:
        stream = container.add_stream("flac", rate=44_100, layout="mono")
        wave = (0.5 * np.sin(2 * np.pi * 441 * np.arange(44_100) / 44_100) * 2**15).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = mix(dry(Cue(sound="file", file="voice.flac", gain_db=0)), a_cut(), SHOTS, (), tmp_path)
    heard = samples[2000:46_000, 0]
    assert np.argmax(np.abs(np.fft.rfft(heard))) * 48_000 / len(heard) == pytest.approx(441, abs=1.5)
    assert np.abs(samples[48_100:]).max() == 0


@pytest.mark.parametrize("name", ["gone.wav", "../secret.wav", "/etc/hostname", "sub/../../secret.wav", ""])
def test_a_file_that_is_missing_or_lies_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    a_recording(tmp_path, np.zeros((100, 2)))
    (tmp_path / "voice.wav").rename(tmp_path / "secret.wav")
    cue = Cue(sound="file", file=name or ".", gain_db=0)
    for use in (lambda: mixed(dry(cue), a_cut(), folder), lambda: recipe_of_sound(dry(cue), folder)):
        with pytest.raises(FilmProblem, match=r"is missing|lies outside"):
            use()


def test_a_link_that_leads_out_of_the_sound_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    name = a_recording(tmp_path, np.zeros((100, 2)))
    (folder / "link.wav").symlink_to(tmp_path / name)
    with pytest.raises(FilmProblem, match="lies outside"):
        mixed(dry(Cue(sound="file", file="link.wav")), a_cut(), folder)


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_file_that_holds_no_sound_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.wav").write_bytes(content)
    with pytest.raises(FilmProblem) as refused:
        mixed(dry(Cue(sound="file", file="broken.wav")), a_cut(), tmp_path)
    assert refused.value.file == tmp_path / "broken.wav"


def test_another_recording_under_the_same_name_is_another_recipe(tmp_path: Path) -> None:
    sound = dry(Cue(sound="file", file=a_recording(tmp_path, np.zeros((100, 2)))))
    before = recipe_of_sound(sound, tmp_path)
    assert before == recipe_of_sound(sound, tmp_path)
    a_recording(tmp_path, np.ones((100, 2)) / 2)
    assert before != recipe_of_sound(sound, tmp_path)


# ---------------------------------------------------------------- the cue sheet


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("cues:\n  - {sound: file}\n", "cues"),
        ("cues:\n  - {sound: knock, file: a.wav}\n", "cues"),
        ("cues:\n  - {sound: knock, frame: 1010}\n", "cues"),
        ("cues:\n  - {sound: bang}\n", "cues.0.sound"),
        ("cues:\n  - {sound: knock, pan: 2}\n", "cues.0.pan"),
        ("tunes:\n  - {notes: [[0]]}\n", "tunes.0.notes"),
    ],
)
def test_a_wrong_cue_sheet_is_told_by_line_and_field(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "sound.yaml"
    path.write_text(text)
    with pytest.raises(FilmProblem) as refused:
        read_sound(path)
    assert refused.value.file == path
    assert refused.value.line is not None
    assert field in refused.value.field_name.replace("[", ".").replace("]", "")


# ---------------------------------------------------------------- synthesis

_EVERYTHING = SoundFile(
    cues=tuple(Cue(sound=name, seconds=0.8, pitch=300) for name in GENERATORS),
    tunes=(Tune(notes=((0, 440), (1, 660))),),
)


def test_the_same_cue_sheet_is_the_same_sound_in_another_process(tmp_path: Path) -> None:
    line = SpokenLine("SC010_SH010", 1012, "PIM", "Who is there?")
    here = hashlib.sha256(mixed(_EVERYTHING, a_cut(), tmp_path, [line]).tobytes()).hexdigest()
    assert hashlib.sha256(mixed(_EVERYTHING, a_cut(), tmp_path, [line]).tobytes()).hexdigest() == here
    told = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_soundtrack import _EVERYTHING, SpokenLine, a_cut, mixed\n"
        "line = SpokenLine('SC010_SH010', 1012, 'PIM', 'Who is there?')\n"
        "print(hashlib.sha256(mixed(_EVERYTHING, a_cut(), Path('.'), [line]).tobytes()).hexdigest())\n"
    )
    folder = str(Path(__file__).parent)
    ran = subprocess.run([sys.executable, "-c", told, folder], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == here


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(GENERATORS)), st.floats(1e-5, 2.5), st.floats(10.001, 11_999), st.integers(0, 99))
def test_every_generator_gives_as_much_sound_as_was_asked_at_any_pitch(
    kind: str, seconds: float, pitch: float, seed: int
) -> None:
    made = GENERATORS[kind](seconds, 48_000, np.random.default_rng(seed), pitch)
    assert made.shape == (round(seconds * 48_000),)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("kind", sorted(GENERATORS))
def test_every_generator_is_heard(kind: str) -> None:
    made = GENERATORS[kind](1.0, 48_000, np.random.default_rng(1), 300.0)
    assert np.abs(made).max() > 1e-3


def test_the_room_adds_an_echo_after_a_sound_and_none_before(tmp_path: Path) -> None:
    cue = Cue(sound="knock", shot="SC010_SH010", frame=1015, seconds=0.2)
    plain = mixed(SoundFile(cues=(cue,), room_wet=0), a_cut(), tmp_path)
    roomy = mixed(SoundFile(cues=(cue,), room_wet=0.5), a_cut(), tmp_path)
    start = a_cut().rate.samples(6, RATE)
    assert np.abs(roomy[:start]).max() < 1e-6
    assert np.abs(roomy[start + RATE :]).max() > 10 * np.abs(plain[start + RATE :]).max()
