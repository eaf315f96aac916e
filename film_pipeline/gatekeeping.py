"""The gate as people use it: what a shot would cost, signing for it, asking for takes, and saying which one it is.

All of it is asked of a shot's takes, or of its hero (`work="hero"`).
"""

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from film_pipeline.core.gate import Approval, Cleared, Covered, GateLocked, Locked, OverBudget, Verdict, Work, as_json
from film_pipeline.core.generating import GeneratingBackend
from film_pipeline.core.generation import Quote
from film_pipeline.core.money import written
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.casting import hero_of
from film_pipeline.departments.department import Upstream
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import Scene, signing_for, valid_takes
from film_pipeline.departments.line import Current, Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.signing import VALID_FOR, Terms, approve
from film_pipeline.stores.ledger.takes import Take, TakeWish
from film_pipeline.stores.ledger.verdicts import TakeVerdict, Via, Word

_ASK_S = 15.0


@dataclass(frozen=True)
class BackendQuote:
    """What a backend would take for it, with which model, and whether it is there now."""

    quote: Quote
    model: str
    commercial: bool
    ready: bool
    why: str

    def as_json(self) -> dict[str, Any]:
        return {
            "backend": self.quote.backend,
            "cost_usd": None if self.quote.cost_usd is None else str(self.quote.cost_usd),
            "said": self.quote.said,
            "model": self.model,
            "commercial": self.commercial,
            "ready": self.ready,
            "why": self.why or None,
        }


@dataclass(frozen=True)
class ShotQuote:
    """A shot at the gate: what it would cost, what a signature would cover, and whether it is open."""

    shot: str
    work: Work
    takes: int
    frames: int
    covered: Covered
    backends: tuple[BackendQuote, ...]
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        return {
            **as_json(self.verdict),
            "shot": self.shot,
            "work": self.work,
            "takes": self.takes,
            "frames_a_take": self.frames,
            "backends": [backend.as_json() for backend in self.backends],
            "covers": self.covered.model_dump(mode="json"),
        }


def scene_at_gate(film: Film, shot: str, line: Line | None = None, work: Work = "take") -> Scene:
    """The shot, or its hero, as it stands before the gate. Raises FilmProblem where it is not composed yet."""
    if not film.generates:
        raise FilmProblem(
            f"{film.production.backends[0]} is free: there is no gate",
            "describe a backend under `generation:` in production.yaml, and name it in `backends:`",
            shot=shot,
        )
    film.shot(shot)
    hero = hero_of(film, shot) if work == "hero" else None
    # Of one shot: the states of a whole film take seconds to work out.
    line = line or Line(film, DEPARTMENTS, latest=film.frames.latest_of([shot]))
    found = {}
    for need in ("cameras", "set_characters", "look"):
        state = line.state(need, shot)
        if not isinstance(state, Current):
            why = getattr(state, "why", "") or str(getattr(state, "problem", ""))
            raise FilmProblem(
                f"the shot is not ready for the gate: {need}: {why}",
                f"film run --shots {shot} --through cameras",
                shot=shot,
            )
        found[need, shot] = state.turnover
    scene = Scene.of(film, shot, Upstream(found), hero)
    if not scene.backends:
        raise FilmProblem(
            f"no backend is for a {scene.purpose}",
            f"add it to the `purposes:` of {' or '.join(film.generating)}",
            shot=shot,
        )
    return scene


def quote(film: Film, shot: str, takes: int = 1, work: Work = "take") -> ShotQuote:
    """What so many takes would cost, asked of every backend that the production names for them."""
    scene = scene_at_gate(film, shot, work=work)
    asked = asyncio.run(ask_backends(scene.backends))
    return quoted(scene, takes, asked)


def quoted(scene: Scene, takes: int, asked: Mapping[str, tuple[bool, str]]) -> ShotQuote:
    """What so many takes would cost. asked: whether each backend takes orders now, and why not."""
    covered, frames = scene.covered(), len(scene.frames)
    backends = tuple(
        BackendQuote(
            backend.quote(frames * takes, scene.size, scene.purpose),
            backend.model(scene.purpose).said,
            backend.model(scene.purpose).commercial,
            *asked[name],
        )
        for name, backend in scene.backends.items()
    )
    verdict = scene.film.ledger.verdict(scene.shot, scene.kind, covered, list(scene.backends))
    return ShotQuote(scene.shot, scene.kind, takes, frames, covered, backends, verdict)


async def ask_backends(backends: Mapping[str, GeneratingBackend]) -> dict[str, tuple[bool, str]]:
    """Whether each backend takes orders now; prices are learnt by asking."""

    async def one(backend: GeneratingBackend) -> tuple[bool, str]:
        try:
            async with asyncio.timeout(_ASK_S):
                health = await backend.health()
            return health.ready, health.why
        except TimeoutError:
            return False, f"it did not answer within {_ASK_S:.0f} s"
        finally:
            await backend.close()

    told = await asyncio.gather(*(one(backend) for backend in backends.values()))
    return dict(zip(backends, told, strict=True))


@dataclass(frozen=True)
class Signing:
    """What somebody signs: so many takes up to a cap, on these backends, or on all that the production names."""

    shot: str
    takes: int
    cap_usd: Decimal
    signer: str
    key: Path
    passphrase: str
    backends: Sequence[str] = ()
    frame_cap_usd: Decimal | None = None
    valid_for: datetime.timedelta = VALID_FOR
    note: str = ""
    via: Via = "cli"
    work: Work = "take"


def sign(film: Film, signing: Signing) -> tuple[Approval, Take]:
    """Sign for a shot as it is now, and ask for its first take. Raises FilmProblem where it can't be signed."""
    scene = scene_at_gate(film, signing.shot, work=signing.work)
    names = tuple(signing.backends) or tuple(scene.backends)
    for name in names:
        if name not in scene.backends:
            raise FilmProblem(
                f"there is no backend {name!r} for a {scene.purpose}",
                f"choose among {', '.join(scene.backends)}",
                shot=signing.shot,
            )
    terms = Terms(
        shot=signing.shot,
        covered=scene.covered(),
        backends=names,
        takes=signing.takes,
        cap_usd=signing.cap_usd,
        work=signing.work,
        frame_cap_usd=signing.frame_cap_usd,
        valid_for=signing.valid_for,
        note=signing.note,
    )
    approval = approve(film.ledger, terms, signing.signer, signing.key, signing.passphrase)
    return approval, first_take(film, approval, scene.covered(), signing.via)


def first_take(film: Film, approval: Approval, covered: Covered, via: Via) -> Take:
    """The take that an approval asks for by itself; asked again, it is the same one."""
    wish = TakeWish(
        shot=approval.shot,
        covered=covered,
        backends=approval.backends,
        asked_by=approval.signer,
        via=via,
        work=approval.work,
        asked_as=f"approval {approval.id}",
        above=_highest_version(film, approval.shot, approval.work),
    )
    return opened(film, wish)


def another_take(
    film: Film,
    shot: str,
    by: str,
    via: Via,
    direction: str = "",
    asked_as: str = "",
    work: Work = "take",
    line: Line | None = None,
) -> Take:
    """One more take inside what was signed. Raises GateLocked beyond it. line: one that was worked out before."""
    scene = scene_at_gate(film, shot, line, work)
    wish = TakeWish(
        shot=shot,
        covered=scene.covered(),
        backends=tuple(scene.backends),
        asked_by=by,
        via=via,
        work=work,
        direction=direction,
        asked_as=asked_as,
        above=_highest_version(film, shot, work),
    )
    return opened(film, wish)


def opened(film: Film, wish: TakeWish) -> Take:
    take = film.ledger.open_take(wish)
    if isinstance(take, Locked | OverBudget):
        raise GateLocked(str(take), signing_for(wish.shot, wish.work), shot=wish.shot)
    return take


def _versions(film: Film, shot: str, work: Work) -> set[int]:
    """The free renderer numbers its versions too, and no number is ever given twice."""
    return {turnover.version for turnover in film.frames.versions("heroes" if work == "hero" else "render", shot)}


def _highest_version(film: Film, shot: str, work: Work) -> int:
    return max(_versions(film, shot, work), default=0)


def say_of_take(
    film: Film,
    shot: str,
    take: int,
    word: Word,
    by: str,
    via: Via,
    note: str = "",
    said_as: str = "",
    work: Work = "take",
) -> int:
    """Circle or reject a take. Raises FilmProblem for a take that the shot does not have."""
    known = {one.take for one in film.ledger.takes.of(shot, work)} | _versions(film, shot, work)
    if take not in known:
        takes = ", ".join(map(str, sorted(known))) or "none yet"
        what = f"the hero of {shot}" if work == "hero" else shot
        raise FilmProblem(f"{what} has no take {take}", f"its takes are {takes}", shot=shot)
    return film.ledger.verdicts.give(TakeVerdict(shot, work, take, word, by, via, note, said_as))


def gate_rows(film: Film) -> list[dict[str, Any]]:
    """Every shot at the gate: open, locked (and why), its takes, and what is left of what was signed."""
    line = Line(film, DEPARTMENTS)
    rows = []
    for shot in film.shots:
        try:
            scene = scene_at_gate(film, shot, line)
        except FilmProblem as problem:
            rows.append({"shot": shot, "gate": "not ready", "reasons": [problem.problem], "takes": []})
            continue
        covered = scene.covered()
        verdict = film.ledger.verdict(shot, "take", covered, list(scene.backends))
        takes = [take.take for take in valid_takes(film, shot, covered)]
        rows.append({"shot": shot, "takes": takes, **as_json(verdict)})
    return rows


def said_of(verdict: Verdict) -> str:
    """The verdict in a line."""
    if isinstance(verdict, Cleared):
        return f"the gate is open: {verdict.takes_left} takes and {written(verdict.cap_left_usd)} are left"
    return str(verdict)
