"""The pieces of a set, by their kind."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from film_pipeline.core import set_furniture, set_rooms
from film_pipeline.core.meshes import rotation
from film_pipeline.core.set_parts import Part
from film_pipeline.core.sets import SetPiece


@lru_cache(maxsize=1024)
def build_piece(piece: SetPiece) -> tuple[Part, ...]:
    """The parts of a piece in set space, metres."""
    parts = _BUILDERS[piece.kind](piece)
    turn = rotation("z", piece.turn_deg)
    return tuple(replace(part, mesh=part.mesh.turned(turn).moved(piece.at)) for part in parts)


_BUILDERS: dict[str, Callable[[SetPiece], list[Part]]] = {
    "floor": set_rooms.floor,
    "wall": set_rooms.wall,
    "plank_wall": set_rooms.plank_wall,
    "ceiling": set_rooms.slab,
    "beam": set_rooms.beam,
    "door": set_rooms.door,
    "staircase": set_rooms.staircase,
    "desk": set_furniture.desk,
    "table": set_furniture.table,
    "chair": set_furniture.chair,
    "stool": set_furniture.stool,
    "window": set_rooms.window,
    "lamp": set_furniture.lamp,
    "wall_lamp": set_furniture.wall_lamp,
    "bookshelf": set_furniture.bookshelf,
    "rug": set_furniture.rug,
    "frame": set_furniture.frame,
    "papers": set_furniture.papers,
    "page": set_furniture.page,
    "candle": set_furniture.candle,
    "crate": set_furniture.crate,
    "post": set_rooms.post,
    "ground": set_rooms.flat_floor,
    "backdrop": set_rooms.wall,
}
