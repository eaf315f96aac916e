"""The whole index rebuilt from the sidecars, and the media checked against their records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.record import Record, Turnover
from film_pipeline.stores.filing import TURNOVER_FILE, sidecar_of
from film_pipeline.stores.frames import FrameStore

_FILED_AT_ONCE = 1000


@dataclass
class Rebuilt:
    """What came back, and what could not."""

    records: int = 0
    turnovers: int = 0
    problems: list[FilmProblem] = field(default_factory=list)


def rebuild(root: Path, into: FrameStore) -> Rebuilt:
    """Fill an empty frame store from the sidecars below `root` (the production's `.film`).

    A sidecar that can't be read, or whose file is missing, is a problem of its own and stops nothing else.
    """
    rebuilt = Rebuilt()
    batch: list[Record] = []
    for path in _sidecars(root):
        record = _read(path, Record, rebuilt.problems)
        if record is None:
            continue
        if not (root / record.media_path).is_file():
            # Its run was stopped between the sidecar and the file: there is no frame yet, and the next run makes it.
            rebuilt.problems.append(FilmProblem("the record has no file", "run the film again", file=path))
            continue
        batch.append(record)
        rebuilt.records += 1
        if len(batch) == _FILED_AT_ONCE:
            into.file(batch)
            batch = []
    into.file(batch)
    for turnover in sorted(_turnovers(root, rebuilt.problems), key=lambda turnover: turnover.version):
        into.hand_over(turnover)
        rebuilt.turnovers += 1
    return rebuilt


def verify(root: Path, frames: FrameStore) -> Iterator[FilmProblem]:
    """Every file that is missing, changed, or whose record is missing or says something else."""
    for record in frames.records():
        path = root / record.media_path
        if not path.is_file():
            yield FilmProblem("the file is missing", "run the film again", file=path, shot=record.lineage.shot)
        elif sha256_of_file(path) != record.content_hash_sha256:
            yield FilmProblem(
                "the file's bytes are not those of its record",
                "remove the file and its object, and run the film again",
                file=path,
                shot=record.lineage.shot,
            )
        elif not sidecar_of(path).is_file():
            yield FilmProblem("the record beside the file is missing", "run the film again", file=path)


def _sidecars(root: Path) -> Iterator[Path]:
    for place in ("shots", "film"):
        yield from (path for path in sorted((root / place).rglob("*.json")) if _is_sidecar(path))


def _is_sidecar(path: Path) -> bool:
    """A sidecar carries its file's whole name: panel.1001.png.json; a document of its own has but one suffix."""
    of = Path(path.stem).suffix.lstrip(".")
    return bool(of) and not of.isdigit()


def _turnovers(root: Path, problems: list[FilmProblem]) -> Iterator[Turnover]:
    for place in ("shots", "film"):
        for path in sorted((root / place).rglob(TURNOVER_FILE)):
            turnover = _read(path, Turnover, problems)
            if turnover is not None:
                yield turnover


Written = TypeVar("Written", Record, Turnover)


def _read(path: Path, model: type[Written], problems: list[FilmProblem]) -> Written | None:
    try:
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, ValueError, OSError) as error:
        first = str(error).splitlines()[0]
        problems.append(FilmProblem(f"the record can't be read: {first}", "run the film again to write it anew", file=path))
        return None
