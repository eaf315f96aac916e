"""Edits of a scene's shot file that somebody else than its author proposes: a puppet or the camera put elsewhere.

Nothing is written here. An edit is a new text of the file in which the asked fields are other and nothing else is.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from film_pipeline.core.files import FilmFile, parse_yaml
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.refusals import field_path, refusals_of
from film_pipeline.core.shot import Frame, SceneFile
from film_pipeline.core.yaml_edit import Location, NoSuchPlace, set_field

_FARTHEST_M = 1000.0


def _metres(value: float) -> float:
    if abs(value) > _FARTHEST_M:
        raise ValueError(f"{value} m is out of all reach")
    return round(value, 3)


Metres = Annotated[float, AfterValidator(_metres)]
Place = tuple[Metres, Metres, Metres]
MarkName = Annotated[str, Field(min_length=1, max_length=200)]


class PuppetMoved(FilmFile):
    """A puppet is put somewhere else or turned: from the beginning, or from one of its keys on."""

    kind: Literal["puppet"] = "puppet"
    character: str = Field(description="who")
    key: Frame | None = Field(default=None, description="the frame of the key; None for the cast entry itself")
    at: Place | MarkName | None = Field(default=None, description="metres in the set, or the name of a mark")
    facing: float | None = Field(default=None, description="degrees, 0 looks along -Y, counter-clockwise")

    @model_validator(mode="after")
    def _asks_for_something(self) -> "PuppetMoved":
        if self.at is None and self.facing is None:
            raise ValueError("nothing is asked for: say at or facing")
        return self


class CameraMoved(FilmFile):
    """The camera is put somewhere by hand, aimed at something, or given another lens."""

    kind: Literal["camera"] = "camera"
    position: Place | None = Field(default=None, description="metres in the set")
    target: Place | MarkName | None = Field(default=None, description="metres in the set, or what it looks at")
    lens_mm: Annotated[float, AfterValidator(lambda lens: round(lens, 3))] | None = Field(default=None, gt=4, lt=1000)

    @model_validator(mode="after")
    def _asks_for_something(self) -> "CameraMoved":
        if self.position is None and self.target is None and self.lens_mm is None:
            raise ValueError("nothing is asked for: say position, target or lens_mm")
        return self


Change = Annotated[PuppetMoved | CameraMoved, Field(discriminator="kind")]
_CHANGES: TypeAdapter[list[PuppetMoved | CameraMoved]] = TypeAdapter(list[Change])


def read_changes(asked: Any) -> list[PuppetMoved | CameraMoved]:
    """Changes as a viewer sends them, as JSON values: one, or a list. Raises FilmProblem for what is no change."""
    try:
        return _CHANGES.validate_python(asked if isinstance(asked, list) else [asked])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = field_path(step for step in first["loc"] if step not in ("puppet", "camera"))
        raise FilmProblem(
            f"this is no change of a shot: {where}: {first['msg'].removeprefix('Value error, ')}",
            "send a change as docs/review-app.md shows it",
        ) from error


_Set = tuple[Location, Any, tuple[str, ...]]
"""Where a value is set, the value, and the fields behind which a new one is put."""


def edited(text: str, shot_id: str, changes: Sequence[PuppetMoved | CameraMoved], path: Path) -> str:
    """The text of a shot file with changes made to one of its shots.

    path: of the file, for what problems say. Raises FilmProblem for a change of what the file does not have, and for
    one that can't be made without changing something else too.
    """
    for change in changes:
        document = parse_yaml(text, path)
        expected = _unshared(document)
        for location, value, after in _fields(document, shot_id, change, path):
            try:
                text = set_field(text, location, value, after)
            except NoSuchPlace as error:
                raise _by_hand(str(error), location, path) from error
            _set(expected, location, value)
        if not _says(text, expected, path):
            raise _by_hand(
                "it can't be changed without changing something else, as what an alias shares would be", location, path
            )
    return text


def _says(text: str, expected: Any, path: Path) -> bool:
    try:
        return bool(parse_yaml(text, path) == expected)
    except FilmProblem:
        return False


def _by_hand(problem: str, location: Location, path: Path) -> FilmProblem:
    return FilmProblem(problem, "edit this field by hand", file=path, field_name=field_path(location))


def problems_in(text: str, path: Path) -> list[FilmProblem]:
    """What the models refuse of a shot file's text. Raises FilmProblem for one that is no YAML."""
    document = parse_yaml(text, path)
    try:
        SceneFile.model_validate(document)
    except ValidationError as error:
        return [
            FilmProblem(refusal.problem, refusal.mend, file=path, field_name=field_path(refusal.location))
            for refusal in refusals_of(error, SceneFile, document)
        ]
    return []


def diff_of(before: str, after: str, name: str) -> str:
    """A unified diff of two texts of a file of that name."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _fields(document: Any, shot_id: str, change: PuppetMoved | CameraMoved, path: Path) -> Iterator[_Set]:
    shots = document.get("shots") if isinstance(document, dict) else None
    number = _place_of(shots, "id", shot_id)
    if number is None or not isinstance(shots, list):
        raise FilmProblem(f"the file has no shot {shot_id}", "open the shot anew", file=path)
    where: Location = ("shots", number)
    if isinstance(change, CameraMoved):
        yield from _of_camera(where, shots[number], change)
    else:
        yield from _of_puppet(where, shots[number], change, path)


def _of_camera(where: Location, shot: dict[str, Any], change: CameraMoved) -> Iterator[_Set]:
    said = {
        "lens_mm": change.lens_mm,
        "position": list(change.position) if change.position else None,
        "target": list(change.target) if isinstance(change.target, tuple) else change.target,
    }
    fields = {name: value for name, value in said.items() if value is not None}
    if not shot.get("camera"):
        yield (*where, "camera"), fields, ("cast", "exposure", "subject", "size", "length")
        return
    behind = {"lens_mm": (), "position": ("lens_mm",), "target": ("position", "lens_mm")}
    for name, value in fields.items():
        yield (*where, "camera", name), value, behind[name]


def _of_puppet(where: Location, shot: dict[str, Any], change: PuppetMoved, path: Path) -> Iterator[_Set]:
    cast = shot.get("cast")
    number = _place_of(cast, "character", change.character)
    if number is None or not isinstance(cast, list):
        raise FilmProblem(f"nobody called {change.character!r} is in the shot", "open the shot anew", file=path)
    where = (*where, "cast", number)
    if change.key is not None:
        key = _place_of(cast[number].get("keys"), "frame", change.key)
        if key is None:
            raise FilmProblem(
                f"{change.character} has no key at {change.key}",
                "write the key first, or open the shot anew",
                file=path,
            )
        where = (*where, "keys", key)
    at = list(change.at) if isinstance(change.at, tuple) else change.at
    if at is not None:
        yield (*where, "at"), at, ("pose", "frame", "character")
    if change.facing is not None:
        yield (*where, "facing"), round(change.facing, 1), ("at", "pose", "frame", "character")


def _place_of(entries: Any, field: str, value: object) -> int | None:
    """Which of some entries says that of itself."""
    if not isinstance(entries, list):
        return None
    return next((n for n, entry in enumerate(entries) if isinstance(entry, dict) and entry.get(field) == value), None)


def _unshared(value: Any) -> Any:
    """A copy in which what an alias shared is there as often as it is said, so that one can be other than the rest."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


def _set(document: Any, location: Location, value: Any) -> None:
    for step in location[:-1]:
        document = document[step]
    document[location[-1]] = value
