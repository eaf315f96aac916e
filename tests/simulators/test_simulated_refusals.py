"""What the simulated ComfyUI refuses, and how it says so."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import (
    a_graph,
    a_plate,
    assert_document,
    finished,
    got,
    node,
    posted,
    uploaded,
)

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer

# --- refusals


def refusal(server: ThreadServer, graph: Any) -> dict[str, Any]:
    answer = posted(server.url, graph)
    assert answer.status_code == 400
    assert not server.bill().orders
    return dict(answer.json())


def test_a_missing_picture_is_refused_in_the_very_words_of_the_real_server(server: ThreadServer) -> None:
    error = {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": "image - Invalid image file: nope.png",
        "extra_info": {"input_name": "image"},
    }
    assert refusal(server, a_graph(plate="nope.png")) == {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
            "extra_info": {},
        },
        "node_errors": {"60": {"errors": [error], "dependent_outputs": ["18"], "class_type": "LoadImage"}},
    }


def without(node_id: str, name: str) -> dict[str, Any]:
    graph = a_graph()
    del graph[node_id]["inputs"][name]
    return graph


def with_input(node_id: str, name: str, value: Any) -> dict[str, Any]:
    graph = a_graph()
    graph[node_id]["inputs"][name] = value
    return graph


@pytest.mark.parametrize(
    ("graph", "node_id", "kind", "details"),
    [
        (without("12", "steps"), "12", "required_input_missing", "steps"),
        (with_input("14", "noise_seed", 2**64), "14", "value_bigger_than_max", "noise_seed"),
        (with_input("11", "width", 8), "11", "value_smaller_than_min", "width"),
        (with_input("13", "sampler_name", "magic"), "13", "value_not_in_list", r"sampler_name: 'magic' not in \[.*\]"),
        (
            with_input("1", "unet_name", "none.safetensors"),
            "1",
            "value_not_in_list",
            r"unet_name: 'none.safetensors' not in .*",
        ),
        (
            with_input("17", "vae", ["1", 0]),
            "17",
            "return_type_mismatch",
            r"vae, received_type\(MODEL\) mismatch input_type\(VAE\)",
        ),
        (with_input("17", "vae", ["3"]), "17", "bad_linked_input", "vae"),
        (with_input("12", "steps", "many"), "12", "invalid_input_type", "steps, many, .*"),
    ],
)
def test_a_wrong_input_is_refused_at_its_node(
    server: ThreadServer, graph: Any, node_id: str, kind: str, details: str
) -> None:
    answer = refusal(server, graph)
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    assert list(answer["node_errors"]) == [node_id]
    (error,) = answer["node_errors"][node_id]["errors"]
    assert error["type"] == kind
    assert re.fullmatch(details, error["details"])
    assert error["extra_info"]["input_name"] == re.split(r"[:,]", details)[0]
    assert answer["node_errors"][node_id]["dependent_outputs"] == ["18"]


def test_an_unknown_class_is_refused_before_anything_else(server: ThreadServer) -> None:
    graph = {**a_graph(), "99": {**node("Klein9000"), "_meta": {"title": "The best model"}}}
    error = {
        "type": "missing_node_type",
        "message": "Node 'The best model' not found. The custom node may not be installed.",
        "details": "Node ID '#99'",
        "extra_info": {"node_id": "99", "class_type": "Klein9000", "node_title": "The best model"},
    }
    assert refusal(server, graph) == {"error": error, "node_errors": {}}


def test_a_graph_that_saves_nothing_is_refused(server: ThreadServer) -> None:
    graph = a_graph()
    del graph["18"]
    error = {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": "", "extra_info": {}}
    assert refusal(server, graph) == {"error": error, "node_errors": {}}


def test_an_order_without_a_graph_is_refused(server: ThreadServer) -> None:
    answer = requests.post(f"{server.url}/prompt", json={"client_id": "x"}, timeout=10)
    said = "No prompt provided"
    error = {"type": "no_prompt", "message": said, "details": said, "extra_info": {}}
    assert (answer.status_code, answer.json()) == (400, {"error": error, "node_errors": {}})


def test_a_link_to_nowhere_is_told_as_the_exception_that_it_is(server: ThreadServer) -> None:
    graph = a_graph()
    del graph["60"]
    (error,) = refusal(server, graph)["node_errors"]["70"]["errors"]
    assert (error["type"], error["details"]) == ("exception_during_inner_validation", "'60'")


def test_nodes_that_wait_for_each_other_are_refused(server: ThreadServer) -> None:
    graph = a_graph()
    graph["90"]["inputs"]["conditioning"] = ["90", 0]
    (error,) = refusal(server, graph)["node_errors"]["90"]["errors"]
    assert error["type"] == "dependency_cycle"


def test_one_good_output_is_made_although_another_is_wrong(server: ThreadServer) -> None:
    graph = {**a_graph(), "19": node("SaveImage", images=["60", 0])}
    answer = posted(server.url, graph)
    assert answer.status_code == 200
    assert list(answer.json()["node_errors"]) == ["19"]
    assert list(finished(server.url, answer.json()["prompt_id"])["outputs"]) == ["18"]


def test_a_node_that_fails_tells_what_it_was_given(server: ThreadServer) -> None:
    server.fail("out_of_memory", "job", times=1)
    entry = finished(server.url, posted(server.url).json()["prompt_id"])
    event, told = entry["status"]["messages"][-1]
    assert event == "execution_error"
    assert_document(
        told,
        {
            "prompt_id": str,
            "node_id": "16",
            "node_type": "SamplerCustomAdvanced",
            "executed": [str, ...],
            "exception_message": "Allocation on device\n",
            "exception_type": "torch.OutOfMemoryError",
            "traceback": [str, ...],
            "current_inputs": dict,
            "current_outputs": [str, ...],
            "timestamp": int,
        },
    )
    assert got(server.url, f"/api/jobs/{told['prompt_id']}")["status"] == "failed"


def test_a_picture_that_can_not_be_decoded_fails_when_it_is_loaded(server: ThreadServer) -> None:
    uploaded(server.url, "broken.png", a_plate()[:60])
    entry = finished(server.url, posted(server.url, a_graph(plate="broken.png")).json()["prompt_id"])
    assert entry["status"]["messages"][-1][1]["node_type"] == "LoadImage"


def test_fp8_files_fail_on_apple_devices_and_bf16_files_do_not(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, device="mps") as server:
        uploaded(server.url)
        for name, outcome in (("flux-2-klein-9b-fp8", "error"), ("flux-2-klein-9b", "success")):
            graph = with_input("1", "unet_name", f"{name}.safetensors")
            entry = finished(server.url, posted(server.url, graph).json()["prompt_id"])
            assert entry["status"]["status_str"] == outcome
        assert got(server.url, "/system_stats")["devices"][0]["type"] == "mps"
