"""The supervisor: how fast it hands frames out, what it costs over a bare loop, how soon a signature is an order.

Run it: python -m benchmarks.bench_supervisor. The stand-ins are ComfyUI servers in processes of their own; every check
is on: signatures, tickets, orders kept on disk, each order looked up before it is sent, frames looked at and filed.
The bare loop posts the same graphs, waits for them and fetches their pictures, and knows nothing of money or crashes.
All figures of one call are of one run on one machine.
"""

import asyncio
import datetime
import hashlib
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from benchmarks.at_once import AtOnce
from benchmarks.rows import Row
from film_pipeline import simulators
from film_pipeline.backends.comfy_graphs import upload_name
from film_pipeline.backends.klein import klein
from film_pipeline.backends.klein_orders import prepare
from film_pipeline.backends.registry import backends_of
from film_pipeline.core import keys
from film_pipeline.core.gate import Approval, Covered
from film_pipeline.core.generating import FrameWork, Guide
from film_pipeline.core.production import Approver, Production
from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Event, Lineage, Record
from film_pipeline.orchestrator.supervisor import Supervisor
from film_pipeline.orchestrator.wanted import Landed, More, Wanted
from film_pipeline.sensors.takes import TICK_S
from film_pipeline.stores.filing import file_frames
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.ledger import Ledger
from film_pipeline.stores.ledger.takes import Take, TakeWish
from film_pipeline.stores.media import MediaStore

DISPATCHED_PER_S_BAR, OVERHEAD_BAR, APPROVED_TO_SUBMITTED_S_BAR = 100.0, 1.05, 1.0
SHOT, SIZE = "SC010_SH010", (64, 48)
MODEL = "klein-4b"
AT_ONCE = {"frame_s": 0.0, "load_s": 0.0, "node_s": 0.0, "history_s": 0.0, "previews": False}
_POLL_S = 0.05


def run(frames: int = 2000, over_http: int = 200, slow_frames: int = 80, signatures: int = 60) -> Iterator[Row]:
    yield from _dispatch(frames)
    yield from _dispatch_over_http(over_http)
    yield from _overhead(slow_frames)
    yield from _approved_to_submitted(signatures)


class Floor:
    """A production whose frames go to these servers; where there are none, to a backend that has them at once."""

    def __init__(self, root: Path, servers: Sequence[str] = (), depth: int = 1) -> None:
        self.made = root / ".film"
        self.made.mkdir(parents=True)
        self._key = Ed25519PrivateKey.generate()
        self._director = Approver(name="director", public_key=keys.public_key_of(self._key))
        plan = {"kind": "local-klein", "model": MODEL, "queue_depth": depth}
        names = [f"server-{number}" for number in range(len(servers))] or [AtOnce.name]
        self.production = Production(
            name="bench",
            title="Bench",
            budget=Decimal("1000"),
            generation={name: {**plan, "url_env": f"SERVER_{number}"} for number, name in enumerate(names)},
            backends=tuple(names),
            approvers=(self._director,),
        )
        environment = {f"SERVER_{number}": url for number, url in enumerate(servers)}
        self.guide = _guide(self.made / "plate.png", 0)
        self.backends = backends_of(self.production, root, environment, poll_s=_POLL_S)
        if not servers:
            self.backends = {AtOnce.name: AtOnce(_guide(self.made / "given.png", 40).path)}
        self.ledger = Ledger.of(self.production, self.made / "ledger.sqlite")
        self.media, self.frames = MediaStore(self.made), FrameStore(self.made / "film.sqlite")
        models = {name: backend.model("frame").said for name, backend in self.backends.items()}
        self.covered = Covered(composition="c" * 64, look="1" * 64, direction="d" * 64, references={}, models=models)

    def close(self) -> None:
        self.ledger.close()
        self.frames.close()

    def signed(self, takes: int = 1) -> Take:
        """A take that was just signed for."""
        now = datetime.datetime.now(datetime.UTC)
        approval = Approval(
            id=str(uuid.uuid4()),
            production="bench",
            ledger=self.ledger.id,
            shot=SHOT,
            covered=self.covered,
            backends=tuple(self.backends),
            takes=takes,
            cap_usd=Decimal("100"),
            signer="director",
            public_key=self._director.public_key,
            signed_at=now.isoformat(),
            expires_at=(now + datetime.timedelta(days=1)).isoformat(),
        )
        self.ledger.add(approval.signed_by(self._key))
        take = self.ledger.open_take(TakeWish(SHOT, self.covered, tuple(self.backends), "director", "cli"))
        assert isinstance(take, Take), take
        return take

    def wanted(self, take: int, frames: int) -> list[Wanted]:
        return [Wanted(self.work(take, 1001 + number), tuple(self.backends)) for number in range(frames)]

    def work(self, take: int, frame: int) -> FrameWork:
        return FrameWork(
            shot=SHOT,
            work="take",
            take=take,
            frame=frame,
            purpose="frame",
            prompt=f"a desk at night, frame {frame}",
            negative="",
            guides=(self.guide,),
            width=SIZE[0],
            height=SIZE[1],
            seed=take * 100_000 + frame,
            covered=self.covered,
        )

    def supervisor(self, more: More | None = None) -> Supervisor:
        return Supervisor(self.ledger, self.backends, self.made, self.index, more=more)

    def run(self, wanted: Sequence[Wanted]) -> None:
        report = self.supervisor().run(wanted)
        assert not report.problems, report.problems
        assert not self.ledger.spend.audit()

    def index(self, landed: Landed) -> None:
        work = landed.work
        picture = self.made / f"{landed.ticket.job}.png"
        Image.fromarray(landed.picture).save(picture, compress_level=1)
        place = f"shots/{work.shot}/render/t{work.take:03d}/{work.shot}_render_t{work.take:03d}.{work.frame}.png"
        file_frames(self.media, self.frames, [(picture, _record(landed, place), place)])


def _guide(path: Path, darkest: int) -> Guide:
    across = np.linspace(darkest, 255, SIZE[0], dtype=np.uint8)
    Image.fromarray(np.tile(across, (SIZE[1], 1))).convert("RGB").save(path)
    return Guide("plate", "plate", path, hashlib.sha256(path.read_bytes()).hexdigest())


def _record(landed: Landed, place: str) -> Record:
    work, backend = landed.work, landed.backend
    recipe = Recipe({"work": work.sha256})
    event = Event(engine=backend.name, provider="local", software="stand-in", author="bench", cost_usd=0.0)
    return Record(
        deliverable=Path(place).stem,
        content_hash_sha256="",
        engine_summary=(backend.name,),
        license_summary=("own work",),
        lineage=Lineage(kind="render", shot=work.shot, events=(event,)),
        stage="render",
        version=work.take,
        frame=work.frame,
        role="generated",
        media_path=place,
        media_bytes=0,
        recipe_sha256=recipe.sha256,
        recipe=recipe.ingredients,
        take=work.take,
        ticket=landed.ticket.job,
    )


@contextmanager
def _servers(folder: Path, number: int, **timing: Any) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                simulators.in_process("comfyui", folder / f"comfyui-{one}", **{**AT_ONCE, **timing})
            ).url
            for one in range(number)
        ]


@contextmanager
def _floor(number: int, depth: int, **timing: Any) -> Iterator[tuple[Floor, list[str]]]:
    """A floor with servers that nobody has used."""
    with tempfile.TemporaryDirectory() as folder, _servers(Path(folder), number, **timing) as urls:
        floor = Floor(Path(folder) / "film", urls, depth)
        try:
            yield floor, urls
        finally:
            floor.close()


# Handing out


def _dispatch(frames: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, closing(Floor(Path(folder) / "film")) as floor:
        out, home, worked_ms = _through(floor, frames)
    bar = DISPATCHED_PER_S_BAR
    return [
        Row(f"{frames} frames, had at once: handed out a second", out, "frames/s", bar, None, out >= bar),
        Row("  fetched, looked at and filed a second", home, "frames/s"),
        Row("  work of this process for each, all in all", worked_ms, "ms"),
    ]


def _dispatch_over_http(frames: int) -> list[Row]:
    """The stand-ins take most of the time: they check graphs, make pictures and share the machine with us."""
    with _floor(2, depth=8) as (floor, _):
        out, home, worked_ms = _through(floor, frames)
    with _floor(2, depth=8) as (floor, urls):
        bare = frames / asyncio.run(_bare_loop(floor, urls, floor.wanted(1, frames), depth=8))
    return [
        Row(f"{frames} frames by 2 ComfyUI stand-ins: handed out a second", out, "frames/s"),
        Row("  fetched, looked at and filed a second", home, "frames/s"),
        Row("  work of this process for each, all in all", worked_ms, "ms"),
        Row("  by the bare loop, which only fetches them", bare, "frames/s"),
    ]


def _through(floor: Floor, frames: int) -> tuple[float, float, float]:
    """Frames a second handed out, and come home; and milliseconds of a core for each."""
    take = floor.signed()
    wanted = floor.wanted(take.take, frames)
    began, worked = time.monotonic(), time.process_time()
    floor.run(wanted)
    seconds, worked = time.monotonic() - began, time.process_time() - worked
    jobs = floor.ledger.jobs.of()
    assert len(jobs) == frames
    out_s = _seconds_between(min(job.reserved_at for job in jobs), max(job.submitted_at for job in jobs))
    return frames / out_s, frames / seconds, worked / frames * 1000


def _seconds_between(first: str, last: str) -> float:
    return (datetime.datetime.fromisoformat(last) - datetime.datetime.fromisoformat(first)).total_seconds()


# Over a bare loop


def _overhead(frames: int) -> list[Row]:
    with _floor(4, depth=2, frame_s=1.0) as (floor, _):
        wanted = floor.wanted(floor.signed().take, frames)
        began = time.monotonic()
        floor.run(wanted)
        ours = time.monotonic() - began
    with _floor(4, depth=2, frame_s=1.0) as (floor, urls):
        bare = asyncio.run(_bare_loop(floor, urls, floor.wanted(1, frames), depth=2))
    ratio = ours / bare
    return [
        Row(f"{frames} frames of 1 s on 4 servers, by the supervisor", ours, "s"),
        Row("  by a bare loop", bare, "s"),
        Row("  the supervisor over the bare loop", ratio, "times", OVERHEAD_BAR, None, ratio <= OVERHEAD_BAR),
    ]


async def _bare_loop(floor: Floor, urls: Sequence[str], wanted: Sequence[Wanted], depth: int) -> float:
    """Seconds that it takes to have every frame made and fetched, `depth` of them on a server at once."""
    left = iter(wanted)
    into = floor.made / "bare"
    into.mkdir()

    async def work_off(client: httpx.AsyncClient) -> None:
        for one in left:
            await _made_and_fetched(client, one.work, into)

    async with _clients(urls) as clients:
        began = time.monotonic()
        for client in clients:
            guide = floor.guide
            files = {"image": (upload_name(guide), guide.path.read_bytes(), "image/png")}
            (await client.post("/upload/image", files=files, data={"type": "input"})).raise_for_status()
        await asyncio.gather(*(work_off(client) for client in clients for _ in range(depth)))
        return time.monotonic() - began


@asynccontextmanager
async def _clients(urls: Sequence[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    limits = httpx.Limits(max_connections=64)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False))
            for url in urls
        ]


async def _made_and_fetched(client: httpx.AsyncClient, work: FrameWork, into: Path) -> None:
    graph = prepare(work, klein(MODEL, "bf16")).graph
    posted = await client.post("/prompt", json={"prompt": graph})
    job = posted.raise_for_status().json()["prompt_id"]
    while True:
        history = (await client.get(f"/history/{job}")).json()
        if job in history:
            break
        await asyncio.sleep(_POLL_S)
    [picture] = [one for output in history[job]["outputs"].values() for one in output["images"]]
    answer = await client.get("/view", params=picture)
    (into / f"{work.frame}.png").write_bytes(answer.raise_for_status().content)


# From the signature to the order


def _approved_to_submitted(signatures: int) -> list[Row]:
    """While the supervisor works through a long take, others are signed for at odd moments."""
    with _floor(2, depth=4, frame_s=0.1) as (floor, _):
        first, news = floor.signed(), floor.ledger.takes.news()
        news.read()
        supervisor = floor.supervisor(lambda: [frame for take in news.read() for frame in floor.wanted(take.take, 4)])
        with ThreadPoolExecutor(1) as director:
            signing = director.submit(_sign_at_odd_moments, floor, signatures, supervisor.stop)
            supervisor.run(floor.wanted(first.take, 5_000))
            signed_at = signing.result()
        took = sorted(_waited(floor, take, began) for take, began in signed_at.items())
    half, most = statistics.median(took), took[round(0.95 * (len(took) - 1))]
    bar = APPROVED_TO_SUBMITTED_S_BAR
    return [
        Row(f"signed until ordered, supervisor at work, {signatures} times, p50", half, "s"),
        Row("  p95", most, "s", bar, None, most <= bar),
        Row("  the longest", took[-1], "s"),
        Row("  where no run is at work: a tick of the sensor, at most", float(TICK_S), "s"),
    ]


def _sign_at_odd_moments(floor: Floor, signatures: int, stop: Callable[[], None]) -> dict[int, datetime.datetime]:
    """The takes that were signed for, with the moment before. Everything stops once the last has had its time."""
    chance, signed_at = random.Random(7), {}
    try:
        time.sleep(3)
        for _ in range(signatures):
            began = datetime.datetime.now(datetime.UTC)
            signed_at[floor.signed().take] = began
            time.sleep(chance.uniform(0.05, 0.5))
        time.sleep(10)
    finally:
        stop()
    return signed_at


def _waited(floor: Floor, take: int, began: datetime.datetime) -> float:
    """Seconds until the first frame of a take was with its backend."""
    first = min(job.submitted_at for job in floor.ledger.jobs.of(shot=SHOT, take=take) if job.submitted_at)
    return (datetime.datetime.fromisoformat(first) - began).total_seconds()


def main() -> None:
    for row in run():
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
