"""The order in which frames wait, and how many a backend has room for."""

from typing import Any

from film_pipeline.core.gate import Covered
from film_pipeline.core.generating import FrameWork, Health
from film_pipeline.orchestrator.callsheet import CallSheet
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.wanted import Wanted

COVERED = Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models={})


def a_frame(shot: str, frame: int, take: int = 1, backends: tuple[str, ...] = ("local",)) -> Wanted:
    work = FrameWork(
        shot=shot,
        work="take",
        take=take,
        frame=frame,
        purpose="frame",
        prompt=f"{shot} {frame}",
        negative="",
        guides=(),
        width=64,
        height=48,
        seed=frame,
        covered=COVERED,
    )
    return Wanted(work, backends)


def waiting(sheet: CallSheet) -> list[tuple[str, int | None]]:
    return [(frame.wanted.work.shot, frame.wanted.work.frame) for queue in sheet.queues() for frame in queue]


def a_sheet() -> CallSheet:
    return CallSheet(lambda shot, take, frame, done: None)


def test_the_first_frame_of_a_take_that_was_just_signed_goes_before_the_rest_of_the_others() -> None:
    sheet = a_sheet()
    sheet.want([a_frame("SH010", frame) for frame in (1001, 1002, 1003)])
    sheet.want([a_frame("SH020", frame, backends=("pods",)) for frame in (1001, 1002)])
    sheet.want([a_frame("SH010", 1001, take=2)])
    assert waiting(sheet) == [
        ("SH010", 1001),
        ("SH010", 1001),
        ("SH020", 1001),
        ("SH010", 1002),
        ("SH010", 1003),
        ("SH020", 1002),
    ]
    assert sheet.waiting == 6


def test_the_same_frame_is_wanted_once() -> None:
    sheet = a_sheet()
    sheet.want([a_frame("SH010", 1001)])
    sheet.want([a_frame("SH010", 1001), a_frame("SH010", 1002)])
    assert sheet.waiting == 2


def test_what_is_hopeless_leaves_every_queue() -> None:
    sheet = a_sheet()
    sheet.want([a_frame("SH010", frame) for frame in (1001, 1002)])
    sheet.want([a_frame("SH020", 1001, backends=("pods",))])
    dropped = sheet.drop(lambda frame: frame.wanted.backends == ("local",))
    assert len(dropped) == 2
    assert waiting(sheet) == [("SH020", 1001)]


class Place:
    """As much of a backend as a desk asks for here."""

    name = "local"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks for {name}")


def test_a_frame_that_is_done_and_was_not_heard_of_gives_its_room_once() -> None:
    desk: Desk = Desk(Place(), 0)  # type: ignore[arg-type]
    desk.ids += ["first", "second"]
    # Of two orders the server has one left, and so it has room for another.
    desk.looked(Health(True, 1, queued=1))
    assert desk.free == 0
    desk.looked(Health(True, 0, queued=2))
    assert desk.free == 0
    desk.ids.pop()
    desk.looked(Health(True, 1, queued=1))
    assert desk.free == 1
