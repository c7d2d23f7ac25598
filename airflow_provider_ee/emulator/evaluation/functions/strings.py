"""Text."""

# ruff: noqa: A002 (the arguments have the names that the service gave them)
from __future__ import annotations

from typing import Any

from airflow_provider_ee.emulator.evaluation.dates import Date
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.functions.dates import format_date
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name


@algorithm("String")
def string(input: Any) -> str:
    """Text, or a number or date as text."""
    if isinstance(input, Date):
        return format_date(input)
    if isinstance(input, bool) or not isinstance(input, (str, int, float)):
        raise EvaluationError(f"String: A {type_name(type(input))} as text is not emulated.")
    return str(input)


@algorithm("String.cat")
def cat(string1: str, string2: str) -> str:
    """One text and then the other."""
    return string1 + string2


@algorithm("String.length")
def length(string: str) -> int:
    """How many characters there are."""
    return len(string)


@algorithm("String.slice")
def part(string: str, start: int, end: int | None = None) -> str:
    """The characters from ``start`` until just before ``end``; negative numbers count from the end."""
    return string[start:end]


@algorithm("String.toLowerCase")
def lower(string: str) -> str:
    """Small letters."""
    return string.lower()


@algorithm("String.toUpperCase")
def upper(string: str) -> str:
    """Capital letters."""
    return string.upper()


@algorithm("String.trim")
def trim(string: str) -> str:
    """Without the white space around it."""
    return string.strip()


@algorithm("String.equals")
def equals(reference: str, target: Any) -> bool:
    """Whether both are the same text."""
    return bool(reference == target)
