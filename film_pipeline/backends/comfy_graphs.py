"""ComfyUI graphs built in code: FLUX.2 Klein from a prompt and up to four numbered references, with a LoRA.

A graph is a plain dict in ComfyUI's API format and depends on nothing but its arguments.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from film_pipeline.backends.klein import MOST_REFERENCES, MULTIPLE, Klein
from film_pipeline.core.generating import Fit, FrameWork, Guide, Lora
from film_pipeline.core.problems import FilmProblem

Graph = dict[str, dict[str, Any]]
Link = list[Any]
_EXACT = 2**53
_PICTURES = {".png", ".jpg", ".jpeg", ".webp"}
_ASKS = {
    "plate": "keep the composition, the camera and the framing of image {n}",
    "pose": "match the exact pose from image {n}",
    "depth": "keep the depth of image {n}, where near is bright",
    "normal": "follow the surfaces of image {n}",
    "character": "{name} looks exactly as on the sheet in image {n}",
    "set": "the set is the one in image {n}",
    "look": "take the style from image {n}, not its content",
    "frame": "restyle image {n} and change nothing else in it: every outline, pose and distance stays",
}


class _Builder:
    """Adds nodes under counted ids; a link is a node's id and the number of one of its outputs."""

    def __init__(self) -> None:
        self.graph: Graph = {}

    def add(self, class_type: str, title: str = "", **inputs: Any) -> str:
        node = str(len(self.graph) + 1)
        self.graph[node] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": title or class_type}}
        return node


def build_graph(work: FrameWork, klein: Klein) -> Graph:
    """The graph of one frame, in the node chain that Klein's own templates use.

    Raises FilmProblem for too many references, or
    references in a form that ComfyUI can't load.
    """
    check_references(work)
    fit = fit_of(work)
    build = _Builder()
    model: Link = [
        build.add("UNETLoader", "model", unet_name=klein.diffusion.name, weight_dtype="default"),
        0,
    ]
    if work.lora is not None:
        model = [
            build.add(
                "LoraLoaderModelOnly",
                "look LoRA",
                model=model,
                lora_name=lora_file(work.lora),
                strength_model=work.lora.strength,
            ),
            0,
        ]
    clip: Link = [
        build.add("CLIPLoader", "text encoder", clip_name=klein.text_encoder.name, type="flux2", device="default"),
        0,
    ]
    vae: Link = [build.add("VAELoader", "vae", vae_name=klein.vae.name), 0]
    positive: Link = [build.add("CLIPTextEncode", "prompt", clip=clip, text=prompt_text(work)), 0]
    negative = _negative(build, work, klein, clip, positive)
    for number, guide in enumerate(work.guides, start=1):
        positive, negative = _reference(build, number, guide, vae, positive, negative)
    return _sampled(build, work, klein, fit, model, vae, positive, negative)


def _negative(build: _Builder, work: FrameWork, klein: Klein, clip: Link, positive: Link) -> Link:
    if klein.distilled:
        return [build.add("ConditioningZeroOut", "no negative", conditioning=positive), 0]
    return [build.add("CLIPTextEncode", "negative prompt", clip=clip, text=work.negative), 0]


def _reference(
    build: _Builder, number: int, guide: Guide, vae: Link, positive: Link, negative: Link
) -> tuple[Link, Link]:
    called = f"image {number}: {guide.role} {guide.name}".rstrip()
    picture: Link = [build.add("LoadImage", called, image=upload_name(guide)), 0]
    scaled: Link = [
        build.add(
            "ImageScaleToTotalPixels",
            f"{called}, scaled",
            image=picture,
            upscale_method="lanczos",
            megapixels=1.0,
            resolution_steps=1,
        ),
        0,
    ]
    latent: Link = [build.add("VAEEncode", f"{called}, encoded", pixels=scaled, vae=vae), 0]
    return (
        [build.add("ReferenceLatent", f"{called}, for", conditioning=positive, latent=latent), 0],
        [build.add("ReferenceLatent", f"{called}, against", conditioning=negative, latent=latent), 0],
    )


def _sampled(
    build: _Builder,
    work: FrameWork,
    klein: Klein,
    fit: Fit,
    model: Link,
    vae: Link,
    positive: Link,
    negative: Link,
) -> Graph:
    width, height = fit.rendered
    latent = build.add("EmptyFlux2LatentImage", "size", width=width, height=height, batch_size=1)
    sigmas = build.add("Flux2Scheduler", "steps", steps=klein.steps, width=width, height=height)
    sampler = build.add("KSamplerSelect", "sampler", sampler_name="euler")
    noise = build.add("RandomNoise", "seed", noise_seed=checked_seed(work))
    guider = build.add("CFGGuider", "guidance", model=model, positive=positive, negative=negative, cfg=klein.cfg)
    sampled = build.add(
        "SamplerCustomAdvanced",
        "sampling",
        noise=[noise, 0],
        guider=[guider, 0],
        sampler=[sampler, 0],
        sigmas=[sigmas, 0],
        latent_image=[latent, 0],
    )
    decoded = build.add("VAEDecode", "decoding", samples=[sampled, 0], vae=vae)
    build.add("SaveImage", "saving", images=[decoded, 0], filename_prefix="film")
    return build.graph


def with_prefix(graph: Graph, prefix: str) -> Graph:
    """The graph with another beginning of the saved file's name, which decides no pixel."""
    return {
        node: {**part, "inputs": {**part["inputs"], "filename_prefix": prefix}}
        if part["class_type"] == "SaveImage"
        else part
        for node, part in graph.items()
    }


def prompt_text(work: FrameWork) -> str:
    """The prompt, then what each reference is for, by the number under which the model sees it."""
    asked = [
        _ASKS[guide.role].format(n=number, name=guide.name or "the character")
        for number, guide in enumerate(work.guides, start=1)
    ]
    sentences = [work.prompt.strip().rstrip(".")] if work.prompt.strip() else []
    if work.purpose == "look pass":
        sentences.append("This is a look pass over a finished frame")
    sentences += [ask[0].upper() + ask[1:] for ask in asked]
    return ". ".join(sentences) + "." if sentences else ""


def check_references(work: FrameWork) -> None:
    """Raises FilmProblem where the references can't be given to Klein, or do not suit the purpose."""
    if len(work.guides) > MOST_REFERENCES:
        raise FilmProblem(
            f"Klein takes at most {MOST_REFERENCES} references and {len(work.guides)} are given",
            f"leave out {', '.join(guide.name for guide in work.guides[MOST_REFERENCES:])}",
            shot=work.shot,
        )
    if work.purpose == "look pass" and (not work.guides or work.guides[0].role != "frame"):
        raise FilmProblem(
            "a look pass restyles a rendered frame, and its first reference is none",
            "render the frame first",
            shot=work.shot,
        )
    for guide in work.guides:
        if guide.path.suffix.lower() not in _PICTURES:
            raise FilmProblem(
                f"the reference {guide.name} is {guide.path.suffix or 'a file without suffix'}",
                "give it as PNG, JPEG or WebP",
                shot=work.shot,
            )


def checked_seed(work: FrameWork) -> int:
    if not 0 <= work.seed < 2**64:
        raise FilmProblem(f"the seed {work.seed} is out of range", "draw it from the recipe", shot=work.shot)
    return work.seed


def fit_of(work: FrameWork) -> Fit:
    """The size that Klein makes (sides floored to multiples of 16) and how it becomes the size asked for."""
    if min(work.width, work.height) < MULTIPLE:
        raise FilmProblem(
            f"{work.width} x {work.height} is too small a picture",
            f"ask for at least {MULTIPLE} a side",
            shot=work.shot,
        )
    rendered = work.width // MULTIPLE * MULTIPLE, work.height // MULTIPLE * MULTIPLE
    return Fit(rendered, (work.width, work.height))


def upload_name(guide: Guide) -> str:
    """Under which name a reference lies on a server: its content, so that the same picture is there once."""
    return f"film-{guide.sha256}{guide.path.suffix.lower()}"


def lora_file(lora: Lora) -> str:
    """The LoRA's file name; `.safetensors` unless it says otherwise."""
    return lora.name if PurePath(lora.name).suffix in {".safetensors", ".pt"} else f"{lora.name}.safetensors"


def lora_said(lora: Lora | None) -> dict[str, Any] | None:
    """The LoRA as it stands in a recipe."""
    if lora is None:
        return None
    return {"file": lora_file(lora), "strength": lora.strength, "licence": lora.licence, "sha256": lora.sha256}


def for_recipe(graph: Graph) -> Graph:
    """The graph as canonical JSON can hold it: whole numbers beyond 2**53 as text, titles left out."""
    return {
        node: {
            "class_type": part["class_type"],
            "inputs": {name: _exact(value) for name, value in part["inputs"].items()},
        }
        for node, part in graph.items()
    }


def _exact(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT else value


def picture_notes(work: FrameWork, recipe_sha256: str, model_said: str) -> dict[str, Any]:
    """`extra_pnginfo`: ComfyUI writes it into the picture, so that a stray file still says what it is."""
    return {
        "film": {
            "shot": work.shot,
            "work": work.work,
            "take": work.take,
            "frame": work.frame,
            "purpose": work.purpose,
            "recipe": recipe_sha256,
            "model": model_said,
            "composition": work.covered.composition,
            **dict(work.note),
        }
    }


def title_of(graph: Mapping[str, Any], node: str) -> str:
    """What a node is for, in words; its class, or its number, where nothing better is known."""
    part = graph.get(node, {})
    if not isinstance(part, Mapping):
        return f"node {node}"
    title = part.get("_meta", {}).get("title") if isinstance(part.get("_meta"), Mapping) else None
    return str(title or part.get("class_type") or f"node {node}")


def classes_of(graph: Graph) -> list[str]:
    """The node classes that a graph needs, each once, in order."""
    return list(dict.fromkeys(part["class_type"] for part in graph.values()))


def saved_files(outputs: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, str]]:
    """The saved pictures among a job's outputs (previews that nobody asked for are not)."""
    return [
        picture
        for output in outputs
        for picture in output.get("images", [])
        if isinstance(picture, Mapping) and picture.get("type") == "output" and picture.get("filename")
    ]
