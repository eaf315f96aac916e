"""A wedge: several grades of one frame."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.look import Look
from film_pipeline.core.problems import FilmProblem
from film_pipeline.finishing.finisher import finish
from film_pipeline.finishing.resize import resize


def wedge(
    linear: NDArray[np.float32],
    looks: Mapping[str, Look],
    shot: str = "",
    frame: int = 1001,
    width: int = 640,
) -> dict[str, NDArray[np.uint8]]:
    """One frame (h, w, 3 scene-linear) finished in each of several looks: (h', width, 3) uint8 each, in their order.

    Raises FilmProblem where there is no look.
    """
    if not looks:
        raise FilmProblem("a wedge of no looks", "name at least one", shot=shot)
    height = max(2, round(linear.shape[0] * width / linear.shape[1]))
    small = resize(linear, (width, height))
    return {label: np.asarray(finish(small, look, shot, frame)) for label, look in looks.items()}
