"""The only writer of an author's file: a shot that somebody changed in 3D, once its author accepts the change."""

from film_pipeline.departments.film import Film
from film_pipeline.departments.shot_edits import Accepted, Proposal, Refused, accept, propose
from film_pipeline.stores.ledger.people import Role
from review_app.accounts import Who

AUTHORS_ROLE: Role = "owner"
"""Of whoever may accept a change."""


def why_not(who: Who | None) -> str:
    """Why whoever asks may not have a shot file written; empty where they may."""
    allowed = who is not None and who.may(AUTHORS_ROLE)
    return "" if allowed else f"only the film's {AUTHORS_ROLE} may change a shot file"


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
