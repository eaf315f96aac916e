"""What every command shares: its options, how it says things, and its exit status."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from rich.console import Console

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.stages import Stage

if TYPE_CHECKING:
    from film_pipeline.departments.film import Film

app = typer.Typer(
    name="film",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="A film from script to delivery. Example: film new my-film && cd my-film && film run",
)
say = Console(stderr=True, highlight=False, soft_wrap=True)

Where = Annotated[
    Path | None,
    typer.Option(
        "--production",
        help="The production's folder. The current folder, or one above it, unless given.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Shots = Annotated[
    list[str] | None,
    typer.Option("--shots", help="Shots, such as SC010_SH020; repeat it or part them by commas.", show_default=False),
]
Through = Annotated[Stage, typer.Option("--through", help="The last stage to make.")]
Parameters = ParamSpec("Parameters")


def told(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """A command whose FilmProblems are told to the person at the terminal, with exit status 1."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FilmProblem as problem:
            if kwargs.get("as_json"):
                print_json({"problems": [problem.as_json()]})
            say.print(str(problem), style="red", markup=False)
            raise typer.Exit(1) from problem

    return run


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tell(*lines: str) -> None:
    """Say something to the person at the terminal, on standard error."""
    for line in lines:
        say.print(line, markup=False)


def tell_problems(problems: Iterable[FilmProblem]) -> None:
    for problem in problems:
        say.print(str(problem), style="red", markup=False)


@contextmanager
def opened(production: Path | None) -> "Iterator[Film]":
    """The production that a command is about."""
    from film_pipeline.departments.film import Film
    from film_pipeline.departments.stand_ins import join_simulation

    with Film.find((production or Path.cwd()).resolve()) as film:
        if join_simulation(film.root):
            tell("simulated: orders go to stand-ins on this machine, and money is play money")
        yield film


def named(shots: list[str] | None) -> list[str]:
    return [name for part in shots or [] for name in part.split(",") if name]
