"""A set as its builder describes it: `sets/<name>/set.yaml`."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from film_pipeline.core.files import FilmFile, line_of, load_yaml, read_yaml
from film_pipeline.core.gltf import Model, read_glb
from film_pipeline.core.model_set import Thing, things_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file, sha256_of_json
from film_pipeline.core.shot import Light, Name, Vector
from film_pipeline.core.units import DEGREES, LINEAR_RGB, METRES

SET_FILE = "set.yaml"
USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")
PieceKind = Literal[
    "floor", "wall", "plank_wall", "ceiling", "beam", "door", "staircase", "desk", "table", "chair", "stool", "window",
    "lamp", "wall_lamp", "bookshelf", "rug", "frame", "papers", "page", "candle", "crate", "post", "ground", "backdrop",
]  # fmt: skip
Surface = Literal["wood", "plaster", "cloth", "paper", "metal", "clay", "plain"]
Side = Annotated[float, Field(gt=0, le=200)]
"""Metres. More is a slip of the pen, such as millimetres."""


class SetPiece(FilmFile):
    """A piece of the set. It stands on `at` (the middle of its foot) and faces -Y before it is turned."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="small letters, digits and underscores; one of a kind")
    kind: PieceKind = Field(description="what is built")
    at: Vector = Field(default=(0.0, 0.0, 0.0), description="where it stands in the set", json_schema_extra=METRES)
    turn_deg: float = Field(default=0.0, description="counter-clockwise, seen from above")
    size: tuple[Side, Side, Side] | None = Field(
        default=None, description="width, depth, height; the piece's usual unless given", json_schema_extra=METRES
    )
    color: Vector | None = Field(
        default=None, description="the piece's usual unless given", json_schema_extra=LINEAR_RGB
    )
    material: Surface | None = Field(
        default=None, description="of a floor, ground, wall, ceiling or backdrop; the usual unless given"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="another number, another piece of the same kind")
    open_deg: float = Field(default=0.0, description="of a door: how far its leaf stands open")
    steps: int = Field(default=12, gt=0, le=200, description="of a staircase")
    glow: float = Field(
        default=0.0, ge=0, description="of a lamp, wall lamp, candle or window: how strongly it shines by itself"
    )
    wild: bool = Field(
        default=False, description="may be taken out when the camera stands behind it, as a wild wall is"
    )


class Mark(FilmFile):
    """A place on the floor that a puppet is put on by name."""

    at: Vector = Field(description="where it lies in the set", json_schema_extra=METRES)
    facing: float = Field(
        default=0.0, description="0 looks along -Y, counter-clockwise, seen from above", json_schema_extra=DEGREES
    )


class SetFile(FilmFile):
    """`set.yaml`."""

    name: str = Field(description="for people; the folder's name is what shots name")
    description: str = Field(default="", description="for people, and for the prompts of generating backends")
    pieces: tuple[SetPiece, ...] = Field(default=(), description="what it is built of")
    marks: dict[str, Mark] = Field(default_factory=dict, description="places by name, for puppets, cameras and lights")
    lights: dict[Name, Light] = Field(default_factory=dict, description="its lights by name")
    ambient: Vector = Field(
        default=(0.004, 0.005, 0.008), description="the dim light from everywhere", json_schema_extra=LINEAR_RGB
    )
    model: str = Field(
        default="", description="a .glb, .usd, .usda, .usdc or .usdz in this folder, beside or instead of the pieces"
    )

    @model_validator(mode="after")
    def _one_name_each(self) -> "SetFile":
        names = [piece.name for piece in self.pieces]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two pieces are named {', '.join(twice)}")
        return self


@dataclass(frozen=True)
class SetDescription:
    """A set, read and ready to be built."""

    name: str
    file: SetFile
    folder: Path

    @cached_property
    def sha256(self) -> str:
        model = self.model_file
        return sha256_of_json(
            {"file": self.file.model_dump(mode="json"), "model": sha256_of_file(model) if model else None}
        )

    @property
    def model_file(self) -> Path | None:
        return self.folder / self.file.model if self.file.model else None

    @cached_property
    def things(self) -> dict[str, Thing]:
        """The things of a .glb by name; none where the model is USD. Raises FilmProblem."""
        return things_of(self._glb, [piece.name for piece in self.file.pieces]) if self._glb else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the model is left out."""
        return self._glb.notes if self._glb else ()

    @cached_property
    def _glb(self) -> Model | None:
        model = self.model_file
        return read_glb(model) if model is not None and model.suffix.lower() == ".glb" else None

    def piece(self, name: str) -> SetPiece | None:
        return next((piece for piece in self.file.pieces if piece.name == name), None)


def read_set(folder: Path) -> SetDescription:
    """Read `sets/<name>`. Raises FilmProblem with the line of what is wrong."""
    path = folder / SET_FILE
    set_ = SetDescription(folder.name, read_yaml(path, SetFile), folder)
    model = set_.model_file
    if model is not None:
        refused = _refusal_of(model)
        if refused is not None:
            problem, mend = refused
            line = line_of(load_yaml(path), ("model",))
            raise FilmProblem(problem, mend, file=path, line=line, field_name="model")
        _ = set_.things  # A .glb is read here, so that what is wrong with it is said before anything is made.
    return set_


def _refusal_of(model: Path) -> tuple[str, str] | None:
    """What is wrong with a set's model and how to mend it; None where nothing is."""
    if not model.is_file():
        return f"the model {model.name!r} is missing", f"put it into {model.parent.name}/"
    if model.suffix.lower() == ".glb":
        return None
    if model.suffix.lower() not in USD_SUFFIXES:
        return f"{model.name!r} is neither a .glb nor USD", "export the set as glTF binary (.glb) or as USD"
    from pxr import Tf, Usd

    try:
        opened = Usd.Stage.Open(str(model))
    except Tf.ErrorException:
        return f"{model.name} is no USD file that can be read", "export it again"
    if not opened.GetDefaultPrim():
        return f"{model.name} has no default prim", "set its default prim and export it again"
    return None
