"""The comp: a look's declared stack of operations over a frame and its passes, at the delivered size.

The beauty is resized first; lines, strokes and motes are then drawn at the delivered size, so that they are crisp
however small the frame was rendered (docs/decisions/0004-finishing.md).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Look
from film_pipeline.core.look_operations import Atmosphere, Boil, Dust, Flicker, Glow, Hatching, Ink
from film_pipeline.finishing.air import add_atmosphere, add_dust, add_flicker, add_glow
from film_pipeline.finishing.hand import hand_of
from film_pipeline.finishing.hatching import draw_hatching
from film_pipeline.finishing.ink import draw_ink
from film_pipeline.finishing.resize import resize


class Passes(Protocol):
    """What the comp needs of an engine's frame. The passes share one size; the beauty may have another.

    beauty: (h, w, 3) scene-linear Rec.709. depth: (h, w) metres, huge where there is nothing. normal: (h, w, 3) world
    space. mattes: identity -> (h, w) 0..1.
    """

    @property
    def beauty(self) -> NDArray[np.float32]: ...
    @property
    def depth(self) -> NDArray[np.float32]: ...
    @property
    def normal(self) -> NDArray[np.float32]: ...
    @property
    def mattes(self) -> Mapping[str, NDArray[np.float32]]: ...


def comp(
    passes: Passes, look: Look, shot: str, frame: int, drawing: int, size: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Composite one frame. drawing: the number of the exposure in the shot, which decides flicker and the boiling hand.

    size: delivered (w, h); the beauty's own unless given. Returns (h, w, 3) scene-linear Rec.709.
    """
    beauty, depth, normal, mattes = passes.beauty, passes.depth, passes.normal, passes.mattes
    size = size or (beauty.shape[1], beauty.shape[0])
    # Resizing hands back the engine's own array where the size is right: the comp works on a copy.
    picture = np.array(resize(beauty[..., :3], size), dtype=np.float32, order="C")
    hand = hand_of(None, shot, frame, drawing, size)
    for operation in look.vfx:
        match operation:
            case Atmosphere():
                picture = add_atmosphere(picture, operation, depth)
            case Glow():
                picture = add_glow(picture, operation, mattes)
            case Boil():
                hand = hand_of(operation, shot, frame, drawing, size)
            case Ink():
                picture = draw_ink(picture, operation, hand, depth, normal, mattes, shot)
            case Hatching():
                picture = draw_hatching(picture, operation, hand, normal, shot)
            case Dust():
                picture = add_dust(picture, operation, depth, shot, frame)
            case Flicker():
                picture = add_flicker(picture, operation, shot, drawing)
    return picture
