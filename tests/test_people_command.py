"""`film people`: who may come into the review app, said at the terminal."""

import json

from small_film import SmallFilm

from film_pipeline.core.passwords import kept_of
from film_pipeline.departments.film import Film


def told(film: SmallFilm, *words: str) -> dict[str, object]:
    done = film.film("people", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_somebody_is_invited_given_a_role_and_removed(new_film: SmallFilm) -> None:
    assert told(new_film, "list")["people"] == []
    invited = told(new_film, "invite", "grace", "--at", "https://review.example/")
    link = str(invited["link"])
    assert link.startswith("https://review.example/welcome/") and invited["role"] == "reviewer"
    with Film(new_film.root, only_reads=True) as film:
        waiting = film.ledger.invitations.waiting(kept_of(link.rpartition("/")[2]))
        assert waiting is not None and waiting.person == "grace"
    told(new_film, "role", "grace", "approver")
    assert told(new_film, "list")["people"] == [
        {"name": "grace", "role": "approver", "state": "invited", "signs": False}
    ]
    assert "grace" in new_film.film("people", "list").stdout
    assert told(new_film, "remove", "grace")["active"] is False


def test_a_second_link_takes_the_place_of_the_first(new_film: SmallFilm) -> None:
    first, second = (str(told(new_film, "invite", "grace")["link"]).rpartition("/")[2] for _ in range(2))
    with Film(new_film.root, only_reads=True) as film:
        assert film.ledger.invitations.waiting(kept_of(first)) is None
        assert film.ledger.invitations.waiting(kept_of(second)) is not None


def test_what_can_not_be_is_said_with_its_mend(new_film: SmallFilm) -> None:
    for words, mend in (
        (("invite", "grace", "emperor"), "viewer, reviewer, approver, owner"),
        (("role", "nobody", "viewer"), "film people list"),
        (("remove", "nobody"), "film people list"),
    ):
        done = new_film.film("people", *words)
        assert done.returncode == 1 and mend in done.stderr.replace("\n", " "), words
