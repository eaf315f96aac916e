"""Where things came from: recipe, verify, reindex."""

import json
from pathlib import Path
from typing import Any

import typer

from film_pipeline.cli.telling import AsJson, Where, app, opened, print_json, tell, tell_problems, told
from film_pipeline.core.problems import FilmProblem


@app.command()
@told
def recipe(path: Path, production: Where = None, as_json: AsJson = False) -> None:
    """Print the record of any file that the film made, wherever the file lies now. It is JSON with and without --json.

    Example: film recipe .film/shots/SC010_SH010/color/v001/SC010_SH010_color_v001.1001.png
    """
    from film_pipeline.core.recipe import sha256_of_file
    from film_pipeline.stores.filing import sidecar_of

    if not path.is_file():
        raise FilmProblem("there is no such file", "name a file that the film made", file=path)
    sha256 = sha256_of_file(path)
    beside = sidecar_of(path)
    print_json(_record_beside(beside, sha256) if beside.is_file() else _record_of(path, sha256, production))


def _record_beside(sidecar: Path, sha256: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
        recorded = record["content_hash_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise FilmProblem("the record beside the file can't be read", "film verify", file=sidecar) from error
    if recorded != sha256:
        raise FilmProblem(
            "the file is not the one that its record is about", "it was changed after it was made", file=sidecar
        )
    return record


def _record_of(path: Path, sha256: str, production: Path | None) -> dict[str, Any]:
    """A file that was copied away is known by its content."""
    folder = path.resolve().parent
    inside = any((above / "production.yaml").is_file() for above in (folder, *folder.parents))
    with opened(production or (folder if inside else None)) as film:
        found = film.frames.record_of(sha256)
    if found is None:
        raise FilmProblem("the film did not make this file", "film verify finds what was changed", file=path)
    return found.model_dump(mode="json")


@app.command()
@told
def verify(production: Where = None, as_json: AsJson = False) -> None:
    """Check every file that the film made against its record.

    Example: film verify
    """
    from film_pipeline.stores.rebuild import verify as found_by

    with opened(production) as film:
        problems = list(found_by(film.made, film.frames))
        files = film.frames.count()
    if as_json:
        print_json({"files": files, "problems": [problem.as_json() for problem in problems]})
    tell_problems(problems)
    tell(f"{files} files, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
@told
def reindex(production: Where = None, as_json: AsJson = False) -> None:
    """Rebuild the index from the records beside the files, and publish the lineage anew.

    Example: film reindex
    """
    from film_pipeline.starting import reindexed

    with opened(production) as film:
        rebuilt = reindexed(film)
    if as_json:
        print_json(
            {
                "records": rebuilt.records,
                "turnovers": rebuilt.turnovers,
                "problems": [problem.as_json() for problem in rebuilt.problems],
            }
        )
    tell_problems(rebuilt.problems)
    tell(f"{rebuilt.records} records and {rebuilt.turnovers} turnovers are back")
    if rebuilt.problems:
        raise typer.Exit(1)
