"""Dates."""

# ruff: noqa: N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from typing import Any

from airflow_provider_ee.emulator.evaluation.dates import Date, DateRange
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.registry import algorithm


@algorithm("Date")
def date(value: Any, timeZone: str | None = None) -> Date:
    """A date from milliseconds or text."""
    return Date.parse(value, timeZone)


@algorithm("Date.fromYMD")
def from_ymd(year: int, month: int, day: int, timeZone: str | None = None) -> Date:
    """A date from year, month and day."""
    return Date.from_ymd(year, month, day, timeZone)


@algorithm("Date.advance")
def advance(date: Date, delta: float, unit: str, timeZone: str | None = None) -> Date:
    """A later date."""
    return date.advanced(delta, unit, timeZone)


@algorithm("Date.millis")
def millis(date: Date) -> int:
    """Milliseconds since 1970."""
    return date.millis


@algorithm("DateRange")
def date_range(start: Any, end: Any = None, timeZone: str | None = None) -> DateRange:
    """The time from ``start`` until just before ``end``; a millisecond if there is no end."""
    first = Date.parse(start, timeZone)
    last = Date(first.millis + 1) if end is None else Date.parse(end, timeZone)
    if last <= first:
        raise EvaluationError(f"DateRange: The end ({end}) must lie after the start ({start}).")
    return DateRange(first, last)


@algorithm("Image.date")
def image_date(image: Image) -> Date:
    """When the image was taken, by its system:time_start."""
    return Date.parse(image.properties.get("system:time_start"))
