"""`film studio`: the real Dagster web UI and the review app on one production, used as a person uses them."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
import requests
from review_server import session_in
from small_film import SmallFilm

from film_pipeline.departments.film import Film

pytestmark = pytest.mark.blender

_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status assetMaterializations { partition } } } }"
_GROUPS = '{ assetNodes { groupName assetKey { path } } sensorsOrError(repositorySelector: {repositoryName: \
"__repository__", repositoryLocationName: "film_pipeline.definitions"}) { ... on Sensors { results { name } } } }'


@dataclass(frozen=True)
class Studio:
    film: SmallFilm
    dagster: str
    review: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answered = requests.post(
            f"{self.dagster}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answered, answered
        data: dict[str, Any] = answered["data"]
        return data

    def launch(self, asset: str, shot: str) -> str:
        """Launch one stage of one shot, as the web UI does, and wait for its end. Returns the run's status."""
        params = {
            "selector": {
                "repositoryLocationName": "film_pipeline.definitions",
                "repositoryName": "__repository__",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": [asset]}],
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": shot}]},
        }
        launched = self.ask(_LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            run = self.ask(_RUN, id=launched["run"]["runId"])["runOrError"]
            if run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return str(run["status"])
            time.sleep(0.5)
        raise AssertionError("the run does not end")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def studio(made_film: SmallFilm) -> Iterator[Studio]:
    port, review_port = free_port(), free_port()
    command = [sys.executable, "-m", "film_pipeline.cli", "studio", "--port", str(port)]
    running = subprocess.Popen(
        [*command, "--review-port", str(review_port)],
        cwd=made_film.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    opened = Studio(made_film, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{review_port}")
    try:
        for address in (f"{opened.dagster}/server_info", f"{opened.review}/health"):
            _wait_for(address)
        yield opened
    finally:
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=60)
        _, alive = psutil.wait_procs(children, timeout=30)
        for process in alive:
            process.kill()
        assert not alive, "the studio left processes behind"


def _wait_for(address: str, timeout_s: float = 120) -> None:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError(f"{address} does not answer")


def test_a_stage_of_a_shot_is_launched_from_the_web_ui_and_its_picture_is_served(studio: Studio) -> None:
    told = studio.ask(_GROUPS)
    assert len({node["groupName"] for node in told["assetNodes"]}) == 10
    assert {sensor["name"] for sensor in told["sensorsOrError"]["results"]} >= {"new_shots", "lost_runs"}
    studio.film.edit("look/look.yaml", "vignette: {amount: 0.45", "vignette: {amount: 0.6")
    assert studio.launch("look", "SC010_SH020") == "SUCCESS"
    assert studio.launch("color", "SC010_SH020") == "SUCCESS"
    with Film(studio.film.root) as film:
        turnover = film.frames.latest("color", "SC010_SH020")
        # Whoever looks at Dagster sees the pictures if they are logged in to the review app.
        cookies = dict([session_in(film.ledger)])
    assert turnover is not None
    assert turnover.version == 2
    address = f"{studio.review}/thumbnails/{turnover.one('color').sha256}.jpg"
    assert requests.get(address, timeout=30).status_code == 401
    picture = requests.get(address, cookies=cookies, timeout=30)
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content[:2] == b"\xff\xd8"
    for name in ("0" * 64, "nonsense", "..%2f..%2fproduction"):
        assert requests.get(f"{studio.review}/thumbnails/{name}.jpg", cookies=cookies, timeout=30).status_code == 404
