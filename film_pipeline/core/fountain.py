"""Reading Fountain through `screenplay-tools`, with what it gets wrong mended around it.

The library says what every line is. It is handed each line's outline (its markers, brackets and case, in ASCII letters,
with the line's number as the library's tag), so that it reads every alphabet alike and never sees a note, a boneyard or
the title page; the words are taken from the author's own lines. What was measured, and why it is done so:
docs/decisions/0002-screenplay-parser.md.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from screenplay_tools.fountain.parser import Parser
from screenplay_tools.screenplay import ElementType

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.script_elements import Draft, Element, Kind, is_shot, plain, read_cue

_NATIVE_HEADING = re.compile(r"(?i)^(int|ext|est|i/e|e/i|int\.?\s?/\s?ext|ext\.?\s?/\s?int)(\.|\s)\s*\S?")
_SHOUTED_HEADING = re.compile(r"^(INT|EXT|I/E|E/I|INT\.?\s?/\s?EXT|EXT\.?\s?/\s?INT)\.\s*[^a-z]+$")
_SCENE_NUMBER = re.compile(r"\s*#([\w.\-]+)#\s*$")
_TRANSITIONS = re.compile(
    r"(FADE (IN|OUT|UP)|(FADE|CUT|SMASH CUT|DISSOLVE|IRIS|FADE OUT|WIPE) TO (BLACK|WHITE)|(SMASH|JUMP|MATCH|HARD) CUT"
    r"|DISSOLVE|WIPE|IRIS (IN|OUT)|INTERCUT|BLACK ?OUT|CUT)\s*[.:]"
)
_TITLE_ENTRY = re.compile(r"^([^\s:#.@!>=~\[][^:\n]{0,40}?)\s*:\s*(.*)$")
_PAGE_BREAK = re.compile(r"^={3,}$")
_LONGEST_CUE = 64
_LONGEST_OUTLINE = 160
_KEPT = frozenset("!@.>#=~<()^ ")


@dataclass(frozen=True)
class _Line:
    """A line of the script once notes and boneyards are out. emptied: nothing but those stood on it."""

    number: int
    text: str
    emptied: bool = False

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def read_fountain(text: str, path: Path) -> Draft:
    """Read a Fountain script. Raises FilmProblem for a boneyard or a note that is never closed."""
    lines, notes = _without_comments(text.replace("\r\n", "\n").replace("\r", "\n"), path)
    title_page, body = _title_page(lines)
    elements = [*_assemble(body, _classify(body)), *notes]
    return Draft(title_page, tuple(sorted(elements, key=lambda element: element.line)))


def _without_comments(text: str, path: Path) -> tuple[list[_Line], list[Element]]:
    """Take boneyards and notes out, every other character staying on its line; the notes are handed back."""
    kept: list[str] = []
    notes: list[Element] = []
    touched: set[int] = set()
    place, line = 0, 1
    for opening in re.finditer(r"(?<!\\)(/\*|\[\[)", text):
        start = opening.start()
        if start < place:
            continue
        line += text.count("\n", place, start)
        kept.append(text[place:start])
        is_note = opening[0] == "[["
        closed = text.find("]]" if is_note else "*/", start + 2)
        inside = text[start + 2 : closed if closed >= 0 else len(text)]
        _refuse_unclosed(inside, closed >= 0, is_note, line, path)
        if is_note:
            notes.append(Element("note", " ".join(inside.split()), line))
        breaks = inside.count("\n")
        touched.update(range(line, line + breaks + 1))
        kept.append("\n" * breaks)
        line += breaks
        place = closed + 2
    kept.append(text[place:])
    return [
        _Line(number, written, emptied=number in touched and not written.strip())
        for number, written in enumerate("".join(kept).split("\n"), start=1)
    ], notes


def _refuse_unclosed(inside: str, closed: bool, is_note: bool, line: int, path: Path) -> None:
    noun, opener, closer = ("note", "[[", "]]") if is_note else ("boneyard", "/*", "*/")
    if not closed:
        raise FilmProblem(
            f"the {noun} opened here with {opener} is never closed", f"close it with {closer}", file=path, line=line
        )
    # A second opener inside is harmless unless scenes would vanish between the two: then the first was left open.
    before_next = inside.partition(opener)[0] if opener in inside else inside if is_note else ""
    if re.search(r"\n\s*\n", before_next) and any(
        _NATIVE_HEADING.match(written.strip()) and written.strip().isupper() for written in before_next.split("\n")
    ):
        raise FilmProblem(
            f"the {noun} opened here with {opener} runs over whole scenes",
            f"close it with {closer} where it ends",
            file=path,
            line=line,
        )


def _title_page(lines: list[_Line]) -> tuple[dict[str, tuple[str, ...]], list[_Line]]:
    """The entries of the title page, and the lines after it. A value may go on over indented lines."""
    first = next((place for place, line in enumerate(lines) if not line.blank), None)
    if first is None or not _opens_title_page(lines, first):
        return {}, lines
    entries: dict[str, list[str]] = {}
    key = ""
    for place in range(first, len(lines)):
        line = lines[place]
        if line.emptied:
            continue
        entry = None if line.text[:1].isspace() else _TITLE_ENTRY.match(line.text)
        if line.blank or not (entry or line.text[:1].isspace()):
            return {key: tuple(values) for key, values in entries.items()}, lines[place:]
        if entry:
            key = entry[1].strip()
            entries.setdefault(key, [])
        value = plain((entry[2] if entry else line.text).strip())
        if value:
            entries[key].append(value)
    return {key: tuple(values) for key, values in entries.items()}, []


def _opens_title_page(lines: list[_Line], first: int) -> bool:
    text = lines[first].text
    entry = _TITLE_ENTRY.match(text)
    if not entry or _NATIVE_HEADING.match(text) or _TRANSITIONS.fullmatch(text.strip().upper()):
        return False
    goes_on = first + 1 < len(lines) and lines[first + 1].text[:1].isspace() and not lines[first + 1].blank
    return bool(entry[2].strip()) or goes_on


def _classify(lines: list[_Line]) -> dict[int, Kind]:
    """What the library says that every line with words on it is, by line number."""
    parser = Parser()
    parser.mergeActions = parser.mergeDialogue = False
    parser.useTags = True
    parser.add_line("")
    in_speech, blank_before = False, True
    for place, line in enumerate(lines):
        if line.blank:
            if line.emptied and in_speech:
                continue
            # Two spaces on an empty line carry a speech on; more blank than that is a blank line.
            carries_on = in_speech and len(line.text) >= 2
            parser.add_line("  " if carries_on else "")
            in_speech, blank_before = carries_on, True
            continue
        blank_after = place + 1 >= len(lines) or (lines[place + 1].blank and len(lines[place + 1].text) < 2)
        text = line.text.strip()
        last = parser.script.elements[-1].type if parser.script.elements else None
        after_cue = last in (ElementType.CHARACTER, ElementType.PARENTHETICAL)
        outline = _in_speech(text) if in_speech else _outline(text, blank_before, blank_after, after_cue)
        parser.add_line(f"{outline} #{line.number}")
        in_speech = _goes_on_speaking(parser, line.number, outline, in_speech)
        blank_before = False
    parser.finalize()
    return {
        int(element.tags[0]): _KINDS[element.type]
        for element in parser.script.elements
        if element.tags and element.type in _KINDS
    }


def _goes_on_speaking(parser: Parser, number: int, outline: str, in_speech: bool) -> bool:
    """Whether the next line, if it is not blank, belongs to a speech."""
    last = parser.script.elements[-1] if parser.script.elements else None
    if last is not None and str(number) in last.tags:
        return last.type in (ElementType.CHARACTER, ElementType.DIALOGUE, ElementType.PARENTHETICAL)
    # The library holds a cue or a transition back until it has seen the next line; in a speech nothing is held back.
    return in_speech or not outline.endswith("TO:")


def _in_speech(text: str) -> str:
    """A line inside a speech is speech: 'Est. 1892', '.45' and '#1' are no headings or sections here."""
    if text.startswith("!") or _PAGE_BREAK.match(text) or _SHOUTED_HEADING.match(text):
        return _outline(text, blank_before=True, blank_after=True)
    return "(x)" if _is_bracketed(text) else "x"


def _is_bracketed(text: str) -> bool:
    return text[:1] in "(（" and text[-1:] in ")）"


def _outline(text: str, blank_before: bool, blank_after: bool, after_cue: bool = False) -> str:
    """What the library sees of a line outside a speech: its outline in ASCII, or a forced one where it reads it wrong.

    after_cue: a cue or a parenthetical stands before the blank line, after which the library goes on hearing speech.
    """
    marker, rest = text[0], text[1:].strip()
    if marker in "!>#=~.":
        return _ascii(text)
    if marker == "@":
        return _ascii(text) if read_cue(rest)[0] and not blank_after else _ACTION
    native = _NATIVE_HEADING.match(text)
    if native:
        # 'Est arrivé' is French and 'Int' may end a sentence: small letters need the dot, and a blank line before.
        certain = blank_before and (native[2] == "." or native[1].isupper())
        return "INT. x" if certain or _SHOUTED_HEADING.match(text) else _ACTION
    bare = plain(text)
    if blank_before and blank_after and _TRANSITIONS.fullmatch(bare):
        return ">x"
    if blank_before and bare.endswith("TO:") and _is_capital(bare):
        return "XX TO:"
    if _may_be_cue(bare):
        return "X" + _ascii(bare)
    return _ACTION if after_cue or _is_capital(bare) else _ascii(text)


_ACTION = "!x"


def _ascii(text: str) -> str:
    """The line with every letter as X or x and its markers and brackets kept, so that all alphabets are read alike."""
    shortened = text if len(text) <= _LONGEST_OUTLINE else text[:_LONGEST_OUTLINE] + text[-8:]
    outline = "".join(
        letter
        if letter in _KEPT
        else "X"
        if letter.isupper() or letter.istitle() or letter == "ß"
        else "x"
        if letter.isalpha()
        else "0"
        if letter.isalnum()
        else "-"
        for letter in " ".join(shortened.split())
    )
    sections = len(outline) - len(outline.lstrip("#"))
    return outline[:sections] + outline[sections:].replace("#", "-")


def _is_capital(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha() and letter != "ß"]
    return bool(letters) and all(letter.isupper() or letter.istitle() for letter in letters)


def _may_be_cue(text: str) -> bool:
    """Whether the capitals, were they followed by a line, would be somebody's name and not a cry or a shot."""
    name, _, _ = read_cue(text)
    if not _is_capital(name) or len(name) > _LONGEST_CUE or "^" in name:
        return False
    sentence = name.endswith(("!", "?", ":", "…", "...")) or (name.endswith(".") and len(name.split()) > 2)
    return not sentence and not is_shot(name) and not _TRANSITIONS.fullmatch(name)


_KINDS: dict[ElementType, Kind] = {
    ElementType.HEADING: "heading",
    ElementType.ACTION: "action",
    ElementType.CHARACTER: "character",
    ElementType.DIALOGUE: "dialogue",
    ElementType.PARENTHETICAL: "parenthetical",
    ElementType.LYRIC: "lyric",
    ElementType.TRANSITION: "transition",
    ElementType.SECTION: "section",
    ElementType.SYNOPSIS: "synopsis",
}


def _assemble(lines: list[_Line], kinds: dict[int, Kind]) -> list[Element]:
    """Join the lines into paragraphs: the words are the author's, the kinds the library's."""
    elements: list[Element] = []
    speaker, extension, dual = "", "", False
    joins = False
    for line in lines:
        kind = kinds.get(line.number)
        if kind is None:
            # Blank, or a page break; inside a speech an emptied line, or one of two spaces, breaks nothing.
            joins = joins and line.blank and (line.emptied or len(line.text) >= 2) and elements[-1].kind == "dialogue"
            continue
        text = line.text.strip()
        if kind == "character":
            speaker, extension, dual = read_cue(plain(text.removeprefix("@")))
            elements.append(Element("character", speaker, line.number, speaker, extension, dual))
            joins = False
            continue
        in_speech = elements and elements[-1].character and (kind in ("dialogue", "parenthetical"))
        if in_speech:
            element = _spoken(kind, text, line.number, (speaker, extension, dual))
        else:
            element = _unspoken(kind, text, line.number)
        if joins and _same_paragraph(elements[-1], element):
            before = elements[-1]
            elements[-1] = replace(before, text=f"{before.text}\n{element.text}")
        else:
            elements.append(element)
        joins = True
    return [_as_shot(element) for element in elements if element.text or element.kind == "heading"]


def _spoken(kind: Kind, text: str, number: int, cue: tuple[str, str, bool]) -> Element:
    if text.startswith("~"):
        kind, text = "lyric", text[1:].strip()
    elif _is_bracketed(text):
        # The library knows a parenthetical only right after a cue or a line.
        kind = "parenthetical"
    return Element(kind, plain(text), number, *cue)


def _unspoken(kind: Kind, text: str, number: int) -> Element:
    if kind == "heading":
        heading = text[1:].strip() if text.startswith(".") else text
        numbered = _SCENE_NUMBER.search(heading)
        words = heading[: numbered.start()] if numbered else heading
        return Element("heading", plain(words).strip(), number, number=numbered[1] if numbered else None)
    if kind == "action" and text.startswith(">") and text.endswith("<"):
        return Element("centered", plain(text[1:-1].strip()), number)
    if kind == "section":
        text = text.lstrip("#")
    elif _MARKERS.get(kind) == text[:1]:
        text = text[1:]
    return Element(kind, plain(text.strip()), number)


_MARKERS: dict[Kind, str] = {"action": "!", "transition": ">", "lyric": "~", "synopsis": "="}


def _same_paragraph(before: Element, element: Element) -> bool:
    return before.kind == element.kind and element.kind in ("action", "dialogue", "lyric", "centered")


def _as_shot(element: Element) -> Element:
    return replace(element, kind="shot") if element.kind == "action" and is_shot(element.text) else element
