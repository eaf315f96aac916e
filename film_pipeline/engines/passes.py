"""Reading what a scene engine shot: beauty, depth, normals and identity mattes from a multilayer EXR."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from film_pipeline.core.problems import FilmProblem

Floats = NDArray[np.float32]
FAR_M = 1e4


@dataclass(frozen=True)
class Passes:
    """One frame's layers as float32: beauty (h, w, 3) scene-linear Rec.709, depth (h, w) in metres (FAR_M where there
    is nothing), normal (h, w, 3) in world space, mattes by identity (h, w), 0 to 1."""

    beauty: Floats
    depth: Floats
    normal: Floats
    mattes: Mapping[str, Floats]

    def with_beauty(self, beauty: Floats) -> Self:
        return replace(self, beauty=beauty)


def read_passes(path: Path, identities: Mapping[str, str] | None = None) -> Passes:
    """Read a multilayer EXR.

    identities: object name -> identity; objects keep their own names where it is not given. Raises FilmProblem for a
    file that is not whole.
    """
    pixels, names, header = _read(path)
    where = {name.split(".", 1)[-1] if name.count(".") > 1 else name: place for place, name in enumerate(names)}

    def layer(*channels: str) -> Floats:
        try:
            return np.ascontiguousarray(pixels[..., [where[channel] for channel in channels]])
        except KeyError as error:
            raise FilmProblem(f"the layer {error} is missing", "render it again", file=path) from error

    depth = np.minimum(layer("Depth.Z")[..., 0] if "Depth.Z" in where else layer("Depth.V")[..., 0], FAR_M)
    return Passes(
        beauty=layer("Combined.R", "Combined.G", "Combined.B"),
        depth=depth,
        normal=layer("Normal.X", "Normal.Y", "Normal.Z"),
        mattes=_mattes(pixels, names, header, identities or {}),
    )


def read_linear(path: Path) -> Floats:
    """Read an EXR's colour, (h, w, 3) float32 scene-linear. Raises FilmProblem."""
    pixels, _, _ = _read(path)
    return np.ascontiguousarray(pixels[..., :3])


def _read(path: Path) -> tuple[Floats, list[str], dict[str, str]]:
    file = oiio.ImageInput.open(str(path))
    if file is None:
        raise FilmProblem(f"the picture can't be opened: {oiio.geterror().strip()}", "render it again", file=path)
    try:
        spec = file.spec()
        pixels = file.read_image(0, 0, 0, spec.nchannels, "float")
        if pixels is None:
            raise FilmProblem(f"the picture is not whole: {file.geterror().strip()}", "render it again", file=path)
        header = {
            attribute.name: str(attribute.value)
            for attribute in spec.extra_attribs
            if attribute.name.startswith("cryptomatte")
        }
        return np.asarray(pixels, np.float32), list(spec.channelnames), header
    finally:
        file.close()


def _mattes(
    pixels: Floats, names: list[str], header: dict[str, str], identities: Mapping[str, str]
) -> dict[str, Floats]:
    """Cryptomatte decoded: coverage by identity, summed over the identity's objects."""
    manifest = next((json.loads(value) for key, value in header.items() if key.endswith("/manifest")), {})
    ranks: list[tuple[int, int]] = []
    place_of = {name: place for place, name in enumerate(names)}
    layers = sorted({name.rsplit(".", 1)[0] for name in names if "CryptoObject" in name})
    for layer in layers:
        channels = [place_of[f"{layer}.{channel}"] for channel in _letters(place_of, layer)]
        ranks += [(channels[0], channels[1]), (channels[2], channels[3])]
    object_of = {int(code, 16): name for name, code in manifest.items()}
    found: dict[str, Floats] = {}
    for code_place, share_place in ranks:
        codes = (
            pixels[..., code_place].view(np.uint32)
            if pixels.flags.c_contiguous
            else np.ascontiguousarray(pixels[..., code_place]).view(np.uint32)
        )
        share = pixels[..., share_place]
        for code in np.unique(codes):
            name = object_of.get(int(code))
            if name is None:
                continue
            identity = identities.get(name, name)
            covered = np.where(codes == code, share, 0)
            found[identity] = found[identity] + covered if identity in found else covered
    return {name: np.clip(matte, 0, 1) for name, matte in sorted(found.items())}


def _letters(place_of: Mapping[str, int], layer: str) -> str:
    return "RGBA" if f"{layer}.R" in place_of else "rgba"
