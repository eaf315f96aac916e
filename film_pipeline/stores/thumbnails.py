"""Small JPEGs of what is kept, for boards, metadata and contact sheets."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from film_pipeline.core.problems import FilmProblem

SHOWN_WIDTHS = (480, 960, 1920)
"""The widths in which pictures are shown: in lists, in the viewer, and stopped on a large screen."""
READY_WIDTHS = (480, 960)
"""Those that the pipeline makes as soon as a picture is there."""
_QUALITY = 88
_EXR_MAGIC = b"\x76\x2f\x31\x01"


def make_thumbnails(path: Path, widths: Iterable[int]) -> dict[int, bytes]:
    """JPEG bytes of a picture by width: at most so many pixels wide, on black where it is transparent.

    An EXR is taken as scene-linear Rec.709 and shown through the sRGB curve, clipped at 1.0.
    Raises FilmProblem for a file that is missing or no picture.
    """
    picture = _read_exr(path) if _starts_with(path, _EXR_MAGIC) else _read_display_picture(path)
    return {width: _jpeg(picture.copy(), width) for width in widths}


def _jpeg(picture: Image.Image, width: int) -> bytes:
    picture.thumbnail((width, max(width * 4, 1)), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise FilmProblem("the file is missing from the store", "run the film again", file=path) from error


def _read_display_picture(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            if picture.mode.startswith("I;16") or picture.mode == "I":
                levels = np.asarray(picture, dtype=np.float32) / 257.0
                return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
            if picture.has_transparency_data:
                rgba = picture.convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB")
            return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise FilmProblem(
            "the file is no picture that can be shown", "it needs PNG, JPEG, TIFF or EXR", file=path
        ) from error


def _read_exr(path: Path) -> Image.Image:
    reader = oiio.ImageInput.open(str(path))
    if reader is None:
        raise FilmProblem(f"the EXR can't be read: {oiio.geterror()}", "run the film again to make it anew", file=path)
    try:
        spec: Any = reader.spec()
        first = _first_colour_channel(spec.channelnames)
        channels = min(3, spec.nchannels - first)
        linear = reader.read_image(0, 0, first, first + channels, oiio.FLOAT)
    finally:
        reader.close()
    if linear is None:
        raise FilmProblem("the EXR is damaged", "run the film again to make it anew", file=path)
    colour = linear[..., [0, 0, 0]] if channels < 3 else linear
    return Image.fromarray(_to_srgb(colour))


def _first_colour_channel(names: tuple[str, ...]) -> int:
    """The red channel of the first layer that has one, so that a matte or a depth layer is not shown as colour."""
    return next((place for place, name in enumerate(names) if name == "R" or name.endswith((".R", ".r"))), 0)


def _to_srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """8-bit sRGB of scene-linear values, (h, w, 3). Source: IEC 61966-2-1."""
    clipped = np.nan_to_num(linear, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    encoded = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * np.power(clipped, 1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255.0), dtype=np.uint8)
