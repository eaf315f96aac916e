"""A film with a take and a hero that are complete, in a simulated channel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channel import Channel
from composed_film import FIRST, LOCAL, ComposedFilm, composed_film, copy_of

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer

QUICK = {"frame_s": 0.02, "load_s": 0.0, "node_s": 0.0}


@pytest.fixture(scope="session")
def _rendered_once(tmp_path_factory: pytest.TempPathFactory) -> ComposedFilm:
    folder = tmp_path_factory.mktemp("rendered")
    film = composed_film(folder, LOCAL)
    film.sign(FIRST, "take", takes=60)
    film.sign(FIRST, "hero", takes=10)
    with pytest.MonkeyPatch.context() as patch, simulators.comfyui(folder / "comfyui", **QUICK) as server:
        patch.setenv("COMFYUI_URL", server.url)
        for department in ("render", "heroes"):
            for outcome in film.work(department, [FIRST]):
                assert outcome.problem is None, outcome.problem
    return film


@pytest.fixture
def film(_rendered_once: ComposedFilm, tmp_path: Path) -> ComposedFilm:
    """Take 1 of the first shot and its hero's take 1 are complete; many more are signed for."""
    return copy_of(_rendered_once, tmp_path)


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with simulators.comfyui(tmp_path / "comfyui", **QUICK) as server:
        monkeypatch.setenv("COMFYUI_URL", server.url)
        yield server


@pytest.fixture
def discord(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.discord(tmp_path / "discord", intent=True) as server:
        yield server


@pytest.fixture
def channel(film: ComposedFilm, discord: ThreadServer) -> Channel:
    """Ada reviews, Ben approves, Cleo only looks; the take and the hero are posted."""
    channel = Channel(film, discord)
    channel.crew(ada="reviewer", ben="approver", cleo="viewer")
    done = channel.round()
    assert not done.stopped, done.stopped
    return channel
