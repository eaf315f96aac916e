"""Money: read without loss, counted in whole millionths, never rounded in the film's favour."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.money import LARGEST_USD, dollars, limit, micros_of, usd, written

micros = st.integers(-(10**15), 10**15)
amounts = st.decimals(min_value=0, max_value=LARGEST_USD, allow_nan=False, allow_infinity=False)


@given(micros)
def test_millionths_are_kept_to_the_last_one(count: int) -> None:
    assert micros_of(dollars(count)) == count
    assert Fraction(dollars(count)) == Fraction(count, 1_000_000)


@given(amounts)
def test_what_is_finer_than_a_millionth_is_rounded_up(amount: Decimal) -> None:
    read = usd(amount)
    assert 0 <= Fraction(read) - Fraction(amount) < Fraction(1, 1_000_000)
    assert usd(str(amount)) == read


@given(amounts)
def test_a_limit_is_never_rounded(amount: Decimal) -> None:
    try:
        assert Fraction(limit(amount)) == Fraction(amount)
    except ValueError:
        assert Fraction(usd(amount)) != Fraction(amount)


@pytest.mark.parametrize("fine", ["0.0000001", "123456789.0000000000000000000000000001", "1E-40"])
def test_a_limit_finer_than_a_millionth_is_refused(fine: str) -> None:
    with pytest.raises(ValueError, match="finer than a millionth"):
        limit(Decimal(fine))


@given(st.lists(micros, max_size=50))
def test_a_sum_of_amounts_is_the_amount_of_the_sum(counts: list[int]) -> None:
    assert sum((dollars(count) for count in counts), Decimal(0)) == dollars(sum(counts))


@pytest.mark.parametrize("wrong", ["", "ten", "-1", "NaN", "Infinity", "1e12", "1,50"])
def test_what_is_no_amount_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="no amount of money"):
        usd(wrong)


@pytest.mark.parametrize("wrong", [0.1, True])
def test_a_float_is_not_taken_for_money(wrong: object) -> None:
    with pytest.raises(TypeError, match="is a float"):
        usd(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00 USD"),
        ("12", "12.00 USD"),
        ("0.1", "0.10 USD"),
        ("0.000345", "0.000345 USD"),
        ("1000000", "1000000.00 USD"),
        ("-0.05", "-0.05 USD"),
    ],
)
def test_amounts_are_written_without_idle_zeros(amount: str, text: str) -> None:
    assert written(Decimal(amount)) == text
    assert written(dollars(micros_of(Decimal(amount)))) == text


def test_an_unknown_price_is_written_as_unknown() -> None:
    assert written(None) == "unknown"
