"""Where the money is, as pages show it: added up in a thread of its own, for a page has no time to add up a film."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from film_pipeline.core.jobs import JobState
from film_pipeline.core.money import dollars
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.stages import Stage
from film_pipeline.departments.film import Film
from film_pipeline.stores.ledger.approvals import Signed
from film_pipeline.stores.ledger.jobs import Job
from film_pipeline.stores.ledger.spend import Money
from film_pipeline.stores.ledger.tally import Sums
from review_app.queries.watching import STAGES, Seen

log = logging.getLogger(__name__)

WAIT_S = 0.4
"""So long a page waits for the sums; then it shows those that were known."""
_REST = 10
"""Between two looks it rests for so many times as long as a look took, for a long book is long to read."""
_FINISHED = STAGES.index(Stage.COLOR.value)
_TO_THE_CENT = Decimal("0.01")


class Reckoning:
    """Keeps the sums of a production's ledger up to date while somebody asks for them."""

    def __init__(self, film: Callable[[], Film]) -> None:
        """film: asked for anew each time, because production.yaml may have changed."""
        self._film = film
        self._thread = ThreadPoolExecutor(1, "adds up the money")
        self._lock = threading.Lock()
        self._looking: Future[None] | None = None
        self._rests_until = 0.0
        self.problem = ""

    @property
    def known(self) -> Sums:
        return self._film().ledger.tally.known

    def look(self) -> "Future[None]":
        """Have what is new added up. The future is done when it has been."""
        with self._lock:
            if self._looking is None or self._looking.done():
                if time.monotonic() < self._rests_until:
                    done: Future[None] = Future()
                    done.set_result(None)
                    return done
                self._looking = self._thread.submit(self._add_up)
            return self._looking

    def look_anew(self) -> None:
        """Somebody has just moved money by hand: the next who asks sees it."""
        with self._lock:
            self._rests_until = 0.0

    async def fresh(self, wait_s: float = WAIT_S) -> Sums:
        """The sums, after a look that is waited for no longer than `wait_s`. Raises FilmProblem for a broken book."""
        # Where it takes longer, the look goes on in its thread, and the page shows what was known before it.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self.look())), wait_s)
        if self.problem:
            raise FilmProblem(self.problem, "see the log of the review app")
        return self.known

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _add_up(self) -> None:
        began = time.monotonic()
        try:
            self._film().ledger.tally.add_up()
            self.problem = ""
        except FilmProblem as problem:
            self.problem = str(problem)
        except Exception as error:
            # The thread must go on: what went wrong is shown on the page and written to the log.
            log.exception("the money can't be added up")
            self.problem = f"the money can't be added up: {error!r}"
        ended = time.monotonic()
        with self._lock:
            self._rests_until = ended + _REST * (ended - began)


@dataclass(frozen=True)
class Row:
    """A line of a table of money. name: empty where none is known. machines_usd: of what was spent, what went to
    machines that started and waited. a_second_usd: what a finished second cost; None where none is finished."""

    name: str
    money: Money
    machines_usd: Decimal
    seconds: Fraction = Fraction(0)
    finished: bool = False

    @property
    def a_second_usd(self) -> Decimal | None:
        return a_second(self.money.settled_usd, self.seconds) if self.finished else None


def rows_by(sums: Sums, what: str, seen: Seen) -> list[Row]:
    """A table by day (the last first), or by shot or engine (the dearest first)."""
    key = "engine" if what == "engine" else "shot" if what == "shot" else "day"
    of_machines = sums.by(key, lambda heap: heap.sort == "machines")  # type: ignore[arg-type]
    nothing = Decimal(0)
    rows = [
        Row(
            name,
            money,
            of_machines[name].settled_usd if name in of_machines else nothing,
            length_of(seen, name) if key == "shot" else Fraction(0),
            key == "shot" and is_finished(seen, name),
        )
        for name, money in sums.by(key).items()  # type: ignore[arg-type]
    ]
    if key == "day":
        return rows[::-1]
    return sorted(rows, key=lambda row: (-row.money.used_usd, row.name))


def finished_seconds(seen: Seen) -> tuple[Fraction, Fraction]:
    """How many seconds of film are finished, and how many there will be, handles included."""
    order = seen.reading.order if seen.reading else ()
    done = sum((length_of(seen, shot) for shot in order if is_finished(seen, shot)), Fraction(0))
    return done, sum((length_of(seen, shot) for shot in order), Fraction(0))


def is_finished(seen: Seen, shot: str) -> bool:
    """Whether the shot's finished pictures stand as it is written now."""
    return seen.of(shot)[_FINISHED].state == "current"


def length_of(seen: Seen, shot: str) -> Fraction:
    """Seconds; nothing for a shot that the film has no more."""
    found = seen.reading.shot(shot) if seen.reading else None
    if seen.reading is None or found is None:
        return Fraction(0)
    return Fraction(found.length * seen.reading.rate.denominator, seen.reading.rate.numerator)


def a_second(amount: Decimal, seconds: Fraction) -> Decimal | None:
    """What a second cost, to the cent; None where there are no seconds."""
    if not seconds:
        return None
    return (amount * seconds.denominator / seconds.numerator).quantize(_TO_THE_CENT, ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Cap:
    """An approval with what is reserved and spent on it. left_usd: of its cap; less than nothing where providers
    charged more. void: why it lets nothing through."""

    signed: Signed
    shot: str
    signer: str
    cap_usd: Decimal
    reserved_usd: Decimal
    settled_usd: Decimal
    takes_left: int
    takes: int
    expires_at: str

    @property
    def left_usd(self) -> Decimal:
        return self.cap_usd - self.reserved_usd - self.settled_usd

    @property
    def void(self) -> tuple[str, ...]:
        return self.signed.reasons


def caps(film: Film, sums: Sums, first: int, many: int) -> tuple[list[Cap], int]:
    """Approvals, the newest first, from the `first` on and so many; and how many there are in all.

    The signature of each that is shown is looked at anew.
    """
    ledger = film.ledger
    signed, count = ledger.approvals.listed(first, many)
    found = []
    for one in signed:
        balance = sums.balances.of(one.id)
        approval = one.approval
        found.append(
            Cap(
                signed=one,
                shot=approval.shot if approval else "",
                signer=approval.signer if approval else "",
                cap_usd=approval.cap_usd if approval else Decimal(0),
                reserved_usd=dollars(balance.reserved),
                settled_usd=dollars(balance.settled),
                takes_left=ledger.spend.left(one.id).takes if one.good else 0,
                takes=approval.takes if approval else 0,
                expires_at=approval.expires_at if approval else "",
            )
        )
    return found, count


def in_doubt(film: Film, most: int) -> tuple[list[Job], int]:
    """The jobs that wait for a person's word, those that hold the most first, and how many there are in all."""
    jobs = film.ledger.jobs.of(states=(JobState.UNCERTAIN,))
    return sorted(jobs, key=lambda job: (-job.held_usd, job.moved_at))[:most], len(jobs)
