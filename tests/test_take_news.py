"""Takes as they are opened, for whoever waits for them."""

import datetime

from ledger_makers import NOW, a_wish, approve, open_take

from film_pipeline.stores.ledger import Ledger


def test_takes_are_news_once(ledger: Ledger) -> None:
    approve(ledger, takes=3)
    news = ledger.takes.news()
    assert news.read() == []
    opened = [open_take(ledger), open_take(ledger)]
    assert news.read() == opened
    assert news.read() == []
    third = open_take(ledger)
    assert news.read() == [third]


def test_a_take_that_was_opened_by_a_slower_clock_is_news_too(ledger: Ledger) -> None:
    approve(ledger, takes=2, signed_at=(NOW - datetime.timedelta(hours=1)).isoformat())
    news = ledger.takes.news()
    first = open_take(ledger)
    assert news.read() == [first]
    late = ledger.open_take(a_wish(), now=NOW - datetime.timedelta(seconds=30))
    assert news.read() == [late]
