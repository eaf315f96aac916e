"""Beginning a film and writing its shots: new, breakdown."""

from pathlib import Path
from typing import Annotated

import typer

from film_pipeline.cli.telling import AsJson, Where, app, opened, print_json, tell, told


@app.command()
@told
def new(
    name: str,
    script: Annotated[
        Path | None, typer.Option(help="A screenplay (.fountain or .fdx) to start from.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a production in a new folder: from the template, or from a screenplay.

    Example: film new my-film --script draft.fountain && cd my-film && film run --through storyboard
    """
    from film_pipeline.starting import new_production

    folder = new_production(Path.cwd() / name, script)
    if as_json:
        print_json({"production": str(folder)})
    tell(f"{folder} is ready. Next: cd {name} && film run --through storyboard")


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
    tell(*(f"wrote {path}" for path in written))
    if not written:
        tell("every scene has its shots")
