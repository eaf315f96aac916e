"""Values that change at a frame and stay until the next change."""

from collections.abc import Mapping


def level_at(levels: Mapping[int, float], frame: int) -> float:
    """The share in force at a frame: 1 before the first change."""
    return next((share for start, share in sorted(levels.items(), reverse=True) if start <= frame), 1.0)
