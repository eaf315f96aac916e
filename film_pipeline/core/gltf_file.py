"""The container of a .glb: its header, its two chunks, and its JSON in pydantic models that name what is wrong.

Source: the glTF 2.0 specification, "GLB File Format Specification" and the JSON schemas of its properties. Only what
is used of it is modelled; the bounds on lists and numbers are ours, so that a broken file can't ask for much.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.refusals import field_path

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_MOST_JSON_BYTES = 32 * 1024**2
_MOST_OBJECTS, _MOST_VALUES = 1_000_000, 5_000_000
_MOST_BYTES = 1024**3
AGAIN = "export it again as glTF binary (.glb)"

Place = Annotated[int, Field(ge=0, lt=2**31)]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Wrong = Callable[..., FilmProblem]
Vec3 = tuple[Number, Number, Number]


class _Part(BaseModel):
    """What a glb's JSON holds. What is not modelled is passed over, as glTF asks of its readers."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, alias_generator=to_camel, validate_by_name=True
    )


class Asset(_Part):
    version: str

    @field_validator("version")
    @classmethod
    def _second(cls, version: str) -> str:
        if version.split(".")[0] != "2":
            raise ValueError(f"it is glTF {version}, and only glTF 2 is read")
        return version


class SceneEntry(_Part):
    nodes: list[Place] = Field(default=[], max_length=100_000)


class NodeEntry(_Part):
    name: str = ""
    children: list[Place] = Field(default=[], max_length=100_000)
    matrix: Annotated[list[Number], Field(min_length=16, max_length=16)] | None = None
    translation: Vec3 = (0, 0, 0)
    rotation: tuple[Number, Number, Number, Number] = (0, 0, 0, 1)
    scale: Vec3 = (1, 1, 1)
    mesh: Place | None = None
    skin: Place | None = None


class PrimitiveEntry(_Part):
    attributes: dict[str, Place]
    indices: Place | None = None
    material: Place | None = None
    mode: int = Field(default=4, ge=0, le=6)
    targets: list[dict[str, Place]] = Field(default=[], max_length=10_000)


class MeshEntry(_Part):
    name: str = ""
    primitives: list[PrimitiveEntry] = Field(min_length=1, max_length=10_000)


class SkinEntry(_Part):
    joints: list[Place] = Field(min_length=1, max_length=10_000)
    inverse_bind_matrices: Place | None = None


class SparseIndices(_Part):
    buffer_view: Place
    byte_offset: Place = 0
    component_type: Literal[5121, 5123, 5125]


class SparseValues(_Part):
    buffer_view: Place
    byte_offset: Place = 0


class Sparse(_Part):
    count: Annotated[int, Field(gt=0, lt=2**31)]
    indices: SparseIndices
    values: SparseValues


class AccessorEntry(_Part):
    buffer_view: Place | None = None
    byte_offset: Place = 0
    component_type: Literal[5120, 5121, 5122, 5123, 5125, 5126]
    normalized: bool = False
    count: Annotated[int, Field(gt=0, lt=2**31)]
    type: Literal["SCALAR", "VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"]
    sparse: Sparse | None = None


class ViewEntry(_Part):
    buffer: Place
    byte_offset: Place = 0
    byte_length: Annotated[int, Field(gt=0, lt=2**32)]
    byte_stride: Annotated[int, Field(gt=0, le=252)] | None = None


class BufferEntry(_Part):
    uri: str | None = None
    byte_length: Annotated[int, Field(ge=0, lt=2**32)]


class TextureUse(_Part):
    index: Place
    tex_coord: Annotated[int, Field(ge=0, le=8)] = 0
    extensions: dict[str, object] = {}


class Metallic(_Part):
    base_color_factor: tuple[Share, Share, Share, Share] = (1, 1, 1, 1)
    base_color_texture: TextureUse | None = None
    metallic_factor: Share = 1.0
    roughness_factor: Share = 1.0
    metallic_roughness_texture: TextureUse | None = None


class EmissiveStrength(_Part):
    emissive_strength: Annotated[float, Field(ge=0, le=1e6)] = 1.0


class MaterialExtensions(_Part):
    strength: EmissiveStrength = Field(default=EmissiveStrength(), alias="KHR_materials_emissive_strength")


class MaterialEntry(_Part):
    name: str = ""
    pbr_metallic_roughness: Metallic = Metallic()
    normal_texture: TextureUse | None = None
    emissive_texture: TextureUse | None = None
    emissive_factor: tuple[Share, Share, Share] = (0, 0, 0)
    alpha_mode: str = "OPAQUE"
    alpha_cutoff: Annotated[float, Field(ge=0, le=1e3)] = 0.5
    extensions: MaterialExtensions = MaterialExtensions()


class WebpSource(_Part):
    source: Place


class TextureExtensions(_Part):
    webp: WebpSource | None = Field(default=None, alias="EXT_texture_webp")


class TextureEntry(_Part):
    source: Place | None = None
    extensions: TextureExtensions = TextureExtensions()


class ImageEntry(_Part):
    name: str = ""
    uri: str | None = None
    buffer_view: Place | None = None


class GltfFile(_Part):
    """The JSON chunk."""

    asset: Asset
    scene: Place | None = None
    scenes: list[SceneEntry] = Field(default=[], max_length=1_000)
    nodes: list[NodeEntry] = Field(default=[], max_length=100_000)
    meshes: list[MeshEntry] = Field(default=[], max_length=50_000)
    skins: list[SkinEntry] = Field(default=[], max_length=1_000)
    accessors: list[AccessorEntry] = Field(default=[], max_length=500_000)
    buffer_views: list[ViewEntry] = Field(default=[], max_length=500_000)
    buffers: list[BufferEntry] = Field(default=[], max_length=1_000)
    materials: list[MaterialEntry] = Field(default=[], max_length=10_000)
    textures: list[TextureEntry] = Field(default=[], max_length=10_000)
    images: list[ImageEntry] = Field(default=[], max_length=10_000)
    animations: list[dict[str, object]] = Field(default=[], max_length=10_000)
    cameras: list[dict[str, object]] = Field(default=[], max_length=10_000)
    extensions_used: list[str] = Field(default=[], max_length=1_000)
    extensions_required: list[str] = Field(default=[], max_length=1_000)


@dataclass(frozen=True)
class Container:
    """A .glb taken apart: its JSON, and the bytes of its BIN chunk (empty where it has none)."""

    path: Path
    json: GltfFile
    binary: memoryview


def open_glb(path: Path) -> Container:
    """Read and check a .glb's header, chunks and JSON. Raises FilmProblem."""

    def wrong(problem: str, mend: str = AGAIN) -> FilmProblem:
        return FilmProblem(problem, mend, file=path)

    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise wrong(f"it has {size / 1024**2:.0f} MiB, and 1024 are read", "export it with smaller textures")
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise wrong(f"it can't be read: {error.strerror}", "put the file there and let it be read") from error
    if len(data) < 20:
        raise wrong(f"it is no glb: it has {len(data)} bytes")
    magic, version, length = struct.unpack_from("<III", data)
    if magic != _MAGIC:
        raise wrong("it is no glb: it does not begin with glTF")
    if version != 2:
        raise wrong(f"it is version {version} of glTF binary, and version 2 is read")
    if length > len(data):
        raise wrong(f"it is cut off: {length} bytes are announced and {len(data)} are there", "copy or export it again")
    chunks = _chunks(data[:length], wrong)
    return Container(path, _json(chunks.get(_JSON), wrong), chunks.get(_BIN, memoryview(b"")))


def _chunks(data: memoryview, wrong: Wrong) -> dict[int, memoryview]:
    """The first chunk of each kind; kinds that nobody knows are passed over, as the specification asks."""
    found: dict[int, memoryview] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        if at + 8 + length > len(data):
            raise wrong(f"its chunk at byte {at} reaches beyond its end", "copy or export it again")
        if not found and kind != _JSON:
            raise wrong("its first chunk is not JSON")
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def _json(chunk: memoryview | None, wrong: Wrong) -> GltfFile:
    if chunk is None:
        raise wrong("it has no JSON chunk")
    if len(chunk) > _MOST_JSON_BYTES:
        raise wrong(f"its JSON has {len(chunk) / 1024**2:.0f} MiB, and 32 are read", "export fewer things at once")
    text = bytes(chunk)
    # A list's length is only checked once all of it is built, so what could be built is counted first.
    if text.count(b"{") > _MOST_OBJECTS or text.count(b",") > _MOST_VALUES:
        raise wrong("its JSON holds more than a million objects or five million values", "export fewer things at once")
    try:
        return GltfFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = field_path(first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise wrong(f"its JSON is broken{f' at {where}' if where else ''}: {message}") from error
