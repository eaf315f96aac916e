"""The people in a simulated Discord channel: what tests and `film simulate` let them do."""

from collections.abc import Sequence
from typing import Any

from film_pipeline.simulators.serving import Server


class People:
    """Acts for anybody by name; who is not there yet comes in. server: a simulated Discord."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def id_of(self, name: str) -> str:
        return str(self._server.control("person", name=name)["id"])

    def come_in(self, name: str, user_id: str) -> None:
        """Somebody whose number is known already."""
        self._server.control("person", name=name, user_id=user_id)

    def react(self, user: str | Sequence[str], message: str, emoji: str) -> None:
        """user: one name, or many. message: its id."""
        self._server.control("react", user=user if isinstance(user, str) else list(user), message=message, emoji=emoji)

    def unreact(self, user: str, message: str, emoji: str) -> None:
        self._server.control("unreact", user=user, message=message, emoji=emoji)

    def reply(self, user: str, message: str, text: str, ping: bool = True) -> dict[str, Any]:
        """Answer a message. ping: as Discord does by itself; people can turn it off. Returns the reply."""
        return dict(self._server.control("reply", user=user, message=message, text=text, ping=ping))

    def say(self, user: str, text: str) -> dict[str, Any]:
        """Write without answering anybody."""
        return dict(self._server.control("say", user=user, text=text))

    def remove(self, message: str) -> None:
        """Take a message away, as a moderator does."""
        self._server.control("remove", message=message)

    def see(self) -> list[dict[str, Any]]:
        """Everything in the channel, oldest first, as people see it."""
        return list(self._server.control("messages"))
