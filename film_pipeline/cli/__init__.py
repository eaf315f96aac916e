"""The `film` command."""

import logging
import sys

from film_pipeline.cli import dailies, gate, making, people, post, provenance, simulation, writing
from film_pipeline.cli.telling import app

COMMANDS = (making, writing, gate, dailies, people, simulation, post, provenance)
"""The modules that the commands stand in; importing one adds its commands to `film`."""


def main() -> None:
    """Exit status 0: done. 1: the film has a problem, named. 2: wrong use."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()
