"""A .glb in our own terms: nodes with matrices, meshes, skins, surfaces, in metres, Z up, facing -Y.

glTF is Y up and faces +Z: its (x, y, z) is our (x, -z, y). Every space of the file is turned that way, a node's own
as well as the world, so that matrices multiply as they did. Source: the glTF 2.0 specification.

What is not read is said in `Model.notes`: morph targets, animations, cameras, lights, points and lines, vertex
colours, and every texture but that of the base colour and of the glow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from film_pipeline.core.gltf_accessors import Accessors, Wholes
from film_pipeline.core.gltf_file import (
    AGAIN,
    Container,
    MaterialEntry,
    NodeEntry,
    PrimitiveEntry,
    TextureUse,
    open_glb,
)
from film_pipeline.core.meshes import Array
from film_pipeline.core.problems import FilmProblem

_MOST_POINTS, _MOST_CORNERS, _MOST_JOINTS = 5_000_000, 30_000_000, 200_000
_FARTHEST_M, _DEEPEST, _AT_ONCE = 1e7, 1_000, 100_000
_REFUSED = {
    "KHR_draco_mesh_compression": ("its meshes are compressed with Draco", "export it without compression"),
    "EXT_meshopt_compression": ("its buffers are compressed with meshopt", "export it without compression"),
    "KHR_meshopt_compression": ("its buffers are compressed with meshopt", "export it without compression"),
    "KHR_texture_basisu": ("its textures are compressed with Basis", "export its textures as PNG or JPEG"),
}
# Extensions that a file may require because leaving them out, or what is done with them here, is still a picture.
_READ = ("KHR_materials_", "KHR_mesh_quantization", "KHR_texture_transform", "KHR_lights", "EXT_texture_webp", "VRM")

_TURN = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Picture:
    """A texture as the file holds it: the bytes of a PNG, JPEG or WebP."""

    name: str
    data: bytes
    file: Path


@dataclass(frozen=True)
class Surface:
    """A material. Colours are scene-linear; a picture is multiplied by its colour.

    cutoff: where the picture's alpha is below it nothing is seen; None where alpha does not matter.
    glow: how strongly it shines in its glow_color.
    """

    name: str
    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    picture: Picture | None = None
    roughness: float = 0.8
    metallic: float = 0.0
    glow: float = 0.0
    glow_color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    glow_picture: Picture | None = None
    cutoff: float | None = None


@dataclass(frozen=True)
class Primitive:
    """A part of a mesh with one surface: points (n, 3), normals (n, 3) and st (n, 2, origin below) where it has them,
    triangles (m, 3) into the points; with a skin the places of its joints in the skin (n, k) and their weights."""

    points: Array
    triangles: Wholes
    surface: Surface
    normals: Array | None = None
    st: Array | None = None
    joints: Wholes | None = None
    weights: Array | None = None


@dataclass(frozen=True)
class Skin:
    """Which nodes carry a mesh, and the (k, 4, 4) matrices that take its points to each joint's own space."""

    joints: tuple[int, ...]
    inverse_binds: Array


@dataclass(frozen=True)
class Node:
    """A node, how many nodes it hangs below, and the matrix that takes its own space to the world's."""

    name: str
    parent: int | None
    depth: int
    world: Array
    mesh: int | None = None
    skin: int | None = None


@dataclass(frozen=True)
class Model:
    """A .glb that was read."""

    path: Path
    nodes: tuple[Node, ...]
    meshes: tuple[tuple[Primitive, ...], ...]
    skins: tuple[Skin, ...]
    shown: tuple[int, ...]
    """The nodes of its scene that have a mesh."""
    notes: tuple[str, ...]
    """What of the file is left out, one sentence each."""

    def ancestry(self, node: int | None) -> Iterator[int]:
        """The node, its parent, and so on up."""
        while node is not None:
            yield node
            node = self.nodes[node].parent


def read_glb(path: Path) -> Model:
    """Read a .glb. Raises FilmProblem that names the file, what is wrong with it and the mend."""
    container = open_glb(path)
    with np.errstate(all="ignore"):
        # Numbers that overflow are found as infinities and refused by name.
        return _Reader(container).model()


class _Reader:
    def __init__(self, container: Container) -> None:
        self.path = container.path
        self.file = container.json
        self.data = Accessors(container)
        self.notes: dict[str, list[str]] = {}
        self._pictures: dict[int, Picture] = {}

    def wrong(self, problem: str, mend: str = AGAIN) -> FilmProblem:
        return self.data.wrong(problem, mend)

    def note(self, said: str, of: str = "") -> None:
        """Remember what is left out, and of what."""
        meshes = self.notes.setdefault(said, [])
        if of and of not in meshes[-1:]:
            meshes.append(of)

    def _told(self) -> Iterator[str]:
        for said, meshes in self.notes.items():
            more = f" and {len(meshes) - 3} more" if len(meshes) > 3 else ""
            yield f"{self.path.name}: {said}" + (f" ({', '.join(meshes[:3])}{more})" if meshes else "")

    def model(self) -> Model:
        self._check_extensions()
        nodes = self._nodes()
        shown = self._shown(nodes)
        self._check_weight(nodes, shown)
        for what, there in (("animations", self.file.animations), ("cameras", self.file.cameras)):
            if there:
                self.note(f"its {what} are left out")
        if "KHR_lights_punctual" in self.file.extensions_used:
            self.note("its lights are left out: lights are said in set.yaml and in the shots")
        if "EXT_mesh_gpu_instancing" in self.file.extensions_used:
            self.note("instances made on the GPU are left out")
        skins = tuple(self._skin(index, nodes) for index in range(len(self.file.skins)))
        wanted = {nodes[index].mesh for index in shown}
        skinned: dict[int | None, int] = {}
        for index in shown:
            # Several nodes may show one mesh by skins of their own: its weights must fit the smallest.
            mesh, skin = nodes[index].mesh, nodes[index].skin
            if skin is not None:
                skinned[mesh] = min(skinned.get(mesh, _MOST_JOINTS), len(skins[skin].joints))
        surfaces: dict[int | None, Surface] = {}
        meshes = tuple(
            self._mesh(index, skinned.get(index), surfaces) if index in wanted else ()
            for index in range(len(self.file.meshes))
        )
        return Model(self.path, nodes, meshes, skins, shown, tuple(self._told()))

    def _check_extensions(self) -> None:
        for name in self.file.extensions_required:
            if name in _REFUSED:
                raise self.wrong(*_REFUSED[name])
            if not name.startswith(_READ):
                raise self.wrong(f"it can't be read without {name}", f"export it without {name}")

    def _nodes(self) -> tuple[Node, ...]:
        entries = self.file.nodes
        parents: list[int | None] = [None] * len(entries)
        for index, entry in enumerate(entries):
            for child in entry.children:
                if child >= len(entries):
                    raise self.wrong(f"node {index} has the child {child}, and the file has {len(entries)} nodes")
                if parents[child] is not None:
                    raise self.wrong(f"node {child} hangs on two nodes, {parents[child]} and {index}")
                parents[child] = index
        local, worlds = _locals(entries), np.zeros((len(entries), 4, 4))
        depths: dict[int, int] = {}
        waiting = [index for index, parent in enumerate(parents) if parent is None]
        while waiting:
            index = waiting.pop()
            parent = parents[index]
            worlds[index] = local[index] if parent is None else worlds[parent] @ local[index]
            depths[index] = 0 if parent is None else depths[parent] + 1
            if depths[index] > _DEEPEST:
                raise self.wrong(f"its nodes hang more than {_DEEPEST} deep", "take its hierarchy apart")
            waiting += entries[index].children
        if len(depths) < len(entries):
            lost = next(index for index in range(len(entries)) if index not in depths)
            raise self.wrong(f"its nodes hang on each other in a circle, node {lost} among them")
        for index in np.flatnonzero(~np.isfinite(worlds).all(axis=(1, 2))).tolist():
            raise self.wrong(f"the matrix of {_called(entries[index].name, index)} holds no numbers", "apply its scale")
        worlds = _TURN @ worlds @ _TURN.T
        return tuple(
            self._node(index, entry, parents[index], depths[index], worlds[index])
            for index, entry in enumerate(entries)
        )

    def _node(self, index: int, entry: NodeEntry, parent: int | None, depth: int, world: Array) -> Node:
        name = _called(entry.name, index)
        if entry.mesh is not None and entry.mesh >= len(self.file.meshes):
            raise self.wrong(f"{name} is mesh {entry.mesh}, and the file has {len(self.file.meshes)}")
        if entry.skin is not None and entry.skin >= len(self.file.skins):
            raise self.wrong(f"{name} has the skin {entry.skin}, and the file has {len(self.file.skins)}")
        skin = entry.skin if entry.mesh is not None else None
        return Node(name, parent, depth, world, entry.mesh, skin)

    def _shown(self, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        """The nodes with meshes of the file's scene, or of all of it where it has none."""
        scenes = self.file.scenes
        chosen = self.file.scene or 0
        if chosen >= len(scenes) and (scenes or self.file.scene is not None):
            raise self.wrong(f"it shows scene {chosen}, and has {len(scenes)}")
        roots = scenes[chosen].nodes if scenes else [index for index, node in enumerate(nodes) if node.parent is None]
        seen: set[int] = set()
        waiting = list(roots)
        while waiting:
            index = waiting.pop()
            if index >= len(nodes):
                raise self.wrong(f"its scene shows node {index}, and it has {len(nodes)}")
            if index not in seen:
                seen.add(index)
                waiting += self.file.nodes[index].children
        shown = tuple(index for index in sorted(seen) if nodes[index].mesh is not None)
        if not shown:
            raise self.wrong("it has no mesh", "export it with its meshes")
        return shown

    def _check_weight(self, nodes: tuple[Node, ...], shown: tuple[int, ...]) -> None:
        """Refuse what could not be held or shot, before any of it is read."""
        sizes = {}
        for mesh in {mesh for index in shown if (mesh := nodes[index].mesh) is not None}:
            points = corners = 0
            for number, primitive in enumerate(self.file.meshes[mesh].primitives):
                if "POSITION" not in primitive.attributes:
                    raise self.wrong(f"part {number} of mesh {mesh} has no points", "remove it")
                count = self.data.count(primitive.attributes["POSITION"], f"the points of mesh {mesh}")
                points += count
                corners += count if primitive.indices is None else self.data.count(primitive.indices, "triangles")
            sizes[mesh] = points, corners
        # A mesh that several nodes show is held once for each.
        all_points, all_corners = (
            sum(sizes[mesh][which] for index in shown if (mesh := nodes[index].mesh) is not None) for which in (0, 1)
        )
        if all_points > _MOST_POINTS or all_corners > _MOST_CORNERS:
            raise self.wrong(
                f"it has {all_points:,} points and {all_corners:,} corners; {_MOST_POINTS:,} and {_MOST_CORNERS:,} are "
                "read",
                "reduce its meshes (decimate them)",
            )
        if sum(len(skin.joints) for skin in self.file.skins) > _MOST_JOINTS:
            raise self.wrong(f"its skins have more than {_MOST_JOINTS:,} joints", "merge its skins")

    def _skin(self, index: int, nodes: tuple[Node, ...]) -> Skin:
        entry, of = self.file.skins[index], f"the inverse bind matrices of skin {index}"
        for joint in entry.joints:
            if joint >= len(nodes):
                raise self.wrong(f"skin {index} has node {joint} as a joint, and the file has {len(nodes)}")
        matrices = np.tile(np.eye(4), (len(entry.joints), 1, 1))
        if entry.inverse_bind_matrices is not None:
            found = self.data.numbers(entry.inverse_bind_matrices, of, 16)
            if len(found) < len(entry.joints):
                raise self.wrong(f"{of} are {len(found)} for {len(entry.joints)} joints")
            matrices = found[: len(entry.joints)].reshape(-1, 4, 4).transpose(0, 2, 1).copy()
            matrices[:, 3] = [0, 0, 0, 1]
        determinants = np.linalg.det(matrices[:, :3, :3])
        if not np.isfinite(determinants).all() or (np.abs(determinants) < 1e-18).any():
            place = int(np.argmax(~(np.abs(determinants) >= 1e-18) | ~np.isfinite(determinants)))
            name = nodes[entry.joints[place]].name
            raise self.wrong(f"{of} flatten everything at the joint {name}", "apply the rig's scale and export again")
        return Skin(tuple(entry.joints), _TURN @ matrices @ _TURN.T)

    def _mesh(self, index: int, joints: int | None, surfaces: dict[int | None, Surface]) -> tuple[Primitive, ...]:
        entry = self.file.meshes[index]
        of = f"the mesh {entry.name!r}" if entry.name else f"mesh {index}"
        parts = []
        for primitive in entry.primitives:
            if primitive.mode < 4:
                self.note("its points and lines are left out")
                continue
            if primitive.targets:
                self.note("morph targets are left out: puppets move by joints", of)
            if "COLOR_0" in primitive.attributes:
                self.note("vertex colours are left out", of)
            if primitive.material not in surfaces:
                surfaces[primitive.material] = self._surface(primitive.material)
            parts.append(self._primitive(primitive, of, joints, surfaces[primitive.material]))
        return tuple(parts)

    def _primitive(self, entry: PrimitiveEntry, of: str, joints: int | None, surface: Surface) -> Primitive:
        attributes = entry.attributes
        points = self.data.numbers(attributes["POSITION"], f"the points of {of}", 3) @ _TURN[:3, :3].T
        if np.abs(points).max() > _FARTHEST_M:
            raise self.wrong(f"{of} reaches {np.abs(points).max():.3g} m far", "mend its scale")
        if entry.indices is None:
            corners = np.arange(len(points))
        else:
            corners = self.data.wholes(entry.indices, f"the triangles of {of}", 1)[:, 0]
            if int(corners.max()) >= len(points):
                raise self.wrong(f"a triangle of {of} names point {int(corners.max())}, and it has {len(points)}")
        triangles = self._triangles(corners, entry.mode, of)
        normals = self._of_points(entry, "NORMAL", 3, len(points), of)
        st = self._of_points(entry, "TEXCOORD_0", 2, len(points), of)
        places, shares = (None, None) if joints is None else self._weights(entry, of, joints, len(points))
        return Primitive(
            points,
            triangles,
            surface,
            normals @ _TURN[:3, :3].T if normals is not None else None,
            st * [1, -1] + [0, 1] if st is not None else None,
            places,
            shares,
        )

    def _triangles(self, corners: Wholes, mode: int, of: str) -> Wholes:
        if mode == 4:
            if len(corners) % 3:
                raise self.wrong(f"the triangles of {of} are {len(corners)} corners, which is no multiple of 3")
            return corners.reshape(-1, 3)
        if len(corners) < 3:
            raise self.wrong(f"{of} has a strip of {len(corners)} points, which is no triangle")
        first, second, third = corners[:-2], corners[1:-1], corners[2:]
        if mode == 6:
            return np.stack([np.full(len(second), corners[0]), second, third], axis=1)
        odd = np.arange(len(first)) % 2 == 1
        return np.stack([np.where(odd, second, first), np.where(odd, first, second), third], axis=1)

    def _of_points(self, entry: PrimitiveEntry, name: str, width: int, count: int, of: str) -> Array | None:
        if name not in entry.attributes:
            return None
        found = self.data.numbers(entry.attributes[name], f"{name} of {of}", width, finite=False)
        if len(found) != count:
            raise self.wrong(f"{name} of {of} is there for {len(found)} of its {count} points")
        if not np.isfinite(found).all() or np.abs(found).max() > 1e6:
            self.note(f"{name} that holds NaN or numbers out of all reason is left out", of)
            return None
        return found

    def _weights(self, entry: PrimitiveEntry, of: str, most: int, count: int) -> tuple[Wholes, Array]:
        """Every set of four joints and weights side by side, the weights of each point adding up to one."""
        joints, weights = [], []
        for number in range(8):
            names = f"JOINTS_{number}", f"WEIGHTS_{number}"
            if names[0] not in entry.attributes or names[1] not in entry.attributes:
                break
            joints.append(self.data.wholes(entry.attributes[names[0]], f"{names[0]} of {of}", 4))
            weights.append(self.data.numbers(entry.attributes[names[1]], f"{names[1]} of {of}", 4))
            if len(joints[-1]) != count or len(weights[-1]) != count:
                raise self.wrong(f"{names[0]} and {names[1]} of {of} are not there for each of its {count} points")
        if not joints:
            raise self.wrong(f"{of} has a skin and no weights", "weight it to its joints (parent it again) and export")
        places, shares = np.concatenate(joints, axis=1), np.maximum(np.concatenate(weights, axis=1), 0.0)
        places = np.where(shares > 0, places, 0)
        if int(places.max()) >= most:
            raise self.wrong(f"{of} is weighted to joint {int(places.max())}, and its skin has {most}")
        total = shares.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            self.note("points that are weighted to nothing follow the first joint", of)
            shares[total[:, 0] <= 0, 0] = 1.0
            total = shares.sum(axis=1, keepdims=True)
        return places, shares / total

    def _surface(self, index: int | None) -> Surface:
        if index is None:
            return Surface("plain")
        if index >= len(self.file.materials):
            raise self.wrong(f"a mesh is of material {index}, and the file has {len(self.file.materials)}")
        entry = self.file.materials[index]
        base = entry.pbr_metallic_roughness
        if base.metallic_roughness_texture or entry.normal_texture:
            self.note("normal, roughness and metal textures are left out")
        red, green, blue, alpha = base.base_color_factor
        return Surface(
            name=entry.name or f"material_{index}",
            color=(red, green, blue),
            picture=self._texture(base.base_color_texture),
            roughness=0.8 if base.metallic_roughness_texture else base.roughness_factor,
            metallic=0.0 if base.metallic_roughness_texture else base.metallic_factor,
            glow=entry.extensions.strength.emissive_strength if any(entry.emissive_factor) else 0.0,
            glow_color=entry.emissive_factor,
            glow_picture=self._texture(entry.emissive_texture),
            cutoff=self._cutoff(entry, alpha),
        )

    def _cutoff(self, entry: MaterialEntry, alpha: float) -> float | None:
        if entry.alpha_mode == "OPAQUE" or (entry.alpha_mode == "BLEND" and alpha < 0.999):
            if entry.alpha_mode == "BLEND":
                self.note("half-transparent surfaces are shown as if they were not")
            return None
        return min(entry.alpha_cutoff, 1.0) if entry.alpha_mode == "MASK" else 0.5

    def _texture(self, use: TextureUse | None) -> Picture | None:
        if use is None:
            return None
        if use.tex_coord > 0 or "KHR_texture_transform" in use.extensions:
            self.note("a texture's own placing is left out: it lies by the first texture coordinates")
        if use.index >= len(self.file.textures):
            raise self.wrong(f"a material has texture {use.index}, and the file has {len(self.file.textures)}")
        texture = self.file.textures[use.index]
        webp = texture.extensions.webp
        source = texture.source if texture.source is not None or webp is None else webp.source
        if source is None:
            self.note("a texture without a picture is left out")
            return None
        if source >= len(self.file.images):
            raise self.wrong(f"texture {use.index} is image {source}, and the file has {len(self.file.images)}")
        if source not in self._pictures:
            image = self.file.images[source]
            if image.buffer_view is None:
                where = f"{image.uri[:60]!r}" if image.uri else "nowhere"
                raise self.wrong(f"its texture lies outside the glb, in {where}", "export it with its textures in it")
            name = image.name or f"image_{source}"
            data = self.data.bytes_of_view(image.buffer_view, f"the picture {name!r}")
            self._pictures[source] = Picture(name, data, self.path)
        return self._pictures[source]


def _called(name: str, index: int) -> str:
    return name or f"node_{index}"


def _locals(entries: list[NodeEntry]) -> Array:
    """The matrix of each node in its parent, (n, 4, 4)."""
    matrices = np.tile(np.eye(4), (len(entries), 1, 1))
    if not entries:
        return matrices
    turns = np.array([entry.rotation for entry in entries], float)
    lengths = np.linalg.norm(turns, axis=1)
    turns[~((lengths > 1e-9) & (lengths < 1e9))] = [0, 0, 0, 1]
    scales = np.array([entry.scale for entry in entries], float)
    matrices[:, :3, :3] = Rotation.from_quat(turns).as_matrix() * scales[:, None, :]
    matrices[:, :3, 3] = np.array([entry.translation for entry in entries], float)
    for index, entry in enumerate(entries):
        if entry.matrix is not None:
            matrices[index, :3] = np.array(entry.matrix, float).reshape(4, 4).T[:3]
    return matrices


def inverted(matrices: Array) -> Array:
    """The inverses of (..., 4, 4) matrices that turn, scale and move, and flatten nothing."""
    inverse = np.tile(np.eye(4), (*matrices.shape[:-2], 1, 1))
    inverse[..., :3, :3] = np.linalg.inv(matrices[..., :3, :3])
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", inverse[..., :3, :3], matrices[..., :3, 3])
    return inverse


def carried(points: Array, matrices: Array, joints: Wholes, weights: Array, as_ways: bool = False) -> Array:
    """Points (n, 3) moved by the (k, 4, 4) matrices that they are weighted to; as_ways: turned only, as normals are."""
    result = np.zeros_like(points)
    for begin in range(0, len(points), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        for place in range(joints.shape[1]):
            chosen = matrices[joints[some, place]]
            moved = np.einsum("nij,nj->ni", chosen[:, :3, :3], points[some])
            result[some] += weights[some, place, None] * (moved if as_ways else moved + chosen[:, :3, 3])
    if as_ways:
        result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-30)
    return result
