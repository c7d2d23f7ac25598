"""The graph of an expression: its nodes by key, checked for what would keep it from being evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.trampoline import Steps, run

KINDS = (
    "constantValue",
    "integerValue",
    "arrayValue",
    "dictionaryValue",
    "functionInvocationValue",
    "functionDefinitionValue",
    "argumentReference",
    "valueReference",
)

Node = Mapping[str, Any]


class Graph:
    """An expression whose references all lead somewhere, and never in a circle."""

    def __init__(self, expression: Mapping[str, Any]) -> None:
        self._values: Mapping[str, Node] = expression.get("values") or {}
        self._free: dict[int, frozenset[str]] = {}
        self._path: dict[str, None] = {}
        key = expression.get("result")
        if not key:
            raise EvaluationError("Expression: 'result' is missing; it must be the key of a node in 'values'.")
        for name in run(self._free_arguments_of_key(key, "'result'")):
            raise EvaluationError(
                f"Expression: argumentReference '{name}' is not below a function with that argument."
            )
        self.result = self.node(key)

    def node(self, key: str) -> Node:
        """The node of a key."""
        return self._values[key]

    def free_arguments(self, node: Node) -> frozenset[str]:
        """The arguments of enclosing functions on which the value of a node depends."""
        return self._free[id(node)]

    def _free_arguments_of_key(self, key: str, referrer: str) -> Steps:
        if key not in self._values:
            raise EvaluationError(f"Expression: {referrer} refers to '{key}', which is not in 'values'.")
        if key in self._path:
            circle = [*list(self._path)[list(self._path).index(key) :], key]
            raise EvaluationError(f"Expression: the values {' -> '.join(circle)} refer to each other in a circle.")
        self._path[key] = None
        free = yield self._free_arguments_of_node(self._values[key], f"the value '{key}'")
        del self._path[key]
        return free

    def _free_arguments_of_node(self, node: Node, where: str) -> Steps:
        if id(node) not in self._free:
            self._free[id(node)] = yield self._found_free_arguments(node, where)
        return self._free[id(node)]

    def _found_free_arguments(self, node: Node, where: str) -> Steps:
        kind, content = kind_of(node, where)
        if kind == "argumentReference":
            return frozenset([content])
        if kind == "valueReference":
            return (yield self._free_arguments_of_key(content, where))
        if kind == "functionDefinitionValue":
            body = yield self._free_arguments_of_key(content.get("body", ""), where)
            return body - frozenset(content.get("argumentNames", ()))
        free: frozenset[str] = frozenset()
        if kind == "functionInvocationValue" and "functionReference" in content:
            free = yield self._free_arguments_of_key(content["functionReference"], where)
        for child in children(kind, content):
            free |= yield self._free_arguments_of_node(child, where)
        return free


def kind_of(node: Any, where: str = "the expression") -> tuple[str, Any]:
    """Which kind of node it is, and what it holds."""
    kinds = [kind for kind in KINDS if kind in node] if isinstance(node, Mapping) else []
    if len(kinds) != 1:
        raise EvaluationError(f"Expression: {where} must hold nodes with exactly one of {', '.join(KINDS)}.")
    return kinds[0], node[kinds[0]]


def children(kind: str, content: Any) -> Iterator[Node]:
    """The nodes that lie inside a node."""
    if kind == "arrayValue":
        yield from content.get("values", ())
    elif kind == "dictionaryValue":
        yield from content.get("values", {}).values()
    elif kind == "functionInvocationValue":
        yield from content.get("arguments", {}).values()
