"""What frames would cost: known prices times measured seconds. What nobody knows is said to be unknown, never zero."""

import statistics
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from film_pipeline.core.generating import Purpose
from film_pipeline.core.generation import Quote
from film_pipeline.core.money import usd, written

SERVERLESS_USD_PER_SECOND: Mapping[str, Decimal] = {
    "L4": Decimal("0.00019"),
    "A5000": Decimal("0.00019"),
    "4090": Decimal("0.00031"),
    "A6000": Decimal("0.00034"),
    "L40S": Decimal("0.00053"),
    "A100": Decimal("0.00076"),
    "H100": Decimal("0.00116"),
}
"""RunPod's flex workers in August 2026, for people who write production.yaml: an endpoint does not tell its GPU."""
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
    """What rented time costs. usd_per_hour: None while it is not known. boot_s: paid once before the first frame."""

    usd_per_hour: Decimal | None
    said: str
    boot_s: Decimal | None = None
    machines: int = 1


def charge(seconds: float | Decimal, usd_per_hour: Decimal | None) -> Decimal | None:
    """The price of some seconds, parts of a millionth rounded up; None where the price is not known."""
    if usd_per_hour is None:
        return None
    exact = Decimal(str(seconds)) * usd_per_hour / _HOUR_S
    return usd(exact.quantize(Decimal("0.000001"), ROUND_CEILING))


def hired_quote(backend: str, frames: int, hire: Hire, seconds: tuple[Decimal, str] | None, licence: str) -> Quote:
    """Frames on time that is paid by the hour, booting included as far as it is known."""
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
    total = each * frames + (hire.boot_s or 0) * hire.machines
    boot = (
        f"{hire.boot_s.normalize():f} s to boot"
        if hire.boot_s is not None
        else "booting comes on top, its time unknown"
    )
    return Quote(backend, frames, charge(total, hire.usd_per_hour), _said(f"{hire.said}, {how}, {boot}", licence))


def per_image_quote(backend: str, frames: int, usd_per_image: Decimal | None, licence: str) -> Quote:
    if usd_per_image is None:
        return Quote(backend, frames, None, _said("price unknown: production.yaml does not say it", licence))
    return Quote(backend, frames, usd(usd_per_image * frames), _said(f"{written(usd_per_image)} an image", licence))


def free_quote(backend: str, frames: int, licence: str) -> Quote:
    return Quote(backend, frames, Decimal("0"), _said("costs nothing but time", licence))


def _said(price: str, licence: str) -> str:
    return f"{price}; {licence}" if licence else price
