"""The graph of an expression: checked, and written as JSON.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/Expression
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError

NODE_KINDS = frozenset(
    {
        "constantValue",
        "integerValue",
        "bytesValue",
        "arrayValue",
        "dictionaryValue",
        "functionDefinitionValue",
        "functionInvocationValue",
        "argumentReference",
        "valueReference",
    }
)

# The service refuses deeper values; a reference to another value starts anew.
MAX_DEPTH = 100

Expression = dict[str, Any]


def check_graph(expression: Expression) -> None:
    """Check an Expression.

    :raises RequestError: if it is none, or has a dangling reference, a cycle or too deep a value.
    """
    _check_shape(expression)
    _check_references(expression)


def to_json(value: Any) -> str:
    """Compact JSON.

    :raises RequestError: if a number is NaN or infinite, or a value is of a type that JSON does not have.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise RequestError(too_deep("expression")) from None
    except ValueError as error:
        raise RequestError(f"expression holds a number that JSON cannot: {error}.") from error
    except TypeError as error:
        raise RequestError(f"expression holds a value that JSON cannot: {error}.") from error


def _check_shape(expression: Expression) -> None:
    keys = set(expression)
    if expression.get("type") == "CompoundValue":
        raise RequestError(
            "expression is in the legacy CompoundValue form; use ee.Serializer.toCloudApiJSON (JavaScript) "
            "or ee.serializer.toJSON(image, for_cloud_api=True) (Python)."
        )
    if len(keys) == 1 and keys <= NODE_KINDS:
        raise RequestError(
            f'expression is a bare {keys.pop()} node; wrap it as {{"result": "0", "values": {{"0": …}}}}.'
        )
    unknown = sorted(map(str, keys - {"result", "values"}))
    if unknown:
        raise RequestError(f"expression has the unknown key {unknown[0]!r}; it holds result and values only.")
    values, result = expression.get("values"), expression.get("result")
    if not isinstance(values, dict) or not values:
        raise RequestError("expression.values must be an object that holds the nodes of the graph.")
    if not isinstance(result, str):
        raise RequestError("expression.result must be the key of a node in expression.values, as text.")
    if result not in values:
        raise RequestError(f"expression.result {result!r} is not among expression.values.")


def _check_references(expression: Expression) -> None:
    values = expression["values"]
    references = {key: _references(key, node) for key, node in values.items()}
    for key, targets in references.items():
        for target in targets:
            if target not in values:
                raise RequestError(f"expression.values[{key!r}] refers to {target!r}, which is not among them.")
    _check_acyclic(references)


def _check_acyclic(references: Mapping[str, list[str]]) -> None:
    """Depth first without recursion: graphs of 10,000 nodes in a row are legal."""
    finished: set[str] = set()
    for start in references:
        if start in finished:
            continue
        path, on_path = [(start, iter(references[start]))], {start}
        while path:
            key, targets = path[-1]
            for target in targets:
                if target in on_path:
                    raise RequestError(f"expression.values[{target!r}] depends on itself, through {key!r}.")
                if target not in finished:
                    path.append((target, iter(references[target])))
                    on_path.add(target)
                    break
            else:
                path.pop()
                on_path.remove(key)
                finished.add(key)


def _references(key: str, root: Any) -> list[str]:
    """Check each node of one value, level by level, and return the keys that it refers to.

    Depth is counted as the service does: levels of JSON, three for a node nested in another.
    """
    references: list[str] = []
    nodes, depth = [root], 1
    while nodes:
        if depth > MAX_DEPTH:
            raise RequestError(too_deep(f"expression.values[{key!r}]"))
        nested: list[Any] = []
        for node in nodes:
            if not isinstance(node, dict) or len(node) != 1:
                raise RequestError(_bad_node(key, node))
            ((kind, content),) = node.items()
            if kind == "constantValue":
                if type(content) in (dict, list) and depth + _levels(content, MAX_DEPTH - depth) > MAX_DEPTH:
                    raise RequestError(too_deep(f"expression.values[{key!r}]"))
            elif kind == "valueReference":
                references.append(content)
            elif kind in _PARTS:
                nested += _PARTS[kind](key, content, references)
            elif kind not in NODE_KINDS:
                raise RequestError(_bad_node(key, node))
        nodes, depth = nested, depth + 3
    for reference in references:
        if not isinstance(reference, str):
            raise RequestError(f"expression.values[{key!r}] refers to {reference!r:.80}, but a key is text.")
    return references


def _call_parts(key: str, call: Any, references: list[str]) -> Iterable[Any]:
    call = _object(key, "functionInvocationValue", call)
    if "functionReference" in call:
        references.append(call["functionReference"])
    elif not isinstance(call.get("functionName"), str):
        raise RequestError(f"expression.values[{key!r}] has a call without a functionName.")
    return _object(key, "arguments", call.get("arguments")).values()


def _array_parts(key: str, array: Any, references: list[str]) -> Iterable[Any]:
    elements = _object(key, "arrayValue", array).get("values") or []
    if not isinstance(elements, list):
        raise RequestError(f"expression.values[{key!r}] has an arrayValue whose values are not a list.")
    return elements


def _dictionary_parts(key: str, dictionary: Any, references: list[str]) -> Iterable[Any]:
    return _object(key, "values", _object(key, "dictionaryValue", dictionary).get("values")).values()


def _definition_parts(key: str, definition: Any, references: list[str]) -> Iterable[Any]:
    references.append(_object(key, "functionDefinitionValue", definition).get("body", ""))
    return ()


_PARTS: dict[str, Callable[[str, Any, list[str]], Iterable[Any]]] = {
    "functionInvocationValue": _call_parts,
    "arrayValue": _array_parts,
    "dictionaryValue": _dictionary_parts,
    "functionDefinitionValue": _definition_parts,
}
"""What each kind of node holds: its nested nodes are returned, the keys it refers to are added."""


def _object(key: str, name: str, content: Any) -> dict[str, Any]:
    """A field that must be an object; null stands for an empty one."""
    if isinstance(content, dict):
        return content
    if content is None:
        return {}
    raise RequestError(f"expression.values[{key!r}]: {name} must be a JSON object, not {content!r:.80}.")


def _levels(constant: Any, most: int) -> int:
    """How many levels of lists and objects a constant nests; stops counting past ``most``."""
    level, current = 0, [constant]
    while current and level <= most:
        level += 1
        nested: list[Any] = []
        for container in current:
            items = container.values() if isinstance(container, dict) else container
            nested.extend(item for item in items if type(item) in (dict, list))
        current = nested
    return level


def _bad_node(key: str, node: Any) -> str:
    if isinstance(node, dict) and len(node) == 1:
        return f"expression.values[{key!r}] has a node of the unknown kind {next(iter(node))!r}."
    shown = sorted(map(str, node)) if isinstance(node, dict) else node
    return f"expression.values[{key!r}] has {shown!r:.80} where a node of exactly one kind must stand."


def too_deep(what: str) -> str:
    """The sentence about what the service would refuse."""
    return f"{what} nests deeper than {MAX_DEPTH} levels of JSON; move parts of it into values of their own."
