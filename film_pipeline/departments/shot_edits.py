"""Edits of shot files: proposed by whoever looks at a shot, written when the author accepts them.

This is the one place where a file of the author's is written, and it is written only if it still is, byte for byte, the
file that the edit was proposed for.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_pipeline.core.composition import compose
from film_pipeline.core.edits import CameraMoved, PuppetMoved, diff_of, edited, problems_in, read_changes
from film_pipeline.core.files import parse_yaml, read_text
from film_pipeline.core.previz import Previz
from film_pipeline.core.previz_build import previz_of
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.shot import SceneFile
from film_pipeline.departments.film import Film, FilmShot
from film_pipeline.stores.disk import disk_problem, flush, partial_of
from film_pipeline.stores.leases import claim

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Proposal:
    """What a shot's file would be with some changes.

    file: below the production's folder. previz: what the shot would then be; None where there are problems.
    """

    shot: str
    file: str
    changes: tuple[PuppetMoved | CameraMoved, ...]
    made_from_sha256: str
    new_text: str
    diff: str
    problems: tuple[FilmProblem, ...] = ()
    previz: Previz | None = field(default=None, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The proposal for a page to show, without the text and the previz, which are fetched by whoever needs them."""
        return {
            "shot": self.shot,
            "file": self.file,
            "changes": [change.model_dump(mode="json", exclude_none=True) for change in self.changes],
            "made_from_sha256": self.made_from_sha256,
            "diff": self.diff,
            "problems": [problem.as_json() for problem in self.problems],
        }


@dataclass(frozen=True)
class Accepted:
    """The author's file was written."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Refused:
    """The author's file stands as it was."""

    why: str
    mend: str


def propose(film: Film, shot: str, change: object) -> Proposal:
    """What one change of a shot, or a list of them, would make of its file. Nothing is written.

    change: as the previz viewer tells it (core/edits.py). A change that can't be made, or that the film then could not
    be composed with, is a proposal with problems. Raises FilmProblem for a shot that the film does not have, for what
    is no change, and for a file that can't be read.
    """
    film_shot = film.shot(shot)
    changes = tuple(read_changes(change))
    before, data = _read(film_shot.source)
    made_from = hashlib.sha256(data).hexdigest()
    name = film_shot.source.relative_to(film.root).as_posix()

    def proposal(after: str, problems: list[FilmProblem], previz: Previz | None = None) -> Proposal:
        return Proposal(shot, name, changes, made_from, after, diff_of(before, after, name), tuple(problems), previz)

    try:
        after = edited(before, film_shot.shot.id, changes, film_shot.source)
        problems = problems_in(after, film_shot.source)
    except FilmProblem as problem:
        return proposal(before, [problem])
    if problems:
        return proposal(after, problems)
    try:
        return proposal(after, [], _as_it_would_be(film, film_shot, after))
    except FilmProblem as problem:
        return proposal(after, [problem])


def accept(film: Film, proposal: Proposal) -> Accepted | Refused:
    """Write the author's file as proposed, whole or not at all.

    Refused where the file is no longer the one that the proposal was made from, or the proposal's text is not what its
    changes make of it. Afterwards the film's shots are read anew. Raises FilmProblem where the disk refuses.
    """
    film_shot = film.shot(proposal.shot)
    path = film_shot.source.resolve()
    with claim(film.made, "edit", film_shot.scene.scene):
        text, data = _read(path)
        refused = _refusal(film_shot, proposal, text, data)
        if refused is not None:
            return refused
        new = (_BOM if data.startswith(_BOM) else b"") + proposal.new_text.encode()
        if not _replace(path, new, lambda: path.read_bytes() == data):
            return _changed(proposal)
    film.read_shots_anew()
    return Accepted(proposal.file, hashlib.sha256(new).hexdigest())


def _refusal(film_shot: FilmShot, proposal: Proposal, text: str, data: bytes) -> Refused | None:
    if hashlib.sha256(data).hexdigest() != proposal.made_from_sha256:
        return _changed(proposal)
    if proposal.problems:
        return Refused(str(proposal.problems[0]), "propose something else")
    if edited(text, film_shot.shot.id, proposal.changes, film_shot.source) != proposal.new_text:
        return Refused("the proposed text is not what the changes make of the file", "propose it again")
    return None


def _changed(proposal: Proposal) -> Refused:
    return Refused(f"{proposal.file} has been changed since this was proposed", "look at it, and propose it again")


def _read(path: Path) -> tuple[str, bytes]:
    """The text of an author's file, without a byte order mark, and all its bytes."""
    text = read_text(path)
    data = path.read_bytes()
    if data.removeprefix(_BOM).decode(errors="replace") != text:
        raise FilmProblem("the file is being changed just now", "try it again", file=path)
    return text, data


def _as_it_would_be(film: Film, film_shot: FilmShot, text: str) -> Previz:
    """The shot composed from a text that is not on the disk. Raises FilmProblem."""
    scene = SceneFile.model_validate(parse_yaml(text, film_shot.source))
    shot = next(shot for shot in scene.shots if shot.id == film_shot.shot.id)
    would_be = FilmShot(film_shot.name, shot, scene, film_shot.source)
    film.exposure_sheet(would_be)
    set_, cast = film.set_of(would_be), film.cast_of(would_be)
    composition = compose(shot, scene, set_, cast, film.production, _NoPictures(), source=film_shot.source)
    return previz_of(composition, shot, set_, film.production)


class _NoPictures:
    """A composition that is looked at as numbers needs no textures."""

    def png(self, name: str, make: Callable[[], bytes]) -> str:
        return f"{name}.png"


def _replace(path: Path, data: bytes, still: Callable[[], bool]) -> bool:
    """Put bytes in a file's place in one step, keeping who may read it. still: asked last, whether to do it."""
    # No .yaml at its end, so that nobody takes it for a shot file meanwhile.
    partial = partial_of(path).with_suffix("")
    try:
        partial.write_bytes(data)
        shutil.copymode(path, partial)
        flush(partial)
        if not still():
            return False
        os.replace(partial, path)
        flush(path.parent)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return True
