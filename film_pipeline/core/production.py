"""`production.yaml`: what a production is called, how it is shot and who may sign."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.generators import FREE_RENDERERS, BackendName, BackendPlan
from film_pipeline.core.shot import ExposurePlan
from film_pipeline.core.timing import Rate
from film_pipeline.core.units import FRAMES, FRAMES_A_SECOND, PIXELS


def _rate(text: object) -> str:
    if not isinstance(text, str | int | float):
        raise ValueError("a frame rate is a number such as 24 or 23.976")
    return Rate.parse(text).label


def _resolution(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 64 or max(size) > 16384 or any(side % 2 for side in size):
        raise ValueError("a resolution is two even numbers from 64 to 16384, such as [1280, 720]")
    return size


class Quality(FilmFile):
    """How finely the free renderer works."""

    samples: int = Field(default=8, ge=1, description="of the final frames, per pixel")
    scale: float = Field(default=1.0, gt=0, le=1, description="rendered size over delivered size")
    pass_samples: int = Field(default=1, ge=1, description="of the plate and its passes")
    bounces: int = Field(default=1, ge=0, description="of light, of the final frames")
    exact_color: bool = Field(
        default=True, description="grade every pixel through OCIO; else through a baked LUT, 4x as fast"
    )


class Approver(FilmFile):
    """A person who may sign, by the public key that their signature is checked against."""

    name: str = Field(description="as it stands in the records")
    role: str = Field(default="director", description="what they sign as")
    public_key: str = Field(description="Ed25519, base64")


class Production(FilmFile):
    """The production itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="small letters, digits and hyphens")
    title: str = Field(description="as the audience reads it")
    fps: Annotated[str, BeforeValidator(_rate, json_schema_input_type=str | float)] = Field(
        default="24",
        description="23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, or a fraction such as 24000/1001",
        json_schema_extra=FRAMES_A_SECOND,
    )
    resolution: Annotated[tuple[int, int], AfterValidator(_resolution)] = Field(
        default=(1920, 1080), description="width and height of the delivered picture", json_schema_extra=PIXELS
    )
    exposure: ExposurePlan = Field(default=ExposurePlan(), description="of every shot that has none of its own")
    handles: int = Field(
        default=8,
        ge=0,
        le=1000,
        description="at each end of a shot, beyond what the cut plays",
        json_schema_extra=FRAMES,
    )
    quality: Quality = Field(default=Quality(), description="of what is rendered here")
    currency: str = Field(default="USD", description="of the budget")
    budget: Decimal = Field(
        default=Decimal("0"), ge=0, description="what all paid generation together may cost; 0 lets nothing be paid for"
    )
    author: str = Field(default="", description="whose name goes into the records; the system's user unless given")
    script: str = Field(default="script.fountain", description="the screenplay, .fountain or .fdx, in this folder")
    approvers: tuple[Approver, ...] = Field(default=(), description="who may sign for money")
    generation: dict[BackendName, BackendPlan] = Field(
        default_factory=dict, description="backends that frames are generated on, by the name that people sign"
    )
    backends: tuple[str, ...] = Field(
        default=("cycles",), min_length=1, description="what generates frames, in order of preference"
    )
    scene_engines: tuple[str, ...] = Field(
        default=("blender",), min_length=1, description="what shoots the composed stage, in order of preference"
    )
    finishers: tuple[str, ...] = Field(
        default=("oiio",), min_length=1, description="what finishes frames, in order of preference"
    )
    loudness_lufs: float = Field(default=-16.0, le=0, ge=-40, description="integrated loudness of the masters")

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
