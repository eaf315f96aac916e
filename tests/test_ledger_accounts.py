"""Who may come in: roles, sessions, invitations, shared links; and what is new in the ledger."""

import datetime
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from ledger_makers import NOW, SHOT, a_ticket, approve, open_ledger, open_take, submit
from sqlalchemy import create_engine, text

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production
from film_pipeline.stores.ledger import Ledger, invitations, sessions
from film_pipeline.stores.ledger.news import Mark
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.people import ROLES, Person
from film_pipeline.stores.ledger.schema import LEDGER_STORE
from film_pipeline.stores.ledger.shares import LONGEST, SharedClip
from film_pipeline.stores.ledger.verdicts import TakeVerdict

CLIPS = (SharedClip(SHOT, "color", 1),)
DAY = datetime.timedelta(days=1)


def owner(ledger: Ledger, name: str = "ada") -> Person:
    ledger.invitations.make("", f"link of {name}", "the terminal")
    return ledger.invitations.accept(f"link of {name}", name, "hash")


# Roles


def test_each_role_may_do_what_those_before_it_may() -> None:
    for place, role in enumerate(ROLES):
        assert [Person("ada", role).may(other) for other in ROLES] == [at <= place for at in range(len(ROLES))]
    assert not Person("ada", "owner", active=False).may("viewer")


def test_nobody_is_added_twice_whatever_the_case(ledger: Ledger) -> None:
    ledger.people.add("Ada", "reviewer")
    with pytest.raises(FilmProblem, match="there is a Ada already"):
        ledger.people.add("ada", "owner")


@pytest.mark.parametrize("name", ["", " ada", "a" * 65, "a\nb", "a\x00b", "a\u202eb"])
def test_what_is_no_name_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(FilmProblem, match="is no name"):
        ledger.people.add(name, "viewer")


def test_the_last_owner_can_neither_leave_nor_step_down(ledger: Ledger) -> None:
    owner(ledger)
    ledger.people.add("ben", "owner")
    for leave in (lambda: ledger.people.remove("ada"), lambda: ledger.people.give_role("ada", "viewer")):
        with pytest.raises(FilmProblem, match="ada is the last owner"):
            leave()
    ledger.invitations.make("ben", "link of ben", "ada")
    ledger.invitations.accept("link of ben", "", "hash")
    assert ledger.people.remove("ada").active is False
    assert ledger.people.owned()


def test_somebody_who_left_comes_back_without_the_old_password(ledger: Ledger) -> None:
    owner(ledger)
    ledger.people.add("ben", "approver")
    ledger.invitations.make("ben", "link", "ada")
    ledger.invitations.accept("link", "", "hash")
    ledger.sessions.begin("ben", "token")
    ledger.people.remove("ben")
    assert ledger.sessions.person_of("token") is None
    again = ledger.people.add("ben", "viewer")
    assert (again.role, again.password_hash) == ("viewer", "")


# Invitations


def test_the_first_owner_comes_in_by_a_link_that_opens_once(ledger: Ledger) -> None:
    ledger.invitations.make("", "first", "the terminal")
    assert ledger.invitations.waiting("first").of_owner
    assert ledger.invitations.waiting("guessed") is None
    assert ledger.invitations.accept("first", "ada", "hash").role == "owner"
    assert ledger.invitations.waiting("first") is None
    with pytest.raises(FilmProblem, match="was used"):
        ledger.invitations.accept("first", "eve", "hash")
    with pytest.raises(FilmProblem, match="the film has an owner"):
        ledger.invitations.make("", "second", "the terminal")


def test_of_two_who_take_up_the_first_link_at_once_one_owns_the_film(ledger: Ledger) -> None:
    ledger.invitations.make("", "first", "the terminal")
    came: list[str] = []

    def take_up(name: str) -> None:
        try:
            came.append(ledger.invitations.accept("first", name, "hash").name)
        except FilmProblem:
            return

    several = [threading.Thread(target=take_up, args=(name,)) for name in ("ada", "ben", "cyd", "dov")]
    for one in several:
        one.start()
    for one in several:
        one.join(30)
    assert len(came) == 1
    assert [person.name for person in ledger.people.all()] == came


def test_the_first_owner_takes_no_name_that_somebody_comes_in_by(ledger: Ledger) -> None:
    ledger.people.put(Person("ben", "reviewer", password_hash="hash"))
    ledger.people.put(Person("ada", "reviewer"))
    ledger.invitations.make("", "first", "the terminal")
    with pytest.raises(FilmProblem, match="there is a ben already"):
        ledger.invitations.accept("first", "ben", "another")
    assert ledger.invitations.accept("first", "ada", "hash").role == "owner"


def test_a_link_expires_and_a_new_one_replaces_it(ledger: Ledger) -> None:
    ledger.people.add("ben", "reviewer")
    ledger.invitations.make("ben", "old", "ada")
    ledger.invitations.make("ben", "new", "ada")
    assert ledger.invitations.waiting("old") is None
    assert ledger.invitations.waiting("new", NOW + invitations.LASTS - DAY).person == "ben"
    assert ledger.invitations.waiting("new", NOW + invitations.LASTS) is None
    with pytest.raises(FilmProblem, match="nobody called eve"):
        ledger.invitations.make("eve", "link", "ada")


def test_a_new_password_ends_the_sessions_under_the_old_one(ledger: Ledger) -> None:
    owner(ledger)
    ledger.sessions.begin("ada", "stolen")
    ledger.invitations.make("ada", "reset", "the terminal")
    ledger.invitations.accept("reset", "", "new hash")
    assert ledger.sessions.person_of("stolen") is None
    assert ledger.people.named("ada").password_hash == "new hash"


# Sessions


def test_a_session_ends_when_it_is_told_to_and_when_nobody_comes_by(ledger: Ledger) -> None:
    owner(ledger)
    ledger.sessions.begin("ada", "one")
    found = ledger.sessions.person_of("one")
    assert found is not None and found[0].name == "ada"
    assert ledger.sessions.person_of("two") is None
    assert ledger.sessions.person_of("one", NOW + sessions.IDLE) is None
    ledger.sessions.seen("one", NOW + sessions.IDLE / 2)
    assert ledger.sessions.person_of("one", NOW + sessions.IDLE) is not None
    ledger.sessions.end("one")
    assert ledger.sessions.person_of("one") is None


def test_a_session_ends_after_its_days_however_often_somebody_comes_by(ledger: Ledger) -> None:
    owner(ledger)
    ledger.sessions.begin("ada", "one")
    last = NOW + sessions.LASTS - datetime.timedelta(minutes=1)
    ledger.sessions.seen("one", last)
    assert ledger.sessions.person_of("one", last) is not None
    assert ledger.sessions.person_of("one", NOW + sessions.LASTS) is None


def test_a_session_has_the_role_that_its_person_has_now(ledger: Ledger) -> None:
    owner(ledger)
    ledger.people.add("ben", "approver")
    ledger.sessions.begin("ben", "one")
    ledger.people.give_role("ben", "viewer")
    assert ledger.sessions.person_of("one")[0].role == "viewer"
    ledger.people.remove("ben")
    assert ledger.sessions.person_of("one") is None
    with pytest.raises(FilmProblem):
        ledger.sessions.begin("ben", "two")


def test_all_sessions_of_somebody_end_but_the_one_they_ask_from(ledger: Ledger) -> None:
    owner(ledger)
    for token in ("one", "two", "three"):
        ledger.sessions.begin("ada", token)
    assert ledger.sessions.end_all("ada", but="two") == 2
    assert [session.token_sha256 for session in ledger.sessions.of("ada")] == ["two"]


def test_sessions_that_have_ended_are_not_kept(ledger: Ledger) -> None:
    owner(ledger)
    ledger.sessions.begin("ada", "old")
    ledger.sessions.begin("ada", "new", NOW + sessions.LASTS)
    assert [session.token_sha256 for session in ledger.sessions.of("ada")] == ["new"]


# Shared links


def test_a_shared_link_shows_what_was_chosen_until_it_expires_or_is_taken_back(ledger: Ledger) -> None:
    share = ledger.shares.make("link", "Rushes", CLIPS, "ada", 2 * DAY)
    assert ledger.shares.of("link") == share and share.clips == CLIPS
    assert ledger.shares.of("guessed") is None
    assert ledger.shares.of("link", NOW + 2 * DAY) is None
    ledger.shares.revoke(share.number, "ben")
    assert ledger.shares.of("link") is None
    assert ledger.shares.all()[0].revoked_by == "ben"
    with pytest.raises(FilmProblem, match="there is no link 99"):
        ledger.shares.revoke(99, "ben")


def test_a_link_that_shows_nothing_or_lasts_for_ever_is_not_made(ledger: Ledger) -> None:
    for clips, lasts in (((), DAY), (CLIPS * 2001, DAY), (CLIPS, LONGEST + DAY), (CLIPS, 0 * DAY), (CLIPS, -DAY)):
        with pytest.raises(FilmProblem):
            ledger.shares.make("link", "Rushes", clips, "ada", lasts)
    assert ledger.shares.all() == []


# News


def test_news_tell_what_is_new_and_only_that(ledger: Ledger) -> None:
    mark, nothing = ledger.news.since(Mark())
    assert (nothing.approvals, nothing.takes, nothing.verdicts, nothing.noted) == ((), (), (), ())
    approval = approve(ledger)
    open_take(ledger)
    ledger.verdicts.give(TakeVerdict(SHOT, "take", 1, "reject", "ada", "review"))
    ledger.verdicts.give(TakeVerdict(SHOT, "take", 1, "circle", "ada", "review"))
    ledger.notes.add(Note(SHOT, "ada", "darker", "review"))
    ledger.revoke(approval.id, "ada", "wait")
    after, news = ledger.news.since(mark)
    assert news.approvals == ((SHOT, approval.expires_at),)
    assert news.takes == ((SHOT, "take", 1),)
    assert [word.said for word in news.verdicts] == ["reject", "circle"]
    assert (news.noted, news.revoked) == ((SHOT,), ((approval.id, SHOT),))
    _, again = ledger.news.since(after)
    assert (again.approvals, again.verdicts, again.noted, again.money) == ((), (), (), False)
    later = NOW + datetime.timedelta(minutes=5)
    mark, _ = ledger.news.since(after, later)
    _, none = ledger.news.since(mark, later)
    assert (none.takes, none.revoked) == ((), ()), "after the overlap nothing is told twice"


def test_news_count_the_jobs_of_each_take_that_is_under_way(ledger: Ledger) -> None:
    ticket = a_ticket(ledger)
    mark, news = ledger.news.since(Mark())
    assert news.under_way == {(SHOT, "take", 1): {"reserved": 1}} and news.money
    submit(ledger, ticket)
    assert ledger.news.since(mark)[1].under_way == {(SHOT, "take", 1): {"submitted": 1}}


# Growing


def test_a_ledger_of_the_version_before_keeps_what_it_holds(tmp_path: Path) -> None:
    place = tmp_path / "ledger.sqlite"
    config = Config()
    config.set_main_option("script_location", str(LEDGER_STORE.migrations))
    with create_engine(f"sqlite:///{place}").begin() as connection:
        config.attributes |= {"connection": connection, "version_table": LEDGER_STORE.version_table}
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO people VALUES ('ada', 'approver', '4711', NULL, 1, '2026')"))
    ledger = open_ledger(place)
    assert ledger.people.named("ada") == Person("ada", "approver", "4711", added_at="2026")
    approve(ledger)
    assert owner(ledger).role == "owner"
    ledger.close()


def test_the_ledger_heeds_production_yaml_as_it_is_now(ledger: Ledger) -> None:
    approval = approve(ledger)
    assert ledger.approvals.one(approval.id).good
    ledger.reread(Production(name="the-test-film", title="T", budget="5"))
    assert not ledger.approvals.one(approval.id).good
    assert ledger.spend.total().budget_usd == 5
    with pytest.raises(FilmProblem, match="EUR"):
        ledger.reread(Production(name="the-test-film", title="T", budget="5", currency="EUR"))
    with pytest.raises(FilmProblem, match="not of another"):
        ledger.reread(Production(name="another", title="T"))
