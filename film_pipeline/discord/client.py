"""Discord's REST v10, as much of it as a bot needs that posts, listens and answers.

Nothing is asked twice that Discord has refused, and nothing is sent faster than it allows. Every request may be sent
again: what is posted has a nonce, by which Discord knows a repeat.
"""

import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from film_pipeline import __version__
from film_pipeline.backends.credentials import Secret
from film_pipeline.core.problems import FilmProblem

# Each request would be a line in every log.
logging.getLogger("httpx").setLevel(logging.WARNING)

DEFAULT_URL = "https://discord.com/api/v10"
MOST_LETTERS = 2000
MOST_BYTES = 10 * 1024 * 1024
"""Of a file: 10 MiB."""
A_PAGE = 100
PATIENCE_S = 40.0
"""A tick of a Dagster sensor is cut off after 60 s."""
_TRIES = 5
_TIMEOUT_S = 20.0
_LONGEST_NONCE = 25
_AGENT = f"DiscordBot (https://example.org/film-pipeline, {__version__})"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_UNKNOWN_MESSAGE, _UNKNOWN_EMOJI = 10008, 10014
Sleep = Callable[[float], None]
Document = dict[str, Any]


class DiscordRefused(FilmProblem):
    """Discord does not let the bot do this. It is not asked again before somebody has seen to it."""


class DiscordForbids(DiscordRefused):
    """The bot is known, and may not do this one thing."""


class DiscordAway(FilmProblem):
    """Discord did not answer within the time there was. The next round goes on where this one stopped."""


class Gone(Exception):
    """The message is no longer there."""


@dataclass(frozen=True)
class Picture:
    """A picture to be posted. data: encoded, at most MOST_BYTES."""

    name: str
    data: bytes
    kind: str


@dataclass
class Limits:
    """Until when Discord wants nothing more, of one kind or of any. Times are of the monotonic clock."""

    by_kind: dict[str, float] = field(default_factory=dict)
    of_all: float = 0.0

    def wait_s(self, kind: str, now: float) -> float:
        return max(self.by_kind.get(kind, 0.0), self.of_all, now) - now

    def hold(self, kind: str, until: float, everything: bool) -> None:
        if everything:
            self.of_all = max(self.of_all, until)
        else:
            self.by_kind[kind] = max(self.by_kind.get(kind, 0.0), until)

    def heard(self, kind: str, headers: Mapping[str, str], now: float) -> None:
        """After an answer: where the bucket is empty, wait until it is filled again."""
        left, after_s = _number(headers.get("x-ratelimit-remaining")), _number(headers.get("x-ratelimit-reset-after"))
        if left == 0 and after_s is not None:
            self.hold(kind, now + after_s, False)


class Discord:
    """One bot. All that it may wait, over all that it is asked for, is `patience_s`.

    Every method raises DiscordRefused where the bot may not, and DiscordAway where there is no answer in time.
    """

    def __init__(
        self,
        token: Secret,
        url: str = DEFAULT_URL,
        patience_s: float = PATIENCE_S,
        sleep: Sleep = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises FilmProblem for an address that would give the token away, and for what is no token."""
        if not _TOKEN.fullmatch(token.reveal()):
            raise FilmProblem("DISCORD_TOKEN holds signs that no token has", "copy it anew from the developer portal")
        self._token, self._url, self._sleep, self._now = token, _checked(url), sleep, now
        self._limits = Limits()
        self._give_up_at = now() + patience_s
        here = urlsplit(self._url).hostname in _LOOPBACK
        self._http = httpx.Client(timeout=_TIMEOUT_S, trust_env=not here)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def time_left_s(self) -> float:
        return max(0.0, self._give_up_at - self._now())

    # Reading

    def me(self) -> Document:
        """The bot's own account."""
        return self._object("GET @me", "GET", "/users/@me")

    def channel(self, channel: str) -> Document:
        return self._object("GET channel", "GET", f"/channels/{_number_of(channel)}")

    def newest(self, channel: str) -> str:
        """The id of the newest message in a channel; 0 where there is none."""
        page = self._list("GET messages", f"/channels/{_number_of(channel)}/messages", {"limit": "1"})
        return str(page[0]["id"]) if page else "0"

    def after(self, channel: str, message: str) -> list[Document]:
        """The messages that follow one at once, oldest first, a page of them."""
        query = {"after": message, "limit": str(A_PAGE)}
        page = self._list("GET messages", f"/channels/{_number_of(channel)}/messages", query)
        # Discord gives a page newest first, whichever way it is asked for.
        return sorted(page, key=lambda told: int(told["id"]))

    def message(self, channel: str, message: str) -> Document:
        """One message. Raises Gone where it is no longer there."""
        path = f"/channels/{_number_of(channel)}/messages/{_number_of(message)}"
        return self._object("GET messages", "GET", path)

    def who_reacted(self, channel: str, message: str, emoji: str) -> Iterator[Document]:
        """Everybody who reacted so, by id. Raises Gone where the message is no longer there."""
        path = f"/channels/{_number_of(channel)}/messages/{_number_of(message)}/reactions/{quote(emoji, safe='')}"
        last = "0"
        while True:
            page = self._list("GET reactions", path, {"after": last, "limit": str(A_PAGE)})
            yield from page
            if len(page) < A_PAGE:
                return
            last = str(max(int(user["id"]) for user in page))

    # Writing

    def post(
        self, channel: str, content: str, nonce: str, picture: Picture | None = None, reply_to: str = ""
    ) -> Document:
        """Post a message that mentions nobody, or answer one. The same nonce within minutes gives the same message.

        An answer to a message that is no longer there is a message by itself.
        """
        if len(content) > MOST_LETTERS or (picture is not None and len(picture.data) > MOST_BYTES):
            raise ValueError("a message has at most 2,000 characters, a file 10 MiB")
        fields: Document = {
            "content": content,
            "nonce": nonce[:_LONGEST_NONCE],
            "enforce_nonce": True,
            "allowed_mentions": {"parse": [], "replied_user": False},
        }
        if reply_to:
            fields["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        path = f"/channels/{_number_of(channel)}/messages"
        if picture is None:
            return self._object("POST messages", "POST", path, json=fields)
        files: dict[str, Any] = {
            "payload_json": (None, json.dumps(fields, ensure_ascii=False), "application/json"),
            "files[0]": (picture.name, picture.data, picture.kind),
        }
        return self._object("POST messages", "POST", path, files=files)

    def react(self, channel: str, message: str, emoji: str) -> None:
        """Put the bot's own reaction under a message, for people to press. Raises Gone."""
        path = f"/channels/{_number_of(channel)}/messages/{_number_of(message)}/reactions/{quote(emoji, safe='')}/@me"
        self._ask("PUT reactions", "PUT", path)

    # The wire

    def _object(self, kind: str, method: str, path: str, **how: Any) -> Document:
        answer = self._ask(kind, method, path, **how)
        if not isinstance(answer, dict):
            raise DiscordAway(f"Discord's answer to {kind} is no object", "try again")
        return answer

    def _list(self, kind: str, path: str, query: Mapping[str, str]) -> list[Document]:
        answer = self._ask(kind, "GET", path, params=query)
        if not isinstance(answer, list):
            raise DiscordAway(f"Discord's answer to {kind} is no list", "try again")
        return answer

    def _ask(self, kind: str, method: str, path: str, **how: Any) -> Any:
        """Ask until there is an answer, as often and as long as there is patience for."""
        said = "it did not answer"
        for attempt in range(_TRIES):
            self._wait(self._limits.wait_s(kind, self._now()), said)
            try:
                answer = self._http.request(method, self._url + path, headers=self._headers(), **how)
                read = self._read(kind, answer)
            except httpx.HTTPError as error:
                said = f"the connection broke ({self._token.scrub(str(error)) or type(error).__name__})"
                self._limits.hold(kind, self._now() + 0.25 * 2**attempt, False)
                continue
            if not isinstance(read, _Again):
                return read
            said = read.said
        raise DiscordAway(f"Discord was asked {_TRIES} times for {kind}: {said}", "it is tried again by itself")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bot {self._token.reveal()}", "User-Agent": _AGENT}

    def _wait(self, seconds: float, said: str) -> None:
        if seconds > self.time_left_s or self.time_left_s == 0:
            raise DiscordAway(
                f"Discord would take another {seconds:.0f} s, and this round has {self.time_left_s:.0f} s left: {said}",
                "it goes on by itself",
            )
        if seconds > 0:
            self._sleep(seconds)

    def _read(self, kind: str, answer: httpx.Response) -> Any:
        """The answer's JSON (None where there is none), or _Again. Raises what is no use asking again."""
        if answer.status_code == 429:
            return self._limited(kind, answer)
        now = self._now()
        self._limits.heard(kind, answer.headers, now)
        if answer.status_code >= 500:
            self._limits.hold(kind, now + 0.5, False)
            return _Again(f"it answered {answer.status_code}")
        told = _json_of(answer)
        if answer.status_code >= 400:
            raise self._refusal(kind, answer, told)
        if told is None and answer.status_code != 204:
            return _Again("its answer was cut short")
        return told

    def _limited(self, kind: str, answer: httpx.Response) -> "_Again":
        told = _json_of(answer)
        seconds = _number(told.get("retry_after")) if isinstance(told, dict) else None
        if seconds is None:
            # Discord's own word is JSON. A page is what Cloudflare says to an address that asked wrongly too often.
            raise DiscordRefused("Discord has shut this address out for a while", "wait an hour before you try again")
        everything = bool(isinstance(told, dict) and told.get("global"))
        self._limits.hold(kind, self._now() + seconds, everything)
        return _Again(f"too many requests ({'of all kinds' if everything else kind})")

    def _refusal(self, kind: str, answer: httpx.Response, told: Any) -> Exception:
        code = told.get("code") if isinstance(told, dict) else None
        words = str(told.get("message") or "") if isinstance(told, dict) else ""
        said = self._token.scrub(words or f"status {answer.status_code}")[:300]
        if code == _UNKNOWN_MESSAGE:
            return Gone(said)
        if answer.status_code == 401:
            return DiscordRefused("Discord does not know this bot (401)", "set DISCORD_TOKEN to the bot's token anew")
        if answer.status_code in (403, 404):
            mend = "invite the bot to the channel that DISCORD_CHANNEL names, and let it see and write there"
            return DiscordForbids(f"Discord does not let the bot do {kind}: {said} ({answer.status_code})", mend)
        mend = "choose another emoji under `discord:`" if code == _UNKNOWN_EMOJI else "tell whoever wrote this software"
        return FilmProblem(f"Discord does not understand {kind}: {said} ({answer.status_code})", mend)


@dataclass(frozen=True)
class _Again:
    """It makes sense to ask once more, and why."""

    said: str


def _checked(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise FilmProblem(f"DISCORD_API_URL is {url!r}, which is no address", f"leave it out: {DEFAULT_URL}")
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise FilmProblem(f"DISCORD_API_URL would send the token unencrypted to {parts.netloc}", "use https://")
    return url.strip().rstrip("/")


def _number_of(identity: str) -> str:
    """An id of Discord's, before it becomes part of an address. Raises FilmProblem for anything else."""
    if not re.fullmatch(r"[0-9]{1,21}", identity):
        raise FilmProblem(f"{identity!r} is no id of Discord's", "copy the channel's id: a long number")
    return identity


def _json_of(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError:
        return None


def _number(said: Any) -> float | None:
    """Seconds or a count as Discord says it, at most an hour; None where it says none."""
    try:
        read = float(said)
    except (TypeError, ValueError):
        return None
    return min(max(read, 0.0), 3600.0) if math.isfinite(read) else None
