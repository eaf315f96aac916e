"""Takes are reviewed on Discord: what is new is posted, and what people say of it goes into the ledger."""

import os
from collections.abc import Mapping

import dagster as dg

from film_pipeline.core.problems import FilmProblem
from film_pipeline.discord.rounds import TOKEN, Account, Pace, Round, one_round
from film_pipeline.resources.film import FilmResource

TICK_S = 15
_USUAL = Pace()


def review(film: FilmResource, environment: Mapping[str, str], pace: Pace = _USUAL) -> Round:
    """One round, as the environment says. Raises FilmProblem."""
    account = Account.from_environment(environment, film.review_url)
    with film.open() as opened:
        return one_round(opened, account, pace)


def status_in(environment: Mapping[str, str]) -> dg.DefaultSensorStatus:
    """Whether the sensor runs by itself: where there is a bot."""
    return dg.DefaultSensorStatus.RUNNING if environment.get(TOKEN) else dg.DefaultSensorStatus.STOPPED


@dg.sensor(minimum_interval_seconds=TICK_S, default_status=status_in(os.environ), target=None)
def discord_review(context: dg.SensorEvaluationContext, film: FilmResource) -> dg.SkipReason:
    """Post new takes and heroes to Discord, and read reactions and replies. Takes are rendered by another sensor."""
    try:
        done = review(film, os.environ)
    except FilmProblem as problem:
        return dg.SkipReason(str(problem))
    for said in done.problems:
        context.log.warning(said)
    return dg.SkipReason(done.said())
