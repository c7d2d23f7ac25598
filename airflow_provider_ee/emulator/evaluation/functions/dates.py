"""Dates."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
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


@algorithm("Date.format")
def format_date(date: Date, format: str | None = None, timeZone: str | None = None) -> str:
    """A date as text, by a pattern of Joda's such as YYYY-MM-dd."""
    return date.formatted(format or "yyyy-MM-dd'T'HH:mm:ss", timeZone)


@algorithm("Date.get")
def get(date: Date, unit: str, timeZone: str | None = None) -> int:
    """One part of a date."""
    moment = date.moment(timeZone)
    parts = {name: getattr(moment, name) for name in ("year", "month", "day", "hour", "minute", "second")}
    parts["week"] = moment.isocalendar()[1]
    if unit not in parts:
        raise EvaluationError(f"Date.get: '{unit}' is no unit; use {', '.join(parts)}.")
    return int(parts[unit])


@algorithm("Date.difference")
def difference(date: Date, start: Date, unit: str) -> float:
    """How many units lie between two dates."""
    return date.since(start, unit)


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
