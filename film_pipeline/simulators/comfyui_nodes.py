"""The nodes that the simulated ComfyUI knows: the core ones that a FLUX.2 Klein graph is made of, and their neighbours.

Written as `/object_info` tells them. Older nodes list a choice's options in place of its type; those written for the
newer schema say COMBO and put the options into the settings. Both kinds stand in one real server, so both do here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

COMBO = "COMBO"
INPUT_FOLDER = "input"
LARGEST_SEED = 2**64 - 1
_LARGEST_SIDE = 16384
_SAMPLERS = (
    "euler", "euler_cfg_pp", "euler_ancestral", "heun", "dpm_2", "lms", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde",
    "ddim", "uni_pc", "lcm", "res_multistep", "er_sde",
)  # fmt: skip
_SCHEDULERS = ("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic")
_SCALING = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_CLIP_KINDS = (
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos", "lumina2", "wan",
    "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image", "flux2", "ovis",
)  # fmt: skip


class Files(Protocol):
    """The files of a server."""

    def listed(self, folder: str) -> list[str]:
        """The names in a model folder, or in the input folder."""

    def has_input(self, name: str) -> bool:
        """Whether the input folder has such a file."""


@dataclass(frozen=True)
class Input:
    """One input of a node. folder: where its options are files of a model folder, or of the input folder."""

    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    folder: str = ""

    def choices(self, files: Files) -> list[str]:
        return [*(files.listed(self.folder) if self.folder else []), *self.options]


@dataclass(frozen=True)
class NodeClass:
    """One class of nodes. modern: written for the newer schema. outputs: name and type of each."""

    name: str
    required: Mapping[str, Input]
    outputs: tuple[tuple[str, str], ...] = ()
    optional: Mapping[str, Input] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    modern: bool = False
    is_output: bool = False
    category: str = "_for_testing"
    display_name: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(kind for _, kind in self.outputs)

    def input(self, name: str) -> Input | None:
        return self.required.get(name) or self.optional.get(name)

    def config(self, given: Input, files: Files) -> tuple[Any, dict[str, Any]]:
        """How the server writes an input's type: (type or list of options, settings)."""
        if given.type != COMBO:
            return given.type, dict(given.settings)
        if self.modern:
            return COMBO, {**given.settings, "multiselect": False, "options": given.choices(files)}
        return given.choices(files), dict(given.settings)

    def info(self, files: Files) -> dict[str, Any]:
        """The class as `/object_info` tells it."""
        groups = {"required": self.required, "optional": self.optional}
        inputs: dict[str, Any] = {
            group: {name: list(self.config(given, files)) for name, given in named.items()}
            for group, named in groups.items()
            if named or group == "required"
        }
        if self.hidden:
            inputs["hidden"] = dict(self.hidden)
        return {
            "input": inputs,
            "input_order": {group: list(named) for group, named in inputs.items()},
            "is_input_list": False,
            "output": list(self.types),
            "output_is_list": [False] * len(self.outputs),
            "output_name": [name for name, _ in self.outputs],
            "name": self.name,
            "display_name": self.display_name or self.name,
            "description": "",
            "python_module": "comfy_extras" if self.modern else "nodes",
            "category": self.category,
            "output_node": self.is_output,
            "has_intermediate_output": False,
            "search_aliases": [],
        }


def _link(*kinds: str) -> dict[str, Input]:
    """Inputs that are named like their type in small letters."""
    return {kind.lower(): Input(kind) for kind in kinds}


def _choice(*options: str) -> Input:
    return Input(COMBO, {}, options)


def _file(folder: str, *more: str) -> Input:
    return Input(COMBO, {}, more, folder)


def _whole(default: int, least: int, most: int, step: int = 1) -> Input:
    return Input("INT", {"default": default, "min": least, "max": most, "step": step})


def _number(default: float, least: float, most: float, step: float = 0.01) -> Input:
    return Input("FLOAT", {"default": default, "min": least, "max": most, "step": step})


def _side(default: int = 1024, least: int = 16, step: int = 16) -> Input:
    return _whole(default, least, _LARGEST_SIDE, step)


def _one(kind: str) -> tuple[tuple[str, str], ...]:
    return ((kind, kind),)


_SEED = Input("INT", {"default": 0, "min": 0, "max": LARGEST_SEED, "control_after_generate": True})
_TEXT = Input("STRING", {"multiline": True, "dynamicPrompts": True})
_PICTURE = Input(COMBO, {"image_upload": True}, (), INPUT_FOLDER)
_SAVED = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_BATCH = _whole(1, 1, 4096)
_DENOISE = _number(1.0, 0.0, 1.0)
_STEPS = _whole(20, 1, 10000)
_CFG = _number(8.0, 0.0, 100.0, 0.1)
_STRENGTH = _number(1.0, -100.0, 100.0)

_LOADERS = (
    NodeClass(
        "UNETLoader",
        {
            "unet_name": _file("diffusion_models"),
            "weight_dtype": _choice("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"),
        },
        _one("MODEL"),
        category="advanced/loaders",
        display_name="Load Diffusion Model",
    ),
    NodeClass(
        "LoraLoaderModelOnly",
        {**_link("MODEL"), "lora_name": _file("loras"), "strength_model": _STRENGTH},
        _one("MODEL"),
        category="loaders",
    ),
    NodeClass(
        "LoraLoader",
        {
            **_link("MODEL", "CLIP"),
            "lora_name": _file("loras"),
            "strength_model": _STRENGTH,
            "strength_clip": _STRENGTH,
        },
        (("MODEL", "MODEL"), ("CLIP", "CLIP")),
        category="loaders",
    ),
    NodeClass(
        "CLIPLoader",
        {"clip_name": _file("text_encoders"), "type": _choice(*_CLIP_KINDS)},
        _one("CLIP"),
        optional={"device": Input(COMBO, {"advanced": True}, ("default", "cpu"))},
        category="advanced/loaders",
    ),
    NodeClass("VAELoader", {"vae_name": _file("vae", "pixel_space")}, _one("VAE"), category="loaders"),
    NodeClass(
        "CheckpointLoaderSimple",
        {"ckpt_name": _file("checkpoints")},
        (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")),
        category="loaders",
    ),
)
_CONDITIONING = (
    NodeClass("CLIPTextEncode", {"text": _TEXT, "clip": Input("CLIP")}, _one("CONDITIONING"), category="conditioning"),
    NodeClass("ConditioningZeroOut", _link("CONDITIONING"), _one("CONDITIONING"), category="advanced/conditioning"),
    NodeClass(
        "ConditioningCombine",
        {"conditioning_1": Input("CONDITIONING"), "conditioning_2": Input("CONDITIONING")},
        _one("CONDITIONING"),
        category="conditioning",
    ),
    NodeClass(
        "ReferenceLatent",
        _link("CONDITIONING"),
        _one("CONDITIONING"),
        optional=_link("LATENT"),
        modern=True,
        category="advanced/conditioning/edit_models",
    ),
    NodeClass(
        "FluxGuidance",
        {**_link("CONDITIONING"), "guidance": _number(3.5, 0.0, 100.0, 0.1)},
        _one("CONDITIONING"),
        modern=True,
        category="advanced/conditioning/flux",
    ),
)
_IMAGES = (
    NodeClass("LoadImage", {"image": _PICTURE}, (("IMAGE", "IMAGE"), ("MASK", "MASK")), category="image"),
    NodeClass(
        "LoadImageMask",
        {"image": _PICTURE, "channel": _choice("alpha", "red", "green", "blue")},
        _one("MASK"),
        category="mask",
    ),
    NodeClass(
        "ImageScale",
        {
            **_link("IMAGE"),
            "upscale_method": _choice(*_SCALING),
            "width": _side(512, 0, 1),
            "height": _side(512, 0, 1),
            "crop": _choice("disabled", "center"),
        },
        _one("IMAGE"),
        category="image/upscaling",
    ),
    NodeClass(
        "ImageScaleBy",
        {**_link("IMAGE"), "upscale_method": _choice(*_SCALING), "scale_by": _number(1.0, 0.01, 8.0)},
        _one("IMAGE"),
        category="image/upscaling",
    ),
    NodeClass(
        "ImageScaleToTotalPixels",
        {
            **_link("IMAGE"),
            "upscale_method": _choice(*_SCALING),
            "megapixels": _number(1.0, 0.01, 16.0),
            "resolution_steps": _whole(1, 1, 256),
        },
        _one("IMAGE"),
        modern=True,
        category="image/upscaling",
    ),
    NodeClass(
        "GetImageSize",
        _link("IMAGE"),
        (("width", "INT"), ("height", "INT"), ("batch_size", "INT")),
        hidden={"unique_id": "UNIQUE_ID"},
        modern=True,
        category="image",
    ),
    NodeClass("VAEEncode", {"pixels": Input("IMAGE"), "vae": Input("VAE")}, _one("LATENT"), category="latent"),
    NodeClass("VAEDecode", {"samples": Input("LATENT"), "vae": Input("VAE")}, _one("IMAGE"), category="latent"),
    NodeClass(
        "SaveImage",
        {"images": Input("IMAGE"), "filename_prefix": Input("STRING", {"default": "ComfyUI"})},
        hidden=_SAVED,
        is_output=True,
        category="image",
        display_name="Save Image",
    ),
    NodeClass("PreviewImage", {"images": Input("IMAGE")}, hidden=_SAVED, is_output=True, category="image"),
)
_LATENTS = (
    NodeClass(
        "EmptyFlux2LatentImage",
        {"width": _side(), "height": _side(), "batch_size": _BATCH},
        _one("LATENT"),
        modern=True,
        category="latent",
    ),
    NodeClass(
        "EmptyLatentImage",
        {"width": _side(512, 16, 8), "height": _side(512, 16, 8), "batch_size": _BATCH},
        _one("LATENT"),
        category="latent",
    ),
)
_SAMPLING = (
    NodeClass(
        "Flux2Scheduler",
        {"steps": _whole(20, 1, 4096), "width": _side(1024, 16, 1), "height": _side(1024, 16, 1)},
        _one("SIGMAS"),
        modern=True,
        category="sampling/custom_sampling/schedulers",
    ),
    NodeClass(
        "BasicScheduler",
        {**_link("MODEL"), "scheduler": _choice(*_SCHEDULERS), "steps": _STEPS, "denoise": _DENOISE},
        _one("SIGMAS"),
        modern=True,
        category="sampling/custom_sampling/schedulers",
    ),
    NodeClass(
        "KSamplerSelect",
        {"sampler_name": _choice(*_SAMPLERS)},
        _one("SAMPLER"),
        modern=True,
        category="sampling/custom_sampling/samplers",
    ),
    NodeClass(
        "RandomNoise", {"noise_seed": _SEED}, _one("NOISE"), modern=True, category="sampling/custom_sampling/noise"
    ),
    NodeClass(
        "CFGGuider",
        {"model": Input("MODEL"), "positive": Input("CONDITIONING"), "negative": Input("CONDITIONING"), "cfg": _CFG},
        _one("GUIDER"),
        modern=True,
        category="sampling/custom_sampling/guiders",
    ),
    NodeClass(
        "BasicGuider",
        _link("MODEL", "CONDITIONING"),
        _one("GUIDER"),
        modern=True,
        category="sampling/custom_sampling/guiders",
    ),
    NodeClass(
        "SamplerCustomAdvanced",
        {**_link("NOISE", "GUIDER", "SAMPLER", "SIGMAS"), "latent_image": Input("LATENT")},
        (("output", "LATENT"), ("denoised_output", "LATENT")),
        modern=True,
        category="sampling/custom_sampling",
    ),
    NodeClass(
        "KSampler",
        {
            "model": Input("MODEL"),
            "seed": _SEED,
            "steps": _STEPS,
            "cfg": _CFG,
            "sampler_name": _choice(*_SAMPLERS),
            "scheduler": _choice(*_SCHEDULERS),
            "positive": Input("CONDITIONING"),
            "negative": Input("CONDITIONING"),
            "latent_image": Input("LATENT"),
            "denoise": _DENOISE,
        },
        _one("LATENT"),
        category="sampling",
    ),
)
_VALUES = tuple(
    NodeClass(name, {"value": given}, _one(given.type), modern=True, category="utils/primitive")
    for name, given in (
        ("PrimitiveInt", Input("INT", {"min": -(2**63), "max": 2**63 - 1, "control_after_generate": True})),
        ("PrimitiveFloat", Input("FLOAT", {"min": -1e18, "max": 1e18, "step": 0.1})),
        ("PrimitiveString", Input("STRING", {"multiline": False})),
        ("PrimitiveStringMultiline", Input("STRING", {"multiline": True})),
        ("PrimitiveBoolean", Input("BOOLEAN")),
    )
)

NODES: Mapping[str, NodeClass] = {
    node.name: node for node in (*_LOADERS, *_CONDITIONING, *_IMAGES, *_LATENTS, *_SAMPLING, *_VALUES)
}

INSTALLED: Mapping[str, tuple[str, ...]] = {
    "checkpoints": (),
    "diffusion_models": (
        "flux-2-klein-4b.safetensors",
        "flux-2-klein-9b-fp8.safetensors",
        "flux-2-klein-9b-kv-fp8.safetensors",
        "flux-2-klein-9b.safetensors",
        "flux-2-klein-base-4b.safetensors",
        "flux-2-klein-base-9b-fp8.safetensors",
    ),
    "text_encoders": ("qwen_3_4b.safetensors", "qwen_3_8b.safetensors", "qwen_3_8b_fp8mixed.safetensors"),
    "vae": ("flux2-vae.safetensors", "full_encoder_small_decoder.safetensors"),
    "loras": ("the-unwritten-page-look.safetensors",),
    "clip_vision": (),
    "controlnet": (),
    "embeddings": (),
    "style_models": (),
    "upscale_models": (),
}
"""The model folders of a server that is set up for Klein, and what lies in them."""
