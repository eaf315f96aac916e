"""The Blender bridge: real MCP over stdio and HTTP, in front of a real Blender."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from mcp import Client, StdioServerParameters
from small_film import SmallFilm, small_film

from film_pipeline.bridges.blender import worker_process
from film_pipeline.core.composition import Composition
from film_pipeline.core.ports import ShootSettings
from film_pipeline.core.problems import FilmProblem
from film_pipeline.departments.cameras import compose_shot
from film_pipeline.departments.film import Film
from film_pipeline.engines.blender import BlenderEngine
from film_pipeline.engines.passes import FAR_M, read_passes

pytestmark = pytest.mark.blender

SMALL = ShootSettings(width=96, height=54, samples=1, bounces=0, denoise=False, passes=True)
WORKER = Path(worker_process.__file__).with_name("worker.py")
SERVER = [sys.executable, "-m", "film_pipeline.bridges.blender.server"]


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Composition, Path]:
    """A composed shot and its stage on disk."""
    film_on_disk: SmallFilm = small_film(tmp_path_factory.mktemp("bridge"))
    with Film(film_on_disk.root) as film:
        composition = compose_shot(film, film.shot("SC010_SH010"))
    folder = film_on_disk.root / ".film" / "shots" / "SC010_SH010" / "cameras" / "v001"
    folder.mkdir(parents=True)
    composition.export(folder / "shot.usda")
    return composition, folder / "shot.usda"


@pytest.fixture(scope="module")
def engine() -> Iterator[BlenderEngine]:
    with BlenderEngine() as started:
        yield started


def test_the_puppets_stand_in_blender_where_the_composition_puts_them(
    engine: BlenderEngine, composed: tuple[Composition, Path]
) -> None:
    composition, stage = composed
    found = engine.joints(stage, [1001, 1005])
    for frame, puppets in found.items():
        ours = composition.joints(frame)
        for puppet, joints in puppets.items():
            for joint, place in joints.items():
                assert np.linalg.norm(np.array(place) - ours[puppet][joint]) < 0.002, (frame, joint)


def test_passes_hold_beauty_depth_normals_and_mattes(
    engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    composition, stage = composed
    heard: list[int] = []
    engine.shoot(stage, {1001: tmp_path / "a.exr"}, SMALL, lambda frame, path, seconds: heard.append(frame))
    passes = read_passes(tmp_path / "a.exr", composition.identities)
    assert heard == [1001]
    assert passes.beauty.shape == (54, 96, 3)
    assert passes.mattes["maker"].max() == 1
    eyes = np.mean([composition.joints(1001)["maker"][f"eye_{side}"] for side in ("left", "right")], axis=0)
    camera = composition.cameras[1001]
    distance = float((eyes - camera.position) @ camera.forward)
    on_puppet = passes.depth[passes.mattes["maker"] > 0.99]
    assert abs(float(np.median(on_puppet)) - distance) < 0.6
    assert on_puppet.max() < FAR_M
    lengths = np.linalg.norm(passes.normal[passes.mattes["maker"] > 0.99], axis=1)
    assert np.allclose(lengths, 1, atol=0.05)


def test_the_same_frame_is_the_same_bytes(
    engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    _, stage = composed
    for name in ("a", "b"):
        engine.shoot(stage, {1001: tmp_path / f"{name}.exr"}, SMALL)
    first, second = (read_passes(tmp_path / f"{name}.exr") for name in ("a", "b"))
    assert np.array_equal(first.beauty, second.beauty)
    assert np.array_equal(first.depth, second.depth)


def test_a_killed_blender_is_started_again_and_only_what_was_missing_is_shot(
    composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    _, stage = composed
    frames = {1001: tmp_path / "1.exr", 1003: tmp_path / "3.exr", 1005: tmp_path / "5.exr"}
    landed: list[int] = []
    with BlenderEngine() as engine:
        pid = engine._call("engine", {})["pid"]

        def kill_after_the_first(frame: int, path: Path, seconds: float) -> None:
            landed.append(frame)
            if len(landed) == 1:
                os.kill(pid, signal.SIGKILL)

        engine.shoot(stage, frames, ShootSettings(width=640, height=360, samples=4), kill_after_the_first)
        assert engine.restarts == 1
    assert sorted(landed) == [1001, 1003, 1005]
    assert all(path.is_file() for path in frames.values())
    assert not list(tmp_path.glob("*.partial*"))


def test_a_blender_whose_bridge_was_killed_ends_too(composed: tuple[Composition, Path], tmp_path: Path) -> None:
    _, stage = composed
    with BlenderEngine() as engine:
        pid = engine._call("engine", {})["pid"]
        bridge = psutil.Process(pid).parent()
        assert bridge is not None
        blender = psutil.Process(pid)
        bridge.kill()
        assert blender.wait(10) is not None or not blender.is_running()
        engine.shoot(stage, {1001: tmp_path / "a.exr"}, SMALL)
        assert engine.restarts == 1


def test_a_blender_that_dies_every_time_is_a_problem_and_not_a_loop(
    composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    _, stage = composed
    with BlenderEngine() as engine:
        engine.version()
        stopped = threading.Event()
        killer = threading.Thread(target=_kill_blenders, args=(stopped,))
        killer.start()
        try:
            with pytest.raises(FilmProblem, match=r"Blender died 2 times|Blender ended as it started"):
                engine.shoot(stage, {1001: tmp_path / "a.exr"}, ShootSettings(width=1920, height=1080, samples=64))
        finally:
            stopped.set()
            killer.join()


def _kill_blenders(stopped: threading.Event) -> None:
    """Kill every Blender that this process's bridge starts, half a second after it is up."""
    while not stopped.wait(0.5):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if child.cmdline()[-1:] == [str(WORKER)]:
                    child.kill()


def test_a_stage_that_is_none_is_refused_and_blender_lives_on(
    engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.usda"
    broken.write_text("#usda 1.0\n(\n", encoding="utf-8")
    with pytest.raises(FilmProblem, match=r"broken\.usda"):
        engine.shoot(broken, {1001: tmp_path / "a.exr"}, SMALL)
    engine.shoot(composed[1], {1001: tmp_path / "a.exr"}, SMALL)


def test_a_frame_without_a_camera_is_refused_by_name(
    engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    with pytest.raises(FilmProblem, match="no camera at frame 2001"):
        engine.shoot(composed[1], {2001: tmp_path / "a.exr"}, SMALL)


def test_without_blenders_python_the_mend_is_said(
    composed: tuple[Composition, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILM_BLENDER_PYTHON", "/nowhere/python")
    with BlenderEngine() as engine, pytest.raises(FilmProblem, match="FILM_BLENDER_PYTHON"):
        engine.shoot(composed[1], {1001: tmp_path / "a.exr"}, SMALL)


def test_the_tools_are_typed_and_report_progress(composed: tuple[Composition, Path], tmp_path: Path) -> None:
    _, stage = composed

    async def talk() -> tuple[set[str], list[tuple[float, float | None, str]], dict[str, object]]:
        told: list[tuple[float, float | None, str]] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            told.append((done, total, message or ""))

        async with Client(StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=dict(os.environ))) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert all(tool.output_schema and tool.description for tool in tools.values())
            result = await client.call_tool(
                "passes",
                {
                    "stage": str(stage),
                    "frames": {"1001": str(tmp_path / "1.exr"), "1003": str(tmp_path / "3.exr")},
                    "settings": {"width": 96, "height": 54, "samples": 1, "bounces": 0},
                },
                progress_callback=progress,
            )
            return set(tools), told, result.structured_content

    tools, told, content = asyncio.run(talk())
    assert tools >= {"build_set", "pose", "render_plate", "passes", "joints", "export_glb", "turnaround"}
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    assert [json.loads(message)["frame"] for _, _, message in told] == [1001, 1003]
    assert content["frames"] == 2


def test_a_cancelled_call_stops_after_the_frame_in_hand(composed: tuple[Composition, Path], tmp_path: Path) -> None:
    _, stage = composed
    frames = {str(frame): str(tmp_path / f"{frame}.exr") for frame in (1001, 1003, 1005)}
    settings = {"width": 640, "height": 360, "samples": 8}

    async def talk() -> dict[str, object]:
        async with Client(StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=dict(os.environ))) as client:
            first = asyncio.Event()

            async def progress(done: float, total: float | None, message: str | None) -> None:
                first.set()

            shooting = asyncio.create_task(
                client.call_tool(
                    "render_plate",
                    {"stage": str(stage), "frames": frames, "settings": settings},
                    progress_callback=progress,
                )
            )
            await first.wait()
            shooting.cancel()
            await asyncio.gather(shooting, return_exceptions=True)
            # Blender answers again only when it has yielded.
            result = await client.call_tool("engine", {})
            content: dict[str, object] = result.structured_content
            return content

    content = asyncio.run(talk())
    assert content["restarts"] == 0, "it yielded and was not ended"
    assert not (tmp_path / "1005.exr").exists()


def test_the_bridge_serves_over_http(composed: tuple[Composition, Path], tmp_path: Path) -> None:
    _, stage = composed
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*SERVER, "--http", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        with BlenderEngine(f"http://127.0.0.1:{port}/mcp") as engine:
            engine.shoot(stage, {1001: tmp_path / "a.exr"}, SMALL)
            assert "Blender 4.5" in engine.version()
        assert read_passes(tmp_path / "a.exr").beauty.any()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def test_a_bridge_that_is_gone_over_http_is_a_problem(composed: tuple[Composition, Path], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with BlenderEngine(f"http://127.0.0.1:{port}/mcp") as engine, pytest.raises(FilmProblem, match="Blender"):
        engine.shoot(composed[1], {1001: tmp_path / "a.exr"}, SMALL)


def _wait_for(port: int, timeout_s: float = 30) -> None:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the bridge does not listen")


def test_a_turnaround_shows_the_puppet_from_every_side(
    engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path
) -> None:
    pictures = engine.turnaround(composed[1], tmp_path / "turn", 4, (48, 72), True, 1)
    assert len(pictures) == 4
    assert len({picture.read_bytes() for picture in pictures}) == 4


def test_a_stage_is_exported_as_glb(engine: BlenderEngine, composed: tuple[Composition, Path], tmp_path: Path) -> None:
    engine.export_glb(composed[1], tmp_path / "shot.glb", 1005)
    assert (tmp_path / "shot.glb").read_bytes()[:4] == b"glTF"
