"""The Blender MCP server: typed tools over stdio or streamable HTTP, one contract with every other scene engine.

python -m film_pipeline.bridges.blender.server [--http PORT]
"""

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from film_pipeline import __version__
from film_pipeline.bridges.blender.cues import StageUnreadable, read_cues
from film_pipeline.bridges.blender.worker_process import BlenderMissing, WorkerDied, WorkerFailed, WorkerProcess

DIED = "worker died"
"""Said at the head of an error after which the same call may be made again."""


class Settings(BaseModel):
    """How frames are shot: pixels, samples a pixel, bounces of light."""

    width: int = Field(gt=0, le=16384)
    height: int = Field(gt=0, le=16384)
    samples: int = Field(gt=0)
    bounces: int = Field(default=1, ge=0)
    denoise: bool = True
    seed: int = 0
    clay: bool = False


class Engine(BaseModel):
    """Which program answers."""

    name: str
    version: str
    pid: int | None
    restarts: int


class Opened(BaseModel):
    """What a stage turned out to hold."""

    objects: int
    armatures: list[str]
    frames: list[int]
    identities: dict[str, str]


class Shot(BaseModel):
    """What was rendered."""

    frames: int
    restarts: int


class Joints(BaseModel):
    """Joints in world space, metres: frame -> puppet -> joint -> x, y, z."""

    joints: dict[str, dict[str, dict[str, tuple[float, float, float]]]]


class File(BaseModel):
    """A file that was written."""

    path: str
    bytes: int


class Pictures(BaseModel):
    """Pictures that were written."""

    paths: list[str]


class Bridge:
    """The tools, in front of one Blender process."""

    def __init__(self) -> None:
        self.worker = WorkerProcess()

    def tools(self) -> list[Any]:
        return [
            self.engine,
            self.build_set,
            self.pose,
            self.render_plate,
            self.passes,
            self.joints,
            self.export_glb,
            self.turnaround,
        ]

    async def engine(self) -> Engine:
        """Name and version of the program, started if it was not."""
        await self._started()
        return Engine(name="blender", version=self.worker.version, pid=self.worker.pid, restarts=self.worker.restarts)

    async def build_set(self, stage: str) -> Opened:
        """Open a composed USD stage. One that is open and unchanged is not read again."""
        cues = self._cues(stage)
        opened = await self._ask("build_set", {"stage": stage, "cues": cues})
        frames = sorted(int(frame) for frame in cues["camera"])
        return Opened(**opened, frames=frames, identities=cues["identities"])

    async def pose(self, stage: str, frame: int) -> Joints:
        """Pose the stage's puppets as they stand at a frame, and say where every joint is."""
        return await self.joints(stage, [frame])

    async def render_plate(self, stage: str, frames: dict[str, str], settings: Settings, ctx: Context[Any]) -> Shot:
        """Render frames as scene-linear half-float EXR. frames: frame number -> file to write."""
        return await self._shoot(stage, frames, settings, False, ctx)

    async def passes(self, stage: str, frames: dict[str, str], settings: Settings, ctx: Context[Any]) -> Shot:
        """Render frames as multilayer EXR: beauty, depth in metres, world normals and cryptomatte by object."""
        return await self._shoot(stage, frames, settings, True, ctx)

    async def joints(self, stage: str, frames: list[int]) -> Joints:
        """Where every puppet's joints are at each frame, as Blender's armature poses them."""
        return Joints(**await self._ask("joints", {"stage": stage, "cues": self._cues(stage), "frames": frames}))

    async def export_glb(self, stage: str, out: str, frame: int | None = None) -> File:
        """Write the stage as a .glb for viewers, posed at a frame."""
        written = await self._ask("export_glb", {"stage": stage, "cues": self._cues(stage), "out": out, "frame": frame})
        return File(path=out, bytes=written["bytes"])

    async def turnaround(self, stage: str, folder: str, angles: int, settings: Settings, ctx: Context[Any]) -> Pictures:
        """Pictures of what the stage holds from evenly spaced angles, the first from the front."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        asked = {
            "stage": stage,
            "cues": self._cues(stage),
            "folder": folder,
            "angles": angles,
            "settings": {**settings.model_dump(), "passes": False},
        }
        return Pictures(**await self._ask("turnaround", asked, ctx, angles))

    async def _shoot(
        self, stage: str, frames: dict[str, str], settings: Settings, passes: bool, ctx: Context[Any]
    ) -> Shot:
        cues = self._cues(stage)
        missing = sorted(set(frames) - set(cues["camera"]), key=int)
        if missing:
            raise ToolError(f"{stage} has no camera at frame {missing[0]}: its frames are {', '.join(cues['camera'])}")
        asked = {
            "stage": stage,
            "cues": cues,
            "frames": frames,
            "settings": {**settings.model_dump(), "passes": passes},
        }
        shot = await self._ask("shoot", asked, ctx, len(frames))
        return Shot(**shot, restarts=self.worker.restarts)

    def _cues(self, stage: str) -> dict[str, Any]:
        try:
            return read_cues(Path(stage))
        except StageUnreadable as error:
            raise ToolError(str(error)) from error

    async def _started(self) -> None:
        try:
            await self.worker.start()
        except BlenderMissing as error:
            raise ToolError(str(error)) from error

    async def _ask(
        self, do: str, asked: dict[str, Any], ctx: Context[Any] | None = None, total: int | None = None
    ) -> dict[str, Any]:
        done = 0

        async def tell(told: dict[str, Any]) -> None:
            nonlocal done
            done += 1
            if ctx is not None:
                await ctx.report_progress(done, total, json.dumps(told))

        try:
            return await self.worker.ask(do, asked, tell)
        except WorkerDied as error:
            raise ToolError(f"{DIED}: {error}") from error
        except (WorkerFailed, BlenderMissing) as error:
            raise ToolError(str(error)) from error


def blender_server() -> MCPServer:
    """The server, with a Blender process behind it that is started when it is first needed."""
    bridge = Bridge()

    @asynccontextmanager
    async def while_serving(_: MCPServer[Any]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await bridge.worker.close()

    server = MCPServer(
        "film-blender", version=__version__, instructions=__doc__, lifespan=while_serving, log_level="WARNING"
    )
    for tool in bridge.tools():
        server.add_tool(tool, name=tool.__name__)
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="serve streamable HTTP on this port of the loopback address"
    )
    port = parser.parse_args().http
    if port is None:
        blender_server().run("stdio")
    else:
        blender_server().run("streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
