"""Dictionaries."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("Dictionary")
def dictionary(input: dict[str, Any] | list[Any] | None = None) -> dict[str, Any]:
    """A dictionary, from another or from a list of keys and values in turn."""
    if not isinstance(input, list):
        return input or {}
    if len(input) % 2 or not all(isinstance(key, str) for key in input[::2]):
        raise EvaluationError("Dictionary: A list must hold keys, which are text, and values in turn.")
    return dict(zip(input[::2], input[1::2], strict=True))


@algorithm("Dictionary.fromLists")
def from_lists(keys: list[str], values: list[Any]) -> dict[str, Any]:
    """A dictionary of keys and as many values."""
    if len(keys) != len(values):
        raise EvaluationError("Dictionary.fromLists: There must be as many keys as values.")
    return dict(zip(keys, values, strict=True))


@algorithm("Dictionary.get")
def get(dictionary: dict[str, Any], key: str, defaultValue: Any = None) -> Any:
    """The value of a key."""
    if key not in dictionary and defaultValue is None:
        raise EvaluationError(f"Dictionary.get: Dictionary does not contain key: '{key}'.")
    return dictionary.get(key, defaultValue)


@algorithm("Dictionary.getNumber", "Dictionary.getString", "Dictionary.getGeometry")
def get_typed(dictionary: dict[str, Any], key: str) -> Any:
    """The value of a key."""
    return get(dictionary, key)


@algorithm("Dictionary.contains")
def contains(dictionary: dict[str, Any], key: str) -> bool:
    """Whether there is a value of a key."""
    return key in dictionary


@algorithm("Dictionary.keys")
def keys(dictionary: dict[str, Any]) -> list[str]:
    """The keys in alphabetical order."""
    return sorted(dictionary)


@algorithm("Dictionary.values")
def values(dictionary: dict[str, Any], keys: list[str] | None = None) -> list[Any]:
    """The values of keys, or of all in alphabetical order."""
    return [get(dictionary, key) for key in (sorted(dictionary) if keys is None else keys)]


@algorithm("Dictionary.set")
def put(dictionary: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The dictionary with another value of a key."""
    return {**dictionary, key: value}


@algorithm("Dictionary.size")
def size(dictionary: dict[str, Any]) -> int:
    """How many keys there are."""
    return len(dictionary)


@algorithm("Dictionary.combine")
def combine(first: dict[str, Any], second: dict[str, Any], overwrite: bool = True) -> dict[str, Any]:
    """Both dictionaries; of a key in both, the value of the second unless it must not overwrite."""
    return {**first, **second} if overwrite else {**second, **first}
