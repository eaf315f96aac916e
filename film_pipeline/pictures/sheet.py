"""Sheets of pictures: contact sheets as pages, grids with labels."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from film_pipeline.pictures.panel import INK, PAPER
from film_pipeline.pictures.type import face, measure, set_lines

A4_LANDSCAPE = (1754, 1240)
"""Pixels of an A4 page at 150 dots an inch."""
_MARGIN = 48
_HEAD = 84


def contact_sheet(panels: Sequence[Image.Image], title: str, subtitle: str, columns: int = 3) -> list[Image.Image]:
    """Panels on A4 pages, in reading order, each page headed by title and page number."""
    cell_w = (A4_LANDSCAPE[0] - 2 * _MARGIN - (columns - 1) * 20) // columns
    cell_h = round(cell_w * max(panel.height / panel.width for panel in panels))
    rows = max(1, (A4_LANDSCAPE[1] - _HEAD - _MARGIN + 16) // (cell_h + 16))
    a_page = rows * columns
    pages = []
    count = -(-len(panels) // a_page)
    for number in range(count):
        page = Image.new("RGB", A4_LANDSCAPE, PAPER)
        _head(page, title, f"{subtitle}   {number + 1} / {count}")
        for place, picture in enumerate(panels[number * a_page : (number + 1) * a_page]):
            x = _MARGIN + (place % columns) * (cell_w + 20)
            y = _HEAD + (place // columns) * (cell_h + 16)
            page.paste(
                picture.resize((cell_w, round(cell_w * picture.height / picture.width)), Image.Resampling.LANCZOS),
                (x, y),
            )
        pages.append(page)
    return pages


def _head(page: Image.Image, title: str, right: str) -> None:
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, 26), title, font=face(34, title), fill=INK)
    draw.text((page.width - _MARGIN - measure(right, 20), 38), right, font=face(20, right), fill=INK)
    draw.line((_MARGIN, _HEAD - 12, page.width - _MARGIN, _HEAD - 12), fill=INK, width=2)


def write_pdf(pages: Sequence[Image.Image], path: Path) -> None:
    """The pages as a PDF at 150 dots an inch. It carries no date: the same pages are the same bytes."""
    first, *more = pages
    stamp = {"creationDate": None, "modDate": None}
    first.save(path, "PDF", save_all=True, append_images=more, resolution=150.0, **stamp)


def contact_png(pages: Sequence[Image.Image]) -> Image.Image:
    """All pages in one picture, one under the other."""
    sheet = Image.new("RGB", (pages[0].width, sum(page.height for page in pages)), PAPER)
    y = 0
    for page in pages:
        sheet.paste(page, (0, y))
        y += page.height
    return sheet


def grid(
    images: Sequence[Image.Image], labels: Sequence[str], columns: int, title: str, cell_width: int = 480
) -> Image.Image:
    """Pictures side by side under a title, each with its label."""
    cells = [
        image.convert("RGB").resize(
            (cell_width, round(cell_width * image.height / image.width)), Image.Resampling.LANCZOS
        )
        for image in images
    ]
    tall = max(cell.height for cell in cells) + 34
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (cell_width + 12) + 12, _HEAD + rows * (tall + 8) + 12), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((16, 24), title, font=face(30, title), fill=INK)
    for place, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        x, y = 12 + (place % columns) * (cell_width + 12), _HEAD + (place // columns) * (tall + 8)
        sheet.paste(cell, (x, y))
        set_lines(sheet, (x + 2, y + cell.height + 6), label, 18, cell_width - 4, 1, INK)
    return sheet
