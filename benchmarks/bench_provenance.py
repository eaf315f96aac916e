"""Provenance: what hashing costs over plain SHA-256, and how many frames a second come home, are indexed, published.

Run it: python benchmarks/bench_provenance.py [folder]. All figures of one call are of one run on one machine.
"""

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.record import Event, Lineage, Record, Reference
from film_pipeline.stores.filing import file_frames
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore
from film_pipeline.stores.rebuild import rebuild
from film_pipeline.stores.warehouse import open_current, publish

_MEMORY = Path("/dev/shm")
FRAMES_PER_SECOND_BAR = 2000
HASH_BAR = 1.5
"""Hashing a file as it is filed, over hashing the same bytes with hashlib alone."""


def run(
    folder: Path | None = None, frames: int = 2000, published: int = 100_000, megabytes: int = 64
) -> dict[str, Any]:
    """Measure everything in a scratch folder (on the disk of `folder`) and return the figures with their bars."""
    root = Path(tempfile.mkdtemp(prefix="bench-provenance-", dir=folder))
    try:
        figures = _hashing(root, megabytes) | _indexing(root / "film", frames) | _publishing(root / "long", published)
        figures |= {f"{name}_without_fsync": rate for name, rate in _in_memory(frames).items() if "home" in name}
    finally:
        shutil.rmtree(root)
    figures["holds"] = bool(
        figures["hash_over_plain_sha256"] <= HASH_BAR and figures["indexed_frames_per_s"] >= FRAMES_PER_SECOND_BAR
    )
    return figures


def _hashing(root: Path, megabytes: int) -> dict[str, float]:
    path = root / "plate.exr"
    data = hashlib.shake_256(b"a plate").digest(1 << 20) * megabytes
    path.write_bytes(data)

    def plain() -> None:
        hashlib.sha256(data).hexdigest()

    def filed() -> None:
        sha256_of_file(path)

    rounds = [(_seconds(plain), _seconds(filed)) for _ in range(5)]
    path.unlink()
    in_memory, on_disk = (min(column) for column in zip(*rounds, strict=True))
    return {"hash_over_plain_sha256": on_disk / in_memory, "hash_megabytes_per_s": megabytes / on_disk}


def _indexing(made: Path, count: int) -> dict[str, float]:
    media, store = MediaStore(made), FrameStore(made / "film.sqlite")
    (made / "bench").mkdir(parents=True)
    batch = []
    for number in range(count):
        path = made / "bench" / f"{number}.exr"
        path.write_bytes(f"pixels of {number} ".encode() * 200)
        batch.append((path, _record(number), _place(number, 1)))
    figures = {}
    filed: list[Record] = []

    def come_home() -> None:
        filed.extend(file_frames(media, store, batch))

    figures["new_frames_home_per_s"] = count / _seconds(come_home)

    def file_again(version: int) -> None:
        again = [
            (media.path_of(record.content_hash_sha256), record, _place(number, version))
            for number, record in enumerate(filed)
        ]
        file_frames(media, store, again)

    figures["stored_frames_home_per_s"] = count / _seconds(lambda: file_again(2))
    figures["indexed_frames_per_s"] = count / _seconds(lambda: store.file(filed))
    figures["rebuilt_frames_per_s"] = 3 * count / _seconds(lambda: rebuild(made, store))
    store.close()
    return figures


def _in_memory(frames: int) -> dict[str, float]:
    """The same on a disk in memory, where there is nothing to wait for, so that the disk's share can be seen."""
    if not _MEMORY.is_dir():
        return {}
    root = Path(tempfile.mkdtemp(prefix="bench-provenance-", dir=_MEMORY))
    try:
        return _indexing(root, frames)
    finally:
        shutil.rmtree(root)


def _publishing(made: Path, count: int) -> dict[str, float]:
    store = FrameStore(made / "film.sqlite")
    for start in range(0, count, 10_000):
        store.file(
            _record(number).model_copy(
                update={"media_path": _place(number, 1), "content_hash_sha256": _digest(f"{number}"), "media_bytes": 1}
            )
            for number in range(start, min(start + 10_000, count))
        )
    figures = {"published_frames": float(count), "publish_s": _seconds(lambda: publish(store, made / "warehouse"))}

    def ask() -> None:
        with open_current(made / "warehouse") as lineage:
            lineage.execute("SELECT * FROM cost_by_day").fetchall()

    figures["cost_by_day_s"] = _seconds(ask)
    store.close()
    return figures


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _place(number: int, version: int) -> str:
    shot = f"SC{number // 1000 * 10 + 10:03d}_SH010"
    return f"shots/{shot}/render/t{version:03d}/{shot}_render_t{version:03d}.{number % 1000 + 1001:04d}.exr"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _record(number: int) -> Record:
    """A record of the size that a rendered frame really has, with three references."""
    place = Path(_place(number, 1))
    return Record(
        deliverable=place.stem,
        content_hash_sha256="",
        engine_summary=("cycles",),
        license_summary=("own work",),
        lineage=Lineage(
            kind="render",
            shot=place.parts[1],
            events=(
                Event(
                    engine="cycles",
                    provider="local",
                    software="film_pipeline, Blender 4.5",
                    author="A. Director",
                    cost_usd=0.0,
                    started_at=f"2026-11-{number % 28 + 1:02d}T08:00:00+00:00",
                    seconds=2.5,
                ),
            ),
        ),
        stage="render",
        version=1,
        frame=number % 1000 + 1001,
        role="render",
        media_path="",
        media_bytes=0,
        recipe_sha256=_digest(f"recipe {number}"),
        recipe={"department": "render.frame", "code": 1, "digest": _digest(f"digest {number}"), "size": [1280, 720]},
        composition_lock=_digest("lock"),
        take=1,
        references=tuple(
            Reference(role=role, name=f"{role}.{number}", sha256=_digest(f"{role} {number}"))
            for role in ("composition", "plate", "look")
        ),
        made_at="2026-11-23T08:00:00+00:00",
    )


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]) if len(sys.argv) > 1 else None), indent=1))
