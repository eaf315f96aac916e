"""The turnaround sheet: a puppet from eight angles, textured and in clay, beside a ruler."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from film_pipeline.pictures.panel import INK, PAPER
from film_pipeline.pictures.type import face

ANGLES = 8
_NAMES = ("front", "three-quarter left", "left", "back left", "back", "back right", "right", "three-quarter right")


def turnaround_sheet(
    name: str, height_m: float, textured: Sequence[Image.Image], clay: Sequence[Image.Image]
) -> Image.Image:
    """Two rows of eight pictures of one size, a height ruler at the left, the angles' names under them."""
    width, height = textured[0].size
    left, head, foot = 92, 76, 34
    sheet = Image.new("RGB", (left + ANGLES * width + 16, head + 2 * height + foot), PAPER)
    draw = ImageDraw.Draw(sheet)
    title = f"{name}   {height_m:.2f} m"
    draw.text((left, 22), title, font=face(32, title), fill=INK)
    for row, pictures in enumerate((textured, clay)):
        top = head + row * height
        for column, picture in enumerate(pictures):
            sheet.paste(picture.resize((width, height)), (left + column * width, top))
        _ruler(draw, left - 14, top, height, height_m)
    for column, angle in enumerate(_NAMES):
        draw.text((left + column * width + 6, head + 2 * height + 8), angle, font=face(16, angle), fill=INK)
    return sheet


def _ruler(draw: ImageDraw.ImageDraw, x: int, top: int, height: int, height_m: float) -> None:
    """Marks every 25 cm; the puppet fills the picture's height but for the margin that the engine leaves."""
    margin = height * (1 - 1 / 1.12) / 2
    pixels_m = (height - 2 * margin) / height_m
    base = top + height - margin
    draw.line((x, base, x, base - height_m * pixels_m), fill=INK, width=2)
    mark = 0.0
    while mark <= height_m + 1e-6:
        y = base - mark * pixels_m
        draw.line((x - 8, y, x, y), fill=INK, width=2)
        label = f"{mark:.2f}"
        draw.text((x - 52, y - 9), label, font=face(15, label), fill=INK)
        mark += 0.25 if height_m < 3 else 1.0
