"""Reading what a scene engine shot: beauty, depth, normals and identity mattes from a multilayer EXR."""

import json
import re
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
_CRYPTO = re.compile(r"CryptoObject\d\d$")
"""The layers that hold codes; one without digits is a preview for the eye."""


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

    def by_identity(self, identities: Mapping[str, str]) -> Self:
        """With one matte for every identity. identities: object name -> identity; others keep their own names."""
        merged: dict[str, Floats] = {}
        for name, matte in self.mattes.items():
            identity = identities.get(name, name)
            merged[identity] = merged[identity] + matte if identity in merged else matte
        return replace(self, mattes={name: np.clip(matte, 0, 1) for name, matte in sorted(merged.items())})


def read_passes(path: Path, identities: Mapping[str, str] | None = None) -> Passes:
    """Read a multilayer EXR.

    identities: object name -> identity; objects keep their own names where it is not given. Raises FilmProblem for a
    file that is not whole.
    """
    pixels, names, header = _read(path)
    where = {name.split(".", 1)[-1] if name.count(".") > 1 else name: place for place, name in enumerate(names)}

    def layer(*channels: str) -> Floats:
        missing = [channel for channel in channels if channel not in where]
        if missing:
            raise FilmProblem(f"the layer {missing[0]} is missing", "render it again", file=path)
        return np.ascontiguousarray(pixels[..., [where[channel] for channel in channels]])

    depth = layer("Depth.V" if "Depth.V" in where and "Depth.Z" not in where else "Depth.Z")[..., 0]
    passes = Passes(
        beauty=layer("Combined.R", "Combined.G", "Combined.B"),
        depth=np.minimum(depth, FAR_M),
        normal=layer("Normal.X", "Normal.Y", "Normal.Z"),
        mattes=_mattes(pixels, names, header, path),
    )
    return passes.by_identity(identities or {})


def read_linear(path: Path) -> Floats:
    """Read an EXR's colour, (h, w, 3) float32 scene-linear. Raises FilmProblem."""
    pixels, names, _ = _read(path)
    if len(names) < 3:
        raise FilmProblem(
            f"the picture has {len(names)} channels, not red, green and blue", "render it again", file=path
        )
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


def _mattes(pixels: Floats, names: list[str], header: dict[str, str], path: Path) -> dict[str, Floats]:
    """Cryptomatte decoded: coverage by object. Each layer holds two ranks of (code, coverage).

    Source: Psyop's Cryptomatte specification 1.2.
    """
    place_of = {name: place for place, name in enumerate(names)}
    layers = sorted({name.rpartition(".")[0] for name in names if _CRYPTO.search(name.rpartition(".")[0])})
    if not layers:
        return {}
    object_of = {int(code, 16): name for name, code in _manifest(header, path).items()}
    found: dict[str, Floats] = {}
    for layer in layers:
        letters = "RGBA" if f"{layer}.R" in place_of else "rgba"
        missing = [f"{layer}.{letter}" for letter in letters if f"{layer}.{letter}" not in place_of]
        if missing:
            raise FilmProblem(f"the layer {missing[0]} is missing", "render it again", file=path)
        channels = [place_of[f"{layer}.{letter}"] for letter in letters]
        for code_place, share_place in (channels[:2], channels[2:]):
            codes = np.ascontiguousarray(pixels[..., code_place]).view(np.uint32)
            share = pixels[..., share_place]
            for code in np.unique(codes[share > 0]):
                name = object_of.get(int(code))
                if name is not None:
                    covered = np.where(codes == code, share, np.float32(0))
                    found[name] = found[name] + covered if name in found else covered
    return {name: np.clip(matte, 0, 1) for name, matte in sorted(found.items())}


def _manifest(header: dict[str, str], path: Path) -> dict[str, str]:
    """Object name -> code in hexadecimal, of the cryptomatte of objects: a file may hold others, of materials too."""
    keys = [key.removesuffix("/name") for key, value in header.items() if key.endswith("/name") and "Object" in value]
    written = next((header[f"{key}/manifest"] for key in keys if f"{key}/manifest" in header), None)
    if written is None:
        raise FilmProblem("the picture has identity mattes and no list of their names", "render it again", file=path)
    try:
        manifest = json.loads(written)
        return {str(name): f"{int(code, 16):08x}" for name, code in manifest.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise FilmProblem(
            f"the list of the identity mattes' names is broken: {error}", "render it again", file=path
        ) from error
