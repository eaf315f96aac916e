"""A storyboard panel: the drawing, the camera's move over it, and what the shot is under it."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from film_pipeline.core.shot import CameraMove
from film_pipeline.core.timing import Rate
from film_pipeline.pictures.type import face, measure, set_lines

PANEL_WIDTH = 640
PAPER = (244, 241, 233)
INK = (28, 27, 26)
PENCIL = (150, 38, 30)
_CAPTION_HEIGHT = 148


def panel(
    picture: Image.Image,
    slate: str,
    size: str,
    lens_mm: float,
    action: str,
    dialogue: Sequence[tuple[str, str]],
    moves: Sequence[CameraMove],
    length: int,
    rate: Rate,
    drawn_by: str,
) -> Image.Image:
    """The panel as a picture 640 pixels wide plus its margins. length: frames of the shot."""
    drawing_h = round(PANEL_WIDTH * picture.height / picture.width)
    margin = 14
    sheet = Image.new("RGB", (PANEL_WIDTH + 2 * margin, drawing_h + _CAPTION_HEIGHT + 2 * margin), PAPER)
    drawing = picture.convert("RGB").resize((PANEL_WIDTH, drawing_h), Image.Resampling.LANCZOS)
    for number, move in enumerate(moves):
        _arrow(drawing, move.kind, number)
    sheet.paste(drawing, (margin, margin))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((margin - 2, margin - 2, margin + PANEL_WIDTH + 1, margin + drawing_h + 1), outline=INK, width=3)
    top = margin + drawing_h + 10
    draw.text((margin, top), slate, font=face(22, slate), fill=INK)
    timing = f"{length} fr  {rate.timecode(length)}"
    draw.text((margin + PANEL_WIDTH - measure(timing, 16), top + 5), timing, font=face(16, timing), fill=INK)
    facts = " · ".join(
        [
            size,
            f"{lens_mm:g} mm",
            *(move.kind.replace("_", " ") for move in moves),
            "drawn" if drawn_by == "artist" else drawn_by,
        ]
    )
    draw.text((margin + measure(slate, 22) + 16, top + 5), facts, font=face(16, facts), fill=(110, 104, 96))
    y = top + 34
    y += set_lines(sheet, (margin, y), action, 17, PANEL_WIDTH, 2, INK) if action else 0
    for character, text in dialogue[:2]:
        y += set_lines(sheet, (margin + 24, y + 2), f"{character}: {text}", 17, PANEL_WIDTH - 24, 1, (80, 52, 40)) + 2
    return sheet


def _arrow(drawing: Image.Image, kind: str, number: int) -> None:
    """The camera's move, as an artist marks it over the frame."""
    width, height = drawing.size
    draw = ImageDraw.Draw(drawing)
    middle = (width / 2, height * 0.5)
    inset = number * 18
    if kind in ("push_in", "zoom", "pull_out"):
        inner = (width * 0.24 + inset, height * 0.24 + inset, width * 0.76 - inset, height * 0.76 - inset)
        draw.rectangle(inner, outline=PENCIL, width=3)
        for x, y, inner_x, inner_y in (
            (0.05, 0.05, inner[0], inner[1]),
            (0.95, 0.05, inner[2], inner[1]),
            (0.05, 0.95, inner[0], inner[3]),
            (0.95, 0.95, inner[2], inner[3]),
        ):
            outer = (width * x, height * y)
            near = (inner_x, inner_y)
            _line_with_head(draw, near if kind == "pull_out" else outer, outer if kind == "pull_out" else near)
        return
    ends = {
        "track_left": ((0.7, 0.9), (0.3, 0.9)),
        "track_right": ((0.3, 0.9), (0.7, 0.9)),
        "pan": ((0.3, 0.1), (0.7, 0.1)),
        "crane_up": ((0.93, 0.75), (0.93, 0.25)),
        "crane_down": ((0.93, 0.25), (0.93, 0.75)),
        "tilt": ((0.07, 0.75), (0.07, 0.25)),
    }
    if kind in ends:
        (x0, y0), (x1, y1) = ends[kind]
        _line_with_head(draw, (width * x0, height * y0 - inset), (width * x1, height * y1 - inset))
        return
    reach = height * 0.36 - inset
    draw.arc(
        (middle[0] - reach * 1.5, middle[1] - reach, middle[0] + reach * 1.5, middle[1] + reach),
        200,
        340,
        fill=PENCIL,
        width=4,
    )
    end = (middle[0] + reach * 1.5 * math.cos(math.radians(340)), middle[1] + reach * math.sin(math.radians(340)))
    _line_with_head(draw, (end[0] - 6, end[1] - 14), end)


def _line_with_head(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    draw.line((*start, *end), fill=PENCIL, width=4)
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    head = [end]
    for turn in (2.6, -2.6):
        head.append((end[0] + 15 * math.cos(angle + turn), end[1] + 15 * math.sin(angle + turn)))
    draw.polygon(head, fill=PENCIL)
