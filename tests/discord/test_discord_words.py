"""What is understood of a reply, and text that Discord shows as it was meant."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.discord.words import (
    LONGEST_DIRECTION,
    LONGEST_IN_ALL,
    as_written,
    cut,
    message,
    plain,
    together,
    understood,
)

_PARTS = ["<@123456789012345678>", "@everyone", "https://x.y/z ", "```", "<:a:123456789012345678>", "[a](b)", "\n> "]
_SIGNS = list("<>@#*_~`|\\[](){}:,\n\r\t\x00\x1b\u202e\u200b\ufe0f")
HOSTILE = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(_PARTS), st.sampled_from(_SIGNS)), max_size=60).map(
    "".join
)


@pytest.mark.parametrize(
    ("written", "direction"),
    [
        ("colder light", "colder light"),
        ("  Colder light.  ", "Colder light"),
        ("colder light\nshe looks down", "colder light, she looks down"),
        ("colder,\n\n\nlight", "colder, light"),
        ("**colder** _light_ ~~not warm~~ `x`", "colder light not warm x"),
        ("<@123456789012345678> colder <@!1> <@&2> <#3>", "colder"),
        ("@everyone @here colder", "colder"),
        ("<:fire:123456789012345678> warmer <t:1700000000:R>", "warmer"),
        ("like https://example.org/a.png?x=1 but colder", "like but colder"),
        ("[colder](https://example.org) light", "colder light"),
        ("# Title\n> quoted\n||hidden||", "Title, quoted, hidden"),
        ("col\u200bder\u202e li\x00ght\x1b[31m", "colder li ght 31m"),
        ("ｃｏｌｄｅｒ", "colder"),
        ("{SUBJ} by the door", "{SUBJ} by the door"),
        ("a (colder:1.2) light", "a (colder:1.2) light"),
        ("mail me at a@b.c", "mail me at a@b.c"),
        ("🔥", "🔥"),
        ("", ""),
        ("<@123456789012345678>\n***\n\u200b", ""),
        ("https://example.org", ""),
        ("_https://example.org", ""),
        ("ht\u200btps://example.org @every\u200bone", ""),
    ],
)
def test_a_reply_is_understood_as_plain_words_on_one_line(written: str, direction: str) -> None:
    assert understood(written) == direction


def test_a_long_reply_is_cut_between_words() -> None:
    told = understood("colder light " * 400)
    assert len(told) <= LONGEST_DIRECTION
    assert told.endswith(("colder", "light"))
    assert len(understood("x" * 4000)) == LONGEST_DIRECTION


@given(HOSTILE)
def test_nothing_hostile_is_left_of_any_reply(written: str) -> None:
    told = understood(written)
    assert len(told) <= LONGEST_DIRECTION
    assert not re.search(r"[*_~`|\\<>#\[\]\r\n]", told)
    assert "@everyone" not in told
    assert all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Cn") for sign in told)
    assert told == " ".join(told.split())


@given(HOSTILE)
def test_what_was_understood_is_understood_again_as_it_is(written: str) -> None:
    once = understood(written)
    assert understood(once) == once


def test_a_new_direction_stands_before_the_one_that_it_answers() -> None:
    assert together("she looks down", "colder light") == "she looks down, colder light"
    assert together("colder light", "") == "colder light"
    assert together("", "colder light") == "colder light"
    assert together("colder light", "colder light, she looks down") == "colder light, she looks down"
    assert len(together("a " * 150, "b " * 300)) <= LONGEST_IN_ALL


def test_the_notes_keep_the_lines_that_people_wrote() -> None:
    assert as_written("one\r\ntwo\x00\u202ethree\n\n") == "one\ntwo three"
    assert len(as_written("x\n" * 4000)) <= 2000


@pytest.mark.parametrize("text", ["a*b_c~d`e|f", "> quote", "# head", "<@1>", "[a](b)", "a\\b", "two\nlines\x00"])
def test_plain_text_is_no_markup(text: str) -> None:
    told = plain(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_~`|>#\[\]<@]", told), told
    assert "\n" not in told


@given(st.lists(st.text(max_size=900), max_size=6))
def test_a_message_is_no_longer_than_discord_takes(lines: list[str]) -> None:
    assert len(message(*lines)) <= 2000


def test_cutting_keeps_whole_words_where_there_are_any() -> None:
    assert cut("one two three", 9) == "one two"
    assert cut("onetwothree", 6) == "onetwo"
    assert cut("short", 9) == "short"
