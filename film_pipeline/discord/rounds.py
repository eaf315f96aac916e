"""One round with Discord: what was said is read, what is new is posted. A sensor calls it, or a person."""

import datetime
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from film_pipeline.backends.credentials import Secret
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.discord.client import (
    DEFAULT_URL,
    PATIENCE_S,
    Discord,
    DiscordAway,
    DiscordForbids,
    DiscordRefused,
    Sleep,
)
from film_pipeline.discord.posts import post_new
from film_pipeline.discord.reading import FULL_LOOK_S, GRACE_S, Heard, Reader
from film_pipeline.discord.room import Post, Room

TOKEN, CHANNEL, URL = "DISCORD_TOKEN", "DISCORD_CHANNEL", "DISCORD_API_URL"
HOLD_S = 600.0
"""Whoever was refused does not ask again for so long, or until the token or the channel is another."""


@dataclass(frozen=True)
class Account:
    """Who the bot is and where it works. token: shown to nobody. review_url: what answers link to."""

    token: Secret
    channel: str
    url: str = DEFAULT_URL
    review_url: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], review_url: str) -> "Account":
        """Raises FilmProblem where the token or the channel is missing."""
        for name in (TOKEN, CHANNEL):
            if not environment.get(name, "").strip():
                raise FilmProblem(f"{name} is not set", "docs/discord.md says how to make a bot and where it goes")
        token, channel = environment[TOKEN].strip(), environment[CHANNEL].strip()
        return cls(Secret(token), channel, environment.get(URL, "").strip() or DEFAULT_URL, review_url)

    @property
    def fingerprint(self) -> str:
        """By which this bot in this channel is known again; nothing can be learnt from it."""
        told = f"film discord {self.token.reveal()} {self.channel} {self.url}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass
class Round:
    """What one round came to. stopped: why it ended early; it goes on with the next one."""

    heard: Heard = field(default_factory=Heard)
    posted: list[Post] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stopped: str = ""

    def said(self) -> str:
        """The round in a line."""
        counted = (
            (len(self.posted), "posted"),
            (self.heard.words, "words heard"),
            (len(self.heard.takes), "takes asked for"),
            (self.heard.answers, "answers"),
            (self.heard.ignored, "words ignored of people who may not judge"),
        )
        told = ", ".join(f"{number} {what}" for number, what in counted if number)
        return "; ".join(part for part in (told or "nothing new", *self.problems, self.stopped) if part)

    def as_json(self) -> dict[str, Any]:
        return {
            "posted": [{"shot": post.shot, "work": post.work, "take": post.take} for post in self.posted],
            "words": self.heard.words,
            "takes": [{"shot": take.shot, "work": take.work, "take": take.take} for take in self.heard.takes],
            "answers": self.heard.answers,
            "ignored": self.heard.ignored,
            "problems": self.problems,
            "stopped": self.stopped or None,
        }


@dataclass(frozen=True)
class Pace:
    """How a round takes its time. grace_s, full_look_s: see `reading`. now: seconds UTC."""

    patience_s: float = PATIENCE_S
    grace_s: float = GRACE_S
    full_look_s: float = FULL_LOOK_S
    now: Callable[[], float] = time.time
    sleep: Sleep = time.sleep


def one_round(film: Film, account: Account, pace: Pace = Pace(), insist: bool = False) -> Round:
    """Read what was said, then post what is new. Raises FilmProblem where the film itself has one.

    Where Discord is away the round ends and the next one goes on. Where it refuses, nobody asks again for ten minutes,
    unless a person insists.
    """
    done = Round()
    if not film.generates:
        done.stopped = "frames are rendered here, free of charge: there are no takes to judge"
        return done
    done.stopped = "" if insist else _held(film, account, pace.now())
    if done.stopped:
        return done
    try:
        with Discord(account.token, account.url, pace.patience_s, pace.sleep) as discord:
            go_round(film, account, discord, pace, done)
    except DiscordRefused as refused:
        _hold(film, account, str(refused), pace.now())
        done.stopped = str(refused)
    except DiscordAway as away:
        done.stopped = str(away)
    done.problems += done.heard.problems
    return done


def go_round(film: Film, account: Account, discord: Discord, pace: Pace, done: Round) -> None:
    """The round itself, wherever it is broken off. done: what it came to, as far as it came."""
    room = Room(film.ledger, account.channel, _bot(film, account, discord))
    if not room.read_to:
        # What was said before the bot came is not about its posts.
        room.have_read(discord.newest(account.channel), "")
    line = Line(film, DEPARTMENTS)
    reader = Reader(film, room, discord, line, pace.now(), account.review_url, pace.grace_s, pace.full_look_s)
    done.heard = reader.heard
    reader.read()
    post_new(film, room, discord, line, done.posted, done.problems)


def _bot(film: Film, account: Account, discord: Discord) -> str:
    """The bot's own account, asked for once."""
    name = f"discord/bot/{account.fingerprint}"
    known = film.ledger.cursors.at(name)
    if known:
        return known
    told = str(discord.me()["id"])
    film.ledger.cursors.move(name, told)
    return told


def _hold(film: Film, account: Account, said: str, now: float) -> None:
    told = {"until": now + HOLD_S, "said": said}
    film.ledger.cursors.move(f"discord/refused/{account.fingerprint}", json.dumps(told))


def _held(film: Film, account: Account, now: float) -> str:
    """Why this bot does not ask now; empty where it may."""
    text = film.ledger.cursors.at(f"discord/refused/{account.fingerprint}")
    if not text:
        return ""
    told = json.loads(text)
    if now >= told["until"]:
        return ""
    until = datetime.datetime.fromtimestamp(told["until"], datetime.UTC).strftime("%H:%M UTC")
    return f"Discord is not asked before {until}: {told['said']}"


def check(film: Film, account: Account) -> list[str]:
    """Whether the bot is let in, and who may judge: lines for a person. Raises FilmProblem where it is not."""
    with Discord(account.token, account.url) as discord:
        me, channel = discord.me(), discord.channel(account.channel)
        newest = discord.newest(account.channel)
        lines = [f"the bot is {me['username']}, its channel #{channel.get('name', account.channel)}"]
        try:
            seen = newest != "0" and bool(discord.message(account.channel, newest))
        except DiscordForbids as forbidden:
            raise FilmProblem("the bot may not read the channel's history", forbidden.mend) from forbidden
    lines.append("it can read what was written there" if seen else "nobody has written there yet, that the bot can see")
    judges = [person.name for person in film.production.people if person.may_judge]
    lines.append(f"takes are judged by {', '.join(judges) or 'nobody yet: name people in production.yaml'}")
    return lines
