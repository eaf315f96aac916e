"""Running a graph in the simulated ComfyUI: node after node, with its cache, its progress and its ways to fail."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui_nodes import INPUT_FOLDER, INSTALLED
from film_pipeline.simulators.comfyui_work import LOADERS, SAMPLERS, WORK, Desk, NodeFailed, Pixels, next_name
from film_pipeline.simulators.faults import PICTURE, Faults
from film_pipeline.simulators.pictures import Recipe, damaged, jpeg, made, png

JOB_FAULTS = frozenset({"execution_error", "out_of_memory"})
"""At the moment `job`, once a graph that is run: its sampler raises."""
_PREVIEW_SIDE = 256
_SMALL_PIXELS = 128 * 128


class Listener(Protocol):
    """Who hears how a run goes."""

    def say(self, event: str, data: dict[str, Any]) -> None:
        """A message for the client of this job."""

    def say_to_all(self, event: str, data: dict[str, Any]) -> None: ...

    def preview(self, node_id: str, picture: bytes) -> None:
        """A JPEG of what is coming."""

    def interrupted(self) -> bool:
        """Whether the run is to stop. Asked whenever a node yields."""


@dataclass
class Run:
    """How a graph was run: what `/history` keeps of it."""

    succeeded: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    messages: list[list[Any]] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        return {
            "status_str": "success" if self.succeeded else "error",
            "completed": self.succeeded,
            "messages": self.messages,
        }


class _Interrupted(Exception):
    pass


@dataclass(frozen=True)
class _Kept:
    outputs: tuple[Any, ...]
    ui: dict[str, Any] | None


@dataclass
class Timing:
    """How long things take, in seconds of the provider's clock."""

    frame_s: float = 0.0
    """Sampling one picture, spread over its steps."""
    load_s: float = 0.0
    """Loading one model file that is not in memory."""
    node_s: float = 0.0
    """Any other node."""
    history_s: float = 0.01
    """Between `execution_success` and the entry in the history."""


class Engine:
    """One GPU with its model files, its input and output folders and its cache.

    metadata: whether pictures carry the graph and the recipe. previews: whether sampling shows what is coming.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        timing: Timing,
        models: Mapping[str, list[str]] | None = None,
        metadata: bool = True,
        previews: bool = True,
        device: str = "cuda",
    ) -> None:
        self.desk = Desk(folder / "input", folder / "output", folder / "temp", device == "mps")
        for place in (self.desk.input_folder, self.desk.output_folder, self.desk.temp_folder):
            place.mkdir(parents=True, exist_ok=True)
        self.models: dict[str, list[str]] = {name: list(files) for name, files in INSTALLED.items()}
        self.models |= {name: list(files) for name, files in (models or {}).items()}
        self.faults = Faults(PICTURE | JOB_FAULTS)
        self._clock, self._timing = clock, timing
        self._metadata, self._previews = metadata, previews
        self._cache: dict[str, _Kept] = {}
        self._taken: dict[Path, int] = {}

    def listed(self, folder: str) -> list[str]:
        if folder != INPUT_FOLDER:
            return sorted(self.models.get(folder, []))
        root = self.desk.input_folder
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def has_input(self, name: str) -> bool:
        path = self.desk.input_folder / name
        return path.resolve().is_relative_to(self.desk.input_folder.resolve()) and path.is_file()

    def forget(self) -> None:
        """Let go of all that was computed and loaded."""
        self._cache.clear()

    async def run(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        wanted: list[str],
        extra_data: Mapping[str, Any],
        listener: Listener,
    ) -> Run:
        """Run the wanted outputs of a checked graph."""
        attempt = _Attempt(self, prompt_id, graph, extra_data, listener)
        return await attempt.go(wanted)


class _Attempt:
    """One run of one graph."""

    def __init__(
        self,
        engine: Engine,
        prompt_id: str,
        graph: Mapping[str, Any],
        extra_data: Mapping[str, Any],
        listener: Listener,
    ) -> None:
        self._engine, self._graph, self._extra, self._listener = engine, graph, extra_data, listener
        self._id = prompt_id
        self._run = Run()
        self._signatures: dict[str, str] = {}
        self._executed: list[str] = []
        self._failing = engine.faults.befalls("job", JOB_FAULTS, prompt_id)

    async def go(self, wanted: list[str]) -> Run:
        self._tell("execution_start", {})
        cache = self._engine._cache
        kept = {node_id: cache[sign] for node_id in self._graph if (sign := self._signature(node_id)) in cache}
        self._tell("execution_cached", {"nodes": list(kept)})
        try:
            for node_id in wanted:
                await self._make(node_id)
        except _Stopped as stopped:
            self._tell_stopped(stopped)
        else:
            for node_id in wanted:
                if node_id not in self._executed:
                    self._show(node_id, cache[self._signature(node_id)])
            self._run.succeeded = True
            self._tell("execution_success", {})
        self._keep_only_this_graph()
        return self._run

    def _keep_only_this_graph(self) -> None:
        """The real cache holds what the last graph used, no more."""
        used = {self._signature(node_id) for node_id in self._graph}
        for signature in set(self._engine._cache) - used:
            del self._engine._cache[signature]

    async def _make(self, node_id: str) -> _Kept:
        """What a node gives, from the cache or by doing its work and first that of the nodes above it."""
        signature = self._signature(node_id)
        if signature in self._engine._cache:
            return self._engine._cache[signature]
        inputs: dict[str, Any] = {}
        for name, value in self._graph[node_id]["inputs"].items():
            if isinstance(value, list):
                inputs[name] = (await self._make(value[0])).outputs[value[1]]
            else:
                inputs[name] = value
        self._listener.say("executing", {"node": node_id, "display_node": node_id, "prompt_id": self._id})
        kept = await self._work(node_id, inputs)
        self._engine._cache[signature] = kept
        self._executed.append(node_id)
        if kept.ui is not None:
            self._show(node_id, kept)
        return kept

    async def _work(self, node_id: str, inputs: dict[str, Any]) -> _Kept:
        kind = self._graph[node_id]["class_type"]
        engine = self._engine
        try:
            self._stop_if_asked()
            if kind in SAMPLERS:
                return await self._sample(node_id, kind, inputs)
            await engine._clock.sleep(engine._timing.load_s if kind in LOADERS else engine._timing.node_s)
            if kind in ("SaveImage", "PreviewImage"):
                return await self._save(kind, inputs)
            return _Kept(WORK[kind](inputs, engine.desk), None)
        except Exception as error:  # the real server reports whatever a node raises
            raise _Stopped(node_id, inputs, error) from error

    async def _sample(self, node_id: str, kind: str, inputs: dict[str, Any]) -> _Kept:
        if self._failing is not None:
            memory = self._failing.kind == "out_of_memory"
            raise NodeFailed(*(_NO_MEMORY if memory else ("RuntimeError", "the simulated GPU failed")))
        outputs = WORK[kind](inputs, self._engine.desk)
        steps = int(inputs[SAMPLERS[kind]])
        preview = await self._coming(outputs[0].pixels[0].recipe)
        for step in range(1, steps + 1):
            await self._engine._clock.sleep(self._engine._timing.frame_s / steps)
            self._stop_if_asked()
            self._progress(node_id, step, steps)
            if preview:
                self._listener.preview(node_id, preview)
        return _Kept(outputs, None)

    async def _coming(self, recipe: Recipe) -> bytes:
        if not self._engine._previews:
            return b""
        factor = min(1.0, _PREVIEW_SIDE / max(recipe.size))
        size = (max(16, round(recipe.size[0] * factor)), max(16, round(recipe.size[1] * factor)))
        small = Recipe(size, recipe.seed, recipe.prompt, recipe.references, recipe.model)
        return await _worked(size, lambda: jpeg(made(small)))

    async def _save(self, kind: str, inputs: dict[str, Any]) -> _Kept:
        images = inputs["images"]
        saved = [
            await self._write(kind, image, inputs) for image in (images if isinstance(images, tuple) else (images,))
        ]
        return _Kept((), {"images": saved})

    async def _write(self, kind: str, image: Pixels, inputs: dict[str, Any]) -> dict[str, str]:
        desk = self._engine.desk
        folder = desk.output_folder if kind == "SaveImage" else desk.temp_folder
        prefix = inputs.get("filename_prefix", "ComfyUI_temp")
        name, subfolder = next_name(folder, prefix, self._engine._taken)
        texts = {"prompt": self._graph, **self._extra.get("extra_pnginfo", {})} if self._engine._metadata else {}
        encoded = await _worked(image.size, lambda: png(image.render(), texts))
        fault = self._engine.faults.befalls("picture", PICTURE, self._id)
        if fault is not None:
            encoded = damaged(fault.kind, encoded, image.recipe.references if image.recipe else (image.encoded,))
        (folder / subfolder / name).write_bytes(encoded)
        return {"filename": name, "subfolder": subfolder, "type": "output" if kind == "SaveImage" else "temp"}

    def _stop_if_asked(self) -> None:
        if self._listener.interrupted():
            raise _Interrupted

    def _progress(self, node_id: str, value: int, most: int) -> None:
        told = {"value": value, "max": most, "prompt_id": self._id, "node": node_id}
        self._listener.say("progress", told)
        state = {
            "value": value,
            "max": most,
            "state": "running" if value < most else "finished",
            "node_id": node_id,
            "prompt_id": self._id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        self._listener.say("progress_state", {"prompt_id": self._id, "nodes": {node_id: state}})

    def _show(self, node_id: str, kept: _Kept) -> None:
        self._run.outputs[node_id] = kept.ui
        self._run.meta[node_id] = {
            "node_id": node_id,
            "display_node": node_id,
            "parent_node": None,
            "real_node_id": node_id,
        }
        told = {"node": node_id, "display_node": node_id, "output": kept.ui, "prompt_id": self._id}
        self._listener.say("executed", told)

    def _tell(self, event: str, data: dict[str, Any], to_all: bool = False) -> None:
        told = {"prompt_id": self._id, **data, "timestamp": int(time.time() * 1000)}
        self._run.messages.append([event, told])
        (self._listener.say_to_all if to_all else self._listener.say)(event, told)

    def _tell_stopped(self, stopped: "_Stopped") -> None:
        told: dict[str, Any] = {
            "node_id": stopped.node_id,
            "node_type": self._graph[stopped.node_id]["class_type"],
            "executed": list(self._executed),
        }
        if isinstance(stopped.error, _Interrupted):
            self._tell("execution_interrupted", told, to_all=True)
            return
        told |= {
            "exception_message": f"{stopped.error}\n",
            "exception_type": getattr(stopped.error, "kind", type(stopped.error).__name__),
            "traceback": [f'  File "nodes.py", in {told["node_type"]}\n'],
            "current_inputs": {name: [_formatted(value)] for name, value in stopped.inputs.items()},
            "current_outputs": list(self._executed),
        }
        self._tell("execution_error", told, to_all=True)

    def _signature(self, node_id: str) -> str:
        """What a node's result depends on: its class, its values, the signatures above it, and the picture it loads."""
        if node_id not in self._signatures:
            node = self._graph[node_id]
            told: dict[str, Any] = {"class_type": node["class_type"]}
            for name, value in sorted(node["inputs"].items()):
                told[name] = [self._signature(value[0]), value[1]] if isinstance(value, list) else value
            if node["class_type"] in ("LoadImage", "LoadImageMask"):
                path = self._engine.desk.input_folder / node["inputs"]["image"]
                told["is_changed"] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            self._signatures[node_id] = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return self._signatures[node_id]


class _Stopped(Exception):
    """A run that a node ended."""

    def __init__(self, node_id: str, inputs: dict[str, Any], error: Exception) -> None:
        super().__init__(str(error))
        self.node_id, self.inputs, self.error = node_id, inputs, error


_NO_MEMORY = ("torch.OutOfMemoryError", "Allocation on device")


async def _worked(size: tuple[int, int], work: Callable[[], bytes]) -> bytes:
    """Large pictures are made beside the loop; small ones are made before a thread has even begun."""
    return work() if size[0] * size[1] <= _SMALL_PIXELS else await asyncio.to_thread(work)


def _formatted(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | str) or value is None else str(value)[:200]
