"""The takes of a shot as pages show them: how far each is, what it cost, and what people said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from film_pipeline.core.jobs import LIVE, JobState
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import valid_takes
from film_pipeline.gatekeeping import scene_at_gate
from film_pipeline.stores.ledger.jobs import Job
from film_pipeline.stores.ledger.takes import Take
from film_pipeline.stores.ledger.verdicts import TakeVerdict, standing
from film_pipeline.stores.screening import Screening
from review_app.queries.gate import line_of

_AT_WORK = LIVE - {JobState.UNCERTAIN}


@dataclass(frozen=True)
class TakeRow:
    """A take. frames: how many there will be; 0 where that is not known. home: how many are.

    shown: the film shows this one. old: it was signed for the shot as it was before. waits: why nothing comes.
    """

    take: int
    word: str
    said_by: str
    said_at: str
    note: str
    direction: str
    asked_by: str
    asked_at: str
    backends: tuple[str, ...]
    frames: int
    home: int
    complete: bool
    shown: bool
    old: bool
    cost_usd: Decimal | None
    at_work: int
    uncertain: int
    waits: str
    words: tuple[TakeVerdict, ...] = ()

    @property
    def key(self) -> str:
        """The name of its strip in the viewer."""
        return f"render.{self.take}"

    @property
    def state(self) -> str:
        """Where it stands in a few words."""
        if self.complete:
            return "home"
        if self.uncertain:
            return f"{self.uncertain} uncertain"
        count = f"{self.home} of {self.frames} frames" if self.frames else f"{self.home} frames"
        return count if self.home or self.at_work else "asked for"


def take_rows(film: Film, screening: Screening, shot: str, shown: int) -> list[TakeRow]:
    """Every take of a shot, the newest first. shown: the take that the film shows now; 0 where there is none."""
    ledger = film.ledger
    asked = {take.take: take for take in ledger.takes.of(shot)}
    turned = {turnover.version: turnover for turnover in film.frames.versions("render", shot)}
    words = ledger.verdicts.of(shot)
    said = standing(words)
    jobs: dict[int, list[Job]] = {}
    for job in ledger.jobs.of(shot):
        if job.ticket.work == "take":
            jobs.setdefault(job.ticket.take, []).append(job)
    now = _as_it_is(film, shot) if asked else None
    rows = []
    for number in sorted({*asked, *turned}, reverse=True):
        take, turnover = asked.get(number), turned.get(number)
        home = len(turnover.of("render")) if turnover else len(screening.frames_of(shot, "render", number, "render"))
        word = said.get(number)
        rows.append(
            TakeRow(
                take=number,
                word="" if word is None else "circled" if word.word == "circle" else "rejected",
                said_by="" if word is None else word.by,
                said_at="" if word is None else word.at,
                note="" if word is None else word.note,
                direction=take.direction if take else "",
                asked_by=take.asked_by if take else "",
                asked_at=take.opened_at if take else "",
                backends=take.backends if take else (),
                frames=home if turnover else now[1] if now else 0,
                home=home,
                complete=turnover is not None,
                shown=number == shown,
                old=take is not None and now is not None and number not in now[0],
                **_work(jobs.get(number, ()), take, turnover is not None),
                words=tuple(verdict for verdict in words if verdict.take == number),
            )
        )
    return rows


def _as_it_is(film: Film, shot: str) -> tuple[set[int], int] | None:
    """The takes that were signed for the shot as it is now, and how many frames one has; None where nobody can tell."""
    try:
        scene = scene_at_gate(film, shot, line_of(film, shot))
        return {take.take for take in valid_takes(film, shot, scene.covered())}, len(scene.frames)
    except FilmProblem:
        # The gate's own section says what keeps the shot from it.
        return None


def _work(jobs: Sequence[Job], take: Take | None, complete: bool) -> Mapping[str, object]:
    charged = [job.charged_usd for job in jobs if job.charged_usd is not None]
    at_work = sum(job.state in _AT_WORK for job in jobs)
    uncertain = sum(job.state is JobState.UNCERTAIN for job in jobs)
    failed = [job.error for job in jobs if job.state in (JobState.FAILED, JobState.LOST) and job.error]
    waits = ""
    if take is not None and not complete and not at_work and not uncertain:
        waits = failed[-1] if failed else "no run works on it yet"
    return {
        "cost_usd": sum(charged, Decimal(0)) if charged else None,
        "at_work": at_work,
        "uncertain": uncertain,
        "waits": waits,
    }
