import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from simulated import ME, a_graph, a_plate, finished, until, uploaded

from film_pipeline import simulators
from film_pipeline.simulators.studio import ENVIRONMENT_FILE, start_all

CLIENT = """
import requests, time
requests.post("{url}/prompt", data={order!r})
print(flush=True)
time.sleep(60)
"""


def test_a_server_in_its_own_process_is_killed_and_comes_back_with_its_files(tmp_path: Path) -> None:
    with simulators.in_process("comfyui", tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")
        uploaded(server.url)
        requests.post(f"{server.url}/prompt", json={"prompt": a_graph(), "prompt_id": ME}, timeout=10)
        finished(server.url, ME)
        server.fail("drop_after", "POST /prompt", times=1)
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{server.url}/prompt", json={"prompt": a_graph(2)}, timeout=10)
        server.kill()
        assert server.process.returncode == -signal.SIGKILL
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/queue", timeout=5)
        server.restart()
        assert requests.get(f"{server.url}/history", timeout=5).json() == {}
        view = requests.get(f"{server.url}/view?filename=frame_00001_.png", timeout=5)
        assert view.status_code == 200
        requests.post(f"{server.url}/prompt", json={"prompt": a_graph(), "prompt_id": ME}, timeout=10)
        assert finished(server.url, ME)["outputs"]["18"]["images"][0]["filename"] != "frame_00001_.png"
        bill = server.bill()
        assert len(bill.orders) == 3, "the provider's book outlives the server"
        assert bill.keys_used_twice() == {ME: 2}
    assert server.process.returncode == 0


def test_a_client_that_is_killed_leaves_the_server_alone(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, frame_s=0.2) as server:
        uploaded(server.url)
        order = {"prompt": a_graph(), "prompt_id": ME}
        code = CLIENT.format(url=server.url, order=json.dumps(order))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            client.stdout.readline()
            client.kill()
        assert finished(server.url, ME)["status"]["completed"] is True


def test_a_simulator_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from film_pipeline import simulators
with simulators.in_process("comfyui", Path({str(tmp_path)!r})) as server:
    print(server.url, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        assert requests.get(f"{url}/queue", timeout=5).status_code == 200
        starter.kill()

    def gone() -> bool:
        try:
            requests.get(f"{url}/queue", timeout=5)
        except requests.ConnectionError:
            return True
        return False

    until(gone)


def test_a_simulator_that_can_not_begin_says_where_its_log_is(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"ended with status 1: see .*log\.txt"),
        simulators.in_process("comfyui", tmp_path, colour="red"),
    ):
        pass
    assert "unexpected keyword argument 'colour'" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_every_service_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    for name in ("runpod_pods", "runpod_serverless", "discord"):
        with simulators.in_process(name, tmp_path / name, clock_scale=10) as server:
            assert server.bill().total_usd == 0
            before = float(server.control("now"))
            time.sleep(0.05)
            assert float(server.control("now")) - before >= 0.5


def test_nothing_listens_beyond_this_machine(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path) as server:
        port = int(server.url.rsplit(":", 1)[1])
        listening = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        hosts = {line.split()[1].split(":")[0] for line in listening if line.split()[1].endswith(f":{port:04X}")}
        assert "0100007F" in hosts
        assert "00000000" not in hosts


def test_all_stand_ins_start_at_once_and_write_the_environment_that_points_at_them(tmp_path: Path) -> None:
    quick: dict[str, dict[str, Any]] = {
        "comfyui": {},
        "runpod_serverless": {"endpoints": {"simulated-comfyui": {"cold_s": 0.05}}},
        "runpod_pods": {"provisioning_s": 0.0, "starting_s": 0.0, "ready_s": 0.0},
    }
    with start_all(tmp_path, quick) as studio:
        file = tmp_path / ENVIRONMENT_FILE
        written = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines() if "=" in line)
        assert written == studio.addresses
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        told = studio.addresses
        runpod = {"Authorization": f"Bearer {told['RUNPOD_API_KEY']}"}
        discord = {"Authorization": f"Bot {told['DISCORD_TOKEN']}", "User-Agent": "DiscordBot (https://example.com, 1)"}
        assert uploaded(told["COMFYUI_URL"]).status_code == 200
        assert requests.get(f"{told['RUNPOD_PODS_URL']}/pods", headers=runpod, timeout=5).json() == {"pods": []}
        health = f"{told['RUNPOD_SERVERLESS_URL']}/simulated-comfyui/health"
        assert requests.get(health, headers=runpod, timeout=5).status_code == 200
        channel = f"{told['DISCORD_API_URL']}/channels/{told['DISCORD_CHANNEL']}"
        assert requests.get(channel, headers=discord, timeout=5).status_code == 200
        assert told["RUNPOD_PROXY_URL"].format(pod="abc", port=8188).endswith("/proxy/abc-8188")
    with pytest.raises(requests.ConnectionError):
        requests.get(told["COMFYUI_URL"], timeout=5)


def test_a_server_is_quick_enough_to_measure_others_by(tmp_path: Path) -> None:
    with simulators.comfyui(tmp_path, previews=False, history_s=0.0) as server:
        uploaded(server.url, data=a_plate())
        calls = requests.Session()
        began = time.monotonic()
        for seed in range(100):
            calls.post(f"{server.url}/prompt", json={"prompt": a_graph(seed)}, timeout=10)
        while calls.get(f"{server.url}/prompt", timeout=10).json()["exec_info"]["queue_remaining"]:
            time.sleep(0.01)
        # A second or less on a machine that is not busy. Without TCP_NODELAY it was four.
        assert time.monotonic() - began < 3.5, "it would be the stand-in that is measured"
