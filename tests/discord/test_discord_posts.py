"""Posting: what is complete and not judged goes into the channel once, with what a judge must know."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from channel import ANOTHER, CIRCLE, REJECT, Channel
from composed_film import FIRST, SECOND, ComposedFilm
from PIL import Image

from film_pipeline import simulators
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Item, Turnover
from film_pipeline.discord.client import MOST_BYTES, Discord
from film_pipeline.discord.prints import MOST_FRAMES, print_of, within
from film_pipeline.discord.room import Post, Room
from film_pipeline.gatekeeping import another_take, say_of_take
from film_pipeline.simulators import ThreadServer
from film_pipeline.simulators.discord import CHANNEL


def open_take(channel: Channel, direction: str = "") -> int:
    with channel.film.open() as film:
        return another_take(film, FIRST, "director", "cli", direction).take


def posted(channel: Channel) -> list[str]:
    """The slates in the channel, oldest first."""
    return [str(told["content"]).splitlines()[0] for told in channel.pictures()]


def test_a_take_is_posted_with_all_that_a_judge_must_know(channel: Channel) -> None:
    take, _ = channel.pictures()
    with channel.film.open() as film:
        turnover = film.frames.latest("render", FIRST)
    assert turnover is not None
    said = take["content"]
    assert said.startswith(f"**`{FIRST}`** take **1** · 3 frames")
    for told in ("klein-local (klein-4b bf16)", "0.00 USD", "Apache-2.0", turnover.recipe_sha256[:16], "director"):
        assert told in said, told
    assert f"{CIRCLE} circle · {REJECT} reject · {ANOTHER} once more · reply" in said
    [sheet] = take["attachments"]
    assert (sheet["filename"], sheet["content_type"]) == (f"{FIRST}_render_generated_t001.jpg", "image/jpeg")
    assert sheet["width"] > sheet["height"], "three frames side by side"


def test_a_hero_is_posted_as_the_picture_that_it_is(channel: Channel) -> None:
    _, hero = channel.pictures()
    assert hero["content"].startswith(f"**`{FIRST}`** hero take **1** · At the bench, with maker · frame 1005")
    [picture] = hero["attachments"]
    assert (picture["filename"], picture["width"]) == (f"{FIRST}_render_hero_t001.1005.png", 192)


def test_the_bot_puts_the_reactions_there_to_be_pressed(channel: Channel) -> None:
    for told in channel.pictures():
        assert [(one["emoji"]["name"], one["me"]) for one in told["reactions"]] == [
            (CIRCLE, True),
            (REJECT, True),
            (ANOTHER, True),
        ]
    assert channel.said() == [], "and they are nobody's word"


def test_what_was_posted_is_not_posted_again(channel: Channel) -> None:
    before = channel.seen()
    assert channel.round().said() == "nothing new"
    assert channel.seen() == before


def test_a_take_is_posted_when_it_is_complete_and_with_its_direction(channel: Channel, comfy: Any) -> None:
    open_take(channel, "colder *light*")
    channel.round()
    assert len(posted(channel)) == 2, "nothing is there to be seen yet"
    channel.film.work("render", [FIRST])
    channel.round()
    assert posted(channel)[2] == f"**`{FIRST}`** take **2** · 3 frames"
    assert "> colder \\*light\\*" in channel.pictures()[2]["content"].splitlines()


def test_what_was_judged_elsewhere_needs_no_judge(channel: Channel, comfy: Any) -> None:
    for word in ("circle", "reject"):
        take = open_take(channel)
        channel.film.work("render", [FIRST])
        with channel.film.open() as film:
            say_of_take(film, FIRST, take, word, "ben", "review")  # type: ignore[arg-type]
    channel.round()
    assert len(posted(channel)) == 2


def test_a_take_of_an_earlier_composition_says_so(film: ComposedFilm, discord: ThreadServer) -> None:
    film.small.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: reach}")
    film.compose()
    channel = Channel(film, discord)
    channel.round()
    assert all("before the shot was changed" in told["content"] for told in channel.pictures())
    assert len(channel.pictures()) == 2


def test_the_emoji_are_the_productions_own(film: ComposedFilm, discord: ThreadServer) -> None:
    film.change(discord={"circle": "ok:123456789012345678", "reject": "⛔", "another": "1️⃣"})
    channel = Channel(film, discord)
    assert channel.round().problems == []
    take = channel.pictures()[0]
    assert "<:ok:123456789012345678> circle · ⛔ reject · 1️⃣ once more" in take["content"]
    assert [one["emoji"]["name"] for one in take["reactions"]] == ["ok", "⛔", "1️⃣"]


def test_an_emoji_that_discord_does_not_know_is_told_and_keeps_nothing_up(
    film: ComposedFilm, discord: ThreadServer
) -> None:
    film.change(discord={"circle": "thumbsup"})
    channel = Channel(film, discord)
    done = channel.round()
    assert len(channel.pictures()) == 2
    assert "Unknown Emoji" in done.said()
    assert channel.round().said() == "nothing new", "it is told once"


def test_a_picture_that_is_gone_keeps_no_other_from_being_seen(film: ComposedFilm, discord: ThreadServer) -> None:
    with film.open() as opened:
        turnover = opened.frames.latest("render", FIRST)
        assert turnover is not None
        (opened.made / turnover.of("generated")[0].path).unlink()
    channel = Channel(film, discord)
    done = channel.round()
    assert [post.work for post in done.posted] == ["hero"]
    assert f"{FIRST} take 1 can't be posted" in done.said()


def test_a_film_that_comes_late_does_not_flood_the_channel(channel: Channel, comfy: Any, monkeypatch: Any) -> None:
    for _ in range(12):
        open_take(channel)
    channel.film.work("render", [FIRST])
    assert len(channel.round().posted) == 10
    assert len(channel.round().posted) == 2
    takes = [line.split("**")[3] for line in posted(channel) if "hero" not in line]
    assert takes == [str(number) for number in range(1, 14)], "oldest first"


# Repeats


def test_an_answer_that_was_lost_makes_no_second_message(film: ComposedFilm, discord: ThreadServer) -> None:
    discord.script("POST messages", ["drop_after", "ok", "500", {"kind": "502", "handled": True}])
    channel = Channel(film, discord)
    channel.round()
    assert len(channel.pictures()) == 2
    assert not discord.bill().keys_used_twice()


def test_a_round_that_died_before_it_noted_its_post_finds_it_again(film: ComposedFilm, discord: ThreadServer) -> None:
    """Long after, when Discord has forgotten the nonce, and people have talked meanwhile."""
    channel = Channel(film, discord)
    with film.open() as opened:
        room, account = Room(opened.ledger, CHANNEL, "0"), channel.account
        with Discord(account.token, account.url) as bot:
            channel.round()
            for post in room.posts():
                room.keep(Post(post.shot, post.work, post.take, after="0"), post)
            assert [post.message for post in room.posts()] == ["", ""]
            assert bot.me()
    for number in range(120):
        channel.people.say("ada", f"{number} {FIRST} take 1")
    discord.advance(4000)
    with film.open() as opened:
        say_of_take(opened, FIRST, 1, "circle", "ben", "review")
    channel.round()
    assert len(channel.pictures()) == 2
    assert channel.message_of(1) == channel.pictures()[0]["id"], "judged meanwhile, and still watched"


def test_two_sensors_at_once_post_one_message_each(film: ComposedFilm, discord: ThreadServer) -> None:
    channels = [Channel(film, discord) for _ in range(3)]
    rounds = [threading.Thread(target=channel.round, kwargs={"patience_s": 200.0}) for channel in channels]
    for thread in rounds:
        thread.start()
    for thread in rounds:
        thread.join()
    assert len(channels[0].pictures()) == 2
    assert not discord.bill().keys_used_twice()
    assert channels[0].round().said() == "nothing new"


def test_discord_is_away_and_comes_back(film: ComposedFilm, discord: ThreadServer) -> None:
    channel = Channel(film, discord)
    discord.fail("500", "*")
    assert "Discord" in channel.round().stopped
    assert channel.pictures() == []
    discord.clear_faults()
    assert channel.round().stopped == ""
    assert len(channel.pictures()) == 2


def test_a_new_channel_gets_what_is_still_to_be_judged(film: ComposedFilm, tmp_path: Path) -> None:
    other = "1300000000000000005"
    with simulators.discord(tmp_path / "two", channels=[CHANNEL, other]) as server:
        channel = Channel(film, server)
        channel.crew(ben="approver")
        channel.round()
        channel.people.react("ben", channel.message_of(1), REJECT)
        channel.round()
        account = channel.account
        moved = type(account)(account.token, other, account.url, account.review_url)
        assert [post.work for post in channel.round(moved).posted] == ["hero"]


# Pictures


def a_turnover(root: Path, *names: str, role: str = "generated", size: tuple[int, int] = (96, 54)) -> Turnover:
    items = []
    for number, name in enumerate(names):
        Image.new("RGB", size, (number * 10, 40, 80)).save(root / name)
        items.append(Item(role=role, frame=1001 + number, path=name, sha256="0" * 64, bytes=1))
    return Turnover(stage="render", shot=SECOND, version=1, recipe_sha256="0" * 64, items=tuple(items))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_long_take_is_shown_by_frames_from_all_of_it(tmp_path: Path) -> None:
    turnover = a_turnover(tmp_path, *(f"{number}.png" for number in range(40)))
    sheet = print_of(tmp_path, turnover, "title")
    assert sheet.kind == "image/jpeg"
    few = print_of(tmp_path, a_turnover(tmp_path, *(f"few{number}.png" for number in range(MOST_FRAMES))), "title")
    assert opened(sheet.data).size == opened(few.data).size, "three rows of three"


def test_a_take_of_one_frame_is_that_frame(tmp_path: Path) -> None:
    assert opened(print_of(tmp_path, a_turnover(tmp_path, "one.png"), "title").data).size == (96, 54)


def test_a_picture_is_scaled_until_it_fits(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (400, 300), os.urandom(400 * 300 * 3))
    assert opened(within(noise, "a.jpg", 10_000_000).data).size == (400, 300)
    small = within(noise, "a.jpg", 20_000)
    assert len(small.data) <= 20_000
    width, height = opened(small.data).size
    assert abs(width / height - 4 / 3) < 0.05
    with pytest.raises(FilmProblem, match="does not fit"):
        within(noise, "a.jpg", 100)


def test_a_hero_over_ten_mebibytes_is_sent_smaller(tmp_path: Path) -> None:
    turnover = a_turnover(tmp_path, "hero.png", role="hero")
    Image.frombytes("RGB", (2200, 1800), os.urandom(2200 * 1800 * 3)).save(tmp_path / "hero.png", compress_level=0)
    assert (tmp_path / "hero.png").stat().st_size > MOST_BYTES
    sent = print_of(tmp_path, turnover, "title")
    assert (sent.name, sent.kind) == ("hero.jpg", "image/jpeg")
    assert len(sent.data) <= MOST_BYTES


def test_a_take_without_pictures_is_a_problem_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="no pictures") as raised:
        print_of(tmp_path, a_turnover(tmp_path), "title")
    assert SECOND in raised.value.mend
