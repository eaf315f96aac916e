"""Where endpoints put pictures and prices in their answers."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from comfy_stand_in import a_png

from film_pipeline.backends.serverless_payload import cost_in, picture_in
from film_pipeline.core.problems import FilmProblem


@pytest.mark.parametrize(
    "output",
    [
        "https://x.example/a.png",
        {"image_url": "https://x.example/a.png", "cost": 1},
        {"images": ["https://x.example/a.png"]},
        {"images": [{"type": "s3_url", "data": "https://x.example/a.png"}]},
        {"result": "https://x.example/a.png"},
        [{"image": "https://x.example/a.png", "seed": 1}],
    ],
)
def test_pictures_are_found_wherever_endpoints_put_them(output: Any) -> None:
    assert picture_in(output).url == "https://x.example/a.png"


def test_a_picture_may_stand_in_the_answer_itself() -> None:
    encoded = base64.b64encode(a_png()).decode()
    for output in ({"image": encoded}, {"images": [f"data:image/png;base64,{encoded}"]}, {"output": {"data": encoded}}):
        assert picture_in(output).content == a_png()
    with pytest.raises(FilmProblem):
        picture_in({"message": "ok", "image": "no picture"})


def test_only_money_counts_as_a_cost() -> None:
    assert cost_in({"cost": Decimal("0.02")}) == Decimal("0.02")
    for nothing in (None, {}, {"cost": None}, {"cost": True}, {"cost": "free"}, {"cost": Decimal("-1")}, {"cost": 0.5}):
        assert cost_in(nothing) is None
