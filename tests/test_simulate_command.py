"""`film simulate`: the stand-ins run beside a copy of a production until somebody stops them."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import requests
from small_film import SmallFilm

from film_pipeline.departments.stand_ins import ADDRESSES_FILE


def test_the_copy_answers_to_its_stand_ins_and_hears_its_reviewer(new_film: SmallFilm, tmp_path: Path) -> None:
    copy = SmallFilm(tmp_path / "tried", {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    command = [sys.executable, "-m", "film_pipeline.cli", "simulate", str(copy.root), "--from", str(new_film.root)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    too_late = threading.Timer(120, running.kill)
    too_late.start()
    try:
        assert running.stderr is not None
        said = ""
        while not re.search(r"^film discord .*reply", said, re.MULTILINE):
            line = running.stderr.readline()
            assert line, said
            said += line
        room = re.search(r"(http://127\.0\.0\.1:\d+/_control)/reply", said)
        assert room, said

        checked = copy.film("discord", "--check", "--json")
        assert checked.returncode == 0, checked.stderr
        assert "reviewer" in json.dumps(json.loads(checked.stdout))
        # Whom production.yaml names has the same number in the room.
        person = requests.post(f"{room[1]}/person", json={"name": "reviewer"}, timeout=10).json()["result"]
        assert f'discord_id: "{person["id"]}"' in (copy.root / "production.yaml").read_text().replace("'", '"')
        assert requests.post(f"{room[1]}/messages", json={}, timeout=10).json() == {"result": []}

        workers = copy.film("workers", "--json")
        assert workers.returncode == 0, workers.stderr
        assert {"klein-local", "klein-pods", "klein-serverless", "image-edit"} <= set(
            re.findall(r'"(klein-\w+|image-edit)"', workers.stdout)
        )
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
        assert not (copy.root / ".film" / ADDRESSES_FILE).exists()
    finally:
        too_late.cancel()
        running.kill()
        running.communicate()
    assert "generation" not in (new_film.root / "production.yaml").read_text()
