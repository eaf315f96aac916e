"""How jobs end: in the ledger first, then on the call sheet, then on our disk."""

import logging

from film_pipeline.core.jobs import ENDED, Charge, IllegalMove, JobState, Move
from film_pipeline.orchestrator.callsheet import CallSheet, InHand
from film_pipeline.orchestrator.orders import Orders
from film_pipeline.orchestrator.scribe import Scribe

log = logging.getLogger(__name__)


class Ending:
    """Ends jobs. What a person or another machine ended meanwhile stays as they ended it."""

    def __init__(self, sheet: CallSheet, scribe: Scribe, orders: Orders) -> None:
        self._sheet, self._scribe, self._orders = sheet, scribe, orders

    async def failed(
        self, one: InHand, said: str, again: bool, charge: Charge | None = None, counted: bool = True
    ) -> None:
        """It came to nothing. again: whether it makes sense to order the frame once more."""
        await self.end(one, JobState.FAILED, said, charge)
        self._once_more(one, said, again, counted)

    async def lost(self, one: InHand, said: str) -> None:
        """The provider surely has it no more."""
        await self.end(one, JobState.LOST, said)
        self._once_more(one, said, again=True)

    async def cancelled(self, one: InHand, said: str, charge: Charge | None) -> None:
        """Somebody cancelled it at its provider, so it is not ordered again."""
        await self.end(one, JobState.CANCELLED, said, charge)
        self._once_more(one, said, again=False)

    async def uncertain(self, one: InHand, said: str) -> None:
        """Nobody can tell whether it was paid for: a person decides."""
        await self.end(one, JobState.UNCERTAIN, said)
        self._sheet.uncertain(one.frame.wanted.key, one.job, said)

    async def home(self, one: InHand) -> None:
        """Its frame is on the board."""
        await self.end(one, JobState.INDEXED, "")
        self._sheet.made(one.frame.wanted)

    def _once_more(self, one: InHand, said: str, again: bool, counted: bool = True) -> None:
        said = f"{one.desk.name}: {said}"
        if again:
            self._sheet.again(one.frame, said, counted)
        else:
            self._sheet.refused(one.frame, said)

    async def end(self, one: InHand, state: JobState, said: str, charge: Charge | None = None) -> None:
        """Enter it. The machine is named too: what its frame is charged is no part of its overhead."""
        try:
            await self._scribe.move(Move(one.job, state, worker=one.worker, error=said, charge=charge))
        except IllegalMove as moved:
            if moved.before not in ENDED:
                raise
            log.warning("job %s was ended by somebody else: it is %s", one.job, moved.before.value)
        if state is JobState.UNCERTAIN:
            self._sheet.let_go(one.job)
        else:
            self.forget(one)

    def forget(self, one: InHand) -> None:
        """It has ended in the ledger: what was kept of it goes."""
        self._orders.done(one.job)
        if one.provider_id:
            one.desk.backend.forget(one.provider_id)
        self._sheet.let_go(one.job)
