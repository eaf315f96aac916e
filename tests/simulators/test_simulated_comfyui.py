import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import (
    ME,
    a_graph,
    a_plate,
    assert_document,
    finished,
    got,
    node,
    opened,
    posted,
    seen,
    slow,
    until,
    uploaded,
)

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer

# --- the life of a job


def test_a_graph_is_accepted_run_and_told_by_queue_history_and_jobs(server: ThreadServer) -> None:
    slow(server, 0.4)
    extra = {"extra_pnginfo": {"film": {"slate": "SC010_SH020"}}}
    answer = posted(server.url, prompt_id=ME, client_id="c1", extra_data=extra)
    assert answer.status_code == 200
    assert answer.json() == {"prompt_id": ME, "number": 0, "node_errors": {}}

    queue = until(lambda: (told := got(server.url, "/queue"))["queue_running"] and told)
    told_extra = {**extra, "client_id": "c1", "create_time": int}
    assert_document(queue, {"queue_running": [[0, ME, a_graph(), told_extra, ["18"]]], "queue_pending": []})
    assert got(server.url, f"/history/{ME}") == {}
    open_job = {"id": ME, "status": "in_progress", "priority": 0, "create_time": int, "outputs_count": 0}
    assert_document(got(server.url, f"/api/jobs/{ME}"), open_job)

    entry = finished(server.url, ME)
    stamped = {"prompt_id": ME, "timestamp": int}
    assert_document(
        entry,
        {
            "prompt": [0, ME, a_graph(), told_extra, ["18"]],
            "outputs": {"18": {"images": [{"filename": "frame_00001_.png", "subfolder": "", "type": "output"}]}},
            "status": {
                "status_str": "success",
                "completed": True,
                "messages": [
                    ["execution_start", stamped],
                    ["execution_cached", {**stamped, "nodes": []}],
                    ["execution_success", stamped],
                ],
            },
            "meta": {"18": {"node_id": "18", "display_node": "18", "parent_node": None, "real_node_id": "18"}},
        },
    )
    assert got(server.url, "/queue") == {"queue_running": [], "queue_pending": []}
    job = got(server.url, f"/api/jobs/{ME}")
    assert_document(
        job,
        {
            **open_job,
            "status": "completed",
            "outputs_count": 1,
            "execution_start_time": int,
            "execution_end_time": int,
            "preview_output": {
                "filename": "frame_00001_.png",
                "subfolder": "",
                "type": "output",
                "nodeId": "18",
                "mediaType": "images",
            },
            "outputs": entry["outputs"],
            "execution_status": entry["status"],
            "workflow": {"prompt": a_graph(), "extra_data": entry["prompt"][3]},
        },
    )


def test_history_and_jobs_know_nothing_of_an_unknown_id(server: ThreadServer) -> None:
    assert got(server.url, f"/history/{ME}") == {}
    answer = requests.get(f"{server.url}/api/jobs/{ME}", timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"error": "Job not found"})


@pytest.mark.parametrize(
    "path", ["/queue", "/history", "/object_info", "/system_stats", "/features", "/models/vae", "/prompt"]
)
def test_every_route_also_answers_under_api(server: ThreadServer, path: str) -> None:
    assert got(server.url, path) == got(server.url, f"/api{path}")


def test_a_wrong_method_and_an_unknown_path_are_refused(server: ThreadServer) -> None:
    assert requests.delete(f"{server.url}/prompt", timeout=10).status_code == 405
    assert requests.get(f"{server.url}/jobs", timeout=10).status_code == 404


def test_a_body_that_is_no_json_breaks_the_server_in_plain_text(server: ThreadServer) -> None:
    answer = requests.post(f"{server.url}/prompt", data="not json", timeout=10)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_same_id_posted_twice_queues_twice_and_the_book_shows_it(server: ThreadServer) -> None:
    slow(server, 0.5)
    posted(server.url, prompt_id=ME)
    assert posted(server.url, prompt_id=ME).json()["number"] == 1
    queue = got(server.url, "/queue")
    assert [entry[1] for entry in queue["queue_running"] + queue["queue_pending"]] == [ME, ME]
    assert server.bill().keys_used_twice() == {ME: 2}
    assert list(server.bill().ordered_twice().values()) == [2]


@pytest.mark.parametrize("wrong", ["abc", "", ME.upper().replace("1", "A"), ME.replace("-", ""), f"{{{ME}}}", 7])
def test_an_id_must_be_a_canonical_uuid_in_small_letters(server: ThreadServer, wrong: Any) -> None:
    answer = posted(server.url, prompt_id=wrong)
    assert answer.status_code == 400
    told = {"type": "invalid_prompt_id", "message": "prompt_id must be a valid UUID", "details": str, "extra_info": {}}
    assert_document(answer.json(), {"error": told, "node_errors": {}})
    assert not server.bill().orders


def test_an_unchanged_graph_is_answered_from_the_cache_with_the_same_file(server: ThreadServer) -> None:
    first = finished(server.url, posted(server.url).json()["prompt_id"])
    slow(server, 5.0)
    again = finished(server.url, posted(server.url).json()["prompt_id"])
    assert again["outputs"] == first["outputs"]
    cached = next(data for event, data in again["status"]["messages"] if event == "execution_cached")
    assert set(cached["nodes"]) == set(a_graph())


def test_another_picture_under_the_same_name_is_not_taken_from_the_cache(server: ThreadServer) -> None:
    first = finished(server.url, posted(server.url).json()["prompt_id"])
    uploaded(server.url, data=a_plate(light=(10, 200, 10)), overwrite="true")
    again = finished(server.url, posted(server.url).json()["prompt_id"])
    assert again["outputs"] != first["outputs"]


def test_freeing_the_memory_makes_the_next_run_work_again(server: ThreadServer) -> None:
    first = finished(server.url, posted(server.url).json()["prompt_id"])
    answer = requests.post(f"{server.url}/free", json={"unload_models": True, "free_memory": True}, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    again = finished(server.url, posted(server.url).json()["prompt_id"])
    assert again["outputs"] != first["outputs"]


def test_only_the_outputs_that_are_aimed_at_are_made(server: ThreadServer) -> None:
    graph = {**a_graph(), "19": node("SaveImage", images=["60", 0], filename_prefix="plate")}
    answer = posted(server.url, graph, partial_execution_targets=["19"])
    entry = finished(server.url, answer.json()["prompt_id"])
    assert list(entry["outputs"]) == ["19"]
    assert entry["prompt"][4] == ["19"]


def test_orders_wait_by_number_and_those_for_the_front_come_first(server: ThreadServer) -> None:
    slow(server, 0.3)
    ids = [posted(server.url, a_graph(seed)).json()["prompt_id"] for seed in range(3)]
    front = posted(server.url, a_graph(9), front=True).json()
    pending = until(lambda: len(told := got(server.url, "/queue")["queue_pending"]) == 3 and told)
    assert front["number"] == -3
    assert [entry[1] for entry in pending] == [front["prompt_id"], *ids[1:]]


# --- stopping


def test_a_pending_job_that_is_cancelled_vanishes_everywhere(server: ThreadServer) -> None:
    slow(server, 0.6)
    posted(server.url, a_graph(1))
    waiting = posted(server.url, a_graph(2)).json()["prompt_id"]
    assert requests.post(f"{server.url}/api/jobs/{waiting}/cancel", timeout=10).json() == {"cancelled": True}
    assert requests.post(f"{server.url}/api/jobs/{waiting}/cancel", timeout=10).json() == {"cancelled": False}
    assert got(server.url, "/queue")["queue_pending"] == []
    assert got(server.url, f"/history/{waiting}") == {}
    assert requests.get(f"{server.url}/api/jobs/{waiting}", timeout=10).status_code == 404


def test_a_running_job_that_is_cancelled_stops_when_its_node_yields(server: ThreadServer) -> None:
    slow(server, 2.0)
    running = posted(server.url).json()["prompt_id"]
    until(lambda: got(server.url, "/queue")["queue_running"])
    assert requests.post(f"{server.url}/api/jobs/{running}/cancel", timeout=10).json() == {"cancelled": True}
    entry = finished(server.url, running)
    assert entry["status"]["status_str"] == "error"
    assert entry["outputs"] == {}
    event, told = entry["status"]["messages"][-1]
    assert event == "execution_interrupted"
    expected = {"prompt_id": running, "node_id": str, "node_type": str, "timestamp": int}
    assert_document(told, {**expected, "executed": [str, ...]})
    assert got(server.url, f"/api/jobs/{running}")["status"] == "cancelled"


def test_an_interrupt_aimed_at_another_job_leaves_this_one_alone(server: ThreadServer) -> None:
    slow(server, 0.4)
    running = posted(server.url).json()["prompt_id"]
    until(lambda: got(server.url, "/queue")["queue_running"])
    requests.post(f"{server.url}/interrupt", json={"prompt_id": str(uuid.uuid4())}, timeout=10)
    assert finished(server.url, running)["status"]["status_str"] == "success"


def test_an_interrupt_without_a_body_stops_whoever_runs(server: ThreadServer) -> None:
    slow(server, 2.0)
    running = posted(server.url).json()["prompt_id"]
    until(lambda: got(server.url, "/queue")["queue_running"])
    assert requests.post(f"{server.url}/interrupt", timeout=10).status_code == 200
    assert finished(server.url, running)["status"]["status_str"] == "error"


def test_the_queue_is_cleared_and_jobs_are_deleted_without_a_word(server: ThreadServer) -> None:
    slow(server, 0.6)
    ids = [posted(server.url, a_graph(seed)).json()["prompt_id"] for seed in range(4)]
    answer = requests.post(f"{server.url}/queue", json={"delete": [ids[1], "nobody"]}, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    assert [entry[1] for entry in got(server.url, "/queue")["queue_pending"]] == ids[2:]
    assert requests.post(f"{server.url}/queue", json={"clear": True}, timeout=10).content == b""
    assert got(server.url, "/queue")["queue_pending"] == []


def test_a_kill_loses_queue_history_and_jobs_and_keeps_the_files(server: ThreadServer) -> None:
    done = posted(server.url).json()["prompt_id"]
    place = finished(server.url, done)["outputs"]["18"]["images"][0]
    slow(server, 5.0)
    posted(server.url, a_graph(2))
    server.kill()
    with pytest.raises(requests.ConnectionError):
        got(server.url, "/queue")
    server.restart()
    assert got(server.url, "/queue") == {"queue_running": [], "queue_pending": []}
    assert got(server.url, "/history") == {}
    assert got(server.url, "/api/jobs")["jobs"] == []
    assert opened(seen(server.url, place)).size == (64, 48)
    assert len(server.bill().orders) == 2


# --- files


def test_an_upload_keeps_its_name_unless_other_content_has_it(server: ThreadServer) -> None:
    assert uploaded(server.url).json() == {"name": "plate.png", "subfolder": "", "type": "input"}
    other = a_plate(light=(1, 2, 3))
    assert uploaded(server.url, data=other).json()["name"] == "plate (1).png"
    assert uploaded(server.url, data=other).json()["name"] == "plate (1).png"
    assert uploaded(server.url, data=other, overwrite="true").json()["name"] == "plate.png"
    place = {"filename": "plate.png", "subfolder": "", "type": "input"}
    assert seen(server.url, place) == other


def test_an_upload_goes_into_its_subfolder_and_never_out_of_the_input_folder(server: ThreadServer) -> None:
    told = uploaded(server.url, subfolder="shots").json()
    assert told == {"name": "plate.png", "subfolder": "shots", "type": "input"}
    assert posted(server.url, a_graph(plate="shots/plate.png")).status_code == 200
    assert uploaded(server.url, name="../../out.png").status_code == 400
    assert requests.post(f"{server.url}/upload/image", data={"type": "input"}, timeout=10).status_code == 400


def test_an_upload_over_the_limit_is_refused(server: ThreadServer) -> None:
    head = {"Content-Length": str(104857601), "Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{server.url}/upload/image", data=b"", headers=head, timeout=10)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ({"filename": "nothing.png"}, 404),
        ({}, 404),
        ({"filename": "../secret.png"}, 400),
        ({"filename": "plate.png", "type": "elsewhere"}, 400),
        ({"filename": "plate.png", "subfolder": "../..", "type": "input"}, 403),
    ],
)
def test_a_view_of_what_is_not_there_is_refused(server: ThreadServer, place: dict[str, str], status: int) -> None:
    assert requests.get(f"{server.url}/view", params=place, timeout=10).status_code == status


def test_a_head_request_tells_how_large_a_file_is(server: ThreadServer) -> None:
    answer = requests.head(f"{server.url}/view", params={"filename": "plate.png", "type": "input"}, timeout=10)
    assert int(answer.headers["content-length"]) == len(a_plate())


def test_jobs_are_listed_by_status_and_page(server: ThreadServer) -> None:
    ids = [posted(server.url, a_graph(seed)).json()["prompt_id"] for seed in range(3)]
    finished(server.url, ids[-1])
    page = got(server.url, "/api/jobs?status=completed&limit=2&sort_order=asc")
    assert [job["id"] for job in page["jobs"]] == ids[:2]
    assert page["pagination"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}
    answer = requests.get(f"{server.url}/api/jobs?status=sleeping", timeout=10)
    assert answer.status_code == 400
    assert "Valid values: pending, in_progress, completed, failed, cancelled" in answer.json()["error"]


# --- what the server says of itself


def test_object_info_tells_choices_in_both_ways_that_real_servers_use(server: ThreadServer) -> None:
    info = got(server.url, "/object_info")
    older = info["UNETLoader"]["input"]["required"]["unet_name"]
    assert older[0] == sorted(older[0])
    assert "flux-2-klein-4b.safetensors" in older[0]
    newer = info["KSamplerSelect"]["input"]["required"]["sampler_name"]
    assert newer[0] == "COMBO"
    assert "euler" in newer[1]["options"]
    assert got(server.url, "/object_info/RandomNoise")["RandomNoise"]["input"]["required"]["noise_seed"] == [
        "INT",
        {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True},
    ]
    assert got(server.url, "/object_info/Klein9000") == {}
    assert info["SaveImage"]["output_node"] is True
    assert info["SaveImage"]["input"]["hidden"] == {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def test_the_files_of_a_model_folder_are_listed_and_unknown_folders_are_not_found(server: ThreadServer) -> None:
    assert got(server.url, "/models/vae") == ["flux2-vae.safetensors", "full_encoder_small_decoder.safetensors"]
    assert requests.get(f"{server.url}/models/unet", timeout=10).status_code == 404


def test_an_authenticating_proxy_lets_nobody_in_without_its_token(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, token="secret", single_use_keys=True) as server:
        for headers in ({}, {"Authorization": "secret"}, {"Authorization": "Bearer wrong"}):
            answer = requests.get(f"{server.url}/queue", headers=headers, timeout=10)
            assert answer.status_code == 401
            assert_document(answer.json(), {"error": {"code": "unauthorized", "message": str, "details": None}})
        known = {"Authorization": "Bearer secret", "Idempotency-Key": "k1"}
        order = {"prompt": a_graph(plate=None)}
        assert requests.post(f"{server.url}/prompt", json=order, headers=known, timeout=10).status_code == 200
        again = requests.post(f"{server.url}/prompt", json=order, headers=known, timeout=10)
        assert again.status_code == 422
        assert again.json()["error"]["code"] == "idempotency_key_reuse"
        assert len(server.bill().orders) == 1
