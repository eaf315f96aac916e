import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from simulated import a_graph, a_plate, finished, opened, uploaded

from film_pipeline import simulators
from film_pipeline.simulators import ThreadServer
from film_pipeline.simulators.pictures import Recipe, damaged, jpeg, made, png

SIZE = (320, 176)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    with simulators.comfyui(tmp_path) as running:
        uploaded(running.url, data=a_plate(SIZE))
        uploaded(running.url, "pose.png", a_plate(SIZE, (90, 20, 20)))
        yield running


def rendered(server: ThreadServer, graph: dict[str, Any], **body: Any) -> list[bytes]:
    answer = requests.post(f"{server.url}/prompt", json={"prompt": graph, **body}, timeout=10)
    outputs = finished(server.url, answer.json()["prompt_id"])["outputs"]
    return [requests.get(f"{server.url}/view", params=place, timeout=10).content for place in outputs["18"]["images"]]


def pixels(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture.convert("L"), np.float64)


def likeness(one: Image.Image, other: Image.Image) -> float:
    """Correlation of two pictures' tones, 1 for the same."""
    return float(np.corrcoef(pixels(one).ravel(), pixels(other).ravel())[0, 1])


def test_a_picture_is_made_from_its_plate_and_is_not_its_plate(server: ThreadServer) -> None:
    (data,) = rendered(server, a_graph(size=SIZE))
    picture, plate = opened(data), opened(a_plate(SIZE))
    assert (picture.size, picture.mode, picture.format) == (SIZE, "RGB", "PNG")
    assert 0.7 < likeness(picture, plate) < 0.999
    turned = ImageOps.mirror(plate)
    assert likeness(picture, turned) < 0


def test_the_first_reference_is_the_plate_whatever_follows(server: ThreadServer) -> None:
    (data,) = rendered(server, a_graph(size=SIZE, more_references=("pose.png",)))
    assert likeness(opened(data), opened(a_plate(SIZE))) > 0.7
    (alone,) = rendered(server, a_graph(size=SIZE))
    assert data != alone


def test_seed_and_prompt_change_the_picture_and_nothing_else_does() -> None:
    recipe = Recipe(SIZE, 7, "a moonlit stair", (a_plate(SIZE),))
    same = made(Recipe(SIZE, 7, "a moonlit stair", (a_plate(SIZE),)))
    assert made(recipe).tobytes() == same.tobytes()
    for other in (
        Recipe(SIZE, 8, "a moonlit stair", (a_plate(SIZE),)),
        Recipe(SIZE, 7, "a moonlit stair, closer", (a_plate(SIZE),)),
    ):
        difference = np.abs(pixels(made(other)) - pixels(made(recipe)))
        assert difference.mean() > 2, "nobody would see that it is another take"


FLAT = {"black": 0, "night": 30, "grey": 90, "day": 200, "white": 255}


@pytest.mark.parametrize("shade", FLAT.values(), ids=FLAT)
def test_the_word_simulated_stands_across_every_picture(shade: int) -> None:
    size = (640, 360)
    picture = made(Recipe(size, 1, "x", (png(Image.new("RGB", size, (shade, shade, shade))),)))
    ground = np.median(pixels(picture))
    marked = np.abs(pixels(picture) - ground) > 45
    columns, rows = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
    assert columns.max() - columns.min() > size[0] * 0.6
    assert rows.max() - rows.min() > size[1] * 0.6
    assert 0.02 < marked.mean() < 0.4


@pytest.mark.parametrize("shade", [30, 250])
def test_the_watermark_can_be_read(shade: int) -> None:
    """Turned upright, its letters stand where the word's own would."""
    size = (900, 260)
    picture = made(Recipe(size, 1, "", (png(Image.new("RGB", size, (shade, shade, shade))),)))
    turn = -float(np.degrees(np.arctan2(size[1], size[0])))
    upright = picture.rotate(turn, Image.Resampling.BILINEAR, fillcolor=picture.getpixel((0, 0)))
    reach = float(np.hypot(*size)) * 0.78
    font = ImageFont.load_default(round(reach / 6.2))
    edge = round(reach / 160) if shade > 128 else 0
    left, top, right, bottom = font.getbbox("SIMULATED", stroke_width=edge)
    place = ((size[0] - (right - left)) / 2 - left, (size[1] - (bottom - top)) / 2 - top)
    word = Image.new("L", size, 0)
    ImageDraw.Draw(word).text(place, "SIMULATED", font=font, fill=255, stroke_width=edge)
    # On a bright picture it is darker than what is around it.
    assert likeness(upright, word) * (-1 if edge else 1) > 0.5


def test_without_references_the_word_is_there_as_well() -> None:
    one, other = (pixels(made(Recipe(SIZE, seed, "x"))) for seed in (1, 2))
    assert np.corrcoef(np.diff(one).ravel(), np.diff(other).ravel())[0, 1] > 0.5


def test_a_black_plate_does_not_give_a_black_picture() -> None:
    picture = pixels(made(Recipe(SIZE, 1, "night", (png(Image.new("RGB", SIZE, 0)),))))
    assert picture.mean() > 5
    assert picture.std() > 5


def test_without_references_it_is_a_plain_picture_that_the_seed_decides(server: ThreadServer) -> None:
    (one,) = rendered(server, a_graph(plate=None, size=SIZE))
    (other,) = rendered(server, a_graph(seed=2, plate=None, size=SIZE))
    assert opened(one).size == SIZE
    assert one != other


def test_sizes_floor_to_sixteen_pixels(server: ThreadServer) -> None:
    (data,) = rendered(server, a_graph(size=(650, 365)))
    assert opened(data).size == (640, 352)


def test_a_batch_gives_as_many_pictures_that_differ(server: ThreadServer) -> None:
    assert len(set(rendered(server, a_graph(size=(64, 48), batch=3)))) == 3


def test_a_picture_carries_the_graph_and_every_key_of_the_extra_information(server: ThreadServer) -> None:
    film = {"slate": "SC010_SH020", "recipe": "ab12"}
    extra = {"extra_pnginfo": {"film": film, "note": "Straße"}}
    (data,) = rendered(server, a_graph(size=SIZE), extra_data=extra)
    texts = opened(data).text  # type: ignore[attr-defined]
    assert {name: json.loads(text) for name, text in texts.items()} == {
        "prompt": a_graph(size=SIZE),
        "film": film,
        "note": "Straße",
    }


def test_damaged_pictures_are_damaged_as_they_say() -> None:
    recipe = Recipe(SIZE, 1, "x", (a_plate(SIZE),))
    whole = png(made(recipe))
    cut = damaged("truncated", whole, recipe.references)
    assert whole.startswith(cut)
    with pytest.raises(OSError, match="truncated"):
        opened(cut)
    with pytest.raises((OSError, SyntaxError)):
        opened(damaged("corrupt", whole, recipe.references))
    assert damaged("empty", whole, recipe.references) == b""
    assert opened(damaged("black", whole, recipe.references)).getextrema() == ((0, 0), (0, 0), (0, 0))
    assert opened(damaged("wrong_size", whole, recipe.references)).size == (160, 88)
    back = opened(damaged("input_back", whole, recipe.references))
    assert back.tobytes() == opened(a_plate(SIZE)).convert("RGB").tobytes()


def test_previews_are_small_jpegs() -> None:
    preview = Image.open(io.BytesIO(jpeg(made(Recipe((800, 448), 1, "x")))))
    assert (preview.format, preview.size) == ("JPEG", (512, 287))
