"""Simulated pictures: made from the first reference, changed by seed and prompt, and never to be taken for real."""

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

WATERMARK = "SIMULATED"
Tone = NDArray[np.floating[Any]]
"""Display values, 0..1."""
_FAST = 1
_MARK_OPACITY = np.float32(0.6)
_LIFT = 0.7
_STROKE_GREY = np.float32(0.22)


@dataclass(frozen=True)
class Recipe:
    """What decides a simulated picture.

    size: width, height in pixels. references: encoded pictures, the plate first.
    """

    size: tuple[int, int]
    seed: int
    prompt: str
    references: tuple[bytes, ...] = ()
    model: str = ""

    def digest(self) -> bytes:
        told = hashlib.sha256(f"{self.size}|{self.seed}|{self.prompt}|{self.model}".encode())
        for reference in self.references:
            told.update(hashlib.sha256(reference).digest())
        return told.digest()


def made(recipe: Recipe) -> Image.Image:
    """The picture that the recipe gives: always the same one."""
    digest = recipe.digest()
    plate = recipe.references[0] if recipe.references else None
    pixels = _nothing_to_go_by(recipe.size, digest) if plate is None else _seen(plate, recipe.size)
    pixels = _hatched(_toned(pixels, digest), digest)
    letters, edges = _mark(recipe.size)
    pixels = pixels * (1 - edges[..., None])
    pixels = pixels * (1 - letters[..., None]) + letters[..., None]
    return Image.fromarray((pixels * 255 + 0.5).astype(np.uint8), "RGB")


@lru_cache(maxsize=4)
def _seen(plate: bytes, size: tuple[int, int]) -> Tone:
    with Image.open(io.BytesIO(plate)) as reference:
        fitted = ImageOps.fit(reference.convert("RGB"), size, Image.Resampling.BILINEAR)
    # A plate is dark and grainy: developed, so that people who watch can see the scene.
    smooth = fitted.filter(ImageFilter.BoxBlur(size[0] / 1280))
    return np.power(np.asarray(smooth, np.float32) / 255, np.float32(_LIFT))


def _nothing_to_go_by(size: tuple[int, int], digest: bytes) -> Tone:
    """A plain sky over ground, the horizon and the tones drawn from the digest."""
    width, height = size
    horizon = height * (0.35 + 0.3 * digest[20] / 255)
    rows = np.arange(height, dtype=np.float32)[:, None]
    sky, ground = 0.75 - 0.4 * rows / height, 0.12 + 0.25 * rows / height
    return np.broadcast_to(np.where(rows < horizon, sky, ground)[..., None], (height, width, 3))


def _toned(pixels: Tone, digest: bytes) -> Tone:
    """A tint and a contrast of the digest's own."""
    tint = np.array([0.8 + 0.4 * byte / 255 for byte in digest[:3]], np.float32)
    contrast = 0.85 + 0.4 * digest[3] / 255
    toned: Tone = np.clip(((pixels - 0.5) * contrast + 0.5) * tint, 0, 1).astype(np.float32)
    return toned


def _hatched(pixels: Tone, digest: bytes) -> Tone:
    """Grey strokes across what is not bright, at the digest's own angle and spacing; a black plate shows them."""
    height, width = pixels.shape[:2]
    angle = math.radians(25 + 130 * digest[4] / 255)
    spacing = max(4.0, height / 90) * (0.8 + 0.6 * digest[5] / 255)
    rows, columns = np.ogrid[:height, :width]
    along = columns * np.float32(math.cos(angle)) + rows * np.float32(math.sin(angle)) + np.float32(digest[6])
    stroke = (along % np.float32(spacing)) < np.float32(spacing * 0.3)
    shade = np.clip(0.7 - pixels.mean(axis=2), 0, 0.5) * stroke
    hatched: Tone = pixels + (_STROKE_GREY - pixels) * shade[..., None]
    return hatched


@lru_cache(maxsize=4)
def _mark(size: tuple[int, int]) -> tuple[Tone, Tone]:
    """The watermark from corner to corner: the letters, and the dark edge that shows them on a bright picture too."""
    width, height = size
    reach = math.hypot(width, height) * 0.78
    font = ImageFont.load_default(max(6, round(reach / 6.2)))
    edge = max(1, round(reach / 160))
    left, top, right, bottom = font.getbbox(WATERMARK, stroke_width=edge)
    layers = []
    for stroke in (0, edge):
        word = Image.new("L", (round(right - left) + 4, round(bottom - top) + 4), 0)
        ImageDraw.Draw(word).text((2 - left, 2 - top), WATERMARK, font=font, fill=255, stroke_width=stroke)
        layers.append(_slanted(word, size))
    letters, around = layers
    return letters * _MARK_OPACITY, around * _MARK_OPACITY


def _slanted(word: Image.Image, size: tuple[int, int]) -> Tone:
    """The word along the diagonal of an empty sheet."""
    width, height = size
    slant = math.degrees(math.atan2(height, width))
    turned = word.rotate(slant, expand=True, resample=Image.Resampling.BILINEAR)
    sheet = Image.new("L", size, 0)
    sheet.paste(turned, ((width - turned.width) // 2, (height - turned.height) // 2))
    return np.asarray(sheet, np.float32) / np.float32(255)


def png(picture: Image.Image, texts: Mapping[str, Any] | None = None) -> bytes:
    """Encoded, with one text chunk of JSON a key, as ComfyUI's SaveImage writes them."""
    told = PngInfo()
    for key, value in (texts or {}).items():
        told.add_text(key, json.dumps(value))
    into = io.BytesIO()
    picture.save(into, "PNG", pnginfo=told, compress_level=_FAST)
    return into.getvalue()


def jpeg(picture: Image.Image, longest: int = 512) -> bytes:
    """A preview no larger than that."""
    small = picture.copy()
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    into = io.BytesIO()
    small.save(into, "JPEG", quality=80)
    return into.getvalue()


def damaged(kind: str, encoded: bytes, references: Sequence[bytes]) -> bytes:
    """A finished picture with one of the faults of `faults.PICTURE`."""
    if kind == "truncated":
        return encoded[: len(encoded) * 6 // 10]
    if kind == "corrupt":
        middle = len(encoded) // 2
        return encoded[:middle] + bytes(byte ^ 0x5A for byte in encoded[middle : middle + 64]) + encoded[middle + 64 :]
    if kind == "empty":
        return b""
    with Image.open(io.BytesIO(encoded)) as picture:
        size = picture.size
    if kind == "black":
        return png(Image.new("RGB", size, 0))
    if kind == "wrong_size":
        with Image.open(io.BytesIO(encoded)) as picture:
            return png(picture.convert("RGB").resize((max(1, size[0] // 2), max(1, size[1] // 2))))
    if kind == "input_back":
        return _handed_back(references, size)
    raise ValueError(f"no picture can be {kind}")


def _handed_back(references: Sequence[bytes], size: tuple[int, int]) -> bytes:
    if not references:
        return png(Image.new("RGB", size, (128, 128, 128)))
    with Image.open(io.BytesIO(references[0])) as reference:
        return png(ImageOps.fit(reference.convert("RGB"), size, Image.Resampling.LANCZOS))
