"""What goes wrong with a film, said so that its maker can mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class FilmProblem(Exception):
    """Something in the production stops the work: where it is, what is wrong and how to mend it."""

    problem: str
    mend: str = ""
    file: Path | None = None
    line: int | None = None
    field_name: str = ""
    shot: str = ""
    others: list["FilmProblem"] = field(default_factory=list)
    steps: tuple[str | int, ...] = ()
    """The way to the field, as far as whoever raised it knows; `under` adds what lies around it."""

    def __str__(self) -> str:
        place = ""
        if self.file is not None:
            place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        subject = f"{self.shot}: " if self.shot and not self.file else ""
        named = f"{self.field_name}: " if self.field_name else ""
        mend = f" Mend: {self.mend}" if self.mend else ""
        told = f"{place}{subject}{named}{self.problem.rstrip('.')}.{mend}"
        return "\n".join([told, *(str(other) for other in self.others)])

    def as_json(self) -> dict[str, object]:
        """The problem as one JSON object, for `--json` and for asset metadata."""
        return {
            "file": str(self.file) if self.file else None,
            "line": self.line,
            "field": self.field_name or None,
            "shot": self.shot or None,
            "problem": self.problem,
            "mend": self.mend or None,
            "others": [other.as_json() for other in self.others],
        }

    def __reduce__(self) -> tuple[object, ...]:
        return (
            type(self),
            (self.problem, self.mend, self.file, self.line, self.field_name, self.shot, self.others, self.steps),
        )


@contextmanager
def under(*steps: str | int) -> Iterator[None]:
    """What goes wrong inside stands below these steps of the author's file."""
    try:
        yield
    except FilmProblem as problem:
        problem.steps = (*steps, *problem.steps)
        raise
