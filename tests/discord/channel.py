"""A film in a simulated channel: its rounds, its people and what the ledger holds after them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composed_film import FIRST, ComposedFilm

from film_pipeline.backends.credentials import Secret
from film_pipeline.core.gate import Work
from film_pipeline.discord.client import Discord
from film_pipeline.discord.room import Post, Room
from film_pipeline.discord.rounds import Account, Pace, Round, go_round, one_round
from film_pipeline.simulators import People, ThreadServer
from film_pipeline.simulators.discord import API, CHANNEL, TOKEN
from film_pipeline.stores.ledger.takes import Take
from film_pipeline.stores.ledger.verdicts import TakeVerdict

CIRCLE, REJECT, ANOTHER = "⭕", "❌", "🔁"
REVIEW = "http://review.test"
START = 1_800_000_000.0


@dataclass
class Channel:
    """One film, one channel. at: the time of the next round, seconds UTC; people's actions take none."""

    film: ComposedFilm
    server: ThreadServer
    at: float = START
    people: People = field(init=False)
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.people = People(self.server)

    @property
    def account(self) -> Account:
        return Account(Secret(TOKEN), CHANNEL, f"{self.server.url}{API}", REVIEW)

    def sleep(self, seconds: float) -> None:
        """Waiting costs the test nothing: the provider's clock is moved on instead."""
        self.waited.append(seconds)
        self.server.advance(seconds)

    def pace(self, **how: Any) -> Pace:
        return dataclasses.replace(Pace(grace_s=0.0, now=lambda: self.at, sleep=self.sleep), **how)

    def round(self, account: Account | None = None, **how: Any) -> Round:
        """One round, as the sensor's tick is; ten seconds pass."""
        with self.film.open() as film:
            done = one_round(film, account or self.account, self.pace(**how))
        self.at += 10
        return done

    def rounds_until_quiet(self, most: int = 60, **how: Any) -> list[Round]:
        done: list[Round] = []
        while len(done) < most:
            done.append(self.round(**how))
            if not done[-1].stopped and done[-1].said() == "nothing new":
                return done
        raise AssertionError(f"it never ends: {done[-1]}")

    def round_that_dies(self, requests: int, answered: bool) -> bool:
        """A round whose process is killed at its so-manieth request, before it was sent or after. Whether it was."""
        account, pace = self.account, self.pace()
        with self.film.open() as film, Mortal(account.token, account.url, sleep=self.sleep) as discord:
            discord.lives, discord.answered = requests, answered
            try:
                go_round(film, account, discord, pace, Round())
            except Killed:
                return True
        return False

    # What people do

    def crew(self, **roles: str) -> None:
        """Name people in production.yaml."""
        people = [{"name": name, "discord_id": self.people.id_of(name), "role": role} for name, role in roles.items()]
        self.film.change(people=people)

    def post_of(self, take: int, shot: str = FIRST, work: Work = "take") -> Post:
        with self.film.open() as film:
            post = Room(film.ledger, CHANNEL, "").post(shot, work, take)
        assert post is not None, f"take {take} was not posted"
        return post

    def message_of(self, take: int, shot: str = FIRST, work: Work = "take") -> str:
        return self.post_of(take, shot, work).message

    # What is so then

    def seen(self) -> list[dict[str, Any]]:
        return self.people.see()

    def by_the_bot(self) -> list[dict[str, Any]]:
        return [told for told in self.seen() if told["author"].get("bot")]

    def answers_to(self, message: str) -> list[str]:
        own = self.by_the_bot()
        return [
            str(told["content"]) for told in own if (told.get("message_reference") or {}).get("message_id") == message
        ]

    def pictures(self) -> list[dict[str, Any]]:
        return [told for told in self.by_the_bot() if told["attachments"]]

    def words(self, take: int | None = None, shot: str = FIRST, work: Work = "take") -> list[TakeVerdict]:
        with self.film.open() as film:
            return film.ledger.verdicts.of(shot, take, work)

    def said(self, take: int | None = None, shot: str = FIRST, work: Work = "take") -> list[tuple[str, str]]:
        return [(word.word, word.by) for word in self.words(take, shot, work)]

    def takes(self, shot: str = FIRST, work: Work = "take") -> list[Take]:
        with self.film.open() as film:
            return film.ledger.takes.of(shot, work)

    def directions(self, shot: str = FIRST, work: Work = "take") -> Sequence[str]:
        return [take.direction for take in self.takes(shot, work)]


class Killed(BaseException):
    """What a SIGKILL is to a round: nothing catches it."""


class Mortal(Discord):
    """A bot whose process is killed after so many requests."""

    lives = 1_000_000
    answered = False

    def _ask(self, kind: str, method: str, path: str, **how: Any) -> Any:
        self.lives -= 1
        if self.lives < 0 and not self.answered:
            raise Killed
        answer = super()._ask(kind, method, path, **how)
        if self.lives < 0:
            raise Killed
        return answer


def stand_in_folder(tmp_path: Path) -> Path:
    return tmp_path / "discord"
