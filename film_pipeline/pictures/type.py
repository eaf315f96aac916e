"""Setting type: fonts for any script, wrapping, and what is said where a letter has no font here.

Latin, Greek and Cyrillic are set in Source Sans Pro, which comes with us, so that they look the same on every machine.
Other scripts are set in what the system has.
"""

import logging
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.metadata import distribution
from itertools import groupby
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

log = logging.getLogger(__name__)

Font = ImageFont.FreeTypeFont
Style = Literal["Regular", "Semibold", "It"]
Color = int | tuple[int, int, int]
_WELL_KNOWN = (
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "Hiragino Sans GB.ttc",
    "msgothic.ttc",
    "seguisym.ttf",
)
"""Tried by name where there is no fontconfig to ask."""
_NO_LETTER = "\U0010fffd"
_ELLIPSIS = "…"


@cache
def _ours(style: Style) -> str:
    return str(
        distribution("font-source-sans-pro").locate_file(f"font_source_sans_pro/files/SourceSansPro-{style}.ttf")
    )


@lru_cache(maxsize=128)
def _font(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=64)
def _sample(path: str) -> tuple[Font, bytes]:
    """The font, set simply, and what it draws for a letter that it does not have."""
    font = ImageFont.truetype(path, 32, layout_engine=ImageFont.Layout.BASIC)
    return font, bytes(font.getmask(_NO_LETTER))


@lru_cache(maxsize=16384)
def _has(path: str, letter: str) -> bool:
    font, missing = _sample(path)
    return letter == " " or bytes(font.getmask(letter)) != missing


_FOUND: list[str] = []
"""Fonts of the system that some letter was found in: the next one is likely in them too."""


@lru_cache(maxsize=16384)
def _font_with(letter: str, style: Style) -> str | None:
    """The file of the font that has a letter; None where there is none."""
    for path in (_ours(style), _ours("Regular"), *_FOUND):
        if _has(path, letter):
            return path
    for path in _of_the_system(letter):
        if _has(path, letter):
            _FOUND.append(path)
            return path
    _tell(unicodedata.name(letter, "UNNAMED").split()[0])
    return None


@cache
def _tell(script: str) -> None:
    """Say once what a script lacks. script: the first word of its letters' names."""
    log.warning("no font here has %s letters: install one that has (Debian: fonts-noto, fonts-noto-cjk)", script)


def _of_the_system(letter: str) -> list[str]:
    match = shutil.which("fc-match")
    if match is None:
        return [path for path in map(_by_name, _WELL_KNOWN) if path]
    query = f"sans:style=Regular:charset={ord(letter):x}"
    ran = subprocess.run([match, "-f", "%{file}", query], capture_output=True, text=True, timeout=20, check=False)
    return [ran.stdout] if Path(ran.stdout).suffix.lower() in (".ttf", ".otf", ".ttc") else []


@cache
def _by_name(name: str) -> str | None:
    try:
        return str(ImageFont.truetype(name, 12).path)
    except OSError:
        return None


def _clean(text: str) -> str:
    """Without what is never drawn: control codes, unpaired surrogates, places without a letter, joiners."""
    kept = (" " if letter.isspace() else letter for letter in text)
    return "".join(letter for letter in kept if unicodedata.category(letter) not in ("Cc", "Cs", "Cn", "Cf"))


@lru_cache(maxsize=4096)
def _runs(text: str, style: Style) -> tuple[tuple[str, str], ...]:
    """The text in pieces, each with the font that has its letters; of letters that no font has, how many they are."""
    pieces: list[tuple[str, str]] = []
    for found, group in groupby(_clean(text), lambda letter: _font_with(letter, style)):
        letters, path = "".join(group), found or _ours(style)
        if found is None:
            letters = f"[{len(letters)} letter{'s' if len(letters) > 1 else ''} without a font]"
        if pieces and pieces[-1][0] == path:
            letters = pieces.pop()[1] + letters
        pieces.append((path, letters))
    return tuple(pieces)


@lru_cache(maxsize=16384)
def measure(text: str, size: int, style: Style = "Regular") -> int:
    """Width of one line in pixels."""
    return round(sum(_font(path, size).getlength(piece) for path, piece in _runs(text, style)))


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    fill: Color,
    style: Style = "Regular",
    align: Literal["left", "middle", "right"] = "left",
) -> None:
    """Set one line. place: the top of its letters' line, and its left edge, middle or right edge as `align` says."""
    x, y = place
    x -= {"left": 0, "middle": measure(text, size, style) / 2, "right": measure(text, size, style)}[align]
    baseline = y + _font(_ours(style), size).getmetrics()[0]
    for path, piece in _runs(text, style):
        font = _font(path, size)
        draw.text((x, baseline), piece, font=font, fill=fill, anchor="ls")
        x += font.getlength(piece)


def wrap(text: str, size: int, width: int, most: int | None = None, style: Style = "Regular") -> list[str]:
    """The text in lines no wider than that many pixels; a word that is wider by itself is broken.

    most: as many lines as are wanted; what is left over is not wrapped, and one line more tells that there was some.
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            for piece in _fitting(word, size, width, style):
                longer = f"{line} {piece}".strip()
                if line and measure(longer, size, style) > width:
                    lines.append(line)
                    line = piece
                else:
                    line = longer
                if most is not None and len(lines) > most:
                    return lines
        lines.append(line)
    return lines


def _fitting(word: str, size: int, width: int, style: Style) -> Iterator[str]:
    while word:
        # No letter is narrower than a fortieth of its size, so more than this never fits.
        longest = min(len(word), max(1, 40 * width // size))
        if measure(word[:longest], size, style) > width:
            fits, too_long = 1, longest
            while too_long - fits > 1:
                middle = (fits + too_long) // 2
                if measure(word[:middle], size, style) > width:
                    too_long = middle
                else:
                    fits = middle
            longest = fits
        yield word[:longest]
        word = word[longest:]


def fitted(text: str, size: int, width: int, most: int, style: Style = "Regular") -> list[str]:
    """At most so many lines of the text, with an ellipsis where something is left out."""
    lines = wrap(text, size, width, most, style)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and measure(last + _ELLIPSIS, size, style) > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + _ELLIPSIS]


def shortened(text: str, size: int, width: int, style: Style = "Regular") -> str:
    """One line of the text."""
    return fitted(text, size, width, 1, style)[0]


def set_lines(
    picture: Image.Image,
    place: tuple[int, int],
    text: str,
    size: int,
    width: int,
    most: int,
    fill: Color = 0,
    style: Style = "Regular",
) -> int:
    """Set wrapped text and return the height it took. What does not fit ends in an ellipsis."""
    lines = fitted(text, size, width, most, style)
    draw = ImageDraw.Draw(picture)
    x, y = place
    step = line_height(size)
    for number, line in enumerate(lines):
        write(draw, (x, y + number * step), line, size, fill, style)
    return len(lines) * step


def line_height(size: int) -> int:
    """From one line of a text to the next, in pixels."""
    return round(size * 1.3)
