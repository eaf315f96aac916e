"""What simulated serverless workers do: worker-comfyui, and image models that take a prompt and pictures."""

import asyncio
import base64
import binascii
import io
import json
import re
import urllib.error
import urllib.request
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from film_pipeline.simulators.clock import Clock
from film_pipeline.simulators.comfyui_engine import Engine, Timing
from film_pipeline.simulators.comfyui_graph import checked
from film_pipeline.simulators.faults import PICTURE, Faults
from film_pipeline.simulators.pictures import Recipe, damaged, made, png

_SIZE = re.compile(r"^(\d+)\*(\d+)$")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FORMATS = ("png", "jpeg", "webp")
_MOST_FETCHED_BYTES = 64 * 1024 * 1024


@dataclass
class EndpointPlan:
    """How an endpoint is set up. Money as text.

    worker: `worker-comfyui`, paid by the second, or `prompt-and-references`, paid by the image. cold_s: the start of a
    worker. idle_s: how long it waits for more work, paid. frame_s, load_s: see comfyui_engine.Timing. models: files
    of a worker-comfyui, by folder.
    """

    worker: str = "worker-comfyui"
    usd_per_second: str = "0.00031"
    usd_per_image: str = "0.03"
    max_workers: int = 3
    cold_s: float = 8.0
    idle_s: float = 5.0
    frame_s: float = 0.0
    load_s: float = 0.0
    max_references: int = 4
    charge_failures: bool = False
    models: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.worker not in ("worker-comfyui", "prompt-and-references"):
            raise ValueError(f"there is no worker {self.worker!r}")

    @property
    def paid_by_second(self) -> bool:
        return self.worker == "worker-comfyui"

    def second_usd(self) -> Decimal:
        return Decimal(self.usd_per_second)

    def image_usd(self) -> Decimal:
        return Decimal(self.usd_per_image)


class Handler(ABC):
    """One worker's program. Its answer: what a RunPod handler returns; a key `error` in it fails the job."""

    @abstractmethod
    async def handle(self, given: Any, job: str) -> dict[str, Any]:
        """Work off one input. job: the provider's id of the order."""


class _Unheard:
    """Nobody listens inside a serverless worker."""

    def say(self, event: str, data: dict[str, Any]) -> None: ...

    def say_to_all(self, event: str, data: dict[str, Any]) -> None: ...

    def preview(self, node_id: str, picture: bytes) -> None: ...

    def interrupted(self) -> bool:
        return False


class WorkerComfyUI(Handler):
    """`worker-comfyui`: a graph and its pictures in, base64 out. It strips what ComfyUI writes into PNG files."""

    def __init__(self, folder: Path, clock: Clock, faults: Faults, plan: EndpointPlan) -> None:
        timing = Timing(plan.frame_s, plan.load_s)
        self.engine = Engine(folder, clock, timing, plan.models, metadata=False, previews=False)
        self.engine.faults = faults

    async def handle(self, given: Any, job: str) -> dict[str, Any]:
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                return {"error": "Invalid JSON format in input"}
        if given.get("workflow") is None:
            return {"error": "Missing 'workflow' parameter"}
        images = given.get("images")
        if images is not None and not _are_named(images):
            return {"error": "'images' must be a list of objects with 'name' and 'image' keys"}
        wrong = [said for image in images or [] if (said := self._upload(image))]
        if wrong:
            return {"error": "Failed to upload one or more input images", "details": wrong}
        return await self._run(given["workflow"], job)

    def _upload(self, image: Mapping[str, str]) -> str:
        """What went wrong; empty where nothing did."""
        name, text = image["name"], image["image"].rpartition(",")[2]
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            return f"Error decoding base64 for {name}: {error}"
        place = self.engine.desk.input_folder / Path(name).name
        place.write_bytes(data)
        return ""

    async def _run(self, graph: Any, job: str) -> dict[str, Any]:
        try:
            verdict = checked(graph, self.engine)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return {"error": f"Error queuing workflow: 500 Server Error: {error}"}
        if verdict.error is not None:
            return {"error": _told(verdict.error, verdict.node_errors)}
        run = await self.engine.run(job, graph, verdict.outputs, {}, _Unheard())
        errors = [
            f"Workflow execution error: Node Type: {data['node_type']}, Node ID: {data['node_id']}, "
            f"Message: {data['exception_message']}"
            for event, data in run.messages
            if event == "execution_error"
        ]
        pictures = [self._sent(picture) for output in run.outputs.values() for picture in output.get("images", [])]
        sent = [picture for picture in pictures if picture is not None]
        if errors and not sent:
            return {"error": "Job processing failed", "details": errors}
        if not sent:
            return {"status": "success_no_images", "images": []}
        return {"images": sent, **({"errors": errors} if errors else {})}

    def _sent(self, picture: Mapping[str, str]) -> dict[str, str] | None:
        """Only what was saved, not what was previewed."""
        if picture["type"] == "temp":
            return None
        data = (self.engine.desk.output_folder / picture["subfolder"] / picture["filename"]).read_bytes()
        return {"filename": picture["filename"], "type": "base64", "data": base64.b64encode(data).decode()}


def _are_named(images: Any) -> bool:
    return isinstance(images, list) and all(isinstance(one, dict) and {"name", "image"} <= one.keys() for one in images)


def _told(error: Mapping[str, Any], node_errors: Mapping[str, Any]) -> str:
    """A refused graph, as the worker words it."""
    message = str(error["message"])
    if error["type"] == "prompt_outputs_failed_validation":
        message = "Workflow validation failed"
    lines = [f"• Node {node} ({kind}): {said}" for node, told in node_errors.items() for kind, said in told.items()]
    return "\n".join([f"{message}:", *lines]) if lines else f"{message}. Raw response: {json.dumps({'error': error})}"


_KNOWN = frozenset(
    {
        "prompt",
        "images",
        "size",
        "seed",
        "output_format",
        "enable_base64_output",
        "enable_safety_checker",
        "enable_sync_mode",
    }
)


class ImageModel(Handler):
    """A public image-edit endpoint: `prompt` and `images` in, an address and a cost out.

    Pictures come as loopback addresses, data URIs or bare base64. What the real endpoints call their base64 output is
    not documented: here it is a data URI in the place of the address.
    """

    def __init__(self, shelf: Path, url: str, clock: Clock, faults: Faults, plan: EndpointPlan, model: str) -> None:
        shelf.mkdir(parents=True, exist_ok=True)
        self._shelf, self._url, self._clock, self._faults = shelf, url, clock, faults
        self._plan, self._model = plan, model

    async def handle(self, given: Any, job: str) -> dict[str, Any]:
        wrong = self._wrong(given)
        if wrong:
            return {"error": wrong}
        try:
            references = [await asyncio.to_thread(_fetched, image) for image in given["images"]]
            size = _size(given.get("size"), references[0])
        except ValueError as error:
            return {"error": str(error)}
        await self._clock.sleep(self._plan.frame_s)
        fault = self._faults.befalls("job", frozenset({"execution_error"}), job)
        if fault is not None:
            return {"error": "the simulated model failed"}
        recipe = Recipe(size, int(given.get("seed", -1)), given["prompt"], tuple(references), self._model)
        encoded = await asyncio.to_thread(_encoded, recipe, given.get("output_format", "png"))
        damage = self._faults.befalls("picture", PICTURE, job)
        if damage is not None:
            encoded = damaged(damage.kind, encoded, references)
        return {"image_url": self._kept(encoded, given), "cost": float(self._plan.image_usd())}

    def _wrong(self, given: Any) -> str:
        if not isinstance(given, dict):
            return "input must be an object"
        unknown = [name for name in given if name not in _KNOWN]
        if unknown:
            return f"Unexpected input. {unknown[0]} is not a valid input option."
        if not isinstance(given.get("prompt"), str) or not given["prompt"]:
            return "prompt is a required input."
        images = given.get("images")
        if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
            return "images is a required input."
        if len(images) > self._plan.max_references:
            return f"images: at most {self._plan.max_references} are supported"
        if given.get("output_format", "png") not in _FORMATS:
            return f"output_format must be one of {', '.join(_FORMATS)}"
        seed = given.get("seed", -1)
        if not isinstance(seed, int) or isinstance(seed, bool) or not -1 <= seed < 2**31:
            return "seed must be an integer from -1 to 2147483647"
        return ""

    def _kept(self, encoded: bytes, given: Mapping[str, Any]) -> str:
        kind = given.get("output_format", "png")
        if given.get("enable_base64_output"):
            return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
        name = f"{uuid.uuid4().hex}.{kind}"
        (self._shelf / name).write_bytes(encoded)
        return f"{self._url}/files/{name}"


def _encoded(recipe: Recipe, kind: str) -> bytes:
    picture = made(recipe)
    if kind == "png":
        return png(picture)
    into = io.BytesIO()
    picture.save(into, kind.upper(), quality=92)
    return into.getvalue()


def _size(text: Any, first: bytes) -> tuple[int, int]:
    """The size asked for, or the first picture's, in steps of 16. Raises ValueError."""
    if text is None:
        with Image.open(io.BytesIO(first)) as picture:
            width, height = picture.size
    else:
        found = _SIZE.match(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError("size must be written as width*height")
        width, height = int(found[1]), int(found[2])
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise ValueError("size must be from 16*16 to 4096*4096")
    return width // 16 * 16, height // 16 * 16


def _fetched(image: str) -> bytes:
    """The picture itself. Raises ValueError for what is none."""
    try:
        data = _loaded(image) if image.startswith(("http://", "https://")) else _decoded(image)
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError("Invalid image URL in images array") from error
    return data


def _decoded(image: str) -> bytes:
    return base64.b64decode(image.rpartition(",")[2] if image.startswith("data:") else image, validate=True)


def _loaded(url: str) -> bytes:
    """From this machine only. Raises OSError or ValueError."""
    if urlsplit(url).hostname not in _LOOPBACK:
        raise ValueError(f"a simulated worker reaches this machine only, not {url}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return bytes(answer.read(_MOST_FETCHED_BYTES))
    except urllib.error.URLError as error:
        raise OSError(str(error)) from error
