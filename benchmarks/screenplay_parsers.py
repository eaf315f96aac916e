"""Measure Fountain parsers on hard scripts: `python benchmarks/screenplay_parsers.py` prints decision 0002's table.

Needs `fountain-parser` beside the project's own dependencies. Each case says what its script holds, as (kind, words) in
order; a parser passes a case when it finds exactly that.
"""

import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import fountain_parser
from screenplay_tools.fdx.parser import Parser as LibraryFdxParser
from screenplay_tools.fountain.parser import Parser as LibraryParser

from film_pipeline.core.fdx import read_fdx
from film_pipeline.core.fountain import read_fountain
from film_pipeline.core.problems import FilmProblem

Found = list[tuple[str, str]]
_NAMES = {
    "heading": "heading",
    "scene_heading": "heading",
    "character": "character",
    "dialogue": "dialogue",
    "parenthetical": "parenthetical",
    "transition": "transition",
    "lyric": "lyric",
    "action": "action",
    "centered": "centered",
}

CASES: dict[str, tuple[str, Found]] = {
    "title page, values over several lines": (
        "Title:\n    One\n    Two\nAuthor: A\n    B\n\nINT. X - DAY\n\nGo.",
        [("heading", "INT. X - DAY"), ("action", "Go.")],
    ),
    "FADE IN: as the first line": (
        "FADE IN:\n\nINT. X - DAY",
        [("transition", "FADE IN:"), ("heading", "INT. X - DAY")],
    ),
    "scene numbers #1A#": ("INT. X - DAY #1A#", [("heading", "INT. X - DAY #1A")]),
    "EXT/INT heading": ("EXT/INT. CAR - DAY", [("heading", "EXT/INT. CAR - DAY")]),
    "dual dialogue": (
        "A ANN\nOne.\n\nBO ^\nTwo.",
        [("character", "A ANN"), ("dialogue", "One."), ("character", "BO ^"), ("dialogue", "Two.")],
    ),
    "(V.O.) (CONT'D)": ("ANN (V.O.) (CONT'D)\nHi.", [("character", "ANN"), ("dialogue", "Hi.")]),
    "note inside a speech": ("ANN\nHi [[secret]] you.", [("character", "ANN"), ("dialogue", "Hi you.")]),
    "note in a cue": ("ANN [[who?]]\nHi.", [("character", "ANN"), ("dialogue", "Hi.")]),
    "note over an empty line of two spaces": ("Go. [[a\n  \nb]] On.", [("action", "Go."), ("action", "On.")]),
    "boneyard inside a speech": ("ANN\nHi.\n/* cut\n\ncut */\nYou.", [("character", "ANN"), ("dialogue", "Hi. You.")]),
    "boneyard in a line of action": ("He /*never*/ goes.", [("action", "He goes.")]),
    "forced heading, cue, action, transition": (
        ".HERE\n\n@McX\nHi.\n\n!GO\n\n> SLAM",
        [("heading", "HERE"), ("character", "McX"), ("dialogue", "Hi."), ("action", "GO"), ("transition", "SLAM")],
    ),
    "Cyrillic cue and forced Japanese heading": (
        ".書斎\n\nОДИЛЬ\nПривет.",
        [("heading", "書斎"), ("character", "ОДИЛЬ"), ("dialogue", "Привет.")],
    ),
    "accented cue": ("ÉLOÏSE\nOui.", [("character", "ÉLOÏSE"), ("dialogue", "Oui.")]),
    "CRLF": (
        "INT. X - DAY\r\n\r\nANN\r\n(low)\r\nHi.\r\n",
        [("heading", "INT. X - DAY"), ("character", "ANN"), ("parenthetical", "low"), ("dialogue", "Hi.")],
    ),
    "page break": ("Go.\n\n===\n\nOn.", [("action", "Go."), ("action", "On.")]),
    "lyrics in a speech": (
        "ANN\n~La la\nAnd so.",
        [("character", "ANN"), ("lyric", "La la"), ("dialogue", "And so.")],
    ),
    "centered": ("> THE END <", [("centered", "THE END")]),
    "speech that looks like headings": (
        "ANN\nEst. 1892.\n.45 it was.",
        [("character", "ANN"), ("dialogue", "Est. 1892. .45 it was.")],
    ),
    "action after a bare parenthetical": (
        "ANN\n(sighs)\n\nShe goes.",
        [("character", "ANN"), ("parenthetical", "sighs"), ("action", "She goes.")],
    ),
    "a cry followed by action": ("BANG!\nNobody moves.", [("action", "BANG! Nobody moves.")]),
    "two parentheticals on end": (
        "ANN\n(low)\n(lower)\nHi.",
        [("character", "ANN"), ("parenthetical", "low"), ("parenthetical", "lower"), ("dialogue", "Hi.")],
    ),
    "emphasis": ("ANN\n*Hi* **you** _all_.", [("character", "ANN"), ("dialogue", "Hi you all.")]),
    "unclosed note": ("ANN\nHi [[secret.\n\nHe goes.", [("refused", "line 2")]),
    "unclosed boneyard": ("INT. X - DAY\n\n/* cut\n\nGo.", [("refused", "line 3")]),
}


def _tidy(text: str) -> str:
    return " ".join(text.split())


def by_screenplay_tools(text: str) -> Found:
    parser = LibraryParser()
    parser.add_text(text)
    found: Found = []
    for element in parser.script.elements:
        kind = _NAMES.get(element.type.value.lower())
        if kind is None:
            continue
        words = element.text
        if kind == "character":
            words = element.name + (" ^" if element.is_dual_dialogue else "")
        if kind == "heading" and element.scene_number:
            words += f" #{element.scene_number}"
        kind = "centered" if getattr(element, "centered", False) else kind
        found.append((kind, _tidy(words)))
    return _joined(found)


def by_fountain_parser(text: str) -> Found:
    found: Found = []
    for element in fountain_parser.parse(text).elements:
        kind = _NAMES.get(element.element_type.value)
        if kind is None:
            continue
        words = getattr(element, "text", "")
        if kind == "character":
            words = element.name + (" ^" if element.is_dual else "")
        if kind == "heading" and element.scene_number:
            words += f" #{element.scene_number}"
        kind = "centered" if getattr(element, "is_centered", False) else kind
        found.append((kind, _tidy(words.strip("()") if kind == "parenthetical" else words)))
    return _joined(found)


def by_film_pipeline(text: str) -> Found:
    try:
        draft = read_fountain(text, Path("script.fountain"))
    except FilmProblem as problem:
        return [("refused", f"line {problem.line}")]
    found: Found = []
    for element in draft.elements:
        kind = _NAMES.get(element.kind)
        if kind is None:
            continue
        words = element.text.strip("()") if kind == "parenthetical" else element.text
        words += " ^" if kind == "character" and element.dual else ""
        words += f" #{element.number}" if element.number else ""
        found.append((kind, _tidy(words)))
    return _joined(found)


def _joined(found: Found) -> Found:
    """Lines of one speech or one paragraph as one, since the parsers cut them differently."""
    joined: Found = []
    for kind, words in found:
        if kind == "dialogue" and joined and joined[-1][0] == kind:
            joined[-1] = (kind, f"{joined[-1][1]} {words}".strip())
        elif words:
            joined.append((kind, words))
    return joined


def _title_of(text: str) -> dict[str, tuple[str, ...]]:
    return read_fountain(text, Path("script.fountain")).title_page


def _speed(parse: Callable[[str], object]) -> float:
    scene = CASES["CRLF"][0].replace("\r\n", "\n") + "\nShe crosses the room and looks at the clock.\n\n"
    script = scene * 1500
    began = time.perf_counter()
    parse(script)
    return script.count("\n") / (time.perf_counter() - began)


def _bomb() -> bytes:
    entities = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 7))
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY b0 "{"x" * 10}">{entities}]>'
        '<FinalDraft><Content><Paragraph Type="Action"><Text>&b6;</Text></Paragraph></Content></FinalDraft>'
    ).encode()


def _bomb_result(parse: Callable[[bytes], object]) -> str:
    try:
        return f"{parse(_bomb())} characters of text made of {len(_bomb())}"
    except FilmProblem as problem:
        return f"refused: {problem.problem}"
    except (ElementTree.ParseError, ValueError) as error:
        return f"error: {error}"


def _library_fdx(data: bytes) -> int:
    return sum(len(element.text) for element in LibraryFdxParser().parse(data.decode()).elements)


def main() -> None:
    parsers = {
        "screenplay-tools": by_screenplay_tools,
        "fountain-parser": by_fountain_parser,
        "film_pipeline": by_film_pipeline,
    }
    print(f"| case | {' | '.join(parsers)} |\n|---|{'---|' * len(parsers)}")
    passed = dict.fromkeys(parsers, 0)
    for case, (script, expected) in CASES.items():
        marks = []
        for name, parse in parsers.items():
            found = parse(script)
            right = found == expected
            passed[name] += right
            marks.append("yes" if right else "no")
            if not right:
                print(f"<!-- {name}: {found} -->")
        print(f"| {case} | {' | '.join(marks)} |")
    print(f"| **of {len(CASES)}** | {' | '.join(str(count) for count in passed.values())} |")
    print(f"| lines a second | {' | '.join(f'{_speed(parse):,.0f}' for parse in parsers.values())} |")
    print("FDX bomb, library:", _bomb_result(_library_fdx))
    print("FDX bomb, ours:", _bomb_result(lambda data: read_fdx(data, Path("script.fdx"))))
    print("title page, ours:", _title_of(CASES["title page, values over several lines"][0]))


if __name__ == "__main__":
    main()
