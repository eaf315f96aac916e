"""A small production that a real Blender shoots within seconds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from film_pipeline.starting import new_production

SHOTS_OF_SC010 = """
scene: SC010
set: workshop
shots:
  - id: SH010
    length: 8
    size: full
    subject: maker
    action: The Maker stands over the bench.
    transition: fade in
    cast:
      - character: maker
        at: bench
        keys:
          - {frame: 1001, pose: look_down}
          - {frame: 1005, pose: think}
    exposure: {on: 2, holds: [{frame: 1005, frames: 4}]}
    camera: {lens_mm: 32, angle_deg: 24, moves: [{kind: push_in, amount: 0.2}]}
  - id: SH020
    length: 6
    size: medium close-up
    subject: maker
    action: Well. Somebody has to begin.
    dialogue:
      - {character: THE MAKER, text: Well., frame: 1003}
    cast:
      - character: maker
        at: bench
        keys:
          - {frame: 1001, pose: think}
          - {frame: 1003, pose: think, face: {jaw_open: 0.8}}
    exposure: {on: 2}
    camera: {lens_mm: 50, angle_deg: 30}
"""


@dataclass(frozen=True)
class SmallFilm:
    """A production on disk, and the `film` command in it."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def film(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "film_pipeline.cli", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **self.environment},
            check=False,
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Change an author's file, as the author does."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} does not say {old!r}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")


def small_film(folder: Path) -> SmallFilm:
    """The template, cut down to two shots of a few frames and a picture of 192 by 108."""
    root = new_production(folder / "small-film", None)
    film = SmallFilm(root)
    film.edit("production.yaml", "resolution: [1280, 720]", "resolution: [192, 108]")
    film.edit("production.yaml", "scale: 0.5", "scale: 1.0")
    film.edit("production.yaml", "samples: 2", "samples: 1")
    film.edit("production.yaml", "handles: 2", "handles: 1")
    (root / "shots" / "SC010.yaml").write_text(SHOTS_OF_SC010, encoding="utf-8")
    return film
