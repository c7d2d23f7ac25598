"""Numbers as they were meant: 1/3600, which no float holds, is read from the float that stands for it."""

from __future__ import annotations

import math
from fractions import Fraction

from airflow_provider_ee.earthengine.errors import RequestError

SNAP = Fraction(1, 1_000_000)
"""Part of a pixel. A corner this close to a pixel's edge lies on it: bounds of aligned boxes carry rounding
errors, and plain floor and ceil would add a row or a column."""

# How often a float that stands for no fraction may be read as one; the two differ by less than a rounding.
_CHANCE = Fraction(1, 1000)


def exact(name: str, value: float | Fraction | str) -> Fraction:
    """The number that was meant, without a rounding.

    A float, or the text of one, is the simplest fraction that rounds to it where that is no accident, such as
    1/3600; else it is the decimal that is written for it. A ``Fraction`` and text such as ``"1/3600"`` are exact.

    :raises RequestError: naming ``name``, if the value is no finite number.
    """
    try:
        written = Fraction(repr(float(value)) if isinstance(value, float) else value)
        is_fraction = isinstance(value, (int, Fraction)) or "/" in str(value)
        return written if is_fraction else _simple_fraction(float(written)) or written
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise RequestError(f"{name} must be finite numbers, not {value!r:.80}.") from None


def floor_on_lattice(position: Fraction) -> int:
    """The last pixel's edge at or before a position in pixels."""
    nearest = round(position)
    return nearest if abs(position - nearest) <= SNAP else math.floor(position)


def ceil_on_lattice(position: Fraction) -> int:
    """The first pixel's edge at or after a position in pixels."""
    return -floor_on_lattice(-position)


def _simple_fraction(value: float) -> Fraction | None:
    """The fraction with the smallest denominator that rounds to a float, if it is too simple to be an accident."""
    if not value:
        return Fraction(0)
    spacing, middle = Fraction(math.ulp(value)), abs(Fraction(value))
    low, high = middle - spacing / 2, middle + spacing / 2
    numerator, denominator = _simplest_between(*low.as_integer_ratio(), *high.as_integer_ratio())
    if denominator**2 * spacing > _CHANCE or numerator / denominator != abs(value):
        return None
    return Fraction(numerator if value > 0 else -numerator, denominator)


def _simplest_between(low: int, low_parts: int, high: int, high_parts: int) -> tuple[int, int]:
    """Of all fractions from low/low_parts to high/high_parts the one with the smallest denominator."""
    whole = -(-low // low_parts)
    if whole * high_parts <= high:
        return whole, 1
    whole -= 1  # what is left lies between 0 and 1, and is 1 / the simplest between the reciprocals
    parts, over = _simplest_between(high_parts, high - whole * high_parts, low_parts, low - whole * low_parts)
    return whole * parts + over, parts
