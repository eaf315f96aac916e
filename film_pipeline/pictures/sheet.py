"""Sheets of pictures: contact sheets as pages, grids with labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from film_pipeline.pictures.panel import INK, MARGIN, PAPER
from film_pipeline.pictures.type import measure, set_lines, shortened, write

A4_LANDSCAPE = (1754, 1240)
"""Pixels of an A4 page at 150 dots an inch."""
PAGES_AT_A_GLANCE = 6
DARK_GROUND, DARK_INK = (46, 46, 46), (206, 206, 206)
_MARGIN = 48
_HEAD = 84
_GAP = 16
_LEGIBLE = 0.7
"""The smallest scale at which a panel's caption can be read in print: 7 points."""


def contact_sheet(panels: Sequence[Path], title: str, subtitle: str) -> Iterator[Image.Image]:
    """Panels on A4 pages, in reading order, each page headed by title and page number."""
    sizes = [_size_of(path) for path in panels]
    cell = (max((width for width, _ in sizes), default=1), max((height for _, height in sizes), default=1))
    columns, rows, scale = _layout(*cell)
    a_page = columns * rows
    count = max(1, -(-len(panels) // a_page))
    for number in range(count):
        page = Image.new("RGB", A4_LANDSCAPE, PAPER)
        _head(page, title, f"{subtitle}   {number + 1} / {count}")
        for place, path in enumerate(panels[number * a_page : (number + 1) * a_page]):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            wide, high = (max(1, round(side * scale)) for side in picture.size)
            page.paste(
                picture.resize((wide, high), Image.Resampling.LANCZOS),
                _corner(place, (columns, rows), (cell[0] * scale, cell[1] * scale), MARGIN * scale),
            )
        yield page


def _size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        return opened.size


def _layout(width: int, height: int) -> tuple[int, int, float]:
    """Columns, rows and scale that show the most of cells of a size on a page while captions can be read."""
    room_w, room_h = A4_LANDSCAPE[0] - 2 * _MARGIN, A4_LANDSCAPE[1] - _HEAD - _MARGIN
    layouts = [
        (
            columns,
            rows,
            min((room_w - (columns - 1) * _GAP) / columns / width, (room_h - (rows - 1) * _GAP) / rows / height),
        )
        for columns in range(1, 6)
        for rows in range(1, 5)
    ]
    legible = [layout for layout in layouts if layout[2] >= _LEGIBLE]
    return max(legible or layouts[:1], key=lambda layout: layout[0] * layout[1] * layout[2] ** 2)


def _corner(place: int, layout: tuple[int, int], cell: tuple[float, float], margin: float) -> tuple[int, int]:
    """Where a cell stands: the columns spread over the width of the page, the rows over its height.

    margin: the cells' own, which goes over the page's, so that their frames stand flush with its head.
    """
    columns, rows = layout
    room_w, room_h = A4_LANDSCAPE[0] - 2 * (_MARGIN - margin), A4_LANDSCAPE[1] - _HEAD - _MARGIN
    spare_w = (room_w - columns * cell[0]) / max(1, columns - 1)
    spare_h = (room_h - rows * cell[1]) / rows
    x = _MARGIN - margin + (place % columns) * (cell[0] + spare_w) + (spare_w / 2 if columns == 1 else 0)
    y = _HEAD + (place // columns) * (cell[1] + spare_h)
    return round(x), round(y)


def _head(page: Image.Image, title: str, right: str) -> None:
    draw = ImageDraw.Draw(page)
    room = page.width - 2 * _MARGIN - measure(right, 21) - 30
    write(draw, (_MARGIN, 22), shortened(title, 34, room, "Semibold"), 34, INK, "Semibold")
    write(draw, (page.width - _MARGIN, 36), right, 21, INK, align="right")
    draw.line((_MARGIN, _HEAD - 12, page.width - _MARGIN, _HEAD - 12), fill=INK, width=2)


def contact_picture(pages: Sequence[Image.Image], more: int = 0) -> Image.Image:
    """Pages in one picture, one under the other. more: pages that are not in it, which it says."""
    foot = 60 if more else 0
    sheet = Image.new("RGB", (pages[0].width, sum(page.height for page in pages) + foot), PAPER)
    y = 0
    for page in pages:
        sheet.paste(page, (0, y))
        y += page.height
    if more:
        told = f"and {more} more page{'s' if more > 1 else ''} in the PDF"
        write(ImageDraw.Draw(sheet), (sheet.width / 2, y + 10), told, 26, INK, "It", "middle")
    return sheet


def grid(
    images: Sequence[Image.Image],
    labels: Sequence[str],
    columns: int,
    title: str,
    cell_width: int = 480,
    *,
    dark: bool = False,
) -> Image.Image:
    """Pictures side by side under a title, each with its label. dark: on neutral grey, where colour is judged."""
    ground, ink = (DARK_GROUND, DARK_INK) if dark else (PAPER, INK)
    cells = [
        image.convert("RGB").resize(
            (cell_width, max(1, round(cell_width * image.height / image.width))), Image.Resampling.LANCZOS
        )
        for image in images
    ]
    columns = min(columns, max(1, len(cells)))
    tall = max((cell.height for cell in cells), default=0) + 38
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (cell_width + 12) + 12, _HEAD + rows * (tall + 8) + 12), ground)
    draw = ImageDraw.Draw(sheet)
    write(draw, (16, 22), shortened(title, 30, sheet.width - 32, "Semibold"), 30, ink, "Semibold")
    for place, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        x, y = 12 + (place % columns) * (cell_width + 12), _HEAD + (place // columns) * (tall + 8)
        sheet.paste(cell, (x, y))
        draw.rectangle((x - 1, y - 1, x + cell_width, y + cell.height), outline=ink, width=1)
        set_lines(sheet, (x + 2, y + cell.height + 6), label, 19, cell_width - 4, 1, ink)
    return sheet
