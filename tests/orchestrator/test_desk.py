"""A backend as the supervisor deals with it: when it counts as silent, and how its health is told."""

from dataclasses import dataclass

from film_pipeline.core.generating import Health
from film_pipeline.orchestrator.desk import Desk


@dataclass
class Place:
    """A backend that is there by its name alone."""

    name: str = "local"


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def a_desk() -> tuple[Desk, Clock]:
    clock = Clock()
    return Desk(Place(), 0, now=clock), clock  # type: ignore[arg-type]


def test_a_backend_that_nobody_has_asked_yet_is_not_silent_however_long_a_run_was_starved() -> None:
    desk, clock = a_desk()
    clock.seconds = 1000
    assert desk.silent_s == 0
    desk.looked(Health(ready=False, slots=0, why="nobody answers", away=True))
    assert desk.silent_s == 0, "it is silent from the first question on"
    clock.seconds = 1300
    desk.looked(Health(ready=False, slots=0, why="nobody answers", away=True))
    assert desk.silent_s == 300
    desk.heard()
    assert desk.silent_s == 0


def test_a_backend_that_is_left_alone_is_told_as_away_and_for_how_long() -> None:
    desk, clock = a_desk()
    desk.looked(Health(ready=True, slots=2))
    assert desk.told.ready
    for _ in range(3):
        desk.breaker.failed()
    assert desk.health.ready
    assert not desk.told.ready
    assert "left alone for 5 s" in desk.told.why
    clock.seconds = 6
    assert desk.told.ready
