"""What a page of a screenplay is made of, before it is cut into scenes: the common tongue of the script readers."""

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "heading",
    "action",
    "character",
    "dialogue",
    "parenthetical",
    "transition",
    "lyric",
    "centered",
    "section",
    "synopsis",
    "note",
    "shot",
]
SPOKEN: frozenset[str] = frozenset({"dialogue", "lyric"})
"""The kinds that are heard."""


@dataclass(frozen=True)
class Element:
    """One paragraph of the script, without its markup.

    character: whose cue, line, lyric or parenthetical it is, as the cue writes the name; empty for the other kinds.
    extension: what stands in brackets after the name, such as V.O. or O.S.; (CONT'D) is no extension.
    dual: spoken over the speech before it.
    number: of a heading, as written.
    line: where it begins in the file, from 1.
    """

    kind: Kind
    text: str
    line: int
    character: str = ""
    extension: str = ""
    dual: bool = False
    number: str | None = None


@dataclass(frozen=True)
class Draft:
    """A script as a reader hands it over: the title page's entries and every paragraph in order."""

    title_page: dict[str, tuple[str, ...]] = field(default_factory=dict)
    elements: tuple[Element, ...] = ()


_BRACKETED = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_CONTINUED = re.compile(r"(?i)^(cont['’]?d?\.?|continued|continuing|suite|forts\.?|продолж\.?|続)$")


def read_cue(text: str) -> tuple[str, str, bool]:
    """Read a character's cue: name, extension (empty if none) and whether it is dual dialogue.

    "ODILE (V.O.) (CONT'D) ^" gives ("ODILE", "V.O.", True).
    """
    name = " ".join(text.split())
    dual = name.endswith("^")
    name = name.rstrip("^ ")
    extensions: list[str] = []
    while (bracketed := _BRACKETED.search(name)) and bracketed.start() > 0:
        said = bracketed[1].strip()
        if said and not _CONTINUED.match(said):
            extensions.insert(0, said)
        name = name[: bracketed.start()]
    return name.strip(), ", ".join(extensions), dual


_EMPHASIS = re.compile(r"(?<![\\*])(\*{1,3})(?=[^\s*])(.{1,1000}?)(?<=[^\s\\*])\1(?!\*)")
_UNDERLINE = re.compile(r"(?<![\\\w])_(?=\S)(.{1,1000}?)(?<=[^\s\\])_(?!\w)")
_ESCAPED = re.compile(r"\\([*_\[\\#@!>~.=/])")


def plain(text: str) -> str:
    """Text without Fountain's emphasis: `*italic*`, `**bold**`, `_underlined_`, and without its escapes."""
    if "*" in text:
        text = _EMPHASIS.sub(r"\2", text)
        text = _EMPHASIS.sub(r"\2", text)
    if "_" in text:
        text = _UNDERLINE.sub(r"\1", text)
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


_SHOT_WORDS = re.compile(
    r"(EXTREME |MEDIUM |TIGHT )?(CLOSE[- ]?UP|CLOSER?|WIDER?( SHOT)?|WIDE|ANGLE|NEW ANGLE|REVERSE( ANGLE)?|INSERT"
    r"|CUTAWAY|TWO[- ]SHOT|OVERHEAD|P\.?O\.?V\.?|[\w'’. ]+['’]S? P\.?O\.?V\.?|BACK TO( SCENE)?|TRACKING( SHOT)?"
    r"|ECU|CU|MCU)"
    r"(\s*([-–—:]|ON\b|OF\b|OVER\b|FROM\b).*|\s*)"
)


def is_shot(text: str) -> bool:
    """Whether a line of action is a call for a shot: CLOSE ON THE PAGE, INSERT - LETTER, WIDE."""
    return text == text.upper() and _SHOT_WORDS.fullmatch(text.strip()) is not None
