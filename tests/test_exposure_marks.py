"""Levels that change at a frame and stay."""

from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.core.exposure_marks import level_at

LEVELS = st.dictionaries(st.integers(1001, 1040), st.floats(0, 4), max_size=6)


def test_before_the_first_change_all_of_it_shines() -> None:
    assert level_at({}, 1001) == 1.0
    assert level_at({1010: 0.0}, 1009) == 1.0


@given(LEVELS, st.integers(995, 1045))
def test_a_level_stays_until_the_next_change(levels: dict[int, float], frame: int) -> None:
    expected = 1.0
    for passed in range(995, frame + 1):
        expected = levels.get(passed, expected)
    assert level_at(levels, frame) == expected
