"""Records of provenance, and turnovers from stage to stage."""

import pytest
from pydantic import ValidationError
from store_makers import a_record

from film_pipeline.core.record import Event, Item, Record, Turnover


def an_item(role: str, frame: int | None) -> Item:
    return Item(role=role, frame=frame, path=f"{role}.{frame}", sha256="0" * 64, bytes=1)


def a_turnover(*items: Item) -> Turnover:
    return Turnover(stage="cameras", shot="SC010_SH010", version=1, recipe_sha256="", items=items)


def test_a_record_survives_its_own_json() -> None:
    record = a_record()
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_an_unknown_price_is_never_zero() -> None:
    told = {"engine": "klein", "provider": "runpod", "software": "", "author": ""}
    with pytest.raises(ValidationError, match="cost_usd"):
        Event.model_validate(told)
    assert Event.model_validate({**told, "cost_usd": None}).cost_usd is None


def test_a_record_holds_nothing_that_nobody_defined() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Record.model_validate({**a_record().model_dump(), "gpu": "unknown"})


def test_a_record_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_record().certified_by = "somebody"  # type: ignore[misc]


def test_a_turnover_gives_the_files_of_a_role_in_order_of_frame() -> None:
    turnover = a_turnover(an_item("plate", 1003), an_item("pose", 1001), an_item("plate", 1001))
    assert [item.frame for item in turnover.of("plate")] == [1001, 1003]
    assert turnover.of("depth") == ()


def test_a_turnover_says_what_it_lacks() -> None:
    turnover = a_turnover(an_item("plate", 1001), an_item("composition", None))
    assert turnover.one("plate", 1001).path == "plate.1001"
    assert turnover.one("composition").path == "composition.None"
    with pytest.raises(LookupError, match="SC010_SH010 has no plate in cameras at frame 1002"):
        turnover.one("plate", 1002)
