"""What frames would cost: known prices times measured seconds. What nobody knows is said to be unknown, never zero."""

import statistics
from collections import defaultdict, deque
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from film_pipeline.core.generating import Purpose
from film_pipeline.core.generation import Quote
from film_pipeline.core.money import usd, written

_KEPT = 32
_HOUR_S = 3600
_MEGAPIXEL = 1_000_000


class Pace:
    """How many seconds a frame takes, as measured: the median of the latest frames, by purpose, for each megapixel.

    Seconds grow with the picture's area, so that frames of one size tell of another.
    """

    def __init__(self, given_s: Decimal | None = None) -> None:
        self._given_s = given_s
        self._measured: defaultdict[Purpose, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def measured(self, seconds: float, size: tuple[int, int], purpose: Purpose = "frame") -> None:
        """Note a frame that took so long. Nonsense (no time, no size) is not noted."""
        if seconds > 0 and min(size) > 0:
            self._measured[purpose].append(seconds * _MEGAPIXEL / (size[0] * size[1]))

    def seconds(self, size: tuple[int, int], purpose: Purpose = "frame") -> tuple[Decimal, str] | None:
        """Seconds for a frame of that size and where the figure is from; None where nobody knows."""
        noted = self._measured[purpose] or [each for every in self._measured.values() for each in every]
        if noted:
            each = Decimal(str(round(statistics.median(noted) * size[0] * size[1] / _MEGAPIXEL, 3)))
            return each, f"{each.normalize():f} s a frame as measured"
        if self._given_s is not None:
            return self._given_s, f"{self._given_s.normalize():f} s a frame as production.yaml says"
        return None


@dataclass(frozen=True)
class Hire:
    """What rented time costs. usd_per_hour: None while it is not known.

    overhead_s: seconds in all in which machines boot and idle, as far as they are known. overhead_said: in words.
    """

    usd_per_hour: Decimal | None
    said: str
    overhead_s: Decimal = Decimal(0)
    overhead_said: str = ""


def charge(seconds: float | Decimal, usd_per_hour: Decimal | None) -> Decimal | None:
    """The price of some seconds, parts of a millionth rounded up; None where the price is not known."""
    if usd_per_hour is None:
        return None
    exact = Decimal(str(seconds)) * usd_per_hour / _HOUR_S
    return usd(exact.quantize(Decimal("0.000001"), ROUND_CEILING))


def hired_quote(backend: str, frames: int, hire: Hire, seconds: tuple[Decimal, str] | None, licence: str) -> Quote:
    """Frames on time that is paid by the hour, booting and idling included as far as they are known."""
    if hire.usd_per_hour is None:
        return Quote(backend, frames, None, _said(f"price unknown: {hire.said}", licence))
    if seconds is None:
        return Quote(
            backend,
            frames,
            None,
            _said(f"{hire.said}; how long a frame takes is unknown until one was rendered", licence),
        )
    each, how = seconds
    cost = charge(each * frames + hire.overhead_s, hire.usd_per_hour)
    said = ", ".join(part for part in (hire.said, how, hire.overhead_said) if part)
    return Quote(backend, frames, cost, _said(said, licence))


def per_image_quote(backend: str, frames: int, usd_per_image: Decimal | None, licence: str) -> Quote:
    if usd_per_image is None:
        return Quote(backend, frames, None, _said("price unknown: production.yaml does not say it", licence))
    return Quote(backend, frames, usd(usd_per_image * frames), _said(f"{written(usd_per_image)} an image", licence))


def free_quote(backend: str, frames: int, licence: str) -> Quote:
    return Quote(backend, frames, Decimal("0"), _said("costs nothing but time", licence))


def _said(price: str, licence: str) -> str:
    return f"{price}; {licence}" if licence else price
