"""What the kills of the orchestrator begin with."""

import shutil
from pathlib import Path

import pytest

from film_pipeline.stores.database import Database
from film_pipeline.stores.schema import FRAME_STORE


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, empty_sqlite_ledger: Path) -> Path:
    """Empty stores, to be copied: making tables takes longer than a run."""
    folder = tmp_path_factory.mktemp("templates")
    Database(folder / "film.sqlite", FRAME_STORE).close()
    shutil.copy(empty_sqlite_ledger, folder / "ledger.sqlite")
    return folder
