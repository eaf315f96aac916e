"""The turnaround sheet: a puppet from eight angles, textured and in clay, against a ruler."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_fill_holes

from film_pipeline.core.problems import FilmProblem
from film_pipeline.pictures.panel import INK, PAPER
from film_pipeline.pictures.type import shortened, write

ANGLES = 8
_NAMES = ("front", "three-quarter left", "left", "back left", "back", "back right", "right", "three-quarter right")
_LEFT, _HEAD, _FOOT, _EDGE = 92, 84, 44, 16
_GUIDE = (118, 117, 119)
_SEEN = 14


def turnaround_sheet(
    name: str, height_m: float, top_m: float, textured: Sequence[Image.Image], clay: Sequence[Image.Image]
) -> Image.Image:
    """Two rows of eight pictures of one size, guides every 25 cm with their heights, the angles' names below.

    height_m: of the puppet, floor to crown. top_m: of all that stands in the pictures, hat and hair included, which
    the guides are measured by. Raises FilmProblem where a picture shows nothing.
    """
    width, height = textured[0].size
    sheet = Image.new("RGB", (_LEFT + ANGLES * width + _EDGE, _HEAD + 2 * height + _FOOT), PAPER)
    draw = ImageDraw.Draw(sheet)
    title = f"{name}   {height_m:.2f} m"
    write(draw, (_LEFT, 24), shortened(title, 34, sheet.width - _LEFT, "Semibold"), 34, INK, "Semibold")
    for row, pictures in enumerate((textured, clay)):
        top = _HEAD + row * height
        for column, picture in enumerate(pictures):
            sheet.paste(picture.convert("RGB").resize((width, height)), (_LEFT + column * width, top))
        highest, lowest = _stands(name, pictures)
        _guides(sheet, clay, top, top + lowest, (lowest - highest) / top_m, top_m)
    for column, angle in enumerate(_NAMES):
        place = (_LEFT + (column + 0.5) * width, _HEAD + 2 * height + 8)
        write(draw, place, angle, 19, INK, align="middle")
    draw.rectangle((_LEFT - 1, _HEAD - 1, _LEFT + ANGLES * width, _HEAD + 2 * height), outline=INK, width=2)
    draw.line((_LEFT, _HEAD + height, _LEFT + ANGLES * width, _HEAD + height), fill=INK, width=1)
    return sheet


def _stands(name: str, pictures: Sequence[Image.Image]) -> tuple[float, float]:
    """The rows between which the puppet stands, from its top to its soles: the middle of what the angles show."""
    rows = []
    for number, picture in enumerate(pictures):
        found = np.nonzero(_puppet(picture).sum(axis=1) > 1)[0]
        if len(found) < 2:
            raise FilmProblem(
                f"the picture of {name} from the {_NAMES[number % ANGLES]} shows nothing", "render the turnaround again"
            )
        rows.append((found[0], found[-1] + 1))
    highest, lowest = np.median(np.array(rows), axis=0)
    return float(highest), float(lowest)


def _puppet(picture: Image.Image) -> np.ndarray:
    """Where a picture (h, w) is not its background, which is what its upper left corner shows."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int16)
    return np.asarray(np.abs(pixels - pixels[2, 2]).max(axis=-1) > _SEEN)


def _guides(
    sheet: Image.Image, pictures: Sequence[Image.Image], top: int, base: float, pixels_m: float, top_m: float
) -> None:
    """Lines behind the puppets every 25 cm (every metre of a giant), and their heights beside them.

    pictures: those in which puppet and background part best.
    """
    draw = ImageDraw.Draw(sheet)
    width, height = pictures[0].size
    step = 0.25 if top_m < 3 else 1.0
    draw.line((_LEFT - 14, base, _LEFT - 14, base - top_m * pixels_m), fill=INK, width=2)
    free = [~binary_fill_holes(_puppet(picture.resize((width, height)))) for picture in pictures]
    for number in range(int(top_m / step + 1e-6) + 1):
        y = round(base - number * step * pixels_m)
        if not top <= y < top + height:
            continue
        draw.line((_LEFT - 22, y, _LEFT - 14, y), fill=INK, width=2)
        write(draw, (_LEFT - 28, y - 11), f"{number * step:.2f}", 17, INK, align="right")
        for column, background in enumerate(free):
            for x in np.nonzero(background[y - top])[0]:
                sheet.putpixel((_LEFT + column * width + int(x), y), _GUIDE)
