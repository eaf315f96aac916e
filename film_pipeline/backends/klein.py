"""FLUX.2 Klein as it lies in ComfyUI: which files, how many steps, under which licence."""

from dataclasses import dataclass

from film_pipeline.core.generating import Model, ModelFile
from film_pipeline.core.generators import KleinName, Precision

NON_COMMERCIAL = "FLUX Non-Commercial License"
APACHE = "Apache-2.0"
MOST_REFERENCES = 4
MULTIPLE = 16
"""Sides of a picture are multiples of so many pixels."""


@dataclass(frozen=True)
class Klein:
    """One of Klein's models, ready to be put into a graph.

    Distilled models take 4 steps without guidance and ignore what is not wanted; base models take 20 at cfg 5.
    """

    name: KleinName
    precision: Precision
    diffusion: ModelFile
    text_encoder: ModelFile
    vae: ModelFile
    distilled: bool
    licence: str

    @property
    def steps(self) -> int:
        return 4 if self.distilled else 20

    @property
    def cfg(self) -> float:
        return 1.0 if self.distilled else 5.0

    @property
    def files(self) -> tuple[ModelFile, ...]:
        return (self.diffusion, self.text_encoder, self.vae)

    @property
    def model(self) -> Model:
        """As it is signed and recorded."""
        return Model(f"{self.name} {self.precision}", self.files, self.licence, commercial=self.licence == APACHE)


def _klein(name: KleinName, precision: Precision, diffusion: str, text_encoder: str, licence: str) -> Klein:
    return Klein(
        name,
        precision,
        ModelFile(f"{diffusion}.safetensors", "diffusion_models", licence),
        ModelFile(f"{text_encoder}.safetensors", "text_encoders", APACHE),
        ModelFile("flux2-vae.safetensors", "vae", APACHE),
        distilled=not name.endswith("-base"),
        licence=licence,
    )


_KLEINS = {
    (klein.name, klein.precision): klein
    for klein in (
        _klein("klein-9b", "fp8", "flux-2-klein-9b-fp8", "qwen_3_8b_fp8mixed", NON_COMMERCIAL),
        _klein("klein-9b", "bf16", "flux-2-klein-9b", "qwen_3_8b", NON_COMMERCIAL),
        _klein("klein-9b-base", "fp8", "flux-2-klein-base-9b-fp8", "qwen_3_8b_fp8mixed", NON_COMMERCIAL),
        _klein("klein-9b-base", "bf16", "flux-2-klein-base-9b", "qwen_3_8b", NON_COMMERCIAL),
        _klein("klein-4b", "bf16", "flux-2-klein-4b", "qwen_3_4b", APACHE),
        _klein("klein-4b", "fp8", "flux-2-klein-4b-fp8", "qwen_3_4b", APACHE),
        _klein("klein-4b-base", "bf16", "flux-2-klein-base-4b", "qwen_3_4b", APACHE),
        _klein("klein-4b-base", "fp8", "flux-2-klein-base-4b-fp8", "qwen_3_4b", APACHE),
    )
}
_USUAL: dict[KleinName, Precision] = {
    "klein-9b": "fp8",
    "klein-9b-base": "fp8",
    "klein-4b": "bf16",
    "klein-4b-base": "bf16",
}


def klein(name: KleinName, precision: Precision | None = None) -> Klein:
    """The model of that name, in its usual precision unless another is asked for (bf16 on Apple MPS)."""
    return _KLEINS[name, precision or _USUAL[name]]


def all_kleins() -> tuple[Klein, ...]:
    """Every model in every precision, those first that a film may be sold with."""
    return tuple(sorted(_KLEINS.values(), key=lambda each: (each.licence != APACHE, each.name, each.precision)))
