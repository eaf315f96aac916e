"""The whole index rebuilt from the sidecars, and the media checked against their records."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.record import Record
from film_pipeline.stores.filing import (
    LAID_OUT,
    TURNOVER_FILE,
    changed_bytes,
    read_record,
    read_turnover,
    settle,
    sidecar_of,
)
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.media import MediaStore

STORE_FILE = "film.sqlite"
_FILED_AT_ONCE = 1000


@dataclass
class Rebuilt:
    """What came back, what is no longer there, and what could not come back."""

    records: int = 0
    turnovers: int = 0
    forgotten: int = 0
    problems: list[FilmProblem] = field(default_factory=list)


def rebuild(root: Path, into: FrameStore | None = None) -> Rebuilt:
    """Bring the index to exactly what the sidecars below `root` (the production's `.film`) say.

    into: the store; the production's own if it is not given. Others may file frames meanwhile.
    A filing that was interrupted is completed. A sidecar that can't be read, or whose file is missing or of another
    size, is a problem of its own and stops nothing else.
    """
    frames = into if into is not None else FrameStore(root / STORE_FILE)
    media = MediaStore(root)
    rebuilt = Rebuilt()
    indexed, found = frames.media_paths(), set[str]()
    handed = {(row.stage, row.shot, row.version) for row in frames.turnover_rows()}
    sidecars = _sidecars(root)
    while chunk := list(islice(sidecars, _FILED_AT_ONCE)):
        # Read inside the transaction: no frame can be filed anew between the reading of its record and its indexing.
        rebuilt.records += frames.file(_readable(media, chunk, found, rebuilt.problems))
    gone = indexed - found
    frames.forget(path for path in gone if not _came_meanwhile(media, path))
    rebuilt.forgotten = len(gone - frames.media_paths())
    for path in _every(root, TURNOVER_FILE):
        try:
            turnover, handed_over = read_turnover(path)
        except FilmProblem as problem:
            rebuilt.problems.append(problem)
            continue
        frames.hand_over(turnover, handed_over)
        handed.discard((turnover.stage, turnover.shot, turnover.version))
        rebuilt.turnovers += 1
    for stage, shot, version in handed:
        frames.take_back(stage, shot, version)
    if into is None:
        frames.close()
    return rebuilt


def verify(root: Path, frames: FrameStore) -> Iterator[FilmProblem]:
    """Read every file and every record: what is missing, changed, without a record, or says something else."""
    media = MediaStore(root)
    hashes: dict[tuple[int, int], str] = {}
    known: set[Path] = set()
    for record in frames.records():
        place = media.place(record.media_path)
        known |= {place, sidecar_of(place)}
        problem = _problem_of(media, record, place, hashes)
        if problem is not None:
            yield problem
    for place in _every(root, "*"):
        if place not in known and place.name != TURNOVER_FILE and not place.name.startswith("."):
            yield FilmProblem(
                "the file is not in the index",
                "if it has a record beside it, `film reindex` brings it in; otherwise remove it",
                file=place,
            )


def _problem_of(
    media: MediaStore, record: Record, place: Path, hashes: dict[tuple[int, int], str]
) -> FilmProblem | None:
    shot = record.lineage.shot
    if not place.is_file():
        return FilmProblem("the file is missing", "run the film again", file=place, shot=shot)
    status = place.stat()
    inode = (status.st_dev, status.st_ino)
    if inode not in hashes:
        hashes[inode] = sha256_of_file(place)
    if hashes[inode] != record.content_hash_sha256:
        return changed_bytes(media, record)
    sidecar = sidecar_of(place)
    if not sidecar.is_file():
        return FilmProblem("the record beside the file is missing", "run the film again", file=place, shot=shot)
    try:
        beside = read_record(sidecar, media.root)
    except FilmProblem as problem:
        return problem
    if beside != record:
        return FilmProblem(
            "the record beside the file is not the one in the index", "film reindex", file=sidecar, shot=shot
        )
    return None


def _readable(media: MediaStore, chunk: list[Path], found: set[str], problems: list[FilmProblem]) -> Iterator[Record]:
    for path in chunk:
        try:
            record = read_record(path, media.root)
            settle(media, record)
        except FilmProblem as problem:
            problems.append(problem)
            continue
        found.add(record.media_path)
        yield record


def _came_meanwhile(media: MediaStore, media_path: str) -> bool:
    """Whether a readable record and its file stand there, although they did not when we passed."""
    try:
        settle(media, read_record(sidecar_of(media.place(media_path)), media.root))
    except FilmProblem:
        return False
    return True


def _sidecars(root: Path) -> Iterator[Path]:
    """Every record beside a file. A JSON document that was turned over has a record of its own and is none."""
    for path in _every(root, "*.json"):
        if path.name != TURNOVER_FILE and not sidecar_of(path).exists() and not path.name.startswith("."):
            yield path


def _every(root: Path, pattern: str) -> Iterator[Path]:
    for place in LAID_OUT:
        yield from (path for path in sorted((root / place).rglob(pattern)) if path.is_file())
