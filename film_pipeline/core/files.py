"""Reading the author's files: YAML into pydantic models, every error with its file, line, field and mend.

The author's files are only ever read. A file may come from anybody, so one that is no text, too large, too deep or
blown up by aliases is refused before it can take memory or minutes.
"""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError, YAMLStreamError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.reader import ReaderError

from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.refusals import Refusal, field_path, refusals_of

LARGEST_BYTES = 1_000_000
"""No author's file is larger: one of that size lists some four hundred shots."""
_DEEPEST = 40
_MOST_VALUES = 200_000


class FilmFile(BaseModel):
    """The base of every model of an author's file: unknown fields are mistakes, numbers are finite, values stay."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read one YAML file into a model.

    Raises FilmProblem for a missing file, broken YAML or a value that the model refuses; the first refusal is the
    problem itself, further ones are its `others`.
    """
    written = _parsed(path, "safe")
    try:
        return model.model_validate(written)
    except ValidationError as error:
        first, *others = _problems(path, refusals_of(error, model, written))
        first.others = others
        raise first from error


def load_yaml(path: Path) -> Any:
    """Parse one YAML file and keep the line of every key. Raises FilmProblem."""
    return _parsed(path, "rt")


def read_text(path: Path) -> str:
    """The text of an author's file. Raises FilmProblem for a file that is missing, no text or too large."""
    try:
        if path.exists() and not path.is_file():
            raise FilmProblem("this is no file", f"put a file named {path.name} in its place", file=path)
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise FilmProblem("the file is missing", f"write {path.name}", file=path) from error
    except OSError as error:
        told = (error.strerror or str(error)).lower()
        raise FilmProblem(f"the file can't be read: {told}", "let yourself read it", file=path) from error
    if len(data) > LARGEST_BYTES:
        raise FilmProblem(f"the file is larger than {LARGEST_BYTES} bytes", "part it into several files", file=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FilmProblem("the file is not UTF-8 text", "save it as UTF-8", file=path, line=line) from error


def inside(folder: Path, reference: str) -> Path:
    """The path of a file that an author names below a folder.

    Raises FilmProblem (without a file: the caller knows who named it) for one that leads out of the folder, be it by
    an absolute path, by `..` or by a link.
    """
    path = folder / reference
    try:
        leads_out = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise FilmProblem(f"{reference!r} is no path", f"name a file in {folder.name}/") from error
    if leads_out:
        raise FilmProblem(
            f"{reference!r} leads out of {folder.name}/", f"copy it into {folder.name}/ and name the copy"
        )
    return path


def parse_yaml(text: str, path: Path) -> Any:
    """The plain values of a text that is, or is to become, the file at `path`. Raises FilmProblem."""
    if len(text) > LARGEST_BYTES:
        raise FilmProblem(f"the file is larger than {LARGEST_BYTES} bytes", "part it into several files", file=path)
    return _parsed_text(text, path, "safe")


def _parsed(path: Path, kind: str) -> Any:
    return _parsed_text(read_text(path), path, kind)


def _parsed_text(text: str, path: Path, kind: str) -> Any:
    """The text's document. kind: `safe` for plain values, `rt` for values that know their lines."""
    yaml = YAML(typ=kind)
    yaml.max_depth = _DEEPEST
    yaml.composer.warn_double_anchors = False
    try:
        if "&" in text and "*" in text:
            _refuse_bomb(text, path)
        document = yaml.load(text)
    except MaxDepthExceededError as error:
        raise _too_much(error.problem_mark, path, f"it is nested more than {_DEEPEST} deep") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FilmProblem(
            f"broken YAML: {error.problem or 'it cannot be read'}",
            "check the indentation and the quotes near this line",
            file=path,
            line=mark.line + 1 if mark else None,
        ) from error
    except ReaderError as error:
        raise FilmProblem(
            f"broken YAML: it holds the control character U+{error.character:04X}",
            "remove it",
            file=path,
            line=text.count("\n", 0, error.position) + 1,
        ) from error
    except (YAMLError, YAMLStreamError, ValueError, RecursionError) as error:
        raise FilmProblem(f"broken YAML: {error}", "check the file's syntax", file=path) from error
    if document is None:
        raise FilmProblem("the file is empty", f"fill in {path.name}", file=path, line=1)
    return document


def _refuse_bomb(text: str, path: Path) -> None:
    """Refuse a document whose aliases would make very much more of it than it says, before anything is made."""
    sizes: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []
    total = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, CollectionStartEvent):
            around.append((event.anchor, total))
            total += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, began = around.pop()
            sizes[str(anchor)] = total - began
        elif isinstance(event, ScalarEvent):
            total += 1
            sizes[str(event.anchor)] = 1
        elif isinstance(event, AliasEvent):
            if any(event.anchor == anchor for anchor, _ in around):
                raise _too_much(event.start_mark, path, f"*{event.anchor} stands inside itself")
            total += sizes.get(str(event.anchor), 1)
            if total > _MOST_VALUES:
                raise _too_much(event.start_mark, path, f"with its aliases it holds more than {_MOST_VALUES} values")


def _too_much(mark: StreamMark, path: Path, problem: str) -> FilmProblem:
    return FilmProblem(f"broken YAML: {problem}", "write out what is meant", file=path, line=mark.line + 1)


def line_of(document: Any, location: tuple[str | int, ...]) -> int | None:
    """The line (from 1) of the field at `location`, or of its nearest ancestor that the file really has."""
    line: int | None = None
    node = document
    for step in location:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
        else:
            break
        node = node[step]
    return line


def _problems(path: Path, refusals: list[Refusal]) -> list[FilmProblem]:
    document = load_yaml(path)
    return [
        FilmProblem(
            refusal.problem,
            refusal.mend,
            file=path,
            line=line_of(document, refusal.location) or 1,
            field_name=field_path(refusal.location),
        )
        for refusal in refusals
    ]
