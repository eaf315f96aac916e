"""Names for what came from elsewhere, so that USD can hold them and engines keep them apart."""

import re
from collections.abc import Iterable

_LONGEST = 60
"""Blender cuts longer names off, and its mattes go by name."""


class Names:
    """Names for prims, each used once, as near to what was asked for as USD and the engines allow."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def new(self, wanted: str, before: str = "") -> str:
        """A name that nobody has yet: `wanted` in letters, digits and underscores behind `before`."""
        plain = before + (re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_") or "part")
        plain = plain if plain[0].isalpha() else f"n{plain}"
        name, number = plain[:_LONGEST], 1
        while name in self._taken:
            number += 1
            name = f"{plain[: _LONGEST - 7]}_{number}"
        self._taken.add(name)
        return name
