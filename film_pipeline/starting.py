"""Beginning a production: from the template or a screenplay; and getting its index back."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from film_pipeline.core.breakdown import breakdown_yaml, needed_characters, needed_sets, propose_shots
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.puppet import CHARACTER_FILE
from film_pipeline.core.screenplay import read_screenplay
from film_pipeline.core.sets import SET_FILE
from film_pipeline.core.slate import SCENE_PATTERN
from film_pipeline.departments.film import PRODUCTION_FILE, Film
from film_pipeline.stores.disk import write_atomically
from film_pipeline.stores.rebuild import Rebuilt, rebuild
from film_pipeline.stores.warehouse import publish

_HERE = Path(__file__).resolve().parent
PRODUCTIONS = next(
    (folder for folder in (_HERE.parent / "productions", _HERE / "_productions") if folder.is_dir()), _HERE
)
SAMPLE = PRODUCTIONS / "the-unwritten-page"
TEMPLATE = PRODUCTIONS / "template"
_PROPOSED = "Proposed from the script by `film breakdown`. It is yours now: nothing writes to this file again."


def new_production(folder: Path, script: Path | None) -> Path:
    """Copy the template into a new folder; with a screenplay, also its cast, its sets and a first shot list.

    Raises FilmProblem where the folder is taken, the name can't be one, or the screenplay can't be read; nothing is
    left behind then.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", folder.name):
        raise FilmProblem(
            f"{folder.name!r} is no name for a production", "use small letters, digits and hyphens: my-film"
        )
    if folder.exists():
        raise FilmProblem("there is something here already", "choose another name", file=folder)
    if script is not None:
        read_screenplay(script)
    building = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(building, ignore_errors=True)
    try:
        shutil.copytree(TEMPLATE, building, ignore=shutil.ignore_patterns(".film"))
        _set_fields(building / PRODUCTION_FILE, {"name": folder.name, "title": folder.name.replace("-", " ").title()})
        if script is not None:
            _begin_from(building, script)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _begin_from(root: Path, script: Path) -> None:
    for folder in ("shots", "cast", "sets"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    (root / "script.fountain").unlink()
    shutil.copyfile(script, root / f"script{script.suffix.lower()}")
    _set_fields(root / PRODUCTION_FILE, {"script": f"script{script.suffix.lower()}"})
    with Film(root) as film:
        title = film.screenplay.title
        if title:
            _set_fields(root / PRODUCTION_FILE, {"title": title})
        break_down(film, [])
        film.frames.close()


def break_down(film: Film, scenes: Sequence[str]) -> list[Path]:
    """Propose shots for scenes that have none, with plain puppets and sets for whom and what the film lacks.

    Raises FilmProblem for a scene that the script does not have. A scene that has shots is never touched.
    """
    for scene_id in scenes:
        if not SCENE_PATTERN.fullmatch(scene_id) or film.scene(scene_id) is None:
            known = ", ".join(scene.id for scene in film.screenplay.scenes)
            raise FilmProblem(f"the script has no scene {scene_id!r}", f"its scenes are {known}", file=film.script_file)
    open_scenes = [scene for scene in film.scenes_without_shots() if not scenes or scene.id in scenes]
    characters, sets = needed_characters(film.screenplay), needed_sets(film.screenplay)
    written: list[Path] = []
    ids = {scene.id for scene in open_scenes}
    for place, needed in enumerate(characters):
        if ids & set(needed.scenes):
            written += _write_new(film.root / "cast" / needed.name / CHARACTER_FILE, _plain_puppet(needed.title, place))
    for needed in sets:
        if ids & set(needed.scenes):
            written += _write_new(film.root / "sets" / needed.name / SET_FILE, _plain_set(needed.title, needed.setting))
    for scene in open_scenes:
        proposed = propose_shots(
            scene, [needed.name for needed in characters], [needed.name for needed in sets], film.production.rate
        )
        written += _write_new(film.root / "shots" / f"{scene.id}.yaml", breakdown_yaml(proposed, _PROPOSED))
    return written


def _write_new(path: Path, text: str) -> list[Path]:
    """Write a file that is not there yet; one that is there is the author's."""
    if path.exists():
        return []
    write_atomically(path, text.encode())
    return [path]


def _set_fields(path: Path, fields: dict[str, str]) -> None:
    yaml = YAML()
    document = yaml.load(path.read_text(encoding="utf-8"))
    document.update(fields)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def _plain_puppet(title: str, place: int) -> str:
    """A puppet for whom nobody has designed one yet: each differs in height, build and cloth."""
    heights = (1.72, 1.6, 1.82, 1.55, 1.68, 1.78)
    greys = (0.06, 0.16, 0.1, 0.22, 0.04, 0.3)
    garment = ("coat", "dress", "coat", "coat")[place % 4]
    hair = ("bob", "bun", "top_hat")[place % 3]
    grey = greys[place % len(greys)]
    name = _yaml_text(title)
    return (
        f"# A plain puppet, until somebody designs one.\nname: {name}\nheight_m: {heights[place % len(heights)]}\n"
        f"proportions: {{head: {0.19 + 0.02 * (place % 3):.2f}, girth: {0.8 + 0.15 * (place % 4):.2f}}}\n"
        f"wardrobe:\n"
        f"  - {{kind: {garment}, color: [{grey}, {grey}, {grey * 1.1:.3f}], material: cloth}}\n"
        f"  - {{kind: {hair}, color: [0.06, 0.05, 0.05], material: {'hair' if hair != 'top_hat' else 'cloth'}}}\n"
        f"  - {{kind: trousers, color: [0.05, 0.05, 0.06]}}\n"
        f"  - {{kind: boots, color: [0.03, 0.025, 0.02], material: clay}}\n"
    )


def _yaml_text(text: str) -> str:
    """A text as a YAML scalar that is surely a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain_set(title: str, setting: str) -> str:
    """A set for a place that nobody has built yet: a plain room, or open ground before a backdrop."""
    kind = "outside" if setting.startswith("EXT") else "inside"
    pieces = (_HERE / "plain" / f"{kind}.yaml").read_text(encoding="utf-8")
    return f"# A plain set, until somebody builds one.\nname: {_yaml_text(title)}\n{pieces}"


def reindexed(film: Film) -> Rebuilt:
    """The index rebuilt from the records beside the files, and the lineage published anew."""
    rebuilt = rebuild(film.made, film.frames)
    publish(film.frames, film.warehouse)
    return rebuilt
