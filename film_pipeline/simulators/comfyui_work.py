"""What the simulated ComfyUI's nodes do: they carry what a real node would compute from, and no tensors."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from film_pipeline.simulators.pictures import Recipe, made

_GRID = 16
"""Flux latents come in blocks of that many pixels."""
_COUNTED = re.compile(r"^(?P<prefix>.*)_(?P<number>\d+)_\.\w+$")


@dataclass(frozen=True)
class Pixels:
    """An image on a wire: an encoded picture seen at a size, or one that is still to be made."""

    size: tuple[int, int]
    encoded: bytes = b""
    recipe: Recipe | None = None

    def render(self) -> Image.Image:
        if self.recipe is not None:
            return made(self.recipe)
        with Image.open(io.BytesIO(self.encoded)) as picture:
            return ImageOps.fit(picture.convert("RGB"), self.size, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Latent:
    """pixels: what was encoded, or what sampling will make of it, one a picture of the batch; empty for plain noise."""

    size: tuple[int, int]
    batch: int = 1
    pixels: tuple[Pixels, ...] = ()


@dataclass(frozen=True)
class Conditioning:
    texts: tuple[str, ...] = ()
    references: tuple[Latent, ...] = ()


@dataclass(frozen=True)
class Model:
    name: str
    loras: tuple[str, ...] = ()

    def said(self) -> str:
        return "+".join((self.name, *self.loras))


@dataclass(frozen=True)
class Guider:
    model: Model
    positive: Conditioning


@dataclass(frozen=True)
class Desk:
    """Where nodes find and leave files."""

    input_folder: Path
    output_folder: Path
    temp_folder: Path
    on_mps: bool = False


class NodeFailed(Exception):
    """A node that could not do its work. kind: the type of exception that the real one raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


Inputs = Mapping[str, Any]
Work = Callable[[Inputs, Desk], tuple[Any, ...]]


def _load_model(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (Model(_loadable(inputs["unet_name"], desk)),)


def _load_clip(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (_loadable(inputs["clip_name"], desk),)


def _load_checkpoint(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    name = _loadable(inputs["ckpt_name"], desk)
    return Model(name), name, name


def _loadable(name: str, desk: Desk) -> str:
    """Apple's GPUs have no 8-bit floating point: such files can't be loaded there."""
    if desk.on_mps and "fp8" in name:
        raise NodeFailed("TypeError", "Undefined type Float8_e4m3fn")
    return name


def _add_lora(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    model: Model = inputs["model"]
    named = f"{inputs['lora_name']}@{inputs['strength_model']}"
    return replace(model, loras=(*model.loras, named)), inputs.get("clip")


def _load_image(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    try:
        encoded = (desk.input_folder / inputs["image"]).read_bytes()
        with Image.open(io.BytesIO(encoded)) as picture:
            picture.load()
            size = picture.size
    except (OSError, SyntaxError, ValueError) as error:
        raise NodeFailed("PIL.UnidentifiedImageError", f"cannot identify image file {inputs['image']!r}") from error
    return Pixels(size, encoded), None


def _scale(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    image: Pixels = inputs["image"]
    return (replace(image, size=(max(1, inputs["width"]), max(1, inputs["height"]))),)


def _scale_by(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (_scaled(inputs["image"], inputs["scale_by"], 1),)


def _scale_to_pixels(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    image: Pixels = inputs["image"]
    factor = (inputs["megapixels"] * 1024 * 1024 / (image.size[0] * image.size[1])) ** 0.5
    return (_scaled(image, factor, inputs["resolution_steps"]),)


def _scaled(image: Pixels, factor: float, step: int) -> Pixels:
    width, height = (max(step, round(side * factor / step) * step) for side in image.size)
    return replace(image, size=(width, height))


def _encode(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    pixels: Pixels = inputs["pixels"]
    return (Latent(_on_grid(pixels.size), 1, (pixels,)),)


def _empty_latent(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (Latent(_on_grid((inputs["width"], inputs["height"])), inputs["batch_size"]),)


def _on_grid(size: tuple[int, int]) -> tuple[int, int]:
    width, height = (max(_GRID, side // _GRID * _GRID) for side in size)
    return width, height


def _reference(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    conditioning: Conditioning = inputs["conditioning"]
    latent = inputs.get("latent")
    added = () if latent is None else (latent,)
    return (replace(conditioning, references=(*conditioning.references, *added)),)


def _combine(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    one, two = inputs["conditioning_1"], inputs["conditioning_2"]
    return (Conditioning((*one.texts, *two.texts), (*one.references, *two.references)),)


def _guide(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (Guider(inputs["model"], inputs.get("positive") or inputs["conditioning"]),)


def _sample_custom(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    guider: Guider = inputs["guider"]
    latent = _sampled(guider.model, guider.positive, inputs["noise"], inputs["latent_image"])
    return latent, latent


def _sample(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    return (_sampled(inputs["model"], inputs["positive"], inputs["seed"], inputs["latent_image"]),)


def _sampled(model: Model, positive: Conditioning, seed: int, latent: Latent) -> Latent:
    """The picture to come: from the references if there are any, else from what was encoded, else from nothing."""
    guides = positive.references or ((latent,) if latent.pixels else ())
    references = tuple(pixels.encoded for guide in guides for pixels in guide.pixels if pixels.encoded)
    prompt = " ".join(positive.texts)
    pictures = tuple(
        Pixels(latent.size, recipe=Recipe(latent.size, seed + number, prompt, references, model.said()))
        for number in range(latent.batch)
    )
    return replace(latent, pixels=pictures)


def _decode(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    latent: Latent = inputs["samples"]
    if not latent.pixels:
        nothing = Recipe(latent.size, 0, "", ())
        return ((Pixels(latent.size, recipe=nothing),) * latent.batch,)
    return (latent.pixels if latent.batch > 1 else latent.pixels[0],)


def _size_of(inputs: Inputs, desk: Desk) -> tuple[Any, ...]:
    image: Pixels = inputs["image"]
    return (*image.size, 1)


WORK: Mapping[str, Work] = {
    "UNETLoader": _load_model,
    "CLIPLoader": _load_clip,
    "VAELoader": lambda inputs, desk: (inputs["vae_name"],),
    "CheckpointLoaderSimple": _load_checkpoint,
    "LoraLoaderModelOnly": lambda inputs, desk: _add_lora(inputs, desk)[:1],
    "LoraLoader": _add_lora,
    "CLIPTextEncode": lambda inputs, desk: (Conditioning((inputs["text"],)),),
    "ConditioningZeroOut": lambda inputs, desk: (replace(inputs["conditioning"], texts=()),),
    "ConditioningCombine": _combine,
    "ReferenceLatent": _reference,
    "FluxGuidance": lambda inputs, desk: (inputs["conditioning"],),
    "LoadImage": _load_image,
    "LoadImageMask": lambda inputs, desk: (None,),
    "ImageScale": _scale,
    "ImageScaleBy": _scale_by,
    "ImageScaleToTotalPixels": _scale_to_pixels,
    "GetImageSize": _size_of,
    "VAEEncode": _encode,
    "VAEDecode": _decode,
    "EmptyFlux2LatentImage": _empty_latent,
    "EmptyLatentImage": _empty_latent,
    "Flux2Scheduler": lambda inputs, desk: (inputs["steps"],),
    "BasicScheduler": lambda inputs, desk: (inputs["steps"],),
    "KSamplerSelect": lambda inputs, desk: (inputs["sampler_name"],),
    "RandomNoise": lambda inputs, desk: (inputs["noise_seed"],),
    "CFGGuider": _guide,
    "BasicGuider": _guide,
    "SamplerCustomAdvanced": _sample_custom,
    "KSampler": _sample,
    **{
        f"Primitive{kind}": lambda inputs, desk: (inputs["value"],)
        for kind in ("Int", "Float", "String", "StringMultiline", "Boolean")
    },
}
"""By class, except those that write files."""

SAMPLERS: Mapping[str, str] = {"SamplerCustomAdvanced": "sigmas", "KSampler": "steps"}
"""The classes that work step by step, and the input that says how many steps."""
LOADERS = frozenset({"UNETLoader", "CLIPLoader", "VAELoader", "CheckpointLoaderSimple"})


def next_name(folder: Path, prefix: str, taken: dict[Path, int]) -> tuple[str, str]:
    """Where SaveImage writes next: file name and subfolder. taken: the last number of each prefix, as far as known."""
    subfolder, _, name = prefix.rpartition("/")
    place = folder / subfolder
    place.mkdir(parents=True, exist_ok=True)
    key = place / name
    if key not in taken:
        matches = (_COUNTED.match(path.name) for path in place.iterdir())
        taken[key] = max((int(found["number"]) for found in matches if found and found["prefix"] == name), default=0)
    taken[key] += 1
    return f"{name}_{taken[key]:05}_.png", subfolder
