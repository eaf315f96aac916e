"""Making the film: run, status, demo, studio."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from film_pipeline.cli.telling import (
    AsJson,
    Shots,
    Through,
    Where,
    app,
    named,
    opened,
    print_json,
    say,
    tell,
    tell_problems,
    told,
)
from film_pipeline.core.stages import Stage

if TYPE_CHECKING:
    from film_pipeline.departments.film import Film

_MARKS = {
    "current": "[green]v{}[/]",
    "due": "[yellow]due[/]",
    "waits": "[dim]–[/]",
    "gate": "[magenta]gate[/]",
    "stopped": "[red]stopped[/]",
}
_DELIVERED = {
    "master (H.264)": ("master", "review"),
    "master (ProRes)": ("master", "prores"),
    "contact sheet": ("animatic", "contact_sheet"),
    "animatic": ("animatic", "animatic"),
    "finished frames": ("master", "frames_sheet"),
    "quality control": ("master", "qc"),
    "provenance": ("master", "bundle"),
}


@app.command()
@told
def run(
    shots: Shots = None, through: Through = Stage.DELIVER, production: Where = None, as_json: AsJson = False
) -> None:
    """Make everything that is out of date, and nothing else.

    Example: film run --shots SC010_SH020 --through cameras
    """
    from film_pipeline.progress import shown
    from film_pipeline.running import chosen_shots, run_film

    with opened(production) as film, shown(say) as watch:
        report = run_film(film, chosen_shots(film, named(shots)), through, watch)
        made = film.made
    if as_json:
        print_json(report.as_json())
    tell_problems(report.problems)
    tell(*(f"{shot} waits: {why}" for shot, why in report.at_gate.items()))
    tell(f"{len(report.made)} made, {report.current - len(report.made)} were up to date. All of it is in {made}.")
    if report.problems:
        raise typer.Exit(1)


@app.command()
@told
def status(production: Where = None, as_json: AsJson = False) -> None:
    """Show the shots and how far each of them is, stage by stage.

    Example: film status --json
    """
    from film_pipeline.progress import states_of

    with opened(production) as film:
        rows = states_of(film)
        problems = list(film.problems)
        title = film.production.title
    if as_json:
        print_json({"title": title, "shots": rows, "problems": [problem.as_json() for problem in problems]})
    else:
        _print_states(title, rows)
    tell_problems(problems)
    stopped = {cell["why"] for row in rows for cell in row["stages"].values() if cell["state"] == "stopped"}
    for why in sorted(stopped):
        say.print(why, style="red", markup=False)
    if problems or stopped:
        raise typer.Exit(1)


def _print_states(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("Shot", no_wrap=True)
    for stage in Stage:
        table.add_column(stage.heading, justify="center", overflow="fold")
    for row in rows:
        cells = [row["stages"][stage.value] for stage in Stage]
        table.add_row(row["shot"], *(_MARKS[cell["state"]].format(cell["version"] or "") for cell in cells))
    Console().print(table)


@app.command()
@told
def demo(as_json: AsJson = False) -> None:
    """Make the sample film from script to master, and say where everything is.

    Example: film demo
    """
    from film_pipeline.progress import shown
    from film_pipeline.running import chosen_shots, run_film
    from film_pipeline.starting import SAMPLE

    with opened(SAMPLE) as film, shown(say) as watch:
        report = run_film(film, chosen_shots(film, []), Stage.DELIVER, watch)
        places = _delivered(film)
    if as_json:
        print_json({"delivered": places, **report.as_json()})
    tell_problems(report.problems)
    tell(*(f"{title:18} {place}" for title, place in places.items()))
    if report.problems:
        raise typer.Exit(1)


def _delivered(film: "Film") -> dict[str, str]:
    """What a person wants to open, by its name."""
    latest = film.frames.latest_all()
    places = {}
    for title, (department, role) in _DELIVERED.items():
        turnover = latest.get((department, ""))
        if turnover and turnover.of(role):
            places[title] = str(film.made / turnover.one(role).path)
    return {**places, "lineage (DuckDB)": str(film.warehouse)}


@app.command()
@told
def studio(
    production: Where = None,
    port: Annotated[int, typer.Option(help="Of the Dagster web UI, on this machine only.")] = 3000,
    review_port: Annotated[int, typer.Option(help="Of the review app, on this machine only.")] = 3030,
) -> None:
    """Open the film in the Dagster web UI, with the review app beside it for the pictures.

    Example: film studio --production productions/the-unwritten-page
    """
    from film_pipeline.studio import open_studio

    with opened(production) as film:
        root = film.root
    raise typer.Exit(open_studio(root, port, review_port))
