"""Whether a ComfyUI server can work a graph off, read from its `/object_info`, and what it lacks in film terms."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from film_pipeline.backends.comfy_graphs import Graph, title_of
from film_pipeline.backends.klein import Klein, all_kleins
from film_pipeline.core.problems import FilmProblem

ObjectInfo = Mapping[str, Any]
"""Node class -> what `/object_info/{class}` says of it."""
_FOLDERS = {
    ("UNETLoader", "unet_name"): "diffusion_models",
    ("CLIPLoader", "clip_name"): "text_encoders",
    ("VAELoader", "vae_name"): "vae",
    ("LoraLoaderModelOnly", "lora_name"): "loras",
}
_UPLOADED = {("LoadImage", "image")}
_OLD = "this ComfyUI is too old for FLUX.2"


def what_is_lacking(graph: Graph, info: ObjectInfo) -> list[FilmProblem]:
    """Everything that keeps the server from this graph; empty where it can."""
    found: list[FilmProblem] = []
    unknown: list[str] = []
    for node, part in graph.items():
        class_type = part["class_type"]
        described = info.get(class_type)
        if not isinstance(described, Mapping) or "input" not in described:
            unknown.append(class_type)
            continue
        found += _inputs_lacking(graph, node, class_type, part["inputs"], described["input"], info)
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        found.insert(0, FilmProblem(f"{_OLD}: it has no {names}", "update ComfyUI to 0.24 or later"))
    return found


def check_graph(graph: Graph, info: ObjectInfo, shot: str = "") -> None:
    """Raises FilmProblem, with whatever else is lacking as its `others`."""
    found = what_is_lacking(graph, info)
    if found:
        first, *others = found
        first.shot, first.others = shot, others
        raise first


def can_have(klein: Klein, info: ObjectInfo) -> bool:
    """Whether all files of a model are on the server."""
    return all(
        file.name in _choices(info.get(class_type, {}), field)
        for (class_type, field), file in zip(_FOLDERS, klein.files, strict=False)
    )


def files_lacking(klein: Klein, info: ObjectInfo) -> FilmProblem | None:
    """What of a model's files the server lacks; nothing where it has them all, or does not say what it has."""
    for (class_type, field), file in zip(_FOLDERS, klein.files, strict=False):
        choices = _choices(info.get(class_type, {}), field)
        if class_type in info and file.name not in choices:
            return _missing_choice(class_type, field, file.name, choices, class_type, info)
    return None


def device_problem(klein: Klein, system: Mapping[str, Any]) -> FilmProblem | None:
    """What the server's device can't do with this model: Apple's MPS loads no fp8."""
    devices = system.get("devices", [])
    kinds = {str(device.get("type", "")) for device in devices if isinstance(device, Mapping)}
    if "mps" in kinds and klein.precision == "fp8":
        return FilmProblem(
            "ComfyUI runs on Apple MPS, which can't load fp8 files",
            "say `precision: bf16` for this backend in production.yaml, and put the bf16 files there",
        )
    return None


def _inputs_lacking(
    graph: Graph,
    node: str,
    class_type: str,
    given: Mapping[str, Any],
    described: Mapping[str, Any],
    info: ObjectInfo,
) -> list[FilmProblem]:
    required = described.get("required", {}) or {}
    optional = described.get("optional", {}) or {}
    title = title_of(graph, node)
    found = [
        FilmProblem(f"{_OLD}, or too new: its {class_type} ({title}) also wants `{name}`", "tell us, or update ComfyUI")
        for name in required
        if name not in given
    ]
    for name, value in given.items():
        if name not in required and name not in optional:
            found.append(FilmProblem(f"{_OLD}: its {class_type} ({title}) takes no `{name}`", "update ComfyUI"))
        elif (class_type, name) not in _UPLOADED and not isinstance(value, list):
            problem = _value_problem(class_type, name, value, required.get(name) or optional.get(name), title, info)
            found += [problem] if problem else []
    return found


def _value_problem(
    class_type: str, name: str, value: Any, kind: Any, title: str, info: ObjectInfo
) -> FilmProblem | None:
    choices = _options(kind)
    if choices is not None:
        return None if value in choices else _missing_choice(class_type, name, str(value), choices, title, info)
    limits = kind[1] if isinstance(kind, list) and len(kind) > 1 and isinstance(kind[1], Mapping) else {}
    if isinstance(value, int | float) and not isinstance(value, bool):
        least, most = limits.get("min"), limits.get("max")
        if (least is not None and value < least) or (most is not None and value > most):
            return FilmProblem(
                f"{title}: `{name}` is {value}, and ComfyUI takes {least} to {most}",
                "change the size, or update ComfyUI",
            )
    return None


def _missing_choice(
    class_type: str, name: str, value: str, choices: Iterable[Any], title: str, info: ObjectInfo
) -> FilmProblem:
    folder = _FOLDERS.get((class_type, name))
    if folder is None:
        return FilmProblem(f"{_OLD}: {title} can't be set to {value}", "update ComfyUI to 0.24 or later")
    elsewhere = [str(choice) for choice in choices if PurePosixPath(str(choice).replace("\\", "/")).name == value]
    if elsewhere:
        return FilmProblem(
            f"ComfyUI has the model {value} as {elsewhere[0]}", f"move it up into models/{folder}, beside the others"
        )
    if folder == "loras":
        return FilmProblem(
            f"ComfyUI lacks the LoRA {value}", "put it into models/loras, or name another in look/look.yaml"
        )
    others = list(dict.fromkeys(klein.name for klein in all_kleins() if can_have(klein, info)))
    choose = f", or choose {others[0]}" if others else ", or choose klein-4b" if "9b" in value or "8b" in value else ""
    return FilmProblem(f"ComfyUI lacks the model {value}", f"put it into models/{folder}{choose}")


def _choices(described: Any, field: str) -> list[Any]:
    inputs = described.get("input", {}) if isinstance(described, Mapping) else {}
    for part in ("required", "optional"):
        kinds = inputs.get(part, {}) if isinstance(inputs, Mapping) else {}
        if isinstance(kinds, Mapping) and field in kinds:
            return _options(kinds[field]) or []
    return []


def _options(kind: Any) -> list[Any] | None:
    """What may be chosen; None where an input is no choice. Both ways of writing it: a list, and COMBO with options."""
    if not isinstance(kind, list) or not kind:
        return None
    if isinstance(kind[0], list):
        return kind[0]
    if kind[0] == "COMBO" and len(kind) > 1 and isinstance(kind[1], Mapping):
        options = kind[1].get("options")
        return options if isinstance(options, list) else []
    return None


def validation_problem(shot: str, graph: Graph, answer: Mapping[str, Any]) -> FilmProblem:
    """A refused graph (status 400), by shot and node."""
    node_errors = answer.get("node_errors")
    told = []
    if isinstance(node_errors, Mapping):
        for node, refused in node_errors.items():
            for error in refused.get("errors", []) if isinstance(refused, Mapping) else []:
                said = error.get("details") or error.get("message") or error.get("type")
                told.append(f"{title_of(graph, str(node))} ({refused.get('class_type', '?')}): {said}")
    if not told:
        error = answer.get("error")
        said = error.get("message") or error.get("type") if isinstance(error, Mapping) else str(error)
        details = error.get("details") if isinstance(error, Mapping) else ""
        told = [f"{said}{f' ({details})' if details else ''}"]
    return FilmProblem(f"ComfyUI refused the graph: {'; '.join(told)}", "see docs/backends/local-klein.md", shot=shot)
