"""Trying the gate and the backends with play money: simulate."""

import time
from pathlib import Path
from typing import Annotated

import typer

from film_pipeline.cli.telling import app, tell, told


@app.command()
@told
def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the copy of the production goes.")] = Path("simulated-film"),
    source: Annotated[
        Path | None, typer.Option("--from", help="The production; the sample film unless given.", show_default=False)
    ] = None,
    speed: Annotated[float, typer.Option(min=0.1, help="How much faster than the wall the stand-ins live.")] = 1.0,
) -> None:
    """Start stand-ins for RunPod, ComfyUI and Discord on this machine, and a copy of a production that uses them.

    Example: film simulate try-it     (then, in another terminal: cd try-it && film quote SC010_SH010)
    """
    from film_pipeline.simulating import REVIEWER, simulated_copy
    from film_pipeline.simulating import simulate as run
    from film_pipeline.simulators.door import CONTROL
    from film_pipeline.simulators.studio import Studio
    from film_pipeline.starting import SAMPLE

    root = simulated_copy((source or SAMPLE).resolve(), folder.resolve())

    def started(studio: Studio) -> None:
        tell(*(f"{name:24} {server.url}" for name, server in studio.servers.items()))
        tell(
            f"The stand-ins run until Ctrl-C. In another terminal: cd {root}",
            "film key new me --add",
            "film run --shots SC010_SH010 --through cameras",
        )
        tell(
            "film quote SC010_SH010",
            "film approve SC010_SH010 --cap 2.00 --takes 2 --as me",
            "film run --shots SC010_SH010 --through color",
        )
        room = f"{studio.servers['discord'].url}{CONTROL}"
        tell(
            "film discord     (posts the take; here is what was posted, with the number of each message as its id)",
            f"curl -sX POST {room}/messages -d '{{}}'",
            f'curl -sX POST {room}/reply -d \'{{"user": "{REVIEWER["name"]}", "message": "ID", '
            '"text": "colder light"}\'',
            "film discord     (reads the reply and asks for the take, which the next film run makes)",
        )

    run(root, started, _until_interrupted, speed)


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        tell("the stand-ins have ended")
