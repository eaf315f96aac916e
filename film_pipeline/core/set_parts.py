"""What the builders of a set's pieces share: parts, usual colours and boards."""

from dataclasses import dataclass, replace

import numpy as np

from film_pipeline.core.meshes import Mesh, merged, plank, rotation
from film_pipeline.core.sets import SetPiece

Color = tuple[float, float, float]
DARK_WOOD: Color = (0.16, 0.12, 0.09)
PALE_WOOD: Color = (0.3, 0.25, 0.2)
IRON: Color = (0.05, 0.05, 0.055)
PAPER: Color = (0.7, 0.67, 0.6)


@dataclass(frozen=True)
class Part:
    """A mesh of a piece, with its surface; at its own place, before the piece is turned and put down."""

    name: str
    mesh: Mesh
    material: str
    color: Color
    emission: float = 0.0


def size_of(piece: SetPiece, width: float, depth: float, height: float) -> tuple[float, float, float]:
    return piece.size or (width, depth, height)


def sized(parts: list[Part], piece: SetPiece, width: float, depth: float, height: float) -> list[Part]:
    """Parts that are built in their usual size, in the size that the piece is given."""
    by = np.asarray(size_of(piece, width, depth, height)) / (width, depth, height)
    return [replace(part, mesh=part.mesh.scaled(by)) for part in parts]


def color_of(piece: SetPiece, usual: Color) -> Color:
    return piece.color or usual


def boards_of(width: float, height: float, thick: float, board: float, seed: int, upright: bool = True) -> Mesh:
    """Boards side by side over a wall of that size, standing on z = 0 about x = 0, with gaps and no two alike."""
    rng = np.random.default_rng(seed)
    span, length = (width, height) if upright else (height, width)
    meshes: list[Mesh] = []
    at = 0.0
    while at < span - 0.02 or not meshes:
        wide = min(board * rng.uniform(0.78, 1.22), span - at)
        mesh = plank(
            length * rng.uniform(0.985, 1.0),
            max(wide - rng.uniform(0.004, 0.012), wide / 2),
            thick * rng.uniform(0.8, 1.2),
            seed * 97 + len(meshes),
        )
        middle = at + wide / 2
        off = rng.uniform(-0.006, 0.006)
        if upright:
            mesh = mesh.turned(rotation("y", 90 + rng.uniform(-0.35, 0.35))).moved(
                (middle - width / 2, off, height / 2)
            )
        else:
            mesh = mesh.moved((0, off, middle))
        meshes.append(mesh)
        at += wide
    return merged(meshes)
