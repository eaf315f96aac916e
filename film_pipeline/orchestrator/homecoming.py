"""Bringing frames home: fetched, looked at, filed, and only then said to be made."""

import asyncio
import logging
import time
from dataclasses import replace
from pathlib import Path

from film_pipeline.core.generating import Fetched, FetchFailed, News
from film_pipeline.core.jobs import Charge, JobState, Move
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.indexer import Refused, Rgb, look_at
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.orchestrator.wanted import Index, Landed
from film_pipeline.stores.database import StoreRefused
from film_pipeline.stores.ledger.jobs import Job

log = logging.getLogger(__name__)

_FETCHED_AT_ONCE = 8
_LOOKED_AT = 3
"""How often a picture that can't be used is fetched, should it have been damaged on its way."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0


class Homecoming:
    """incoming: where pictures lie between their provider and the store, in a folder a job."""

    def __init__(
        self,
        sheet: CallSheet,
        scribe: Scribe,
        ending: Ending,
        index: Index,
        incoming: Path,
        patience: Patience,
    ) -> None:
        self._sheet, self._scribe, self._ending, self._index = sheet, scribe, ending, index
        self._incoming, self._patience = incoming, patience
        self._few = asyncio.Semaphore(_FETCHED_AT_ONCE)

    async def bring(self, one: InHand, news: News | None, known: Job | None = None) -> None:
        """Bring home what its provider says is done. known: the job as the ledger knows it, if it was fetched before.

        Where the picture can't be had now, the job stays as it is: the next run brings it home.
        """
        try:
            fetched, picture = await self._fetched(one)
        except FetchFailed as error:
            why = f"{one.desk.name}: it is made, and can't be fetched now: {error}"
            self._sheet.problem(one.frame.wanted.key, f"{why}; film run fetches it")
            self._sheet.let_go(one.job)
            return
        if isinstance(picture, Refused):
            await self._unusable(one, picture.why, fetched, news, known)
            return
        assert fetched is not None
        if news is not None:
            fetched = replace(fetched, seconds=fetched.seconds or news.seconds)
        await self._file(one, fetched, picture, _charge_of(fetched, news), known)

    async def bring_from_disk(self, one: InHand, known: Job | None = None) -> bool:
        """Bring home what lies on our own disk, whole. Whether there is such a picture.

        Downloads get their names only once they are whole, so what is there was done.
        """
        path = await asyncio.to_thread(self._on_disk, one.job)
        if path is None:
            return False
        picture = await asyncio.to_thread(look_at, path, one.frame.wanted.work)
        if isinstance(picture, Refused):
            log.info("the picture of job %s on our disk is not used: %s", one.job, picture.why)
            return False
        detail = {"software": one.desk.backend.software()}
        fetched = Fetched(path, known.seconds if known else None, None, detail=detail)
        charge = None
        if known is not None and known.charged_usd is not None:
            charge = Charge(known.charged_usd, known.estimated)
        await self._file(one, fetched, picture, charge, known)
        return True

    def _on_disk(self, job: str) -> Path | None:
        folder = self._incoming / job
        found = [path for path in folder.glob("*") if not path.name.startswith(".")] if folder.is_dir() else []
        return found[0] if found else None

    async def _fetched(self, one: InHand) -> tuple[Fetched | None, Rgb | Refused]:
        """The picture, looked at; or why there is none that can be used. Raises FetchFailed where it takes too long."""
        folder = self._incoming / one.job
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        tried_until = time.monotonic() + self._patience.fetch_s
        looked_at, failed = 0, 0
        while True:
            try:
                async with self._few:
                    fetched = await one.desk.backend.fetch(one.provider_id, folder)
                seen = await asyncio.to_thread(look_at, fetched.path, one.frame.wanted.work)
            except FetchFailed:
                failed += 1
                pause_s = min(_FIRST_PAUSE_S * 2**failed, _LONGEST_PAUSE_S) * self._patience.rest
                if time.monotonic() + pause_s > tried_until:
                    raise
                await asyncio.sleep(pause_s)
            except StoreRefused:
                raise
            except FilmProblem as error:
                return None, Refused(str(error))
            else:
                looked_at += 1
                if not isinstance(seen, Refused) or looked_at == _LOOKED_AT:
                    return fetched, seen

    async def _file(
        self, one: InHand, fetched: Fetched, picture: Rgb, charge: Charge | None, known: Job | None
    ) -> None:
        if known is None or known.state is not JobState.FETCHED:
            moved = Move(one.job, JobState.FETCHED, worker=one.worker, seconds=fetched.seconds, charge=charge)
            await self._scribe.move(moved)
        landed = Landed(one.frame.wanted.work, one.ticket, one.desk.backend, fetched.path, picture, fetched, charge)
        try:
            await asyncio.to_thread(self._index, landed)
        except FilmProblem as problem:
            if isinstance(problem, StoreRefused) or isinstance(problem.__cause__, OSError):
                raise
            # This frame alone: it stays fetched, and the next run files it.
            self._sheet.problem(one.frame.wanted.key, str(problem))
            self._sheet.let_go(one.job)
            return
        if fetched.seconds is not None:
            one.desk.measured(fetched.seconds, one.frame.wanted.work)
        one.desk.breaker.worked()
        await self._ending.home(one)
        await asyncio.to_thread(self.clear, one.job)

    async def _unusable(
        self, one: InHand, why: str, fetched: Fetched | None, news: News | None, known: Job | None
    ) -> None:
        """The provider says it is done, and there is nothing that can be used."""
        one.desk.breaker.failed()
        charge = _charge_of(fetched, news)
        fetched_before = known is not None and known.state is JobState.FETCHED
        if fetched is None and one.desk.backend.paid and charge is None and not fetched_before:
            await self._ending.uncertain(one, f"it was made and can't be fetched: {why}")
            return
        await one.desk.backend.discard(one.provider_id)
        await self._ending.failed(one, why, again=True, charge=charge)
        await asyncio.to_thread(self.clear, one.job)

    def clear(self, job: str) -> None:
        """Remove what came in of a job that has ended."""
        folder = self._incoming / job
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
            folder.rmdir()

    def jobs_on_disk(self) -> list[str]:
        """Jobs of which something lies here."""
        return [path.name for path in self._incoming.glob("*-*-*-*-*")] if self._incoming.is_dir() else []


def _charge_of(fetched: Fetched | None, news: News | None) -> Charge | None:
    """The provider's word where it gives one with the picture, else with its news."""
    if fetched is not None and fetched.charged_usd is not None:
        return Charge(fetched.charged_usd, fetched.estimated)
    return charge_of(news)


def charge_of(news: News | None) -> Charge | None:
    return None if news is None or news.charged_usd is None else Charge(news.charged_usd, news.estimated)
