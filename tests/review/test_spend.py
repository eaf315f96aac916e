"""Spend: what the page shows is what the book says, and only an approver says what came of an order in doubt."""

import csv
import html
import io
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from money_makers import ONE, TWO, in_doubt, ledger_of, spend_money, with_gate
from playwright.sync_api import Page
from review_server import inside, served
from small_film import SmallFilm, small_film
from starlette.testclient import TestClient
from test_accessible import found_by_axe

from film_pipeline.core.jobs import JobState
from film_pipeline.stores.ledger.spend import Money
from film_pipeline.stores.ledger.tally import Heap, Sums
from review_app.app import review_app
from review_app.pages.figures import amount, film_seconds, lasting
from review_app.pages.spend import bar_of
from review_app.queries import Queries, Seen
from review_app.queries.money import a_second, rows_by


@pytest.fixture
def paid(new_film: SmallFilm) -> SmallFilm:
    with_gate(new_film)
    spend_money(new_film)
    return new_film


def opened(film: SmallFilm, role: Any = "owner", name: str = "ada") -> Any:
    return inside(review_app(Queries(film.root)), name, role)


def page_of(client: TestClient, address: str = "/spend") -> str:
    """The page once the book is added up."""
    for _ in range(100):
        answer = client.get(address)
        if answer.status_code == 200 and "is being added up" not in answer.text:
            return answer.text
        time.sleep(0.05)
    raise AssertionError(answer.text)


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first column is headed so, as text by their first cell."""
    tables = re.findall(r"<table.*?</table>", page, re.S)
    table = next(table for table in tables if re.search(r"<th [^>]*>([^<]*)", table)[1] == heading)  # type: ignore[index]
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", table, re.S)[1:]:
        cells = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in re.split(r"</t[hd]>", row)]
        rows[cells[0].removesuffix(" CSV")] = cells[1:-1]
    return rows


def money_in(text: str) -> Decimal:
    return Decimal(text.replace("\u2212", "-").replace("\u202f", ""))


def sums_in(cells: list[str]) -> Money:
    settled, _, reserved, uncertain = (money_in(cell) for cell in cells[:4])
    return Money(reserved, uncertain, settled)


@pytest.mark.parametrize(("by", "heading"), [("day", "Day"), ("shot", "Shot"), ("engine", "Backend")])
def test_every_table_says_what_the_ledger_says(paid: SmallFilm, by: Any, heading: str) -> None:
    with opened(paid) as client:
        rows = rows_of(page_of(client, f"/spend?by={by}"), heading)
    with ledger_of(paid) as ledger:
        told, total = ledger.spend.by(by), ledger.spend.total()
    in_all = sums_in(rows.pop("In all"))
    assert {name: sums_in(cells) for name, cells in rows.items()} == told
    assert in_all == Money(total.reserved_usd, total.uncertain_usd, total.settled_usd)
    assert total.settled_usd == Decimal("0.472345")


def test_machines_are_shown_apart_from_frames(paid: SmallFilm) -> None:
    with opened(paid) as client:
        page = page_of(client, "/spend?by=engine")
    machines = next(part for part in page.split("<section") if 'id="machines-title"' in part)
    assert rows_of(machines, "Backend") == {"klein-pods": ["0.375322", "0.35", "0.00"]}
    assert rows_of(page, "Backend")["klein-pods"][1] == "0.375322"
    figures = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Frames 0.097023 made" in figures and "Machines 0.375322 starting" in figures


def test_caps_show_what_is_left_of_what_was_signed(paid: SmallFilm) -> None:
    with opened(paid) as client:
        rows = list(rows_of(page_of(client, "/spend?by=approval"), "Approval").values())
    assert [cells[0] for cells in rows] == [TWO, ONE]
    with ledger_of(paid) as ledger:
        for cells in rows:
            signed = ledger.approvals.all(cells[0])[0]
            assert money_in(cells[5]) == ledger.spend.left(signed.id).usd
            assert cells[6] == "2 of 3"
        ledger.revoke(ledger.approvals.all(ONE)[0].id, "ada", "another door")
    with opened(paid) as client:
        assert "took it back" in page_of(client, "/spend?by=approval")


def test_a_forged_approval_is_shown_as_void_and_not_as_a_cap(paid: SmallFilm) -> None:
    from ledger_makers import edit_rows

    from film_pipeline.stores.ledger.schema import APPROVALS

    with ledger_of(paid) as ledger:
        edit_rows(ledger, APPROVALS, cap_micros=500_000_000)
    with opened(paid) as client:
        rows = rows_of(page_of(client, "/spend?by=approval"), "Approval")
    assert all("signature" in cells[-1] and cells[6] == "0 of 3" for cells in rows.values())


def test_every_entry_can_be_had_as_csv(paid: SmallFilm) -> None:
    with opened(paid, "viewer") as client:
        page_of(client)
        answer = client.get("/spend/entries.csv")
        assert client.get("/spend/entries.csv?day=2026-02-31").status_code == 404
        assert len(client.get("/spend/entries.csv?day=2020-01-01").text.splitlines()) == 1
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with ledger_of(paid) as ledger:
        total = ledger.spend.total()
    assert sum(Decimal(row["settled_usd"]) for row in rows) == total.settled_usd
    assert sum(Decimal(row["reserved_usd"]) for row in rows) == total.reserved_usd
    assert answer.headers["content-disposition"] == 'attachment; filename="spend.csv"'


def settle(client: TestClient, job: str, outcome: str, **fields: str) -> Any:
    csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/spend").text)
    assert csrf
    data = {"csrf": csrf[1], "outcome": outcome, **fields}
    return client.post(f"/spend/jobs/{job}", data=data, follow_redirects=False)


@pytest.mark.parametrize(
    ("outcome", "state", "reserved", "settled"),
    [
        ("found", JobState.SUBMITTED, "0", "0"),
        ("never", JobState.FAILED, "-0.07", "0"),
        ("lost", JobState.LOST, "-0.07", "0.07"),
    ],
)
def test_an_approver_says_what_came_of_an_order(
    paid: SmallFilm, outcome: str, state: JobState, reserved: str, settled: str
) -> None:
    with ledger_of(paid) as ledger:
        job, before = in_doubt(ledger, 1008, usd="0.07"), ledger.spend.total()
    with opened(paid, "approver", "bea") as client:
        assert job[:8] in page_of(client)
        answer = settle(client, job, outcome, provider="at-theirs-1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/spend#doubts")
        assert job[:8] not in page_of(client)
        again = settle(client, job, outcome, provider="at-theirs-1")
        assert again.status_code == 409
    with ledger_of(paid) as ledger:
        resolved, after = ledger.jobs.one(job), ledger.spend.total()
        assert resolved is not None
        assert (resolved.state, resolved.decided_by) == (state, "bea")
        assert after.reserved_usd - before.reserved_usd == Decimal(reserved)
        assert after.settled_usd - before.settled_usd == Decimal(settled)


def test_what_came_of_an_order_is_on_the_page_at_once(paid: SmallFilm) -> None:
    with ledger_of(paid) as ledger:
        job = in_doubt(ledger, 1008, usd="0.07")
    with opened(paid, "approver") as client:
        assert sums_in(rows_of(page_of(client), "Day")["In all"]).uncertain_usd == Decimal("0.13")
        settle(client, job, "never")
        assert sums_in(rows_of(client.get("/spend").text, "Day")["In all"]).uncertain_usd == Decimal("0.06")


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_nobody_else_settles_an_order(paid: SmallFilm, role: str) -> None:
    with ledger_of(paid) as ledger:
        job = in_doubt(ledger, 1008)
    with opened(paid, role) as client:
        page = page_of(client)
        assert job[:8] in page and "<select" not in page and "An approver says" in page
        assert settle(client, job, "lost").status_code == 403
        assert client.post(f"/spend/jobs/{job}", data={"outcome": "lost"}).status_code == 403
    with ledger_of(paid) as ledger:
        settled = ledger.jobs.one(job)
        assert settled is not None and settled.state is JobState.UNCERTAIN


@pytest.mark.parametrize(("outcome", "told"), [("found", "number is missing"), ("burnt", "is no outcome")])
def test_half_a_word_settles_nothing(paid: SmallFilm, outcome: str, told: str) -> None:
    with ledger_of(paid) as ledger:
        job = in_doubt(ledger, 1008)
    with opened(paid) as client:
        page_of(client)
        answer = settle(client, job, outcome)
    assert answer.status_code == 409 and told in html.unescape(answer.text)


def test_a_film_that_spent_nothing_says_so(new_film: SmallFilm) -> None:
    with opened(new_film, "viewer") as client:
        page = page_of(client)
        assert "No money has moved yet" in page and "nothing waits for a person" in page
        assert "Nobody has signed" in page_of(client, "/spend?by=approval")
        # How far the page has heard goes on while the film is looked at.
        heard = re.compile(r' data-events="[\d.]+"')
        asked, plain = (heard.sub("", page_of(client, path)) for path in ("/spend?by=nonsense&start=-3", "/spend"))
        assert asked == plain


def test_a_long_table_comes_in_parts(new_film: SmallFilm) -> None:
    with ledger_of(new_film) as ledger:
        for number in range(120):
            ledger.spend.overhead(Decimal(number + 1), f"backend-{number:03d}", "")
    with opened(new_film) as client:
        first, second = page_of(client, "/spend?by=engine"), page_of(client, "/spend?by=engine&start=100")
    table, rest = rows_of(first, "Backend"), rows_of(second, "Backend")
    assert (len(table), len(rest)) == (100, 20)
    assert next(iter(table)) == "backend-119" and list(rest)[-1] == "backend-000"
    assert "1 to 100 of 120" in first and "101 to 120 of 120" in second


def test_a_finished_second_costs_what_was_spent_over_what_is_finished() -> None:
    assert a_second(Decimal("1.00"), Fraction(3)) == Decimal("0.33")
    assert a_second(Decimal("0.472345"), Fraction(14, 24)) == Decimal("0.81")
    assert a_second(Decimal("1.00"), Fraction(0)) is None


def test_rows_of_days_begin_with_the_last_and_others_with_the_dearest() -> None:
    heaps = {
        Heap("2026-11-23", "SC010_SH010", "pods", "frames"): 5,
        Heap("2026-11-24", "SC010_SH020", "pods", "machines"): 7,
        Heap("2026-11-24", "SC010_SH010", "klein", "frames"): 1,
    }
    sums = Sums(settled=heaps, held={Heap("2026-11-23", "SC010_SH010", "klein", "frames"): (9, 4)})
    assert [row.name for row in rows_by(sums, "day", Seen())] == ["2026-11-24", "2026-11-23"]
    assert [row.name for row in rows_by(sums, "shot", Seen())] == ["SC010_SH010", "SC010_SH020"]
    assert [row.name for row in rows_by(sums, "engine", Seen())] == ["pods", "klein"]
    assert [row.machines_usd for row in rows_by(sums, "shot", Seen())] == [Decimal(0), Decimal("0.000007")]


@pytest.mark.parametrize(
    ("budget", "settled", "held", "bar"),
    [
        (100, 25, (50, 10), {"settled": 250, "reserved": 500, "uncertain": 100, "budget": 1000}),
        (100, 200, (0, 0), {"settled": 1000, "reserved": 0, "uncertain": 0, "budget": 500}),
        (0, 0, (0, 0), {"settled": 0, "reserved": 0, "uncertain": 0, "budget": 1000}),
    ],
)
def test_the_bar_shows_the_budget_or_all_that_was_used(
    budget: int, settled: int, held: tuple[int, int], bar: dict[str, int]
) -> None:
    heap = Heap("", "", "", "frames")
    assert bar_of(Sums(settled={heap: settled}, held={heap: held}, budget=budget)) == {"whole": 1000, **bar}


def test_amounts_stand_with_their_points_under_each_other() -> None:
    assert [amount(Decimal(text), 4) for text in ("0.1234", "12.3", "1234567")] == [
        "0.1234",
        "12.30\u2007\u2007",
        "1\u202f234\u202f567.00\u2007\u2007",
    ]
    assert (amount(None), amount(Decimal("-0.5")), amount(Decimal(0))) == ("unknown", "\u22120.50", "0.00")
    assert [lasting(seconds) for seconds in (None, 4.9, 61, 3 * 3600 + 300, 100_000)] == [
        "–",
        "4 s",
        "1 min",
        "3 h 05 min",
        "1 day 3 h",
    ]
    assert [film_seconds(Fraction(seconds)) for seconds in (Fraction(3, 2), 723)] == ["1.5 s", "12 min 03 s"]


@pytest.fixture(scope="module")
def spending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    film = small_film(Path(tmp_path_factory.mktemp("spending")))
    with_gate(film)
    spend_money(film)
    queries = Queries(film.root)
    with served(review_app(queries)) as address:
        queries.watch.look().result(timeout=30)
        queries.reckoning.look().result(timeout=30)
        yield address


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/spend", "/spend?by=shot", "/spend?by=approval", "/workers", "/shares"])
def test_everybody_can_use_the_pages_of_money(path: str, theme: str, spending: str, page: Page) -> None:
    assert found_by_axe(page, spending + path, theme) == []


def test_the_keys_7_and_8_lead_to_money_and_machines(spending: str, page: Page) -> None:
    page.goto(f"{spending}/board")
    page.keyboard.press("7")
    page.wait_for_url("**/spend")
    page.keyboard.press("8")
    page.wait_for_url("**/workers")


def test_somebody_settles_an_order_by_hand(spending: str, page: Page) -> None:
    page.goto(f"{spending}/spend")
    doubts = page.locator("#doubts tbody tr")
    before = doubts.count()
    order = doubts.first.locator("th code").inner_text()
    doubts.first.get_by_label(f"What came of order {order}").select_option("never")
    doubts.first.get_by_role("button").click()
    page.wait_for_url("**/spend#doubts")
    assert doubts.count() == before - 1
    assert order not in page.locator("#doubts").inner_text()
