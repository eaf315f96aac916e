"""The film's client of the Blender bridge, over MCP."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from film_pipeline.core.ports import FrameShot, ShootSettings
from film_pipeline.core.problems import FilmProblem

# `mcp` loads for longer than most commands take, and most of them call no Blender: it is loaded with the first call.
if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from mcp import Client

log = logging.getLogger(__name__)

_DIED = "worker died"
_TRIES = 2
# A frame at 4K can take minutes; every frame that lands resets nothing, so the whole call is given a day.
_TIMEOUT_S = 86_400.0


class BlenderEngine:
    """Blender behind our MCP server: started over stdio, or reached at a URL that somebody else serves.

    A Blender that dies in the middle is started again once, and only the frames that had not landed are shot again.
    """

    name = "blender"

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._client: Client | None = None
        self._version = ""
        self.restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server that was started."""
        self._client = self._portal = None
        try:
            self._stack.close()
        except BaseExceptionGroup as group:
            # A server that is gone already says so when its connection is closed: there is nothing left to stop.
            log.warning("the Blender bridge had ended before it was closed: %s", group.exceptions[0])

    def version(self) -> str:
        if not self._version:
            self._version = str(self._call("engine", {})["version"])
        return self._version

    def shoot(
        self, stage: Path, frames: Mapping[int, Path], settings: ShootSettings, landed: FrameShot | None = None
    ) -> None:
        tool = "passes" if settings.passes else "render_plate"
        asked_settings = {key: value for key, value in vars(settings).items() if key != "passes"}
        missing = dict(frames)

        def on_frame(told: dict[str, Any]) -> None:
            frame, path = int(told["frame"]), Path(told["path"])
            missing.pop(frame, None)
            if landed is not None:
                landed(frame, path, float(told["seconds"]))

        for attempt in range(1, _TRIES + 1):
            asked = {
                "stage": str(stage),
                "frames": {str(frame): str(path) for frame, path in missing.items()},
                "settings": asked_settings,
            }
            try:
                self._call(tool, asked, on_frame)
                break
            except _Died as error:
                if attempt == _TRIES:
                    raise FilmProblem(
                        f"Blender died {_TRIES} times while it shot {stage.name}: {error}",
                        "look at its log: FILM_BLENDER_LOG=1",
                    ) from error
                self.restarts += 1
                log.warning("%s; it is started again for the %d frames that had not landed", error, len(missing))
        if missing:
            raise FilmProblem(
                f"Blender said it was done, and frame {min(missing)} is not there", "run it again", file=stage
            )

    def joints(self, stage: Path, frames: Sequence[int]) -> dict[int, dict[str, dict[str, tuple[float, float, float]]]]:
        found = self._once_more("joints", {"stage": str(stage), "frames": list(frames)})["joints"]
        return {int(frame): puppets for frame, puppets in found.items()}

    def export_glb(self, stage: Path, out: Path, frame: int | None = None) -> None:
        self._once_more("export_glb", {"stage": str(stage), "out": str(out), "frame": frame})
        if not out.is_file() or out.read_bytes()[:4] != b"glTF":
            raise FilmProblem("Blender wrote no glb that can be read", "run it again", file=out)

    def turnaround(
        self, stage: Path, folder: Path, angles: int, size: tuple[int, int], clay: bool, samples: int
    ) -> list[Path]:
        settings = {"width": size[0], "height": size[1], "samples": samples, "bounces": 1, "clay": clay}
        asked = {"stage": str(stage), "folder": str(folder), "angles": angles, "settings": settings}
        return [Path(path) for path in self._once_more("turnaround", asked)["paths"]]

    def _once_more(self, tool: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._call(tool, asked)
        except _Died as error:
            self.restarts += 1
            log.warning("%s; it is started again", error)
        try:
            return self._call(tool, asked)
        except _Died as error:
            raise FilmProblem(
                f"Blender died twice over {tool}: {error}", "look at its log: FILM_BLENDER_LOG=1"
            ) from error

    def _call(
        self, tool: str, asked: dict[str, Any], on_frame: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Call a tool, and hear of each frame in the caller's own thread. Raises FilmProblem or _Died."""
        from mcp import MCPError
        from mcp.types import TextContent

        portal, client = self._connected()
        heard: queue.Queue[dict[str, Any] | None] = queue.Queue()

        async def progress(done: float, total: float | None, message: str | None) -> None:
            if message:
                heard.put(json.loads(message))

        async def call() -> Any:
            try:
                return await client.call_tool(tool, asked, read_timeout_seconds=_TIMEOUT_S, progress_callback=progress)
            finally:
                heard.put(None)

        future = portal.start_task_soon(call)
        try:
            while (told := heard.get()) is not None:
                if on_frame is not None:
                    on_frame(told)
            result = future.result()
        except MCPError as error:
            self._lost()
            raise _Died(f"the Blender bridge is gone: {error}") from error
        except BaseException:
            future.cancel()
            raise
        if result.is_error:
            said = " ".join(part.text for part in result.content if isinstance(part, TextContent))
            if _DIED in said:
                raise _Died(said)
            raise FilmProblem(f"Blender: {said}", "make setup prepares Blender; docs/engines.md says what it needs")
        content: dict[str, Any] = result.structured_content
        return content

    def _connected(self) -> tuple[BlockingPortal, Client]:
        from anyio.from_thread import start_blocking_portal
        from mcp import Client, MCPError, StdioServerParameters

        if self._portal is None or self._client is None:
            server = self._url or StdioServerParameters(
                command=sys.executable, args=["-m", "film_pipeline.bridges.blender.server"], env=dict(os.environ)
            )
            try:
                self._portal = self._stack.enter_context(start_blocking_portal())
                self._client = self._stack.enter_context(
                    self._portal.wrap_async_context_manager(Client(server, read_timeout_seconds=_TIMEOUT_S))
                )
            except (OSError, MCPError, ExceptionGroup) as error:
                self._lost()
                where = self._url or "film_pipeline.bridges.blender.server"
                raise FilmProblem(
                    f"the Blender bridge at {where} can't be reached: {_innermost(error)}",
                    "start it, correct FILM_BLENDER_URL, or unset it to have one started here",
                ) from error
        return self._portal, self._client

    def _lost(self) -> None:
        self.close()
        self._stack = ExitStack()


def _innermost(error: BaseException) -> str:
    """What really happened, under the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class _Died(Exception):
    """The Blender process or its bridge ended; the call may be made again."""
