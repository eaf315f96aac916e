"""The frame that the player asks a film for is the frame on screen, at every rate, beyond a hundred seconds too."""

import os
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Page
from review_server import served
from small_film import small_film
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from film_pipeline.core.timing import Rate
from film_pipeline.delivery.encode import encode_proxy
from review_app.app import review_app
from review_app.queries import Queries

RATES = ("23.976", "24", "25", "29.97", "30")
SEEKS = int(os.environ.get("SEEKS_A_RATE", "100"))
SECONDS = 112
BITS, BLOCK, HEIGHT = 13, 16, 32

_READ = (
    """
const bits = (source) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [BITS * BLOCK, HEIGHT];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  let number = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const [red] = context.getImageData(bit * BLOCK + BLOCK / 2, HEIGHT / 2, 1, 1).data;
    number = number * 2 + (red > 127 ? 1 : 0);
  }
  return number;
};
const open = async (rate, address) => {
  const { Rate, VideoDeck } = await import("/static/decks.js");
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = address;
  document.body.append(video);
  return new VideoDeck(video, new Rate(...rate));
};
""".replace("BITS", str(BITS))
    .replace("BLOCK", str(BLOCK))
    .replace("HEIGHT", str(HEIGHT))
)

_SEEK = (
    """async ([rate, address, frames]) => {"""
    + _READ
    + """
  const deck = await open(rate, address);
  const wrong = [];
  for (const [number, frame] of frames.entries()) {
    await deck.seek(frame);
    // Now and then the frame is sought that is there already, as it is after a film was stopped.
    if (number % 10 === 0) {
      deck.shown = -1;
      await deck.seek(frame);
    }
    const seen = bits(deck.video);
    if (seen !== frame) wrong.push([frame, seen]);
  }
  deck.video.remove();
  return wrong;
}"""
)
_PLAY = (
    """async ([rate, address, from]) => {"""
    + _READ
    + """
  const deck = await open(rate, address);
  await deck.seek(from);
  const told = [];
  await new Promise(async (done) => {
    deck.onframe = (frame) => {
      told.push([frame, bits(deck.video)]);
      if (told.length >= 24) done();
    };
    await deck.play(1);
  });
  deck.pause();
  deck.video.remove();
  return told;
}"""
)


def numbered(number: int) -> np.ndarray:
    """A picture that says its own number in black and white blocks, the highest bit first."""
    bits = [(number >> (BITS - 1 - bit)) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 255, BLOCK)
    return np.repeat(np.repeat(row[None, :, None], HEIGHT, 0), 3, 2)


def frames_of(rate: Rate) -> int:
    return int(rate.fps * SECONDS)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for label in RATES:
        rate = Rate.parse(label)
        made[label] = folder / f"{label}.mp4"
        encode_proxy((numbered(number) for number in range(frames_of(rate))), rate, None, made[label])
    return made


@pytest.fixture(scope="module")
def address(films: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    async def film(request: Request) -> Response:
        return FileResponse(films[request.path_params["label"]], media_type="video/mp4")

    root = small_film(tmp_path_factory.mktemp("unmade")).root
    with served(review_app(Queries(root), more_routes=[lambda _: [Route("/films/{label}", film)]])) as at:
        yield at


@pytest.mark.parametrize("label", RATES)
def test_no_random_seek_shows_a_wrong_frame(label: str, address: str, page: Page) -> None:
    rate = Rate.parse(label)
    chance = random.Random(f"seeks at {label}")
    last = frames_of(rate) - 1
    late = int(rate.fps * 100)
    asked = [0, last, late, *(chance.randrange(last + 1) for _ in range(SEEKS - 3 - SEEKS // 4))]
    asked += [chance.randrange(late, last + 1) for _ in range(SEEKS // 4)]
    page.goto(f"{address}/find")
    wrong = page.evaluate(_SEEK, [[rate.numerator, rate.denominator], f"/films/{label}", asked])
    assert len(asked) == SEEKS and wrong == []


@pytest.mark.parametrize("label", ["23.976", "25", "29.97"])
def test_while_it_plays_the_number_told_is_the_frame_shown(label: str, address: str, page: Page) -> None:
    rate = Rate.parse(label)
    page.goto(f"{address}/find")
    told: list[list[Any]] = page.evaluate(
        _PLAY, [[rate.numerator, rate.denominator], f"/films/{label}", int(rate.fps * 101)]
    )
    assert len(told) >= 24
    assert [frame for frame, _ in told] == [seen for _, seen in told]


@pytest.mark.parametrize("label", RATES)
def test_every_frame_of_a_proxy_is_a_key_frame_at_its_own_time(label: str, films: dict[str, Path]) -> None:
    rate = Rate.parse(label)
    with av.open(str(films[label])) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        times = [packet.pts * stream.time_base for packet in packets]
    assert all(packet.is_keyframe for packet in packets)
    assert times == [Fraction(number) / rate.fps for number in range(frames_of(rate))]


def test_the_middle_of_a_frame_is_no_other_frames(address: str, page: Page) -> None:
    page.goto(f"{address}/find")
    wrong = page.evaluate(
        """async (rates) => {
          const { Rate } = await import("/static/decks.js");
          const wrong = [];
          for (const [numerator, denominator] of rates) {
            const rate = new Rate(numerator, denominator);
            for (let frame = 0; frame < 200000; frame += 1) {
              if (rate.beginsAt(rate.middle(frame) - 0.49 / rate.fps) !== frame) wrong.push(frame);
              if (Math.floor(rate.middle(frame) * rate.fps) !== frame) wrong.push(frame);
            }
          }
          return wrong;
        }""",
        [[Rate.parse(label).numerator, Rate.parse(label).denominator] for label in RATES],
    )
    assert wrong == []
