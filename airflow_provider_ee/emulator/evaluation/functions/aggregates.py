"""One value of a property of all elements of a collection."""

# ruff: noqa: A002 (the arguments have the names that the service gave them)
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import Collection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.functions.lists import unlike
from airflow_provider_ee.emulator.evaluation.limits import require_modest
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("AggregateFeatureCollection.array")
def array(collection: Collection, property: str) -> list[Any]:
    """All values that are not null."""
    return _values(collection, property)


@algorithm("AggregateFeatureCollection.first")
def first(collection: Collection, property: str) -> Any:
    """The value of the first element."""
    return collection.elements[0].properties.get(property) if collection.elements else None


@algorithm("AggregateFeatureCollection.count")
def count(collection: Collection, property: str) -> int:
    """How many values are not null."""
    return len(_values(collection, property))


@algorithm("AggregateFeatureCollection.count_distinct")
def count_distinct(collection: Collection, property: str) -> int:
    """How many different values there are."""
    return len(unlike(_values(collection, property)))


def _of_numbers(name: str, compute: Callable[[list[Any]], Any], of_none: Any) -> None:
    function = f"AggregateFeatureCollection.{name}"

    @algorithm(function)
    def aggregate(collection: Collection, property: str) -> Any:
        values = _values(collection, property)
        if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in values):
            raise EvaluationError(f"{function}: Not all values of '{property}' are numbers.")
        result = compute(values) if values else of_none
        if result is not None:
            math.isfinite(result)  # raises of a whole number that is too large for double precision
        return result


_of_numbers("sum", sum, 0)
_of_numbers("mean", lambda values: sum(values) / len(values), None)
_of_numbers("product", math.prod, 1)


def _of_comparables(name: str, choose: Callable[[list[Any]], Any]) -> None:
    function = f"AggregateFeatureCollection.{name}"

    @algorithm(function)
    def aggregate(collection: Collection, property: str) -> Any:
        values = _values(collection, property)
        try:
            return choose(values) if values else None
        except TypeError:
            raise EvaluationError(
                f"{function}: The values of '{property}' cannot be compared with each other."
            ) from None


_of_comparables("min", min)
_of_comparables("max", max)


def _values(collection: Collection, name: str) -> list[Any]:
    values = [value for each in collection.elements if (value := each.properties.get(name)) is not None]
    require_modest(values)
    return values
