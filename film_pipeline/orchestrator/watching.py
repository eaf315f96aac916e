"""Watching what is in hand: how far it is, and how it ended."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

import httpx

from film_pipeline.core.generating import News, Progress
from film_pipeline.core.jobs import ENDED, IllegalMove, JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.desk import Desk
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.homecoming import Homecoming, charge_of
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.sending import Spawn
from film_pipeline.stores.database import StoreRefused

log = logging.getLogger(__name__)


class Watching:
    """Listens to backends."""

    def __init__(
        self,
        sheet: CallSheet,
        scribe: Scribe,
        ending: Ending,
        homecoming: Homecoming,
        spawn: Spawn,
        patience: Patience,
    ) -> None:
        self._sheet, self._scribe, self._ending, self._homecoming = sheet, scribe, ending, homecoming
        self._spawn, self._patience = spawn, patience

    async def watch(self, desk: Desk) -> None:
        """Follow everything that a backend has in hand, for as long as the run goes on."""
        while True:
            await desk.arrived.wait()
            try:
                told = await desk.backend.news(desk.ids, self._patience.news_s)
            except StoreRefused:
                raise
            except (FilmProblem, httpx.HTTPError) as error:
                log.warning("%s does not answer: %s", desk.name, error)
                desk.breaker.failed()
                await asyncio.sleep(min(self._patience.news_s, 1.0))
                continue
            for news in told:
                one = desk.jobs.get(news.provider_id)
                if one is not None:
                    desk.heard()
                    self._hear(one, news)

    def _hear(self, one: InHand, news: News) -> None:
        self._sheet.progress(one, news.progress)
        one.worker = news.worker or one.worker
        if news.state is Progress.WAITING:
            return
        if news.state is Progress.RUNNING:
            if not one.running:
                one.running = True
                # It is asked for at once, so that it stands before whatever comes of the job.
                self._spawn(_entered(self._scribe.move(Move(one.job, JobState.RUNNING, worker=one.worker))))
            return
        one.desk.settled(one)
        self._sheet.changed.set()
        self._spawn(self._over(one, news))

    async def _over(self, one: InHand, news: News) -> None:
        if news.state is Progress.DONE:
            await self._homecoming.bring(one, news)
            return
        one.desk.breaker.failed()
        said = news.error or f"{one.desk.name} says {news.state.value}"
        match news.state:
            case Progress.FAILED:
                await self._ending.failed(one, said, again=news.retryable, charge=charge_of(news))
            case Progress.CANCELLED:
                await self._ending.cancelled(one, said, charge_of(news))
            # What the provider has no more may lie on our own disk, fetched just before a crash.
            case Progress.GONE if not await self._homecoming.bring_from_disk(one):
                await self._ending.lost(one, said)
            case Progress.UNKNOWN if not await self._homecoming.bring_from_disk(one):
                await self._ending.uncertain(one, said)


async def _entered(move: Awaitable[None]) -> None:
    """That it runs is no news of a job that somebody else has ended."""
    with suppress(IllegalMove):
        try:
            await move
        except IllegalMove as moved:
            if moved.before not in ENDED:
                raise
