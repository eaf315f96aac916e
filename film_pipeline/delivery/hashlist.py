"""The ASC Media Hash List of a delivery, by the ascmhl library."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import click
from ascmhl import commands

from film_pipeline.core.problems import FilmProblem

HASH_FORMAT = "xxh64"
_TOLD_AT_MOST = 5


def write_mhl(folder: Path, author: str, comment: str = "") -> Path:
    """Hash every file of a delivery folder into its ASC MHL history. Returns the newest hash list."""
    with _told(folder, "the hash list can't be written", "deliver into a fresh version"):
        commands.create_for_folder_subcommand(
            str(folder), False, [HASH_FORMAT], False, author, None, None, None, None, comment
        )
    lists = sorted((folder / "ascmhl").glob("*.mhl"))
    if not lists:
        raise FilmProblem("no hash list was written", "run it again", file=folder)
    return lists[-1]


def verify_mhl(folder: Path) -> None:
    """Check a delivery folder against its hash list. Raises FilmProblem for a file that was changed, added or lost."""
    with _told(folder, "the delivery is not what was sent", "deliver it again"):
        commands.verify_entire_folder(str(folder), False, None, None)


@contextmanager
def _told(folder: Path, problem: str, mend: str) -> Iterator[None]:
    """What ascmhl prints on the way (which files it means) becomes part of the problem it raises."""
    printed = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(printed), redirect_stderr(printed):
            # ascmhl asks pathspec for a pattern style under its old name, and leaves closing files to the interpreter.
            warnings.filterwarnings("ignore", "GitWildMatchPattern", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    except click.ClickException as error:
        lines = [" ".join(click.unstyle(line).split()) for line in printed.getvalue().splitlines() if line.strip()]
        more = [f"and {len(lines) - _TOLD_AT_MOST} more"] if len(lines) > _TOLD_AT_MOST else []
        told = "; ".join([error.format_message(), *lines[:_TOLD_AT_MOST], *more])
        raise FilmProblem(f"{problem}: {told}", mend, file=folder) from error
