"""A process that films a shot into the stores, to be killed at any moment. Prints each frame that it really makes."""

import sys
from pathlib import Path

from film_pipeline.core.recipe import Recipe
from film_pipeline.core.record import Event, Lineage, Record, Reference, Turnover
from film_pipeline.stores.filing import file_frames, file_turnover, recover
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.leases import claim
from film_pipeline.stores.media import MediaStore, write_atomically

SHOT = "SC010_SH010"
FOLDER = f"shots/{SHOT}/render/t001"


def recipe_of(frame: int) -> Recipe:
    return Recipe({"department": "render", "frame": frame})


def place_of(frame: int) -> str:
    return f"{FOLDER}/{SHOT}_render_t001.{frame:04d}.exr"


def record_of(frame: int) -> Record:
    return Record(
        deliverable=Path(place_of(frame)).stem,
        content_hash_sha256="",
        engine_summary=("test",),
        license_summary=("own work",),
        lineage=Lineage(
            kind="render",
            shot=SHOT,
            events=(Event(engine="test", provider="local", software="test", author="test", cost_usd=0.0),),
        ),
        stage="render",
        version=1,
        frame=frame,
        role="render",
        media_path=place_of(frame),
        media_bytes=0,
        recipe_sha256=recipe_of(frame).sha256,
        recipe=recipe_of(frame).ingredients,
        references=(Reference(role="plate", name=f"plate.{frame}", sha256=f"{frame:064d}"),),
    )


def film(made: Path, frames: int, batch: int) -> None:
    """Make what is missing of a shot, in batches, and hand it over: what a run does, without a renderer."""
    media, store = MediaStore(made), FrameStore(made / "film.sqlite")
    with claim(made, "render", SHOT, lambda what: print("waiting", what, flush=True)):
        recover(media, store)
        numbers = range(1001, 1001 + frames)
        there = store.frames_made([recipe_of(number).sha256 for number in numbers])
        missing = [number for number in numbers if recipe_of(number).sha256 not in there]
        bench = made / "bench" / "filer"
        bench.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(missing), batch):
            fresh = []
            for number in missing[start : start + batch]:
                path = bench / f"{number}.exr"
                write_atomically(path, f"pixels of {number} ".encode() * 300)
                print("made", number, flush=True)
                fresh.append((path, record_of(number), place_of(number)))
            file_frames(media, store, fresh)
            print("filed", *missing[start : start + batch], flush=True)
        whole = Turnover(
            stage="render", shot=SHOT, version=1, recipe_sha256="0" * 64, items=(), facts={"frames": frames}
        )
        if store.latest("render", SHOT) != whole:
            file_turnover(media, store, whole, FOLDER)
    store.close()
    print("wrapped", flush=True)


if __name__ == "__main__":
    film(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
