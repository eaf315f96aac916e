"""Records and turnovers for the tests of the stores."""

import hashlib
from pathlib import Path

from film_pipeline.core.record import Event, Lineage, Record, Reference, Turnover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore

SHOT = "SC010_SH010"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_place(frame: int, version: int = 1, shot: str = SHOT) -> str:
    return f"shots/{shot}/render/t{version:03d}/{shot}_render_t{version:03d}.{frame:04d}.exr"


def a_record(
    frame: int = 1001,
    version: int = 1,
    shot: str = SHOT,
    cost_usd: float | None = 0.0,
    references: tuple[Reference, ...] = (),
    made_at: str = "2026-11-23T08:00:00+00:00",
) -> Record:
    """A record as a department writes it: hash and size are not known yet."""
    return Record(
        deliverable=f"{shot}_render_t{version:03d}.{frame:04d}",
        content_hash_sha256="",
        engine_summary=("cycles",),
        license_summary=("own work",),
        lineage=Lineage(
            kind="render",
            shot=shot,
            events=(
                Event(
                    engine="cycles",
                    provider="local",
                    software="film_pipeline 0.1",
                    author="Ödile 墨",
                    cost_usd=cost_usd,
                    started_at=made_at,
                    detail={"z": [1.5, None], "a": {"nested": True}},
                ),
            ),
        ),
        stage="render",
        version=version,
        frame=frame,
        role="render",
        media_path="",
        media_bytes=0,
        recipe_sha256=digest(f"{shot} {frame}"),
        recipe={"z": 1, "a": [0.1, 2**40], "digest": digest(str(frame))},
        composition_lock=digest("lock"),
        take=version,
        references=references,
        made_at=made_at,
    )


def a_turnover(version: int = 1, recipe: str = "grade", stage: str = "color", shot: str = SHOT) -> Turnover:
    return Turnover(
        stage=stage, shot=shot, version=version, recipe_sha256=digest(recipe), items=(), facts={"frames": version}
    )


def a_frame_file(media: MediaStore, frame: int, text: str = "") -> Path:
    bench = media.root / "bench"
    bench.mkdir(exist_ok=True)
    path = bench / f"{frame}.exr"
    path.write_text(text or f"pixels of {frame}")
    return path


def open_stores(root: Path) -> tuple[MediaStore, FrameStore]:
    made = root / ".film"
    return MediaStore(made), FrameStore(made / "film.sqlite")
