"""The author's files as pages show them: the screenplay, and every shot at the line that it covers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from film_pipeline.core.cut import Cut
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.screenplay import Element, Scene
from film_pipeline.core.timing import Exposure, Rate
from film_pipeline.departments.edit import film_cut
from film_pipeline.departments.film import Film, FilmShot

_WORD = re.compile(r"[^\W_]{3,}")
_COVERS_ENOUGH = 0.34
"""The share of a paragraph's and an action's words in common from which a shot is taken to cover the paragraph."""


@dataclass(frozen=True)
class ShotPage:
    """One shot of the film as its author wrote it."""

    name: str
    scene: str
    set: str
    size: str
    length: int
    action: str
    dialogue: tuple[tuple[int, str, str], ...]
    cast: tuple[str, ...]
    lens_mm: float
    moves: tuple[str, ...]
    transition: str
    notes: str
    prompt: str
    exposures: tuple[Exposure, ...]
    problem: str
    file: str

    @property
    def first_frame(self) -> int:
        return 1001

    @property
    def last_frame(self) -> int:
        return 1000 + self.length


@dataclass(frozen=True)
class ScenePage:
    """One scene: its paragraphs, and before which of them each shot stands."""

    id: str
    heading: str
    number: str
    line: int
    elements: tuple[Element, ...]
    shots: tuple[ShotPage, ...]
    anchors: tuple[int, ...]
    """For each shot, the place of the paragraph that it covers first."""


@dataclass(frozen=True)
class Reading:
    """The production as its files were at one moment. number: grows with every reading."""

    number: int
    title: str
    rate: Rate
    resolution: tuple[int, int]
    script: str
    scenes: tuple[ScenePage, ...]
    shots: dict[str, ShotPage]
    order: tuple[str, ...]
    places: dict[str, int]
    cut: Cut | None
    problems: tuple[str, ...] = field(default=())

    def shot(self, name: str) -> ShotPage | None:
        return self.shots.get(name)

    def scene_of(self, shot: str) -> ScenePage | None:
        found = self.shots.get(shot)
        return self.scene(found.scene) if found else None

    def scene(self, scene_id: str) -> ScenePage | None:
        return next((scene for scene in self.scenes if scene.id == scene_id), None)

    def around(self, shot: str) -> tuple[str, str]:
        """The shots before and after; empty where there is none."""
        place = self.places[shot]
        before = self.order[place - 1] if place else ""
        after = self.order[place + 1] if place + 1 < len(self.order) else ""
        return before, after


def read_film(film: Film, number: int) -> Reading:
    """Everything that pages show of the author's files. What can't be read is told in `problems`."""
    problems: list[str] = []
    scenes: tuple[ScenePage, ...] = ()
    try:
        shots = film.shots
        scenes = tuple(_scene_page(film, scene, shots) for scene in film.screenplay.scenes)
    except FilmProblem as problem:
        problems.append(str(problem))
    problems += [str(problem) for problem in film.problems]
    by_name = {shot.name: shot for scene in scenes for shot in scene.shots}
    return Reading(
        number=number,
        title=film.production.title,
        rate=film.production.rate,
        resolution=film.production.resolution,
        script=film.production.script,
        scenes=scenes,
        shots=by_name,
        order=tuple(by_name),
        places={name: place for place, name in enumerate(by_name)},
        cut=_cut(film, problems) if by_name else None,
        problems=tuple(problems),
    )


def _cut(film: Film, problems: list[str]) -> Cut | None:
    try:
        return film_cut(film)
    except FilmProblem as problem:
        problems.append(str(problem))
        return None


def _scene_page(film: Film, scene: Scene, shots: dict[str, FilmShot]) -> ScenePage:
    entry = film.scene_files.get(scene.id)
    names = [str(entry[1].name_of(shot)) for shot in entry[1].shots] if entry else []
    pages = tuple(_shot_page(film, shots[name]) for name in names)
    return ScenePage(
        id=scene.id,
        heading=scene.heading,
        number=scene.number or "",
        line=scene.first_line,
        elements=scene.elements,
        shots=pages,
        anchors=anchor(scene.elements, pages),
    )


def _shot_page(film: Film, film_shot: FilmShot) -> ShotPage:
    shot = film_shot.shot
    try:
        exposures, problem = film.exposure_sheet(film_shot).exposures, ""
    except FilmProblem as refused:
        exposures, problem = (), str(refused)
    return ShotPage(
        name=film_shot.name,
        scene=film_shot.scene.scene,
        set=film_shot.scene.set,
        size=shot.size,
        length=shot.length,
        action=shot.action,
        dialogue=tuple((line.frame, line.character, line.text) for line in shot.dialogue),
        cast=tuple(member.character for member in shot.cast),
        lens_mm=shot.camera.lens_mm,
        moves=tuple(f"{move.kind.replace('_', ' ')} {move.amount:g}" for move in shot.camera.moves),
        transition=shot.transition,
        notes=shot.notes,
        prompt=shot.prompt,
        exposures=exposures,
        problem=problem,
        file=film_shot.source.relative_to(film.root).as_posix(),
    )


def anchor(elements: Sequence[Element], shots: Sequence[ShotPage]) -> tuple[int, ...]:
    """The paragraph that each shot covers first: by its lines of dialogue, else by the words of its action.

    Shots stay in their order: none is anchored before the one that precedes it.
    """
    words = [_words(element.text) for element in elements]
    spoken = {
        _plain(element.text): place for place, element in reversed(list(enumerate(elements))) if element.character
    }
    places, last = [], 0
    for shot in shots:
        place = _spoken_at(shot, spoken, elements, last)
        if place is None:
            place = _told_at(_words(shot.action), words, last)
        last = place if place is not None else last
        places.append(last)
    return tuple(places)


def _spoken_at(shot: ShotPage, spoken: dict[str, int], elements: Sequence[Element], last: int) -> int | None:
    for _, _, text in shot.dialogue:
        place = spoken.get(_plain(text))
        if place is None:
            continue
        # A shot stands before the cue of its line, and before what is said in brackets.
        while place > last and elements[place - 1].kind in ("character", "parenthetical"):
            place -= 1
        if place >= last:
            return place
    return None


def _told_at(action: frozenset[str], words: Sequence[frozenset[str]], last: int) -> int | None:
    best, score = None, _COVERS_ENOUGH
    for place in range(last, len(words)):
        common = len(action & words[place])
        reached = common / max(1, min(len(action), len(words[place])))
        if common > 1 and reached > score:
            best, score = place, reached
    return best


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def _plain(text: str) -> str:
    return " ".join(word.casefold() for word in _WORD.findall(text))
