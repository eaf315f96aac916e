"""How a finished file comes home: into the store, its record beside it, its place for people, the index.

Each step is whole on the disk before the next begins, so that a crash leaves nothing to be seen, or what `recover` (and
`rebuild`) completes:

1. a note of what is about to be filed, locked by the process that does it;
2. the bytes, under their hash (nobody sees them yet);
3. the record, where the file is going to lie;
4. the file's place for people, changed in one step;
5. the index, in one transaction; then the note is removed.
"""

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.recipe import sha256_of_file
from film_pipeline.core.record import Record, Turnover
from film_pipeline.stores.disk import disk_problem, flush_all, is_same_file, partial_name, write_atomically
from film_pipeline.stores.frames import FrameStore
from film_pipeline.stores.leases import FileLock
from film_pipeline.stores.media import MediaStore

TURNOVER_FILE = "turnover.json"
LAID_OUT = ("shots", "film")
"""The folders below `.film` in which files are laid out for people, and where `rebuild` looks for their records."""


def sidecar_of(media: Path) -> Path:
    """The record that stands beside a file: its name with .json behind it."""
    return media.with_name(media.name + ".json")


def file_frame(media: MediaStore, frames: FrameStore, made: Path, record: Record, at: str) -> Record:
    """Bring one finished file home. See `file_frames`."""
    [filed] = file_frames(media, frames, [(made, record, at)])
    return filed


def file_frames(media: MediaStore, frames: FrameStore, batch: Sequence[tuple[Path, Record, str]]) -> list[Record]:
    """Bring finished files home. A file from below the media root is moved, one from elsewhere is copied.

    batch: (file, its record without hash and size, where it shall lie below the media root: shots/... or film/...).
    Returns the complete records. Filing the same again changes nothing. Raises FilmProblem where a disk refuses.
    """
    if not batch:
        return []
    for _, _, at in batch:
        if at.partition("/")[0] not in LAID_OUT:
            raise ValueError(f"{at} would not be found again: files lie below {' or '.join(LAID_OUT)}")
    with _noted(media.root, {"places": [at for _, _, at in batch]}) as token:
        kept = media.store([made for made, _, _ in batch])
        complete = [
            record.model_copy(update={"content_hash_sha256": item.sha256, "media_bytes": item.bytes, "media_path": at})
            for item, (_, record, at) in zip(kept, batch, strict=True)
        ]
        _write_sidecars(media, complete, token)
        media.lay_out({record.media_path: record.content_hash_sha256 for record in complete}, token)
        frames.file(complete)
    media.discard((made for made, _, _ in batch), (at for _, _, at in batch))
    return complete


def file_turnover(media: MediaStore, frames: FrameStore, turnover: Turnover, folder: str) -> None:
    """Hand a turnover over, with a copy of it in its version's folder. An earlier one becomes the current one again."""
    with _noted(media.root, {"turnovers": [f"{folder}/{TURNOVER_FILE}"]}) as token:
        handed_over = frames.next_hand_over(turnover.stage, turnover.shot)
        document = {"handed_over": handed_over, **turnover.model_dump(mode="json")}
        written = json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
        write_atomically(media.place(f"{folder}/{TURNOVER_FILE}"), written, token)
        frames.hand_over(turnover, handed_over)


@dataclass
class Recovered:
    """What an interrupted filing had begun and is now complete, and what could not be completed."""

    records: list[Record] = field(default_factory=list)
    turnovers: list[Turnover] = field(default_factory=list)
    problems: list[FilmProblem] = field(default_factory=list)


def recover(media: MediaStore, frames: FrameStore) -> Recovered:
    """Complete what killed processes were filing. Call it before work begins; it costs nothing where nothing is left.

    Filings of processes that are alive are left to them.
    """
    recovered = Recovered()
    for note in sorted((media.root / "filing").glob("*")):
        try:
            lock = FileLock(note, create=False)
        except FileNotFoundError:
            continue
        try:
            if lock.take(wait=False) and lock.is_at(note):
                # A note that was never finished is of a filing that never began.
                if note.suffix == ".json":
                    _complete(media, frames, note.stem, json.loads(lock.read()), recovered)
                note.unlink()
        finally:
            lock.let_go()
    return recovered


def read_record(path: Path, root: Path) -> Record:
    """The record in a sidecar. Raises FilmProblem where it can't be read or belongs to another file."""
    try:
        record = Record.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise FilmProblem(
            f"the record can't be read: {_in_a_line(error)}",
            f"restore it from a copy, or remove it and {path.stem}, and run the film again",
            file=path,
        ) from error
    if sidecar_of(root / record.media_path) != path:
        raise FilmProblem(
            f"the record is of {record.media_path} and lies beside another file", "move it back to its file", file=path
        )
    return record


def read_turnover(path: Path) -> tuple[Turnover, int]:
    """A turnover from its file, and its place among the hand-overs. Raises FilmProblem where it can't be read."""
    try:
        document = json.loads(path.read_bytes())
        handed_over = int(document.pop("handed_over", 1))
        return Turnover.model_validate(document), handed_over
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise FilmProblem(
            f"the turnover can't be read: {_in_a_line(error)}", "remove it and run the film again", file=path
        ) from error


def settle(media: MediaStore, record: Record) -> None:
    """Make sure that a recorded file lies in its place and in the store, completing what a crash interrupted.

    Raises FilmProblem where the bytes of the record are nowhere.
    """
    sha256 = record.content_hash_sha256
    place, stored = media.place(record.media_path), media.path_of(sha256)
    if is_same_file(place, stored):
        if place.stat().st_size != record.media_bytes:
            raise changed_bytes(media, record)
        return
    if place.is_file() and sha256_of_file(place) == sha256:
        if not media.has(sha256):
            media.keep(place, record.media_path, sha256)
        return
    if not media.has(sha256):
        if place.is_file():
            raise changed_bytes(media, record)
        raise FilmProblem("the record has no file", "run the film again", file=place, shot=record.lineage.shot)
    media.lay_out({record.media_path: sha256})


def changed_bytes(media: MediaStore, record: Record) -> FilmProblem:
    """The problem of a file whose bytes are not those that its record names."""
    return FilmProblem(
        "the file's bytes are not those of its record",
        f"restore it from a copy, or remove it and {media.path_of(record.content_hash_sha256)}, and run the film again",
        file=media.place(record.media_path),
        shot=record.lineage.shot,
    )


def sidecar_bytes(record: Record) -> bytes:
    """A record as it stands beside its file: read back and written again, it is the same bytes."""
    return record.model_dump_json(indent=1).encode() + b"\n"


def _write_sidecars(media: MediaStore, records: Sequence[Record], token: str) -> None:
    partials: dict[str, str] = {}
    folders: set[str] = set()
    sidecar = str(media.root)
    try:
        for record in records:
            sidecar = f"{media.root}/{record.media_path}.json"
            folder = os.path.dirname(sidecar)
            if folder not in folders:
                os.makedirs(folder, exist_ok=True)
                folders.add(folder)
            partials[sidecar] = partial_name(sidecar, token)
            with open(partials[sidecar], "wb", buffering=0) as file:
                file.write(sidecar_bytes(record))
        flush_all(partials.values())
        for sidecar, partial in partials.items():
            os.replace(partial, sidecar)
        # The folders themselves are brought to the disk with the places of the files, which lie in the same ones.
    except OSError as error:
        for partial in partials.values():
            Path(partial).unlink(missing_ok=True)
        raise disk_problem(error, Path(sidecar)) from error


@contextmanager
def _noted(root: Path, what: dict[str, list[str]]) -> Iterator[str]:
    """A note of what is being filed. It goes when the filing is complete, and stays where it failed or was killed.

    It is not brought to the disk by itself: a killed process needs it, and after a power cut `rebuild` does the same
    from the records alone.
    """
    token = uuid.uuid4().hex[:12]
    note = root / "filing" / f"{token}.json"
    unwritten = note.with_suffix(".partial")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked_note(unwritten)
    except OSError as error:
        raise disk_problem(error, note) from error
    try:
        try:
            lock.write(json.dumps(what))
            os.replace(unwritten, note)
        except OSError as error:
            unwritten.unlink(missing_ok=True)
            raise disk_problem(error, note) from error
        yield token
        note.unlink()
    finally:
        lock.let_go()


def _locked_note(path: Path) -> FileLock:
    while True:
        lock = FileLock(path)
        lock.take(wait=True)
        if lock.is_at(path):
            return lock
        # `recover` found it between its making and its locking, and took it for one that a killed process had left.
        lock.let_go()


def _complete(
    media: MediaStore, frames: FrameStore, token: str, what: dict[str, list[str]], recovered: Recovered
) -> None:
    whole: list[Record] = []
    places, turnovers = what.get("places", []), what.get("turnovers", [])
    for folder in {media.place(at).parent for at in [*places, *turnovers]}:
        for half_written in folder.glob(f".*.{token}.partial*"):
            half_written.unlink(missing_ok=True)
    for at in places:
        place = media.place(at)
        if not sidecar_of(place).is_file():
            continue
        try:
            record = read_record(sidecar_of(place), media.root)
            settle(media, record)
        except FilmProblem as problem:
            recovered.problems.append(problem)
        else:
            whole.append(record)
    if whole:
        frames.file(whole)
    recovered.records += whole
    for at in turnovers:
        place = media.place(at)
        if place.is_file():
            turnover, handed_over = read_turnover(place)
            frames.hand_over(turnover, handed_over)
            recovered.turnovers.append(turnover)


def _in_a_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}".removeprefix(": ")
    return str(error).splitlines()[0]
