"""Stand-ins and a runner that live through many seeds, and the play of one seed on them."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
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
from film_pipeline.stores.ledger.books import utc_now

HERE = Path(__file__).parent
Counted = dict[str, tuple[int, int]]
"""Orders and shown faults, by stand-in."""
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


@dataclass(frozen=True)
class Play:
    """What is played.

    windows: in which processes are killed, at some time of being there. moments: at which they are killed instead,
    where any are given. floor: which part is broken on purpose, if any.
    """

    seed: int
    windows: Sequence[str] = tuple(WINDOWS)
    moments: Sequence[Moment] = ()
    floor: str = ""


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

    def play(self, play: Play, seen: Seen, ledger: str = "") -> None:
        """Kill an orchestrator a few times, let it finish, and look whether everything holds. Raises Broken."""
        Seed(self, play, seen, ledger).through()

    def prepare(self, root: Path, ledger: str = "") -> None:
        """An empty production in a folder."""
        made = root / ".film"
        made.mkdir(parents=True)
        shutil.copy(self._templates / "film.sqlite", made)
        if not ledger:
            shutil.copy(self._templates / "ledger.sqlite", made)

    @property
    def servers(self) -> dict[str, Server]:
        return {"comfyui": self.comfyui, "pods": self.pods, "serverless": self.serverless}

    # What the stand-ins know

    def counted(self) -> Counted:
        """How much they know by now: what comes after is of the next seed."""
        return {
            name: (len(server.control("bill")["orders"]), len(server.faults_shown()))
            for name, server in self.servers.items()
        }

    def truth(self, name: str, before: Counted) -> Truth:
        """What they know of the production of that name. before: as they were counted before it was made."""
        bills = {which: _since(server.bill(), before[which][0]) for which, server in self.servers.items()}
        shown = [one for which, server in self.servers.items() for one in server.faults_shown()[before[which][1] :]]
        machines = {pod["id"]: pod for pod in self.pods.control("pods") if pod["name"].startswith(f"film_{name}_")}
        spoiled = {one["of"] for one in shown if "of" in one and not one["kind"].startswith("boot_slow")}
        spoiled |= set(self.comfyui.control("forgotten"))
        ids = {order.provider_id for order in bills["serverless"].orders}
        jobs = {endpoint: self.serverless.control("jobs", endpoint=endpoint) for endpoint in _ENDPOINTS}
        spoiled |= {job["id"] for known in jobs.values() for job in known if job["status"] in ("FAILED", "TIMED_OUT")}
        images = ids & {job["id"] for job in jobs["image"]}
        return Truth(bills["comfyui"], bills["serverless"], bills["pods"], images, machines, spoiled)


class Seed:
    """One production that is made on a stage while its orchestrators are killed."""

    def __init__(self, stage: Stage, play: Play, seen: Seen, ledger: str) -> None:
        self._stage, self._play, self._seen, self._ledger = stage, play, seen, ledger
        self._chance = random.Random(play.seed)
        self._weather = Weather.of(self._chance)
        # The stand-ins of a stage outlive a seed: the same seed on another floor is another production to them.
        self._name = "-".join(filter(None, ("kill", play.floor, str(play.seed))))
        self._root = stage.folder / self._name
        self._places = Places(stage.comfyui.url, stage.pods.url, stage.serverless.url, ledger)
        self._story = [f"weather: {self._weather.said()}"]

    def through(self) -> None:
        """Raises Broken where something does not hold, with all that was done and how to do it again."""
        before = self._stage.counted()
        try:
            self._stage.prepare(self._root, self._ledger)
            self._must(self._ask("sign"))
            self._weather.comes(*self._stage.servers.values())
            try:
                self._kill_some()
            finally:
                self._weather.goes(*self._stage.servers.values())
            self._finish()
            with self._opened() as floor:
                check(floor, self._stage.truth(self._name, before))
        except AssertionError as error:
            raise Broken("\n".join([f"seed {self._play.seed}: {error}", *self._story, self._again()])) from error
        shutil.rmtree(self._root)

    def _again(self) -> str:
        kind = "postgres" if self._ledger else "sqlite"
        alone = f"FILM_FAULT_RUNS=1 FILM_FAULT_SEED={self._play.seed}"
        return f"again, alone: {alone} python -m pytest tests/faults -k killed_orchestrator_{kind}"

    def _ask(self, do: str, **how: Any) -> dict[str, Any]:
        return self._stage.ask(do, self._root, self._name, self._places, floor=self._play.floor, **how)

    @contextmanager
    def _opened(self) -> Iterator[KillFloor]:
        floor = KillFloor(self._root, self._name, self._places)
        try:
            yield floor
        finally:
            floor.close()

    def _kill_some(self) -> None:
        for _ in range(self._chance.choice([1, 1, 2, 3])):
            how = _death(self._chance, self._play)
            ended = self._ask("run", **how)
            self._seen.lived(ended)
            said = ended["said"].strip()[-1500:]
            self._story.append(f"{_now()} {how}: status {ended['status']} after {ended['seconds']:.2f} s: {said}")
            if "Traceback" in ended["said"] or "hung" in ended["said"]:
                raise AssertionError("a run went wrong before it was killed")
            if ended["status"]:
                self._seen.killed += 1
                self._seen.windows[how["moment"]["window"] if "moment" in how else "time"] += 1
                self._seen.states.update(self._states())

    def _states(self) -> set[str]:
        """How jobs stood when the process died."""
        with self._opened() as floor:
            jobs = floor.ledger.jobs.of(states=LIVE)
            return {f"{'worker ' if job.ticket.work == 'worker' else ''}{job.state.value}" for job in jobs}

    def _finish(self) -> None:
        """Run until nothing more can be done without a person."""
        for _ in range(_MOST_LIVES):
            ended = self._ask("run")
            self._seen.lived(ended)
            self._must(ended)
            report = json.loads(ended["said"].strip().splitlines()[-1])
            told = set(report["uncertain"])
            others = {key: why for key, why in report["problems"].items() if not any(job in why for job in told)}
            self._story.append(f"{_now()} then: {report['made']} made, {len(told)} uncertain, {others}")
            if not others and not self._under_way():
                return
            time.sleep(PATIENCE.in_flight_s)
        raise AssertionError(f"it does not come to an end in {_MOST_LIVES} runs")

    def _under_way(self) -> bool:
        with self._opened() as floor:
            living = floor.ledger.jobs.of(states=LIVE)
            # A machine's doubt is cleared up by time; an order's by a person.
            return any(job.state is not JobState.UNCERTAIN or job.ticket.work == "worker" for job in living)

    def _must(self, ended: dict[str, Any]) -> None:
        if ended["status"] or "hung" in ended["said"]:
            self._story.append(ended["said"][-4000:])
            raise AssertionError(f"a run that nobody killed ended with status {ended['status']}")


def _since(bill: Bill, orders: int) -> Bill:
    return Bill(bill.orders[orders:], bill.charges)


def _now() -> str:
    return utc_now().isoformat(timespec="milliseconds")


def _death(chance: random.Random, play: Play) -> dict[str, Any]:
    """When a process is to die: after a time, or the n-th time that it is in some window."""
    if play.moments:
        return {"moment": asdict(chance.choice(play.moments))}
    if chance.random() < 0.3:
        return {"seconds": chance.uniform(0.0, 1.2)}
    window = chance.choice(play.windows)
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
