"""Shots, scene files and the production: what they say when nobody says it, and what follows from it."""

from fractions import Fraction
from typing import Any

import pytest
from film_makers import SAMPLE, a_shot
from pydantic import ValidationError

from film_pipeline.core.files import read_yaml
from film_pipeline.core.production import Production
from film_pipeline.core.shot import CastMember, ExposurePlan, SceneFile
from film_pipeline.core.timing import FrameRange


def test_a_shots_frames_begin_at_1001() -> None:
    assert a_shot(length=96).frames == FrameRange(1001, 1096)


def test_a_shot_is_exposed_as_the_production_is_unless_it_says_otherwise() -> None:
    plan = ExposurePlan.model_validate({"on": 3, "holds": [{"frame": 1004, "frames": 5}]})
    assert a_shot(length=12).exposure_sheet(plan).unique_frames == (1001, 1004, 1009, 1012)
    assert a_shot(length=4, exposure={"on": 1}).exposure_sheet(plan).unique_frames == (1001, 1002, 1003, 1004)


@pytest.mark.parametrize(
    ("fields", "subjects"),
    [
        ({}, ()),
        ({"cast": [{"character": "pim"}, {"character": "odile"}]}, ("pim",)),
        ({"cast": [{"character": "pim"}], "subject": "door"}, ("door",)),
        ({"subject": ["odile", "pim"]}, ("odile", "pim")),
    ],
)
def test_a_shot_is_about_its_subject_or_else_the_first_of_its_cast(
    fields: dict[str, Any], subjects: tuple[str, ...]
) -> None:
    assert a_shot(**fields).subjects == subjects


@pytest.mark.parametrize("frames", [[1001, 1001], [1005, 1001], [1001, 1009, 1005]])
def test_pose_keys_stand_in_the_order_of_their_frames(frames: list[int]) -> None:
    with pytest.raises(ValidationError, match="keys of pim are not in the order"):
        CastMember.model_validate({"character": "pim", "keys": [{"frame": frame} for frame in frames]})


def test_a_shot_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_shot().length = 13  # type: ignore[misc]


def test_the_scene_file_names_its_shots() -> None:
    scene = read_yaml(SAMPLE / "shots" / "SC010.yaml", SceneFile)
    assert [str(scene.name_of(shot)) for shot in scene.shots] == ["SC010_SH010", "SC010_SH020", "SC010_SH030"]


@pytest.mark.parametrize(
    ("fps", "exact", "label"),
    [
        (24, Fraction(24), "24"),
        (23.976, Fraction(24000, 1001), "23.976"),
        ("24000/1001", Fraction(24000, 1001), "23.976"),
        ("29.97", Fraction(30000, 1001), "29.97"),
    ],
)
def test_a_production_counts_in_exact_frames_a_second(fps: Any, exact: Fraction, label: str) -> None:
    production = Production.model_validate({"name": "film", "title": "Film", "fps": fps})
    assert (production.fps, production.rate.fps) == (label, exact)


@pytest.mark.parametrize("fps", [True, None, [24], "fast", 0])
def test_a_production_without_a_rate_is_refused(fps: Any) -> None:
    with pytest.raises(ValidationError, match="rate"):
        Production.model_validate({"name": "film", "title": "Film", "fps": fps})


def test_money_is_exact() -> None:
    production = Production.model_validate({"name": "film", "title": "Film", "budget": 0.1})
    assert str(production.budget) == "0.1"
