"""Work that nobody waits for gives way to answers, and gets on all the same."""

import threading
import time

from review_app.queries.courtesy import Courtesy


def waited_s(courtesy: Courtesy, **how: object) -> float:
    began = time.monotonic()
    courtesy.give_way(**how)  # type: ignore[arg-type]
    return time.monotonic() - began


def test_where_nobody_asks_nobody_waits() -> None:
    assert waited_s(Courtesy()) < 0.05


def test_an_answer_goes_first_and_a_moment_after_it_too() -> None:
    courtesy = Courtesy()
    served: list[float] = []

    def answer() -> None:
        with courtesy.serving():
            time.sleep(0.03)
        served.append(time.monotonic())

    with courtesy.serving():
        thread = threading.Thread(target=answer)
        thread.start()
        time.sleep(0.01)
    courtesy.give_way()
    assert served and time.monotonic() - served[0] >= 0.01
    thread.join()


def test_steady_traffic_holds_nobody_up_for_long() -> None:
    courtesy = Courtesy()
    with courtesy.serving():
        assert 0.05 < waited_s(courtesy) < 1


def test_whoever_is_wanted_goes_on_at_once() -> None:
    courtesy, wanted = Courtesy(), threading.Event()
    with courtesy.serving():
        assert waited_s(courtesy, unless=lambda: True) < 0.05
        reminding = threading.Timer(0.02, lambda: (wanted.set(), courtesy.remind()))
        reminding.start()
        courtesy.gather(20, unless=wanted.is_set)
        assert wanted.is_set()
        reminding.join()
