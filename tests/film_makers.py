"""A small film, its puppets, sets and shots, for the tests of the core."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from film_pipeline.core.composition import Composition, compose
from film_pipeline.core.files import read_yaml
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import Character, CharacterFile, read_character
from film_pipeline.core.sets import SetDescription, SetFile, read_set
from film_pipeline.core.shot import SceneFile, Shot
from film_pipeline.core.skeleton import humanoid

SAMPLE = Path(__file__).parents[1] / "productions" / "the-unwritten-page"
FILES = {
    "production.yaml": """\
name: lantern
title: Lantern
fps: 24
resolution: [640, 360]
""",
    "script.fountain": """\
Title: Lantern

INT. ROOM - NIGHT

PIM waits beside the desk.
""",
    "cast/pim/character.yaml": """\
name: Pim
height_m: 1.05
proportions: {head: 0.3, legs: 0.46}
wardrobe:
  - {kind: coat}
props:
  - {kind: lantern, hand: left, glow: 8}
poses:
  crouch: {spine: [30, 0, 0]}
""",
    "sets/room/set.yaml": """\
name: Room
pieces:
  - {name: boards, kind: ground}
  - {name: desk, kind: table, at: [-1, 0.4, 0]}
  - {name: lamp, kind: lamp, at: [-1, 0.4, 0.74], glow: 6}
marks:
  centre: {at: [0, 0, 0]}
  window: {at: [1.5, 0.5, 0], facing: 90}
lights:
  key: {position: [2, -2, 3], target: lamp, intensity: 200}
""",
    "look/look.yaml": """\
exposure_stops: 0.5
""",
    "shots/SC010.yaml": """\
scene: SC010
set: room
light:
  key: {intensity: 150}
shots:
  - id: SH010
    length: 12
    size: medium
    subject: pim
    exposure:
      on: 2
      holds:
        - {frame: 1005, frames: 4}
    cast:
      - character: pim
        at: centre
        facing: lamp
        props: [lantern]
        keys:
          - {frame: 1001, pose: stand}
          - frame: 1011
            pose: point
            joints: {head: [4, 0, 0]}
            face: {blink: 0.5}
            look_at: lamp
    pieces:
      lamp: {glow: {1009: 0}}
    camera:
      lens_mm: 40
      focus: pim
  - id: SH020
    length: 8
    camera: {position: [2, -2, 1], target: lamp}
""",
}


class NamedTextures:
    """Textures by their name alone: what a test composes it does not look at."""

    def png(self, name: str, make: Callable[[], bytes]) -> str:
        return f"textures/{name}.png"


def a_film(root: Path, **changes: tuple[str, str]) -> Path:
    """Write the small film. changes: by file (its slashes and dots as underscores), a text and what stands instead."""
    for name, text in FILES.items():
        old, new = changes.pop(name.replace("/", "_").replace(".", "_"), ("", ""))
        assert old in text, f"{name} does not say {old!r}"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
    assert not changes, f"no file is called {', '.join(changes)}"
    return root


def compose_all(root: Path) -> dict[str, Composition]:
    """Open a film and compose all of it, as the cameras department does. Raises the film's first problem."""
    from film_pipeline.departments.cameras import compose_shot
    from film_pipeline.departments.film import Film

    with Film(root) as film:
        shots = [film.shot(name) for name in film.shots]
        for problem in film.problems:
            raise problem
        for film_shot in shots:
            film.look(film_shot)
        return {film_shot.name: compose_shot(film, film_shot, NamedTextures()) for film_shot in shots}


def compose_files(root: Path) -> dict[str, Composition]:
    """The small film composed by the core alone."""
    scene = read_yaml(root / "shots" / "SC010.yaml", SceneFile)
    set_, production = read_set(root / "sets" / scene.set), read_yaml(root / "production.yaml", Production)
    cast = {"pim": read_character(root / "cast" / "pim")}
    return {
        str(scene.name_of(shot)): compose(
            shot,
            scene,
            set_,
            {member.character: cast[member.character] for member in shot.cast},
            production,
            NamedTextures(),
        )
        for shot in scene.shots
    }


@lru_cache
def sample_puppet(name: str) -> Character:
    return read_character(SAMPLE / "cast" / name)


@lru_cache
def sample_set(name: str) -> SetDescription:
    return read_set(SAMPLE / "sets" / name)


def a_puppet(name: str = "pim", **file: Any) -> Character:
    written = CharacterFile.model_validate({"name": name, **file})
    return Character(name, written, Path(name), humanoid(written.height_m, dict(written.proportions)))


def a_set(**file: Any) -> SetDescription:
    return SetDescription("room", SetFile.model_validate({"name": "Room", **file}), Path("room"))


def a_shot(**fields: Any) -> Shot:
    return Shot.model_validate({"id": "SH010", "length": 12, **fields})


def composed(
    shot: Shot,
    set_: SetDescription | None = None,
    cast: Mapping[str, Character] | None = None,
    light: Mapping[str, Any] | None = None,
    **production: Any,
) -> Composition:
    """A shot composed in a bare room, with a plain puppet for each of its cast, unless told otherwise."""
    scene = SceneFile.model_validate({"scene": "SC010", "set": "room", "shots": [shot], "light": light or {}})
    cast = cast or {member.character: a_puppet(member.character) for member in shot.cast}
    made_by = Production.model_validate({"name": "film", "title": "Film", "resolution": [640, 360], **production})
    return compose(shot, scene, set_ or a_set(), cast, made_by, NamedTextures())
