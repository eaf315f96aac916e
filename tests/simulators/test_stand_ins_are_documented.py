import inspect
import re
from pathlib import Path

import pytest

from film_pipeline import simulators
from film_pipeline.simulators.serverless_handlers import EndpointPlan
from film_pipeline.simulators.studio import start_all

PAGE = (Path(__file__).parents[2] / "docs" / "stand-ins.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\s]+)`", PAGE))


@pytest.mark.parametrize("name", simulators.SERVICES)
def test_every_fault_control_call_and_option_is_in_the_docs(name: str, tmp_path: Path) -> None:
    service = simulators.built(name, tmp_path)
    assert service.faults.kinds <= NAMED
    assert set(service.commands()) <= NAMED
    options = set(inspect.signature(simulators.SERVICES[name]).parameters) - {"folder", "clock"}
    assert options <= NAMED


def test_every_field_of_an_endpoint_is_in_the_docs() -> None:
    assert set(inspect.signature(EndpointPlan).parameters) <= NAMED


def test_the_docs_name_no_fault_that_there_is_not(tmp_path: Path) -> None:
    table = PAGE.split("| kind | what happens |")[1].split("## Options")[0]
    told = {
        kind
        for line in table.splitlines()[2:]
        for kind in re.findall(r"`([^`]+)`", line.split("|")[1:2][0] if "|" in line else "")
    }
    known = set().union(*(simulators.built(name, tmp_path / name).faults.kinds for name in simulators.SERVICES))
    assert told == known


def test_every_variable_of_the_environment_is_in_the_docs(tmp_path: Path) -> None:
    with start_all(tmp_path) as studio:
        assert set(studio.addresses) <= NAMED
