"""A simulated ComfyUI that has the plate that graphs of the tests load."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import uploaded

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.comfyui(tmp_path) as running:
        uploaded(running.url)
        yield running
