"""Works of one job side by side: their results in order, their progress added up, their first problem told."""

import threading

import pytest

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.side_by_side import Adding, side_by_side


def test_results_come_in_the_order_of_the_works() -> None:
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10), "the works do not run at the same time"
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert side_by_side(first, second) == ["first", "second"]


def test_a_problem_is_told_after_all_have_ended() -> None:
    ended = []

    def fails() -> None:
        raise FilmProblem("the disk is full", "make room")

    def goes_on() -> None:
        ended.append(True)

    with pytest.raises(FilmProblem, match="the disk is full"):
        side_by_side(fails, goes_on)
    assert ended == [True]


def test_progress_is_the_sum_and_never_goes_back() -> None:
    told: list[int] = []
    together = Adding(told.append)
    parts = [together.one() for _ in range(4)]

    def work(part: int) -> None:
        for done in range(1, 101):
            parts[part](done)

    side_by_side(*(lambda part=part: work(part) for part in range(4)))  # type: ignore[misc]
    assert told == list(range(1, 401))
