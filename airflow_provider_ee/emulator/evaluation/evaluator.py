"""Evaluates the graph of an expression: every value once, each function of the service by its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_ee.emulator.evaluation import functions
from airflow_provider_ee.emulator.evaluation.collection import Assets, FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.graph import Graph, Node, kind_of
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.limits import Memory, go_on
from airflow_provider_ee.emulator.evaluation.registry import ALGORITHMS, type_name
from airflow_provider_ee.emulator.evaluation.trampoline import Steps, run
from airflow_provider_ee.emulator.evaluation.values import Function

functions.declare()


def evaluate(expression: Mapping[str, Any], assets: Assets) -> Any:
    """The value of an expression."""
    return _Evaluation(Graph(expression), assets).result()


def evaluate_image(expression: Mapping[str, Any], assets: Assets) -> Image:
    """The value of an expression that must be an image."""
    value = evaluate(expression, assets)
    if not isinstance(value, Image):
        raise EvaluationError(f"Expression: the result must be an Image, not {type_name(type(value))}.")
    return value


def evaluate_table(expression: Mapping[str, Any], assets: Assets) -> FeatureCollection:
    """The value of an expression that must be a collection of features."""
    value = evaluate(expression, assets)
    if not isinstance(value, FeatureCollection):
        raise EvaluationError(f"Expression: the result must be a FeatureCollection, not {type_name(type(value))}.")
    return value


class _Frame:
    """The arguments of one call of a function, and the values that depend on them."""

    def __init__(self, arguments: Mapping[str, Any], parent: _Frame | None = None) -> None:
        self.arguments = arguments
        self.parent = parent
        self.values: dict[int, Any] = {}

    def argument(self, name: str) -> Any:
        return self.holding(frozenset([name])).arguments[name]

    def holding(self, names: frozenset[str]) -> _Frame:
        """The innermost frame that has one of ``names``, else the outermost: where a value can be remembered."""
        frame = self
        while frame.parent is not None and names.isdisjoint(frame.arguments):
            frame = frame.parent
        return frame


class _Evaluation:
    def __init__(self, graph: Graph, assets: Assets) -> None:
        self._graph = graph
        self._assets = assets
        self._memory = Memory()

    def result(self) -> Any:
        return run(self._value(self._graph.result, _Frame({})))

    def _value(self, node: Node, frame: _Frame) -> Steps:
        values = frame.holding(self._graph.free_arguments(node)).values
        if id(node) not in values:
            values[id(node)] = yield self._evaluated(node, frame)
        return values[id(node)]

    def _evaluated(self, node: Node, frame: _Frame) -> Steps:
        kind, content = kind_of(node)
        if kind == "constantValue":
            return content
        if kind == "integerValue":
            return int(content)
        if kind == "valueReference":
            return (yield self._value(self._graph.node(content), frame))
        if kind == "argumentReference":
            return frame.argument(content)
        if kind == "functionDefinitionValue":
            return self._function(content, frame)
        if kind == "functionInvocationValue":
            return (yield self._invocation(content, frame))
        if kind == "arrayValue":
            elements = yield self._named(dict(enumerate(content.get("values", ()))), frame)
            return list(elements.values())
        return (yield self._named(content.get("values", {}), frame))

    def _named(self, nodes: Mapping[Any, Node], frame: _Frame) -> Steps:
        named = {}
        for name, child in nodes.items():
            named[name] = yield self._value(child, frame)
        return named

    def _invocation(self, invocation: Mapping[str, Any], frame: _Frame) -> Steps:
        go_on()
        arguments = yield self._named(invocation.get("arguments", {}), frame)
        if "functionReference" in invocation:
            function = yield self._value(self._graph.node(invocation["functionReference"]), frame)
            return _call(function, arguments)
        name = invocation.get("functionName", "")
        if name not in ALGORITHMS:
            raise EvaluationError(f"The function '{name}' is not emulated.")
        return self._memory.take(name, ALGORITHMS[name](arguments, self._assets))

    def _function(self, definition: Mapping[str, Any], frame: _Frame) -> Function:
        names = tuple(definition.get("argumentNames", ()))

        def call(*arguments: Any) -> Any:
            if len(arguments) != len(names):
                raise EvaluationError(
                    f"Expression: a function of {len(names)} arguments was given {len(arguments)}."
                )
            inner = _Frame(dict(zip(names, arguments, strict=True)), frame)
            return run(self._value(self._graph.node(definition["body"]), inner))

        return Function(names, call)


def _call(function: Any, arguments: Mapping[str, Any]) -> Any:
    if not isinstance(function, Function):
        raise EvaluationError(
            f"Expression: a functionReference leads to {type_name(type(function))}, not to a function."
        )
    if set(arguments) != set(function.argument_names):
        raise EvaluationError(f"Expression: a function wants the arguments {', '.join(function.argument_names)}.")
    return function.call(*(arguments[name] for name in function.argument_names))
