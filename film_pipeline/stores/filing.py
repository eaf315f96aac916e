"""How a finished file comes home: record beside it first, then the file, then the index."""

from collections.abc import Sequence
from pathlib import Path

from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.record import Record, Turnover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore, write_atomically

TURNOVER_FILE = "turnover.json"


def sidecar_of(media: Path) -> Path:
    """The record that stands beside a file: its name with .json behind it."""
    return media.with_name(media.name + ".json")


def file_frames(media: MediaStore, frames: FrameStore, batch: Sequence[tuple[Path, Record, str]]) -> list[Record]:
    """Bring finished files home.

    batch: (file, its record without hash and size, where it shall lie below the media root).
    Returns the complete records. A crash at any point leaves nothing, or a sidecar and a file that `rebuild` puts
    back into the index; filing the same again changes nothing.
    """
    complete = []
    for made, record, at in batch:
        filed = record.model_copy(
            update={"content_hash_sha256": sha256_of_file(made), "media_bytes": made.stat().st_size, "media_path": at}
        )
        write_atomically(sidecar_of(media.root / at), filed.model_dump_json(indent=1).encode() + b"\n")
        media.keep(made, at, filed.content_hash_sha256)
        complete.append(filed)
    frames.file(complete)
    return complete


def file_turnover(media: MediaStore, frames: FrameStore, turnover: Turnover, folder: str) -> None:
    """Hand a turnover over, with a copy of it in its version's folder."""
    write_atomically(media.root / folder / TURNOVER_FILE, turnover.model_dump_json(indent=1).encode() + b"\n")
    frames.hand_over(turnover)
