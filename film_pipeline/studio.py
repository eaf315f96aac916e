"""`film studio`: the Dagster web UI and the review app, opened on one production."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from film_pipeline.departments.film import Film
from film_pipeline.running import dagster_home, studio_instance


def open_studio(root: Path, port: int, review_port: int) -> int:
    """Start both, wait until one of them ends or the person stops them. Returns the exit status.

    Both listen on this machine only: Dagster's web UI has no passwords.
    """
    from film_pipeline.sensors.slates import register_shots

    with Film.find(root) as film, studio_instance(film) as instance:
        register_shots(instance, list(film.shots))
        home = dagster_home(film)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "FILM_PRODUCTION": str(root),
        "FILM_REVIEW_URL": f"http://127.0.0.1:{review_port}",
        "FILM_DAGSTER_URL": f"http://127.0.0.1:{port}",
    }
    commands = [
        [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-m", "film_pipeline.definitions"],
        [sys.executable, "-m", "review_app", "--port", str(review_port)],
    ]
    print(
        f"Dagster: http://127.0.0.1:{port}   Review: http://127.0.0.1:{review_port}   (Ctrl-C stops both)",
        file=sys.stderr,
    )
    running = [subprocess.Popen(command, env=environment) for command in commands]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        while all(process.poll() is None for process in running):
            try:
                running[0].wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:
        return 0
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
    return next((process.returncode for process in running if process.returncode), 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
