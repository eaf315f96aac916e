"""Frames to files: half-float EXR for comps, PNG for finished frames and sheets. Whole or not at all."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from film_pipeline.core.problems import FilmProblem

REC709_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def write_exr(path: Path, picture: NDArray[np.float32]) -> None:
    """Write a scene-linear Rec.709 picture (h, w, 3) as half-float EXR, zip. Raises FilmProblem where it can't."""
    spec = oiio.ImageSpec(picture.shape[1], picture.shape[0], 3, oiio.HALF)
    spec.attribute("compression", "zip")
    spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), REC709_PRIMARIES)
    spec.attribute("oiio:ColorSpace", "lin_rec709_scene")
    # Above this a half float is infinite, which no later stage can grade.
    _write(path, spec, np.clip(picture, -65504, 65504).astype(np.float32, order="C"))


def write_png(path: Path, picture: NDArray[Any], compression: int = 1) -> None:
    """Write a finished picture (h, w, 3) uint8 or uint16 as PNG. compression: 1 is fast, 9 small."""
    spec = oiio.ImageSpec(
        picture.shape[1], picture.shape[0], 3, oiio.UINT8 if picture.dtype == np.uint8 else oiio.UINT16
    )
    spec.attribute("png:compressionLevel", compression)
    _write(path, spec, np.ascontiguousarray(picture))


def _write(path: Path, spec: Any, pixels: NDArray[Any]) -> None:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    out = oiio.ImageOutput.create(str(partial))
    if out is None:
        raise FilmProblem(f"cannot write {path.suffix} files: {oiio.geterror()}", "write .exr or .png", file=path)
    try:
        written = out.open(str(partial), spec) and out.write_image(pixels)
        written = out.close() and written
        if not written:
            raise FilmProblem(
                f"the picture cannot be written: {out.geterror()}", "free space or mend the folder", file=path
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
