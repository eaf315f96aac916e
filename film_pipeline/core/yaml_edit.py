"""Setting one field of a YAML text and leaving every other character as it is: comments, quotes, spaces, order.

A round trip through a YAML library keeps comments and loses spaces, so the parser is asked where things stand in the
text, and only those characters are replaced.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Location = tuple[str | int, ...]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXT = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null")
_ALIAS = re.compile(r"\s*\*[^\s,\[\]{}]+")


class NoSuchPlace(Exception):
    """The text has no such place, or one that can't be set without changing others."""


def set_field(text: str, location: Location, value: Any, after: Sequence[str] = ()) -> str:
    """The text with a field set: replaced where it is there, else put into its mapping.

    value: a number, a text, a list of numbers, or a mapping of such, for one that is new. after: the fields behind
    which a new one is put, the first that is there; behind the last unless one is. Raises NoSuchPlace.
    """
    node = YAML(typ="safe", pure=True).compose(text)
    for step in location[:-1]:
        node = _step(node, step)
    field = location[-1]
    if not isinstance(node, MappingNode) or not isinstance(field, str):
        raise NoSuchPlace(f"there is no field {field!r} to set")
    for key, there in node.value:
        if key.value == field:
            return _replaced(text, key, there, value)
    return _added(text, node, field, value, after)


def written(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(inner) for inner in value) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value)
        return value if plain else json.dumps(value)
    told = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if told == "-0" else told


def _step(node: Node, step: str | int) -> Node:
    inner: Iterable[tuple[str | int, Node]] = ()
    if isinstance(node, SequenceNode):
        inner = enumerate(node.value)
    elif isinstance(node, MappingNode):
        inner = ((key.value, value) for key, value in node.value)
    for name, value in inner:
        if name == step:
            return value
    raise NoSuchPlace(f"there is no {step!r} here")


def _replaced(text: str, key: ScalarNode, there: Node, value: Any) -> str:
    colon = text.index(":", key.end_mark.index) + 1
    alias = _ALIAS.match(text, colon)
    if alias:
        return f"{text[:colon]} {written(value)}{text[alias.end() :]}"
    if isinstance(there, ScalarNode) and there.start_mark.index == there.end_mark.index:
        return f"{text[:colon]} {written(value)}{text[colon:]}"
    both_lists = isinstance(there, SequenceNode) and isinstance(value, list | tuple)
    if both_lists and len(there.value) == len(value) and all(isinstance(item, ScalarNode) for item in there.value):
        # From the last to the first, so that the places before stay where they are.
        for item, inner in reversed(list(zip(there.value, value, strict=True))):
            text = _put(text, item, inner)
        return text
    if "#" in text[there.start_mark.index : _end(there)] and not isinstance(there, ScalarNode):
        raise NoSuchPlace("a comment stands inside what would be replaced")
    if not isinstance(there, MappingNode | SequenceNode) or there.flow_style:
        return _put(text, there, value)
    return f"{text[:colon]} {written(value)}{text[_end(there) :]}"


def _put(text: str, node: Node, value: Any) -> str:
    if isinstance(node, ScalarNode) and not node.style and _is_number(node.value, value):
        return text
    return text[: node.start_mark.index] + written(value) + text[_end(node) :]


def _is_number(there: str, value: Any) -> bool:
    """Whether the number is written there already, perhaps with more zeros."""
    try:
        return not isinstance(value, str) and float(there) == float(value)
    except (TypeError, ValueError):
        return False


def _end(node: Node) -> int:
    """Where a node's last character is left. The marks of a block lie behind the comments that follow it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _added(text: str, mapping: MappingNode, field: str, value: Any, after: Sequence[str]) -> str:
    there = {key.value: (key, inner) for key, inner in mapping.value}
    new = f"{field}: {written(value)}"
    if not there:
        if not mapping.flow_style:
            raise NoSuchPlace(f"there is nothing that {field!r} could stand beside")
        begin = text.index("{", mapping.start_mark.index) + 1
        return f"{text[:begin]}{new}{text[begin:]}"
    key, inner = next((there[name] for name in after if name in there), list(there.values())[-1])
    end = _end_of_value(text, key, inner)
    if mapping.flow_style:
        return f"{text[:end]}, {new}{text[end:]}"
    return _new_line(text, end, mapping.value[0][0].start_mark.column, new)


def _end_of_value(text: str, key: ScalarNode, value: Node) -> int:
    colon = text.find(":", key.end_mark.index)
    alias = _ALIAS.match(text, colon + 1) if colon >= 0 else None
    if alias:
        return alias.end()
    if value.start_mark.index == value.end_mark.index:
        return max(colon + 1, int(key.end_mark.index))
    return _end(value)


def _new_line(text: str, end: int, indent: int, new: str) -> str:
    """The text with a line of its own behind the line that `end` is in."""
    # A block of folded text ends behind its own line break.
    line_end = end - 1 if text[end - 1 : end] == "\n" else text.find("\n", end)
    if line_end < 0:
        return f"{text}{_line_break(text)}{' ' * indent}{new}"
    at = line_end + 1
    return f"{text[:at]}{' ' * indent}{new}{_line_break(text)}{text[at:]}"


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
