"""`python -m review_app --port 3030`: the review app over the production that FILM_PRODUCTION names."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from review_app.app import review_app
from review_app.pages.desk import HERE
from review_app.queries import Queries
from review_app.safety import hosts_for, warning_for


def main() -> None:
    parser = argparse.ArgumentParser(prog="review_app", description=__doc__)
    parser.add_argument("--port", type=int, default=3030)
    parser.add_argument("--host", default="127.0.0.1", help="this machine only, unless given")
    parser.add_argument("--name", action="append", default=[], help="a further name that the app answers under")
    parser.add_argument("--production", type=Path, default=Path(os.environ.get("FILM_PRODUCTION") or Path.cwd()))
    asked = parser.parse_args()
    if not (HERE / "static" / "app.js").is_file():
        sys.exit("the review app's browser part was not built: python review_app/web/bundle.py, or make setup")
    try:
        with Film.find(asked.production.resolve()) as film:
            root = film.root
    except FilmProblem as problem:
        sys.exit(str(problem))
    # A thread that reads a long film hands over to one that answers within a millisecond, not five.
    sys.setswitchinterval(0.001)
    if warning := warning_for(asked.host):
        print(warning, file=sys.stderr, flush=True)
    uvicorn.run(
        review_app(Queries(root), hosts=hosts_for(asked.host, asked.name)),
        host=asked.host,
        port=asked.port,
        log_level="warning",
        server_header=False,
        # Pages that listen for news would keep the server from ending.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
