"""`film discord`, as somebody types it."""

import json
import os
import subprocess
import sys

import pytest
from channel import Channel

from film_pipeline.simulators.discord import CHANNEL, TOKEN


def discord(channel: Channel, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    account = {"DISCORD_TOKEN": TOKEN, "DISCORD_CHANNEL": CHANNEL, "DISCORD_API_URL": channel.account.url}
    return subprocess.run(
        [sys.executable, "-m", "film_pipeline.cli", "discord", *words],
        cwd=channel.film.root,
        env={**os.environ, **account, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_check_says_who_the_bot_is_where_it_works_and_who_judges(channel: Channel) -> None:
    done = discord(channel, "--check", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["check"]
    assert told[0] == "the bot is dailies, its channel #dailies"
    assert "takes are judged by ada, ben" in told
    assert TOKEN not in done.stdout + done.stderr


def test_one_round_reads_and_answers(channel: Channel) -> None:
    channel.people.reply("ada", channel.message_of(1), "colder light")
    channel.people.reply("stranger", channel.message_of(1), "pink")
    done = discord(channel, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["words"], told["answers"], told["ignored"], told["stopped"]) == (1, 2, 1, None)
    assert [take["take"] for take in told["takes"]] == [2]
    assert channel.directions() == ["", "colder light"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DISCORD_TOKEN": ""}, "DISCORD_TOKEN is not set"),
        ({"DISCORD_CHANNEL": ""}, "DISCORD_CHANNEL is not set"),
        ({"DISCORD_TOKEN": "another-token"}, "does not know this bot"),
        ({"DISCORD_CHANNEL": "1300000000000000099"}, "invite the bot"),
        ({"DISCORD_API_URL": "http://discord.example/api/v10"}, "unencrypted"),
    ],
)
def test_what_is_wrong_with_the_set_up_is_said_with_its_mend(
    channel: Channel, environment: dict[str, str], said: str
) -> None:
    done = discord(channel, "--check", **environment)
    assert done.returncode == 1
    assert said in done.stderr
    for token in (TOKEN, "another-token"):
        assert token not in done.stdout + done.stderr


def test_a_round_that_discord_refuses_ends_with_status_one(channel: Channel) -> None:
    done = discord(channel, "--json", DISCORD_TOKEN="another-token")
    assert done.returncode == 1
    assert "does not know this bot" in json.loads(done.stdout)["stopped"]
    assert "another-token" not in done.stdout + done.stderr
