"""Whether a graph can run: checked as ComfyUI checks it, and refused in its words."""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from film_pipeline.simulators.comfyui_nodes import COMBO, INPUT_FOLDER, NODES, Files, Input, NodeClass

Graph = Mapping[str, Any]
_MOST_OPTIONS_TOLD = 20
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass
class Verdict:
    """error: None where at least one output can be made. outputs: the nodes that will be made."""

    error: dict[str, Any] | None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def checked(graph: dict[str, Any], files: Files, targets: Collection[str] | None = None) -> Verdict:
    """Check a graph. targets: only these outputs, where it is a partial run.

    Values are converted in place to what their inputs take, as the real server does. What is no graph at all raises
    whatever it raises there: the server answers 500.
    """
    wanted: list[str] = []
    for node_id, node in graph.items():
        refused = _unknown_class(node_id, node)
        if refused is not None:
            return Verdict(refused)
        if NODES[node["class_type"]].is_output and (targets is None or node_id in targets):
            wanted.append(node_id)
    if not wanted:
        return Verdict(said("prompt_no_outputs", "Prompt has no outputs", ""))
    return _Check(graph, files).of(wanted)


def said(kind: str, message: str, details: str, **extra: Any) -> dict[str, Any]:
    """An error in the server's form."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def _unknown_class(node_id: str, node: Any) -> dict[str, Any] | None:
    if "class_type" not in node:
        title = node.get("_meta", {}).get("title")
        named = title or f"ID #{node_id}"
        message = f"Node '{named}' has no class_type. The workflow may be corrupted or a custom node is missing."
    elif node["class_type"] not in NODES:
        title = node.get("_meta", {}).get("title", node["class_type"])
        message = f"Node '{title}' not found. The custom node may not be installed."
    else:
        return None
    return said(
        "missing_node_type",
        message,
        f"Node ID '#{node_id}'",
        node_id=node_id,
        class_type=node.get("class_type"),
        node_title=title,
    )


@dataclass(frozen=True)
class _Found:
    good: bool
    errors: list[dict[str, Any]]


class _Check:
    """One look at one graph."""

    def __init__(self, graph: dict[str, Any], files: Files) -> None:
        self._graph, self._files = graph, files
        self._found: dict[str, _Found] = {}
        self._visiting: list[str] = []

    def of(self, wanted: list[str]) -> Verdict:
        verdict = Verdict(None)
        told: list[str] = []
        for output in wanted:
            if self._good_output(output):
                verdict.outputs.append(output)
            else:
                told += [f"{error['message']}: {error['details']}" for error in self._found[output].errors]
                self._blame(output, verdict.node_errors)
        if not verdict.outputs:
            verdict.error = said(
                "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(told)
            )
        return verdict

    def _good_output(self, output: str) -> bool:
        try:
            return self._node(output).good
        except Exception as error:  # the real server reports whatever its check raises
            self._found[output] = _Found(False, [_raised("exception_during_validation", "validating node", error)])
            return False

    def _blame(self, output: str, node_errors: dict[str, Any]) -> None:
        for node_id, found in self._found.items():
            if not found.good and found.errors:
                told = node_errors.setdefault(
                    node_id,
                    {
                        "errors": found.errors,
                        "dependent_outputs": [],
                        "class_type": self._graph[node_id]["class_type"],
                    },
                )
                told["dependent_outputs"].append(output)

    def _node(self, node_id: str) -> _Found:
        if node_id in self._found:
            return self._found[node_id]
        if node_id in self._visiting:
            return self._cycle(node_id)
        node_class = NODES[self._graph[node_id]["class_type"]]
        inputs = self._graph[node_id]["inputs"]
        errors: list[dict[str, Any]] = []
        good = True
        for name in (*node_class.required, *node_class.optional):
            good = self._input(node_id, node_class, inputs, name, errors) and good
        earlier = self._found.get(node_id)
        if earlier is not None:
            errors = earlier.errors + errors
        self._found[node_id] = _Found(good and not errors, errors)
        return self._found[node_id]

    def _cycle(self, node_id: str) -> _Found:
        around = [*self._visiting[self._visiting.index(node_id) :], node_id]
        path = " -> ".join(f"{step} ({self._graph[step]['class_type']})" for step in around)
        members = list(dict.fromkeys(around))
        for member in members:
            error = said("dependency_cycle", "Dependency cycle detected", path, node_id=member, cycle_nodes=members)
            self._found[member] = _Found(False, [error])
        return self._found[node_id]

    def _input(
        self, node_id: str, node_class: NodeClass, inputs: dict[str, Any], name: str, errors: list[dict[str, Any]]
    ) -> bool:
        """Whether what stands above this input is good; what is wrong with the input itself goes into errors."""
        given = node_class.input(name)
        assert given is not None
        if name not in inputs:
            if name in node_class.required:
                errors.append(said("required_input_missing", "Required input is missing", name, input_name=name))
            return True
        place = _Place(node_class, name, given, self._files)
        if isinstance(inputs[name], list):
            return self._link(node_id, inputs[name], place, errors)
        self._value(place, inputs, errors)
        return True

    def _link(self, node_id: str, link: list[Any], place: "_Place", errors: list[dict[str, Any]]) -> bool:
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            errors.append(place.said("bad_linked_input", message, received_value=link))
            return True
        source, slot = link
        # A link to a node that is not there is a KeyError here, as in the real server.
        received, wanted = NODES[self._graph[source]["class_type"]].types[slot], place.given.type
        if received != wanted:
            details = f"{place.name}, received_type({received}) mismatch input_type({wanted})"
            extra = {"received_type": received, "linked_node": link}
            message = "Return type mismatch between linked nodes"
            errors.append(place.said("return_type_mismatch", message, details, **extra))
            return True
        self._visiting.append(node_id)
        try:
            return self._node(source).good
        except Exception as error:  # the real server reports whatever its check raises
            reason = _raised("exception_during_inner_validation", "validating inner node", error)
            reason["extra_info"] |= {**place.told(), "exception_message": str(error), "linked_node": link}
            self._found[source] = _Found(False, [reason])
            return False
        finally:
            self._visiting.pop()

    def _value(self, place: "_Place", inputs: dict[str, Any], errors: list[dict[str, Any]]) -> None:
        given, value = place.given, inputs[place.name]
        try:
            value = inputs[place.name] = _CONVERSIONS.get(given.type, lambda kept: kept)(value)
        except (TypeError, ValueError) as error:
            message = f"Failed to convert an input value to a {given.type} value"
            details = f"{place.name}, {value}, {error}"
            extra = {"received_value": value, "exception_message": str(error)}
            errors.append(place.said("invalid_input_type", message, details, **extra))
            return
        least, most = given.settings.get("min"), given.settings.get("max")
        if given.folder == INPUT_FOLDER:
            if not self._files.has_input(value):
                details = f"{place.name} - Invalid image file: {value}"
                message = "Custom validation failed for node"
                errors.append(said("custom_validation_failed", message, details, input_name=place.name))
        elif least is not None and value < least:
            message = f"Value {value} smaller than min of {least}"
            errors.append(place.said("value_smaller_than_min", message, received_value=value))
        elif most is not None and value > most:
            message = f"Value {value} bigger than max of {most}"
            errors.append(place.said("value_bigger_than_max", message, received_value=value))
        elif given.type == COMBO and value not in given.choices(self._files):
            errors.append(place.not_in_list(value))


@dataclass(frozen=True)
class _Place:
    """One input of one node."""

    node_class: NodeClass
    name: str
    given: Input
    files: Files

    def told(self) -> dict[str, Any]:
        return {"input_name": self.name, "input_config": list(self.node_class.config(self.given, self.files))}

    def said(self, kind: str, message: str, details: str = "", **extra: Any) -> dict[str, Any]:
        """An error at this place; its details are the input's name unless given."""
        return said(kind, message, details or self.name, **self.told(), **extra)

    def not_in_list(self, value: Any) -> dict[str, Any]:
        options = self.given.choices(self.files)
        told, listed = self.told(), str(options)
        if len(options) > _MOST_OPTIONS_TOLD:
            told["input_config"], listed = None, f"(list of length {len(options)})"
        details = f"{self.name}: {value!r} not in {listed}"
        return said("value_not_in_list", "Value not in list", details, **told, received_value=value)


def _raised(kind: str, doing: str, error: Exception) -> dict[str, Any]:
    return said(
        kind,
        f"Exception when {doing}",
        str(error),
        exception_type=type(error).__qualname__,
        traceback=traceback.format_tb(error.__traceback__),
    )
