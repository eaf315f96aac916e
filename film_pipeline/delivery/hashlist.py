"""The ASC Media Hash List of a delivery, by the ascmhl library."""

from pathlib import Path

import click
from ascmhl import commands

from film_pipeline.core.problems import FilmProblem

HASH_FORMAT = "xxh64"


def write_mhl(folder: Path, author: str, comment: str = "") -> Path:
    """Hash every file of a delivery folder into its ASC MHL history. Returns the newest hash list."""
    try:
        commands.create_for_folder_subcommand(
            str(folder), False, [HASH_FORMAT], False, author, None, None, None, None, comment
        )
    except click.ClickException as error:
        raise FilmProblem(
            f"the hash list can't be written: {error.format_message()}", "deliver into a fresh version", file=folder
        ) from error
    lists = sorted((folder / "ascmhl").glob("*.mhl"))
    if not lists:
        raise FilmProblem("no hash list was written", "run it again", file=folder)
    return lists[-1]


def verify_mhl(folder: Path) -> None:
    """Check a delivery folder against its hash list. Raises FilmProblem for a file that was changed, added or lost."""
    try:
        commands.verify_entire_folder(str(folder), False, None, None)
    except click.ClickException as error:
        raise FilmProblem(
            f"the delivery is not what was sent: {error.format_message()}", "deliver it again", file=folder
        ) from error
