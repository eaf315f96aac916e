"""Takes that people asked for are rendered, and a circled take goes down the line: the sensor watches the ledger."""

import datetime
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import dagster as dg

from film_pipeline.assets.call_sheet import SHOTS
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.slate import spans
from film_pipeline.core.stages import Stage
from film_pipeline.departments.film import Film
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.resources.film import FilmResource
from film_pipeline.stores.ledger.takes import Take

TICK_S = 5
MOST_SHOTS_A_TICK = 50
AFTER_THE_GATE = tuple(
    desk.name for desk in DEPARTMENTS.values() if desk.stage.number >= Stage.RENDER.number and not desk.whole_film
)
_OVERLAP = datetime.timedelta(seconds=60)
"""Clocks of machines that share a ledger may differ by so much."""


@dataclass
class Seen:
    """How far the sensor has read. takes: those seen within the overlap, so that none is launched twice."""

    moment: str = ""
    takes: list[str] = field(default_factory=list)
    verdict: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> "Seen":
        return cls(**json.loads(cursor)) if cursor else cls()

    def written(self) -> str:
        return json.dumps({"moment": self.moment, "takes": self.takes, "verdict": self.verdict})


def asked_for(film: Film, seen: Seen, known: Iterable[str]) -> tuple[dict[str, list[str]], Seen]:
    """Shots with something new in the ledger, with what it was (take or verdict), and how far was read.

    known: the shots that Dagster has partitions of; what is asked of others stays unread until they are registered.
    """
    partitions = set(known)
    news: dict[str, list[str]] = {}
    read = Seen(seen.moment, list(seen.takes), seen.verdict)
    for take in film.ledger.takes.opened_since(seen.moment):
        key = f"{take.shot} {take.work} {take.take}"
        if key in seen.takes:
            continue
        if take.shot not in partitions:
            return news, _pruned(read, film)
        news.setdefault(take.shot, []).append(key)
        read.takes.append(key)
        if len(news) >= MOST_SHOTS_A_TICK:
            return news, read
        read.moment = max(read.moment, _earlier(take))
    for verdict in film.ledger.verdicts.since(seen.verdict):
        if verdict.shot not in partitions:
            break
        news.setdefault(verdict.shot, []).append(f"verdict {verdict.number}")
        read.verdict = verdict.number
        if len(news) >= MOST_SHOTS_A_TICK:
            break
    return news, _pruned(read, film)


def _earlier(take: Take) -> str:
    return (datetime.datetime.fromisoformat(take.opened_at) - _OVERLAP).isoformat(timespec="microseconds")


def _pruned(read: Seen, film: Film) -> Seen:
    """Only takes that would be read again need to be remembered."""
    again = {f"{take.shot} {take.work} {take.take}" for take in film.ledger.takes.opened_since(read.moment)}
    read.takes = [key for key in read.takes if key in again]
    return read


def requests_of(news: dict[str, list[str]], order: list[str]) -> list[dg.RunRequest]:
    """As few runs as the order of the partitions allows: one for every unbroken row of shots."""
    requests = []
    for first, last in spans([shot in news for shot in order]):
        shots = order[first : last + 1]
        why = sorted(reason for shot in shots for reason in news[shot])
        requests.append(
            dg.RunRequest(
                run_key="takes " + hashlib.sha256("\n".join(why).encode()).hexdigest()[:32],
                asset_selection=[dg.AssetKey(name) for name in AFTER_THE_GATE],
                tags={
                    "dagster/asset_partition_range_start": shots[0],
                    "dagster/asset_partition_range_end": shots[-1],
                    "film/asked": ", ".join(why)[:200],
                },
            )
        )
    return requests


@dg.sensor(
    minimum_interval_seconds=TICK_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    job_name="whole_film",
)
def takes_asked_for(context: dg.SensorEvaluationContext, film: FilmResource) -> dg.SensorResult | dg.SkipReason:
    """Render takes that were asked for, and take circled ones down the line."""
    try:
        with film.open() as opened:
            if not opened.generates:
                return dg.SkipReason("frames are rendered here, free of charge: nothing waits at the gate")
            order = list(context.instance.get_dynamic_partitions(SHOTS.name))
            news, read = asked_for(opened, Seen.read(context.cursor), order)
    except FilmProblem as problem:
        return dg.SkipReason(str(problem))
    return dg.SensorResult(run_requests=requests_of(news, order), cursor=read.written())
