"""Stand-ins and a runner that live through many seeds, and the play of one seed on them."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from countdown import WINDOWS, Moment
from kill_checks import Truth, check
from kill_faults import Weather
from kill_floor import KEY, PATIENCE, WATCH, KillFloor, Places

from film_pipeline import simulators
from film_pipeline.core.jobs import LIVE, JobState
from film_pipeline.simulators import Server
from film_pipeline.simulators.book import Bill

HERE = Path(__file__).parent
_MOST_LIVES = 8
_SERVERLESS_RUNS_FASTER = 30.0
_ENDPOINTS = {
    "image": {
        "worker": "prompt-and-references",
        "usd_per_image": "0.04",
        "frame_s": 0.3,
        "max_workers": 2,
    },
    "seconds": {
        "worker": "worker-comfyui",
        "usd_per_second": "0.0005",
        "frame_s": 0.3,
        "cold_s": 0.5,
        "idle_s": 1.0,
        "max_workers": 2,
    },
}
_QUICK = {"frame_s": 0.01, "load_s": 0.0, "node_s": 0.0, "history_s": 0.002, "previews": False}


class Broken(AssertionError):
    """A seed after which something does not hold, and how to run it again alone."""


@dataclass
class Seen:
    """What the kills of many seeds found: in which windows processes died, and how jobs stood then."""

    windows: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    killed: int = 0
    worked_s: float = 0.0
    lasted_s: float = 0.0

    def lived(self, ended: dict[str, Any]) -> None:
        self.lives += 1
        self.worked_s += ended["worked_s"]
        self.lasted_s += ended["seconds"]


class Stage:
    """One runner with its own stand-ins, each in a process of its own."""

    def __init__(self, folder: Path, comfyui: Server, pods: Server, serverless: Server, templates: Path) -> None:
        self.folder, self.comfyui, self.pods, self.serverless = folder, comfyui, pods, serverless
        self._templates = templates
        self._runner = subprocess.Popen(
            [sys.executable, str(HERE / "orchestrator_runner.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent.parent,
        )
        assert self._said()["ready"]

    def close(self) -> None:
        assert self._runner.stdin is not None and self._runner.stdout is not None
        self._runner.stdin.close()
        self._runner.wait(30)
        self._runner.stdout.close()

    def ask(self, do: str, root: Path, name: str, places: Places, **more: Any) -> dict[str, Any]:
        """Let the runner fork a process that does this, and hear how it ended."""
        asked = {"do": do, "root": str(root), "name": name, "places": asdict(places), **more}
        assert self._runner.stdin is not None
        self._runner.stdin.write(json.dumps(asked) + "\n")
        self._runner.stdin.flush()
        return self._said()

    def _said(self) -> dict[str, Any]:
        assert self._runner.stdout is not None
        line = self._runner.stdout.readline()
        if not line:
            raise RuntimeError("the runner is gone")
        read: dict[str, Any] = json.loads(line)
        return read

    # One seed

    def play(self, seed: int, seen: Seen, ledger: str = "") -> None:
        """Kill an orchestrator a few times, let it finish, and look whether everything holds. Raises Broken."""
        chance = random.Random(seed)
        root, name = self.folder / f"seed-{seed}", f"kill-{seed}"
        places = Places(self.comfyui.url, self.pods.url, self.serverless.url, ledger)
        weather = Weather.of(chance)
        before = self._counted()
        story = [f"weather: {weather.said()}"]
        try:
            self._prepare(root, ledger)
            self._must(self.ask("sign", root, name, places), story)
            weather.comes(self.comfyui, self.pods, self.serverless)
            try:
                self._kill_some(root, name, places, chance, seen, story)
            finally:
                weather.goes(self.comfyui, self.pods, self.serverless)
            self._finish(root, name, places, seen, story)
            floor = KillFloor(root, name, places)
            try:
                check(floor, self._truth(name, before))
            finally:
                floor.close()
        except AssertionError as error:
            kind = "postgres" if ledger else "sqlite"
            alone = (
                f"FILM_FAULT_RUNS=1 FILM_FAULT_SEED={seed} python -m pytest tests/faults -k killed_orchestrator_{kind}"
            )
            raise Broken("\n".join([f"seed {seed}: {error}", *story, f"again, alone: {alone}"])) from error
        shutil.rmtree(root)

    def _prepare(self, root: Path, ledger: str) -> None:
        made = root / ".film"
        made.mkdir(parents=True)
        shutil.copy(self._templates / "film.sqlite", made)
        if not ledger:
            shutil.copy(self._templates / "ledger.sqlite", made)

    def _kill_some(
        self, root: Path, name: str, places: Places, chance: random.Random, seen: Seen, story: list[str]
    ) -> None:
        for _ in range(chance.choice([1, 1, 2, 3])):
            how = _death(chance)
            ended = self.ask("run", root, name, places, **how)
            seen.lived(ended)
            story.append(
                f"{how}: status {ended['status']} after {ended['seconds']:.2f} s: {ended['said'].strip()[-1500:]}"
            )
            if "Traceback" in ended["said"] or "hung" in ended["said"]:
                raise AssertionError("a run went wrong before it was killed")
            if ended["status"]:
                seen.killed += 1
                seen.windows[how["moment"]["window"] if "moment" in how else "time"] += 1
                seen.states.update(self._states(root, name, places))

    def _states(self, root: Path, name: str, places: Places) -> set[str]:
        """How jobs stood when the process died."""
        floor = KillFloor(root, name, places)
        try:
            jobs = floor.ledger.jobs.of(states=LIVE)
            return {f"{'worker ' if job.ticket.work == 'worker' else ''}{job.state.value}" for job in jobs}
        finally:
            floor.close()

    def _finish(self, root: Path, name: str, places: Places, seen: Seen, story: list[str]) -> None:
        """Run until nothing more can be done without a person."""
        for _ in range(_MOST_LIVES):
            ended = self.ask("run", root, name, places)
            seen.lived(ended)
            self._must(ended, story)
            report = json.loads(ended["said"].strip().splitlines()[-1])
            told = {job for job in report["uncertain"]}
            others = {key: why for key, why in report["problems"].items() if not any(job in why for job in told)}
            story.append(f"then: {report['made']} made, {len(told)} uncertain, {others}")
            if not others and not self._under_way(root, name, places):
                return
            time.sleep(PATIENCE.in_flight_s)
        raise AssertionError(f"it does not come to an end in {_MOST_LIVES} runs")

    def _under_way(self, root: Path, name: str, places: Places) -> bool:
        floor = KillFloor(root, name, places)
        try:
            living = [job for job in floor.ledger.jobs.of(states=LIVE)]
            # A machine's doubt is cleared up by time; an order's by a person.
            return any(job.state is not JobState.UNCERTAIN or job.ticket.work == "worker" for job in living)
        finally:
            floor.close()

    @staticmethod
    def _must(ended: dict[str, Any], story: list[str]) -> None:
        if ended["status"] or "hung" in ended["said"]:
            story.append(ended["said"][-4000:])
            raise AssertionError(f"a run that nobody killed ended with status {ended['status']}")

    # What the stand-ins know

    def _counted(self) -> dict[str, int]:
        return {
            name: len(server.control("bill")["orders"])
            for name, server in (("comfyui", self.comfyui), ("pods", self.pods), ("serverless", self.serverless))
        } | {name: len(server.faults_shown()) for name, server in self._faulty()}

    def _faulty(self) -> list[tuple[str, Server]]:
        return [("comfyui faults", self.comfyui), ("pods faults", self.pods), ("serverless faults", self.serverless)]

    def _truth(self, name: str, before: dict[str, int]) -> Truth:
        bills = {
            which: _since(server.bill(), before[which])
            for which, server in (("comfyui", self.comfyui), ("pods", self.pods), ("serverless", self.serverless))
        }
        shown = [one for which, server in self._faulty() for one in server.faults_shown()[before[which] :]]
        machines = {pod["id"]: pod for pod in self.pods.control("pods") if pod["name"].startswith(f"film_{name}_")}
        spoiled = {one["of"] for one in shown if "of" in one and not one["kind"].startswith("boot_slow")}
        spoiled |= set(self.comfyui.control("forgotten"))
        ids = {order.provider_id for order in bills["serverless"].orders}
        jobs = {endpoint: self.serverless.control("jobs", endpoint=endpoint) for endpoint in _ENDPOINTS}
        spoiled |= {job["id"] for known in jobs.values() for job in known if job["status"] in ("FAILED", "TIMED_OUT")}
        images = ids & {job["id"] for job in jobs["image"]}
        return Truth(bills["comfyui"], bills["serverless"], bills["pods"], images, machines, spoiled)


def _since(bill: Bill, orders: int) -> Bill:
    return Bill(bill.orders[orders:], bill.charges)


def _death(chance: random.Random) -> dict[str, Any]:
    """When a process is to die: after a time, or the n-th time that it is in some window."""
    if chance.random() < 0.3:
        return {"seconds": chance.uniform(0.0, 1.2)}
    window = chance.choice(list(WINDOWS))
    number = chance.randint(1, 400) if window == "anywhere" else chance.choice([1, 1, 2, 3, 5, 8])
    return {"moment": asdict(Moment(window, number))}


@contextmanager
def staged(folder: Path, templates: Path) -> Iterator[Stage]:
    """A stage with everything running."""
    with ExitStack() as stack:
        comfyui = stack.enter_context(simulators.in_process("comfyui", folder / "comfyui", **_QUICK))
        boots = {"provisioning_s": 0.02, "starting_s": 0.03, "ready_s": 0.02, "comfyui": _QUICK, "balance_usd": "9999"}
        pods = stack.enter_context(
            simulators.in_process("runpod_pods", folder / "pods", key=KEY, watch_key=WATCH, **boots)
        )
        serverless = stack.enter_context(
            simulators.in_process(
                "runpod_serverless",
                folder / "serverless",
                key=KEY,
                watch_key=WATCH,
                endpoints=_ENDPOINTS,
                clock_scale=_SERVERLESS_RUNS_FASTER,
                limits={"run": 100_000, "status": 100_000},
            )
        )
        stage = Stage(folder, comfyui, pods, serverless, templates)
        try:
            yield stage
        finally:
            stage.close()
