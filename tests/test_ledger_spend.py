"""Money questions: what is reserved, spent and uncertain, of what, on which day, and what is left."""

import csv
import datetime
import io
from decimal import Decimal

import pytest
from ledger_makers import (
    COVERED,
    NOW,
    SHOT,
    an_order,
    approve,
    open_ledger,
    open_take,
    reserve,
    submit,
)
from sqlalchemy import insert

from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.books import Balance
from film_pipeline.stores.ledger.schema import SPEND
from film_pipeline.stores.ledger.spend import COLUMNS, Left, Money

TOMORROW = NOW + datetime.timedelta(days=1)
TWO = "SC010_SH020"


def money(reserved: str, uncertain: str, settled: str) -> Money:
    return Money(Decimal(reserved), Decimal(uncertain), Decimal(settled))


@pytest.fixture
def spent(ledger: Ledger) -> Ledger:
    """Two shots: 0.03 and 0.05 spent today and tomorrow, 0.10 in doubt, 0.20 reserved."""
    for shot in (SHOT, TWO):
        approve(ledger, shot=shot, id=f"for {shot}", cap_usd=Decimal("5"))
        open_take(ledger, shot=shot)
    one, other, doubted, _, _ = reserve(
        ledger,
        an_order(1001),
        an_order(1001, shot=TWO, backend="pods"),
        an_order(1002),
        an_order(1003, backend="pods"),
        an_order(1002, shot=TWO),
    )
    submit(ledger, one)
    submit(ledger, other)
    ledger.settle({one.job: Charge(Decimal("0.03"), True)})
    ledger.settle({other.job: Charge(Decimal("0.05"), False)}, now=TOMORROW)
    ledger.admit(doubted, COVERED)
    ledger.move(Move(doubted.job, JobState.UNCERTAIN))
    return ledger


def test_the_whole_is_reserved_settled_uncertain_and_left(spent: Ledger) -> None:
    total = spent.spend.total()
    assert (total.reserved_usd, total.uncertain_usd) == (Decimal("0.30"), Decimal("0.10"))
    assert (total.settled_usd, total.estimated_usd) == (Decimal("0.08"), Decimal("0.03"))
    assert (total.budget_usd, total.left_usd) == (Decimal("100"), Decimal("99.62"))


def test_money_by_shot_engine_approval_and_day(spent: Ledger) -> None:
    assert spent.spend.by("shot") == {SHOT: money("0.20", "0.10", "0.03"), TWO: money("0.10", "0", "0.05")}
    assert spent.spend.by("engine") == {
        "pods": money("0.10", "0", "0.05"),
        "serverless": money("0.20", "0.10", "0.03"),
    }
    assert spent.spend.by("approval")[f"for {TWO}"] == money("0.10", "0", "0.05")
    assert spent.spend.by("day") == {
        "2026-11-23": money("0.30", "0.10", "0.03"),
        "2026-11-24": money("0", "0", "0.05"),
    }


def test_money_of_one_day(spent: Ledger) -> None:
    assert spent.spend.by("engine", day="2026-11-24") == {"pods": money("0", "0", "0.05")}
    assert spent.spend.by("engine", day="2026-11-25") == {}


def test_what_is_left_of_an_approval(spent: Ledger) -> None:
    assert spent.spend.left(f"for {SHOT}") == Left(2, Decimal("4.77"))
    spent.revoke(f"for {SHOT}", "ada", "")
    assert spent.spend.left(f"for {SHOT}") == Left(0, Decimal(0))
    with pytest.raises(FilmProblem, match="there is no approval nobody"):
        spent.spend.left("nobody")


def test_every_entry_is_a_row_of_text_for_a_table(spent: Ledger) -> None:
    rows = list(spent.spend.rows())
    assert [row["kind"] for row in rows] == ["reserve"] * 5 + ["settle"] * 2
    assert rows[5] | {"job": "", "at": "", "provider_id": ""} == {
        "number": "6",
        "at": "",
        "kind": "settle",
        "reserved_usd": "-0.100000",
        "settled_usd": "0.030000",
        "estimated": "yes",
        "shot": SHOT,
        "take": "1",
        "frame": "1001",
        "engine": "serverless",
        "worker": "",
        "signer": "director",
        "approval": f"for {SHOT}",
        "job": "",
        "provider_id": "",
        "entered_by": "",
        "note": "",
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    read = list(csv.DictReader(io.StringIO(table.getvalue())))
    assert sum(Decimal(row["settled_usd"]) for row in read) == spent.spend.total().settled_usd
    assert sum(Decimal(row["reserved_usd"]) for row in read) == spent.spend.total().reserved_usd
    assert len(list(spent.spend.rows(day="2026-11-24"))) == 1


def test_a_bill_that_nobody_signed_for_is_overhead(ledger: Ledger) -> None:
    ledger.spend.overhead(Decimal("0.07"), "pods", "a pod that the ledger never knew")
    assert ledger.spend.by("engine") == {"pods": money("0", "0", "0.07")}
    assert ledger.spend.by("approval") == {"": money("0", "0", "0.07")}
    assert ledger.spend.audit() == []


def test_a_correction_needs_a_name_and_a_reason(ledger: Ledger) -> None:
    ledger.spend.overhead(Decimal("0.07"), "pods", "a pod")
    ledger.spend.adjust(Decimal("-0.02"), "ada", "invoice 4711 says less")
    assert ledger.spend.total().settled_usd == Decimal("0.05")
    assert list(ledger.spend.rows())[-1]["entered_by"] == "ada"
    with pytest.raises(FilmProblem, match="needs a name and a reason"):
        ledger.spend.adjust(Decimal("-0.02"), "", "because")


def test_a_correction_counts_against_the_approval_that_it_names(ledger: Ledger) -> None:
    approval = approve(ledger)
    ledger.spend.adjust(Decimal("0.99"), "ada", "the invoice", approval.id)
    assert ledger.spend.left(approval.id).usd == Decimal("0.01")


def test_spending_over_the_budget_is_said(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place, budget="0.05")
    ledger.spend.overhead(Decimal("0.07"), "pods", "a pod")
    assert ledger.spend.overruns() == {"": Decimal("0.02")}
    assert ledger.spend.total().left_usd == Decimal("-0.02")
    ledger.close()


def test_an_audit_finds_what_was_written_by_hand(spent: Ledger) -> None:
    assert spent.spend.audit() == []
    job = spent.jobs.of()[0].ticket.job
    row = {
        "at": NOW.isoformat(),
        "kind": "adjust",
        "approval": "",
        "shot": "",
        "backend": "",
        "reserved_micros": 0,
        "settled_micros": -30_000,
        "estimated": False,
        "entered_by": "",
        "note": "",
    }
    with spent.books.writing() as connection:
        connection.execute(insert(SPEND), [row | {"job": job}, row | {"job": "nobody"}])
    wrong = spent.spend.audit()
    assert len(wrong) == 2
    assert "job nobody has entries and does not exist" in wrong
    assert any(job in told for told in wrong)


def test_sums_follow_what_other_processes_write(ledger_place: str) -> None:
    one, other = open_ledger(ledger_place), open_ledger(ledger_place)
    approve(one)
    open_take(one)
    for number in range(6):
        writer, reader = (one, other) if number % 2 else (other, one)
        reserve(writer, an_order(1001 + number))
        assert reader.spend.total().reserved_usd == Decimal("0.10") * (number + 1)
    one.close()
    other.close()


def test_a_transaction_that_was_undone_is_not_in_the_sums(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    with pytest.raises(RuntimeError), ledger.books.writing() as connection:
        before = ledger.books.balances(connection)
        connection.execute(
            insert(SPEND).values(
                at="", kind="reserve", job="", approval="", shot="", backend="", reserved_micros=5,
                settled_micros=0, estimated=False, entered_by="", note="",
            )
        )  # fmt: skip
        raise RuntimeError("stopped")
    assert before.total == Balance()
    reserve(ledger, an_order())
    assert ledger.spend.total().reserved_usd == Decimal("0.10")


def test_the_tally_takes_in_what_is_new_and_tells_machines_and_corrections_apart(spent: Ledger) -> None:
    before = spent.tally.add_up()
    assert before.total == spent.spend.total()
    assert before.by("sort") == {"frames": money("0.30", "0.10", "0.08")}
    spent.spend.overhead(Decimal("0.07"), "pods", "a pod that the ledger never knew")
    spent.spend.adjust(Decimal("-0.01"), "ada", "the invoice says so")
    after = spent.tally.add_up()
    assert after.total == spent.spend.total()
    assert after.by("sort") == {
        "corrections": money("0", "0", "-0.01"),
        "frames": money("0.30", "0.10", "0.08"),
        "machines": money("0", "0", "0.07"),
    }
    assert after.by("engine", lambda heap: heap.sort == "machines") == {"pods": money("0", "0", "0.07")}
    assert after.by("shot") == spent.spend.by("shot")
    assert after.last == before.last + 2


def test_the_tally_of_an_empty_book_is_nothing_and_is_known(ledger: Ledger) -> None:
    assert not ledger.tally.known.known
    sums = ledger.tally.add_up()
    assert sums.known and ledger.tally.known is sums
    assert (sums.by("shot"), sums.total.used_usd, sums.total.budget_usd) == ({}, Decimal(0), Decimal("100"))
