"""Bringing pictures home: whole or not at all."""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from film_pipeline.backends.credentials import Secret
from film_pipeline.backends.wire import Broken, Unreached, Wire
from film_pipeline.core.problems import FilmProblem

LARGEST = 512 * 2**20
_TRIES = 3
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


class PictureCut(FilmProblem):
    """The provider's own picture is not whole: made again it may be."""


class _Cut(Broken):
    """The body came whole, and the picture in it is not."""


async def save_picture(
    wire: Wire, path: str, target: Path, secret: Secret | None = None, params: Mapping[str, str] | None = None
) -> Path:
    """Download into `target`, which is only ever there complete. Cut-off bodies are fetched again, three times at most.

    Raises Unreached or Broken, or FilmProblem where there is nothing to be had.
    """
    for left in range(_TRIES - 1, -1, -1):
        try:
            content = await _downloaded(wire, path, secret, params)
            return await asyncio.to_thread(keep, content, target)
        except (Unreached, Broken) as error:
            if not left and isinstance(error, _Cut):
                raise PictureCut("the provider's picture is cut short", "render the frame again") from error
            if not left:
                raise
            await asyncio.sleep(1.5 * wire.pause_s * (_TRIES - left))
    raise AssertionError("every try ends in a picture or an error")


async def _downloaded(wire: Wire, path: str, secret: Secret | None, params: Mapping[str, str] | None) -> bytes:
    parts: list[bytes] = []
    async with wire.download(path, secret, params) as answer:
        if answer.status_code in (403, 404, 410):
            raise FilmProblem(f"the picture is no longer there (status {answer.status_code})", "render the frame again")
        if answer.status_code != 200:
            raise Broken(f"status {answer.status_code}")
        received = 0
        async for part in answer.aiter_bytes():
            received += len(part)
            if received > LARGEST:
                raise FilmProblem("what was sent is too large to be a picture", "look at the provider's output")
            parts.append(part)
    content = b"".join(parts)
    if is_cut(content):
        raise _Cut("the picture was cut short")
    return content


def is_cut(content: bytes) -> bool:
    """Whether bytes are nothing at all, or a PNG without its end."""
    return not content or (content.startswith(_PNG) and not content.rstrip(b"\0\r\n ").endswith(_PNG_END))


def keep(content: bytes, target: Path) -> Path:
    """Write bytes under their final name in one step: fsynced, then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target
