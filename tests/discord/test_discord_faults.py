"""No word is lost and none counts twice: faults, downtime, two sensors at once, and death between any two calls."""

import threading
from collections import Counter
from typing import Any

import pytest
from channel import ANOTHER, CIRCLE, REJECT, Channel
from composed_film import FIRST, ComposedFilm, copy_of

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer

FAULTS = ("429", "500", "502", "503", "drop_before", "drop_after", "duplicate")


def asked(channel: Channel) -> Counter[str]:
    """How often each direction was taken for a take."""
    return Counter(direction for direction in channel.directions() if direction)


def answered(channel: Channel) -> Counter[str]:
    """How often the bot answered each message."""
    own = [told for told in channel.by_the_bot() if told["type"] == 19]
    return Counter(str(told["message_reference"]["message_id"]) for told in own)


def each_once(counted: Counter[str], names: list[str]) -> None:
    assert counted == Counter(names)


@pytest.mark.parametrize("seed", range(6))
def test_at_random_faults_every_word_counts_once(film: ComposedFilm, tmp_path: Any, seed: int) -> None:
    with simulators.discord(tmp_path / "faulty", intent=True, seed=seed) as server:
        channel = Channel(film, server)
        channel.crew(ada="reviewer", ben="approver", cleo="viewer")
        for kind in FAULTS:
            server.fail(kind, "*", rate=0.06, retry_after_s=0.2)
        channel.rounds_until_quiet()
        message = channel.message_of(1)
        replies = [channel.people.reply("ada", message, f"direction {number}")["id"] for number in range(7)]
        channel.people.react(["ada", "ben"], message, CIRCLE)
        channel.people.react("ben", channel.message_of(1, work="hero"), ANOTHER)
        channel.people.reply("stranger", message, "pink")
        channel.rounds_until_quiet()
        assert server.faults_shown(), "nothing went wrong"
        each_once(asked(channel), [f"direction {number}" for number in range(7)])
        assert len(channel.takes(work="hero")) == 2
        assert Counter(channel.said()) == Counter({("retake", "ada"): 7, ("circle", "ada"): 1, ("circle", "ben"): 1})
        assert len(channel.pictures()) == 2
        assert all(answered(channel)[reply] == 1 for reply in replies)
        assert set(answered(channel).values()) == {1}
        assert not server.bill().keys_used_twice()


def test_a_downtime_with_150_messages_is_caught_up(channel: Channel) -> None:
    """With Discord's own limits, in rounds that are cut off after a while, in the order in which people wrote."""
    message, hero = channel.message_of(1), channel.message_of(1, work="hero")
    mine: list[str] = []
    for number in range(50):
        channel.people.reply("ada" if number % 2 else "ben", message, f"direction {number:02}")
        mine.append(f"direction {number:02}")
        channel.people.say("dora", f"talk {number}")
        channel.people.reply("dora", hero, f"make it {number}")
    channel.people.react("ada", message, REJECT)
    channel.people.react("ben", hero, CIRCLE)
    channel.server.advance(86_400)
    rounds = channel.rounds_until_quiet(patience_s=3.0)
    each_once(asked(channel), mine)
    assert [direction for direction in channel.directions() if direction] == mine, "in their order"
    assert channel.said().count(("reject", "ada")) == 1
    assert channel.said(work="hero") == [("circle", "ben")]
    assert sum(answered(channel).values()) == 51, "each direction, and the stranger once"
    assert set(answered(channel).values()) == {1}
    assert len(rounds) >= 2


def test_a_round_that_is_cut_off_goes_on_where_it_stopped(channel: Channel) -> None:
    for number in range(12):
        channel.people.reply("ada", channel.message_of(1), f"direction {number:02}")
    channel.server.script("POST messages", ["ok"] * 5 + [{"kind": "429", "retry_after_s": 900.0}])
    stopped = channel.round()
    assert "900 s" in stopped.stopped
    assert len(asked(channel)) == 6, "the sixth was asked for and its answer was not written"
    done = channel.round()
    assert done.stopped == ""
    each_once(asked(channel), [f"direction {number:02}" for number in range(12)])
    assert set(answered(channel).values()) == {1}
    assert len(answered(channel)) == 12


def test_two_sensors_at_once_count_nothing_twice(channel: Channel) -> None:
    message = channel.message_of(1)
    for number in range(8):
        channel.people.reply("ada", message, f"direction {number}")
    channel.people.react(["ada", "ben"], message, CIRCLE)
    channel.people.react(["ada", "ben"], channel.message_of(1, work="hero"), ANOTHER)
    others = [Channel(channel.film, channel.server) for _ in range(3)]
    threads = [threading.Thread(target=other.round, kwargs={"patience_s": 300.0}) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    channel.rounds_until_quiet()
    each_once(asked(channel), [f"direction {number}" for number in range(8)])
    assert Counter(channel.said()) == Counter({("retake", "ada"): 8, ("circle", "ada"): 1, ("circle", "ben"): 1})
    assert len(channel.takes(work="hero")) == 2
    assert set(answered(channel).values()) == {1}


@pytest.fixture(scope="module")
def _requests_of_a_round(_rendered_once: ComposedFilm, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests a round with everything in it makes."""
    folder = tmp_path_factory.mktemp("counted")
    with simulators.discord(folder / "discord", intent=True) as server:
        channel = busy(copy_of(_rendered_once, folder), server)
        number = 0
        while channel.round_that_dies(number, answered=False):
            number += 1
            channel = busy(copy_of(_rendered_once, folder / str(number)), fresh(server))
    return number


def fresh(server: ThreadServer) -> ThreadServer:
    for told in server.control("messages"):
        server.control("remove", message=told["id"])
    server.advance(4000)
    return server


def busy(film: ComposedFilm, server: ThreadServer) -> Channel:
    """The hero is posted and was spoken of in every way; the take is still to be posted."""
    channel = Channel(film, server)
    channel.crew(ada="reviewer", ben="approver")
    with film.open() as opened:
        turnover = opened.frames.latest("render", FIRST)
        opened.frames.take_back("render", FIRST, 1)
        channel.round()
        assert turnover is not None
        opened.frames.hand_over(turnover)
    hero = channel.message_of(1, work="hero")
    channel.people.reply("ada", hero, "colder light")
    channel.people.reply("stranger", hero, "pink")
    channel.people.react("ben", hero, CIRCLE)
    channel.people.react("ben", hero, ANOTHER)
    return channel


@pytest.mark.slow
@pytest.mark.parametrize("answered_first", [False, True])
def test_killed_between_any_two_calls_nothing_is_lost_or_doubled(
    _requests_of_a_round: int, _rendered_once: ComposedFilm, tmp_path: Any, answered_first: bool
) -> None:
    assert _requests_of_a_round > 10
    with simulators.discord(tmp_path / "discord", intent=True) as server:
        for requests in range(_requests_of_a_round):
            channel = busy(copy_of(_rendered_once, tmp_path / str(requests)), fresh(server))
            assert channel.round_that_dies(requests, answered_first)
            # So long after that no nonce helps any more.
            server.advance(4000)
            channel.rounds_until_quiet()
            told = f"killed at request {requests}"
            assert sorted(channel.directions(work="hero")) == ["", "", "colder light"], told
            assert Counter(channel.said(work="hero")) == Counter(
                {("retake", "ada"): 1, ("retake", "ben"): 1, ("circle", "ben"): 1}
            ), told
            assert len(channel.pictures()) == 2, told
            # One answer may be repeated: the one on its way when the round died. Never a word, a take or a picture.
            assert sum(answered(channel).values()) in (3, 4), told
