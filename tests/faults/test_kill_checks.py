"""The checks after the kills can fail: each kind of loss is done to a whole production, and is noticed."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from shutil import copyfile, copytree

import pytest
from countdown import Moment
from kill_checks import Truth, check, check_that_no_frame_is_paid_twice
from kill_floor import KillFloor, Places
from kill_stage import Broken, Play, Seen, Stage, staged

from film_pipeline.core.jobs import JobState
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.simulators.book import Bill, Charge
from film_pipeline.stores.filing import sidecar_of
from film_pipeline.stores.leases import claim
from film_pipeline.stores.ledger.jobs import Job

NAME = "whole"
Harm = Callable[[KillFloor, Truth], Truth | None]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage"), templates) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(stage: Stage) -> tuple[Path, Places, Truth]:
    """A production that nobody disturbed, and what its providers know of it."""
    root, before = stage.folder / NAME, stage.counted()
    places = Places(stage.comfyui.url, stage.pods.url, stage.serverless.url)
    stage.prepare(root)
    for do in ("sign", "run", "run"):
        ended = stage.ask(do, root, NAME, places)
        assert ended["status"] == 0, ended["said"]
    return root, places, stage.truth(NAME, before)


def opened(whole: tuple[Path, Places, Truth], folder: Path) -> tuple[KillFloor, Truth]:
    root, places, truth = whole
    copytree(root, folder / "copy")
    return KillFloor(folder / "copy", NAME, places), deepcopy(truth)


def job_of(floor: KillFloor, backend: str, work: str = "take") -> Job:
    return next(job for job in floor.ledger.jobs.of(backend=backend) if job.ticket.work == work)


def rewritten(floor: KillFloor, statement: str, *values: object) -> None:
    """What nobody can do through the ledger."""
    connection = sqlite3.connect(floor.made / "ledger.sqlite")
    with connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def billed_more(floor: KillFloor, truth: Truth) -> Truth:
    """The provider charged an order that the ledger knows once more: a charge was lost here."""
    charge = Charge(job_of(floor, "image").provider_id, "image", Decimal(0), Decimal("0.04"))
    return replace(truth, serverless=Bill(truth.serverless.orders, (*truth.serverless.charges, charge)))


def billed_nothing(floor: KillFloor, truth: Truth) -> Truth:
    known = job_of(floor, "seconds").provider_id
    left = tuple(charge for charge in truth.serverless.charges if charge.provider_id != known)
    return replace(truth, serverless=Bill(truth.serverless.orders, left))


def an_order_from_nowhere(floor: KillFloor, truth: Truth) -> Truth:
    order = replace(truth.local.orders[-1], key=str(uuid.uuid4()))
    return replace(truth, local=Bill((*truth.local.orders, order), truth.local.charges))


def an_image_from_nowhere(floor: KillFloor, truth: Truth) -> Truth:
    return replace(truth, images={*truth.images, "nobody-knows-this-one"})


def a_machine_left_running(floor: KillFloor, truth: Truth) -> None:
    next(iter(truth.machines.values()))["status"] = "RUNNING"


def a_machine_that_cost_more(floor: KillFloor, truth: Truth) -> Truth:
    pod = next(iter(truth.machines))
    charges = [
        replace(line, usd=line.usd * 2, seconds=line.seconds * 2 + 10) if line.provider_id == pod else line
        for line in truth.pods.charges
    ]
    return replace(truth, pods=Bill(truth.pods.orders, tuple(charges)))


def a_frame_that_nobody_made(floor: KillFloor, truth: Truth) -> None:
    rewritten(floor, "UPDATE jobs SET state = 'failed' WHERE job = ?", job_of(floor, "local").ticket.job)


def a_frame_without_a_job(floor: KillFloor, truth: Truth) -> None:
    rewritten(floor, "DELETE FROM jobs WHERE job = ?", job_of(floor, "local").ticket.job)


def money_still_set_aside(floor: KillFloor, truth: Truth) -> None:
    rewritten(floor, "UPDATE jobs SET held_micros = 1 WHERE job = ?", job_of(floor, "image").ticket.job)


def an_entry_that_was_changed(floor: KillFloor, truth: Truth) -> None:
    rewritten(floor, "UPDATE spend SET settled_micros = settled_micros - 1 WHERE settled_micros > 0")


def a_job_that_goes_on(floor: KillFloor, truth: Truth) -> None:
    rewritten(floor, "UPDATE jobs SET state = 'running' WHERE job = ?", job_of(floor, "local").ticket.job)


def a_frame_without_its_record(floor: KillFloor, truth: Truth) -> None:
    sidecar_of(floor.made / next(floor.frames.records()).media_path).unlink()


def a_frame_with_other_bytes(floor: KillFloor, truth: Truth) -> None:
    place = floor.made / next(floor.frames.records()).media_path
    place.unlink()
    place.write_bytes(b"something else")


def a_frame_that_no_row_tells_of(floor: KillFloor, truth: Truth) -> None:
    (floor.made / "shots" / "stray.png").write_bytes(b"a picture")


def an_order_left_on_the_disk(floor: KillFloor, truth: Truth) -> None:
    (floor.made / "orders" / f"{uuid.uuid4()}.json").write_text("{}")


def a_picture_left_on_the_disk(floor: KillFloor, truth: Truth) -> None:
    (floor.made / "incoming" / str(uuid.uuid4())).mkdir()


HARMS: dict[Harm, str] = {
    billed_more: "is billed",
    billed_nothing: "is billed",
    an_order_from_nowhere: "the ledger knows nothing of order",
    an_image_from_nowhere: "orders that nobody answers for",
    a_machine_left_running: "still costs money",
    a_machine_that_cost_more: "is entered, billed is",
    a_frame_that_nobody_made: "SC010_SH0.0 100.:",
    a_frame_without_a_job: "SC010_SH0.0 100.:",
    money_still_set_aside: "the books are not whole|jobs hold",
    an_entry_that_was_changed: "the books are not whole|is billed",
    a_job_that_goes_on: "still under way",
    a_frame_without_its_record: "has no record beside it",
    a_frame_with_other_bytes: "is not what its record says",
    a_frame_that_no_row_tells_of: "files without records",
    an_order_left_on_the_disk: "orders of jobs that have ended",
    a_picture_left_on_the_disk: "pictures of jobs that have ended",
}


@pytest.mark.parametrize("harm", HARMS, ids=[harm.__name__ for harm in HARMS])
def test_the_checks_notice(whole: tuple[Path, Places, Truth], tmp_path: Path, harm: Harm) -> None:
    floor, truth = opened(whole, tmp_path)
    try:
        check(floor, truth)
        harmed = harm(floor, truth)
        with pytest.raises(AssertionError, match=HARMS[harm]):
            check(floor, harmed or truth)
    finally:
        floor.close()


def test_the_checks_notice_a_frame_that_was_ordered_again_although_nothing_was_wrong(
    whole: tuple[Path, Places, Truth], tmp_path: Path
) -> None:
    floor, truth = opened(whole, tmp_path)
    known = [job for job in floor.ledger.jobs.of() if job.ticket.work == "take"]
    for backend in ("local", "pods", "image"):
        first = next(job for job in known if job.ticket.backend == backend)
        ticket = replace(first.ticket, job=str(uuid.uuid4()), attempt=first.ticket.attempt + 1)
        again = replace(first, ticket=ticket, provider_id=f"{first.provider_id}-again", state=JobState.LOST)
        bills = {
            which: Bill(
                (
                    *bill.orders,
                    *(
                        replace(order, key=ticket.job, provider_id=again.provider_id)
                        for order in bill.orders
                        if first.ticket.job == order.key or first.provider_id == order.provider_id
                    ),
                ),
                bill.charges,
            )
            for which, bill in (("local", truth.local), ("pods", truth.pods), ("serverless", truth.serverless))
        }
        check_that_no_frame_is_paid_twice(known, truth)
        with pytest.raises(AssertionError, match="was ordered again"):
            check_that_no_frame_is_paid_twice([*known, again], replace(truth, **bills))
        check_that_no_frame_is_paid_twice(
            [*known, again], replace(truth, **bills, spoiled={*truth.spoiled, first.ticket.job})
        )
    floor.close()


def test_the_checks_notice_a_claim_that_was_not_let_go(whole: tuple[Path, Places, Truth], tmp_path: Path) -> None:
    floor, truth = opened(whole, tmp_path)
    with claim(floor.made, "render", "all of the floor"), pytest.raises(AssertionError, match="is still claimed"):
        check(floor, truth)
    floor.close()


def test_a_job_that_is_indexed_twice_is_one_frame(
    stage: Stage, whole: tuple[Path, Places, Truth], tmp_path: Path
) -> None:
    """As after a kill between the last line of the filing and the ledger's."""
    floor, truth = opened(whole, tmp_path)
    job = job_of(floor, "local")
    ticket, before = job.ticket, sorted((record.media_path, record.ticket) for record in floor.frames.records())
    [place] = [floor.made / path for path, name in before if name == ticket.job]
    incoming = floor.made / "incoming" / ticket.job
    incoming.mkdir()
    copyfile(place, incoming / "given.png")
    Orders(floor.made / "orders").keep({ticket.job: floor.work(ticket.shot, ticket.frame or 0)})
    rewritten(floor, "UPDATE jobs SET state = 'fetched' WHERE job = ?", ticket.job)
    ended = stage.ask("run", floor.root, NAME, floor.places)
    assert ended["status"] == 0, ended["said"]
    assert job_of(floor, "local").state is JobState.INDEXED
    assert sorted((record.media_path, record.ticket) for record in floor.frames.records()) == before
    check(floor, truth)
    floor.close()


A_LOCAL_ORDER_IS_SENT = (Moment("sent", 8), Moment("answered", 8), Moment("moving", 5), Moment("moved", 4))
"""About when: machines and endpoints are asked first."""
FRAMES_COME_HOME = (Moment("indexing", 1), Moment("indexing", 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "moments", "noticed"),
    [
        ("forgetful", A_LOCAL_ORDER_IS_SENT, "was ordered again"),
        ("spendthrift", FRAMES_COME_HOME, "is billed"),
        ("careless", FRAMES_COME_HOME, "records and jobs do not tell of the same frames"),
    ],
)
def test_a_broken_orchestrator_does_not_pass(
    stage: Stage, broken: str, moments: tuple[Moment, ...], noticed: str
) -> None:
    """Within a few seeds; how many it takes depends on where they kill it."""
    with pytest.raises(Broken, match=noticed):
        for seed in range(1, 31):
            stage.play(Play(seed, moments=moments, floor=broken), Seen())
