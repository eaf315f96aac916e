"""Recipes: canonical JSON, names and seeds."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_pipeline.core.recipe import Recipe, sha256_of_file, sha256_of_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé墨", max_size=3), inner, max_size=3),
    max_leaves=12,
)
INGREDIENTS = st.dictionaries(st.text("abcé墨", min_size=1, max_size=4), JSON, max_size=5)


def backwards(value: Any) -> Any:
    """The same value with the keys of every mapping the other way round."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(INGREDIENTS)
def test_a_recipe_does_not_depend_on_the_order_of_its_keys(ingredients: dict[str, Any]) -> None:
    assert Recipe(ingredients).canonical == Recipe(backwards(ingredients)).canonical
    assert Recipe(ingredients).sha256 == Recipe(backwards(ingredients)).sha256


@settings(deadline=None)
@given(INGREDIENTS)
def test_a_recipe_can_be_read_back(ingredients: dict[str, Any]) -> None:
    # Numbers of JSON are doubles, as RFC 8785 has them: beyond 2**53 its digits are not an integer's.
    assert json.loads(Recipe(ingredients).canonical, parse_int=float) == ingredients


def test_a_recipe_is_named_by_the_hash_of_its_bytes() -> None:
    recipe = Recipe({"b": 1, "a": [True, None, "é"]})
    assert recipe.canonical == '{"a":[true,null,"é"],"b":1}'.encode()
    assert recipe.sha256 == hashlib.sha256(recipe.canonical).hexdigest() == sha256_of_json(recipe.ingredients)


@settings(deadline=None)
@given(INGREDIENTS, st.integers(1, 10_000))
def test_a_seed_fits_a_signed_64_bit_integer_and_can_be_drawn_again(ingredients: dict[str, Any], take: int) -> None:
    seed = Recipe(ingredients).seed(take)
    assert 0 <= seed < 2**63
    assert seed == Recipe(backwards(ingredients)).seed(take)


def test_every_take_has_a_seed_of_its_own() -> None:
    assert len({Recipe({"shot": shot}).seed(take) for shot in "ab" for take in range(1, 501)}) == 1000


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), {1: "a key that is no text"}, b"bytes", {"set"}])
def test_what_is_no_json_is_no_ingredient(value: Any) -> None:
    with pytest.raises(ValueError):
        _ = Recipe({"value": value}).canonical


def test_a_file_is_named_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "frame.exr"
    path.write_bytes(b"\x00pixels" * 100_000)
    assert sha256_of_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
