"""A simulated Discord channel: people, messages, replies, reactions, and what a bot may read of them."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from film_pipeline.simulators.clock import Clock

DEFAULT, REPLY = 0, 19
_DISCORD_EPOCH_MS = 1420070400000
_HIDDEN: Mapping[str, Any] = {"content": "", "embeds": [], "attachments": [], "components": []}
"""What a bot without the MESSAGE_CONTENT intent sees of other people's messages."""


@dataclass(frozen=True)
class User:
    id: str
    name: str
    is_bot: bool = False

    def document(self) -> dict[str, Any]:
        told = {
            "id": self.id,
            "username": self.name,
            "discriminator": "0",
            "global_name": self.name.title(),
            "avatar": None,
            "public_flags": 0,
        }
        return {**told, "bot": True} if self.is_bot else told


@dataclass
class Message:
    """One message. mentions: who is pinged by it. reactions: emoji -> the ids of who reacted, in their order."""

    id: str
    channel: str
    author: User
    content: str
    at: str
    mentions: list[User] = field(default_factory=list)
    everyone: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    reply_to: str | None = None
    nonce: str | int | None = None
    edited_at: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return int(self.id)


class Room:
    """One guild with its channels and its people.

    intent: whether the bot has MESSAGE_CONTENT. Times are the provider's.
    """

    def __init__(self, clock: Clock, channels: Iterable[str], bot_name: str, intent: bool) -> None:
        self._clock, self.intent = clock, intent
        self._last_id = 0
        self._order = itertools.count()
        self.channels: dict[str, list[Message]] = {channel: [] for channel in channels}
        self.people: dict[str, User] = {}
        self.bot = User(self.new_id(), bot_name, is_bot=True)
        self.guild = self.new_id()

    def new_id(self) -> str:
        """A snowflake: later ones are larger."""
        made = (int(self._clock.date().timestamp() * 1000) - _DISCORD_EPOCH_MS) << 22
        self._last_id = max(made, self._last_id + 1)
        return str(self._last_id)

    def person(self, name: str, user_id: str = "") -> User:
        """Somebody by name; who is not there yet comes in. user_id: their number, where they had one before."""
        if name not in self.people:
            self.people[name] = User(user_id or self.new_id(), name)
        return self.people[name]

    def user(self, user_id: str) -> User | None:
        return next((user for user in (self.bot, *self.people.values()) if user.id == user_id), None)

    def post(self, channel: str, author: User, content: str, **more: Any) -> Message:
        message = Message(self.new_id(), channel, author, content, self.stamp(), **more)
        self.channels[channel].append(message)
        return message

    def stamp(self) -> str:
        return self._clock.date().isoformat(timespec="microseconds")

    def find(self, channel: str, message_id: str) -> Message | None:
        return next((message for message in self.channels[channel] if message.id == message_id), None)

    def anywhere(self, message_id: str) -> Message:
        """Raises KeyError."""
        for messages in self.channels.values():
            for message in messages:
                if message.id == message_id:
                    return message
        raise KeyError(f"there is no message {message_id}")

    def page(self, channel: str, limit: int, after: int | None, before: int | None) -> list[Message]:
        """Newest first. With `after`, the page holds those that follow it at once, not the latest there are."""
        messages = self.channels[channel]
        if after is not None:
            return list(reversed([message for message in messages if message.number > after][:limit]))
        older = [message for message in messages if before is None or message.number < before]
        return list(reversed(older[-limit:]))

    def reactors(self, message: Message, emoji: str, after: int, limit: int) -> list[User]:
        """Who reacted so, by id."""
        ids = sorted(int(user_id) for user_id in message.reactions.get(emoji, []))
        users = [self.user(str(number)) for number in ids if number > after]
        return [user for user in users if user is not None][:limit]

    def react(self, message: Message, user: User, emoji: str) -> None:
        who = message.reactions.setdefault(emoji, [])
        if user.id not in who:
            who.append(user.id)

    def unreact(self, message: Message, user: User, emoji: str) -> None:
        who = message.reactions.get(emoji, [])
        if user.id in who:
            who.remove(user.id)
        if not who:
            message.reactions.pop(emoji, None)

    def document(self, message: Message, whole: bool = False) -> dict[str, Any]:
        """A message as the bot gets it. whole: as people see it."""
        told: dict[str, Any] = {
            "id": message.id,
            "type": DEFAULT if message.reply_to is None else REPLY,
            "channel_id": message.channel,
            "author": message.author.document(),
            "content": message.content,
            "timestamp": message.at,
            "edited_timestamp": message.edited_at,
            "tts": False,
            "mention_everyone": message.everyone,
            "mentions": [user.document() for user in message.mentions],
            "mention_roles": [],
            "attachments": message.attachments,
            "embeds": message.embeds,
            "components": message.components,
            "pinned": False,
            "flags": 0,
        }
        if message.reactions:
            told["reactions"] = [self._reaction(emoji, who) for emoji, who in message.reactions.items()]
        if message.nonce is not None:
            told["nonce"] = message.nonce
        if message.reply_to is not None:
            told |= self._reference(message, whole)
        return told if whole or self._readable(message) else {**told, **_HIDDEN}

    def _reference(self, message: Message, whole: bool) -> dict[str, Any]:
        reference = {"type": 0, "message_id": message.reply_to, "channel_id": message.channel, "guild_id": self.guild}
        answered = self.find(message.channel, str(message.reply_to))
        if answered is None:
            return {"message_reference": reference, "referenced_message": None}
        # A reference is told one step deep.
        told = self.document(answered, whole)
        return {
            "message_reference": reference,
            "referenced_message": {key: value for key, value in told.items() if key != "referenced_message"},
        }

    def _readable(self, message: Message) -> bool:
        return self.intent or message.author == self.bot or self.bot in message.mentions

    def _reaction(self, emoji: str, who: list[str]) -> dict[str, Any]:
        name, _, emoji_id = emoji.partition(":")
        return {
            "emoji": {"id": emoji_id or None, "name": name},
            "count": len(who),
            "count_details": {"burst": 0, "normal": len(who)},
            "me": self.bot.id in who,
            "me_burst": False,
            "burst_colors": [],
        }
