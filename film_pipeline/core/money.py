"""Money: decimal dollars, counted in whole millionths, so that a database adds them up exactly."""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator

_LEAST = Decimal("0.000001")
LARGEST_USD = Decimal("1000000000")


def usd(amount: str | int | Decimal) -> Decimal:
    """An amount as people and providers write it: 0.04, 12, 0.000345.

    Parts of a millionth are rounded up. Raises ValueError for what is no amount, is negative, or is absurdly large;
    TypeError for a float, which has already lost what it was.
    """
    if isinstance(amount, float | bool):
        raise TypeError(f"{amount!r} is a float: money is read from text, whole numbers or Decimal")
    try:
        read = Decimal(amount)
    except InvalidOperation as error:
        raise ValueError(f"{amount!r} is no amount of money: write it as 1.50") from error
    if not read.is_finite() or read < 0 or read > LARGEST_USD:
        raise ValueError(f"{amount!r} is no amount of money that can be spent")
    return read.quantize(_LEAST, ROUND_CEILING)


def limit(amount: Decimal) -> Decimal:
    """A cap or a budget, written in one way only, so that what is signed is the same text everywhere.

    Raises ValueError where it is finer than a millionth: rounded, it would be another limit.
    """
    micros_of(amount)
    return usd(amount)


Limit = Annotated[Decimal, AfterValidator(limit)]
"""The field of a model that holds a cap or a budget."""


def micros_of(amount: Decimal) -> int:
    """The amount in millionths of a dollar, negative ones too. Raises ValueError where it is finer than that."""
    if not amount.is_finite() or abs(amount) > LARGEST_USD:
        raise ValueError(f"{amount} is no amount of money that can be spent")
    # Compared, not multiplied: a product is rounded to 28 digits, and what is finer would be gone.
    counted = amount.quantize(_LEAST)
    if counted != amount:
        raise ValueError(f"{amount} is finer than a millionth of a dollar")
    return int(counted.scaleb(6))


def dollars(micros: int) -> Decimal:
    """The amount that so many millionths are."""
    return Decimal(micros).scaleb(-6)


def written(amount: Decimal | None, currency: str = "USD") -> str:
    """How it stands in a table: 0.04 USD, and `unknown` where nobody knows. At least two places, no idle zeros."""
    if amount is None:
        return "unknown"
    text = f"{amount.normalize():f}" if amount else "0"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')} {currency}"
