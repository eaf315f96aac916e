"""The `film` command."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.stages import Stage

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


def main() -> None:
    """Exit status 0: done. 1: the film has a problem, named. 2: wrong use."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()


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


@contextmanager
def opened(production: Path | None) -> Iterator[Any]:
    from film_pipeline.departments.film import Film

    with Film.find((production or Path.cwd()).resolve()) as film:
        yield film


def named(shots: list[str] | None) -> list[str]:
    return [name for part in shots or [] for name in part.split(",") if name]


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
        ends = film.made
    if as_json:
        print_json(report.as_json())
    for problem in report.problems:
        say.print(str(problem), style="red", markup=False)
    what = f"{len(report.made)} made, {report.current - len(report.made)} were up to date"
    say.print(f"{what}. All of it is in {ends}.", markup=False)
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
        problems = [problem.as_json() for problem in film.problems]
        title = film.production.title
    if as_json:
        print_json({"title": title, "shots": rows, "problems": problems})
    else:
        print_states(title, rows)
    for problem in problems:
        say.print(f"{problem['file']}: {problem['problem']}", style="red", markup=False)
    if problems or any(state["state"] == "stopped" for row in rows for state in row["stages"].values()):
        raise typer.Exit(1)


def print_states(title: str, rows: list[dict[str, Any]]) -> None:
    marks = {"current": "[green]v{}[/]", "due": "[yellow]due[/]", "waits": "[dim]–[/]", "stopped": "[red]stopped[/]"}
    table = Table(title=title, title_justify="left")
    table.add_column("Shot")
    for stage in Stage:
        table.add_column(stage.heading, justify="center")
    for row in rows:
        cells = [row["stages"][stage.value] for stage in Stage]
        table.add_row(row["shot"], *(marks[cell["state"]].format(cell["version"] or "") for cell in cells))
    Console().print(table)


@app.command()
@told
def recipe(path: Path, production: Where = None) -> None:
    """Print the record of any file that the film made, wherever the file lies now.

    Example: film recipe .film/shots/SC010_SH010/color/v001/SC010_SH010_color_v001.1001.png
    """
    from film_pipeline.core.recipe import sha256_of_file
    from film_pipeline.stores.filing import sidecar_of

    if not path.is_file():
        raise FilmProblem("there is no such file", "name a file that the film made", file=path)
    sha256 = sha256_of_file(path)
    beside = sidecar_of(path)
    if beside.is_file():
        record = json.loads(beside.read_text(encoding="utf-8"))
        if record["content_hash_sha256"] != sha256:
            raise FilmProblem(
                "the file is not the one that its record is about", "it was changed after it was made", file=path
            )
    else:
        start = production or path.resolve().parent
        with opened(
            start if any((folder / "production.yaml").is_file() for folder in (start, *start.parents)) else None
        ) as film:
            found = film.frames.record_of(sha256)
        if found is None:
            raise FilmProblem("the film did not make this file", "film verify finds what was changed", file=path)
        record = found.model_dump(mode="json")
    print_json(record)


@app.command()
@told
def breakdown(
    scenes: Annotated[
        list[str] | None, typer.Argument(help="Scenes, such as SC020; all that have no shots unless given.")
    ] = None,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Propose shots for scenes that have none. A scene that has shots is never touched.

    Example: film breakdown SC020
    """
    from film_pipeline.starting import break_down

    with opened(production) as film:
        written = break_down(film, scenes or [])
    if as_json:
        print_json({"written": [str(path) for path in written]})
    for path in written:
        say.print(f"wrote {path}", markup=False)
    if not written:
        say.print("every scene has its shots")


@app.command()
@told
def new(
    name: str,
    script: Annotated[
        Path | None, typer.Option(help="A screenplay (.fountain or .fdx) to start from.", show_default=False)
    ] = None,
) -> None:
    """Begin a production in a new folder: from the template, or from a screenplay.

    Example: film new my-film --script draft.fountain && cd my-film && film run --through storyboard
    """
    from film_pipeline.starting import new_production

    folder = new_production(Path.cwd() / name, script)
    say.print(f"{folder} is ready. Next: cd {name} && film run --through storyboard", markup=False)


@app.command()
@told
def demo() -> None:
    """Make the sample film from script to master, and say where everything is.

    Example: film demo
    """
    from film_pipeline.progress import shown
    from film_pipeline.running import chosen_shots, run_film
    from film_pipeline.starting import SAMPLE

    with opened(SAMPLE) as film, shown(say) as watch:
        report = run_film(film, chosen_shots(film, []), Stage.DELIVER, watch)
        made = film.made
        latest = film.frames.latest_all()
    for problem in report.problems:
        say.print(str(problem), style="red", markup=False)
    for title, (department, role) in {
        "master (H.264)": ("master", "review"),
        "master (ProRes)": ("master", "prores"),
        "contact sheet": ("animatic", "contact_sheet"),
        "animatic": ("animatic", "animatic"),
        "finished frames": ("master", "frames_sheet"),
        "provenance bundle": ("master", "bundle"),
    }.items():
        turnover = latest.get((department, ""))
        if turnover and turnover.of(role):
            say.print(f"{title:18} {made / turnover.one(role).path}", markup=False)
    say.print(f"{'lineage (DuckDB)':18} {made / 'warehouse'}", markup=False)
    if report.problems:
        raise typer.Exit(1)


@app.command()
@told
def conform(edited: list[Path], production: Where = None) -> None:
    """Take an edited timeline (.otio, or .edl with all its parts) back into the cut: its order and its trims.

    Example: film conform ~/edit/my-film_v2.otio && film run
    """
    from film_pipeline.departments.edit import conform_cut

    with opened(production) as film:
        cut = conform_cut(film, *edited)
    say.print(f"the cut is now {len(cut.clips)} clips, {cut.length} frames. Next: film run", markup=False)


@app.command()
@told
def wedge(
    shot: str,
    look: Annotated[
        list[str], typer.Option("--look", help="A variation, such as 'warm: {cdl: {slope: [1.1, 1, 0.9]}}'")
    ],
    frame: Annotated[int | None, typer.Option(help="The frame; the first unless given.", show_default=False)] = None,
    production: Where = None,
) -> None:
    """Put several grades of one frame on one sheet.

    Example: film wedge SC010_SH010 --look 'darker: {exposure_stops: -0.5}' --look 'flat: {vignette: {amount: 0}}'
    """
    from film_pipeline.departments.color import wedge_sheet

    with opened(production) as film:
        sheet = wedge_sheet(film, shot, look, frame)
    say.print(f"wrote {sheet}", markup=False)


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
    for problem in problems:
        say.print(str(problem), style="red", markup=False)
    say.print(f"{files} files, {len(problems)} problems")
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
                "problems": [p.as_json() for p in rebuilt.problems],
            }
        )
    for problem in rebuilt.problems:
        say.print(str(problem), style="red", markup=False)
    say.print(f"{rebuilt.records} records and {rebuilt.turnovers} turnovers are back")
    if rebuilt.problems:
        raise typer.Exit(1)


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
