"""What the bot remembers of its channel, in the ledger's cursors: what was posted where, and how far it has read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from film_pipeline.core.gate import Work
from film_pipeline.stores.ledger import Ledger

Reaction = Literal["circle", "reject", "another"]


@dataclass(frozen=True)
class Wish:
    """Somebody pressed the reaction that asks for another take, and nobody has acted on it yet. since: seconds UTC."""

    by: str
    since: float


@dataclass(frozen=True)
class Post:
    """A take or a hero in the channel.

    message: empty while it is only intended. after: the message that it surely follows.
    seen: for each reaction who gave it, and how often: more than 0 while it stands, less once it was taken away.
    counts: of reactions, as they were at the last look. looked: when that was, seconds UTC.
    wish: for another take. wishes: how many were acted on. answered: who directed it in a reply, and when.
    """

    shot: str
    work: Work
    take: int
    message: str = ""
    after: str = "0"
    buttons: bool = False
    gone: bool = False
    seen: Mapping[Reaction, Mapping[str, int]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    looked: float = 0.0
    wish: Wish | None = None
    wishes: int = 0
    answered: Mapping[str, float] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.shot}/{self.work}/{self.take}"

    def with_(self, **changes: Any) -> "Post":
        return replace(self, **changes)

    def as_text(self) -> str:
        return json.dumps({**asdict(self), "wish": None if self.wish is None else asdict(self.wish)}, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> "Post":
        told = json.loads(text)
        wish = told.get("wish")
        return cls(**{**told, "wish": None if wish is None else Wish(**wish)})


class Room:
    """One channel of one film. Of two who remember something at once, one is told that the other was first.

    bot: the bot's own account.
    """

    def __init__(self, ledger: Ledger, channel: str, bot: str) -> None:
        self.ledger, self.channel, self.bot = ledger, channel, bot
        self._here = f"discord/{channel}"

    # Posts

    def posts(self) -> list[Post]:
        """Everything that was posted or is about to be, in the order of the channel."""
        found = [Post.read(text) for text in self.ledger.cursors.all(f"{self._here}/post/").values()]
        return sorted(found, key=lambda post: int(post.message or 0))

    def post(self, shot: str, work: Work, take: int) -> Post | None:
        text = self.ledger.cursors.at(f"{self._here}/post/{shot}/{work}/{take}")
        return Post.read(text) if text else None

    def keep(self, post: Post, before: Post | None) -> bool:
        """Remember a post, if it still is as it was. Whether it was."""
        known = "" if before is None else before.as_text()
        return self.ledger.cursors.move(f"{self._here}/post/{post.place}", post.as_text(), known)

    # Reading

    @property
    def read_to(self) -> str:
        """The last message that was dealt with; empty before the first round."""
        return self.ledger.cursors.at(f"{self._here}/read")

    def have_read(self, message: str, before: str) -> None:
        """Go on from this message next time. before: where it stood; one that went on already is not set back."""
        self.ledger.cursors.move(f"{self._here}/read", message, before)

    # People

    def was_told(self, account: str) -> bool:
        """Whether a stranger was told once that their word does not count."""
        return bool(self.ledger.cursors.at(f"{self._here}/told/{account}"))

    def tell(self, account: str) -> None:
        self.ledger.cursors.move(f"{self._here}/told/{account}", "yes")

    # Turns

    @property
    def turn(self) -> int:
        """Where the look over older posts has got."""
        return int(self.ledger.cursors.at(f"{self._here}/turn") or 0)

    def have_turned(self, turn: int) -> None:
        self.ledger.cursors.move(f"{self._here}/turn", str(turn))
