"""The soundtrack: cues anchored to the frames of shots, mixed to the length of a cut."""

import difflib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from film_pipeline.core.cut import Cut
from film_pipeline.core.files import FilmFile, read_yaml
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.timing import FrameRange
from film_pipeline.core.units import FRAME_NUMBER, HERTZ, SECONDS

Stereo = NDArray[np.float32]
Kind = Literal["file", "drone", "wind", "tick", "knock", "scratch", "steps", "creak", "celesta", "puff", "murmur"]
_WORDS_A_SECOND = 2.6
SYNTH_VERSION = 2
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpokenLine:
    """A line of dialogue at a shot's frame."""

    shot: str
    frame: int
    character: str
    text: str


class Cue(FilmFile):
    """A sound in the film: a file, or made by a generator."""

    sound: Kind = Field(description="a file, or which generator makes it")
    file: str = Field(default="", description="below sound/, for `sound: file`")
    shot: str = Field(default="", description="where it starts; the film's start unless given")
    frame: int | None = Field(
        default=None, description="of the shot; its first unless given", json_schema_extra=FRAME_NUMBER
    )
    seconds: float | None = Field(
        default=None, gt=0, description="to the film's end unless given", json_schema_extra=SECONDS
    )
    gain_db: float = Field(default=-12.0, le=12, description="how loud")
    pan: float = Field(default=0.0, ge=-1, le=1, description="-1 left, 1 right")
    pitch: float = Field(default=220.0, gt=10, lt=12000, description="of the sound", json_schema_extra=HERTZ)
    fade_in: float = Field(default=0.0, ge=0, description="how long it rises", json_schema_extra=SECONDS)
    fade_out: float = Field(default=0.0, ge=0, description="how long it falls", json_schema_extra=SECONDS)

    @model_validator(mode="after")
    def _has_its_file(self) -> "Cue":
        if (self.sound == "file") != bool(self.file):
            raise ValueError("a cue with `sound: file` names its file, and no other does")
        if self.frame is not None and not self.shot:
            raise ValueError("a cue with a frame names the shot that the frame is of")
        return self


class Tune(FilmFile):
    """Notes of a music box: (beat, hertz) from a shot's frame on."""

    shot: str = Field(default="", description="where it starts; the film's start unless given")
    frame: int | None = Field(
        default=None, description="of the shot; its first unless given", json_schema_extra=FRAME_NUMBER
    )
    beat_seconds: float = Field(default=0.5, gt=0, description="length of a beat")
    gain_db: float = Field(default=-16.0, description="how loud")
    notes: tuple[tuple[float, float], ...] = Field(description="beat from the start, and pitch in hertz")


class Voice(FilmFile):
    """How a character murmurs."""

    pitch: float = Field(default=150.0, gt=40, lt=800, description="of the voice", json_schema_extra=HERTZ)
    gain_db: float = Field(default=-10.0, description="how loud")
    pan: float = Field(default=0.0, ge=-1, le=1, description="-1 left, 1 right")


class SoundFile(FilmFile):
    """`sound/sound.yaml`."""

    cues: tuple[Cue, ...] = Field(default=(), description="the film's sounds")
    tunes: tuple[Tune, ...] = Field(default=(), description="the film's music box")
    voices: dict[str, Voice] = Field(default_factory=dict, description="how each character of the script murmurs")
    room_seconds: float = Field(default=1.6, gt=0, lt=10, description="how long the room sounds on")
    room_wet: float = Field(default=0.22, ge=0, le=1, description="how much of the room is heard")


def read_sound(path: Path) -> SoundFile:
    return read_yaml(path, SoundFile)


def recipe_of_sound(sound: SoundFile, folder: Path) -> dict[str, Any]:
    """What decides the mix besides the cut: the cues, and its files by content."""
    files = sorted({cue.file for cue in sound.cues if cue.file})
    return {
        "synth": SYNTH_VERSION,
        "sound": sound.model_dump(mode="json"),
        "files": {name: sha256_of_file(_file(folder, name)) for name in files},
    }


@dataclass(frozen=True)
class _Stage:
    """What sounds are laid against: the cut, the frames that were shot, and the sample rate."""

    cut: Cut
    shots: Mapping[str, FrameRange]
    cue_sheet: Path
    sample_rate: int

    def start(self, shot: str, frame: int | None, where: str) -> int | None:
        """The sample at which a shot's frame plays; None, and a word in the log, for a shot that the edit leaves out.

        A frame that is trimmed off starts where it would play if it were not: a sound from before the cut is under way
        at the cut, and one from after it is heard over the next shot.
        """
        if not shot:
            return 0
        if shot not in self.shots:
            near = difflib.get_close_matches(shot, self.shots, 1) or list(self.shots)[:1]
            raise self._refuse(
                where, f"it starts at {shot}, which the film does not have", f"did you mean {', '.join(near)}?"
            )
        shot_frames = self.shots[shot]
        frame = shot_frames.first_frame if frame is None else frame
        if frame not in shot_frames:
            raise self._refuse(
                where, f"it starts at frame {frame} of {shot}, which has {shot_frames}", "name one of its frames"
            )
        place = self.cut.place_of(shot, frame)
        if place is None:
            first = self.cut.start_of(shot)
            if first is None:
                log.info("%s is silent: the edit leaves %s out", where, shot)
                return None
            place = first + frame - shot_frames.first_frame
        return self.cut.rate.samples(place, self.sample_rate)

    def _refuse(self, where: str, problem: str, mend: str) -> FilmProblem:
        return FilmProblem(problem, mend, file=self.cue_sheet, field_name=where)


def mix(
    sound: SoundFile,
    cut: Cut,
    shots: Mapping[str, FrameRange],
    dialogue: Sequence[SpokenLine],
    folder: Path,
    sample_rate: int = 48_000,
) -> Stereo:
    """The mix, (n, 2) float32, exactly as long as the cut. shots: every shot of the film with the frames it has.

    Raises FilmProblem for a cue at a shot or frame that the film does not have and for a file that can't be read.
    """
    length = cut.rate.samples(cut.length, sample_rate)
    dry, wet = np.zeros((length, 2)), np.zeros((length, 2))
    stage = _Stage(cut, shots, folder / "sound.yaml", sample_rate)
    for number, cue in enumerate(sound.cues):
        _sound(dry if cue.sound in ("drone", "wind") else wet, number, cue, stage, folder)
    for number, tune in enumerate(sound.tunes):
        _play(wet, tune, stage, f"tunes.{number}")
    for line in dialogue:
        _speak(wet, line, sound, stage)
    from film_pipeline.editorial.synth import room

    mixed = dry + room(wet, sample_rate, sound.room_seconds, sound.room_wet)
    return mixed.astype(np.float32)


def _sound(into: NDArray[np.float64], number: int, cue: Cue, stage: _Stage, folder: Path) -> None:
    start, rate = stage.start(cue.shot, cue.frame, f"cues.{number}"), stage.sample_rate
    recorded = _read(_file(folder, cue.file), rate) if cue.file else None
    if start is None or start >= len(into):
        return
    seconds = min(cue.seconds or np.inf, (len(into) - start) / rate)
    if recorded is None:
        made = _made(cue.sound, seconds, rate, cue.pitch, f"{number} {cue.sound}")
    else:
        made = recorded[: round(seconds * rate)]
    _faded(made, cue.fade_in, cue.fade_out, rate)
    _lay(into, made, start, cue.gain_db, cue.pan)


def _play(into: NDArray[np.float64], tune: Tune, stage: _Stage, where: str) -> None:
    start, rate = stage.start(tune.shot, tune.frame, where), stage.sample_rate
    if start is None:
        return
    for number, (beat, hertz) in enumerate(tune.notes):
        note = _made("celesta", 2.4, rate, hertz, f"note {number}")
        _lay(into, note, start + round(beat * tune.beat_seconds * rate), tune.gain_db, 0.15 * (-1) ** number)


def _speak(into: NDArray[np.float64], line: SpokenLine, sound: SoundFile, stage: _Stage) -> None:
    start = stage.start(line.shot, line.frame, f"dialogue of {line.shot}")
    if start is None:
        return
    voice = sound.voices.get(line.character, Voice())
    seconds = max(0.5, len(line.text.split()) / _WORDS_A_SECOND)
    made = _made("murmur", seconds, stage.sample_rate, voice.pitch, f"{line.character} {line.text}")
    _lay(into, made, start, voice.gain_db, voice.pan)


def _made(kind: str, seconds: float, rate: int, pitch: float, seed: str) -> NDArray[np.float64]:
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    # Loaded where it is needed: scipy.signal takes a third of the start of every command.
    from film_pipeline.editorial.synth import GENERATORS

    made = GENERATORS[kind](seconds, rate, rng, pitch)
    peak = float(np.abs(made).max()) if len(made) else 0.0
    made = made - made.mean() if len(made) else made
    return np.asarray(made / peak if peak > 0 else made)


def _faded(made: NDArray[np.float64], fade_in: float, fade_out: float, rate: int) -> None:
    """Fade in place; five milliseconds at least, so that nothing clicks."""
    for seconds, part in ((fade_in, slice(None)), (fade_out, slice(None, None, -1))):
        count = min(len(made), max(round(seconds * rate), round(0.005 * rate)))
        ramp = np.linspace(0, 1, count)
        made[part][:count] *= ramp if made.ndim == 1 else ramp[:, None]


def _lay(into: NDArray[np.float64], made: NDArray[np.float64], start: int, gain_db: float, pan: float) -> None:
    first, skip = max(start, 0), max(-start, 0)
    part = made[skip : skip + max(0, len(into) - first)]
    if not len(part):
        return
    turn = (pan + 1) * np.pi / 4
    sides = np.array([np.cos(turn), np.sin(turn)]) * np.sqrt(2) * 10 ** (gain_db / 20)
    into[first : first + len(part)] += part[:, None] * sides if part.ndim == 1 else part * sides


def _file(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise FilmProblem(
            f"the sound file {name!r} lies outside {folder.name}/", f"put it into {folder}", file=folder / "sound.yaml"
        )
    if not path.is_file():
        raise FilmProblem(f"the sound file {name!r} is missing", f"put it into {folder}", file=folder / "sound.yaml")
    return path


def _read(path: Path, rate: int) -> NDArray[np.float64]:
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
            parts = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            parts += [part.to_ndarray() for part in resampler.resample(None)]
    except (av.FFmpegError, IndexError) as error:
        raise FilmProblem(f"the sound can't be read: {error}", "save it as WAV or FLAC", file=path) from error
    if not parts:
        raise FilmProblem("the sound file holds no sound", "save it again as WAV or FLAC", file=path)
    return np.concatenate(parts, axis=1).T.astype(np.float64)
