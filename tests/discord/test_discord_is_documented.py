"""docs/discord.md says what the code does: its variables, roles, reactions, limits, and what it says when it can't."""

import re
from pathlib import Path
from typing import get_args

import pytest

from film_pipeline.core.production import CrewMember, DiscordReview
from film_pipeline.discord import posts, prints, reading, rounds, words
from film_pipeline.sensors.discord import discord_review

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "discord.md").read_text(encoding="utf-8")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "film_pipeline" / "discord").glob("*.py"))
SAID = [
    part
    for line in PAGE.split("| it says | so |")[1].split("\n\n")[0].splitlines()[2:]
    for part in line.split("|")[1].strip().split("...")
    if part.strip(" ()0123456789")
]


@pytest.mark.parametrize("name", [rounds.TOKEN, rounds.CHANNEL, rounds.URL, "FILM_REVIEW_URL", discord_review.name])
def test_everything_that_is_set_or_switched_stands_in_the_docs(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_role_and_reaction_stands_in_the_docs() -> None:
    for role in get_args(CrewMember.model_fields["role"].annotation):
        assert f"`{role}`" in PAGE
    for field, emoji in DiscordReview():
        assert f"`{field}`" in PAGE
        assert f"| {emoji} |" in PAGE


def test_the_numbers_in_the_docs_are_those_of_the_code() -> None:
    assert f"{words.LONGEST_DIRECTION} characters" in PAGE
    assert (posts.MOST_AT_ONCE, prints.MOST_FRAMES) == (10, 9), "ten a round; nine frames"
    assert (reading.GRACE_S, reading.FULL_LOOK_S) == (30, 300), "half a minute; five minutes"
    assert (reading.WATCHED, reading.IN_TURN) == (100, 50)
    assert (rounds.HOLD_S, rounds.PATIENCE_S) == (600, 40)


@pytest.mark.parametrize("part", SAID)
def test_what_the_docs_say_that_it_says_it_says(part: str) -> None:
    said = re.sub(r"\(\d+\)", "", part).strip()
    assert said in SOURCE
