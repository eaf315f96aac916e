"""What a model refused of an author's file, said in the author's words: field, what is wrong, and the mend."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Location = tuple[str | int, ...]
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "tuple": "a list",
    "list": "a list",
    "dictionary": "fields, each with its name",
    "boolean": "true or false",
}


@dataclass(frozen=True)
class Refusal:
    """One field that a model refused."""

    location: Location
    problem: str
    mend: str


def refusals_of(error: ValidationError, model: type[BaseModel], written: Any) -> list[Refusal]:
    """What was refused, once for each field.

    written: the document, by which real fields are told from the names that pydantic gives to the branches of a
    union.
    """
    told: dict[Location, list[tuple[str, str]]] = {}
    for detail in error.errors():
        location = _in_document(written, detail)
        if detail["type"] == "too_short" and any(location == other[: len(location)] for other in told):
            # A list whose only item was refused is also refused as too short, which would send the author astray.
            continue
        told.setdefault(location, []).append(_told(detail, location, model))
    refusals = []
    for location, said in told.items():
        problems, mends = zip(*said, strict=True)
        mend = next((mend for mend in mends if mend.startswith("did you")), mends[0])
        refusals.append(Refusal(location, ", or ".join(dict.fromkeys(problems)), mend))
    # A misspelt field is also a missing one: the guess comes first.
    return sorted(refusals, key=lambda refusal: not refusal.mend.startswith("did you"))


def field_path(location: Iterable[str | int]) -> str:
    """shots[1].cast[0].character"""
    written = ""
    for step in location:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else str(step)
    return written


def near(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or nothing where no known name is near."""
    found = difflib.get_close_matches(name, list(known), 3, 0.5)
    return f"did you mean {' or '.join(found)}?" if found else ""


def _in_document(written: Any, detail: Any) -> Location:
    kept: list[str | int] = []
    node = written
    for place, step in enumerate(detail["loc"]):
        if _has(node, step):
            node = node[step]
            kept.append(step)
        elif _is_missing_field(detail) and place == len(detail["loc"]) - 1:
            kept.append(step)
    return tuple(kept)


def _is_missing_field(detail: Any) -> bool:
    return detail["type"] == "missing" and isinstance(detail["loc"][-1], str)


def _has(node: Any, step: str | int) -> bool:
    if isinstance(node, Mapping):
        return step in node
    return isinstance(node, Sequence) and not isinstance(node, str) and isinstance(step, int) and step < len(node)


def _told(detail: Any, location: Location, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong, and the mend."""
    kind, name = detail["type"], str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        known = [field for place in _models_at(model, location[:-1]) for field in place.model_fields]
        return "there is no such field", near(name, known) or f"the fields here are {', '.join(known)}"
    if _is_missing_field(detail):
        return "this field is needed", f"add `{name}:` here"
    if kind == "missing":
        return f"this list has no value number {detail['loc'][-1] + 1}", "write as many as docs/files.md says"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = detail["ctx"]["discriminator"].strip("'")
        choices = _choices(detail["ctx"].get("expected_tags", ""))
        return f"what it is must be said by `{tag}:`", f"choose among {', '.join(choices)}" if choices[
            0
        ] else f"add `{tag}:`"
    got = detail.get("input")
    says = f", and the file says {got!r}" if isinstance(got, str | int | float | bool) else ""
    if kind == "literal_error":
        choices = _choices(detail["ctx"]["expected"])
        mend = near(str(got), choices) or f"choose among {', '.join(choices)}"
        return f"{got!r} is not one of the choices here", mend
    field = next((step for step in reversed(location) if isinstance(step, str)), "this file")
    message = detail["msg"].removeprefix("Value error, ")
    for theirs, ours in _WORDS.items():
        if message.startswith(f"Input should be a valid {theirs}"):
            return f"this takes {ours}{says}", f"write {ours}, as docs/files.md shows it for `{field}`"
    for theirs, ours in (("Input should", "this should"), ("Tuple should", "this list should"), ("Keys", "names")):
        message = message.replace(theirs, ours, 1).replace(" after validation", "")
    return f"{message}{says}", f"write another value: docs/files.md says what `{field}` may be"


def _choices(expected: str) -> list[str]:
    return [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(", ")]


def _models_at(model: type[BaseModel], location: Location) -> list[type[BaseModel]]:
    """The models that may stand at a field: places in lists and names in mappings are passed over."""
    found = [model]
    for step in location:
        inner = [place.model_fields[step].annotation for place in found if step in place.model_fields]
        if inner:
            found = [named for annotation in inner for named in _models_in(annotation)]
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(dict.fromkeys(found for part in get_args(annotation) for found in _models_in(part)))
