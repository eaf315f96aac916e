import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import ME, MOMENT, Like, a_graph, assert_document, until, uploaded
from websockets.sync.client import connect

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer
from film_pipeline.simulators.runpod_pods import KEY, WATCH_KEY

ADA = "NVIDIA GeForce RTX 4090"
TOKEN = "a-token-of-at-least-thirty-two-characters"
GUARDED = {"FILM_POD_TOKEN": TOKEN, "FILM_POD_SILENT_S": "300"}
QUICK: dict[str, Any] = {"provisioning_s": 0.05, "starting_s": 0.05, "ready_s": 0.05}


class Account:
    """RunPod from the client's side."""

    def __init__(self, server: ThreadServer) -> None:
        self.server, self.url = server, server.url

    def ask(self, method: str, path: str, body: Any = None, key: str = KEY) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.request(method, f"{self.url}/v2{path}", json=body, headers=headers, timeout=10)

    def create(self, **more: Any) -> requests.Response:
        return self.ask("POST", "/pods", {**an_order(), **more})

    def pod(self, pod_id: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/pods/{pod_id}").json())

    def proxied(self, pod_id: str, path: str, port: int = 8188, token: str = TOKEN) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.url}/proxy/{pod_id}-{port}{path}", headers=headers, timeout=10)

    def ready(self, **more: Any) -> str:
        """A pod whose ComfyUI answers."""
        pod_id = str(self.create(**more).json()["id"])
        until(lambda: self.proxied(pod_id, "/queue").status_code == 200)
        return pod_id


def an_order() -> dict[str, Any]:
    return {"name": "film-1", "image": "film/comfyui", "gpu": {"id": ADA, "count": 1}, "ports": ["8188/http"]}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with simulators.runpod_pods(tmp_path, **QUICK) as server:
        yield Account(server)


@pytest.fixture
def slow_account(tmp_path: Path) -> Iterator[Account]:
    """Pods stay in PROVISIONING until the clock is moved."""
    with simulators.runpod_pods(tmp_path, provisioning_s=1e4, starting_s=1e4, ready_s=1e4) as server:
        yield Account(server)


def pod_document(**known: Any) -> dict[str, Any]:
    return {
        "id": Like(r"[a-z0-9]{14}"),
        "name": "film-1",
        "status": str,
        "actions": [str, ...],
        "image": "film/comfyui",
        "args": "",
        "disk": int,
        "mounts": {},
        "ports": ["8188/http"],
        "env": {},
        "registry": None,
        "gpu": {"id": ADA, "count": 1, "vcpuCount": int, "memory": int},
        "cloud": "SECURE",
        "dataCenterId": None,
        "cudaVersion": None,
        "ssh": {"proxy": None, "direct": None},
        "template": None,
        "cost": 0.69,
        "locked": False,
        "globalNetworking": {"enabled": False},
        "runtime": None,
        "createdAt": MOMENT,
        "startedAt": None,
        **known,
    }


def assert_problem(answer: requests.Response, status: int, title: str, detail: Any = str, **more: Any) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert_document(answer.json(), {"title": title, "status": status, "detail": detail, **more})


# --- lives


def test_a_new_pod_is_told_whole_and_goes_through_its_states(slow_account: Account) -> None:
    answer = slow_account.create()
    assert answer.status_code == 201
    assert_document(answer.json(), pod_document(status="PROVISIONING", actions=["stop", "terminate"]))
    pod_id = answer.json()["id"]
    assert slow_account.proxied(pod_id, "/queue").status_code == 502

    slow_account.server.advance(10001)
    placed = {"dataCenterId": "EU-RO-1", "cudaVersion": "12.8"}
    starting = until(lambda: (told := slow_account.pod(pod_id))["status"] == "STARTING" and told)
    assert_document(starting, pod_document(status="STARTING", actions=["stop", "terminate"], **placed))

    slow_account.server.advance(10001)
    running = until(lambda: (told := slow_account.pod(pod_id))["status"] == "RUNNING" and told)
    runtime = {
        "uptime": int,
        "gpus": [{"util": int, "memoryUtil": int}],
        "cpu": {"util": int},
        "memory": {"util": int},
        "ports": [{"private": 8188, "public": None, "type": "http", "ip": None}],
    }
    actions = ["stop", "restart", "terminate"]
    known = {"status": "RUNNING", "actions": actions, "runtime": runtime, "startedAt": MOMENT, **placed}
    assert_document(running, pod_document(**known))
    assert slow_account.proxied(pod_id, "/queue").status_code == 502, "RUNNING does not mean that ComfyUI is ready"

    slow_account.server.advance(10001)
    until(lambda: slow_account.proxied(pod_id, "/queue").status_code == 200)
    assert slow_account.ask("GET", "/pods").json() == {"pods": [slow_account.pod(pod_id)]}


def test_a_terminated_pod_is_no_longer_listed_nor_reached_nor_paid(account: Account) -> None:
    pod_id = account.ready()
    answer = account.ask("DELETE", f"/pods/{pod_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert account.ask("GET", "/pods").json() == {"pods": []}
    assert account.pod(pod_id)["status"] == "TERMINATED"
    assert account.pod(pod_id)["cost"] == 0.0
    assert account.proxied(pod_id, "/queue").status_code == 404
    assert_problem(account.ask("DELETE", f"/pods/{pod_id}"), 404, "Not Found", "pod not found")
    before = account.server.bill().total_usd
    account.server.advance(7200)
    assert account.server.bill().total_usd == before
    assert_problem(account.ask("GET", f"/pods/{pod_id}"), 404, "Not Found", "pod not found")


def test_actions_that_the_state_does_not_allow_are_conflicts(account: Account) -> None:
    pod_id = account.ready()
    assert_problem(account.ask("POST", f"/pods/{pod_id}/action", {"action": "start"}), 409, "Conflict")
    assert account.ask("POST", f"/pods/{pod_id}/action", {"action": "stop"}).json()["status"] == "EXITED"
    assert account.pod(pod_id)["actions"] == ["start", "terminate"]
    assert_problem(account.ask("POST", f"/pods/{pod_id}/action", {"action": "restart"}), 409, "Conflict")
    assert account.ask("POST", f"/pods/{pod_id}/action", {"action": "start"}).json()["status"] == "STARTING"
    until(lambda: account.proxied(pod_id, "/queue").status_code == 200)
    answer = account.ask("POST", f"/pods/{pod_id}/action", {"action": "terminate"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_restart_loses_what_was_in_the_container(account: Account) -> None:
    pod_id = account.ready()
    place = f"{account.url}/proxy/{pod_id}-8188"
    uploaded(place)
    requests.post(f"{place}/prompt", json={"prompt": a_graph(), "prompt_id": ME}, timeout=10)
    until(lambda: ME in account.proxied(pod_id, "/history").json())
    account.ask("POST", f"/pods/{pod_id}/action", {"action": "restart"})
    until(lambda: account.proxied(pod_id, "/queue").status_code == 200)
    assert account.proxied(pod_id, "/history").json() == {}
    assert account.proxied(pod_id, "/view?filename=plate.png&type=input").status_code == 404
    keys = [order.key for order in account.server.bill().orders]
    assert keys == ["film-1", ME]


def test_a_locked_pod_can_not_be_stopped(account: Account) -> None:
    pod_id = account.ready()
    assert account.ask("PATCH", f"/pods/{pod_id}", {"locked": True, "name": "kept"}).json()["name"] == "kept"
    assert_problem(account.ask("POST", f"/pods/{pod_id}/action", {"action": "stop"}), 409, "Conflict")


def test_a_pod_can_boot_slowly_fail_to_boot_and_vanish(account: Account) -> None:
    account.server.script(
        "boot", [{"kind": "boot_slow", "seconds": 1e4}, "boot_error", {"kind": "vanish", "seconds": 0.1}]
    )
    slow, broken, gone = (str(account.create(name=f"film-{number}").json()["id"]) for number in range(3))
    until(lambda: account.pod(broken)["status"] == "ERROR")
    until(lambda: account.ask("GET", f"/pods/{gone}").status_code == 404)
    assert account.pod(slow)["status"] == "STARTING"
    assert [pod["id"] for pod in account.ask("GET", "/pods").json()["pods"]] == [slow, broken]
    assert account.proxied(gone, "/queue").status_code == 404
    assert account.server.bill().of(gone) > 0


def test_a_running_pod_can_be_taken_away(account: Account) -> None:
    pod_id = account.ready()
    account.server.control("vanish", pod_id=pod_id)
    assert account.ask("GET", f"/pods/{pod_id}").status_code == 404
    assert account.proxied(pod_id, "/queue").status_code == 404


# --- money


def test_a_pod_is_paid_by_the_second_from_its_creation_to_its_end(slow_account: Account) -> None:
    pod_id = slow_account.create().json()["id"]
    slow_account.server.advance(3599)
    (charge,) = slow_account.server.bill().charges
    assert (charge.provider_id, charge.what, charge.seconds) == (pod_id, "pod", Decimal(3600))
    assert charge.usd == Decimal("0.690000")
    slow_account.ask("DELETE", f"/pods/{pod_id}")
    slow_account.server.advance(3600)
    assert slow_account.server.bill().of(pod_id) == Decimal("0.690000")


def test_a_stopped_pod_costs_nothing_until_it_starts_again(slow_account: Account) -> None:
    pod_id = slow_account.create().json()["id"]
    slow_account.server.advance(9.5)
    slow_account.ask("POST", f"/pods/{pod_id}/action", {"action": "stop"})
    slow_account.server.advance(3600)
    assert slow_account.server.bill().charges[0].seconds == 10
    slow_account.ask("POST", f"/pods/{pod_id}/action", {"action": "start"})
    slow_account.server.advance(9.5)
    assert slow_account.server.bill().charges[0].seconds == 20


def test_community_pods_and_pods_with_more_gpus_cost_what_the_catalog_says(slow_account: Account) -> None:
    assert slow_account.create(cloud="COMMUNITY").json()["cost"] == 0.34
    assert slow_account.create(gpu={"id": ADA, "count": 2}).json()["cost"] == 1.38


def test_without_money_nothing_is_rented_and_everything_is_stopped(slow_account: Account) -> None:
    pod_id = slow_account.create().json()["id"]
    slow_account.server.advance(10001)
    until(lambda: slow_account.pod(pod_id)["status"] == "STARTING")
    slow_account.server.control("set_balance", usd="0.50")
    assert_problem(slow_account.create(), 402, "Payment Required")
    slow_account.server.advance(3600)
    until(lambda: slow_account.pod(pod_id)["status"] == "EXITED")
    assert Decimal(slow_account.server.control("balance")) <= 0


def test_a_type_that_is_sold_out_is_refused_and_the_next_one_is_not(account: Account) -> None:
    account.server.control("set_capacity", gpu=ADA, pods=1)
    account.create()
    detail = Like(r"There are no longer any instances available with the requested specifications\..*")
    assert_problem(account.create(), 400, "Bad Request", detail)
    assert account.create(gpu={"id": "NVIDIA RTX A6000"}).status_code == 201
    told = account.ask("GET", "/catalog/gpus?include=AVAILABILITY&product=POD").json()["gpus"]
    assert {gpu["id"]: gpu["availability"] for gpu in told}[ADA] == "NONE"


def test_two_pods_of_one_name_are_two_orders(account: Account) -> None:
    account.create()
    account.create()
    assert account.server.bill().keys_used_twice() == {"film-1": 2}
    assert len(account.server.bill().charges) == 2


def test_a_connection_that_breaks_after_the_order_leaves_a_pod_that_costs(account: Account) -> None:
    account.server.fail("drop_after", "POST /v2/pods", times=1)
    with pytest.raises(requests.ConnectionError):
        account.create(name="film-unique")
    (pod,) = account.ask("GET", "/pods").json()["pods"]
    assert pod["name"] == "film-unique"
    assert account.server.bill().total_usd > 0


# --- refusals


def test_nobody_is_served_without_the_key(account: Account) -> None:
    answer = requests.get(f"{account.url}/v2/pods", timeout=10)
    assert_problem(answer, 401, "Unauthorized", "missing bearer token")
    assert_problem(account.ask("GET", "/pods", key="other"), 401, "Unauthorized")


def test_the_watching_key_sees_and_ends_pods_and_rents_none(account: Account) -> None:
    assert_problem(account.ask("POST", "/pods", an_order(), key=WATCH_KEY), 403, "Forbidden", "access denied")
    pod_id = account.create().json()["id"]
    assert account.ask("GET", f"/pods/{pod_id}", key=WATCH_KEY).status_code == 200
    assert account.ask("DELETE", f"/pods/{pod_id}", key=WATCH_KEY).status_code == 204
    assert len(account.server.bill().orders) == 1


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"bogus": 1}, ["$: additional properties 'bogus' not allowed"]),
        ({"name": None}, ["$.name: expected a string of at least 1 character"]),
        ({"disk": 0}, ["$.disk: expected an integer of at least 1"]),
        ({"env": {"A": 1}}, ["$.env: expected an object of strings"]),
        ({"ports": "8188/http"}, ["$.ports: expected an array of strings"]),
        ({"cloud": "ALL"}, ["$.cloud: expected one of SECURE, COMMUNITY"]),
        ({"gpu": {"count": 1}}, ["$.gpu: missing property 'id'"]),
        ({"gpu": {"id": ADA, "countt": 1}}, ["$.gpu: additional properties 'countt' not allowed"]),
        (
            {"mounts": {"network": [{"volumeId": "v"}]}},
            ["$.mounts.network[0]: missing property 'path'"],
        ),
        ({"gpuTypeIds": [ADA]}, ["$: additional properties 'gpuTypeIds' not allowed"]),
    ],
)
def test_what_the_schema_does_not_allow_is_refused_by_name(account: Account, change: Any, errors: list[str]) -> None:
    answer = account.create(**change)
    assert_problem(answer, 422, "Unprocessable Entity", "Request validation failed.", errors=errors)
    assert not account.server.bill().orders


def test_what_the_rules_do_not_allow_is_a_bad_request(account: Account) -> None:
    both = {"persistent": {"size": 20, "path": "/a"}, "network": [{"volumeId": "v", "path": "/b"}]}
    for change in ({"cpu": {"id": "cpu5c", "vcpuCount": 2}}, {"mounts": both}, {"gpu": {"id": "NVIDIA Nothing"}}):
        assert_problem(account.create(**change), 400, "Bad Request")
    order = an_order()
    del order["gpu"]
    assert_problem(account.ask("POST", "/pods", order), 400, "Bad Request", "exactly one of gpu or cpu must be set")
    answer = requests.post(f"{account.url}/v2/pods", data="{", headers={"Authorization": f"Bearer {KEY}"}, timeout=10)
    assert_problem(answer, 400, "Bad Request", "the request body is not valid JSON")


def test_an_image_is_needed_unless_a_template_brings_it(tmp_path: Path) -> None:
    templates = {"30zmvf89kd": {"image": "from/template", "ports": ["8188/http"], "env": {"A": "1", "B": "1"}}}
    with simulators.runpod_pods(tmp_path, **QUICK, templates=templates) as server:
        account = Account(server)
        order = {"name": "film-1", "gpu": {"id": ADA}}
        answer = account.ask("POST", "/pods", order)
        assert_problem(answer, 422, "Unprocessable Entity", str, errors=["$: missing property 'image'"])
        made = account.ask("POST", "/pods", {**order, "templateId": "30zmvf89kd", "env": {"B": "2"}}).json()
        assert (made["image"], made["env"], made["template"]) == ("from/template", {"A": "1", "B": "2"}, None)
        assert account.ask("POST", "/pods", {**order, "templateId": "nope"}).status_code == 404


def test_unknown_pods_paths_methods_and_actions_are_refused(account: Account) -> None:
    assert_problem(account.ask("GET", "/pods/nobody"), 404, "Not Found", "pod not found")
    assert_problem(account.ask("GET", "/endpoints"), 404, "Not Found", "resource not found")
    refused = account.ask("PUT", "/pods", {})
    assert_problem(refused, 405, "Method Not Allowed")
    assert "POST" in refused.headers["allow"]
    pod_id = account.create().json()["id"]
    answer = account.ask("POST", f"/pods/{pod_id}/action", {"action": "reset"})
    assert_problem(answer, 422, "Unprocessable Entity", str, errors=[str, ...])


def test_too_many_calls_are_told_to_wait(tmp_path: Path) -> None:
    with simulators.runpod_pods(tmp_path, **QUICK, requests_a_minute=2) as server:
        account = Account(server)
        answers = [account.ask("GET", "/pods") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        server.advance(60)
        assert account.ask("GET", "/pods").status_code == 200


def test_the_catalog_tells_prices_and_availability_only_for_a_product(account: Account) -> None:
    told = account.ask("GET", "/catalog/gpus").json()["gpus"]
    gpu = {
        "id": ADA,
        "name": "RTX 4090",
        "pool": "ADA_24",
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": True,
        "community": True,
        "price": {"secure": 0.69, "community": 0.34},
        "maxCount": {"secure": 8, "community": 4},
    }
    assert gpu in told
    one = account.ask("GET", f"/catalog/gpus/{ADA}?include=AVAILABILITY&product=POD").json()
    centres = [{"id": str, "name": str, "availability": "HIGH"}, ...]
    assert_document(one, {**gpu, "availability": "HIGH", "dataCenters": centres})
    assert_problem(account.ask("GET", "/catalog/gpus?include=AVAILABILITY"), 400, "Bad Request")
    assert_problem(account.ask("GET", "/catalog/gpus?product=POD"), 400, "Bad Request")
    assert_problem(account.ask("GET", "/catalog/gpus/NVIDIA%20Nothing"), 404, "Not Found")


# --- the way to a pod


def test_a_pods_comfyui_is_reached_through_the_proxy_and_its_websocket_too(account: Account) -> None:
    pod_id = account.ready()
    place = f"{account.url}/proxy/{pod_id}-8188"
    assert uploaded(place).json()["name"] == "plate.png"
    with connect(f"{place.replace('http', 'ws')}/ws?clientId=c1", proxy=None) as socket:
        assert json.loads(socket.recv(timeout=5))["type"] == "status"
        order: dict[str, Any] = {"prompt": a_graph(), "client_id": "c1", "prompt_id": ME}
        requests.post(f"{place}/prompt", json=order, timeout=10)
        while True:
            message = socket.recv(timeout=5)
            if isinstance(message, str) and json.loads(message)["data"].get("node", 0) is None:
                break
    entry = account.proxied(pod_id, f"/history/{ME}").json()[ME]
    name = entry["outputs"]["18"]["images"][0]["filename"]
    assert account.proxied(pod_id, f"/view?filename={name}").headers["content-type"] == "image/png"
    direct = account.server.control("comfyui_url", pod_id=pod_id)
    assert requests.get(f"{direct}/history/{ME}", timeout=5).json()[ME] == entry


def test_a_port_that_is_not_exposed_is_not_there(account: Account) -> None:
    pod_id = account.ready()
    assert account.proxied(pod_id, "/queue", port=22).status_code == 404


def test_an_answer_that_takes_too_long_is_cut_off_while_the_pod_goes_on(tmp_path: Path) -> None:
    with simulators.runpod_pods(tmp_path, **QUICK, limit_s=0.3) as server:
        account = Account(server)
        pod_id = account.ready()
        place = f"{account.url}/proxy/{pod_id}-8188"
        server.control("comfyui_fail", kind="slow", call="POST /prompt", seconds=0.6, times=1)
        order: dict[str, Any] = {"prompt": a_graph(plate=None), "prompt_id": ME}
        began = time.monotonic()
        assert requests.post(f"{place}/prompt", json=order, timeout=10).status_code == 524
        assert time.monotonic() - began < 0.6
        until(lambda: ME in account.proxied(pod_id, "/history").json())
        assert server.bill().keys_used_twice() == {}


def test_a_pod_that_is_taken_away_breaks_the_request_in_hand(account: Account) -> None:
    pod_id = account.ready()
    account.server.control("comfyui_fail", kind="slow", call="POST /prompt", seconds=0.4, times=1)
    place = f"{account.url}/proxy/{pod_id}-8188"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(requests.post, f"{place}/prompt", json={"prompt": a_graph(plate=None)}, timeout=10)
        time.sleep(0.15)
        account.server.control("vanish", pod_id=pod_id)
        assert isinstance(asked.exception(), requests.ConnectionError)


def test_faults_of_a_pods_comfyui_come_through_the_proxy(account: Account) -> None:
    account.server.control("comfyui_fail", kind="drop_after", call="POST /prompt", times=1)
    pod_id = account.ready()
    place = f"{account.url}/proxy/{pod_id}-8188"
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{place}/prompt", json={"prompt": a_graph(plate=None), "prompt_id": ME}, timeout=10)
    assert ME in [order.key for order in account.server.bill().orders]


def test_a_guarded_pod_lets_only_its_token_in(account: Account) -> None:
    pod_id = account.ready(env=GUARDED)
    for token in ("", "wrong"):
        answer = account.proxied(pod_id, "/queue", token=token)
        assert answer.status_code == 401
        assert answer.headers["x-film-guard"] == "not forwarded"
        assert answer.json()["error"]["type"] == "film_guard"
    with (
        pytest.raises(Exception, match="401"),
        connect(f"{account.url.replace('http', 'ws')}/proxy/{pod_id}-8188/ws?clientId=c1", proxy=None),
    ):
        pass


def test_a_guarded_pod_that_is_not_ready_says_that_nothing_was_passed_on(tmp_path: Path) -> None:
    with simulators.runpod_pods(tmp_path, provisioning_s=0.01, starting_s=0.01, ready_s=1e4) as server:
        account = Account(server)
        pod_id = account.create(env=GUARDED).json()["id"]
        until(lambda: account.pod(pod_id)["status"] == "RUNNING")
        answer = account.proxied(pod_id, "/queue")
        assert (answer.status_code, answer.headers["x-film-guard"]) == (503, "not forwarded")


def test_a_guarded_pod_that_nobody_calls_ends_itself_and_one_that_is_called_does_not(account: Account) -> None:
    silent, called = account.ready(env=GUARDED), account.ready(env=GUARDED)
    for _ in range(3):
        account.server.advance(140)
        assert account.proxied(called, "/queue").status_code == 200
        time.sleep(0.05)
    until(lambda: account.pod(silent)["status"] == "TERMINATED")
    assert account.pod(called)["status"] == "RUNNING"
    assert account.ask("GET", "/pods").json()["pods"][0]["id"] == called
