"""The bot's REST client: limits kept, repeats that are none, refusals that are taken for an answer, a token unseen."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from film_pipeline import simulators
from film_pipeline.backends.credentials import Secret
from film_pipeline.core.problems import FilmProblem
from film_pipeline.discord.client import (
    MOST_BYTES,
    Discord,
    DiscordAway,
    DiscordForbids,
    DiscordRefused,
    Gone,
    Picture,
)
from film_pipeline.simulators import People, ThreadServer
from film_pipeline.simulators.discord import API, CHANNEL, TOKEN

UP = "👍"
CLOSED = "1300000000000000002"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.discord(tmp_path, limits={}, global_limit=(10_000, 1.0), closed_channels=[CLOSED]) as running:
        yield running


_OPEN: list[Discord] = []


@pytest.fixture(autouse=True)
def _every_bot_leaves() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def opened(bot: Discord) -> Discord:
    """The bot, to be closed when the test is over."""
    _OPEN.append(bot)
    return bot


def a_bot(server: ThreadServer, token: str = TOKEN, waited: list[float] | None = None, **how: Any) -> Discord:
    """A bot whose waiting moves the provider's clock on and takes no time. waited: notes how long it would have."""

    def sleep(seconds: float) -> None:
        server.advance(seconds)
        if waited is not None:
            waited.append(seconds)

    return opened(Discord(Secret(token), f"{server.url}{API}", sleep=sleep, **how))


def contents(server: ThreadServer) -> list[str]:
    return [str(told["content"]) for told in People(server).see()]


def test_a_message_mentions_nobody_whatever_stands_in_it(server: ThreadServer) -> None:
    ada = People(server).id_of("ada")
    told = a_bot(server).post(CHANNEL, f"<@{ada}> @everyone look", "n1")
    assert (told["mentions"], told["mention_everyone"]) == ([], False)
    answer = a_bot(server).post(CHANNEL, "and you", "n2", reply_to=People(server).say("ada", "hello")["id"])
    assert answer["mentions"] == []
    assert answer["type"] == 19


def test_the_same_nonce_is_the_same_message(server: ThreadServer) -> None:
    bot = a_bot(server)
    assert bot.post(CHANNEL, "take 3", "n1")["id"] == bot.post(CHANNEL, "take 3", "n1")["id"]
    assert contents(server) == ["take 3"]


def test_a_picture_goes_with_its_message(server: ThreadServer) -> None:
    told = a_bot(server).post(CHANNEL, "take 3 — “ü”", "n1", Picture("t003.png", b"\x89PNG" + bytes(100), "image/png"))
    assert [(file["filename"], file["size"]) for file in told["attachments"]] == [("t003.png", 104)]
    assert contents(server) == ["take 3 — “ü”"]


def test_what_discord_would_refuse_is_not_sent(server: ThreadServer) -> None:
    bot = a_bot(server)
    with pytest.raises(ValueError, match=r"2,000"):
        bot.post(CHANNEL, "x" * 2001, "n1")
    with pytest.raises(ValueError, match="10 MiB"):
        bot.post(CHANNEL, "x", "n1", Picture("a.png", bytes(MOST_BYTES + 1), "image/png"))
    with pytest.raises(FilmProblem, match="no id"):
        bot.post("../../users/@me", "x", "n1")
    assert bot.post(CHANNEL, "x" * 2000, "n" * 60)["id"], "a nonce is cut to what Discord takes"


def test_an_answer_to_what_was_deleted_is_a_message_by_itself(server: ThreadServer) -> None:
    message = People(server).say("ada", "a take please")["id"]
    People(server).remove(message)
    assert a_bot(server).post(CHANNEL, "it comes", "n1", reply_to=message)["type"] == 0


# Limits


def test_it_waits_as_long_as_the_answer_says_in_parts_of_a_second(server: ThreadServer) -> None:
    waited: list[float] = []
    server.script(
        "POST messages", [{"kind": "429", "retry_after_s": 1.375}, {"kind": "429", "retry_after_s": 0.25}, "ok"]
    )
    a_bot(server, waited=waited).post(CHANNEL, "take 3", "n1")
    assert [round(seconds, 1) for seconds in waited] == [1.4, 1.4], "the first hold is still there after a fake wait"
    assert contents(server) == ["take 3"]


def test_a_global_limit_holds_everything_and_a_buckets_own_only_itself(server: ThreadServer) -> None:
    waited: list[float] = []
    bot = a_bot(server, waited=waited, now=lambda: 1000.0)
    server.script("GET messages", [{"kind": "429", "retry_after_s": 3.0}, "ok"])
    bot.newest(CHANNEL)
    bot.me()
    assert waited == [3.0], "another bucket is open"
    server.script("GET users", [{"kind": "429", "retry_after_s": 7.0, "is_global": True}, "ok"])
    bot = a_bot(server, waited=waited, now=lambda: 1000.0)
    bot.me()
    bot.post(CHANNEL, "x", "n1")
    assert waited == [3.0, 7.0, 7.0]


def test_it_never_runs_into_a_limit_that_the_headers_told_of(tmp_path: Path) -> None:
    """One 429 would ban it here."""
    limits = {"POST messages": (3, 5.0), "GET messages": (2, 1.0)}
    with simulators.discord(tmp_path, limits=limits, invalid_requests=1) as server:
        waited: list[float] = []
        clock = {"now": 0.0}

        def sleep(seconds: float) -> None:
            clock["now"] += seconds
            waited.append(seconds)
            server.advance(seconds)

        url = f"{server.url}{API}"
        bot = opened(Discord(Secret(TOKEN), url, patience_s=120, sleep=sleep, now=lambda: clock["now"]))
        for number in range(10):
            bot.post(CHANNEL, str(number), f"n{number}")
            bot.newest(CHANNEL)
        assert len(contents(server)) == 10
        assert sum(waited) < 30, waited


def test_patience_is_bounded_and_nobody_sleeps_in_vain(server: ThreadServer) -> None:
    waited: list[float] = []
    server.fail("429", "*", retry_after_s=500.0)
    with pytest.raises(DiscordAway, match="another 500 s"):
        a_bot(server, waited=waited).me()
    assert waited == []
    assert len(server.faults_shown()) == 1


def test_a_limit_without_end_is_asked_a_few_times_only(server: ThreadServer) -> None:
    server.fail("429", "*", retry_after_s=0.01)
    with pytest.raises(DiscordAway, match="too many requests"):
        a_bot(server).me()
    assert len(server.faults_shown()) == 5


# What breaks


@pytest.mark.parametrize("kind", ["500", "502", "503", "drop_before", "drop_after"])
def test_what_broke_is_asked_again_and_is_one_message(server: ThreadServer, kind: str) -> None:
    server.fail(kind, "POST messages", times=2)
    told = a_bot(server).post(CHANNEL, "take 3", "n1")
    assert contents(server) == ["take 3"]
    assert People(server).see()[0]["id"] == told["id"]
    assert not server.bill().ordered_twice()


def test_a_server_that_is_away_is_said_so(server: ThreadServer) -> None:
    bot = opened(Discord(Secret(TOKEN), f"{server.url}{API}", sleep=lambda _: None))
    server.kill()
    with pytest.raises(DiscordAway, match="the connection broke"):
        bot.me()
    server.restart()
    assert a_bot(server).me()["username"] == "dailies"


def test_time_is_up_between_two_requests_too(server: ThreadServer) -> None:
    clock = {"now": 0.0}
    bot = a_bot(server, patience_s=10.0, now=lambda: clock["now"])
    bot.me()
    clock["now"] = 10.5
    with pytest.raises(DiscordAway):
        bot.me()


# Refusals


def test_a_wrong_token_is_said_once_and_not_tried_again(tmp_path: Path) -> None:
    """Two refusals would ban it here."""
    with simulators.discord(tmp_path, limits={}, invalid_requests=2) as server:
        with pytest.raises(DiscordRefused, match="does not know this bot") as raised:
            a_bot(server, "wrong").me()
        assert "DISCORD_TOKEN" in raised.value.mend
        assert a_bot(server).me()["username"] == "dailies", "it is still let in"


@pytest.mark.parametrize(("channel", "said"), [(CLOSED, "Missing Access"), ("1300000000000000009", "Unknown Channel")])
def test_a_channel_that_is_closed_or_not_there_is_said_with_the_mend(
    server: ThreadServer, channel: str, said: str
) -> None:
    with pytest.raises(DiscordForbids, match=said) as raised:
        a_bot(server).newest(channel)
    assert "DISCORD_CHANNEL" in raised.value.mend


def test_a_ban_of_the_address_is_no_limit_to_wait_for(tmp_path: Path) -> None:
    with simulators.discord(tmp_path, limits={}, invalid_requests=1) as server:
        for expected in ("does not know", "shut this address out"):
            with pytest.raises(DiscordRefused, match=expected):
                a_bot(server, "wrong").me()


def test_a_message_that_is_gone_is_no_refusal(server: ThreadServer) -> None:
    bot = a_bot(server)
    message = str(bot.post(CHANNEL, "take 3", "n1")["id"])
    People(server).remove(message)
    for ask in (lambda: bot.message(CHANNEL, message), lambda: list(bot.who_reacted(CHANNEL, message, UP))):
        with pytest.raises(Gone):
            ask()
    with pytest.raises(Gone):
        bot.react(CHANNEL, message, UP)


def test_what_is_no_emoji_is_the_authors_to_mend(server: ThreadServer) -> None:
    bot = a_bot(server)
    message = str(bot.post(CHANNEL, "take 3", "n1")["id"])
    with pytest.raises(FilmProblem, match="Unknown Emoji") as raised:
        bot.react(CHANNEL, message, "thumbsup")
    assert not isinstance(raised.value, DiscordRefused)
    assert "discord:" in raised.value.mend


# Reading


def test_messages_come_oldest_first_and_everybody_who_reacted(server: ThreadServer) -> None:
    bot, people = a_bot(server), People(server)
    assert bot.newest(CHANNEL) == "0"
    hero = str(bot.post(CHANNEL, "hero", "n1")["id"])
    said = [people.say("ada", str(number))["id"] for number in range(130)]
    page = bot.after(CHANNEL, hero)
    assert [told["id"] for told in page] == said[:100]
    assert [told["id"] for told in bot.after(CHANNEL, said[99])] == said[100:]
    assert bot.newest(CHANNEL) == said[-1]
    people.react([f"crew{number:03}" for number in range(230)], hero, UP)
    bot.react(CHANNEL, hero, UP)
    names = [user["username"] for user in bot.who_reacted(CHANNEL, hero, UP)]
    assert len(names) == len(set(names)) == 231


# The token


def test_the_token_is_shown_nowhere(server: ThreadServer, caplog: pytest.LogCaptureFixture) -> None:
    secret = "a-very-secret-token"
    caplog.set_level(logging.DEBUG)
    bot = opened(Discord(Secret(secret), f"{server.url}{API}", sleep=lambda _: None))
    said = [repr(bot), str(vars(bot))]
    with pytest.raises(DiscordRefused) as refused:
        bot.me()
    server.kill()
    with pytest.raises(DiscordAway) as away:
        bot.me()
    server.restart()
    said += [str(refused.value), str(away.value), repr(away.value.__cause__), caplog.text]
    assert all(secret not in text for text in said)


@pytest.mark.parametrize("token", ["with a space", "two\nlines", "ünicode", ""])
def test_what_is_no_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(FilmProblem, match="DISCORD_TOKEN") as raised:
        Discord(Secret(token))
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize("url", ["http://discord.example", "ftp://127.0.0.1", "nonsense", ""])
def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    with pytest.raises(FilmProblem, match="DISCORD_API_URL"):
        Discord(Secret(TOKEN), url)


def test_many_bots_at_once_post_one_message(server: ThreadServer) -> None:
    threads = [threading.Thread(target=lambda: a_bot(server).post(CHANNEL, "take 3", "n1")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(server) == ["take 3"]
