"""Figures as pages write them: money with its points under each other, and how long something took."""

from decimal import Decimal
from fractions import Fraction

from film_pipeline.core.money import written

_FIGURE_SPACE = "\N{FIGURE SPACE}"


def amount(money: Decimal | None, places: int = 2) -> str:
    """Money without its currency, filled up with spaces as wide as digits to so many places behind the point."""
    if money is None:
        return "unknown"
    whole, _, part = written(money, "").strip().partition(".")
    return f"{_grouped(whole)}.{part.ljust(places, _FIGURE_SPACE)}".replace("-", "\N{MINUS SIGN}")


def _grouped(whole: str) -> str:
    """12 345 678: a narrow space for every thousand, which nobody takes for a point."""
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + f"{int(digits):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def lasting(seconds: float | None) -> str:
    """4 s, 12 min, 3 h 05 min, 2 days 4 h; a dash where nobody knows."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02d} min"
    days = whole // 86400
    return f"{days} {'day' if days == 1 else 'days'} {whole // 3600 % 24} h"


def film_seconds(seconds: Fraction) -> str:
    """1.5 s, 83.2 s, 12 min 03 s of film."""
    if seconds < 600:
        return f"{float(seconds):.1f} s"
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60:02d} s"
