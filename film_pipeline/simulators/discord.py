"""A stand-in for Discord's REST v10, as a bot sees it, with control calls to act as the people in the channel."""

import asyncio
import hashlib
import io
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.discord_requests import (
    Refused,
    check_caller,
    check_emoji,
    check_mentions,
    check_message,
    invalid,
    mentioned,
    read_message,
    snowflake,
    unknown,
    whole,
)
from film_pipeline.simulators.discord_room import Message, Room, User
from film_pipeline.simulators.faults import Fault
from film_pipeline.simulators.service import Command, Service

API = "/api/v10"
TOKEN = "simulated-bot-token"
CHANNEL = "1300000000000000001"
LIMITS: Mapping[str, tuple[int, float]] = {
    "POST messages": (5, 5.0),
    "PATCH messages": (5, 5.0),
    "DELETE messages": (5, 1.0),
    "GET messages": (5, 1.0),
    "GET reactions": (10, 1.0),
    "PUT reactions": (1, 0.25),
    "DELETE reactions": (1, 0.25),
}
"""Calls within so many seconds, by bucket and channel. Discord does not publish its own: a bot reads the headers."""
GLOBAL = (50, 1.0)
_NONCE_REMEMBERED_S = 300.0
_BAN_WINDOW_S, _BAN_S = 600.0, 3600.0


@dataclass
class _Bucket:
    most: int
    per_s: float
    used: deque[float]

    def wait_s(self, now: float) -> float:
        """How long until there is room; 0 where there is."""
        while self.used and now - self.used[0] >= self.per_s:
            self.used.popleft()
        return 0.0 if len(self.used) < self.most else self.per_s - (now - self.used[0])


class Discord(Service):
    """One guild.

    channels: their ids. closed_channels: those that exist and that the bot may not enter. intent: whether the bot has
    MESSAGE_CONTENT. limits: calls and seconds by bucket, in place of LIMITS; {} for none. invalid_requests: of 401, 403
    and 429 within 10 minutes, after which this address is banned.
    """

    own_faults: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        token: str = TOKEN,
        channels: Sequence[str] = (CHANNEL,),
        closed_channels: Sequence[str] = (),
        bot_name: str = "dailies",
        intent: bool = False,
        limits: Mapping[str, Sequence[float]] | None = None,
        global_limit: Sequence[float] = GLOBAL,
        invalid_requests: int = 10_000,
    ) -> None:
        super().__init__(folder, clock or Clock(), seed)
        self._token, self._closed, self._most_invalid = token, frozenset(closed_channels), invalid_requests
        self.room = Room(self.clock, [*channels, *closed_channels], bot_name, intent)
        self._limits = {
            name: (int(most), per_s) for name, (most, per_s) in (LIMITS if limits is None else limits).items()
        }
        self._all = _Bucket(int(global_limit[0]), global_limit[1], deque())
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._invalid: deque[float] = deque()
        self._banned_until_s = float("-inf")
        self._files = folder / "attachments"
        self._files.mkdir(exist_ok=True)

    # --- routes

    def routes(self) -> Sequence[BaseRoute]:
        channel = f"{API}/channels/{{channel}}"
        message = f"{channel}/messages/{{message}}"
        reactions = f"{message}/reactions/{{emoji}}"
        return [
            self._route(f"{API}/users/@me", GET=self._me),
            self._route(channel, GET=self._channel),
            self._route(f"{channel}/messages", GET=self._list, POST=self._create),
            self._route(message, GET=self._get, PATCH=self._edit, DELETE=self._delete),
            self._route(reactions, GET=self._reactors),
            self._route(f"{reactions}/@me", PUT=self._react, DELETE=self._unreact),
            Route("/attachments/{name}", self._attachment, methods=["GET"]),
        ]

    def _route(self, path: str, **by_method: Any) -> BaseRoute:
        async def handle(request: Request) -> Response:
            if self.clock.now() < self._banned_until_s:
                return _banned()
            try:
                check_caller(request.headers, self._token)
                bucket = self._take(request)
                answer: Response = await by_method[request.method](request)
                self._tell_limits(answer, bucket)
            except Refused as refused:
                answer = refused.answer()
            except _Limited as limited:
                answer = limited.answer()
            self._watch_out(answer.status_code)
            return answer

        return Route(path, handle, methods=list(by_method))

    def call_name(self, method: str, path: str) -> str:
        """Without ids: `POST messages`, `GET messages`, `GET reactions`, `PUT reactions`, `GET @me`."""
        parts = path.removeprefix(API).strip("/").split("/")
        named = [part for part in parts if part in ("messages", "reactions")]
        return f"{method} {named[-1] if named else parts[0]}"

    def failing(self, status: int, fault: Fault) -> Response:
        if status == 429:
            answer = _Limited(fault.retry_after_s, fault.is_global).answer()
            self._watch_out(429)
            return answer
        if status in (502, 503, 524):
            return HTMLResponse(f"<title>{status}</title>", status)
        return JSONResponse({"message": f"{status}: Internal Server Error", "code": 0}, status)

    def refusals(self) -> dict[Any, Any]:
        async def told(request: Request, error: Exception) -> Response:
            status = getattr(error, "status_code", 500)
            said = "Method Not Allowed" if status == 405 else "Not Found"
            return JSONResponse({"message": f"{status}: {said}", "code": 0}, status)

        return {404: told, 405: told}

    # --- limits

    def _take(self, request: Request) -> _Bucket | None:
        """Use up one call. Raises _Limited."""
        now = self.clock.now()
        wait_s = self._all.wait_s(now)
        if wait_s > 0:
            raise _Limited(wait_s, True)
        name = self.call_name(request.method, request.url.path)
        bucket = None
        if name in self._limits:
            most, per_s = self._limits[name]
            key = (name, request.path_params.get("channel", ""))
            bucket = self._buckets.setdefault(key, _Bucket(most, per_s, deque()))
            if (wait_s := bucket.wait_s(now)) > 0:
                raise _Limited(wait_s, False)
            bucket.used.append(now)
        self._all.used.append(now)
        return bucket

    def _tell_limits(self, answer: Response, bucket: _Bucket | None) -> None:
        if bucket is None:
            return
        left_s = bucket.per_s - (self.clock.now() - bucket.used[0])
        answer.headers["X-RateLimit-Limit"] = str(bucket.most)
        answer.headers["X-RateLimit-Remaining"] = str(bucket.most - len(bucket.used))
        answer.headers["X-RateLimit-Reset"] = f"{time.time() + left_s:.3f}"
        answer.headers["X-RateLimit-Reset-After"] = f"{max(0.0, left_s):.3f}"
        answer.headers["X-RateLimit-Bucket"] = f"{bucket.most:02d}{int(bucket.per_s * 1000):06d}"

    def _watch_out(self, status: int) -> None:
        """Count what Discord counts towards a ban of the address."""
        if status not in (401, 403, 429):
            return
        now = self.clock.now()
        self._invalid.append(now)
        while now - self._invalid[0] > _BAN_WINDOW_S:
            self._invalid.popleft()
        if len(self._invalid) >= self._most_invalid:
            self._banned_until_s = now + _BAN_S

    # --- reading

    async def _me(self, request: Request) -> Response:
        return JSONResponse(self.room.bot.document())

    def _entered(self, request: Request) -> str:
        """The channel that is meant. Raises Refused."""
        channel = str(request.path_params["channel"])
        if channel not in self.room.channels:
            raise unknown("Channel", 10003)
        if channel in self._closed:
            raise Refused(403, "Missing Access", 50001)
        return channel

    def _message(self, request: Request) -> Message:
        message = self.room.find(self._entered(request), request.path_params["message"])
        if message is None:
            raise unknown("Message", 10008)
        return message

    async def _channel(self, request: Request) -> Response:
        channel = self._entered(request)
        return JSONResponse({"id": channel, "type": 0, "guild_id": self.room.guild, "name": "dailies"})

    async def _list(self, request: Request) -> Response:
        channel, query = self._entered(request), request.query_params
        if sum(name in query for name in ("after", "before", "around")) > 1:
            raise invalid("after", "MUTUALLY_EXCLUSIVE", "after, before and around exclude each other.")
        page = self.room.page(
            channel, whole(query, "limit", 50, 100), snowflake(query, "after"), snowflake(query, "before")
        )
        return JSONResponse([self.room.document(message) for message in page])

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self.room.document(self._message(request)))

    async def _reactors(self, request: Request) -> Response:
        message, query = self._message(request), request.query_params
        emoji = check_emoji(request.path_params["emoji"])
        users = self.room.reactors(message, emoji, snowflake(query, "after") or 0, whole(query, "limit", 25, 100))
        return JSONResponse([user.document() for user in users])

    async def _attachment(self, request: Request) -> Response:
        file = self._files / Path(request.path_params["name"]).name
        return FileResponse(file) if file.is_file() else Response(status_code=404)

    # --- writing

    async def _create(self, request: Request) -> Response:
        channel = self._entered(request)
        fields, files = await read_message(request)
        check_message(fields, bool(files))
        earlier = self._earlier(channel, fields)
        if earlier is not None:
            return JSONResponse(self.room.document(earlier))
        reply_to = self._answered(channel, fields.get("message_reference"))
        content = fields.get("content") or ""
        ids, everyone = mentioned(content, fields.get("allowed_mentions"))
        message = self.room.post(
            channel,
            self.room.bot,
            content,
            mentions=[user for user_id in ids if (user := self.room.user(user_id)) is not None],
            everyone=everyone,
            embeds=list(fields.get("embeds") or []),
            components=list(fields.get("components") or []),
            reply_to=reply_to,
            nonce=fields.get("nonce"),
        )
        message.attachments = [await self._attached(*file) for file in files]
        ordered = [channel, content, reply_to, [[name, hashlib.sha256(data).hexdigest()] for name, _, data in files]]
        self.book.order("POST messages", str(fields.get("nonce") or ""), ordered, message.id, self.clock.now())
        return JSONResponse(self.room.document(message))

    def _earlier(self, channel: str, fields: Mapping[str, Any]) -> Message | None:
        """The bot's message of the last minutes with this nonce, where repeats are to be found out."""
        nonce = fields.get("nonce")
        if nonce is None or not fields.get("enforce_nonce"):
            return None
        since = int(self.clock.date().timestamp() - _NONCE_REMEMBERED_S)
        for message in reversed(self.room.channels[channel]):
            if (message.number >> 22) // 1000 + 1420070400 < since:
                return None
            if message.author == self.room.bot and str(message.nonce) == str(nonce):
                return message
        return None

    def _answered(self, channel: str, reference: Any) -> str | None:
        if reference is None:
            return None
        message_id = str(reference.get("message_id", ""))
        if self.room.find(channel, message_id) is not None:
            return message_id
        if reference.get("fail_if_not_exists", True):
            raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return None

    async def _attached(self, name: str, kind: str, data: bytes) -> dict[str, Any]:
        kept = f"{self.room.new_id()}-{Path(name).name}"
        await asyncio.to_thread((self._files / kept).write_bytes, data)
        told = {
            "id": kept.partition("-")[0],
            "filename": name,
            "size": len(data),
            "url": f"{self.url}/attachments/{kept}",
            "proxy_url": f"{self.url}/attachments/{kept}",
            "content_type": kind,
        }
        try:
            with Image.open(io.BytesIO(data)) as picture:
                told |= {"width": picture.width, "height": picture.height}
        except OSError:
            # Discord gives sizes of pictures only.
            return told
        return told

    def _own(self, request: Request, code: int, said: str) -> Message:
        message = self._message(request)
        if message.author != self.room.bot:
            raise Refused(403, said, code)
        return message

    async def _edit(self, request: Request) -> Response:
        message = self._own(request, 50005, "Cannot edit a message authored by another user")
        fields, _ = await read_message(request)
        check_mentions(fields.get("allowed_mentions"))
        check_message({"content": message.content, **fields}, bool(message.attachments))
        message.content = fields.get("content", message.content) or ""
        message.embeds = list(fields.get("embeds", message.embeds) or [])
        message.edited_at = self.room.stamp()
        return JSONResponse(self.room.document(message))

    async def _delete(self, request: Request) -> Response:
        message = self._own(request, 50013, "Missing Permissions")
        self.room.channels[message.channel].remove(message)
        return Response(status_code=204)

    async def _react(self, request: Request) -> Response:
        self.room.react(self._message(request), self.room.bot, check_emoji(request.path_params["emoji"]))
        return Response(status_code=204)

    async def _unreact(self, request: Request) -> Response:
        self.room.unreact(self._message(request), self.room.bot, check_emoji(request.path_params["emoji"]))
        return Response(status_code=204)

    # --- control: the people

    def commands(self) -> dict[str, Command]:
        return {
            **super().commands(),
            "person": lambda name, user_id="": self.room.person(name, user_id).document(),
            "react": self._people_react,
            "unreact": self._people_unreact,
            "reply": self._people_reply,
            "say": self._people_say,
            "remove": self._people_remove,
            "messages": self._people_see,
            "intent": lambda on: setattr(self.room, "intent", bool(on)),
        }

    def _people_react(self, user: str | Sequence[str], message: str, emoji: str) -> None:
        """Somebody reacts, or many people do."""
        for name in [user] if isinstance(user, str) else user:
            self.room.react(self.room.anywhere(message), self.room.person(name), check_emoji(emoji))

    def _people_unreact(self, user: str, message: str, emoji: str) -> None:
        self.room.unreact(self.room.anywhere(message), self.room.person(user), emoji)

    def _people_reply(self, user: str, message: str, text: str, ping: bool = True) -> dict[str, Any]:
        """Somebody answers a message. ping: as Discord does by itself; people can turn it off."""
        answered = self.room.anywhere(message)
        mentions: list[User] = [answered.author] if ping else []
        posted = self.room.post(answered.channel, self.room.person(user), text, mentions=mentions, reply_to=answered.id)
        return self.room.document(posted, whole=True)

    def _people_say(self, user: str, text: str, channel: str = CHANNEL) -> dict[str, Any]:
        """Somebody writes without answering anybody."""
        ids, everyone = mentioned(text, None)
        mentions = [named for user_id in ids if (named := self.room.user(user_id)) is not None]
        posted = self.room.post(channel, self.room.person(user), text, mentions=mentions, everyone=everyone)
        return self.room.document(posted, whole=True)

    def _people_remove(self, message: str) -> None:
        """A moderator takes a message away."""
        found = self.room.anywhere(message)
        self.room.channels[found.channel].remove(found)

    def _people_see(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        """Everything in the channel, oldest first, as people see it."""
        return [self.room.document(message, whole=True) for message in self.room.channels[channel]]


class _Limited(Exception):
    """Too many calls."""

    def __init__(self, wait_s: float, is_global: bool) -> None:
        super().__init__(f"wait {wait_s} s")
        self._wait_s, self._is_global = round(wait_s, 3), is_global

    def answer(self) -> Response:
        headers = {
            # With a fraction: who reads it as a whole number fails. The JSON is what counts.
            "Retry-After": f"{self._wait_s}",
            "X-RateLimit-Reset-After": f"{self._wait_s}",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Scope": "global" if self._is_global else "user",
        }
        if self._is_global:
            headers["X-RateLimit-Global"] = "true"
        told = {"message": "You are being rate limited.", "retry_after": self._wait_s, "global": self._is_global}
        return JSONResponse(told, 429, headers)


def _banned() -> Response:
    return HTMLResponse("<title>Access denied | Error 1015</title>", 429, {"Retry-After": str(int(_BAN_S))})
