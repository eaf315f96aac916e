"""The film's sound, mixed to a cut: what the animatic, the cut and the masters play."""

from typing import Any

import numpy as np

from film_pipeline.core.cut import Cut
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.delivery.loudness import normalise
from film_pipeline.departments.film import Film
from film_pipeline.editorial.soundtrack import SpokenLine, mix, read_sound, recipe_of_sound

SAMPLE_RATE = 48_000


def _spoken(film: Film) -> list[SpokenLine]:
    return [
        SpokenLine(name, line.frame, line.character, line.text)
        for name, film_shot in film.shots.items()
        for line in film_shot.shot.dialogue
    ]


def sound_ingredients(film: Film) -> dict[str, Any]:
    """What decides the mix: the cue sheet, its files by content, the dialogue and the loudness."""
    folder = film.root / "sound"
    cue_sheet = folder / "sound.yaml"
    return {
        "cues": recipe_of_sound(read_sound(cue_sheet), folder) if cue_sheet.is_file() else None,
        "dialogue": [[line.shot, line.frame, line.character, line.text] for line in _spoken(film)],
        "loudness_lufs": film.production.loudness_lufs,
        "cue_sheet": sha256_of_file(cue_sheet) if cue_sheet.is_file() else None,
    }


def mixed_sound(film: Film, cut: Cut) -> np.ndarray | None:
    """The mix, (n, 2) float32 at 48 kHz, exactly as long as the cut; None for a film without a cue sheet."""
    cue_sheet = film.root / "sound" / "sound.yaml"
    if not cue_sheet.is_file():
        return None
    shots = {name: film_shot.shot.frames for name, film_shot in film.shots.items()}
    samples = mix(read_sound(cue_sheet), cut, shots, _spoken(film), cue_sheet.parent, SAMPLE_RATE)
    return normalise(samples, SAMPLE_RATE, film.production.loudness_lufs)
