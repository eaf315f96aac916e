"""`python -m film_pipeline.cli`: the `film` command where no script is installed."""

from film_pipeline.cli import main

main()
