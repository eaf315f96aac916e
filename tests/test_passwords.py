"""Passwords and tokens: what is kept of them opens nothing."""

import pytest

from film_pipeline.core.passwords import NOBODY, checked_password, derived, hash_of, is_password, kept_of, new_token
from film_pipeline.core.problems import FilmProblem


def test_a_password_is_known_again_and_no_other_is() -> None:
    kept = hash_of("four words in a row")
    assert is_password("four words in a row", kept)
    assert not is_password("four words in a Row", kept)
    assert "four" not in kept and hash_of("four words in a row") != kept


def test_the_same_letters_typed_in_two_ways_are_one_password() -> None:
    assert is_password("u\u0308ber die Brücke", hash_of("über die Brücke"))


@pytest.mark.parametrize(
    "kept",
    ["", "scrypt", "plain", "scrypt$99$8$1$AAAA$AAAA", "scrypt$15$9999$9999$AAAA$AAAA", "scrypt$a$8$1$AAAA$AAAA",
     "scrypt$4$8$1$AAAA$", "scrypt$4$8$1$!$AAAA", "bcrypt$4$8$1$AAAA$AAAA", "scrypt$-1$8$1$AAAA$AAAA", NOBODY],
)  # fmt: skip
def test_nothing_is_the_password_of_what_is_no_hash(kept: str) -> None:
    assert not is_password("", kept)
    assert not is_password("anything at all", kept)


@pytest.mark.parametrize("password", ["", "short", "x" * 300, "aaaaaaaaaaaa", "the-director"])
def test_what_is_guessed_at_once_is_no_password(password: str) -> None:
    with pytest.raises(FilmProblem):
        checked_password(password, "The-Director")


def test_tokens_differ_and_what_is_derived_tells_nothing() -> None:
    one, other = new_token(), new_token()
    assert one != other and len(one) >= 43
    assert derived(one, "csrf") == derived(one, "csrf") != derived(one, "other")
    assert derived(one, "csrf") != derived(other, "csrf")
    assert one not in kept_of(one) and kept_of(one) != kept_of(other)
