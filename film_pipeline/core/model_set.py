"""A .glb as a set, or as the things that stand in one: each node with a mesh is a thing by its node's name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from film_pipeline.core.gltf import Model, Primitive, carried
from film_pipeline.core.meshes import Array
from film_pipeline.core.model_names import Names
from film_pipeline.core.problems import FilmProblem


@dataclass(frozen=True)
class Thing:
    """Something of the set that stands as the model has it. Its parts, by the names of their prims, are in set space,
    metres."""

    name: str
    parts: Mapping[str, Primitive]

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        points = [part.points for part in self.parts.values()]
        return np.min([low.min(axis=0) for low in points], axis=0), np.max(
            [high.max(axis=0) for high in points], axis=0
        )


def things_of(model: Model, taken: Iterable[str]) -> dict[str, Thing]:
    """The model's things by name. taken: names that other pieces of the set have. Raises FilmProblem."""
    taken = list(taken)
    names, of_parts = Names([*taken, "model"]), Names(taken)
    things: dict[str, Thing] = {}
    for index in model.shown:
        placed = [_placed(model, index, part) for part in _parts(model, index)]
        if placed:
            name = names.new(model.nodes[index].name)
            things[name] = Thing(name, {of_parts.new(name, before="set_"): part for part in placed})
    if not things:
        raise FilmProblem("it has nothing that can be seen", "export it with its meshes", file=model.path)
    return things


def _parts(model: Model, index: int) -> tuple[Primitive, ...]:
    mesh = model.nodes[index].mesh
    return model.meshes[mesh] if mesh is not None else ()


def _placed(model: Model, index: int, part: Primitive) -> Primitive:
    """A part where its node stands, or as its skin holds it where it has one."""
    node = model.nodes[index]
    with np.errstate(all="ignore"):
        if node.skin is not None and part.joints is not None and part.weights is not None:
            skin = model.skins[node.skin]
            matrices = np.stack([model.nodes[joint].world for joint in skin.joints]) @ skin.inverse_binds
            joints, weights = part.joints, part.weights
        else:
            matrices, joints = node.world[None], np.zeros((len(part.points), 1), np.int64)
            weights = np.ones((len(part.points), 1))
        points = carried(part.points, matrices, joints, weights)
        normals = part.normals
        if normals is not None:
            normals = carried(normals, np.stack([_for_normals(matrix) for matrix in matrices]), joints, weights, True)
    if not np.isfinite(points).all() or np.abs(points).max() > 1e6:
        raise FilmProblem(f"{node.name} stands out of all reach", "apply its scale and export again", file=model.path)
    mirrored = float(np.linalg.det(matrices[0, :3, :3])) < 0
    triangles = part.triangles[:, ::-1] if mirrored else part.triangles
    return replace(part, points=points, normals=normals, triangles=triangles)


def _for_normals(matrix: Array) -> Array:
    """What turns normals as the matrix turns surfaces: its cofactors, which stay right where it squeezes or mirrors."""
    first, second, third = matrix[:3, :3].T
    turned = np.eye(4)
    turned[:3, :3] = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=1)
    return turned if np.linalg.det(matrix[:3, :3]) >= 0 else -turned
