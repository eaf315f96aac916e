"""What serverless endpoints are sent, within their limits, and where in their answers the picture is."""

import base64
import binascii
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from film_pipeline.backends.comfy_graphs import fit_of, prompt_text, upload_name
from film_pipeline.core.generating import FrameWork, Guide
from film_pipeline.core.generators import ServerlessPlan
from film_pipeline.core.money import usd
from film_pipeline.core.problems import FilmProblem

LARGEST_RUN = 10_000_000
"""Bytes that `/run` takes, the whole body."""
_ROOM = LARGEST_RUN - 300_000
"""What references may take of it. Always the same, so that a longer prompt does not change how references go."""
_MIME = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_PLACES = ("image_url", "images", "image", "result", "output", "url", "data")
_NESTED = 4


@dataclass(frozen=True)
class Sending:
    """How references are made smaller. megapixels: at most so many; quality: of JPEG, else PNG."""

    said: str
    megapixels: float = 0.0
    quality: int = 0

    def encoded(self, guide: Guide) -> tuple[bytes, str]:
        """The picture's bytes and their type. Raises FilmProblem for what is no picture."""
        return _encoded(self, guide.path, guide.sha256)

    def shrunk(self, picture: Image.Image) -> tuple[bytes, str]:
        factor = (self.megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        if factor < 1:
            size = max(round(picture.width * factor), 1), max(round(picture.height * factor), 1)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        held = io.BytesIO()
        if self.quality:
            picture.save(held, "JPEG", quality=self.quality, subsampling=0)
            return held.getvalue(), "image/jpeg"
        picture.save(held, "PNG")
        return held.getvalue(), "image/png"


@lru_cache(maxsize=8)
def _encoded(sending: Sending, path: Path, sha256: str) -> tuple[bytes, str]:
    """Kept for a moment: whether references fit is asked just before they are sent."""
    if not sending.megapixels:
        return path.read_bytes(), _MIME[path.suffix.lower()]
    try:
        with Image.open(path) as picture:
            return sending.shrunk(picture.convert("RGB"))
    except OSError as error:
        raise FilmProblem("the reference can't be read as a picture", "make it again", file=path) from error


SENDINGS = (
    Sending("as they are"),
    # Klein's graph scales every reference to one megapixel anyway.
    Sending("as PNG of at most 1 megapixel", 1.0),
    Sending("as JPEG (95) of at most 1 megapixel", 1.0, 95),
    Sending("as JPEG (90) of at most 0.7 megapixels", 0.7, 90),
    Sending("as JPEG (85) of at most 0.4 megapixels", 0.4, 85),
)
"""Tried in this order until the order fits."""
BY_URL = Sending("by URL, as they are")


def sending_for(guides: Sequence[Guide], room: int = _ROOM) -> Sending:
    """The first way to send these references within so many bytes of JSON. Raises FilmProblem where there is none."""
    for sending in SENDINGS:
        if sum(_in_base64(len(sending.encoded(guide)[0])) for guide in guides) <= room:
            return sending
    raise FilmProblem(
        f"{len(guides)} references do not fit into an order of {LARGEST_RUN // 10**6} MB",
        "give fewer, or publish them and say `reference_url:`",
    )


def _in_base64(size: int) -> int:
    return -(-size // 3) * 4 + 200


def comfy_input(graph: Mapping[str, Any], guides: Sequence[Guide], sending: Sending) -> dict[str, Any]:
    """What worker-comfyui is sent: our graph, and the references under the names that the graph loads."""
    distinct = {upload_name(guide): guide for guide in guides}
    images = [
        {"name": name, "image": base64.b64encode(sending.encoded(guide)[0]).decode()}
        for name, guide in distinct.items()
    ]
    return {"workflow": graph, "images": images} if images else {"workflow": graph}


def plain_input(work: FrameWork, plan: ServerlessPlan) -> dict[str, Any]:
    """What a prompt-and-references endpoint is sent, the references left out."""
    width, height = fit_of(work).rendered
    fields = plan.fields
    named = {
        fields.prompt: prompt_text(work),
        fields.negative: work.negative,
        fields.seed: work.seed % 2**plan.seed_bits,
        fields.size: f"{width}*{height}",
        fields.width: width,
        fields.height: height,
    }
    return {**plan.extra, **{name: value for name, value in named.items() if name}}


def references_input(guides: Sequence[Guide], plan: ServerlessPlan, sending: Sending) -> dict[str, Any]:
    """The references of a prompt-and-references endpoint: where they are published, or in the order itself."""
    if not guides:
        return {}
    if sending is BY_URL:
        base = plan.reference_url.rstrip("/")
        pictures = [f"{base}/{guide.sha256}{guide.path.suffix.lower()}" for guide in guides]
    else:
        encoded = [sending.encoded(guide) for guide in guides]
        pictures = [f"data:{mime};base64,{base64.b64encode(content).decode()}" for content, mime in encoded]
    if plan.fields.image:
        return {plan.fields.image: pictures[0]}
    return {plan.fields.images: pictures}


@dataclass(frozen=True)
class Found:
    """A picture in an answer: its bytes, or where it lies."""

    content: bytes = b""
    url: str = ""


def picture_in(output: Any) -> Found:
    """The first picture of an endpoint's output. Raises FilmProblem where there is none."""
    for found in _pictures(output, _NESTED):
        return found
    said = ""
    if isinstance(output, Mapping):
        said = str(output.get("errors") or output.get("error") or output.get("status") or "")
    raise FilmProblem(f"the endpoint answered without a picture{f': {said[:300]}' if said else ''}", "see its logs")


def _pictures(node: Any, depth: int) -> Iterator[Found]:
    if depth == 0:
        return
    if isinstance(node, str):
        found = _read(node)
        if found is not None:
            yield found
    elif isinstance(node, Mapping):
        for place in _PLACES:
            if place in node:
                yield from _pictures(node[place], depth - 1)
    elif isinstance(node, list):
        for each in node:
            yield from _pictures(each, depth - 1)


def _read(text: str) -> Found | None:
    if text.startswith(("https://", "http://")):
        return Found(url=text)
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Found(content=content) if len(content) > 64 else None


def cost_in(output: Any) -> Decimal | None:
    """What the endpoint says that the picture cost; None where it says nothing that can be money."""
    value = output.get("cost") if isinstance(output, Mapping) else None
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        return None
    try:
        return usd(value)
    except (ValueError, InvalidOperation):
        return None


def suffix_of(content: bytes) -> str:
    """The file suffix that suits a picture's first bytes."""
    if content.startswith(b"\xff\xd8"):
        return ".jpg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return ".png"
