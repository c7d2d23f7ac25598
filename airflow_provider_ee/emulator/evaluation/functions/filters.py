"""Filters of collections, by property, date and place."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection
from airflow_provider_ee.emulator.evaluation.dates import Date, DateRange
from airflow_provider_ee.emulator.evaluation.element import Element
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import WGS84, Footprint
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.limits import go_on, require_modest
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name
from airflow_provider_ee.emulator.evaluation.shapes import shape_of
from airflow_provider_ee.emulator.evaluation.values import Feature, Filter

Test = Callable[[Any, Any], bool]


def _contains(left: Any, right: Any) -> bool:
    return right in left


def _in_range(left: Any, right: Any) -> bool:
    return bool(left.contains(Date.parse(right)))


_COMPARISONS: dict[str, tuple[Test, type | None]] = {
    "equals": (operator.eq, None),
    "eq": (operator.eq, None),
    "notEquals": (operator.ne, None),
    "neq": (operator.ne, None),
    "lessThan": (operator.lt, None),
    "lt": (operator.lt, None),
    "lessThanOrEquals": (operator.le, None),
    "lte": (operator.le, None),
    "greaterThan": (operator.gt, None),
    "gt": (operator.gt, None),
    "greaterThanOrEquals": (operator.ge, None),
    "gte": (operator.ge, None),
    "listContains": (_contains, list),
    "stringStartsWith": (str.startswith, str),
    "stringEndsWith": (str.endswith, str),
    "stringContains": (_contains, str),
    "dateRangeContains": (_in_range, DateRange),
}
"""The test of each filter that compares two operands, and what the left one must be."""


def _declare(name: str, test: Test, left_type: type | None) -> None:
    function = f"Filter.{name}"

    @algorithm(function)
    def compare(
        leftField: str | None = None, rightValue: Any = None, rightField: str | None = None, leftValue: Any = None
    ) -> Filter:
        _require_one_field(function, leftField, rightValue, rightField, leftValue)

        def passes(element: Element) -> bool:
            left = leftValue if leftField is None else element.properties.get(leftField)
            right = rightValue if rightField is None else element.properties.get(rightField)
            if left is None or right is None:
                return False
            if left_type is not None and not isinstance(left, left_type):
                raise EvaluationError(f"{function}: The left operand must be a {type_name(left_type)}.")
            require_modest([left, right])
            try:
                return bool(test(left, right))
            except TypeError:
                raise EvaluationError(
                    f"{function}: {type_name(type(left))} and {type_name(type(right))} cannot be compared."
                ) from None

        return Filter(passes)


def _require_one_field(
    function: str, left_field: Any, right_value: Any, right_field: Any, left_value: Any
) -> None:
    by_left = left_field is not None and right_value is not None and right_field is None and left_value is None
    by_right = right_field is not None and left_value is not None and left_field is None and right_value is None
    if not (by_left or by_right):
        raise EvaluationError(
            f"{function}: Give leftField with rightValue or rightField with leftValue; joins are not emulated."
        )


for _name, (_test, _left_type) in _COMPARISONS.items():
    _declare(_name, _test, _left_type)


@algorithm("Filter.inList")
def in_list(
    leftField: str | None = None, rightValue: Any = None, rightField: str | None = None, leftValue: Any = None
) -> Filter:
    """Passes if the list on the right holds the value on the left."""
    _require_one_field("Filter.inList", leftField, rightValue, rightField, leftValue)

    def passes(element: Element) -> bool:
        value = leftValue if leftField is None else element.properties.get(leftField)
        options = rightValue if rightField is None else element.properties.get(rightField)
        if not isinstance(options, list):
            raise EvaluationError("Filter.inList: The right operand must be a List.")
        require_modest([value, options])
        return value is not None and value in options

    return Filter(passes)


@algorithm("Filter.and")
def both(filters: list[Filter]) -> Filter:
    """Passes if all pass."""
    return Filter(lambda element: all(_passes(each, element) for each in filters))


@algorithm("Filter.or")
def either(filters: list[Filter]) -> Filter:
    """Passes if any passes."""
    return Filter(lambda element: any(_passes(each, element) for each in filters))


def _passes(filter: Filter, element: Element) -> bool:
    go_on()  # filters that hold each other twice take a time that doubles with each
    return filter.passes(element)


@algorithm("Filter.not")
def negated(filter: Filter) -> Filter:
    """Passes if the other does not."""
    return Filter(lambda element: not filter.passes(element))


@algorithm("Filter.always")
def always() -> Filter:
    """Passes."""
    return Filter(lambda element: True)


@algorithm("Filter.never")
def never() -> Filter:
    """Does not pass."""
    return Filter(lambda element: False)


@algorithm("Filter.notNull")
def not_null(properties: list[str]) -> Filter:
    """Passes if the element has all the properties."""
    return Filter(lambda element: all(element.properties.get(name) is not None for name in properties))


@algorithm("Filter.rangeContains")
def range_contains(field: str, minValue: Any, maxValue: Any) -> Filter:
    """Passes if a property lies between two values or is one of them."""

    def passes(element: Element) -> bool:
        value = element.properties.get(field)
        require_modest([value, minValue, maxValue])
        try:
            return value is not None and bool(minValue <= value <= maxValue)
        except TypeError:
            raise EvaluationError(f"Filter.rangeContains: '{field}' cannot be compared with the range.") from None

    return Filter(passes)


_CALENDAR_FIELDS: dict[str, Callable[[Any], int]] = {
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "day_of_year": lambda moment: moment.timetuple().tm_yday,
    "day_of_month": lambda moment: moment.day,
    "day_of_week": lambda moment: moment.isoweekday(),
}


@algorithm("Filter.calendarRange")
def calendar_range(start: int, end: int | None = None, field: str = "day_of_year") -> Filter:
    """Passes if a part of the element's date lies in a range, which may wrap around."""
    if field not in _CALENDAR_FIELDS:
        raise EvaluationError(f"Filter.calendarRange: 'field' must be one of {', '.join(_CALENDAR_FIELDS)}.")
    last = start if end is None else end

    def passes(element: Element) -> bool:
        time = element.properties.get("system:time_start")
        if time is None:
            return False
        value = _CALENDAR_FIELDS[field](Date.parse(time).moment())
        return start <= value <= last if start <= last else value >= start or value <= last

    return Filter(passes)


@algorithm("Filter.intersects")
def intersects(
    leftField: str | None = None,
    rightValue: Any = None,
    rightField: str | None = None,
    leftValue: Any = None,
    maxError: Any = None,
) -> Filter:
    """Passes if the element and a geometry have a point in common."""
    _require_one_field("Filter.intersects", leftField, rightValue, rightField, leftValue)
    field = leftField if leftField is not None else rightField
    if field not in (".all", ".geo"):
        raise EvaluationError(f"Filter.intersects: The geometry property '{field}' is not emulated; use '.geo'.")
    region = _geometry_of(rightValue if leftField is not None else leftValue)

    def passes(element: Element) -> bool:
        footprint = shape_of(element)
        if footprint is None:
            return isinstance(element, Image)  # which is unbounded
        return footprint.intersects(region, _crs_of(element))

    return Filter(passes)


def _geometry_of(value: Any) -> Footprint:
    geometry = shape_of(value) if isinstance(value, (Footprint, Feature, FeatureCollection)) else None
    if geometry is None:
        raise EvaluationError(f"Filter.intersects: A Geometry or Feature is needed, not {type_name(type(value))}.")
    return geometry


def _crs_of(element: Element) -> str:
    bands = element.bands if isinstance(element, Image) else ()
    return next((band.projection.crs for band in bands if band.projection is not None), WGS84)
