"""Work that nobody waits for gives way to answers, and gets on all the same."""

import threading
import time

from review_app.queries.courtesy import Courtesy


def waited_s(courtesy: Courtesy, **how: object) -> float:
    began = time.monotonic()
    courtesy.give_way(**how)  # type: ignore[arg-type]
    return time.monotonic() - began


def test_where_nobody_asks_nobody_waits() -> None:
    assert min(waited_s(Courtesy()) for _ in range(20)) < 0.02


def test_an_answer_goes_first() -> None:
    courtesy, began, waited = Courtesy(), threading.Event(), []

    def errand() -> None:
        began.set()
        waited.append(waited_s(courtesy))

    with courtesy.serving():
        thread = threading.Thread(target=errand)
        thread.start()
        began.wait(20)
        time.sleep(0.05)
    thread.join()
    assert waited[0] >= 0.02


def test_steady_traffic_holds_nobody_up_for_long() -> None:
    courtesy = Courtesy()
    with courtesy.serving():
        assert 0.05 < waited_s(courtesy) < 10


def test_whoever_is_wanted_goes_on_at_once() -> None:
    courtesy, wanted = Courtesy(), threading.Event()
    with courtesy.serving():
        assert min(waited_s(courtesy, unless=lambda: True) for _ in range(20)) < 0.02
        reminding = threading.Timer(0.02, lambda: (wanted.set(), courtesy.remind()))
        reminding.start()
        courtesy.gather(60, unless=wanted.is_set)
        assert wanted.is_set()
        reminding.join()
