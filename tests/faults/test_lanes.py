"""Seeds side by side: every one is played once, and none breaks unheard."""

import os
from pathlib import Path

import pytest
from lanes import in_lanes


def test_every_seed_is_played_once(tmp_path: Path) -> None:
    in_lanes(lambda seed, lane: (tmp_path / f"{seed}").touch(exist_ok=False), range(5, 15), 3)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(5, 15))


def test_a_seed_that_breaks_something_is_named_and_the_other_lanes_go_on(tmp_path: Path) -> None:
    def play(seed: int, lane: int) -> None:
        assert seed != 3, "a frame is lost"
        (tmp_path / f"{seed}").touch()

    with pytest.raises(AssertionError, match=r"seed 3: .*\n[^$]*a frame is lost"):
        in_lanes(play, range(1, 9), 2)
    assert {int(path.name) for path in tmp_path.iterdir()} == {1, 2, 4, 6, 8}


def test_a_lane_that_dies_is_noticed() -> None:
    with pytest.raises(AssertionError):
        in_lanes(lambda seed, lane: os._exit(3) if seed == 2 else None, range(1, 4), 2)
