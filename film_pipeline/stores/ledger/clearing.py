"""Whether an approval lets something through: its signature, what it covers, its takes, its cap and the budget."""

import datetime
from dataclasses import dataclass, field

from sqlalchemy import Connection

from film_pipeline.core.gate import Approval, Cleared, Covered, Locked, OverBudget, Verdict, Work, binding
from film_pipeline.core.money import dollars, micros_of, written
from film_pipeline.stores.ledger.approvals import Approvals, Signed, takes_of
from film_pipeline.stores.ledger.books import Balances, Books


@dataclass(frozen=True)
class Price:
    """What is to be set aside, in millionths of a dollar.

    known: of all frames whose price is known. dearest: of the dearest one of them. unknown: how many other frames.
    """

    known: int = 0
    dearest: int = 0
    unknown: int = 0

    def under(self, approval: Approval) -> int:
        """With the most that the approval lets a frame of unknown price cost."""
        return self.known + (self.unknown * micros_of(approval.frame_cap_usd) if approval.frame_cap_usd else 0)


@dataclass(frozen=True)
class Ask:
    """What is asked for. take: None for a new take, 0 for what is part of no take.

    whole: every backend must be covered; else those that are covered are enough.
    """

    shot: str
    work: Work
    covered: Covered
    backends: tuple[str, ...]
    take: int | None = None
    whole: bool = False
    price: Price = Price()


@dataclass
class Plan:
    """What a transaction is about to set aside and to count, beyond what is entered already."""

    balances: Balances
    money: dict[str, int] = field(default_factory=dict)
    takes: dict[str, set[int]] = field(default_factory=dict)

    def add(self, approval: str, money: int, take: int = 0) -> None:
        self.money[approval] = self.money.get(approval, 0) + money
        if take:
            self.takes.setdefault(approval, set()).add(take)

    def takes_of(self, connection: Connection, approval: str) -> set[int]:
        return takes_of(connection, approval) | self.takes.get(approval, set())

    def left_of(self, approval: Approval) -> int:
        """What is left of its cap; less than nothing where a job cost more than was set aside."""
        used = self.balances.of(approval.id).used + self.money.get(approval.id, 0)
        return micros_of(approval.cap_usd) - used

    def left_in(self, books: Books) -> int:
        """What is left of the production's budget."""
        return books.budget - self.balances.total.used - sum(self.money.values())


def clear(books: Books, connection: Connection, ask: Ask, plan: Plan, now: datetime.datetime) -> Verdict:
    """The verdict over what is asked for. Of several approvals the best one counts.

    Best is one that the take counts against already, then one for more backends, then the one with most money left.
    """
    signed = Approvals(books).of_shot(connection, ask.shot, ask.work, now)
    if not signed:
        return Locked((f"nobody has signed for {ask.shot} ({ask.work})",))
    open_ones: list[tuple[bool, Cleared]] = []
    over: list[OverBudget] = []
    reasons: list[str] = []
    for one in signed:
        takes = plan.takes_of(connection, one.id)
        verdict = _under(books, ask, plan, one, takes)
        match verdict:
            case Cleared():
                open_ones.append((ask.take in takes, verdict))
            case OverBudget():
                over.append(verdict)
            case Locked():
                reasons += [f"{one.said}: {reason}" for reason in verdict.reasons]
    if open_ones:
        return max(open_ones, key=lambda found: (found[0], len(found[1].backends), found[1].cap_left_usd))[1]
    return max(over, key=lambda found: found.left_usd) if over else Locked(tuple(reasons))


def _under(books: Books, ask: Ask, plan: Plan, signed: Signed, takes: set[int]) -> Verdict:
    reasons = reasons_against(signed, ask, takes)
    if reasons or signed.approval is None:
        return Locked(tuple(reasons))
    approval = signed.approval
    over = overdrawn(books, plan, approval, ask.price.under(approval))
    if over is not None:
        return over
    left = max(0, min(plan.left_of(approval), plan.left_in(books)))
    backends = tuple(backend for backend in ask.backends if not binding(approval, ask.covered, backend))
    return Cleared(approval, approval.takes - len(takes), dollars(left), backends)


def reasons_against(signed: Signed, ask: Ask, takes: set[int]) -> list[str]:
    """Why an approval does not cover what is asked for, money apart: every reason. takes: what counts against it."""
    if signed.approval is None or not signed.good:
        return list(signed.reasons)
    approval = signed.approval
    reasons = _unbound(approval, ask)
    if (ask.take is None and len(takes) >= approval.takes) or len(takes | _take(ask)) > approval.takes:
        reasons.append(f"all {approval.takes} takes that were signed are taken: sign for more")
    most = approval.frame_cap_usd
    if ask.price.unknown and most is None:
        reasons.append(
            f"nobody knows what a frame costs at {' or '.join(ask.backends)}: sign what one may cost at most"
        )
    if most is not None and ask.price.dearest > micros_of(most):
        reasons.append(f"one frame costs {written(dollars(ask.price.dearest))}, signed was {written(most)} at most")
    return reasons


def _take(ask: Ask) -> set[int]:
    return {ask.take} if ask.take else set()


def _unbound(approval: Approval, ask: Ask) -> list[str]:
    if not ask.backends:
        return ["no backend is asked about"]
    against = [binding(approval, ask.covered, backend) for backend in ask.backends]
    if not ask.whole and not all(against):
        return []
    return list(dict.fromkeys(reason for reasons in against for reason in reasons))


def overdrawn(books: Books, plan: Plan, approval: Approval, asked: int) -> OverBudget | None:
    """Whether the money does not reach, and whose. What costs nothing is never over a budget."""
    limits = (
        (plan.left_of(approval), f"what {approval.signer} signed for {approval.shot}"),
        (plan.left_in(books), "the production's budget"),
    )
    left, of = min(limits)
    return OverBudget(dollars(asked), dollars(left), of) if asked and asked > left else None
