"""The only writer of what people decide and say: signatures, words on takes, notes, what came of jobs, shared links.

Every method says who asks, looks whether they may, and tells the pages. All of them may block: call them in a thread.
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from film_pipeline.core.gate import Approval
from film_pipeline.core.jobs import Found, IllegalMove, NeverSubmitted, Outcome, PaidAndLost
from film_pipeline.core.money import usd
from film_pipeline.core.passwords import kept_of, new_token
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.film import Film
from film_pipeline.gatekeeping import another_take, first_take, say_of_take, scene_at_gate
from film_pipeline.signing import Terms, approve, revoke
from film_pipeline.stores.ledger.jobs import Job
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.people import Role
from film_pipeline.stores.ledger.shares import Share, SharedClip
from film_pipeline.stores.ledger.takes import Take
from film_pipeline.stores.ledger.verdicts import TakeVerdict
from review_app.accounts import Accounts, NotAllowed, Who
from review_app.queries import Queries
from review_app.queries.gate import line_of

LONGEST_TEXT = 10_000
LONGEST_VALID_DAYS = 365
_THOUSANDS = re.compile(r",\d{3}($|[.,])|\.\d{3}[.,]")


@dataclass(frozen=True)
class Signature:
    """What somebody signs, as they filled it in. seen: the SHA-256 of what they were shown that it covers."""

    shot: str
    seen: str
    takes: int
    cap_usd: Decimal
    backends: tuple[str, ...]
    frame_cap_usd: Decimal | None = None
    valid_days: int = 30
    note: str = ""


@dataclass(frozen=True)
class Words:
    """A note as somebody wrote it. sent_as: the browser's own name of it, so that none is written twice."""

    shot: str
    text: str
    take: int | None = None
    frame: int | None = None
    drawing: dict[str, Any] | None = None
    reply_to: int | None = None
    sent_as: str = field(default="")


class Verdicts:
    """Writes what people decide into the ledger of the production that the queries read."""

    def __init__(self, queries: Queries, accounts: Accounts) -> None:
        self._queries, self._accounts = queries, accounts

    @property
    def _film(self) -> Film:
        return self._queries.watch.film

    # Takes

    def circle(self, who: Who, shot: str, take: int, note: str = "") -> None:
        """Choose a take: it goes into the cut. Raises FilmProblem for a take that the shot does not have."""
        _must(who, "reviewer", "circle a take")
        say_of_take(self._film, shot, take, "circle", who.name, "review", _text(note, "note"))
        self._tell()

    def reject(self, who: Who, shot: str, take: int, note: str) -> None:
        """Reject a take, and say why. Raises FilmProblem where nothing is said."""
        _must(who, "reviewer", "reject a take")
        if not note.strip():
            raise FilmProblem("a rejection needs a word", "say what is wrong with the take")
        say_of_take(self._film, shot, take, "reject", who.name, "review", _text(note, "note"))
        self._tell()

    def retake(self, who: Who, shot: str, take: int, direction: str, asked_as: str) -> Take:
        """Ask for one more take with direction. take: the one that was looked at; 0 for none.

        Raises GateLocked beyond what was signed; nothing is written then.
        """
        _must(who, "reviewer", "ask for a take")
        direction, film = _text(direction, "direction"), self._film
        opened = another_take(film, shot, who.name, "review", direction, f"review {who.name} {asked_as}")
        if take:
            said = TakeVerdict(
                shot, "take", take, "retake", who.name, "review", direction, f"review {who.name} {asked_as}"
            )
            film.ledger.verdicts.give(said)
        self._tell()
        return opened

    # Notes

    def note(self, who: Who, words: Words) -> int:
        """Write a note. Raises FilmProblem for an empty one, a frame that the shot has not, an answer to nothing."""
        _must(who, "reviewer", "write notes")
        film = self._film
        length = film.shot(words.shot).shot.length
        if words.frame is not None and not 1001 <= words.frame <= 1000 + length:
            raise FilmProblem(f"{words.shot} has no frame {words.frame}", f"its frames are 1001 to {1000 + length}")
        if words.drawing is not None and words.frame is None:
            raise FilmProblem("a drawing belongs on a frame", "choose the frame that it was drawn on")
        text = _text(words.text, "note")
        if not text.strip() and words.drawing is None:
            raise FilmProblem("the note is empty", "write something, or draw on the frame")
        number = film.ledger.notes.add(
            Note(
                shot=words.shot,
                author=who.name,
                text=text,
                via="review",
                take=words.take,
                frame=words.frame,
                drawing=words.drawing,
                reply_to=words.reply_to,
                said_as=f"review {who.name} {words.sent_as}" if words.sent_as else "",
            )
        )
        self._tell()
        return number

    # The gate

    def sign(self, who: Who, signature: Signature) -> tuple[Approval, Take]:
        """Sign with the key that is open, and ask for the first take.

        Raises FilmProblem where no key is open, where the shot is another than the one that was shown, and where the
        terms are none.
        """
        _must(who, "approver", "sign")
        unlocked = self._accounts.keyring.of(who.session)
        if unlocked is None:
            raise FilmProblem("your key is locked", "unlock it with its passphrase")
        film = self._film
        scene = scene_at_gate(film, signature.shot, line_of(film, signature.shot))
        covered = scene.covered()
        if covered.sha256 != signature.seen:
            raise FilmProblem(
                f"{signature.shot} has changed since you looked at it, so nothing was signed", "look at it again"
            )
        terms = Terms(
            shot=signature.shot,
            covered=covered,
            backends=_backends(film, signature.backends),
            takes=signature.takes,
            cap_usd=signature.cap_usd,
            frame_cap_usd=signature.frame_cap_usd,
            valid_for=datetime.timedelta(days=signature.valid_days),
            note=_text(signature.note, "note"),
        )
        approval = approve(film.ledger, terms, unlocked.signer, unlocked.key)
        take = first_take(film, approval, covered, "review")
        self._tell()
        return approval, take

    def revoke(self, who: Who, shot: str, approval: str, why: str) -> list[str]:
        """Take an approval of a shot back; no key is needed. Raises FilmProblem where the shot has no such one."""
        _must(who, "approver", "take an approval back")
        ledger = self._film.ledger
        mine = {one.id for one in ledger.approvals.all(shot)}
        if approval not in mine:
            raise FilmProblem(f"{shot} has no approval {approval[:8]}", "load the page again")
        ended = revoke(ledger, approval, who.name, _text(why, "reason"))
        self._tell()
        return ended

    # Money

    def resolve(self, who: Who, job: str, outcome: str, provider_id: str = "") -> Job:
        """Say what came of a job that nobody knows of: found, never or lost."""
        _must(who, "approver", "settle a job that is uncertain")
        told: dict[str, Outcome] = {"never": NeverSubmitted(), "lost": PaidAndLost()}
        if outcome == "found":
            if not provider_id.strip():
                raise FilmProblem("the provider's number is missing", "copy it from the provider's own list of jobs")
            told["found"] = Found(provider_id.strip()[:255])
        if outcome not in told:
            raise FilmProblem(f"{outcome!r} is no outcome", "say found, never or lost")
        try:
            resolved = self._film.ledger.resolve(job, told[outcome], who.name)
        except IllegalMove as error:
            said = f"job {job[:8]} is {error.before.value}: nobody waits for a word on it"
            raise FilmProblem(said, "load the page again") from error
        self._tell()
        return resolved

    # Shares

    def share(self, who: Who, title: str, clips: Sequence[SharedClip], days: int) -> tuple[str, Share]:
        """Make a link that shows these pictures to whoever has it. Returns its token, which is kept nowhere."""
        _must(who, "approver", "share pictures with others")
        token = new_token()
        share = self._film.ledger.shares.make(
            kept_of(token), _text(title, "title").strip() or "Shared", clips, who.name, datetime.timedelta(days=days)
        )
        return token, share

    def revoke_share(self, who: Who, number: int) -> None:
        _must(who, "approver", "take a link back")
        self._film.ledger.shares.revoke(number, who.name)

    def _tell(self) -> None:
        """Have the ledger looked at, so that pages that are open hear of it."""
        self._queries.watch.look_now()


def _must(who: Who | None, role: Role, what: str) -> None:
    if who is None or not who.may(role):
        raise NotAllowed.to(who, role, what)


def _text(text: str, what: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise FilmProblem(f"the {what} is longer than {LONGEST_TEXT} characters", "say it shorter")
    return text.strip()


def _backends(film: Film, chosen: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in chosen if name not in film.generating]
    if unknown or not chosen:
        known = ", ".join(film.generating)
        raise FilmProblem(
            f"there is no backend {unknown[0]!r}" if unknown else "no backend is chosen", f"choose among {known}"
        )
    return tuple(name for name in film.generating if name in chosen)


def amount(text: str, what: str) -> Decimal:
    """An amount of money as somebody typed it. Raises FilmProblem for what is none."""
    written = text.strip()
    try:
        # 1,000 is a thousand to some and one to others.
        if _THOUSANDS.search(written):
            raise ValueError(f"{written!r} may be read in two ways")
        return usd(written.replace(",", "."))
    except ValueError as error:
        raise FilmProblem(f"{what}: {error}", "write it as 1.50 or 1000") from error
