"""The small production as fixtures: new, or made once for all tests that only look at it."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from small_film import SmallFilm, small_film

# Machines are shared: how long an example takes says nothing of the code.
settings.register_profile("film", deadline=None)
settings.load_profile("film")


@pytest.fixture
def new_film(tmp_path: Path) -> SmallFilm:
    """The small production, with nothing made yet."""
    return small_film(tmp_path)


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> SmallFilm:
    film = small_film(tmp_path_factory.mktemp("made"))
    done = film.film("run", "--json")
    assert done.returncode == 0, done.stderr
    (film.root / "run.json").write_text(done.stdout, encoding="utf-8")
    return film


@pytest.fixture
def made_film(_made_once: SmallFilm, tmp_path: Path) -> SmallFilm:
    """A copy of the small production with everything made, from script to masters."""
    shutil.copytree(_made_once.root, tmp_path / "small-film", symlinks=True)
    return SmallFilm(tmp_path / "small-film")
