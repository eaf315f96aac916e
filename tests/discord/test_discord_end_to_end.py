"""From a word in the channel to the new take in the channel: the sensors that Dagster ticks, a run, real HTTP."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest
from channel import ANOTHER, CIRCLE, Channel
from composed_film import FIRST, SECOND

from film_pipeline.definitions import STAGES, defs
from film_pipeline.discord.rounds import Pace
from film_pipeline.resources.film import FilmResource
from film_pipeline.sensors.discord import discord_review, review, status_in
from film_pipeline.sensors.slates import register_shots
from film_pipeline.sensors.takes import takes_asked_for
from film_pipeline.simulators.discord import CHANNEL, TOKEN

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class House:
    """A channel, and the studio's sensors and runs over it. asked: their requests that nobody ran yet."""

    channel: Channel
    instance: dg.DagsterInstance
    cursor: str | None = None
    asked: list[dg.RunRequest] = field(default_factory=list)

    @property
    def film(self) -> FilmResource:
        return FilmResource(production=str(self.channel.film.root))

    def _context(self, cursor: str | None = None) -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            instance=self.instance, cursor=cursor, resources={"film": self.film}, definitions=defs
        )

    def review(self) -> str:
        """A tick of the sensor that reads and posts. Returns what it says."""
        with self._context() as context:
            skipped = discord_review(context)
        assert isinstance(skipped, dg.SkipReason)
        return str(skipped.skip_message)

    def render(self) -> list[dg.RunRequest]:
        """A tick of the sensor that watches the ledger. Returns the runs that it asks for."""
        with self._context(self.cursor) as context:
            found = takes_asked_for(context)
        assert isinstance(found, dg.SensorResult)
        self.cursor = found.cursor
        return list(found.run_requests or [])

    def run(self, request: dg.RunRequest) -> set[str]:
        """What was asked for, as Dagster launches it. Returns the shots whose render was filed."""
        job = dg.Definitions(
            assets=dg.load_assets_from_modules(STAGES),
            jobs=[dg.define_asset_job("asked", selection=dg.AssetSelection.assets(*(request.asset_selection or [])))],
            resources={"film": self.film},
            executor=dg.in_process_executor,
        ).resolve_job_def("asked")
        done = job.execute_in_process(instance=self.instance, tags=request.tags, run_config=QUIET, raise_on_error=False)
        return {str(event.partition) for event in done.asset_materializations_for_node("render")}


@pytest.fixture
def house(channel: Channel, comfy: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    account = channel.account
    for name, value in (("DISCORD_TOKEN", TOKEN), ("DISCORD_CHANNEL", CHANNEL), ("DISCORD_API_URL", account.url)):
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        register_shots(instance, [FIRST, SECOND])
        house = House(channel, instance)
        house.render()
        yield house


def test_a_reply_becomes_a_take_a_run_and_a_post_and_is_circled_in_the_channel(house: House) -> None:
    channel = house.channel
    assert house.review() == "nothing new"
    assert house.render() == []
    reply = channel.people.reply("ada", channel.message_of(1), "colder light")
    assert house.review() == "1 words heard, 1 takes asked for, 1 answers"
    assert len(channel.answers_to(reply["id"])) == 1
    [request] = house.render()
    assert f"{FIRST} take 2" in request.tags["film/asked"]
    assert house.render() == [], "asked for once"
    assert house.run(request) == {FIRST}
    assert house.review() == "1 posted"
    told = channel.pictures()[-1]
    assert told["content"].startswith(f"**`{FIRST}`** take **2**")
    assert "> colder light" in told["content"]
    assert told["id"] == channel.message_of(2)
    channel.people.react("ben", told["id"], CIRCLE)
    assert house.review() == "1 words heard"
    assert [take.standing for take in channel.takes()] == ["", "circled"]
    [request] = house.render()
    assert "verdict" in request.tags["film/asked"]
    house.run(request)
    with channel.film.open() as film:
        shown = film.frames.latest("render", FIRST)
    assert shown is not None
    assert (shown.version, shown.facts["direction"]) == (2, "colder light")


def test_a_reaction_becomes_a_take_a_run_and_a_post(house: House) -> None:
    channel = house.channel
    channel.people.react("ada", channel.message_of(1), ANOTHER)
    done = review(house.film, os.environ, Pace(grace_s=0.0))
    assert [take.take for take in done.heard.takes] == [2]
    [request] = house.render()
    assert house.run(request) == {FIRST}
    assert house.review() == "1 posted"
    assert channel.pictures()[-1]["content"].startswith(f"**`{FIRST}`** take **2**")
    assert [word.word for word in channel.words(1)] == ["retake"]
    assert house.review() == "nothing new"
    assert house.render() == []


def test_without_a_bot_the_sensor_says_what_is_missing_and_does_not_run_by_itself(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert "DISCORD_TOKEN is not set" in house.review()
    assert status_in(os.environ) is dg.DefaultSensorStatus.STOPPED
    assert status_in({"DISCORD_TOKEN": "x"}) is dg.DefaultSensorStatus.RUNNING


def test_a_token_that_discord_does_not_know_is_said_by_the_sensor_and_not_shown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a-token-of-long-ago")
    said = house.review()
    assert "does not know this bot" in said
    assert "not asked before" in house.review(), "and for ten minutes nobody asks again"
    assert "a-token-of-long-ago" not in said
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert house.review() == "nothing new", "with the right one at once"
