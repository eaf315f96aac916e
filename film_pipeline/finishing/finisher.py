"""The OIIO and OCIO finisher: a comp becomes a finished frame.

In this order: to the delivered size, grade, vignette, border, grain. Both ways make the same picture; the fast one
grades through a LUT that is baked once for each grade.
"""

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Look
from film_pipeline.core.problems import FilmProblem
from film_pipeline.finishing.grade import grade_exact, grade_fast
from film_pipeline.finishing.resize import resize
from film_pipeline.finishing.treatment import treat

Picture = NDArray[np.float32]
Finished = NDArray[np.unsignedinteger]


def finish(
    linear: Picture, look: Look, shot: str, frame: int, size: tuple[int, int] | None = None, bits: int = 8
) -> Finished:
    """Finish a frame through the look's baked LUT.

    linear: (h, w, 3) scene-linear Rec.709. size: delivered (w, h); the picture's own unless given.
    Returns (h, w, 3) display-referred uint8, or uint16 where bits is 16. Raises FilmProblem for a picture that is none.
    """
    sized = resize(_checked(linear, shot, frame), size or (linear.shape[1], linear.shape[0]))
    return treat(grade_fast(sized, look), look, shot, frame, bits)


def finish_exact(
    linear: Picture, look: Look, shot: str, frame: int, size: tuple[int, int] | None = None, bits: int = 8
) -> Finished:
    """Finish a frame with every pixel through OCIO, no LUT: for masters. As `finish`, several times slower."""
    sized = resize(_checked(linear, shot, frame), size or (linear.shape[1], linear.shape[0]))
    return treat(grade_exact(sized, look), look, shot, frame, bits)


def _checked(linear: Picture, shot: str, frame: int) -> Picture:
    if linear.ndim != 3 or linear.shape[2] != 3:
        raise FilmProblem(
            f"frame {frame} is no picture of three channels but {linear.shape}", "render or comp it again", shot=shot
        )
    if not np.isfinite(linear).all():
        raise FilmProblem(f"frame {frame} holds pixels that are no numbers", "render or comp it again", shot=shot)
    return linear
