"""Sounds made by arithmetic: every generator takes a length and a seed and gives mono float32 at the sample rate."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

Sound = NDArray[np.float64]
Generator = Callable[[float, int, np.random.Generator, float], Sound]


def _time(seconds: float, rate: int) -> Sound:
    return np.arange(round(seconds * rate)) / rate


def _noise(count: int, rng: np.random.Generator) -> Sound:
    return rng.standard_normal(count)


def _band(sound: Sound, low: float, high: float, rate: int, order: int = 2) -> Sound:
    """What lies between two pitches, as far as the sample rate holds it."""
    high = min(max(high, low * 1.05), 0.49 * rate)
    low = min(low, high * 0.95)
    if not len(sound):
        return sound
    return np.asarray(sosfilt(butter(order, [low, high], "bandpass", fs=rate, output="sos"), sound))


def _slow(rng: np.random.Generator, count: int, rate: int, hertz: float) -> Sound:
    """A slow random curve between 0 and 1."""
    knots = max(4, int(count / rate * hertz) + 3)
    values = rng.random(knots)
    places = np.linspace(0, knots - 1, count)
    left = np.floor(places).astype(int).clip(0, knots - 2)
    share = places - left
    share = share * share * (3 - 2 * share)
    return np.asarray(values[left] * (1 - share) + values[left + 1] * share)


def drone(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """A low chord that breathes. pitch: its root in hertz."""
    t = _time(seconds, rate)
    sound = np.zeros_like(t)
    for ratio, level in ((1, 1.0), (1.5, 0.45), (2.0, 0.3), (2.378, 0.16), (3.0, 0.08)):
        beat = 1 + 0.003 * np.sin(2 * np.pi * (0.05 + 0.03 * ratio) * t + ratio)
        sound += level * np.sin(2 * np.pi * pitch * ratio * t * 1.0 + 2.0 * np.cumsum(beat - 1) / rate * pitch)
    return sound * (0.6 + 0.4 * _slow(rng, len(t), rate, 0.12))


def wind(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """Wind round a house. pitch: the middle of its whistle in hertz."""
    count = round(seconds * rate)
    low = _band(_noise(count, rng), 60, 380, rate) * (0.25 + 0.75 * _slow(rng, count, rate, 0.25))
    whistle = _band(_noise(count, rng), pitch * 0.85, pitch * 1.15, rate) * _slow(rng, count, rate, 0.2) ** 3
    return low + 0.8 * whistle


def tick(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """A clock: tick and tock, one a second."""
    sound = np.zeros(round(seconds * rate))
    for second in range(int(seconds) + 1):
        _add(
            sound,
            second * rate,
            _struck(0.06, rate, (pitch, pitch * 2.7, pitch * 4.1), 90) * (1.0 if second % 2 else 0.7),
        )
    return sound


def _struck(seconds: float, rate: int, partials: tuple[float, ...], damping: float) -> Sound:
    t = _time(seconds, rate)
    return np.asarray(
        sum(np.sin(2 * np.pi * f * t) * np.exp(-t * damping * (1 + 0.35 * k)) / (1 + k) for k, f in enumerate(partials))
    )


def _add(sound: Sound, at: int, part: Sound) -> None:
    if 0 <= at < len(sound):
        end = min(len(sound), at + len(part))
        sound[at:end] += part[: end - at]


def knock(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """Three knocks on a heavy door. pitch: of the wood."""
    sound = np.zeros(round(seconds * rate))
    gap = min(0.36, seconds / 3.2)
    for number in range(3):
        body = _struck(0.4, rate, (pitch, pitch * 1.62, pitch * 2.4), 24)
        body[: rate // 80] += _noise(rate // 80, rng) * np.linspace(0.7, 0, rate // 80)
        _add(sound, round(number * gap * rate), body * (0.85 + 0.15 * number))
    return sound


def scratch(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """A pen on paper, in words and pauses."""
    count = round(seconds * rate)
    hiss = _band(_noise(count, rng), pitch, min(pitch * 3, rate * 0.45), rate)
    stroke = np.abs(np.sin(2 * np.pi * np.cumsum(3.2 + 2.5 * _slow(rng, count, rate, 2.0)) / rate)) ** 1.5
    return hiss * stroke * (_slow(rng, count, rate, 1.4) > 0.3)


def steps(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """Boots on wooden stairs, about three in two seconds, with a creak now and then."""
    sound = np.zeros(round(seconds * rate))
    at = 0.0
    while at < seconds:
        thump = _struck(0.22, rate, (pitch * rng.uniform(0.9, 1.1), pitch * 2.3), 34)
        thump[: rate // 50] += _band(_noise(rate // 50, rng), 500, 3000, rate) * 0.25
        _add(sound, round(at * rate), thump * rng.uniform(0.7, 1))
        if rng.random() < 0.4:
            _add(sound, round((at + 0.12) * rate), creak(0.35, rate, rng, 320) * 0.25)
        at += 0.667
    return sound


def creak(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """Old wood giving way: stick and slip."""
    count = round(seconds * rate)
    speed = pitch * (0.12 + 0.25 * _slow(rng, count, rate, 3))
    phase = np.cumsum(speed) / rate
    pulses = np.diff(np.floor(phase), prepend=0) > 0
    train = pulses * rng.uniform(0.5, 1, count)
    wood = sum(_band(train, f * 0.96, f * 1.04, rate) for f in (pitch, pitch * 1.9, pitch * 3.3))
    return np.asarray(wood * 14 * np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5)


def celesta(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """One struck note of a music box."""
    note = _struck(seconds, rate, (pitch, pitch * 2.0, pitch * 4.2, pitch * 6.9), 2.6)
    return note * (1 + 0.02 * np.sin(2 * np.pi * 5.1 * _time(seconds, rate)))


def puff(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """A flame going out."""
    count = round(seconds * rate)
    air = _band(_noise(count, rng), 90, pitch, rate)
    return air * np.exp(-_time(seconds, rate) * 9) * np.minimum(1, _time(seconds, rate) * 80)


_VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))


def murmur(seconds: float, rate: int, rng: np.random.Generator, pitch: float) -> Sound:
    """A puppet's voice without words: a vowel for every fifth of a second, its tune falling at the end."""
    count = round(seconds * rate)
    t = np.linspace(0, 1, count)
    tune = pitch * (1.08 - 0.2 * t + 0.05 * np.sin(2 * np.pi * (_slow(rng, count, rate, 2.5) + 3 * t)))
    phase = np.cumsum(tune) / rate
    voice = 2 * (phase % 1) - 1 + 0.06 * _noise(count, rng)
    syllables = max(1, round(seconds * 4.2))
    sound = np.zeros(count)
    for number in range(syllables):
        first, last = count * number // syllables, count * (number + 1) // syllables
        part = voice[first:last]
        vowel = _VOWELS[int(rng.integers(len(_VOWELS)))]
        shaped = sum(_resonate(part, f * (1.0 + (pitch - 150) / 900), rate) / (1 + k) for k, f in enumerate(vowel))
        sound[first:last] = shaped * np.sin(np.pi * np.linspace(0.02, 0.98, last - first)) ** 0.6
    return sound


def _resonate(sound: Sound, hertz: float, rate: int, wide: float = 90.0) -> Sound:
    radius = np.exp(-np.pi * wide / rate)
    turn = 2 * np.pi * min(hertz, rate * 0.45) / rate
    return np.asarray(lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius * radius], sound))


def room(sound: NDArray[np.float64], rate: int, seconds: float, wet: float, seed: int = 5) -> NDArray[np.float64]:
    """The sound (n, 2) in a room: the same length, with that much of its echo mixed in."""
    rng = np.random.default_rng(seed)
    t = _time(seconds, rate)
    tail = rng.standard_normal((len(t), 2)) * np.exp(-t * 6.9 / seconds)[:, None]
    tail[: rate // 60] *= np.linspace(0, 1, rate // 60)[:, None]
    tail /= np.sqrt((tail**2).sum(axis=0))
    echo = np.stack([fftconvolve(sound[:, side], tail[:, side])[: len(sound)] for side in (0, 1)], axis=1)
    return sound + wet * echo


GENERATORS: dict[str, Generator] = {
    "drone": drone,
    "wind": wind,
    "tick": tick,
    "knock": knock,
    "scratch": scratch,
    "steps": steps,
    "creak": creak,
    "celesta": celesta,
    "puff": puff,
    "murmur": murmur,
}
