"""Lists."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.limits import MOST_VALUES, go_on, require_modest
from airflow_provider_ee.emulator.evaluation.registry import algorithm
from airflow_provider_ee.emulator.evaluation.values import Function

_LONGEST = 1_000_000


@algorithm("List.get", "List.getNumber", "List.getString", "List.getGeometry")
def get(list: list[Any], index: int) -> Any:
    """The element at a position, counted from the end if it is negative."""
    if not -len(list) <= index < len(list):
        raise EvaluationError(f"List.get: The index {index} lies outside a list of {len(list)}.")
    return list[index]


@algorithm("List.size", "List.length")
def size(list: list[Any]) -> int:
    """How many elements there are."""
    return len(list)


@algorithm("List.contains")
def contains(list: list[Any], element: Any) -> bool:
    """Whether the list has the element."""
    require_modest([list, element])
    return element in list


@algorithm("List.add")
def add(list: list[Any], element: Any) -> list[Any]:
    """The list with one element more."""
    return [*list, element]


@algorithm("List.cat")
def cat(list: list[Any], other: list[Any]) -> list[Any]:
    """One list and then the other."""
    return [*list, *other]


@algorithm("List.slice")
def part(list: list[Any], start: int, end: int | None = None, step: int | None = None) -> list[Any]:
    """The elements from ``start`` until just before ``end``; negative numbers count from the end."""
    if step is not None and step < 1:
        raise EvaluationError("List.slice: 'step' must be 1 or more.")
    return list[start:end:step]


@algorithm("List.distinct")
def distinct(list: list[Any]) -> list[Any]:
    """Each element once."""
    require_modest(list)
    return unlike(list)


def unlike(values: list[Any]) -> list[Any]:
    """Each of the values once; they may be of any kind, so that each is compared with those before."""
    found: list[Any] = []
    for value in values:
        go_on()
        if value not in found:
            found.append(value)
    return found


@algorithm("List.reverse")
def backwards(list: list[Any]) -> list[Any]:
    """The last element first."""
    return list[::-1]


@algorithm("List.sort")
def in_order(list: list[Any], keys: list[Any] | None = None) -> list[Any]:
    """The smallest element first, or that with the smallest key."""
    order = list if keys is None else keys
    if len(order) != len(list):
        raise EvaluationError("List.sort: 'keys' must be as long as the list.")
    require_modest(order)
    try:
        return [list[index] for index in sorted(range(len(list)), key=order.__getitem__)]
    except TypeError:
        raise EvaluationError("List.sort: The elements cannot be compared with each other.") from None


@algorithm("List.sequence")
def sequence(start: float, end: float | None = None, step: float = 1, count: int | None = None) -> list[float]:
    """Numbers from ``start`` to ``end``, by their distance or their count."""
    if count is not None:
        if count < 1:
            raise EvaluationError("List.sequence: 'count' must be 1 or more.")
        distance = step if end is None else (end - start) / (count - 1) if count > 1 else 0
    elif end is None or not step:
        raise EvaluationError("List.sequence: Give 'end' or 'count', and a 'step' other than zero.")
    else:
        distance, count = step, max(int((end - start) / step + 1e-9) + 1, 0)
    if count > _LONGEST:
        raise EvaluationError(f"List.sequence: more than {_LONGEST} numbers are not emulated.")
    return [start + number * distance for number in range(count)]


@algorithm("List.map")
def mapped(list: list[Any], baseAlgorithm: Function, dropNulls: bool = False) -> list[Any]:
    """What a function makes of each element."""
    results = [baseAlgorithm.call(element) for element in list]
    return [result for result in results if result is not None] if dropNulls else results


@algorithm("List.join")
def join(list: list[Any], separator: str = "") -> str:
    """The elements as one text."""
    if not all(isinstance(element, str) for element in list):
        raise EvaluationError("List.join: elements other than text are not emulated.")
    if sum(len(element) + len(separator) for element in list) > MOST_VALUES:
        raise EvaluationError("List.join: User memory limit exceeded.")
    return separator.join(list)
