"""The screenplay: scenes with their headings, their people and every paragraph with its line in the author's file.

The file is only ever read.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from film_pipeline.core.fdx import read_fdx
from film_pipeline.core.fountain import read_fountain
from film_pipeline.core.headings import Setting, read_heading
from film_pipeline.core.presence import find_silent, mentions
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.scene_match import KnownScenes, ScenePage, identify
from film_pipeline.core.script_elements import SPOKEN, Draft, Element, Kind

__all__ = ["Element", "Kind", "Scene", "SceneIdentities", "Screenplay", "name_key", "read_screenplay"]

FOUNTAIN_SUFFIXES = (".fountain", ".spmd", ".txt")
FDX_SUFFIX = ".fdx"
_AWAY = re.compile(
    r"(?i)\b(v\.?\s?o\.?|o\.?\s?s\.?|o\.?\s?c\.?|off|voix off"
    r"|on (the )?(phone|radio|tv|screen)|filtered|phone|radio|з\.?к\.?)(?!\w)"
)


def name_key(name: str) -> str:
    """What makes two spellings of a name one person's: case and spacing are left out."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def is_away(extension: str) -> bool:
    """Whether a cue's extension says that the speaker is heard but not seen: V.O., O.S., ON PHONE."""
    return _AWAY.search(extension) is not None


@dataclass(frozen=True)
class Scene:
    """One scene.

    number: as written in the script; id: SC010, and the same in every later version of the script.
    setting is empty, and location the whole heading, where a forced heading names neither inside nor outside.
    present: everybody who is there to be seen, by the name that the script gives them, in order of appearance.
    first_line: of the heading, from 1.
    """

    id: str
    number: str | None
    heading: str
    setting: Setting
    location: str
    time_of_day: str
    elements: tuple[Element, ...]
    first_line: int
    present: tuple[str, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who is heard, seen or not, in order of appearance; spelt as they first are."""
        return _people(element.character for element in self.elements if element.kind in SPOKEN)

    @property
    def dialogue(self) -> tuple[Element, ...]:
        """The speeches: lines and sung lines, without cues and parentheticals."""
        return tuple(element for element in self.elements if element.kind in SPOKEN)

    def text(self) -> str:
        """The scene as people read it: heading, action and speeches, without notes, sections and synopses."""
        written = [self.heading]
        for element in self.elements:
            if element.kind == "character":
                extension = f" ({element.extension})" if element.extension else ""
                written.append(f"\n{element.text}{extension}")
            elif element.kind in ("dialogue", "lyric", "parenthetical"):
                written.append(element.text)
            elif element.kind in _PLAYED:
                written.append(f"\n{element.text}")
        return "\n".join(written)

    @property
    def page(self) -> ScenePage:
        """What the scene is known again by."""
        played = [
            f"{element.character} {element.text}" for element in self.elements if element.kind in _PLAYED | SPOKEN
        ]
        return ScenePage(self.heading, self.number, " ".join(played))


_PLAYED = frozenset({"action", "shot", "centered", "transition"})


@dataclass(frozen=True)
class Screenplay:
    """A script as it was read. sha256: of the file's bytes."""

    title_page: dict[str, tuple[str, ...]]
    scenes: tuple[Scene, ...]
    sha256: str
    sections: tuple[Element, ...] = field(default=())

    @property
    def title(self) -> str:
        """The title page's title; empty where it has none."""
        return next((" ".join(value) for key, value in self.title_page.items() if key.casefold() == "title"), "")

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who speaks or is seen, in order of appearance."""
        return _people(name for scene in self.scenes for name in (*scene.present, *scene.speakers))


class SceneIdentities(KnownScenes):
    """The scenes that a film remembers; `of` gives what to remember once a version of the script has been read."""

    @classmethod
    def of(cls, screenplay: Screenplay, previous: "Screenplay | KnownScenes | None" = None) -> "SceneIdentities":
        """What is known after this version; previous: what was known before it, so that cut scenes keep their names."""
        before = _identities(previous) or KnownScenes()
        after = before.after([scene.page for scene in screenplay.scenes], [scene.id for scene in screenplay.scenes])
        return cls(scenes=after.scenes, gone=after.gone)


def read_screenplay(path: Path, previous: Screenplay | KnownScenes | None = None) -> Screenplay:
    """Read a Fountain or Final Draft script; its scenes keep the ids that they had in `previous`.

    Raises FilmProblem for a file that is missing, no script, broken or without scenes.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FilmProblem(
            "the script is missing", "write it in Fountain, or name it in production.yaml as `script:`", file=path
        ) from error
    suffix = path.suffix.lower()
    if suffix == FDX_SUFFIX:
        draft = read_fdx(data, path)
    elif suffix in FOUNTAIN_SUFFIXES:
        draft = read_fountain(_decode(data, path), path)
    else:
        raise FilmProblem(
            f"a script is a .fountain or an .fdx file, not {suffix or 'a file without a suffix'}",
            "export it as Fountain or as Final Draft's FDX",
            file=path,
        )
    return Screenplay(
        draft.title_page,
        _scenes(draft, path, _identities(previous)),
        hashlib.sha256(data).hexdigest(),
        tuple(element for element in draft.elements if element.kind == "section"),
    )


def _decode(data: bytes, path: Path) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if data.startswith(b"%PDF") or (encoding != "utf-16" and b"\0" in data):
        line = data.count(b"\n", 0, max(data.find(b"\0"), 0)) + 1
        raise FilmProblem(
            "this is no text but a binary file", "export the script as Fountain text", file=path, line=line
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FilmProblem("the script is not UTF-8 text", "save it as UTF-8", file=path, line=line) from error


def _identities(previous: Screenplay | KnownScenes | None) -> KnownScenes | None:
    return SceneIdentities.of(previous) if isinstance(previous, Screenplay) else previous


def _scenes(draft: Draft, path: Path, previous: KnownScenes | None) -> tuple[Scene, ...]:
    """Cut the draft into scenes. What stands before the first heading belongs to the first scene."""
    headings: list[Element] = []
    bodies: list[list[Element]] = []
    preface: list[Element] = []
    omitted = False
    for element in draft.elements:
        if element.kind == "heading":
            omitted = element.text.strip(" .").casefold() in ("omitted", "omit")
            if not omitted:
                headings.append(element)
                bodies.append([])
        elif not omitted:
            (bodies[-1] if bodies else preface).append(element)
    if not headings:
        raise FilmProblem(
            "the script has no scenes",
            "begin each scene with a heading such as INT. STUDY - NIGHT, or force one with a dot: .THE STUDY",
            file=path,
            line=draft.elements[0].line if draft.elements else 1,
        )
    bodies[0] = preface + bodies[0]
    speakers = _people(_speakers(draft.elements))
    people = _people((*speakers, *find_silent(draft.elements, speakers)))
    unnamed = [_scene(heading, body, people) for heading, body in zip(headings, bodies, strict=True)]
    ids = identify([scene.page for scene in unnamed], previous)
    return tuple(_named(scene, name) for scene, name in zip(unnamed, ids, strict=True))


def _scene(heading: Element, body: Sequence[Element], people: Sequence[str]) -> Scene:
    read = read_heading(heading.text)
    return Scene(
        id="",
        number=heading.number,
        heading=heading.text,
        setting=read.setting,
        location=read.location,
        time_of_day=read.time_of_day,
        elements=tuple(body),
        first_line=heading.line,
        present=_present(body, people),
    )


def _named(scene: Scene, scene_id: str) -> Scene:
    return Scene(**{**scene.__dict__, "id": scene_id})


def _present(body: Sequence[Element], people: Sequence[str]) -> tuple[str, ...]:
    """Everybody who speaks on screen or is named in the action."""
    found: list[str] = []
    for element in body:
        if element.kind in SPOKEN and element.character and not is_away(element.extension):
            found.append(element.character)
        elif element.kind in ("action", "shot"):
            found.extend(mentions(element.text, people))
    spelt = {name_key(name): name for name in reversed(people)}
    return tuple(dict.fromkeys(spelt.get(name_key(name), name) for name in found))


def _speakers(elements: Iterable[Element]) -> list[str]:
    return [element.character for element in elements if element.kind in SPOKEN]


def _people(names: Iterable[str]) -> tuple[str, ...]:
    """Every person once, spelt as first met."""
    first: dict[str, str] = {}
    for name in names:
        if name:
            first.setdefault(name_key(name), name)
    return tuple(first.values())
