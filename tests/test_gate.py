"""The gate: what opens it, and all that does not."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from ledger_makers import (
    BACKENDS,
    COVERED,
    DIRECTOR,
    KEY,
    LATER,
    NOW,
    SHOT,
    STRANGER,
    a_ticket,
    a_wish,
    an_approval,
    an_order,
    approve,
    edit_rows,
    open_ledger,
    open_take,
    reasons,
    reserve,
    verdict,
    write_row,
)
from sqlalchemy import insert

from film_pipeline.core import keys
from film_pipeline.core.gate import (
    Cleared,
    GateLocked,
    Locked,
    OverBudget,
    as_json,
)
from film_pipeline.core.jobs import JobState
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Approver
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.schema import APPROVALS, REVOCATIONS, TAKE_APPROVALS


def test_a_signed_approval_opens_the_gate(ledger: Ledger) -> None:
    approval = approve(ledger)
    assert verdict(ledger) == Cleared(approval, 3, Decimal("1.00"), BACKENDS)
    ticket = a_ticket(ledger)
    admission = ledger.admit(ticket, COVERED)
    assert admission.ticket == ticket
    assert ledger.jobs.one(ticket.job).state is JobState.SUBMITTING


# What was signed, and by whom


def test_nobody_has_signed(ledger: Ledger) -> None:
    assert reasons(verdict(ledger)) == f"the gate is locked: nobody has signed for {SHOT} (take)"
    assert "nobody has signed" in reasons(ledger.open_take(a_wish()))
    assert "never opened" in reasons(ledger.reserve([an_order()]))


def test_an_approval_is_read_back_as_it_was_signed(ledger: Ledger) -> None:
    approval = approve(ledger, frame_cap_usd=Decimal("0.04"), note="Rauch über dem Dach, 墨", cap_usd=Decimal("1.5"))
    assert [signed.approval for signed in ledger.approvals.all()] == [approval]
    assert ledger.approvals.one(approval.id).good
    assert ledger.approvals.one("nobody") is None


def test_the_same_approval_entered_again_changes_nothing(ledger: Ledger) -> None:
    approval = an_approval(ledger)
    assert ledger.add(approval) == ledger.add(approval)
    assert len(ledger.approvals.all(SHOT)) == 1


def test_two_approvals_of_one_id_are_refused(ledger: Ledger) -> None:
    approval = approve(ledger)
    with pytest.raises(GateLocked, match="has the id"):
        ledger.add(an_approval(ledger, id=approval.id, takes=9))


FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "another cap": ({"cap_usd": Decimal("1000")}, "forged or edited"),
    "more takes": ({"takes": 99}, "forged or edited"),
    "another shot": ({"shot": "SC090_SH010"}, "forged or edited"),
    "another work": ({"work": "hero"}, "forged or edited"),
    "more backends": ({"backends": (*BACKENDS, "luxury")}, "forged or edited"),
    "another expiry": ({"expires_at": "2036-01-01T00:00:00+00:00"}, "forged or edited"),
    "other content": ({"covered": COVERED.model_copy(update={"look": "9" * 64})}, "forged or edited"),
    "a frame's price": ({"frame_cap_usd": Decimal("9")}, "forged or edited"),
    "another note": ({"note": "as often as you like"}, "forged or edited"),
    "no signature": ({"signature": ""}, "forged or edited"),
    "a broken signature": ({"signature": "?" * 88}, "forged or edited"),
    "another signer": ({"signer": "producer"}, "the key is director's and the approval says producer"),
    "another production": ({"production": "the-other-film"}, "is of the production the-other-film"),
    "another ledger": ({"ledger": "0" * 36}, "was signed for another ledger"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_approval_that_was_changed_after_it_was_signed_is_not_entered(ledger: Ledger, forgery: str) -> None:
    changes, why = FORGERIES[forgery]
    with pytest.raises(GateLocked, match=why):
        ledger.add(an_approval(ledger).model_copy(update=changes))
    assert ledger.approvals.all() == []


COLUMNS: dict[str, Any] = {
    "cap_micros": 10**9,
    "takes": 99,
    "backends": '["serverless", "pods", "klein", "luxury"]',
    "expires_at": "2036-01-01T00:00:00+00:00",
    "signed_at": "2026-11-22T08:00:00+00:00",
    "covered": COVERED.model_copy(update={"look": "9" * 64}).model_dump_json(),
    "frame_cap_micros": 10**6,
    "signer": "producer",
    "public_key": keys.public_key_of(STRANGER),
    "production": "the-other-film",
    "ledger": "0" * 36,
    "note": "as often as you like",
    "signature": "",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_an_approval_whose_row_was_edited_opens_nothing_any_more(ledger: Ledger, column: str) -> None:
    ticket = a_ticket(ledger)
    edit_rows(ledger, APPROVALS, **{column: COLUMNS[column]})
    assert isinstance(verdict(ledger), Locked)
    assert isinstance(ledger.open_take(a_wish()), Locked)
    assert isinstance(ledger.reserve([an_order(1002)]), Locked)
    with pytest.raises(GateLocked):
        ledger.admit(ticket, COVERED)
    assert ledger.jobs.one(ticket.job).state is JobState.RESERVED
    assert not ledger.approvals.all()[0].good


@pytest.mark.parametrize(("column", "value"), [("shot", "SC090_SH010"), ("work", "hero")])
def test_an_approval_moved_to_another_shot_or_work_opens_neither(ledger: Ledger, column: str, value: str) -> None:
    ticket = a_ticket(ledger)
    edit_rows(ledger, APPROVALS, **{column: value})
    assert isinstance(verdict(ledger), Locked)
    assert "forged or edited" in reasons(verdict(ledger, **{column: value}))
    with pytest.raises(GateLocked):
        ledger.admit(ticket, COVERED)


@pytest.mark.parametrize(
    ("column", "value"),
    [("covered", "{"), ("backends", "[]"), ("backends", "7"), ("takes", -1), ("cap_micros", -5), ("work", "anything")],
)
def test_a_row_that_is_no_approval_opens_nothing_and_hides_no_other(ledger: Ledger, column: str, value: Any) -> None:
    write_row(ledger, an_approval(ledger), **{column: value})
    shown = {signed.number: signed for signed in ledger.approvals.all()}
    assert "is no approval" in shown[max(shown)].reasons[0]
    assert isinstance(verdict(ledger), Locked)
    approve(ledger)
    assert isinstance(verdict(ledger), Cleared)


def test_a_row_that_nobody_signed_opens_nothing(ledger: Ledger) -> None:
    unsigned = an_approval(ledger).model_copy(update={"signature": keys.sign(STRANGER, b"anything")})
    write_row(ledger, unsigned)
    assert "forged or edited" in reasons(verdict(ledger))
    assert isinstance(ledger.reserve([an_order()]), Locked)


def test_a_good_signature_of_somebody_who_may_not_sign_opens_nothing(ledger: Ledger) -> None:
    public = keys.public_key_of(STRANGER)
    fields = an_approval(ledger).model_copy(update={"public_key": public, "signature": ""})
    signed = fields.signed_by(STRANGER)
    assert keys.is_signed(public, signed.signature, signed.statement)
    with pytest.raises(GateLocked, match="not among the approvers"):
        ledger.add(signed)
    write_row(ledger, signed)
    assert "not among the approvers" in reasons(verdict(ledger))


def test_an_approver_who_left_production_yaml_opens_nothing_any_more(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place)
    ticket = a_ticket(ledger)
    without = open_ledger(ledger_place, approvers=())
    assert "not among the approvers" in reasons(verdict(without))
    with pytest.raises(GateLocked, match="not among the approvers"):
        without.admit(ticket, COVERED)
    ledger.close()
    without.close()


def test_an_approval_of_another_ledger_can_not_be_replayed(ledger: Ledger, tmp_path: Any) -> None:
    """Signed with play money in a copy of the production, or spent before the ledger was thrown away."""
    copy = open_ledger(tmp_path / "copy.sqlite")
    played = approve(copy)
    with pytest.raises(GateLocked, match="signed for another ledger"):
        ledger.add(played)
    write_row(ledger, played)
    assert "signed for another ledger" in reasons(verdict(ledger))
    copy.close()


def test_the_ledger_of_another_production_is_not_opened(ledger_place: str) -> None:
    open_ledger(ledger_place).close()
    with pytest.raises(FilmProblem, match=r"is the ledger of the production the-test-film, not of another"):
        open_ledger(ledger_place, production="another")


# Expiry and revocation


def test_an_expired_approval_opens_nothing(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    assert isinstance(verdict(ledger, now=LATER - datetime.timedelta(seconds=1)), Cleared)
    assert "expired" in reasons(verdict(ledger, now=LATER))
    assert "expired" in reasons(ledger.reserve([an_order(1002)], now=LATER))
    with pytest.raises(GateLocked, match="expired"):
        ledger.admit(ticket, COVERED, now=LATER)
    with pytest.raises(GateLocked, match="expired"):
        ledger.add(an_approval(ledger), now=LATER)


def test_an_approval_that_is_signed_tomorrow_opens_nothing_today(ledger: Ledger) -> None:
    with pytest.raises(GateLocked, match="which is not yet"):
        ledger.add(an_approval(ledger, signed_at=(NOW + datetime.timedelta(days=1)).isoformat()))


@pytest.mark.parametrize("expires_at", ["", "never", "9999", "tomorrow"])
def test_an_expiry_that_is_no_time_is_over(ledger: Ledger, expires_at: str) -> None:
    with pytest.raises(GateLocked, match="expired"):
        ledger.add(an_approval(ledger, expires_at=expires_at))


def test_revoking_locks_the_gate_says_by_whom_and_why_and_frees_what_was_not_sent(ledger: Ledger) -> None:
    approval = approve(ledger)
    open_take(ledger)
    sent, waiting = reserve(ledger, an_order(1001), an_order(1002))
    ledger.admit(sent, COVERED)
    assert ledger.revoke(approval.id, "producer", "the puppet is wrong") == [waiting.job]
    assert "producer took it back at 2026-11-23T08:00: the puppet is wrong" in reasons(verdict(ledger))
    with pytest.raises(GateLocked, match="cancelled"):
        ledger.admit(waiting, COVERED)
    assert ledger.jobs.one(sent.job).state is JobState.SUBMITTING
    assert ledger.spend.total().reserved_usd == Decimal("0.10")
    assert ledger.spend.audit() == []


def test_revoking_again_keeps_the_first_word(ledger: Ledger) -> None:
    approval = approve(ledger)
    ledger.revoke(approval.id, "director", "first")
    ledger.revoke(approval.id, "producer", "second")
    assert "director took it back" in reasons(verdict(ledger))
    with pytest.raises(FilmProblem, match="there is no approval nobody"):
        ledger.revoke("nobody", "director", "")


def test_a_revoked_approval_can_not_be_entered_again(ledger: Ledger) -> None:
    approval = approve(ledger)
    ledger.revoke(approval.id, "director", "")
    ledger.add(approval)
    assert "took it back" in reasons(verdict(ledger))


def test_a_revocation_written_by_hand_locks_the_gate_for_tickets_that_were_issued(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    row = {"approval": ticket.approval, "revoked_by": "somebody", "why": "", "revoked_at": NOW.isoformat()}
    with ledger.books.writing() as connection:
        connection.execute(insert(REVOCATIONS).values(row))
    with pytest.raises(GateLocked, match="somebody took it back"):
        ledger.admit(ticket, COVERED)


# What is covered


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "the composition": ({"composition": "9" * 64}, "the composition changed"),
    "the look": ({"look": "9" * 64}, "the look changed"),
    "the direction": ({"direction": "9" * 64}, "the direction changed"),
    "a reference": ({"references": {"marlow": "9" * 64, "study": "b" * 64}}, "the reference marlow changed"),
    "a reference more": ({"references": {**COVERED.references, "attic": "9" * 64}}, "the reference attic is new"),
    "a reference less": ({"references": {"marlow": "a" * 64}}, "the reference study is gone"),
    "the model": (
        {"models": {**COVERED.models, "serverless": "Klein 9B"}},
        r"serverless would use Klein 9B, signed was Klein 4B \(Apache-2.0\)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_gate_locks_again_when_what_was_signed_changes_and_says_what(ledger: Ledger, change: str) -> None:
    changes, why = CHANGES[change]
    now = COVERED.model_copy(update=changes)
    ticket = a_ticket(ledger)
    with pytest.raises(GateLocked, match=why):
        ledger.admit(ticket, now)
    refused = ledger.reserve([an_order(1002, covered=now)])
    assert isinstance(refused, Locked)
    assert isinstance(verdict(ledger, now, backends=["serverless"]), Locked)
    ledger.admit(ticket, COVERED)


def test_a_model_that_changed_locks_its_own_backend_only(ledger: Ledger) -> None:
    approve(ledger)
    now = COVERED.model_copy(update={"models": {**COVERED.models, "pods": "Klein 12B"}})
    assert verdict(ledger, now).backends == ("serverless", "klein")


def test_every_reason_is_said(ledger: Ledger) -> None:
    approve(ledger)
    now = COVERED.model_copy(update={"look": "9" * 64, "composition": "9" * 64})
    told = reasons(verdict(ledger, now))
    assert told == (
        "the gate is locked: director's approval of 2026-11-23: the composition changed; "
        "director's approval of 2026-11-23: the look changed"
    )
    assert as_json(verdict(ledger, now))["gate"] == "locked"


def test_a_backend_that_was_not_signed_is_not_used(ledger: Ledger) -> None:
    approve(ledger, backends=("klein",))
    open_take(ledger)
    assert verdict(ledger).backends == ("klein",)
    assert "signed were klein, not serverless" in reasons(ledger.reserve([an_order()]))
    assert "no backend is asked about" in reasons(verdict(ledger, backends=[]))


# Takes, caps, budgets


def test_no_more_takes_are_opened_than_were_signed(ledger: Ledger) -> None:
    approve(ledger, takes=2)
    assert [open_take(ledger).take for _ in range(2)] == [1, 2]
    assert "all 2 takes that were signed are taken" in reasons(ledger.open_take(a_wish()))
    assert "all 2 takes" in reasons(verdict(ledger))
    assert isinstance(verdict(ledger, take=2), Cleared)
    reserve(ledger, an_order(1001, take=1), an_order(1001, take=2))


def test_a_take_that_another_approval_pays_for_counts_against_that_one_too(ledger: Ledger) -> None:
    first = approve(ledger, takes=1)
    open_take(ledger)
    ledger.revoke(first.id, "director", "")
    second = approve(ledger, takes=1)
    [ticket] = reserve(ledger, an_order())
    assert ticket.approval == second.id
    assert ledger.spend.left(second.id).takes == 0
    assert ledger.spend.left(first.id).takes == 0
    assert "all 1 takes" in reasons(ledger.open_take(a_wish()))


def test_an_approval_pays_for_no_more_takes_of_others_than_it_was_signed_for(ledger: Ledger) -> None:
    first = approve(ledger, takes=2)
    open_take(ledger)
    open_take(ledger)
    ledger.revoke(first.id, "director", "")
    approve(ledger, takes=1)
    both = ledger.reserve([an_order(1001, take=1), an_order(1001, take=2)])
    assert "all 1 takes that were signed are taken" in reasons(both)
    reserve(ledger, an_order(1001, take=2))
    assert "all 1 takes" in reasons(ledger.reserve([an_order(1001, take=1)]))
    reserve(ledger, an_order(1002, take=2))


def test_a_take_that_was_never_counted_does_not_pass_the_gate(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    edit_rows(ledger, TAKE_APPROVALS, take=7)
    with pytest.raises(GateLocked, match="take 1 does not count against this approval"):
        ledger.admit(ticket, COVERED)


def test_the_cap_is_kept_to_the_millionth_and_nothing_is_written_beyond_it(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("0.30"))
    open_take(ledger)
    reserve(ledger, an_order(1001), an_order(1002))
    over = ledger.reserve([an_order(1003, quoted="0.05"), an_order(1004, quoted="0.050001")])
    assert over == OverBudget(Decimal("0.100001"), Decimal("0.10"), f"what director signed for {SHOT}")
    assert str(over) == f"0.100001 USD is asked for and 0.10 USD is left of what director signed for {SHOT}"
    assert len(ledger.jobs.of(SHOT)) == 2
    reserve(ledger, an_order(1003, quoted="0.10"))
    assert verdict(ledger).cap_left_usd == 0
    assert isinstance(verdict(ledger, asking_usd=Decimal("0.000001")), OverBudget)


def test_the_budget_is_kept_over_all_shots(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place, budget="0.25")
    for shot in ("SC010_SH010", "SC010_SH020"):
        approve(ledger, shot=shot)
        open_take(ledger, shot=shot)
    reserve(ledger, an_order(shot="SC010_SH010"), an_order(shot="SC010_SH020"))
    over = ledger.reserve([an_order(1002, shot="SC010_SH010")])
    assert over == OverBudget(Decimal("0.10"), Decimal("0.05"), "the production's budget")
    both = ledger.reserve([an_order(1003, shot=shot, quoted="0.03") for shot in ("SC010_SH010", "SC010_SH020")])
    assert isinstance(both, OverBudget)
    assert ledger.spend.total().used_usd == Decimal("0.20")
    ledger.close()


def test_a_budget_that_was_lowered_since_holds_tickets_back(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place)
    ticket = a_ticket(ledger)
    poorer = open_ledger(ledger_place, budget="0.09")
    with pytest.raises(GateLocked, match=r"0\.09 USD is left of the production's budget"):
        poorer.admit(ticket, COVERED)
    ledger.admit(ticket, COVERED)
    ledger.close()
    poorer.close()


def test_what_costs_nothing_needs_a_signature_and_no_money(ledger_place: str) -> None:
    ledger = open_ledger(ledger_place, budget="0")
    assert isinstance(ledger.reserve([an_order(quoted="0")]), Locked)
    approve(ledger, cap_usd=Decimal("0"))
    open_take(ledger)
    [ticket] = reserve(ledger, an_order(quoted="0", backend="klein"))
    ledger.admit(ticket, COVERED)
    assert isinstance(ledger.reserve([an_order(1002, quoted="0.000001")]), OverBudget)
    ledger.close()


def test_an_unknown_price_is_not_zero(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    refused = reasons(ledger.reserve([an_order(quoted=None)]))
    assert "nobody knows what a frame costs at serverless: sign what one may cost at most" in refused
    approve(ledger, frame_cap_usd=Decimal("0.04"))
    [ticket] = reserve(ledger, an_order(quoted=None))
    assert ticket.reserved_usd == Decimal("0.04")
    ledger.admit(ticket, COVERED)


def test_frames_of_unknown_price_are_added_up_at_the_most_they_may_cost(ledger: Ledger) -> None:
    approve(ledger, frame_cap_usd=Decimal("0.04"), cap_usd=Decimal("0.10"))
    open_take(ledger)
    orders = [an_order(frame, quoted=None) for frame in (1001, 1002, 1003)]
    assert isinstance(ledger.reserve(orders), OverBudget)
    reserve(ledger, *orders[:2])


def test_a_frame_dearer_than_was_signed_for_one_is_locked(ledger: Ledger) -> None:
    approve(ledger, frame_cap_usd=Decimal("0.04"))
    open_take(ledger)
    told = reasons(ledger.reserve([an_order(1001, quoted="0.04"), an_order(1002, quoted="0.05")]))
    assert "one frame costs 0.05 USD, signed was 0.04 USD at most" in told


def test_of_several_approvals_the_best_one_counts(ledger: Ledger) -> None:
    approve(ledger, cap_usd=Decimal("0.05"))
    old = approve(ledger, covered=COVERED.model_copy(update={"look": "9" * 64}), cap_usd=Decimal("50"))
    best = approve(ledger, cap_usd=Decimal("0.50"))
    approve(ledger, cap_usd=Decimal("0.20"), backends=("serverless",))
    assert verdict(ledger).approval == best
    assert verdict(ledger, asking_usd=Decimal("0.30")).approval == best
    assert verdict(ledger, asking_usd=Decimal("0.60")).left_usd == Decimal("0.50")
    ledger.revoke(best.id, "director", "")
    assert verdict(ledger).approval.id != old.id
    take = open_take(ledger)
    [ticket] = reserve(ledger, an_order(take=take.take, quoted="0.15"))
    assert ledger.approvals.one(ticket.approval).approval.cap_usd == Decimal("0.20")


def test_limits_are_signed_in_one_way_of_writing_them(ledger: Ledger) -> None:
    one = an_approval(ledger, id="a", cap_usd=Decimal("1"))
    other = an_approval(ledger, id="a", cap_usd=Decimal("1.000"))
    assert one.statement == other.statement
    with pytest.raises(ValueError, match="finer than a millionth"):
        an_approval(ledger, cap_usd=Decimal("0.0000001"))


def test_the_key_of_another_person_can_not_sign_in_the_directors_name(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="names another key"):
        an_approval(ledger).signed_by(STRANGER)
    assert an_approval(ledger).signed_by(KEY).public_key == DIRECTOR.public_key


def test_two_approvers_are_told_apart(ledger_place: str) -> None:
    producer = Approver(name="producer", public_key=keys.public_key_of(STRANGER))
    ledger = open_ledger(ledger_place, approvers=(DIRECTOR, producer))
    fields = an_approval(ledger).model_copy(update={"public_key": producer.public_key, "signer": "producer"})
    ledger.add(fields.signed_by(STRANGER))
    assert verdict(ledger).approval.signer == "producer"
    with pytest.raises(GateLocked, match="the key is producer's and the approval says director"):
        ledger.add(fields.model_copy(update={"signer": "director"}).signed_by(STRANGER))
    ledger.close()
