"""Arithmetic and comparisons of numbers."""

# ruff: noqa: A002 (the arguments have the names that the service gave them)
from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.registry import algorithm

Number = float  # which in annotations stands for whole numbers too

_BINARY: dict[str, Callable[[Number, Number], Number]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": lambda left, right: left / right if right else 0,
    "mod": lambda left, right: math.fmod(left, right) if right else 0,
    "pow": lambda left, right: float(left) ** right,
    "min": min,
    "max": max,
    "eq": lambda left, right: int(left == right),
    "neq": lambda left, right: int(left != right),
    "lt": lambda left, right: int(left < right),
    "lte": lambda left, right: int(left <= right),
    "gt": lambda left, right: int(left > right),
    "gte": lambda left, right: int(left >= right),
}
_UNARY: dict[str, Callable[[Number], Number]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": lambda number: math.floor(number + 0.5),
    "sqrt": math.sqrt,
    "int": int,
    "toInt": int,
    "toLong": int,
    "float": float,
    "toFloat": float,
    "double": float,
    "toDouble": float,
}


def _declare_binary(name: str, compute: Callable[[Number, Number], Number]) -> None:
    function = f"Number.{name}"

    @algorithm(function)
    def binary(left: float, right: float) -> float:
        return _computed(function, compute, left, right)


def _declare_unary(name: str, compute: Callable[[Number], Number]) -> None:
    function = f"Number.{name}"

    @algorithm(function)
    def unary(input: float) -> float:
        return _computed(function, compute, input)


def _computed(function: str, compute: Callable[..., Number], *operands: float) -> float:
    try:
        result = compute(*operands)
    except (ArithmeticError, ValueError):
        result = math.nan
    if isinstance(result, complex) or not math.isfinite(result):
        raise EvaluationError(f"{function}: The result for {', '.join(map(str, operands))} is no finite number.")
    return result


for _name, _compute in _BINARY.items():
    _declare_binary(_name, _compute)
for _name, _convert in _UNARY.items():
    _declare_unary(_name, _convert)


@algorithm("Number.parse")
def parse(input: str, radix: int = 10) -> float:
    """The number that a text says."""
    try:
        return int(input, radix) if radix != 10 or re.fullmatch(r"[+-]?\d+", input) else float(input)
    except ValueError:
        raise EvaluationError(f"Number.parse: '{input}' is not a number.") from None


@algorithm("Number.format")
def format_number(number: float, pattern: str = "%s") -> str:
    """The number as text, by a pattern such as %.2f or %05d."""
    if not re.fullmatch(r"[^%]*%[-+ 0#]*\d{0,3}(?:\.\d{1,3})?[sdoxXeEfgG][^%]*", pattern):
        raise EvaluationError(
            f"Number.format: The pattern '{pattern}' is not emulated; use one such as %.2f or %d."
        )
    try:
        return pattern % (number,)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"Number.format: {number} does not fit '{pattern}': {error}.") from None
