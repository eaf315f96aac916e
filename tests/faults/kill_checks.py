"""What must hold once an orchestrator was killed as often as it was: money, frames, and nothing left lying about."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from kill_floor import FRAMES, SHOTS, KillFloor, place_of

from film_pipeline.core.jobs import ENDED, JobState
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.simulators.book import Bill
from film_pipeline.stores.filing import sidecar_of
from film_pipeline.stores.leases import FileLock
from film_pipeline.stores.ledger.jobs import Job

NOTHING = Decimal(0)
SECONDS_OF_ROUNDING = 2
"""A provider counts whole seconds, and names the time of a machine's creation in whole seconds."""
SECONDS_UNTIL_SEEN = 5
"""A machine's end is seen when its provider is asked next."""
SECONDS_OF_LEASE = 300
"""A machine that ended while no run lived is reckoned to the end of its lease."""


@dataclass
class Truth:
    """What the stand-ins know of one seed: what they were ordered, what they charged, and what they did wrong."""

    local: Bill
    serverless: Bill
    pods: Bill
    images: set[str]
    """Ids of the orders that the endpoint took that is paid by the image."""
    machines: dict[str, dict[str, object]]
    """The production's own pods, as their provider knows them."""
    spoiled: set[str] = field(default_factory=set)
    """Jobs and pods that the provider lost, or made nothing usable of."""


def check(floor: KillFloor, truth: Truth) -> None:
    """Raises AssertionError."""
    jobs = floor.ledger.jobs.of()
    frames = [job for job in jobs if job.ticket.work != "worker"]
    workers = [job for job in jobs if job.ticket.work == "worker"]
    check_that_the_books_are_whole(floor, jobs)
    check_that_every_frame_is_home_or_named(floor, frames)
    check_that_no_frame_is_paid_twice(frames, truth)
    check_what_images_cost([job for job in frames if job.ticket.backend == "image"], truth)
    check_what_seconds_cost([job for job in frames if job.ticket.backend == "seconds"], truth)
    check_that_free_is_free([job for job in frames if job.ticket.backend == "local"])
    check_what_machines_cost(floor, frames, workers, truth)
    check_the_board(floor, frames)
    check_that_nothing_lies_about(floor, jobs)


def check_that_the_books_are_whole(floor: KillFloor, jobs: Iterable[Job]) -> None:
    wrong = floor.ledger.spend.audit()
    assert not wrong, f"the books are not whole: {wrong}"
    total = floor.ledger.spend.total()
    assert total.reserved_usd == total.uncertain_usd, "money is set aside for what has ended"
    held = sum((job.held_usd for job in jobs), NOTHING)
    assert total.reserved_usd == held, f"jobs hold {held}, the entries {total.reserved_usd}"
    alive = [job for job in jobs if job.state not in ENDED and job.state is not JobState.UNCERTAIN]
    assert not alive, f"still under way: {[(job.ticket.task, job.state.value) for job in alive]}"


def check_that_every_frame_is_home_or_named(floor: KillFloor, frames: Iterable[Job]) -> None:
    states: dict[tuple[str, int | None], list[JobState]] = defaultdict(list)
    for job in frames:
        states[job.ticket.shot, job.ticket.frame].append(job.state)
    for shot in SHOTS:
        for frame in FRAMES:
            known = states[shot, frame]
            assert known.count(JobState.INDEXED) + known.count(JobState.UNCERTAIN) == 1, f"{shot} {frame}: {known}"


def check_that_no_frame_is_paid_twice(frames: Iterable[Job], truth: Truth) -> None:
    """Of the orders of one frame that reached a provider, all but the last came to nothing by the provider's doing."""
    known = {job.ticket.job: job for job in frames}
    by_provider = {job.provider_id: job for job in frames if job.provider_id}
    reached: dict[str, dict[int, Job]] = defaultdict(dict)
    for order in (*truth.local.orders, *truth.pods.orders):
        if order.call == "POST /prompt":
            assert order.key in known, f"the ledger knows nothing of order {order.key}"
            reached[known[order.key].ticket.task][known[order.key].ticket.attempt] = known[order.key]
    for order in truth.serverless.orders:
        job = by_provider.get(order.provider_id)
        if job is not None:
            reached[job.ticket.task][job.ticket.attempt] = job
    for task, attempts in reached.items():
        for attempt in sorted(attempts)[:-1]:
            assert is_spoiled(attempts[attempt], truth), f"{task} was ordered again after {attempts[attempt]}"


def is_spoiled(job: Job, truth: Truth) -> bool:
    pod, _, _ = job.provider_id.partition("/")
    if {job.ticket.job, job.provider_id, pod} & truth.spoiled:
        return True
    # Where the pod's name was never heard, any pod that went may have been the one.
    return job.ticket.backend == "pods" and not job.provider_id and bool({*truth.machines} & truth.spoiled)


def check_what_images_cost(frames: list[Job], truth: Truth) -> None:
    """By the image, to the millionth."""
    check_each_charge(frames, truth)
    unheard = truth.images - {job.provider_id for job in frames}
    nameless = [job for job in frames if job.state is JobState.UNCERTAIN and not job.provider_id]
    assert len(unheard) <= len(nameless), f"orders that nobody answers for: {unheard}"


def check_what_seconds_cost(frames: list[Job], truth: Truth) -> None:
    """By the second of execution, to the millionth.

    A worker's start and idling are on the bill too, and no API tells of them: the ledger holds what is told of a job.
    """
    check_each_charge(frames, truth)


def check_each_charge(frames: list[Job], truth: Truth) -> None:
    for job in frames:
        billed = truth.serverless.of(job.provider_id) if job.provider_id else NOTHING
        if job.state is JobState.UNCERTAIN:
            assert job.held_usd >= billed, f"{job} is billed {billed}"
        else:
            assert (job.charged_usd or NOTHING) == billed, f"{job} is billed {billed}"


def check_that_free_is_free(frames: list[Job]) -> None:
    assert all(not job.charged_usd and not job.held_usd for job in frames)


def check_what_machines_cost(floor: KillFloor, frames: list[Job], workers: list[Job], truth: Truth) -> None:
    """A machine's frames and its own time are its bill, up to how exactly its beginning and end can be known."""
    entered: dict[str, Decimal] = defaultdict(Decimal)
    for job in (*frames, *workers):
        if job.ticket.backend == "pods" and job.charged_usd:
            entered[job.provider_id if job.ticket.work == "worker" else job.worker] += job.charged_usd
    for row in floor.ledger.spend.rows():
        if not row["job"]:
            entered[row["note"].split()[1].rstrip(",")] += Decimal(row["settled_usd"])
    reckoned = {job.provider_id for job in workers if "reckoned" in job.error}
    for pod, document in truth.machines.items():
        assert document["status"] == "TERMINATED", f"machine {pod} still costs money: {document['name']}"
        [line] = [line for line in truth.pods.charges if line.provider_id == pod]
        bill, price = line.usd, line.usd / line.seconds
        most = SECONDS_UNTIL_SEEN + (SECONDS_OF_LEASE if pod in reckoned else 0)
        seconds_more = (entered[pod] - bill) / price
        told = f"{pod}: {entered[pod]} is entered, billed is {bill} for {line.seconds} s: {document}"
        assert -SECONDS_OF_ROUNDING <= seconds_more <= most, told
    assert set(entered) <= {*truth.machines, ""}, "money for machines that never were"
    assert not entered[""], "a frame was charged for no machine"


def check_the_board(floor: KillFloor, frames: list[Job]) -> None:
    """Every frame on the board has a record with its bytes, and every record stands for a frame that was made."""
    made = {job.ticket.job: job for job in frames if job.state is JobState.INDEXED}
    records = list(floor.frames.records())
    assert {record.ticket for record in records} == set(made), "records and jobs do not tell of the same frames"
    for record in records:
        place = floor.made / record.media_path
        assert sha256_of_file(place) == record.content_hash_sha256, f"{place} is not what its record says"
        assert sidecar_of(place).is_file(), f"{place} has no record beside it"
        assert made[record.ticket].ticket.frame == record.frame
    there = {path for path in (floor.made / "shots").rglob("*") if path.is_file()}
    places = {floor.made / record.media_path for record in records}
    assert there == places | {sidecar_of(place) for place in places}, "files without records, or records without files"
    works = [floor.work(shot, frame) for shot in SHOTS for frame in FRAMES]
    assert {record.media_path for record in records} <= {place_of(work) for work in works}


def check_that_nothing_lies_about(floor: KillFloor, jobs: Iterable[Job]) -> None:
    doubtful = {job.ticket.job for job in jobs if job.state is JobState.UNCERTAIN}
    orders = {path.name.lstrip(".")[:36] for path in (floor.made / "orders").glob("*")}
    assert orders <= doubtful, "orders of jobs that have ended"
    incoming = {path.name for path in (floor.made / "incoming").glob("*-*-*-*-*")}
    assert incoming <= doubtful, "pictures of jobs that have ended"
    assert not list((floor.made / "filing").glob("*")), "a filing was never completed"
    for claimed in (floor.made / "claims").glob("*"):
        lock = FileLock(claimed)
        assert lock.take(wait=False), f"{claimed.name} is still claimed"
        lock.let_go()
