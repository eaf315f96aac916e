"""How far the film is: the line that moves while it is made, and the table of shots and stages."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from film_pipeline.core.stages import Stage
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import AtGate, Current, Due, Line, State
from film_pipeline.departments.roster import DEPARTMENTS

_SAY_EVERY_S = 5.0


@contextmanager
def shown(console: Console) -> Iterator[Callable[[str, str, int, int], None]]:
    """Progress that always moves: a bar on a terminal, a line every few seconds elsewhere."""
    if console.is_terminal:
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description:44}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=console,
        ) as bar:
            task = bar.add_task("reading the production", total=None)
            yield lambda name, shot, done, total: bar.update(
                task, description=_doing(name, shot), completed=done, total=total
            )
        return
    last = {"said": 0.0, "what": ""}

    def say(name: str, shot: str, done: int, total: int) -> None:
        now, what = time.monotonic(), _doing(name, shot)
        if what != last["what"] or now - float(last["said"]) >= _SAY_EVERY_S or done == total:
            last.update(said=now, what=what)
            sys.stderr.write(f"{what} {done}/{total}\n")
            sys.stderr.flush()

    yield say


def _doing(name: str, shot: str) -> str:
    return f"{DEPARTMENTS[name].stage.heading}: {name.replace('_', ' ')} {shot or 'of the film'}"


def states_of(film: Film) -> list[dict[str, Any]]:
    """Every shot with the state of its ten stages: current (with its version), due, waits or stopped (and why)."""
    line = Line(film, DEPARTMENTS)
    return [
        {"shot": shot, "stages": {stage.value: _state(line.state(stage.value, shot)) for stage in Stage}}
        for shot in film.shots
    ]


def _state(state: State) -> dict[str, Any]:
    if isinstance(state, Current):
        return {"state": "current", "version": state.turnover.version, "why": ""}
    if isinstance(state, Due):
        return {"state": "due" if state.recipe else "waits", "version": None, "why": state.why}
    if isinstance(state, AtGate):
        return {"state": "gate", "version": None, "why": state.why}
    return {"state": "stopped", "version": None, "why": str(state.problem)}
