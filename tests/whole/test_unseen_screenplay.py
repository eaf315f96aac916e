"""A screenplay that the project has never seen becomes an animatic without a word more."""

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest
from small_film import SmallFilm

pytestmark = pytest.mark.blender

SCREENPLAY = """Title: The Ferry
Author: Nobody in particular

EXT. JETTY - DAWN

Fog. A bell that nobody rings. MARTA stands at the end of the planks with a suitcase.

OLD IVO comes out of the fog with an oar. He looks at the suitcase.

OLD IVO
That's heavy.

MARTA
(without turning)
It's empty.

INT. FERRY CABIN - CONTINUOUS

Ivo sits. Marta opens the suitcase and shows him that it is empty. He nods, slowly.

IVAN (V.O.)
She never came back for it.
"""


def test_an_unseen_screenplay_gets_to_an_animatic_with_no_hand_work(tmp_path: Path) -> None:
    (tmp_path / "ferry.fountain").write_text(SCREENPLAY, encoding="utf-8")
    command = [sys.executable, "-m", "film_pipeline.cli"]
    begun = subprocess.run(
        [*command, "new", "the-ferry", "--script", "ferry.fountain"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert begun.returncode == 0, begun.stderr
    film = SmallFilm(tmp_path / "the-ferry")
    film.edit("production.yaml", "resolution: [1280, 720]", "resolution: [256, 144]")
    done = film.film("run", "--through", "storyboard", "--json", timeout_s=400)
    assert done.returncode == 0, done.stderr
    made = {row["department"] for row in json.loads(done.stdout)["made"]}
    assert made == {"screenplay", "script", "storyboard", "animatic"}
    [animatic] = (film.root / ".film" / "film" / "storyboard" / "v001").glob("*animatic*.mp4")
    shots = json.loads(film.film("status", "--json").stdout)["shots"]
    assert len(shots) >= 5
    assert {row["shot"].split("_")[0] for row in shots} == {"SC010", "SC020"}
    with av.open(str(animatic)) as movie:
        pictures = [frame.to_ndarray(format="gray") for frame in movie.decode(video=0)]
    assert len(pictures) > 24 * 4
    assert pictures[len(pictures) // 2].std() > 10, "there is something to see"
    assert film.film("status").returncode == 0
