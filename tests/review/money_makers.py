"""A film with money behind it: signed shots, frames that were paid for, machines, and orders that are in doubt."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from ledger_makers import COVERED, DIRECTOR, an_order, approve, open_take, reserve
from ruamel.yaml import YAML
from small_film import SmallFilm

from film_pipeline.core.gate import Reserved, Ticket, WorkerOrder
from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.departments.film import Film
from film_pipeline.simulating import GENERATION
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.workers import Worker

ONE, TWO = "SC010_SH010", "SC010_SH020"


def with_gate(film: SmallFilm, budget: str = "20.00", generation: bool = True) -> None:
    """Describe backends, a budget and an approver in production.yaml."""
    yaml, path = YAML(), film.root / "production.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    document["budget"] = budget
    document["approvers"] = [{"name": DIRECTOR.name, "public_key": DIRECTOR.public_key}]
    if generation:
        document["generation"] = GENERATION
        document["backends"] = ["klein-local", "klein-pods", "klein-serverless"]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


@contextmanager
def ledger_of(film: SmallFilm) -> Iterator[Ledger]:
    with Film(film.root) as opened:
        yield opened.ledger


def sign(ledger: Ledger, shot: str, cap: str = "5.00") -> None:
    """Approve a shot as it stands in the tests, for all of its backends, and open a take."""
    now = ledger.books.time(None)
    approve(
        ledger,
        production=ledger.books.production,
        shot=shot,
        backends=("klein-local", "klein-pods", "klein-serverless"),
        cap_usd=Decimal(cap),
        signed_at=now.isoformat(),
        expires_at=(now + datetime.timedelta(days=30)).isoformat(),
        covered=COVERED.model_copy(update={"models": {name: name for name in ("klein-pods", "klein-serverless")}}),
    )


def spend_money(film: SmallFilm) -> None:
    """Frames on two backends, a machine that was given back and one that is rented, two orders in doubt."""
    with ledger_of(film) as ledger:
        for shot in (ONE, TWO):
            sign(ledger, shot)
            open_take(ledger, shot=shot, covered=_covered(), backends=("klein-pods", "klein-serverless"))
        hired = hire(ledger, "pod-1")
        _frames_on_a_machine(ledger, "pod-1")
        ledger.return_worker(hired.job, Charge(Decimal("0.412345"), True), "idle for 5 min")
        ledger.workers.ended(Worker("klein-pods", "pod-1", job=hired.job, state="ended", why="idle for 5 min"))
        _frames_by_the_picture(ledger)
        at_work = hire(ledger, "pod-2")
        busy = reserve(ledger, _order(1004, ONE, "klein-pods", "0.02"))[0]
        _submit(ledger, busy)
        ledger.move(Move(busy.job, JobState.RUNNING, worker="pod-2"))
        ledger.workers.heard(
            Worker(
                "klein-pods",
                "pod-2",
                job=at_work.job,
                state="ready",
                job_in_hand=busy.job,
                price_hour_usd=Decimal("0.79"),
                model="FLUX.2 klein 9B",
            )
        )
        ledger.workers.heard(Worker("klein-local", "klein-local", state="away", why="nobody answers at port 8188"))


def hire(ledger: Ledger, provider_id: str, shot: str = ONE) -> Ticket:
    hired = ledger.hire(WorkerOrder(provider_id, shot, "take", _covered(), "klein-pods", Decimal("0.35")))
    assert isinstance(hired, Reserved), hired
    [ticket] = hired.to_submit
    ledger.admit(ticket, _covered())
    ledger.move(Move(ticket.job, JobState.SUBMITTED, provider_id, provider_id))
    return ticket


def in_doubt(ledger: Ledger, frame: int, shot: str = TWO, usd: str = "0.03") -> str:
    """An order of which nobody knows whether it arrived."""
    [ticket] = reserve(ledger, _order(frame, shot, "klein-serverless", usd))
    ledger.admit(ticket, _covered())
    ledger.move(Move(ticket.job, JobState.UNCERTAIN, error="the connection broke while it was being sent"))
    return ticket.job


def _covered():  # type: ignore[no-untyped-def]
    return COVERED.model_copy(update={"models": {name: name for name in ("klein-pods", "klein-serverless")}})


def _order(frame: int, shot: str, backend: str, usd: str):  # type: ignore[no-untyped-def]
    return an_order(frame, shot=shot, backend=backend, quoted=usd, covered=_covered())


def _submit(ledger: Ledger, ticket: Ticket) -> None:
    ledger.admit(ticket, _covered())
    ledger.move(Move(ticket.job, JobState.SUBMITTED, f"at-provider-{ticket.job[:8]}"))


def _frames_on_a_machine(ledger: Ledger, worker: str) -> None:
    tickets = reserve(ledger, *(_order(frame, ONE, "klein-pods", "0.02") for frame in (1001, 1002, 1003)))
    for place, ticket in enumerate(tickets):
        _submit(ledger, ticket)
        charge = Charge(Decimal(f"0.01234{place}"), True)
        ledger.move(Move(ticket.job, JobState.RUNNING, worker=worker))
        ledger.move(Move(ticket.job, JobState.FETCHED, charge=charge), Move(ticket.job, JobState.INDEXED))


def _frames_by_the_picture(ledger: Ledger) -> None:
    tickets = reserve(ledger, *(_order(frame, TWO, "klein-serverless", "0.03") for frame in (1001, 1002, 1003)))
    for ticket in tickets[:2]:
        _submit(ledger, ticket)
        charge = Charge(Decimal("0.03"), False)
        ledger.move(Move(ticket.job, JobState.FETCHED, charge=charge), Move(ticket.job, JobState.INDEXED))
    in_doubt(ledger, 1004)
    in_doubt(ledger, 1005)
