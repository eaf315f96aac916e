"""Setting type: fonts for any script, wrapping, and what to say when a script has no font here."""

import logging
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

log = logging.getLogger(__name__)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_LATIN_ENDS = 0x250


@lru_cache(maxsize=64)
def font(size: int, text_sample: str = "") -> Font:
    """A font of that size in pixels: the built-in one for Latin, the system's best for other scripts.

    Where the system has none, the built-in one is used and a warning names the characters that will be missing.
    """
    foreign = "".join(
        sorted({letter for letter in text_sample if ord(letter) >= _LATIN_ENDS and letter not in "–—‘’“”…•"})
    )
    if foreign:
        path = _system_font(foreign)
        if path is not None:
            return ImageFont.truetype(str(path), size)
        log.warning("no font here has %r: install one for that script (Debian: fonts-noto)", foreign[:12])
    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _system_font(letters: str) -> Path | None:
    """The font that fontconfig finds for these letters, if it really has them."""
    match = shutil.which("fc-list")
    if match is None:
        return None
    query = ":charset=" + " ".join(f"{ord(letter):x}" for letter in letters[:16])
    found = subprocess.run([match, query, "file"], capture_output=True, text=True, timeout=20, check=False)
    files = sorted(
        line.rstrip(": ") for line in found.stdout.splitlines() if line.rstrip(": ").endswith((".ttf", ".otf", ".ttc"))
    )
    return Path(files[0]) if files else None


def face(size: int, text: str) -> Font:
    """The font for a text: one font object for all Latin texts of a size."""
    return font(size, "".join(sorted({letter for letter in text if ord(letter) >= _LATIN_ENDS})))


def wrap(text: str, size: int, width: int) -> list[str]:
    """The text in lines no wider than that many pixels; a word that is wider by itself is broken."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            for piece in _fitting(word, size, width):
                longer = f"{line} {piece}".strip()
                if line and measure(longer, size) > width:
                    lines.append(line)
                    line = piece
                else:
                    line = longer
        lines.append(line)
    return lines


def _fitting(word: str, size: int, width: int) -> list[str]:
    pieces = []
    while measure(word, size) > width and len(word) > 1:
        cut = max(1, next((end for end in range(len(word) - 1, 0, -1) if measure(word[:end], size) <= width), 1))
        pieces.append(word[:cut])
        word = word[cut:]
    return [*pieces, word]


@lru_cache(maxsize=8192)
def measure(text: str, size: int) -> int:
    """Width of one line in pixels."""
    return round(face(size, text).getlength(text))


def set_lines(
    picture: Image.Image, place: tuple[int, int], text: str, size: int, width: int, most: int, fill: object = 0
) -> int:
    """Set wrapped text and return the height it took. What does not fit ends in an ellipsis."""
    lines = wrap(text, size, width)
    if len(lines) > most:
        lines = lines[:most]
        while lines[-1] and measure(lines[-1] + "…", size) > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "…"
    draw = ImageDraw.Draw(picture)
    x, y = place
    step = round(size * 1.3)
    for number, line in enumerate(lines):
        draw.text((x, y + number * step), line, font=face(size, line), fill=fill)
    return len(lines) * step
