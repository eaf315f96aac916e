"""The look bible: `look/look.yaml`, and the look of one shot resolved from it.

The shot overrides the scene, the scene overrides the show.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from film_pipeline.core.cdl import Cdl, read_cdl
from film_pipeline.core.files import FilmFile, inside, line_of, load_yaml, read_yaml
from film_pipeline.core.look_operations import OPERATIONS, Color, Operation
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_json
from film_pipeline.core.refusals import field_path
from film_pipeline.core.units import PIXELS_AT_720

Layer = Mapping[str, Any]


class Prompt(FilmFile):
    """Fragments of the prompt of a generating backend."""

    show: str = Field(default="", description="what the whole film is about")
    style: str = Field(default="", description="how it is made: technique, light, print")
    scene: str = Field(default="", description="of this scene")
    shot: str = Field(default="", description="of this shot")
    negative: str = Field(default="", description="what must not be in the picture")


class Lora(FilmFile):
    """A LoRA that carries the look, with the licence that it is used under."""

    name: str = Field(min_length=1, description="its file, as the backend knows it")
    strength: float = Field(default=1.0, ge=-2, le=2, description="how much of it")
    licence: str = Field(min_length=1, description="under which it is used; it goes into the records")
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of its file, where it is known")


class Monochrome(FilmFile):
    """How far colour goes towards a tint, and how much of the practicals' warmth stays.

    Warmth is (red - blue) / red of a pixel in scene-linear Rec.709; it begins to stay at `warm_from`.
    """

    amount: float = Field(default=0.0, ge=0, le=1, description="1 leaves no colour but the tint")
    tint: Color = Field(default=(1.0, 1.0, 1.0), description="what greys go towards")
    keep_warm: float = Field(default=0.0, ge=0, le=1, description="how much of warm colours stays")
    warm_boost: float = Field(default=1.0, ge=0, le=3, description="saturation of what stays warm")
    warm_from: float = Field(default=0.6, ge=0, le=1, description="the warmth at which colour begins to stay")
    warm_to: float = Field(default=0.9, ge=0, le=1, description="the warmth at which all of it stays")

    @field_validator("warm_to")
    @classmethod
    def _after(cls, warm_to: float, info: Any) -> float:
        if warm_to <= info.data.get("warm_from", 0):
            raise ValueError("warm_to is more than warm_from")
        return warm_to


class Grain(FilmFile):
    """Film grain on the finished frame; it moves on every film frame."""

    amount: float = Field(default=0.0, ge=0, le=0.5, description="standard deviation in the mid tones, of full scale 1")
    size: float = Field(default=1.2, ge=0.5, le=8, description="of a grain", json_schema_extra=PIXELS_AT_720)
    seed: int = Field(default=0, description="another number, another grain")


class Vignette(FilmFile):
    """Darkening from the middle outwards."""

    amount: float = Field(default=0.0, ge=0, le=1, description="how much is gone in the corners")
    softness: float = Field(default=0.6, gt=0, le=1, description="1 begins in the middle, near 0 at the corners")
    roundness: float = Field(default=0.5, ge=0, le=1, description="1 is a circle, 0 follows the frame")


class Border(FilmFile):
    """The comic panel's ragged border: paper around the picture and the inked edge of the panel."""

    width: float = Field(
        default=0.0, ge=0, le=0.2, description="of the paper, as a part of the picture's height; 0 is none"
    )
    paper: Color = Field(default=(0.78, 0.77, 0.73), description="colour of the paper")
    ink: Color = Field(default=(0.0, 0.0, 0.0), description="colour of the edge")
    line: float = Field(default=0.006, ge=0, le=0.05, description="width of the inked edge, as a part of the height")
    raggedness: float = Field(default=0.5, ge=0, le=1, description="0 is ruled, 1 is torn")
    corner: float = Field(default=0.02, ge=0, le=0.2, description="radius, as a part of the height")
    overshoot: float = Field(default=0.02, ge=0, le=0.1, description="how far strokes run past the corners")
    seed: int = Field(default=0, description="another number, another edge")


class _Treatment(FilmFile):
    """What show, scene and shot may each say."""

    palette: dict[str, Color] = Field(default_factory=dict, description="name -> colour, to be named elsewhere")
    prompt: Prompt = Field(default=Prompt(), description="what a generating backend is told")
    lora: Lora | None = Field(default=None, description="a LoRA that carries the look")
    exposure_stops: float = Field(default=0.0, ge=-10, le=10, description="brighter, or darker below 0")
    cdl: Cdl = Field(default=Cdl(), description="slope, offset, power, saturation; or `file: grades/show.cc`")
    monochrome: Monochrome = Field(default=Monochrome(), description="how much colour is left")
    grain: Grain = Field(default=Grain(), description="film grain")
    vignette: Vignette = Field(default=Vignette(), description="darkening of the corners")
    border: Border = Field(default=Border(), description="the panel's border")
    vfx: tuple[Operation, ...] = Field(
        default=(),
        description="the comp, in its order. A scene or shot gives a new list, or changes operations by name: "
        "`glow: {amount: 0.5}`, `dust: false`",
    )
    display: Literal["rec709", "srgb"] = Field(default="rec709", description="what the finished picture is encoded for")


class Look(_Treatment):
    """The look of one shot: everything resolved, nothing left to look up."""

    @cached_property
    def sha256(self) -> str:
        return sha256_of_json(self.model_dump(mode="json"))

    @cached_property
    def render_part(self) -> dict[str, Any]:
        """What a generating backend is told."""
        return self.model_dump(mode="json", include={"prompt", "lora"})

    @cached_property
    def vfx_part(self) -> dict[str, Any]:
        """What decides the comp."""
        return self.model_dump(mode="json", include={"vfx"})

    @cached_property
    def color_part(self) -> dict[str, Any]:
        """What decides the finished frame, given the comp."""
        return self.model_dump(
            mode="json", include={"exposure_stops", "cdl", "monochrome", "grain", "vignette", "border", "display"}
        )

    def prompt_text(self) -> str:
        """The positive prompt, fragments in the order shot, scene, show, style."""
        prompt = self.prompt
        return ", ".join(
            part.strip() for part in (prompt.shot, prompt.scene, prompt.show, prompt.style) if part.strip()
        )


class LookFile(FilmFile):
    """`look/look.yaml`: the show's look, and what scenes change of it."""

    palette: dict[str, Any] = Field(default_factory=dict)
    prompt: dict[str, Any] = Field(default_factory=dict)
    lora: dict[str, Any] | None = None
    exposure_stops: float | None = None
    cdl: dict[str, Any] | str | None = None
    monochrome: dict[str, Any] = Field(default_factory=dict)
    grain: dict[str, Any] = Field(default_factory=dict)
    vignette: dict[str, Any] = Field(default_factory=dict)
    border: dict[str, Any] = Field(default_factory=dict)
    vfx: list[dict[str, Any]] = Field(default_factory=list)
    display: str | None = None
    scenes: dict[str, dict[str, Any]] = Field(default_factory=dict, description="SC010 -> what it changes")
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file that this was read from; None for a film without one."""
        return self._source

    @property
    def show(self) -> Layer:
        return self.model_dump(exclude={"scenes"}, exclude_unset=True, exclude_none=True)

    @classmethod
    def published_schema(cls) -> dict[str, Any]:
        """JSON Schema of the file: the show's fields, and the same for each scene."""
        schema = _Treatment.model_json_schema()
        show = schema["properties"]
        grade = {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"]}
        show["cdl"] = {
            "description": show["cdl"]["description"],
            "anyOf": [{"$ref": "#/$defs/Cdl"}, {"type": "string"}, {**grade, "additionalProperties": False}],
        }
        changes = {name: {"anyOf": [{"type": "object"}, {"const": False}]} for name in OPERATIONS}
        by_name = {"type": "object", "properties": changes, "additionalProperties": False}
        vfx = {"description": show["vfx"]["description"], "anyOf": [{**show["vfx"]}, by_name]}
        schema["$defs"]["Scene"] = {
            "type": "object",
            "description": "What a scene changes of the show's look.",
            "properties": {**show, "vfx": vfx},
            "additionalProperties": False,
        }
        scenes = {
            "type": "object",
            "description": "SC010 -> what it changes",
            "additionalProperties": {"$ref": "#/$defs/Scene"},
        }
        return {
            **schema,
            "title": cls.__name__,
            "description": cls.__doc__,
            "properties": {**show, "scenes": scenes},
        }


def read_look(path: Path) -> LookFile:
    """Read the look bible and try every scene's look, so that its mistakes show at once. Raises FilmProblem."""
    look_file = read_yaml(path, LookFile)
    look_file._source = path
    resolve(look_file, "", {})
    for scene_id in look_file.scenes:
        resolve(look_file, scene_id, {})
    return look_file


def resolve(
    look_file: LookFile,
    scene_id: str,
    shot_override: Layer,
    shot_file: Path | None = None,
    shot_line: int | None = None,
) -> Look:
    """The look of a shot. shot_override: what the shot's `look:` says; shot_file and shot_line: where, for errors.

    Raises FilmProblem for an unknown field or a value out of range, at the file and line that says it.
    """
    look_path = look_file.source
    layers = [
        _Spoken(look_file.show, look_path, ()),
        _Spoken(look_file.scenes.get(scene_id, {}), look_path, ("scenes", scene_id)),
        _Spoken(shot_override, shot_file, (), shot_line, in_shot=True),
    ]
    merged: dict[str, Any] = {}
    for layer in layers:
        layer.lay_over(merged, look_path)
    named = _with_palette(merged)
    try:
        return Look.model_validate(named)
    except ValidationError as error:
        raise _problem(error, layers, merged) from error


class _Spoken:
    """One layer of the look, and where it stands."""

    def __init__(
        self, said: Layer, path: Path | None, location: tuple[str, ...], line: int | None = None, in_shot: bool = False
    ) -> None:
        self.said = said
        self.path = path
        self.location = location
        self.line = line
        self.in_shot = in_shot

    def problem(self, problem: str, mend: str, *field: str | int) -> FilmProblem:
        line = self.line
        if not self.in_shot and self.path is not None:
            line = line_of(load_yaml(self.path), (*self.location, *field)) or 1
        where = ("look", *field) if self.in_shot else (*self.location, *field)
        return FilmProblem(problem, mend, file=self.path, line=line, field_name=field_path(where))

    def says(self, field: tuple[str | int, ...]) -> bool:
        """Whether this layer says anything of a field (or, in a stack, of an operation)."""
        node: Any = self.said
        for step in field:
            if not isinstance(node, Mapping) or step not in node:
                return isinstance(node, list)
            node = node[step]
        return True

    def lay_over(self, merged: dict[str, Any], look_path: Path | None) -> None:
        for name, value in self.said.items():
            if name == "vfx":
                merged[name] = self._stack(merged.get(name, []), value)
            elif name == "cdl" and isinstance(value, str | Mapping) and (isinstance(value, str) or "file" in value):
                merged[name] = self._read_grade(value, look_path)
            elif name == "cdl" and isinstance(value, Mapping):
                merged[name] = {**merged.get(name, {}), **value}
            elif isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
                merged[name] = {**merged[name], **value}
            else:
                merged[name] = value

    def _stack(self, below: list[Any], value: Any) -> list[Any]:
        if isinstance(value, list | tuple):
            return [dict(operation) if isinstance(operation, Mapping) else operation for operation in value]
        if not isinstance(value, Mapping):
            raise self.problem("vfx is a list of operations, or changes by name", "write `glow: {amount: 0.5}`", "vfx")
        stack = list(below)
        for name, change in value.items():
            if name not in OPERATIONS:
                raise self.problem(
                    f"there is no operation {name!r}", f"choose among {', '.join(OPERATIONS)}", "vfx", name
                )
            at = [place for place, operation in enumerate(stack) if operation.get("op") == name]
            if change is False or change is None:
                stack = [operation for operation in stack if operation.get("op") != name]
            elif not isinstance(change, Mapping):
                raise self.problem(f"{name} is changed by its fields, or left out by false", "", "vfx", name)
            elif at:
                for place in at:
                    stack[place] = {**stack[place], **change, "op": name}
            else:
                stack.append({**change, "op": name})
        return stack

    def _read_grade(self, value: str | Mapping[str, Any], look_path: Path | None) -> dict[str, Any]:
        if isinstance(value, Mapping):
            if set(value) != {"file"}:
                raise self.problem("a grade is a file or numbers, not both", "keep one of them", "cdl")
            value = str(value["file"])
        name, _, correction_id = value.partition("#")
        folder = look_path.parent if look_path else self.path.parent if self.path else Path()
        try:
            path = inside(folder, name)
        except FilmProblem as problem:
            raise self.problem(problem.problem, problem.mend, "cdl") from problem
        if not path.is_file():
            raise self.problem(
                f"there is no grade {name!r}", f"paths begin in {folder.name}/: write or correct it", "cdl"
            )
        return read_cdl(path, correction_id).model_dump()


def _with_palette(merged: Layer) -> dict[str, Any]:
    """The layers' fields with every colour that is a palette's name replaced by the palette's colour."""
    palette = merged.get("palette", {})
    if not isinstance(palette, Mapping):
        return dict(merged)

    def named(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {
                key: palette[value]
                if key in _COLOR_FIELDS and isinstance(value, str) and value in palette
                else named(value)
                for key, value in node.items()
            }
        return [named(value) for value in node] if isinstance(node, list) else node

    return {name: value if name == "palette" else named(value) for name, value in merged.items()}


_COLOR_FIELDS = {"color", "tint", "paper", "ink"}


def _problem(error: ValidationError, layers: list[_Spoken], merged: Layer) -> FilmProblem:
    found = [problem for detail in error.errors() for problem in _refusals(detail, layers, merged)]
    first, *others = found
    first.others = others
    return first


def _refusals(detail: Any, layers: list[_Spoken], merged: Layer) -> Iterator[FilmProblem]:
    location = tuple(detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    got = detail.get("input")
    mend = f"the file says {got!r}" if isinstance(got, str | int | float | bool) else "see docs/files.md"
    if detail["type"] == "extra_forbidden":
        message, mend = "there is no such field", "remove it or correct its spelling"
    elif detail["type"] == "missing":
        message, mend = "this field is needed", f"add `{location[-1]}:` here"
    elif detail["type"].startswith("union_tag"):
        message, mend = "this is no operation", f"write `op:` with one of {', '.join(OPERATIONS)}"
    field: tuple[str | int, ...] = location
    if location[0] == "vfx" and len(location) > 2 and isinstance(location[1], int):
        # In a stack the second step is a place and the third the operation's name: a layer says one or the other.
        operation = merged["vfx"][location[1]]
        by_name = ("vfx", str(operation.get("op")), *location[3:])
        for layer in reversed(layers):
            if isinstance(layer.said.get("vfx"), Mapping) and layer.says(by_name):
                yield layer.problem(message, mend, *by_name)
                return
        field = ("vfx", location[1], *location[3:])
    for layer in reversed(layers):
        if layer.says(field):
            yield layer.problem(message, mend, *field)
            return
    for layer in reversed(layers):
        if layer.says(field[:1]):
            yield layer.problem(message, mend, *field)
            return
    yield layers[0].problem(message, mend, *field)
