"""Notes as pages show them: in threads, each where its first note was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from film_pipeline.stores.ledger.notes import Note
from review_app.drawing import told_drawing


@dataclass(frozen=True)
class Thread:
    """A note and what was answered to it, oldest first."""

    first: Note
    answers: tuple[Note, ...]

    @property
    def notes(self) -> tuple[Note, ...]:
        return (self.first, *self.answers)


def threads(notes: Sequence[Note]) -> list[Thread]:
    """The threads of a shot's notes, which come oldest first; what was begun last stands first."""
    root: dict[int, int] = {}
    by_root: dict[int, list[Note]] = {}
    for note in notes:
        # An answer is younger than what it answers, so that is known by now.
        root[note.number] = root.get(note.reply_to, note.number) if note.reply_to is not None else note.number
        by_root.setdefault(root[note.number], []).append(note)
    return [Thread(of_one[0], tuple(of_one[1:])) for of_one in reversed(by_root.values())]


def marks(found: Sequence[Thread]) -> list[dict[str, Any]]:
    """What the viewer needs of notes: where they stand, and what was drawn there."""
    return [
        {"number": note.number, "frame": note.frame, "drawing": told_drawing(note.drawing)}
        for thread in found
        for note in thread.notes
        if note.frame is not None
    ]
