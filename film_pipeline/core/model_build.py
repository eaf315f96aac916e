"""Writing what came from a .glb into a USD stage: its parts as meshes, its surfaces as UsdPreviewSurface."""

import hashlib
import io
import warnings

import numpy as np
from PIL import Image
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade

from film_pipeline.core.gltf import Picture, Surface
from film_pipeline.core.gltf_accessors import Wholes
from film_pipeline.core.meshes import Array, Mesh
from film_pipeline.core.model_names import Names
from film_pipeline.core.model_puppet import ModelPuppet
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_json
from film_pipeline.core.usd_parts import TextureSink, author_shading, author_triangles, bind, bind_skin, connect_texture

_MOST_PIXELS = 8_192 * 8_192


def author_model_parts(stage: Usd.Stage, path: str, model: ModelPuppet, textures: TextureSink) -> None:
    """Write a model's parts below the puppet at `path`, skinned to its Rig."""
    of = path.rsplit("/", 1)[-1]
    names = Names()
    for part in model.parts:
        # Names are unique in the whole stage, as those of described puppets are.
        name = names.new(part.name, before=f"{of}_")
        prim = author_part(stage, f"{path}/{name}", part.points, part.triangles, part.normals, part.st)
        bind_skin(prim, part.joints, part.weights, f"{path}/Rig")
        bind(prim, author_surface(stage, f"{path}/Materials/{name}_surface", part.surface, textures))


def author_part(
    stage: Usd.Stage, path: str, points: Array, triangles: Wholes, normals: Array | None, st: Array | None
) -> UsdGeom.Mesh:
    """Write a mesh of triangles: points (n, 3), triangles (m, 3), normals and st for each point where there are any."""
    prim = author_triangles(stage, path, points, triangles)
    author_shading(prim, normals, st, UsdGeom.Tokens.vertex)
    if normals is None:
        # A mesh that came without normals is flat shaded, as glTF asks.
        corners = triangles.reshape(-1)
        mesh = Mesh(points, np.full(len(triangles), 3), corners, np.zeros((len(corners), 2)))
        author_shading(prim, mesh.normals(), None, UsdGeom.Tokens.faceVarying)
    return prim


def author_surface(stage: Usd.Stage, path: str, surface: Surface, textures: TextureSink) -> UsdShade.Material:
    """A UsdPreviewSurface of a model's surface: base colour and glow with their pictures, roughness, metal, cut-out."""
    made = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(surface.roughness)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(surface.metallic)
    diffuse = shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    if surface.picture is None:
        diffuse.Set(Gf.Vec3f(*surface.color))
    else:
        file = _texture(surface.picture, surface.color, surface.cutoff is not None, textures)
        picture = connect_texture(stage, path, diffuse, file)
        if surface.cutoff is not None:
            picture.CreateOutput("a", Sdf.ValueTypeNames.Float)
            opacity = shader.CreateInput("opacity", Sdf.ValueTypeNames.Float)
            opacity.ConnectToSource(picture.ConnectableAPI(), "a")
            shader.CreateInput("opacityThreshold", Sdf.ValueTypeNames.Float).Set(surface.cutoff)
    if surface.glow > 0:
        glow = shader.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f)
        if surface.glow_picture is None:
            glow.Set(Gf.Vec3f(*surface.glow_color))
        else:
            file = _texture(surface.glow_picture, surface.glow_color, False, textures)
            connect_texture(stage, path, glow, file, called="Glow")
        shader.GetPrim().CreateAttribute("film:emission", Sdf.ValueTypeNames.Float).Set(surface.glow)
    made.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return made


def _texture(picture: Picture, color: tuple[float, float, float], with_alpha: bool, textures: TextureSink) -> str:
    """A picture multiplied by a colour, as a PNG of the stage. Its name says all that decides it."""
    told = [hashlib.sha256(picture.data).hexdigest(), list(color), with_alpha]
    return textures.png(f"model-{sha256_of_json(told)[:16]}", lambda: picture_png(picture, color, with_alpha))


def picture_png(picture: Picture, color: tuple[float, float, float], with_alpha: bool) -> bytes:
    """The picture multiplied by a scene-linear colour, as an sRGB PNG. Raises FilmProblem for what is no picture."""
    pixels = np.asarray(_decoded(picture, "RGBA" if with_alpha else "RGB"))
    if color != (1.0, 1.0, 1.0):
        shades = np.linspace(0, 1, 256)
        linear = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
        multiplied = pixels.copy()
        for channel, by in enumerate(color):
            scaled = linear * by
            encoded = np.where(scaled <= 0.0031308, scaled * 12.92, 1.055 * scaled ** (1 / 2.4) - 0.055)
            multiplied[..., channel] = np.round(encoded * 255).astype(np.uint8)[pixels[..., channel]]
        pixels = multiplied
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=1)
    return written.getvalue()


def _decoded(picture: Picture, mode: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture.data), formats=("PNG", "JPEG", "WEBP")) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    raise ValueError(f"it has {opened.width} x {opened.height} pixels, and 8192 x 8192 are read")
                return opened.convert(mode)
    except Exception as error:
        # Decoders raise a dozen kinds of errors at broken bytes: OSError, SyntaxError, struct.error, EOFError, ...
        raise FilmProblem(
            f"the texture {picture.name!r} can't be read: {error}",
            "export the model's textures again as PNG or JPEG",
            file=picture.file,
        ) from error
