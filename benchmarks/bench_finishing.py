"""Finishing against the naive exact route, at HD and 4K, in one run: `python -m benchmarks.bench_finishing`.

The naive route takes every pixel through OCIO and does vignette, border and grain with numpy, as a first script would;
its processors and masks are cached as ours are, so that the ratio is of the work on a frame and nothing else.
Seconds are of CPU, on one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

import numpy as np

from film_pipeline.core.look import Look, LookFile, resolve
from film_pipeline.finishing.comp import comp
from film_pipeline.finishing.finisher import finish, finish_exact
from film_pipeline.finishing.kernels import by_numpy
from film_pipeline.finishing.resize import resize
from film_pipeline.finishing.still_life import still_life

SHOT = "SC010_SH010"
SIZES = {"HD": (1920, 1080), "4K": (4096, 2160)}
BAR = 4.0


@dataclass(frozen=True)
class Row:
    """One line of the table. ratio: how many times as fast as the naive route; 0 where nothing is compared."""

    name: str
    seconds: float
    naive_seconds: float = 0.0
    ratio: float = 0.0
    bar: float = 0.0


def show_look() -> Look:
    """A look that asks everything of the finisher."""
    return resolve(
        LookFile(
            exposure_stops=0.5,
            cdl={"slope": [1.25, 1.25, 1.25], "offset": [-0.11, -0.11, -0.11]},
            monochrome={"amount": 0.94, "keep_warm": 0.95, "tint": [0.9, 0.97, 1.05]},
            grain={"amount": 0.016, "size": 1.3},
            vignette={"amount": 0.5},
            border={"width": 0.036},
            vfx=[
                {"op": "flicker"},
                {"op": "atmosphere"},
                {"op": "hatching"},
                {"op": "boil"},
                {"op": "ink", "scratch": 0.8},
                {"op": "glow", "warm_only": 1},
                {"op": "dust"},
            ],
        ),
        "SC010",
        {},
    )


def run(repeats: int = 3) -> list[Row]:
    """Measure. Every way is warmed first, so that compiling, baking and masks are not counted."""
    look = show_look()
    rows = []
    for label, size in SIZES.items():
        picture = resize(still_life().beauty, size)

        def naive(picture: np.ndarray = picture) -> None:
            with by_numpy():
                finish_exact(picture, look, SHOT, 1001)

        def ours(picture: np.ndarray = picture) -> None:
            finish(picture, look, SHOT, 1001)

        naive_s, ours_s = _best(naive, repeats), _best(ours, repeats)
        rows.append(Row(f"finish a frame, {label}", ours_s, naive_s, naive_s / ours_s, BAR))
        exact_s = _best(lambda picture=picture: finish_exact(picture, look, SHOT, 1001), repeats)
        rows.append(Row(f"finish a frame exactly, {label}", exact_s, naive_s, naive_s / exact_s))
    life = still_life()
    comped = _best(lambda: comp(life, look, SHOT, 1001, 0, (1280, 720)), repeats)
    picture = comp(life, look, SHOT, 1001, 0, (1280, 720))
    finished = _best(lambda: finish(picture, look, SHOT, 1001), repeats)
    rows.append(Row("comp a frame, 720p from half-size passes", comped))
    rows.append(Row("comp and finish a frame, 720p", comped + finished))
    return rows


def _best(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest of several, after one that warms up."""
    work()
    taken = []
    for _ in range(repeats):
        started = process_time()
        work()
        taken.append(process_time() - started)
    return min(taken)


def main() -> None:
    print(f"{'':44}{'ours':>9}{'naive':>9}{'ratio':>8}{'bar':>7}")
    for row in run():
        naive = f"{row.naive_seconds:8.3f}s" if row.naive_seconds else " " * 9
        ratio = f"{row.ratio:7.1f}x" if row.ratio else " " * 8
        bar = f"{row.bar:6.1f}x" if row.bar else ""
        print(f"{row.name:44}{row.seconds:8.3f}s{naive}{ratio}{bar}")


if __name__ == "__main__":
    main()
