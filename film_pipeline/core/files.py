"""Reading the author's files: YAML into pydantic models, every error with its file, line, field and mend.

The author's files are only ever read.
"""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from film_pipeline.core.problems import FilmProblem


class FilmFile(BaseModel):
    """The base of every model of an author's file: unknown fields are mistakes, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read one YAML file into a model.

    Raises FilmProblem for a missing file, broken YAML or a value that the model refuses; the first refusal is the
    problem itself, further ones are its `others`.
    """
    try:
        return model.model_validate(_quickly(path))
    except ValidationError as error:
        document = load_yaml(path)
        found = [_problem(path, document, detail, model) for detail in error.errors()]
        first, *others = found
        first.others = others
        raise first from error


def load_yaml(path: Path) -> Any:
    """Parse one YAML file and keep the line of every key. Raises FilmProblem."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FilmProblem("the file is missing", f"write {path.name}", file=path) from error
    except UnicodeDecodeError as error:
        raise FilmProblem("the file is not UTF-8 text", "save it as UTF-8", file=path) from error
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise FilmProblem(
            f"broken YAML: {error.problem or 'it cannot be read'}",
            "check the indentation and the quotes near this line",
            file=path,
            line=line,
        ) from error
    except (YAMLError, ValueError) as error:
        raise FilmProblem(f"broken YAML: {error}", "check the file's syntax", file=path) from error
    if document is None:
        raise FilmProblem("the file is empty", f"fill in {path.name}", file=path)
    return document


def _quickly(path: Path) -> Any:
    """The file's values without their lines, by the fast parser; what it refuses is told by the careful one."""
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError, ValueError):
        document = None
    return _plain(load_yaml(path)) if document is None else document


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


def field_path(location: tuple[str | int, ...]) -> str:
    """shots[1].cast[0].character"""
    written = ""
    for step in location:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else str(step)
    return written


def _problem(path: Path, document: Any, detail: Any, model: type[BaseModel]) -> FilmProblem:
    kind = detail["type"]
    location = _as_written(document, detail["loc"], missing=kind == "missing")
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = "there is no such field"
        mend = "remove it or correct its spelling"
    elif kind == "missing":
        message = "this field is needed"
        mend = f"add `{location[-1]}:` here"
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = detail["ctx"]["discriminator"].strip("'")
        message = f"what it is must be said by `{tag}:`"
        mend = f"choose among {detail['ctx']['expected_tags']}" if "expected_tags" in detail["ctx"] else f"add `{tag}:`"
    else:
        got = detail.get("input")
        mend = f"the file says {got!r}" if isinstance(got, str | int | float | bool) else "see docs/files.md"
    return FilmProblem(message, mend, file=path, line=line_of(document, location) or 1, field_name=field_path(location))


def _as_written(document: Any, location: tuple[str | int, ...], missing: bool) -> tuple[str | int, ...]:
    """The place as the file has it: without the names of validators and of the kinds that a model may be.

    missing: whether the last step is a field that the file ought to have.
    """
    written: list[str | int] = []
    node = document
    for place, step in enumerate(location):
        there = (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int))
        if there:
            node = node[step]
        elif not (missing and place + 1 == len(location)):
            continue
        written.append(step)
    return tuple(written)


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap | dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq | list):
        return [_plain(value) for value in node]
    for plain in (bool, int, float, str):
        if isinstance(node, plain):
            return plain(node) if plain is not bool else bool(node)
    return node
