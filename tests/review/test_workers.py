"""Workers: what works, for how long, and what rented machines cost, as the ledger and the kernel know it."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from money_makers import ONE, hire, ledger_of, sign, spend_money, with_gate
from playwright.sync_api import Page
from review_server import inside, served
from small_film import SmallFilm

from film_pipeline.core.generating import Health
from film_pipeline.departments.film import Film
from film_pipeline.stores.leases import claim, held
from film_pipeline.stores.ledger.workers import Worker
from review_app.app import review_app
from review_app.queries import Queries
from review_app.queries.machines import AtWork, at_work


@pytest.fixture
def paid(new_film: SmallFilm) -> SmallFilm:
    with_gate(new_film)
    spend_money(new_film)
    return new_film


def work_of(film: SmallFilm, later: datetime.timedelta = datetime.timedelta(0)) -> AtWork:
    with Film(film.root) as opened:
        clock = opened.ledger.books.clock
        opened.ledger.books.clock = lambda: clock() + later
        return at_work(opened)


def test_a_rented_machine_shows_its_work_its_price_and_its_lease(paid: SmallFilm) -> None:
    work = work_of(paid, datetime.timedelta(seconds=20))
    [machine] = work.machines
    assert machine.worker.provider_id == "pod-2" and machine.live
    assert machine.in_hand is not None and machine.in_hand.ticket.frame == 1004
    assert machine.paid is not None and machine.paid.held_usd == Decimal("0.35")
    assert machine.ends_itself_in_s is not None and 260 < machine.ends_itself_in_s <= 280
    assert work.supervised
    assert work_of(paid, datetime.timedelta(hours=2)).machines[0].reckoned_usd == Decimal("1.58")


def test_a_machine_that_nobody_hears_of_has_run_out_its_lease(paid: SmallFilm) -> None:
    work = work_of(paid, datetime.timedelta(minutes=6))
    [machine] = work.machines
    assert not machine.live and machine.ends_itself_in_s is None and not work.supervised


def test_the_bill_of_a_machine_is_its_frames_and_its_own_time(paid: SmallFilm) -> None:
    [ended] = work_of(paid).given_back
    assert (ended.made, ended.made_usd) == (3, Decimal("0.037023"))
    assert (ended.own_usd, ended.bill_usd) == (Decimal("0.375322"), Decimal("0.412345"))


def test_each_backend_shows_its_queue_its_doubts_and_its_day(paid: SmallFilm) -> None:
    rows = {row.name: row for row in work_of(paid).backends}
    assert list(rows) == ["klein-local", "klein-pods", "klein-serverless"]
    assert (rows["klein-local"].state, rows["klein-local"].why) == ("away", "nobody answers at port 8188")
    pods, serverless = rows["klein-pods"], rows["klein-serverless"]
    assert (pods.state, pods.machines, pods.running, pods.today_usd) == ("rents", 1, 1, Decimal("0.412345"))
    assert (serverless.queued, serverless.uncertain, serverless.today_usd) == (1, 2, Decimal("0.06"))


def test_what_was_said_by_a_run_that_is_over_is_no_state_of_now(paid: SmallFilm) -> None:
    rows = {row.name: row for row in work_of(paid, datetime.timedelta(minutes=6)).backends}
    assert rows["klein-local"].state == "at rest"


def test_takes_under_way_are_counted_by_state(paid: SmallFilm) -> None:
    ways = {(one.backend, one.work): one for one in work_of(paid).under_way}
    way = ways["klein-serverless", "take"]
    assert {state.value: count for state, count in way.states.items()} == {"reserved": 1, "uncertain": 2}
    assert way.held_usd == Decimal("0.09")
    assert ways["klein-pods", "worker"].held_usd == Decimal("0.35")


def test_a_film_that_works_on_nothing_says_so(new_film: SmallFilm) -> None:
    with inside(review_app(Queries(new_film.root)), "vic", "viewer") as client:
        page = client.get("/workers").text
        while "being read" in page:
            page = client.get("/workers").text
    for said in ("No frames are being generated", "Nothing runs here", "No machine is rented", "Nothing is under way"):
        assert said in page


def test_the_claims_that_are_held_are_read_and_not_tried(tmp_path: Path) -> None:
    assert held(tmp_path) == []
    with claim(tmp_path, "render", "SC010_SH010"), claim(tmp_path, "deliver", ""):
        found = {(one.shot, one.stage): one for one in held(tmp_path) or ()}
        assert set(found) == {("SC010_SH010", "render"), ("", "deliver")}
        assert "process" in found["SC010_SH010", "render"].by
    assert held(tmp_path) == []
    assert held(tmp_path, tmp_path / "no-such-list") is None


def test_a_backend_that_is_left_alone_is_away_and_says_for_how_long() -> None:
    from film_pipeline.orchestrator.desk import Breaker, Desk

    clock = [100.0]
    desk = Desk(backend=None, place=0, breaker=Breaker(), health=Health(True, 2))  # type: ignore[arg-type]
    desk.breaker.now = lambda: clock[0]
    assert desk.told == Health(True, 2)
    for _ in range(3):
        desk.breaker.failed()
    assert not desk.told.ready and "left alone for 5 s" in desk.told.why
    clock[0] += 6
    assert desk.told.ready


def test_the_page_follows_what_happens(new_film: SmallFilm, page: Page) -> None:
    with_gate(new_film)
    with served(review_app(Queries(new_film.root)), page) as address:
        page.goto(f"{address}/workers")
        page.wait_for_selector("text=No machine is rented")
        with ledger_of(new_film) as ledger:
            sign(ledger, ONE)
            hired = hire(ledger, "pod-7")
            ledger.workers.heard(
                Worker("klein-pods", "pod-7", job=hired.job, state="booting", price_hour_usd=Decimal("0.5"))
            )
        page.wait_for_selector("text=pod-7", timeout=15_000)
        assert "booting" in page.locator("#work").inner_text()
        page.goto("about:blank")
