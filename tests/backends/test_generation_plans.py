"""The `generation:` block of production.yaml, the registry that is made from it, and prices."""

from decimal import Decimal
from pathlib import Path

import pytest
from backend_makers import KEY, CountedEnvironment, a_production
from pydantic import BaseModel

from film_pipeline.backends.credentials import FILE_VARIABLE, RUNPOD_ORDER, RUNPOD_WATCH
from film_pipeline.backends.klein import all_kleins
from film_pipeline.backends.prices import Hire, Pace, charge, free_quote, hired_quote, per_image_quote
from film_pipeline.backends.registry import ENDPOINTS_VARIABLE, PROXY_VARIABLE, REST_VARIABLE, backends_of
from film_pipeline.core.files import read_yaml
from film_pipeline.core.generators import EndpointFields, LocalKleinPlan, PodsPlan, ServerlessPlan
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import Production

WHOLE = """
name: the-bridge
title: The Bridge
generation:
  at-home:
    kind: local-klein
    model: klein-9b
    precision: bf16
    url_env: STUDIO_COMFYUI
  pods:
    kind: runpod-pods
    model: klein-9b
    image: our/comfyui:1
    start: python main.py --listen 127.0.0.1 --port {port}
    gpus: [NVIDIA GeForce RTX 4090, NVIDIA L40S]
    volume: {id: agv6w2qcg7, path: /workspace}
    max_workers: 3
    max_usd_per_hour: 0.80
  edits:
    kind: runpod-serverless
    endpoint: qwen-image-edit-2511
    worker: prompt-and-references
    model: {name: Qwen Image Edit 2511, licence: Apache-2.0, commercial: true}
    usd_per_image: 0.02
    max_references: 3
    purposes: [hero, look pass]
backends: [pods, at-home, edits, cycles]
"""


def read(tmp_path: Path, text: str) -> Production:
    path = tmp_path / "production.yaml"
    path.write_text(text)
    return read_yaml(path, Production)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(FilmProblem) as told:
        read(tmp_path, text)
    return str(told.value).replace(f"{tmp_path}/", "")


def test_backends_are_there_by_name_in_order_of_preference(tmp_path: Path) -> None:
    production = read(tmp_path, WHOLE)
    environment = CountedEnvironment({"RUNPOD_API_KEY": KEY, "STUDIO_COMFYUI": "http://10.0.0.7:8188/"})
    backends = backends_of(production, tmp_path, environment)
    assert list(backends) == ["pods", "at-home", "edits"]
    assert [backend.paid for backend in backends.values()] == [True, False, True]
    assert {name: backend.model("hero").said for name, backend in backends.items()} == {
        "pods": "klein-9b fp8 (FLUX Non-Commercial License)",
        "at-home": "klein-9b bf16 (FLUX Non-Commercial License)",
        "edits": "Qwen Image Edit 2511 (Apache-2.0)",
    }
    assert backends["edits"].purposes == {"hero", "look pass"}
    assert "RUNPOD_API_KEY" not in environment.reads
    plan = production.generation["pods"]
    assert plan.max_usd_per_hour == Decimal("0.8")  # type: ignore[union-attr]


def test_unknown_prices_are_unknown(tmp_path: Path) -> None:
    production = read(tmp_path, WHOLE.replace("    usd_per_image: 0.02\n", ""))
    backends = backends_of(production, tmp_path, {})
    assert backends["pods"].quote(1, (1280, 720)).cost_usd is None
    assert backends["edits"].quote(1, (1280, 720)).cost_usd is None
    home = backends["at-home"].quote(5, (1280, 720))
    assert home.cost_usd == 0 and "NOT for a film that earns money" in home.said


def test_a_backend_that_is_not_described_is_told_with_those_that_are(tmp_path: Path) -> None:
    told = refused(tmp_path, WHOLE.replace("[pods, at-home", "[pods, attic"))
    assert told.startswith(
        "production.yaml:27: backends: there is no backend 'attic': choose among cycles, at-home, pods"
    )


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("    model: klein-9b\n    precision", "    model: klein-7b\n    precision", "7: generation.at-home.model"),
        ("    gpus: [NVIDIA GeForce RTX 4090, NVIDIA L40S]\n", "", "10: generation.pods.gpus: this field is needed"),
        ("    max_workers: 3", "    max_worker: 3", "17: generation.pods.max_worker: there is no such field"),
        ("    max_usd_per_hour: 0.80", "    max_usd_per_hour: -1", "18: generation.pods.max_usd_per_hour"),
        ("{port}", "8188", "generation.pods: `start` must say {port}"),
        ("kind: local-klein", "kind: midjourney", "5: generation.at-home: what it is must be said by `kind:`"),
        ("    kind: local-klein\n", "", "5: generation.at-home: what it is must be said by `kind:`"),
        ("usd_per_image: 0.02", "usd_per_image: 0.02\n    usd_per_second: 0.001", "give one price"),
        ("worker: prompt-and-references", "worker: worker-comfyui", "worker-comfyui is sent our graph"),
        ("endpoint: qwen-image-edit-2511", "endpoint: ../../v2", "21: generation.edits.endpoint"),
        ("  at-home:", "  cycles:", "cycles is the free renderer"),
        ("  at-home:", "  At Home:", "generation.At Home"),
        ("backends: [pods, ", "backends: [pods, pods, ", "stands there twice"),
        ("max_references: 3", "ttl_s: 500", "ttl_s must be longer than execution_timeout_s"),
    ],
)
def test_mistakes_are_told_where_they_stand(written: str, instead: str, said: str, tmp_path: Path) -> None:
    assert written in WHOLE
    assert said in refused(tmp_path, WHOLE.replace(written, instead))


def test_a_production_without_generating_backends_has_none(tmp_path: Path) -> None:
    assert backends_of(a_production(), tmp_path, {}) == {}


@pytest.mark.parametrize("variable", ["RUNPOD_REST_URL", "RUNPOD_ENDPOINT_BASE_URL", "RUNPOD_PROXY_URL"])
def test_no_address_may_send_a_key_in_the_clear(variable: str, tmp_path: Path) -> None:
    production = read(tmp_path, WHOLE)
    with pytest.raises(FilmProblem, match=f"{variable} would send the key unencrypted"):
        backends_of(production, tmp_path, {variable: "http://{pod}.example.com/v2"})
    assert backends_of(production, tmp_path, {variable: "http://127.0.0.1:9000/{pod}"})


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="STUDIO_COMFYUI"):
        backends_of(read(tmp_path, WHOLE), tmp_path, {"STUDIO_COMFYUI": "my-server:8188"})


# Prices


def test_pace_is_the_median_of_what_was_measured_by_area(tmp_path: Path) -> None:
    pace = Pace(Decimal("30"))
    assert pace.seconds((1000, 1000)) == (Decimal("30"), "30 s a frame as production.yaml says")
    for seconds in (4.0, 5.0, 90.0, 0.0, -3.0):
        pace.measured(seconds, (1000, 1000))
    assert pace.seconds((1000, 1000)) == (Decimal("5.0"), "5 s a frame as measured")
    assert pace.seconds((2000, 1000)) == (Decimal("10.0"), "10 s a frame as measured")
    pace.measured(7.0, (1000, 1000), "hero")
    known = pace.seconds((1000, 1000), "hero")
    assert known is not None and known[0] == 7
    assert Pace().seconds((1000, 1000)) is None


def test_parts_of_a_millionth_are_rounded_up() -> None:
    assert charge(1, Decimal("0.69")) == Decimal("0.000192")
    assert charge(0, Decimal("0.69")) == 0
    assert charge(10, None) is None


def test_what_is_unknown_is_never_nothing() -> None:
    seconds = (Decimal(10), "10 s a frame")
    assert hired_quote("pods", 3, Hire(None, "?"), seconds, "").cost_usd is None
    assert hired_quote("pods", 3, Hire(Decimal("0.36"), "0.36"), None, "").cost_usd is None
    assert hired_quote("pods", 3, Hire(Decimal("0.36"), "0.36", Decimal(140)), seconds, "").cost_usd == Decimal("0.017")
    assert per_image_quote("edits", 3, None, "").cost_usd is None
    assert per_image_quote("edits", 3, Decimal("0.02"), "").cost_usd == Decimal("0.06")
    assert free_quote("at-home", 3, "").cost_usd == 0


@pytest.mark.parametrize(
    ("plan", "page"),
    [(LocalKleinPlan, "local-klein"), (PodsPlan, "runpod-pods"), (ServerlessPlan, "runpod-serverless")],
)
def test_every_setting_of_a_backend_stands_in_its_page(plan: type[BaseModel], page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "backends" / f"{page}.md").read_text()
    settings = [*plan.model_fields, *(EndpointFields.model_fields if plan is ServerlessPlan else ())]
    assert [name for name in settings if f"`{name}`" not in text] == []
    variables = {
        "local-klein": ["COMFYUI_URL", "COMFYUI_TOKEN"],
        "runpod-pods": [RUNPOD_ORDER, RUNPOD_WATCH, FILE_VARIABLE, REST_VARIABLE, PROXY_VARIABLE],
        "runpod-serverless": [RUNPOD_ORDER, RUNPOD_WATCH, ENDPOINTS_VARIABLE],
    }
    assert [name for name in variables[page] if name not in text] == []


def test_the_examples_of_the_pages_are_good(tmp_path: Path) -> None:
    for page in ("local-klein", "runpod-pods", "runpod-serverless"):
        text = (Path(__file__).parents[2] / "docs" / "backends" / f"{page}.md").read_text()
        example = text.partition("```yaml\n")[2].partition("```")[0]
        production = read(tmp_path, f"name: the-bridge\ntitle: The Bridge\n{example}")
        assert list(backends_of(production, tmp_path, {})) == [name for name in production.backends if name != "cycles"]


def test_the_files_of_every_model_stand_in_the_page() -> None:
    text = (Path(__file__).parents[2] / "docs" / "backends" / "local-klein.md").read_text()
    names = {file.name.removesuffix(".safetensors") for each in all_kleins() for file in each.files}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
