"""A wedge: several grades of one frame on one sheet, each under its name."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from film_pipeline.core.look import Look
from film_pipeline.core.problems import FilmProblem
from film_pipeline.finishing.finisher import finish
from film_pipeline.finishing.resize import resize

GAP, LABEL, GROUND, WRITING = 12, 28, (24, 25, 28), (214, 216, 220)


def wedge(
    linear: NDArray[np.float32],
    looks: Mapping[str, Look],
    shot: str = "",
    frame: int = 1001,
    width: int = 640,
    columns: int | None = None,
) -> NDArray[np.uint8]:
    """A sheet (h, w, 3) uint8 of one frame (h, w, 3 scene-linear) in several looks, in their order, each labelled.

    width: of each picture in pixels. columns: as near to a square as it gets unless given.
    """
    if not looks:
        raise FilmProblem("a wedge of no looks", "name at least one", shot=shot)
    height = max(2, round(linear.shape[0] * width / linear.shape[1]))
    small = resize(linear, (width, height))
    columns = min(columns or int(np.ceil(np.sqrt(len(looks)))), len(looks))
    rows = -(-len(looks) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + LABEL + GAP) + GAP), GROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for place, (label, look) in enumerate(looks.items()):
        x = GAP + place % columns * (width + GAP)
        y = GAP + place // columns * (height + LABEL + GAP)
        sheet.paste(Image.fromarray(np.asarray(finish(small, look, shot, frame))), (x, y))
        pen.text((x, y + height + 5), label, fill=WRITING, font=font)
    return np.asarray(sheet)
