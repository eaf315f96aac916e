"""`production.yaml`: what a production is called, how it is shot and who may sign."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.generators import FREE_RENDERERS, BackendName, BackendPlan
from film_pipeline.core.shot import ExposurePlan
from film_pipeline.core.timing import Rate


def _rate(text: object) -> str:
    if not isinstance(text, str | int | float):
        raise ValueError("a frame rate is a number such as 24 or 23.976")
    return Rate.parse(text).label


def _resolution(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 64 or any(side % 2 for side in size):
        raise ValueError("a resolution is two even numbers of at least 64, such as [1280, 720]")
    return size


class Quality(FilmFile):
    """How finely the free renderer works."""

    samples: int = Field(default=8, ge=1, description="of the final frames, per pixel")
    scale: float = Field(default=1.0, gt=0, le=1, description="rendered size over delivered size")
    pass_samples: int = Field(default=1, ge=1, description="of the plate and its passes")
    bounces: int = Field(default=1, ge=0)
    exact_color: bool = Field(
        default=True, description="grade every pixel through OCIO; else through a baked LUT, 4x as fast"
    )


class Approver(FilmFile):
    """A person who may sign, by the public key that their signature is checked against."""

    name: str
    role: str = "director"
    public_key: str = Field(description="Ed25519, base64")


class Production(FilmFile):
    """The production itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    fps: Annotated[str, BeforeValidator(_rate)] = "24"
    resolution: Annotated[tuple[int, int], AfterValidator(_resolution)] = (1920, 1080)
    exposure: ExposurePlan = ExposurePlan()
    handles: int = Field(default=8, ge=0, description="frames of handle in the cut's media references")
    quality: Quality = Quality()
    currency: str = "USD"
    budget: Decimal = Decimal("0")
    author: str = Field(default="", description="whose name goes into the records; the system's user unless given")
    script: str = "script.fountain"
    approvers: tuple[Approver, ...] = ()
    generation: dict[BackendName, BackendPlan] = Field(
        default_factory=dict, description="backends that frames are generated on, by the name that people sign"
    )
    backends: tuple[str, ...] = Field(default=("cycles",), description="in order of preference")
    scene_engines: tuple[str, ...] = Field(default=("blender",), description="in order of preference")
    finishers: tuple[str, ...] = Field(default=("oiio",), description="in order of preference")
    loudness_lufs: float = Field(default=-16.0, le=0, ge=-40)

    @field_validator("backends")
    @classmethod
    def _are_described(cls, backends: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "generation" not in info.data:
            return backends
        known = [*FREE_RENDERERS, *info.data["generation"]]
        for name in backends:
            if name not in known:
                raise ValueError(
                    f"there is no backend {name!r}: choose among {', '.join(known)}, or describe it under generation"
                )
        if len(set(backends)) != len(backends):
            raise ValueError("a backend stands there twice: name each once, in order of preference")
        return backends

    @field_validator("generation")
    @classmethod
    def _renames_no_renderer(cls, generation: dict[str, BackendPlan]) -> dict[str, BackendPlan]:
        for name in FREE_RENDERERS:
            if name in generation:
                raise ValueError(f"{name} is the free renderer: give this backend another name")
        return generation

    @property
    def rate(self) -> Rate:
        return Rate.parse(self.fps)
