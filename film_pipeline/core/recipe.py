"""A recipe: canonical JSON of all that decides a frame's pixels. Its SHA-256 is its name."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import rfc8785


@dataclass(frozen=True)
class Recipe:
    """All that decides what is made. Same recipe, same result: it is found, not made again.

    ingredients: JSON values only; floats are IEEE doubles, so integers beyond 2**53 must be written as text.
    """

    ingredients: dict[str, Any]

    @cached_property
    def canonical(self) -> bytes:
        """RFC 8785 canonical JSON."""
        return rfc8785.dumps(self.ingredients)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical).hexdigest()

    def seed(self, take: int = 1) -> int:
        """A seed drawn from the recipe and the take, below 2**63, so that a take can be made again."""
        drawn = hashlib.sha256(self.canonical + f"|take {take}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") >> 1


def sha256_of_json(value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
