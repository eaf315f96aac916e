"""Jobs of which nobody knows whether they were submitted: their provider is asked, now and once more in time."""

import asyncio
import logging
import time
from dataclasses import dataclass

import httpx

from film_pipeline.core.generating import SubmitUncertain
from film_pipeline.core.jobs import Found, IllegalMove, NeverSubmitted
from film_pipeline.core.problems import FilmProblem
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.ending import Ending
from film_pipeline.orchestrator.patience import Patience
from film_pipeline.orchestrator.scribe import Scribe
from film_pipeline.stores.ledger import Ledger

log = logging.getLogger(__name__)

_AWAY = (FilmProblem, OSError, httpx.HTTPError)


@dataclass
class Doubt:
    """A job in doubt. since: when this run came to doubt it (time.monotonic)."""

    one: InHand
    why: str
    since: float


class Doubts:
    """What the run is in doubt about. All of it is uncertain in the ledger, so a crash loses nothing of it.

    An order that its provider has is taken up at once. One that it has not is free again only after it had the time to
    arrive: a killed process leaves requests behind that are still on their way. Where the provider can't tell, a person
    decides.
    """

    def __init__(self, ledger: Ledger, sheet: CallSheet, scribe: Scribe, ending: Ending, patience: Patience) -> None:
        self._ledger, self._sheet, self._scribe, self._ending = ledger, sheet, scribe, ending
        self._patience = patience
        self._open: dict[str, Doubt] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, one: InHand, why: str) -> None:
        """Doubt a job that is uncertain in the ledger. It keeps its place until it is cleared up."""
        self._open[one.job] = Doubt(one, why, time.monotonic())
        self._sheet.take(one)

    async def ask(self, backend: str) -> None:
        """Ask one backend after every one of its orders, for as long as the run goes on.

        No backend waits for another that is slow to answer: what it has may be gone by then.
        """
        while True:
            for doubt in [doubt for doubt in self._open.values() if doubt.one.desk.name == backend]:
                if self._is_open(doubt):
                    await self._ask_about(doubt)
            await asyncio.sleep(min(self._patience.look_s, self._patience.in_flight_s) / 2)

    async def _ask_about(self, doubt: Doubt) -> None:
        one = doubt.one
        asked_at = time.monotonic()
        try:
            provider_id = await one.desk.backend.find(one.ticket)
        except SubmitUncertain as error:
            if not error.ask_again and self._is_open(doubt):
                self._leave_to_a_person(doubt, str(error))
            return
        except _AWAY as error:
            log.info("job %s stays in doubt: %s", one.job, error)
            return
        if not self._is_open(doubt):
            # It was given up while the provider thought it over: a person is told already, and the next run asks again.
            return
        if provider_id is not None:
            await self._found(doubt, provider_id)
        elif asked_at - doubt.since >= self._patience.in_flight_s:
            await self._never_sent(doubt)

    def _is_open(self, doubt: Doubt) -> bool:
        return self._open.get(doubt.one.job) is doubt

    async def _found(self, doubt: Doubt, provider_id: str) -> None:
        one = doubt.one
        if await self._resolved(doubt, Found(provider_id)):
            one.provider_id, one.worker = provider_id, one.desk.machine_of(provider_id)
            one.desk.follow(one)
        else:
            one.desk.backend.forget(provider_id)

    async def _never_sent(self, doubt: Doubt) -> None:
        if await self._resolved(doubt, NeverSubmitted()):
            self._ending.forget(doubt.one)
            self._sheet.again(doubt.one.frame, f"{doubt.one.desk.name}: it was never submitted", counted=False)

    async def _resolved(self, doubt: Doubt, outcome: Found | NeverSubmitted) -> bool:
        """Whether it is as the provider says. A person may have said something else meanwhile: that stands."""
        job = doubt.one.job
        del self._open[job]
        try:
            await self._scribe.do(self._ledger.resolve, job, outcome, doubt.one.desk.name)
        except IllegalMove as moved:
            self._sheet.problem(doubt.one.frame.wanted.key, f"job {job} is {moved.before.value} by a person's word")
            self._sheet.let_go(job)
            return False
        return True

    def give_up(self) -> None:
        """Leave to a person what no provider has cleared up, although it had the time."""
        longest_s = self._patience.in_flight_s + self._patience.away_s
        for doubt in list(self._open.values()):
            if time.monotonic() - doubt.since > longest_s:
                self._leave_to_a_person(doubt, doubt.why)

    def _leave_to_a_person(self, doubt: Doubt, why: str) -> None:
        del self._open[doubt.one.job]
        self._sheet.uncertain(doubt.one.frame.wanted.key, doubt.one.job, why)
        self._sheet.let_go(doubt.one.job)
