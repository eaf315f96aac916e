"""The picture of a post: a hero as it is, or a take's frames on one sheet, no larger than Discord takes."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Item, Turnover
from film_pipeline.discord.client import MOST_BYTES, Picture
from film_pipeline.pictures.sheet import grid

MOST_FRAMES = 9
_COLUMNS = 3
_QUALITY = 90
_SMALLER = 0.8
_SMALLEST = 64
_SENT_AS_IT_IS = {".png": "image/png", ".jpg": "image/jpeg"}


def print_of(made: Path, turnover: Turnover, title: str) -> Picture:
    """The picture of a take or a hero. made: the production's `.film`. Raises FilmProblem where a file is missing."""
    heroes = turnover.of("hero")
    if heroes:
        return _as_it_is(made / heroes[0].path)
    frames = _spread(turnover.of("generated"))
    if not frames:
        raise FilmProblem("the take has no pictures", f"film run --shots {turnover.shot}", shot=turnover.shot)
    name = f"{Path(frames[0].path).name.partition('.')[0]}.jpg"
    pictures = [_opened(made / item.path) for item in frames]
    sheet = pictures[0] if len(pictures) == 1 else _sheet(pictures, frames, title)
    return within(sheet, name)


def _spread(items: Sequence[Item]) -> list[Item]:
    """So many frames as one sheet shows, over the whole take, its first and its last among them."""
    if len(items) <= MOST_FRAMES:
        return list(items)
    last = len(items) - 1
    return [items[round(place * last / (MOST_FRAMES - 1))] for place in range(MOST_FRAMES)]


def _sheet(pictures: list[Image.Image], frames: list[Item], title: str) -> Image.Image:
    labels = [str(item.frame) for item in frames]
    return grid(pictures, labels, min(_COLUMNS, len(pictures)), title)


def _as_it_is(path: Path) -> Picture:
    kind = _SENT_AS_IT_IS.get(path.suffix.lower())
    if kind is not None and path.is_file() and path.stat().st_size <= MOST_BYTES:
        return Picture(path.name, path.read_bytes(), kind)
    return within(_opened(path), f"{path.stem}.jpg")


def within(picture: Image.Image, name: str, most: int = MOST_BYTES) -> Picture:
    """A picture as JPEG of at most so many bytes, scaled down until it fits. Raises FilmProblem where it never does."""
    picture = picture.convert("RGB")
    while True:
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=_QUALITY)
        if encoded.tell() <= most:
            return Picture(name, encoded.getvalue(), "image/jpeg")
        size = (round(picture.width * _SMALLER), round(picture.height * _SMALLER))
        if min(size) < _SMALLEST:
            raise FilmProblem(f"{name} does not fit into {most} bytes", "post a smaller picture")
        picture = picture.resize(size, Image.Resampling.LANCZOS)


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise FilmProblem(f"the picture can't be opened: {error}", "film verify", file=path) from error
