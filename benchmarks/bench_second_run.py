"""A second `film run` with nothing changed, on a film of 4,000 frames, beside the same command on a film of one shot.

Run it: python -m benchmarks.bench_second_run. The film's files are stand-ins of one byte, filed under the recipes that
the departments really ask for, so that the run finds everything current by the way that it always takes.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from film_pipeline.core.record import Item, Turnover
from film_pipeline.core.slate import WHOLE_FILM_SLATE, Slate
from film_pipeline.departments.department import Department
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Due, Line
from film_pipeline.departments.roster import DEPARTMENTS
from film_pipeline.starting import new_production

SHOTS, FRAMES_A_SHOT, SHOTS_A_SCENE = 40, 100, 10
MORE_SECONDS_BAR = 2.0
_PER_FRAME = {"cameras": ("passes", "plate", "pose"), "render": ("render",), "vfx": ("vfx",), "color": ("color",)}
_ONCE = {"storyboard": ("panel", "drawing"), "edit": ("proxy",), "cut": ("timeline",), "deliver": ("deliver",)}


def run(repeats: int = 3) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        small, long = (a_current_film(Path(folder), name, shots) for name, shots in (("one-shot", 1), ("long", SHOTS)))
        starting = min(_second_run(small) for _ in range(repeats))
        second = min(_second_run(long) for _ in range(repeats))
    more = max(second - starting, 0.0)
    return [
        Row(f"film run, nothing changed, {SHOTS * FRAMES_A_SHOT} frames", second, "s", None, starting),
        Row("  more than on a film of one shot", more, "s", MORE_SECONDS_BAR, None, more <= MORE_SECONDS_BAR),
    ]


def a_current_film(folder: Path, name: str, shots: int) -> Path:
    """A production of so many shots, everything made as far as anybody can tell."""
    root = new_production(folder / name, None)
    _write_scenes(root, shots)
    with Film(root) as film:
        line = Line(film, DEPARTMENTS)
        for desk in DEPARTMENTS.values():
            for shot in line.shots_of(desk, film.shots):
                state = line.state(desk.name, shot)
                assert isinstance(state, Due) and state.recipe is not None, state
                turnover = _pretend(film, desk, shot, state.recipe.sha256)
                film.frames.hand_over(turnover)
                line._made(desk, shot, turnover)
    return root


def _write_scenes(root: Path, shots: int) -> None:
    script, names = [], [f"SH{number:03d}0" for number in range(1, SHOTS_A_SCENE + 1)]
    for scene in range((shots + SHOTS_A_SCENE - 1) // SHOTS_A_SCENE):
        scene_id = f"SC{scene + 1:02d}0"
        script.append(f"INT. WORKSHOP - NIGHT #{scene + 1}#\n\nThe Maker waits, for the {scene + 1}th time.\n")
        lines = [f"scene: {scene_id}", "set: workshop", "shots:"]
        for shot in names[: min(SHOTS_A_SCENE, shots - scene * SHOTS_A_SCENE)]:
            lines += [
                f"  - {{id: {shot}, length: {FRAMES_A_SHOT}, size: full, subject: maker, exposure: {{on: 1}},",
                "     cast: [{character: maker, at: bench, keys: [{frame: 1001, pose: think}, "
                "{frame: 1090, pose: reach}]}]}",
            ]
        (root / "shots" / f"{scene_id}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "script.fountain").write_text("\n".join(script), encoding="utf-8")


def _pretend(film: Film, desk: Department, shot: str, recipe_sha256: str) -> Turnover:
    frames = film.exposure_sheet(film.shot(shot)).unique_frames if shot else ()
    slate = Slate(shot or WHOLE_FILM_SLATE, desk.stage, 1)
    roles: Iterator[tuple[str, int | None]] = iter(
        [(role, frame) for role in _PER_FRAME.get(desk.name, ()) for frame in frames]
        or [(role, None) for role in _ONCE.get(desk.name, (desk.name,))]
    )
    items = []
    for role, frame in roles:
        path = f"{slate.folder}/{desk.name}/{slate.filename(role, 'bin', frame)}"
        place = film.made / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
        items.append(Item(role=role, frame=frame, path=path, sha256="0" * 64, bytes=1))
    facts: dict[str, Any] = {
        "look": {"look_sha256": "0", "render_look_sha256": "0"},
        "cameras": {"lock": "0", "digests": {str(frame): f"{frame}" for frame in frames}},
        "edit": {"take": 1},
    }.get(desk.name, {})
    return Turnover(stage=desk.name, shot=shot, version=1, recipe_sha256=recipe_sha256, items=tuple(items), facts=facts)


def _second_run(root: Path) -> float:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "film_pipeline.cli", "run"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "0 made" in done.stderr, done.stderr
    return time.monotonic() - started


def main() -> None:
    for row in run():
        sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
