"""The only writer of an author's file: a shot that somebody changed in 3D, once its author accepts the change."""

from typing import Any, Protocol

from starlette.requests import Request

from film_pipeline.departments.film import Film
from film_pipeline.departments.shot_edits import Accepted, Proposal, Refused, accept, propose
from review_app.safety import LOOPBACK

AUTHORS_ROLE = "owner"
"""Of whoever may accept a change, where people have accounts."""
_FROM_ELSEWHERE = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")


class Person(Protocol):
    """Whoever the doors let in."""

    def may(self, role: Any) -> bool: ...


def why_not(request: Request) -> str:
    """Why whoever asks may not have a shot file written; empty where they may.

    Where no door says who somebody is, only whoever sits at the machine that the film lies on may: what came through
    another server did not come from there.
    """
    if hasattr(request.state, "person"):
        person: Person | None = request.state.person
        allowed = person is not None and person.may(AUTHORS_ROLE)
        return "" if allowed else f"only the film's {AUTHORS_ROLE} may change a shot file"
    here = request.client is not None and request.client.host in LOOPBACK
    if here and not any(name in request.headers for name in _FROM_ELSEWHERE):
        return ""
    return "a shot file is changed only from the machine that the film lies on"


def write_shot(film: Film, shot: str, changes: object, seen_sha256: str) -> tuple[Proposal, Accepted | Refused]:
    """Make the changes in the shot's file, if it still is the file that the author was shown.

    seen_sha256: of the file that the shown diff was made from. Raises FilmProblem for a shot that the film does not
    have, for what is no change, and where the disk refuses.
    """
    proposal = propose(film, shot, changes)
    if proposal.made_from_sha256 != seen_sha256:
        why = f"{proposal.file} has been changed since this was shown, so nothing was written"
        return proposal, Refused(why, "look at the change again")
    for problem in proposal.problems:
        return proposal, Refused(problem.problem, problem.mend)
    if not proposal.diff:
        return proposal, Refused("the file says this already", "change something")
    return proposal, accept(film, proposal)
