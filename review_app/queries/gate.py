"""The gate of a shot as pages show it: open or locked and exactly why, what a signature covers, and every take."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from film_pipeline.core.gate import Cleared, Covered, Locked, OverBudget
from film_pipeline.core.generation import Quote
from film_pipeline.core.money import written
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_json
from film_pipeline.core.record import Turnover
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import Scene
from film_pipeline.departments.line import Line
from film_pipeline.departments.pictures_of import rendered_size
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.gatekeeping import scene_at_gate
from film_pipeline.stores.ledger.approvals import Signed
from review_app.queries.quotes import Presence, Presences

_FRAMES_NAMED = 8


@dataclass(frozen=True)
class Offer:
    """What a backend would take for so many takes, with which model, and whether it is there."""

    quote: Quote
    model: str
    commercial: bool
    presence: Presence

    @property
    def backend(self) -> str:
        return self.quote.backend


@dataclass(frozen=True)
class SignedBy:
    """An approval of the shot. left: of its cap. changed: what is different now from what it covers, part by part."""

    id: str
    signer: str
    signed_at: str
    expires_at: str
    backends: tuple[str, ...]
    takes: int
    takes_left: int
    cap_usd: Decimal
    left_usd: Decimal
    note: str
    void: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def opens(self) -> bool:
        return not self.void and not self.changed


@dataclass(frozen=True)
class Standing:
    """How the gate of a shot stands.

    state: free (frames are rendered here, without a gate), not ready (not composed yet), locked, over budget or open.
    compare: the plate's version that was signed and the one now, and the first frame that differs, where that is so.
    """

    state: str
    reasons: tuple[str, ...] = ()
    mend: str = ""
    covered: Covered | None = None
    frames: int = 0
    takes_left: int = 0
    left_usd: Decimal = Decimal(0)
    backends: tuple[str, ...] = ()
    signed: tuple[SignedBy, ...] = ()
    compare: tuple[int, int, int] | None = None

    @property
    def says(self) -> str:
        """The state in a line."""
        match self.state:
            case "free":
                return "No gate: frames are rendered here and cost nothing"
            case "not ready":
                return "Not ready for the gate"
            case "open":
                return f"Open: {_takes(self.takes_left)} left, and {written(self.left_usd)}"
            case "over budget":
                return "The money does not reach"
        return "Locked: nobody has signed" if not self.signed else "Locked"


def _takes(count: int) -> str:
    return "no take is" if not count else "1 take is" if count == 1 else f"{count} takes are"


def line_of(film: Film, shot: str) -> Line:
    """The production line as far as one shot needs it: the states of a whole film take seconds to work out."""
    return Line(film, DEPARTMENTS, latest=film.frames.latest_of([shot]))


def standing(film: Film, shot: str) -> Standing:
    """How the gate of a shot stands now. Raises FilmProblem where the film has no such shot, or a store refuses."""
    film.shot(shot)
    if not film.generates:
        return Standing("free")
    try:
        scene = scene_at_gate(film, shot, line_of(film, shot))
        covered = scene.covered()
    except FilmProblem as problem:
        return Standing("not ready", (problem.problem,), problem.mend, signed=_signed(film, shot, None))
    verdict = film.ledger.verdict(shot, "take", covered, list(film.generating))
    told = _signed(film, shot, covered)
    common = {"covered": covered, "frames": len(scene.frames), "signed": told}
    match verdict:
        case Cleared():
            return Standing(
                "open",
                takes_left=verdict.takes_left,
                left_usd=verdict.cap_left_usd,
                backends=verdict.backends,
                **common,
            )
        case OverBudget():
            return Standing("over budget", (str(verdict),), **common)
        case Locked():
            more, compare = _composition_since(film, scene, covered)
            return Standing("locked", (*verdict.reasons, *more), compare=compare, **common)


def _signed(film: Film, shot: str, covered: Covered | None) -> tuple[SignedBy, ...]:
    """The approvals of a shot's takes, the newest first."""
    found = []
    for one in reversed(film.ledger.approvals.all(shot)):
        if one.approval is not None and one.approval.work == "take":
            found.append(_told(film, one, covered))
    return tuple(found)


def _told(film: Film, one: Signed, covered: Covered | None) -> SignedBy:
    approval = one.approval
    assert approval is not None
    left = film.ledger.spend.left(one.id)
    changed = () if covered is None else tuple(approval.covered.changes_to(covered, approval.backends))
    return SignedBy(
        id=one.id,
        signer=approval.signer,
        signed_at=approval.signed_at,
        expires_at=approval.expires_at,
        backends=approval.backends,
        takes=approval.takes,
        takes_left=left.takes,
        cap_usd=approval.cap_usd,
        left_usd=left.usd,
        note=approval.note,
        void=one.reasons,
        changed=changed,
    )


def _composition_since(
    film: Film, scene: Scene, covered: Covered
) -> tuple[tuple[str, ...], tuple[int, int, int] | None]:
    """Which frames are composed otherwise than when somebody last signed, as far as that version is still known."""
    last = next((one.approval for one in reversed(film.ledger.approvals.all(scene.shot)) if one.approval), None)
    if last is None or last.covered.composition == covered.composition:
        return (), None
    before = next(
        (
            turnover
            for turnover in film.frames.versions("cameras", scene.shot)
            if _composition_of(turnover) == last.covered.composition
        ),
        None,
    )
    if before is None:
        return (), None
    return frames_changed(before, scene.cameras)


def _composition_of(turnover: Turnover) -> str:
    return sha256_of_json({"digests": turnover.facts.get("digests"), "held": turnover.facts.get("held")})


def frames_changed(before: Turnover, now: Turnover) -> tuple[tuple[str, ...], tuple[int, int, int] | None]:
    """What differs between two versions of a composition, said, and where to look at it."""
    was, has = before.facts["digests"], now.facts["digests"]
    differ = sorted(int(frame) for frame in was.keys() & has.keys() if was[frame] != has[frame])
    gone, new = sorted(was.keys() - has.keys(), key=int), sorted(has.keys() - was.keys(), key=int)
    said = []
    if differ:
        said.append(f"composed otherwise since then: {_named(differ)} of {len(has)} exposures")
    if gone:
        said.append(f"no longer exposed: {_named(gone)}")
    if new:
        said.append(f"newly exposed: {_named(new)}")
    if not said and sum(before.facts["held"]) != sum(now.facts["held"]):
        said.append(f"the shot is {sum(now.facts['held'])} frames long, {sum(before.facts['held'])} when it was signed")
    elif not said:
        said.append("the exposures are held for other lengths")
    first = differ[0] if differ else 1001
    return tuple(said), (before.version, now.version, first) if differ else None


def _named(frames: Sequence[int | str]) -> str:
    shown = ", ".join(map(str, frames[:_FRAMES_NAMED]))
    return f"{shown} and {len(frames) - _FRAMES_NAMED} more" if len(frames) > _FRAMES_NAMED else shown


def offers(film: Film, frames: int, takes: int, presences: Presences) -> list[Offer]:
    """What every backend would take for so many takes. Nobody is waited for."""
    present = presences.of(film.generating)
    size = rendered_size(film.production)
    return [
        Offer(
            backend.quote(frames * takes, size),
            backend.model("frame").said,
            backend.model("frame").commercial,
            present[name],
        )
        for name, backend in film.generating.items()
    ]


@dataclass(frozen=True)
class Proposal:
    """What somebody is about to sign, as a form begins with it: so much money covers the dearest of the backends."""

    takes: int
    offers: list[Offer] = field(default_factory=list)

    @property
    def cap_usd(self) -> Decimal:
        known = [offer.quote.cost_usd for offer in self.offers if offer.quote.cost_usd is not None]
        dearest = max(known, default=Decimal(0))
        # In whole cents, upwards: nobody signs for parts of one.
        return dearest.quantize(Decimal("0.01"), "ROUND_CEILING")

    @property
    def has_unknown_price(self) -> bool:
        return any(offer.quote.cost_usd is None for offer in self.offers)

    @property
    def answered(self) -> bool:
        return all(offer.presence.asked for offer in self.offers)
