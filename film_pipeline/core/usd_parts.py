"""Writing meshes, materials and textures into a USD stage."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, Vt

from film_pipeline.core.meshes import Array, Mesh
from film_pipeline.core.recipe import sha256_of_json
from film_pipeline.core.textures import TEXTURE_VERSION, texture_png

ROUGHNESS = {"metal": 0.35, "glass": 0.15, "clay": 0.75, "hair": 0.6}
PLAIN = ("plain", "glass")


class TextureSink(Protocol):
    """Where a stage's pictures go."""

    def png(self, name: str, make: Callable[[], bytes]) -> str:
        """The asset path of a picture by its name; it is made only where it is not there yet."""


class FolderTextures:
    """Pictures in a folder. A name says all that decides the picture, so one that is there is never made again.

    depth: how many folders below the texture folder's parent the stage lies that names them, so that its paths are
    relative and a production can be moved.
    """

    def __init__(self, folder: Path, depth: int) -> None:
        self.folder = folder
        self.prefix = "../" * depth + folder.name

    def png(self, name: str, make: Callable[[], bytes]) -> str:
        path = self.folder / f"{name}.png"
        if not path.exists():
            self._write(path, make())
        return f"{self.prefix}/{path.name}"

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as partial:
            unfinished = Path(partial.name)
            try:
                partial.write(data)
                partial.flush()
                # A temporary file is its maker's alone; a texture is for everybody who opens the stage.
                unfinished.chmod(0o644)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)


def author_mesh(stage: Usd.Stage, path: str, mesh: Mesh) -> UsdGeom.Mesh:
    """Write a mesh with a normal and texture coordinates for each corner."""
    prim = _author_shape(stage, path, mesh.points, mesh.counts, mesh.indices)
    author_shading(prim, mesh.normals(), mesh.st, UsdGeom.Tokens.faceVarying)
    return prim


def author_triangles(stage: Usd.Stage, path: str, points: Array, triangles: NDArray[np.int64]) -> UsdGeom.Mesh:
    """Write a mesh of triangles (m, 3), without normals and texture coordinates."""
    return _author_shape(stage, path, points, np.full(len(triangles), 3), triangles.reshape(-1))


def _author_shape(
    stage: Usd.Stage, path: str, points: Array, counts: NDArray[np.int64], indices: NDArray[np.int64]
) -> UsdGeom.Mesh:
    prim = UsdGeom.Mesh.Define(stage, path)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points.astype(np.float32)))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(counts.astype(np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(indices.astype(np.int32)))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    low, high = points.min(axis=0), points.max(axis=0)
    prim.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(*map(float, low)), Gf.Vec3f(*map(float, high))]))
    return prim


def author_shading(prim: UsdGeom.Mesh, normals: Array | None, st: Array | None, each: str) -> None:
    """Write a mesh's normals (n, 3) and texture coordinates (n, 2). each: for what they are, `vertex` or corner."""
    if normals is not None:
        prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals.astype(np.float32)))
        prim.SetNormalsInterpolation(each)
    if st is not None:
        coordinates = UsdGeom.PrimvarsAPI(prim).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, each)
        coordinates.Set(Vt.Vec2fArray.FromNumpy(st.astype(np.float32)))


def author_material(
    stage: Usd.Stage,
    path: str,
    material: str,
    color: tuple[float, float, float],
    textures: TextureSink,
    emission: float = 0.0,
) -> UsdShade.Material:
    """A UsdPreviewSurface of a hand-made surface. emission: how strongly it glows in its own colour."""
    made = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(ROUGHNESS.get(material, 0.8))
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.7 if material == "metal" else 0.0)
    diffuse = shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    if material in PLAIN:
        diffuse.Set(Gf.Vec3f(*color))
    else:
        seed = int.from_bytes(hashlib.sha256(path.encode()).digest()[:2], "big") % 3
        named = sha256_of_json([TEXTURE_VERSION, material, list(color), seed])[:16]
        connect_texture(
            stage, path, diffuse, textures.png(f"{material}-{named}", lambda: texture_png(material, color, seed))
        )
    if emission > 0:
        shader.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*color))
        shader.GetPrim().CreateAttribute("film:emission", Sdf.ValueTypeNames.Float).Set(emission)
    made.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return made


def connect_texture(stage: Usd.Stage, path: str, to: Any, file: str, called: str = "Picture") -> UsdShade.Shader:
    """Lay a picture over an input of the material at `path`, by the mesh's coordinates. Returns the picture's node."""
    reader = UsdShade.Shader.Define(stage, f"{path}/Coordinates")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    picture = UsdShade.Shader.Define(stage, f"{path}/{called}")
    picture.CreateIdAttr("UsdUVTexture")
    picture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(file))
    picture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    for direction in ("wrapS", "wrapT"):
        picture.CreateInput(direction, Sdf.ValueTypeNames.Token).Set("repeat")
    picture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(reader.ConnectableAPI(), "result")
    picture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    to.ConnectToSource(picture.ConnectableAPI(), "rgb")
    return picture


def bind_skin(mesh: UsdGeom.Mesh, joints: NDArray[np.int64], weights: Array, rig: str) -> None:
    """Skin a mesh to the skeleton at `rig`: each point's joints (n, k), by their places, and their weights (n, k)."""
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([Sdf.Path(rig)])
    width = max(joints.shape[1], 1)
    binding.CreateJointIndicesPrimvar(False, width).Set(Vt.IntArray.FromNumpy(joints.astype(np.int32).reshape(-1)))
    binding.CreateJointWeightsPrimvar(False, width).Set(Vt.FloatArray.FromNumpy(weights.astype(np.float32).reshape(-1)))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))


def bind(mesh: UsdGeom.Mesh, material: UsdShade.Material) -> None:
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def matrix(values: Any) -> Gf.Matrix4d:
    """A column-vector (4, 4) numpy matrix as USD's row-vector matrix."""
    return Gf.Matrix4d(*[float(value) for value in np.asarray(values, float).T.reshape(-1)])
