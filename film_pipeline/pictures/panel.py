"""A storyboard panel: the drawing in its frame, the camera's move over it, and what the shot is under it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from film_pipeline.core.shot import CameraMove
from film_pipeline.core.timing import Rate
from film_pipeline.pictures.type import line_height, measure, set_lines, shortened, wrap, write

PANEL_WIDTH = 640
MARGIN = 14
PAPER = (244, 241, 233)
INK = (28, 27, 26)
PENCIL = (168, 44, 34)
_GREY = (104, 98, 90)
_RULE = (176, 169, 157)
_SLATE, _FACTS, _TEXT = 25, 18, 20
_LINES = 6
"""Of action and dialogue together."""
_HEAD = 74
_CAPTION = _HEAD + 10 + _LINES * line_height(_TEXT) + 8
_INDENT = 12
_MOVES = {
    "push_in": ("push in", "pull out"),
    "pull_out": ("pull out", "push in"),
    "zoom": ("zoom in", "zoom out"),
    "track_left": ("track left", "track right"),
    "track_right": ("track right", "track left"),
    "crane_up": ("crane up", "crane down"),
    "crane_down": ("crane down", "crane up"),
    "pan": ("pan left", "pan right"),
    "tilt": ("tilt up", "tilt down"),
    "orbit": ("orbit right", "orbit left"),
    "roll": ("roll left", "roll right"),
}
"""What a move is called: by a positive amount, and by a negative one (`core.camera` says which way is which)."""
_ENDS = {
    "track left": ((0.7, 0.9), (0.3, 0.9)),
    "track right": ((0.3, 0.9), (0.7, 0.9)),
    "pan left": ((0.7, 0.1), (0.3, 0.1)),
    "pan right": ((0.3, 0.1), (0.7, 0.1)),
    "crane up": ((0.93, 0.75), (0.93, 0.25)),
    "crane down": ((0.93, 0.25), (0.93, 0.75)),
    "tilt up": ((0.07, 0.75), (0.07, 0.25)),
    "tilt down": ((0.07, 0.25), (0.07, 0.75)),
}
"""Straight arrows: from and to, as parts of the drawing's width and height."""


@dataclass(frozen=True)
class Panel:
    """What a panel says of its shot. frame: the one that is drawn; number and count: which of its panels this is."""

    slate: str
    size: str
    lens_mm: float
    action: str
    dialogue: Sequence[tuple[str, str]]
    moves: Sequence[CameraMove]
    length: int
    rate: Rate
    drawn_by: str
    frame: int
    number: int = 1
    count: int = 1


def draw_panel(picture: Image.Image, panel: Panel) -> Image.Image:
    """The panel as a picture: its drawing 640 pixels wide in a frame, and a caption of a fixed height under it."""
    drawing_h = round(PANEL_WIDTH * picture.height / picture.width)
    sheet = Image.new("RGB", (PANEL_WIDTH + 2 * MARGIN, drawing_h + _CAPTION + 2 * MARGIN), PAPER)
    drawing = picture.convert("RGB").resize((PANEL_WIDTH, drawing_h), Image.Resampling.LANCZOS)
    for number, move in enumerate(panel.moves):
        _arrow(drawing, _MOVES[move.kind][move.amount < 0], number)
    sheet.paste(drawing, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(sheet)
    left, right, top = MARGIN, MARGIN + PANEL_WIDTH, MARGIN + drawing_h
    draw.rectangle((left - 2, top, right + 1, top + _CAPTION), outline=_RULE, width=1)
    _head(draw, panel, left, right, top)
    _words(sheet, panel, left + _INDENT, top + _HEAD + 8)
    draw.rectangle((left - 2, MARGIN - 2, right + 1, top + 1), outline=INK, width=3)
    return sheet


def _head(draw: ImageDraw.ImageDraw, panel: Panel, left: int, right: int, top: int) -> None:
    timing = f"{float(panel.rate.seconds(panel.length)):.1f} s   {panel.length} fr"
    of = f"{panel.frame}   {panel.number}/{panel.count}" if panel.count > 1 else f"{panel.frame}"
    room = PANEL_WIDTH - 2 * _INDENT
    said = max(measure(timing, _FACTS), measure(of, _FACTS)) + 20
    slate = shortened(panel.slate, _SLATE, room - said, "Semibold")
    write(draw, (left + _INDENT, top + 8), slate, _SLATE, INK, "Semibold")
    write(draw, (right - _INDENT, top + 12), timing, _FACTS, INK, align="right")
    moves = [_MOVES[move.kind][move.amount < 0] for move in panel.moves]
    drawn = "drawn" if panel.drawn_by == "artist" else panel.drawn_by
    facts = "  ·  ".join([panel.size, f"{panel.lens_mm:g} mm", *moves, drawn])
    write(draw, (left + _INDENT, top + 42), shortened(facts, _FACTS, room - said), _FACTS, _GREY)
    write(draw, (right - _INDENT, top + 42), of, _FACTS, _GREY, align="right")
    draw.line((left - 2, top + _HEAD, right + 1, top + _HEAD), fill=_RULE, width=1)


def _words(sheet: Image.Image, panel: Panel, x: int, y: int) -> None:
    """Action, and then dialogue: each speaker before the line. What does not fit is told."""
    room, step = PANEL_WIDTH - 2 * _INDENT, line_height(_TEXT)
    left = _LINES
    if panel.action.strip():
        # Dialogue keeps a line for every speech, up to half of the space.
        height = set_lines(sheet, (x, y), panel.action, _TEXT, room, left - min(len(panel.dialogue), 3), INK)
        y, left = y + height, left - height // step
    draw = ImageDraw.Draw(sheet)
    for number, (character, text) in enumerate(panel.dialogue):
        more = len(panel.dialogue) - number
        if left < more and left == 1:
            write(draw, (x, y), f"and {more} more line{'s' if more > 1 else ''}", _TEXT, _GREY, "It")
            return
        name = f"{character}  "
        inset = min(measure(name, _TEXT, "Semibold"), room // 2)
        lines = max(1, left - (more - 1)) if more > 1 else left
        used = min(lines, len(wrap(text, _TEXT, room - inset, lines, "It")))
        write(draw, (x, y), shortened(name, _TEXT, room // 2, "Semibold"), _TEXT, INK, "Semibold")
        set_lines(sheet, (x + inset, y), text, _TEXT, room - inset, lines, INK, "It")
        y, left = y + used * step, left - used


def _arrow(drawing: Image.Image, move: str, number: int) -> None:
    """The camera's move, as an artist marks it over the frame. number: which of the shot's moves it is."""
    width, height = drawing.size
    draw = ImageDraw.Draw(drawing)
    inset = round(min(number % 6 * 18, height * 0.2))
    if move in _ENDS:
        (x0, y0), (x1, y1) = _ENDS[move]
        aside = (0, inset) if y0 == y1 else (inset, 0)
        _line_with_head(
            draw,
            (width * x0 - aside[0], height * y0 - aside[1]),
            (width * x1 - aside[0], height * y1 - aside[1]),
        )
    elif move.startswith(("orbit", "roll")):
        _turning(draw, width, height, inset, move.endswith("left"))
    else:
        _closing(draw, width, height, inset, move.endswith("out"))


def _turning(draw: ImageDraw.ImageDraw, width: int, height: int, inset: int, left: bool) -> None:
    """An arc over the middle, with its arrow at the side that it turns to."""
    across, up = height * 0.54 - inset * 1.5, height * 0.36 - inset
    box = (width / 2 - across, height / 2 - up, width / 2 + across, height / 2 + up)
    draw.arc(box, 200, 340, fill=PAPER, width=9)
    draw.arc(box, 202, 338, fill=PENCIL, width=4)
    turn, way = math.radians(200 if left else 340), -1 if left else 1
    end = (width / 2 + across * math.cos(turn), height / 2 + up * math.sin(turn))
    along = (-across * math.sin(turn) * way, up * math.cos(turn) * way)
    long = math.hypot(*along)
    _line_with_head(draw, (end[0] - 14 * along[0] / long, end[1] - 14 * along[1] / long), end)


def _closing(draw: ImageDraw.ImageDraw, width: int, height: int, inset: int, opening: bool) -> None:
    """A second frame, and an arrow from or to each of its corners: the camera goes nearer, or away."""
    inner = (width * 0.2 + inset, height * 0.2 + inset, width * 0.8 - inset, height * 0.8 - inset)
    draw.rectangle(
        tuple(side + sign * 2 for side, sign in zip(inner, (-1, -1, 1, 1), strict=True)), outline=PAPER, width=7
    )
    draw.rectangle(inner, outline=PENCIL, width=3)
    for x, y, inner_x, inner_y in (
        (0.05, 0.05, inner[0], inner[1]),
        (0.95, 0.05, inner[2], inner[1]),
        (0.05, 0.95, inner[0], inner[3]),
        (0.95, 0.95, inner[2], inner[3]),
    ):
        outer, near = (width * x, height * y), (inner_x, inner_y)
        _line_with_head(draw, near if opening else outer, outer if opening else near)


def _line_with_head(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    # Paper around the pencil, so that it is seen on a dark drawing too.
    for color, wide, long in ((PAPER, 9, 22), (PENCIL, 4, 17)):
        stop = (end[0] - 8 * math.cos(angle), end[1] - 8 * math.sin(angle))
        draw.line((*start, *stop), fill=color, width=wide)
        tip = (end[0] + (long - 17) * math.cos(angle) * 0.8, end[1] + (long - 17) * math.sin(angle) * 0.8)
        sides = [
            (tip[0] + long * math.cos(angle + turn), tip[1] + long * math.sin(angle + turn)) for turn in (2.65, -2.65)
        ]
        draw.polygon([tip, *sides], fill=color)
