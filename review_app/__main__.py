"""`python -m review_app --port 3030`: the review app over the production that FILM_PRODUCTION names."""

import argparse
import os
from pathlib import Path

import uvicorn

from film_pipeline.departments.film import Film
from review_app.app import review_app
from review_app.queries import Queries


def main() -> None:
    parser = argparse.ArgumentParser(prog="review_app", description=__doc__)
    parser.add_argument("--port", type=int, default=3030, help="on this machine only")
    parser.add_argument("--production", type=Path, default=Path(os.environ.get("FILM_PRODUCTION") or Path.cwd()))
    asked = parser.parse_args()
    with Film.find(asked.production.resolve()) as film:
        made = film.made
    uvicorn.run(review_app(Queries(made)), host="127.0.0.1", port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
