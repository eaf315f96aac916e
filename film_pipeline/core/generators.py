"""The `generation:` block of production.yaml: where frames may be generated, with what, and on which terms."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from film_pipeline.core.files import FilmFile

Purpose = Literal["frame", "hero", "look pass"]
KleinName = Literal["klein-9b", "klein-9b-base", "klein-4b", "klein-4b-base"]
Precision = Literal["fp8", "bf16"]
BackendName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Price = Annotated[Decimal, Field(ge=0, le=10_000)]
SERVERLESS_USD_PER_SECOND: dict[str, Decimal] = {
    "L4": Decimal("0.00019"),
    "A5000": Decimal("0.00019"),
    "4090": Decimal("0.00031"),
    "A6000": Decimal("0.00034"),
    "L40S": Decimal("0.00053"),
    "A100": Decimal("0.00076"),
    "H100": Decimal("0.00116"),
}
"""RunPod's flex workers, August 2026."""
_ALL: tuple[Purpose, ...] = ("frame", "hero", "look pass")


class _Plan(FilmFile):
    """What every backend says."""

    purposes: tuple[Purpose, ...] = Field(default=_ALL, min_length=1, description="what it may be used for")
    seconds_per_frame: Decimal | None = Field(
        default=None, gt=0, description="the author's own figure for quotes, until frames were measured"
    )


class LocalKleinPlan(_Plan):
    """FLUX.2 Klein in a ComfyUI that somebody runs: this machine's, or one in the house."""

    kind: Literal["local-klein"] = Field(description="a ComfyUI that somebody runs")
    model: KleinName = Field(default="klein-4b", description="Klein 9B may not be used commercially, 4B may")
    precision: Precision | None = Field(default=None, description="bf16 on Apple MPS; else the model's usual files")
    url_env: VariableName = Field(default="COMFYUI_URL", description="the variable that holds the server's address")
    token_env: VariableName = Field(default="COMFYUI_TOKEN", description="the variable with its bearer token, if any")
    queue_depth: int = Field(default=2, ge=1, le=100, description="frames that may wait on the server at once")


class NetworkVolume(FilmFile):
    """A RunPod network volume with the model files."""

    id: str = Field(pattern=r"^[A-Za-z0-9]+$", description="at RunPod")
    path: str = Field(default="/workspace", pattern=r"^/", description="where it is mounted in the pod")


class PodsPlan(_Plan):
    """FLUX.2 Klein in ComfyUI on rented RunPod GPU pods."""

    kind: Literal["runpod-pods"] = Field(description="GPU pods that are rented and ended by the film")
    model: KleinName = Field(default="klein-9b", description="Klein 9B may not be used commercially, 4B may")
    precision: Precision | None = Field(
        default=None, description="of the model files; the model's usual ones unless given"
    )
    image: str = Field(min_length=1, description="container image with ComfyUI and a Python 3")
    start: str = Field(
        min_length=1,
        description="command that starts ComfyUI; {port} is the port on 127.0.0.1 that it must listen on",
    )
    gpus: tuple[str, ...] = Field(min_length=1, description="RunPod's GPU types, the preferred one first")
    cloud: Literal["SECURE", "COMMUNITY"] = Field(default="SECURE", description="whose machines")
    disk_gb: int = Field(default=40, ge=5, le=2000, description="of the container, in gigabytes")
    volume: NetworkVolume | None = Field(default=None, description="where the model files lie, if not in the image")
    data_centers: tuple[str, ...] = Field(default=(), description="ids; anywhere unless given")
    registry: str = Field(default="", description="id of the container registry's credential at RunPod")
    max_workers: int = Field(default=1, ge=1, le=50, description="pods at once")
    queue_depth: int = Field(default=2, ge=1, le=20, description="frames in hand on one pod, so that it never waits")
    max_usd_per_hour: Price | None = Field(default=None, description="a pod that costs more is not taken")
    boot_s: Decimal | None = Field(default=None, gt=0, description="how long a pod boots, for quotes, as far as known")
    boot_timeout_s: int = Field(default=900, ge=30, le=3600, description="a pod not ready by then is ended")
    idle_s: int = Field(default=120, ge=0, le=1800, description="a pod without work is ended after so long")
    silent_s: int = Field(default=300, ge=60, le=1800, description="a pod that hears nothing for so long ends itself")

    @model_validator(mode="after")
    def _names_its_port(self) -> Self:
        if "{port}" not in self.start:
            raise ValueError("`start` must say {port}, so that ComfyUI listens where only our guard reaches it")
        return self


class EndpointModel(FilmFile):
    """A model that an endpoint offers and that we know by its name only."""

    name: str = Field(min_length=1, description="as it is signed for")
    licence: str = Field(min_length=1, description="under which its pictures may be used")
    commercial: bool = Field(description="whether its licence lets the film be sold")


class EndpointFields(FilmFile):
    """How a prompt-and-references endpoint calls what it is given. An empty name leaves the thing out."""

    prompt: str = Field(default="prompt", min_length=1, description="the prompt")
    negative: str = Field(default="", description="the negative prompt")
    images: str = Field(default="images", description="a list of pictures")
    image: str = Field(default="", description="a single picture, for endpoints that take one only")
    seed: str = Field(default="seed", description="the seed")
    size: str = Field(default="", description="written as 1280*720")
    width: str = Field(default="", description="the width alone")
    height: str = Field(default="", description="the height alone")


class ServerlessPlan(_Plan):
    """A RunPod serverless endpoint."""

    kind: Literal["runpod-serverless"] = Field(description="an endpoint at RunPod")
    endpoint: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="its id")
    worker: Literal["worker-comfyui", "prompt-and-references"] = Field(
        default="worker-comfyui", description="whether it takes our graph, or a prompt with references"
    )
    model: KleinName | EndpointModel = Field(description="what it makes pictures with")
    precision: Precision | None = Field(
        default=None, description="of the model files; the model's usual ones unless given"
    )
    usd_per_second: Price | None = Field(default=None, description="of a worker, start and idle included")
    usd_per_image: Price | None = Field(default=None, description="of an endpoint that is paid by the picture")
    gpu: str = Field(default="", description="of its workers: the price a second that is known of it, if none is given")
    max_workers: int = Field(default=3, ge=1, le=500, description="frames that it may work on at once")
    execution_timeout_s: int = Field(default=600, ge=6, le=86_400, description="a frame not done by then is stopped")
    ttl_s: int = Field(default=3600, ge=60, le=604_800, description="after that RunPod forgets the job, done or not")
    max_references: int = Field(default=4, ge=0, le=4, description="pictures that it takes as guides")
    reference_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="where references are published as {sha256}.png; else they are sent along",
    )
    fields: EndpointFields = Field(default=EndpointFields(), description="how it calls what it is given")
    extra: dict[str, Any] = Field(default_factory=dict, description="what else the endpoint is told, word for word")
    seed_bits: int = Field(default=31, ge=8, le=63, description="seeds are cut to so many bits")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.usd_per_second is not None and self.usd_per_image is not None:
            raise ValueError("an endpoint is paid by the second or by the image: give one price")
        if self.worker == "worker-comfyui" and isinstance(self.model, EndpointModel):
            raise ValueError("worker-comfyui is sent our graph: choose among klein-9b, klein-4b and their -base models")
        if self.worker == "worker-comfyui" and self.usd_per_image is not None:
            raise ValueError("worker-comfyui is paid by the second: say usd_per_second")
        if self.worker == "worker-comfyui" and self.reference_url:
            raise ValueError("worker-comfyui takes its references in the order itself: leave reference_url out")
        if self.gpu and self.gpu not in SERVERLESS_USD_PER_SECOND:
            raise ValueError(
                f"no price is known of a {self.gpu}: {', '.join(SERVERLESS_USD_PER_SECOND)}, or usd_per_second"
            )
        if self.ttl_s <= self.execution_timeout_s:
            raise ValueError("ttl_s must be longer than execution_timeout_s, or paid frames are forgotten")
        return self

    @property
    def price_per_second(self) -> Decimal | None:
        """As given, else as known of the GPU; None where neither is."""
        if self.usd_per_second is not None or self.usd_per_image is not None:
            return self.usd_per_second
        return SERVERLESS_USD_PER_SECOND.get(self.gpu)


BackendPlan = Annotated[LocalKleinPlan | PodsPlan | ServerlessPlan, Field(discriminator="kind")]
FREE_RENDERERS = ("cycles",)
"""Backends that need no plan."""
