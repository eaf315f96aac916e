"""Graphs, plates and expected documents for the tests of the stand-ins."""

import io
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from PIL import Image

from film_pipeline.simulators import ThreadServer

Found = TypeVar("Found")
ME = "11111111-2222-4333-8444-555555555555"
_PATIENCE_S = 15.0


def a_graph(
    seed: int = 1,
    plate: str | None = "plate.png",
    prompt: str = "a moonlit stair",
    size: tuple[int, int] = (64, 48),
    prefix: str = "frame",
    batch: int = 1,
    more_references: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The reference-guided edit of the facts; without a plate, text to image."""
    width, height = size
    graph: dict[str, Any] = {
        "1": node("UNETLoader", unet_name="flux-2-klein-4b.safetensors", weight_dtype="default"),
        "2": node("CLIPLoader", clip_name="qwen_3_4b.safetensors", type="flux2", device="default"),
        "3": node("VAELoader", vae_name="flux2-vae.safetensors"),
        "4": node("CLIPTextEncode", text=prompt, clip=["2", 0]),
        "5": node("ConditioningZeroOut", conditioning=["4", 0]),
        "11": node("EmptyFlux2LatentImage", width=width, height=height, batch_size=batch),
        "12": node("Flux2Scheduler", steps=4, width=width, height=height),
        "13": node("KSamplerSelect", sampler_name="euler"),
        "14": node("RandomNoise", noise_seed=seed),
        "17": node("VAEDecode", samples=["16", 0], vae=["3", 0]),
        "18": node("SaveImage", images=["17", 0], filename_prefix=prefix),
    }
    positive, negative = "4", "5"
    for number, name in enumerate(() if plate is None else (plate, *more_references)):
        load, scale, encode, plus, minus = (f"{step}{number}" for step in ("6", "7", "8", "9", "10"))
        graph[load] = node("LoadImage", image=name)
        graph[scale] = node(
            "ImageScaleToTotalPixels",
            image=[load, 0],
            upscale_method="lanczos",
            megapixels=1.0,
            resolution_steps=1,
        )
        graph[encode] = node("VAEEncode", pixels=[scale, 0], vae=["3", 0])
        graph[plus] = node("ReferenceLatent", conditioning=[positive, 0], latent=[encode, 0])
        graph[minus] = node("ReferenceLatent", conditioning=[negative, 0], latent=[encode, 0])
        positive, negative = plus, minus
    graph["15"] = node("CFGGuider", model=["1", 0], positive=[positive, 0], negative=[negative, 0], cfg=1)
    graph["16"] = node(
        "SamplerCustomAdvanced",
        noise=["14", 0],
        guider=["15", 0],
        sampler=["13", 0],
        sigmas=["12", 0],
        latent_image=["11", 0],
    )
    return graph


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def a_plate(size: tuple[int, int] = (64, 48), light: tuple[int, int, int] = (200, 190, 170)) -> bytes:
    """A picture that is bright on the left and dark on the right."""
    picture = Image.new("RGB", size, (24, 26, 30))
    picture.paste(light, (0, 0, size[0] // 2, size[1]))
    return encoded(picture)


def encoded(picture: Image.Image) -> bytes:
    into = io.BytesIO()
    picture.save(into, "PNG")
    return into.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def uploaded(url: str, name: str = "plate.png", data: bytes | None = None, **fields: str) -> requests.Response:
    return requests.post(
        f"{url}/upload/image",
        files={"image": (name, a_plate() if data is None else data, "image/png")},
        data=fields,
        timeout=10,
    )


def finished(url: str, prompt_id: str) -> dict[str, Any]:
    """The history entry of a job, as soon as it is written."""

    def entry() -> dict[str, Any] | None:
        history: dict[str, dict[str, Any]] = requests.get(f"{url}/history/{prompt_id}", timeout=10).json()
        return history.get(prompt_id)

    return until(entry)


def until(look: Callable[[], Found | None]) -> Found:
    """What it finds, as soon as it finds anything."""
    over = time.monotonic() + _PATIENCE_S
    while time.monotonic() < over:
        found = look()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("it did not happen in time")


class Like:
    """A string of a certain form."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern


UUID = Like(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SNOWFLAKE = Like(r"\d{17,20}")


def assert_document(actual: Any, expected: Any, where: str = "$") -> None:
    """Compare with an expected document.

    In it a type stands for any value of that type, a Like for any such string, a tuple for one of several; a dict must
    have the same keys, and a list of one element that is a type or dict in a list `[x, ...]` stands for any number.
    """
    if isinstance(expected, type):
        assert isinstance(actual, expected), f"{where}: {actual!r} is no {expected.__name__}"
        assert expected is bool or not isinstance(actual, bool), f"{where}: {actual!r} is a bool"
    elif isinstance(expected, Like):
        assert isinstance(actual, str), f"{where}: {actual!r}"
        assert re.fullmatch(expected.pattern, actual), f"{where}: {actual!r} is not like {expected.pattern}"
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: {actual!r} is no object"
        assert actual.keys() == expected.keys(), f"{where}: {sorted(actual)} instead of {sorted(expected)}"
        for key, value in expected.items():
            assert_document(actual[key], value, f"{where}.{key}")
    elif isinstance(expected, list) and expected and expected[-1] is ...:
        assert isinstance(actual, list), f"{where}: {actual!r} is no array"
        for number, value in enumerate(actual):
            assert_document(value, expected[0], f"{where}[{number}]")
    elif isinstance(expected, list):
        assert isinstance(actual, list), f"{where}: {actual!r} is no array"
        assert len(actual) == len(expected), f"{where}: {actual!r} instead of {expected!r}"
        for number, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_document(one, other, f"{where}[{number}]")
    else:
        assert actual == expected, f"{where}: {actual!r} instead of {expected!r}"


def posted(url: str, graph: Any = None, **body: Any) -> requests.Response:
    return requests.post(f"{url}/prompt", json={"prompt": a_graph() if graph is None else graph, **body}, timeout=10)


def got(url: str, path: str) -> Any:
    return requests.get(f"{url}{path}", timeout=10).json()


def seen(url: str, place: dict[str, str]) -> bytes:
    answer = requests.get(f"{url}/view", params=place, timeout=10)
    assert answer.status_code == 200
    return answer.content


def slow(server: ThreadServer, frame_s: float) -> None:
    server.control("timing", frame_s=frame_s)
