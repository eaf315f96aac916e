"""Reading Final Draft's FDX with the standard library's expat.

Nothing outside the file is ever fetched and no entity is ever expanded: a script has no use for either, and an XML bomb
is made of them. Why this and not the library's reader: docs/decisions/0002-screenplay-parser.md.
"""

from pathlib import Path
from xml.parsers import expat

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.script_elements import Draft, Element, Kind, is_shot, read_cue

_KINDS: dict[str, Kind] = {
    "Scene Heading": "heading",
    "Action": "action",
    "Character": "character",
    "Parenthetical": "parenthetical",
    "Dialogue": "dialogue",
    "Transition": "transition",
    "Shot": "shot",
    "Lyrics": "lyric",
    "Singing": "lyric",
    "New Act": "section",
    "End of Act": "section",
    "Outline 1": "section",
    "Outline 2": "section",
    "Outline Body": "synopsis",
}
_BODY = ("FinalDraft", "Content", "Paragraph")
_DUAL = (*_BODY, "DualDialogue", "Paragraph")
_TITLE_PAGE = ("FinalDraft", "TitlePage", "Content", "Paragraph")


def read_fdx(data: bytes, path: Path) -> Draft:
    """Read a Final Draft script. Raises FilmProblem for XML that is broken, dangerous or something else's."""
    return _Reader(path).read(data)


class _Paragraph:
    """A paragraph that is still being read."""

    def __init__(self, attributes: dict[str, str], line: int) -> None:
        self.kind: Kind = _KINDS.get(attributes.get("Type", "Action"), "action")
        self.number = attributes.get("Number") or None
        self.line = line
        self.runs: list[str] = []


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self._read_text
        self._parser.EntityDeclHandler = self._refuse_entity
        self._place: list[str] = []
        self._paragraphs: list[_Paragraph] = []
        self._elements: list[Element] = []
        self._title_lines: list[str] = []
        self._cue: tuple[str, str] = ("", "")
        self._dual = False
        self._dual_cues = 0

    def read(self, data: bytes) -> Draft:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise FilmProblem(
                f"broken FDX: {expat.ErrorString(error.code)}",
                "open it in Final Draft and save it again, or export it as Fountain",
                file=self._path,
                line=error.lineno,
            ) from error
        except (LookupError, ValueError) as error:
            raise FilmProblem(f"broken FDX: {error}", "save it as UTF-8", file=self._path, line=1) from error
        return Draft(_title_page(self._title_lines), tuple(self._elements))

    def _problem(self, problem: str, mend: str) -> FilmProblem:
        return FilmProblem(problem, mend, file=self._path, line=self._parser.CurrentLineNumber)

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise self._problem(f"the file declares an XML entity, {name}, which no script needs", "remove the DOCTYPE")

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._place and tag != "FinalDraft":
            raise self._problem(
                f"this XML is no Final Draft script but <{tag}>", "export the script as FDX or Fountain"
            )
        self._place.append(tag)
        if tag == "Paragraph":
            self._paragraphs.append(_Paragraph(attributes, self._parser.CurrentLineNumber))
        elif tag == "DualDialogue":
            self._dual_cues = 0

    def _read_text(self, text: str) -> None:
        if self._paragraphs and "Text" in self._place[-3:]:
            self._paragraphs[-1].runs.append(text)

    def _close(self, tag: str) -> None:
        place = tuple(self._place)
        self._place.pop()
        if tag != "Paragraph":
            return
        paragraph = self._paragraphs.pop()
        text = " ".join("".join(paragraph.runs).split())
        if place == _TITLE_PAGE:
            self._title_lines.append(text)
        elif place in (_BODY, _DUAL):
            if text or paragraph.kind == "heading":
                self._elements.append(self._element(paragraph, text, is_dual=place == _DUAL))
        elif text and "ScriptNote" in place and place[:2] == _BODY[:2]:
            self._elements.append(Element("note", text, paragraph.line))
        elif text and "Summary" in place and place[:2] == _BODY[:2]:
            self._elements.append(Element("synopsis", text, paragraph.line))

    def _element(self, paragraph: _Paragraph, text: str, is_dual: bool) -> Element:
        kind = paragraph.kind
        if kind == "character":
            name, extension, caret = read_cue(text)
            self._dual_cues += is_dual
            self._cue, self._dual = (name, extension), caret or (is_dual and self._dual_cues > 1)
            return Element(kind, name, paragraph.line, name, extension, self._dual)
        if kind in ("dialogue", "parenthetical", "lyric") and self._cue[0]:
            return Element(kind, text, paragraph.line, *self._cue, self._dual)
        self._cue, self._dual = ("", ""), False
        if kind in ("dialogue", "parenthetical"):
            return Element("action", text, paragraph.line)
        if kind == "heading":
            return Element(kind, text, paragraph.line, number=paragraph.number)
        return Element("shot" if kind == "action" and is_shot(text) else kind, text, paragraph.line)


def _title_page(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Final Draft's title page is lines without keys: the first is the title, the rest is kept as it stands."""
    written = [line for line in lines if line]
    if not written:
        return {}
    return {"Title": (written[0],), **({"Notes": tuple(written[1:])} if written[1:] else {})}
