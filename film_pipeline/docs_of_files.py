"""`python -m film_pipeline.docs_of_files`: write docs/files.md and docs/schemas/ from the models of files."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from film_pipeline.core.previz import Previz
from film_pipeline.core.schemas import AUTHORS_FILES, DIALECT, AuthorsFile, schema_of
from film_pipeline.core.units import unit_by_name
from film_pipeline.editorial.soundtrack import SoundFile

DOCS = Path(__file__).resolve().parents[1] / "docs"
FILES = (*AUTHORS_FILES, AuthorsFile("sound", "sound/sound.yaml", SoundFile, "What is heard: cues, tunes and voices."))
_HEAD = """\
# The author's files

A production is a folder of text files that you write and that no program ever changes. Every field of every file is
listed here: what it takes, what it is unless you say it, its unit and its meaning. A mistake is answered with file,
line, field and mend; JSON Schemas for your editor lie in [schemas/](schemas/).

Names in `<...>` are yours. Lengths are metres with Z up, in a set whose floor is z = 0; angles are degrees; colours of
sets and puppets are scene-linear; frames are numbered from 1001.

This page is written by `make docs` from the models that read the files.
"""
_PLAIN = {str: "text", int: "whole number", float: "number", Decimal: "number", bool: "true or false"}
_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def written_docs() -> dict[str, str]:
    """Every document by its path below docs/."""
    schemas = {f"schemas/{file.name}.schema.json": _as_json(schema_of(file)) for file in FILES}
    previz = {"$schema": DIALECT, "$id": "previz.schema.json", **Previz.model_json_schema(mode="serialization")}
    return {"files.md": files_page(), **schemas, "schemas/previz.schema.json": _as_json(previz)}


def files_page() -> str:
    """The page of all files and all their fields."""
    contents = "\n".join(f"- [`{file.path}`](#{file.name}): {file.says}" for file in FILES)
    parts = [_HEAD, contents]
    told: set[type[BaseModel]] = set()
    for file in FILES:
        parts.append(f'<a id="{file.name}"></a>\n\n## `{file.path}`\n\n{file.says} Schema: '
                     f"[{file.name}.schema.json](schemas/{file.name}.schema.json)")  # fmt: skip
        for model in _models_of(file.documented):
            if model not in told:
                told.add(model)
                title = "" if model is file.documented else f"### {model.__name__}\n\n{_says(model)}\n\n"
                own = {name: field for name, field in file.model.model_fields.items() if model is file.documented}
                parts.append(title + _table({**own, **model.model_fields}))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those that its fields hold, each before its own parts, none twice."""
    waiting, seen = [model], []
    while waiting:
        now = waiting.pop(0)
        if now not in seen:
            seen.append(now)
            inner = [part for field in now.model_fields.values() for part in _parts(field.annotation)]
            waiting = [*inner, *waiting]
    yield from seen


def _parts(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _parts(inner)]


def _says(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(fields: Mapping[str, FieldInfo]) -> str:
    rows = ["| field | takes | unless given | unit | meaning |", "|---|---|---|---|---|"]
    for name, field in fields.items():
        cells = (f"`{name}`", _takes(field), _default(field), _unit(name, field), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _takes(field: FieldInfo) -> str:
    limits = _limits(field.metadata)
    return _type(_as_written(field.annotation, field.metadata)) + (f", {limits}" if limits else "")


def _as_written(annotation: Any, metadata: list[Any]) -> Any:
    """What is taken before it is read, which may be more than what it becomes: a colour's name, say."""
    read = (rule.json_schema_input_type for rule in metadata if isinstance(rule, BeforeValidator))
    return next(read, annotation)


def _limits(metadata: list[Any]) -> str:
    limits = []
    for rule in chain.from_iterable(said.metadata if isinstance(said, FieldInfo) else [said] for said in metadata):
        limits += [f"{words} {getattr(rule, name)}" for name, words in _LIMITS.items() if hasattr(rule, name)]
        if getattr(rule, "min_length", 0):
            limits.append("not empty")
    return ", ".join(limits)


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if origin is Annotated:
        limits = _limits(list(inner[1:]))
        return _type(_as_written(inner[0], list(inner[1:]))) + (f" ({limits})" if limits else "")
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in inner if part is not NoneType)
    if origin is tuple:
        kind = _type(inner[0])
        return (
            f"list of {kind}" if inner[-1] is Ellipsis else f"list of {len(inner)} {kind.replace('number', 'numbers')}"
        )
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"{_type(inner[0])} -> {_type(inner[1])}"
    if annotation in (object, Any):
        return "anything"
    raise TypeError(f"nobody has said how {annotation} is written in docs/files.md")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    return "" if value in (None, "", (), [], {}) else f"`{json.dumps(_plain(value), ensure_ascii=False)}`"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, Decimal) else value


def _unit(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    said = extra.get("unit") if isinstance(extra, dict) else None
    return str(said or unit_by_name(name))


def _as_json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for name, text in written_docs().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
