"""Reading: what people say of takes counts once, if they may say it; what they say badly does no harm."""

from typing import Any

import pytest
from channel import ANOTHER, CIRCLE, REJECT, REVIEW, Channel
from composed_film import FIRST, ComposedFilm

from film_pipeline.discord.words import LONGEST_DIRECTION
from film_pipeline.simulators import ThreadServer

# Reactions


@pytest.mark.parametrize(("emoji", "word"), [(CIRCLE, "circle"), (REJECT, "reject")])
def test_a_reaction_is_a_word_on_the_take(channel: Channel, emoji: str, word: str) -> None:
    channel.people.react("ada", channel.message_of(1), emoji)
    channel.round()
    [said] = channel.words()
    assert (said.word, said.by, said.take, said.via) == (word, "ada", 1, "discord")


def test_a_reaction_to_a_hero_is_a_word_on_the_hero(channel: Channel) -> None:
    channel.people.react("ben", channel.message_of(1, work="hero"), CIRCLE)
    channel.round()
    assert channel.said() == []
    assert channel.said(work="hero") == [("circle", "ben")]


def test_a_reaction_counts_once_however_often_it_is_looked_at(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), CIRCLE)
    for _ in range(3):
        channel.round(full_look_s=0.0)
    assert channel.said() == [("circle", "ada")]


def test_only_people_whom_the_production_names_and_whose_role_may_count(channel: Channel) -> None:
    channel.people.react(["cleo", "stranger", "ada"], channel.message_of(1), CIRCLE)
    channel.people.react(["cleo", "stranger"], channel.message_of(1), ANOTHER)
    assert channel.round().said() == "1 words heard, 4 words ignored of people who may not judge"
    assert channel.round(full_look_s=0.0).said() == "nothing new", "and it is told once"
    assert channel.said() == [("circle", "ada")]
    assert len(channel.takes()) == 1


def test_somebody_is_known_by_their_number_and_not_by_their_name(channel: Channel) -> None:
    channel.film.change(people=[{"name": "stranger", "discord_id": channel.people.id_of("ada"), "role": "reviewer"}])
    channel.people.react(["ada", "stranger"], channel.message_of(1), CIRCLE)
    channel.round()
    assert channel.said() == [("circle", "stranger")], "ada's account, under the name that the production gives it"


def test_what_was_pressed_before_somebody_may_counts_when_it_is_pressed_again(channel: Channel) -> None:
    message = channel.message_of(1)
    channel.people.react("dora", message, CIRCLE)
    channel.round()
    channel.crew(ada="reviewer", dora="reviewer")
    channel.round(full_look_s=0.0)
    assert channel.said() == []
    channel.people.unreact("dora", message, CIRCLE)
    channel.round()
    channel.people.react("dora", message, CIRCLE)
    channel.round()
    assert channel.said() == [("circle", "dora")]


def test_a_reaction_that_was_taken_away_and_given_again_is_a_new_word(channel: Channel) -> None:
    message = channel.message_of(1)
    for emoji in (CIRCLE, REJECT):
        channel.people.react("ada", message, emoji)
        channel.round()
    channel.people.unreact("ada", message, CIRCLE)
    channel.round()
    channel.people.react("ada", message, CIRCLE)
    channel.round()
    assert channel.said() == [("circle", "ada"), ("reject", "ada"), ("circle", "ada")]
    assert [take.standing for take in channel.takes()] == ["circled"], "the last word counts"


def test_taking_a_reaction_away_takes_no_word_back(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), CIRCLE)
    channel.round()
    channel.people.unreact("ada", channel.message_of(1), CIRCLE)
    channel.round()
    assert [take.standing for take in channel.takes()] == ["circled"]


def test_where_one_look_finds_both_the_rejection_counts(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), REJECT)
    channel.people.react(["ada", "ben"], channel.message_of(1), CIRCLE)
    channel.round()
    assert [take.standing for take in channel.takes()] == ["rejected"]
    assert len(channel.words()) == 3


def test_one_who_came_as_another_went_is_found_though_the_count_is_the_same(channel: Channel) -> None:
    message = channel.message_of(1)
    channel.people.react("cleo", message, CIRCLE)
    channel.round()
    channel.people.unreact("cleo", message, CIRCLE)
    channel.people.react("ada", message, CIRCLE)
    channel.round()
    assert channel.said() == [], "the count is what it was"
    channel.at += 300
    channel.round()
    assert channel.said() == [("circle", "ada")]


def test_many_who_react_are_all_heard(channel: Channel) -> None:
    crowd = [f"crowd{number:03}" for number in range(240)]
    channel.people.react(crowd, channel.message_of(1), CIRCLE)
    channel.people.react(["ada", "ben"], channel.message_of(1), CIRCLE)
    channel.round()
    assert sorted(channel.said()) == [("circle", "ada"), ("circle", "ben")]


def test_an_unknown_emoji_says_nothing(channel: Channel) -> None:
    for emoji in ("👍", "🎬", "ok:123456789012345678"):
        channel.people.react("ada", channel.message_of(1), emoji)
    assert channel.round().said() == "nothing new"
    assert channel.words() == []


def test_an_emoji_with_and_without_its_coloured_form_is_the_same(film: ComposedFilm, discord: ThreadServer) -> None:
    film.change(discord={"reject": "✖\ufe0f"})
    channel = Channel(film, discord)
    channel.crew(ada="reviewer")
    channel.round()
    channel.people.react("ada", channel.message_of(1), "✖")
    channel.round()
    assert channel.said() == [("reject", "ada")]


def test_a_servers_own_emoji_is_known_by_its_number(film: ComposedFilm, discord: ThreadServer) -> None:
    film.change(discord={"circle": "ok:123456789012345678"})
    channel = Channel(film, discord)
    channel.crew(ada="reviewer")
    channel.round()
    channel.people.react("ada", channel.message_of(1), "renamed:123456789012345678")
    channel.people.react("ada", channel.message_of(1), CIRCLE)
    channel.round()
    assert channel.said() == [("circle", "ada")], "and the usual circle means nothing now"


def test_a_message_that_was_deleted_is_no_longer_looked_for(channel: Channel) -> None:
    channel.people.remove(channel.message_of(1))
    channel.round()
    assert channel.post_of(1).gone
    channel.people.react("ada", channel.message_of(1, work="hero"), CIRCLE)
    channel.round()
    assert channel.said(work="hero") == [("circle", "ada")], "the others are"
    assert len(channel.pictures()) == 1, "and nobody posts it again"


# Asking for another


def test_a_press_asks_for_one_more_like_this_one(channel: Channel) -> None:
    channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.round()
    channel.people.react("ben", channel.message_of(1), ANOTHER)
    channel.people.react("ben", channel.message_of(1, work="hero"), ANOTHER)
    channel.round()
    assert channel.directions() == ["", "colder light", ""]
    assert channel.takes()[2].asked_by == "ben"
    assert channel.said()[-1] == ("retake", "ben")
    assert len(channel.takes(work="hero")) == 2
    assert channel.answers_to(channel.message_of(1)) == [f"Take 3 of `{FIRST}` is asked for."]
    assert channel.answers_to(channel.message_of(1, work="hero")) == [f"Hero take 2 of `{FIRST}` is asked for."]


def test_however_many_press_it_is_one_take(channel: Channel) -> None:
    channel.people.react(["ada", "ben"], channel.message_of(1), ANOTHER)
    channel.round()
    channel.round(full_look_s=0.0)
    assert len(channel.takes()) == 2
    assert sorted(channel.said()) == [("retake", "ada"), ("retake", "ben")]


def test_pressed_by_a_second_one_later_it_is_still_one(channel: Channel) -> None:
    for name in ("ada", "ben"):
        channel.people.react(name, channel.message_of(1), ANOTHER)
        channel.round()
    assert len(channel.takes()) == 2


def test_pressed_again_after_it_was_taken_away_it_is_another(channel: Channel) -> None:
    message = channel.message_of(1)
    for _ in range(3):
        channel.people.react("ada", message, ANOTHER)
        channel.round()
        channel.people.unreact("ada", message, ANOTHER)
        channel.round()
    assert len(channel.takes()) == 4


def test_a_press_waits_for_its_direction(channel: Channel) -> None:
    """Whoever presses and then writes wants one take."""
    message = channel.message_of(1)
    channel.people.react("ada", message, ANOTHER)
    channel.round(grace_s=30.0)
    assert len(channel.takes()) == 1
    channel.people.reply("ada", message, "colder light")
    for _ in range(6):
        channel.round(grace_s=30.0)
    assert channel.directions() == ["", "colder light"]


def test_a_direction_that_came_just_before_the_press_is_the_same_wish(channel: Channel) -> None:
    message = channel.message_of(1)
    channel.people.reply("ada", message, "colder light")
    channel.round(grace_s=30.0)
    channel.people.react("ada", message, ANOTHER)
    for _ in range(6):
        channel.round(grace_s=30.0)
    assert channel.directions() == ["", "colder light"]


def test_a_press_without_a_direction_is_acted_on_after_a_while(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), ANOTHER)
    for expected in (1, 1, 1, 2, 2):
        channel.round(grace_s=30.0)
        assert len(channel.takes()) == expected


def test_a_press_that_was_taken_back_in_time_asks_for_nothing(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), ANOTHER)
    channel.round(grace_s=30.0)
    channel.people.unreact("ada", channel.message_of(1), ANOTHER)
    for _ in range(6):
        channel.round(grace_s=30.0)
    assert len(channel.takes()) == 1


def test_who_pressed_meanwhile_still_gets_it_when_the_first_takes_it_back(channel: Channel) -> None:
    channel.people.react("ada", channel.message_of(1), ANOTHER)
    channel.round(grace_s=30.0)
    channel.people.react("ben", channel.message_of(1), ANOTHER)
    channel.people.unreact("ada", channel.message_of(1), ANOTHER)
    for _ in range(6):
        channel.round(grace_s=30.0, full_look_s=0.0)
    assert [take.asked_by for take in channel.takes()] == ["director", "ben"]


# Replies


def test_a_reply_is_direction_for_one_more_take(channel: Channel) -> None:
    reply = channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.round()
    first, second = channel.takes()
    assert (second.direction, second.asked_by, second.via) == ("colder light", "ada", "discord")
    assert channel.answers_to(reply["id"]) == [
        f"Take 2 of `{FIRST}` is asked for, with this direction:\n> colder light"
    ]
    [word] = channel.words()
    assert (word.word, word.note, word.take) == ("retake", "colder light", first.take)
    with channel.film.open() as film:
        [note] = film.ledger.notes.of(FIRST)
    assert (note.author, note.text, note.take, note.via) == ("ada", "colder light", 1, "discord")


def test_a_direction_goes_on_from_the_take_that_it_answers(channel: Channel, comfy: Any) -> None:
    channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.round()
    channel.film.work("render", [FIRST])
    channel.round()
    channel.people.reply("ada", channel.message_of(2), "she looks down")
    channel.people.reply("ben", channel.message_of(1), "warmer light")
    channel.round()
    assert channel.directions() == ["", "colder light", "she looks down, colder light", "warmer light"]


def test_a_reply_to_a_hero_is_direction_for_the_hero(channel: Channel) -> None:
    channel.people.reply("ada", channel.message_of(1, work="hero"), "colder light")
    channel.round()
    assert channel.directions(work="hero") == ["", "colder light"]
    assert channel.directions() == [""]
    with channel.film.open() as film:
        [note] = film.ledger.notes.of(FIRST)
    assert (note.text, note.take) == ("[hero 1] colder light", None)


def test_a_reply_counts_once_however_often_it_is_read(channel: Channel) -> None:
    channel.people.reply("ada", channel.message_of(1), "colder light")
    for _ in range(3):
        channel.round()
    assert channel.directions() == ["", "colder light"]


def test_what_is_no_reply_to_a_take_is_talk(channel: Channel) -> None:
    other = channel.people.say("ben", "what a day")["id"]
    channel.people.reply("ada", other, "colder light")
    channel.people.say("ada", "colder light")
    answer = channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.round()
    [told] = [one["id"] for one in channel.by_the_bot() if one["type"] == 19]
    channel.people.reply("ada", told, "thank you")
    channel.round()
    assert channel.directions() == ["", "colder light"]
    assert len(channel.answers_to(answer["id"])) == 1


def test_beyond_what_was_signed_the_bot_says_why_and_where_the_gate_is(
    film: ComposedFilm, discord: ThreadServer
) -> None:
    with film.open() as opened:
        for approval in opened.ledger.approvals.all(FIRST):
            opened.ledger.revoke(approval.id, "director", "the door must be closed")
    channel = Channel(film, discord)
    channel.crew(ada="reviewer")
    channel.round()
    reply = channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.people.react("ada", channel.message_of(1, work="hero"), ANOTHER)
    for _ in range(2):
        channel.round()
    assert len(channel.takes()) == len(channel.takes(work="hero")) == 1
    [said] = channel.answers_to(reply["id"])
    assert "the gate is locked" in said
    assert "the door must be closed" in said
    assert f"{REVIEW}/shots/{FIRST}#gate-of-the-shot" in said
    assert "kept with the take" in said
    [told] = channel.answers_to(channel.message_of(1, work="hero"))
    assert "the gate is locked" in told
    assert "What you wrote" not in told
    assert [word.note for word in channel.words()] == ["colder light"], "the words are kept"


def test_a_shot_that_was_changed_needs_a_signature_again(channel: Channel) -> None:
    channel.film.small.edit("shots/SC010.yaml", "{frame: 1005, pose: think}", "{frame: 1005, pose: reach}")
    reply = channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.round()
    [said] = channel.answers_to(reply["id"])
    assert "not ready for the gate" in said
    channel.film.compose()
    reply = channel.people.reply("ada", channel.message_of(1), "warmer light")
    channel.round()
    assert "the composition changed" in channel.answers_to(reply["id"])[0]
    assert len(channel.takes()) == 1


def test_a_stranger_is_answered_once_for_ever(channel: Channel) -> None:
    first = channel.people.reply("stranger", channel.message_of(1), "make it pink")
    second = channel.people.reply("stranger", channel.message_of(1), "pink!")
    viewer = channel.people.reply("cleo", channel.message_of(1), "pink, please")
    channel.round()
    channel.server.advance(4000)
    third = channel.people.reply("stranger", channel.message_of(1), "PINK")
    channel.round()
    told = [channel.answers_to(one["id"]) for one in (first, second, viewer, third)]
    assert [len(answers) for answers in told] == [1, 0, 1, 0]
    assert "production.yaml" in told[0][0]
    assert channel.words() == []
    assert len(channel.takes()) == 1
    with channel.film.open() as film:
        assert film.ledger.notes.of(FIRST) == []


HOSTILE = {
    "mentions": ("@everyone <@123456789012345678> colder", "colder"),
    "markup": ("**colder** `light` ||x|| # y", "colder light x y"),
    "four thousand": ("colder " * 571, None),
    "lines": ("colder\n\n\nlight\r\n", "colder, light"),
    "control characters": ("col\x00der\x1b[2J \u202elight\u200b", "col der 2J light"),
    "a template": ("{SUBJ} {0} %s ${HOME} $(rm -rf)", "{SUBJ} {0} %s ${HOME} $(rm -rf)"),
    "sql": ("'; DROP TABLE takes; --", "'; DROP TABLE takes"),
    "html": ("<script>alert(1)</script>", "script alert(1) /script"),
    "no characters": ("colder \ufffd\ufffe\ue000 light", "colder light"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_reply_is_harmless_and_shown_as_it_was_understood(channel: Channel, name: str) -> None:
    written, understood = HOSTILE[name]
    reply = channel.people.reply("ada", channel.message_of(1), written)
    assert channel.round().stopped == ""
    direction = channel.directions()[1]
    assert direction == (understood if understood is not None else direction)
    assert 0 < len(direction) <= LONGEST_DIRECTION
    [answer] = [told for told in channel.by_the_bot() if told["type"] == 19]
    assert (answer["mentions"], answer["mention_everyone"]) == ([], False)
    assert direction[:40].split()[0] in answer["content"].replace("\\", "")
    assert channel.answers_to(reply["id"])


@pytest.mark.parametrize("written", ["<@123456789012345678>", "***", "https://example.org/x", "\u200b"])
def test_a_reply_that_says_nothing_is_told_so(channel: Channel, written: str) -> None:
    reply = channel.people.reply("ada", channel.message_of(1), written)
    channel.round()
    assert "nothing in your reply" in channel.answers_to(reply["id"])[0]
    assert len(channel.takes()) == 1


def test_a_reply_that_the_bot_may_not_read_is_told_so(channel: Channel) -> None:
    channel.server.control("intent", on=False)
    silent = channel.people.reply("ada", channel.message_of(1), "colder light", ping=False)
    channel.people.reply("ada", channel.message_of(1), "warmer light", ping=True)
    channel.round()
    assert "can't read your reply" in channel.answers_to(silent["id"])[0]
    assert channel.directions() == ["", "warmer light"]


def test_a_reply_that_was_deleted_before_the_answer_is_answered_to_nobody(channel: Channel) -> None:
    reply = channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.server.script("POST messages", ["500"])
    channel.people.remove(reply["id"])
    assert channel.round().stopped == ""
    assert len(channel.takes()) == 1, "it was gone before anybody read it"


def test_what_was_said_before_the_bot_came_is_not_read(film: ComposedFilm, discord: ThreadServer) -> None:
    channel = Channel(film, discord)
    channel.crew(ada="reviewer")
    hello = channel.people.say("ben", "hello")["id"]
    for number in range(150):
        channel.people.reply("ada", hello, f"{number}")
    channel.round()
    assert channel.words() == []
    assert len(channel.pictures()) == 2
