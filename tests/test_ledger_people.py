"""Takes, verdicts, notes, people and cursors."""

import threading

import pytest
from ledger_makers import NOW, SHOT, a_wish, approve, open_take

from film_pipeline.core.problems import FilmProblem
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.people import Person
from film_pipeline.stores.ledger.takes import Take
from film_pipeline.stores.ledger.verdicts import TakeVerdict, Word


def say(ledger: Ledger, take: int, word: Word, said_as: str = "", by: str = "ada") -> int:
    return ledger.verdicts.give(TakeVerdict(SHOT, "take", take, word, by, "discord", said_as=said_as))


# Takes


def test_takes_are_numbered_by_shot_and_work(ledger: Ledger) -> None:
    approve(ledger)
    approve(ledger, work="hero")
    assert [open_take(ledger).take for _ in range(2)] == [1, 2]
    assert open_take(ledger, work="hero").take == 1
    assert [take.take for take in ledger.takes.of(SHOT)] == [1, 2]
    assert ledger.takes.one(SHOT, 9) is None


def test_takes_go_on_above_those_of_the_free_renderer(ledger: Ledger) -> None:
    approve(ledger)
    assert open_take(ledger, above=4).take == 5
    assert open_take(ledger, above=2).take == 6


def test_a_take_says_who_asked_for_what_on_which_approval(ledger: Ledger) -> None:
    approval = approve(ledger)
    opened = open_take(ledger, direction="slower, 墨", asked_by="Ödile", via="discord")
    assert ledger.takes.one(SHOT, 1) == opened
    assert (opened.approval, opened.direction, opened.asked_by) == (approval.id, "slower, 墨", "Ödile")
    assert opened.opened_at == NOW.isoformat(timespec="microseconds")


def test_the_same_wish_gets_the_same_take(ledger: Ledger) -> None:
    approve(ledger, takes=1)
    first = open_take(ledger, asked_as="discord 4711")
    assert open_take(ledger, asked_as="discord 4711") == first
    assert not isinstance(ledger.open_take(a_wish(asked_as="discord 4712")), Take)


def test_a_number_is_never_given_twice_however_many_ask_at_once(ledger: Ledger) -> None:
    approve(ledger, takes=40)
    given: list[int] = []

    def ask() -> None:
        given.extend(open_take(ledger).take for _ in range(4))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(60)
    assert sorted(given) == list(range(1, 33))


# Verdicts


def test_the_last_word_on_a_take_counts_and_all_words_stay(ledger: Ledger) -> None:
    approve(ledger)
    open_take(ledger)
    open_take(ledger)
    say(ledger, 1, "circle")
    say(ledger, 1, "reject", by="ben")
    say(ledger, 2, "circle")
    say(ledger, 2, "retake")
    assert [take.standing for take in ledger.takes.of(SHOT)] == ["rejected", "circled"]
    assert [(verdict.word, verdict.by) for verdict in ledger.verdicts.of(SHOT, 1)] == [
        ("circle", "ada"),
        ("reject", "ben"),
    ]


def test_the_circled_take_is_the_one_that_was_circled_last(ledger: Ledger) -> None:
    assert ledger.verdicts.circled(SHOT) is None
    for take in (1, 3, 2):
        say(ledger, take, "circle")
    assert ledger.verdicts.circled(SHOT).take == 2
    say(ledger, 2, "reject")
    assert ledger.verdicts.circled(SHOT).take == 3


def test_a_word_that_comes_twice_counts_once(ledger: Ledger) -> None:
    number = say(ledger, 1, "retake", said_as="message 7 by ada")
    assert say(ledger, 1, "retake", said_as="message 7 by ada") == number
    assert say(ledger, 1, "retake") == number + 1
    assert [verdict.number for verdict in ledger.verdicts.since(number)] == [number + 1]


# Notes


def test_a_note_is_kept_with_its_drawing(ledger: Ledger) -> None:
    drawing = {"strokes": [[0.1, 0.2], [0.3, 0.4]], "colour": "#fff", "墨": None}
    number = ledger.notes.add(Note(SHOT, "ada", "the hand, here: 手 🎬", "review", 2, 1004, drawing))
    [note] = ledger.notes.of(SHOT, take=2)
    assert (note.number, note.text, note.drawing, note.frame) == (number, "the hand, here: 手 🎬", drawing, 1004)
    assert ledger.notes.of(SHOT, take=1) == []
    assert ledger.notes.of("SC090_SH010") == []


@pytest.mark.parametrize("text", ["a\x00b", "half a character: \ud83c", "'; DROP TABLE notes; --", "", "x" * 100_000])
def test_no_text_that_people_send_is_too_much_for_a_note(ledger: Ledger, text: str) -> None:
    ledger.notes.add(Note(SHOT, text[:20], text, "discord"))
    [note] = ledger.notes.of(SHOT)
    assert len(note.text) == len(text)


def test_notes_make_threads(ledger: Ledger) -> None:
    first = ledger.notes.add(Note(SHOT, "ada", "darker", "review"))
    other = ledger.notes.add(Note(SHOT, "ben", "slower", "review"))
    answer = ledger.notes.add(Note(SHOT, "ben", "how dark?", "discord", reply_to=first))
    last = ledger.notes.add(Note(SHOT, "ada", "night", "review", reply_to=answer))
    assert [note.number for note in ledger.notes.thread(answer)] == [first, answer, last]
    assert [note.number for note in ledger.notes.thread(other)] == [other]
    assert ledger.notes.thread(999) == []
    with pytest.raises(FilmProblem, match="there is no note 1 on SC090_SH010"):
        ledger.notes.add(Note("SC090_SH010", "ada", "no", "review", reply_to=first))


def test_a_note_that_comes_twice_is_written_once(ledger: Ledger) -> None:
    note = Note(SHOT, "ada", "darker", "discord", said_as="message 9")
    assert ledger.notes.add(note) == ledger.notes.add(note)
    assert len(ledger.notes.of(SHOT)) == 1


# People


def test_people_are_known_by_name_and_by_their_discord_account(ledger: Ledger) -> None:
    ledger.people.put(Person("ada", "approver", "4711", "scrypt$1$2"))
    ledger.people.put(Person("ben"))
    assert ledger.people.named("ada").password_hash == "scrypt$1$2"
    assert ledger.people.on_discord("4711").name == "ada"
    assert ledger.people.on_discord("") is None
    assert [person.name for person in ledger.people.all()] == ["ada", "ben"]


def test_what_is_new_about_somebody_replaces_what_was_known(ledger: Ledger) -> None:
    ledger.people.put(Person("ada", "viewer", "4711"))
    ledger.people.put(Person("ada", "reviewer", active=False))
    ada = ledger.people.named("ada")
    assert (ada.role, ada.discord_id, ada.active) == ("reviewer", "", False)


def test_two_people_do_not_share_a_discord_account(ledger: Ledger) -> None:
    ledger.people.put(Person("ada", discord_id="4711"))
    with pytest.raises(FilmProblem, match="this Discord account is ada's"):
        ledger.people.put(Person("ben", discord_id="4711"))


# Cursors


def test_a_cursor_stays_where_it_was_moved(ledger: Ledger) -> None:
    assert ledger.cursors.at("approvals") == ""
    assert ledger.cursors.move("approvals", "7")
    assert ledger.cursors.move("approvals", "9", before="7")
    assert not ledger.cursors.move("approvals", "8", before="7")
    assert ledger.cursors.all() == {"approvals": "9"}


def test_of_two_who_move_a_cursor_at_once_one_does(ledger: Ledger) -> None:
    moved: list[bool] = []
    movers = [
        threading.Thread(target=lambda: moved.append(ledger.cursors.move("discord", "1", before=""))) for _ in range(6)
    ]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join(30)
    assert sorted(moved) == [False] * 5 + [True]


def test_approvals_and_their_cursor(ledger: Ledger) -> None:
    first, second = approve(ledger), approve(ledger)
    numbers = {signed.id: signed.number for signed in ledger.approvals.all()}
    assert [signed.id for signed in ledger.approvals.since(numbers[first.id])] == [second.id]
