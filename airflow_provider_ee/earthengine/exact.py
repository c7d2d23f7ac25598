"""Numbers as they were meant: 1/3600, which no float holds, is read from the float that stands for it."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import as_float, shown

SNAP = Fraction(1, 1_000_000)
"""Part of a pixel. A corner this close to a pixel's edge lies on it: bounds of aligned boxes carry rounding
errors, and plain floor and ceil would add a row or a column."""

# How often a float that stands for no fraction may be read as one; the two differ by less than a rounding.
_CHANCE = Fraction(1, 1000)

# Parts of a pixel by which a lattice is off from 0, as halves are; more of them would be found by accident.
_MOST_PARTS = 60

# Characters; what is longer takes long to read, and says no more than a float holds.
_LONGEST = 200


def exact(name: str, value: Any) -> Fraction:
    """The number that was meant, without a rounding.

    A float, or the text of one, is the simplest fraction that rounds to it where that is no accident, such as
    1/3600; else it is the decimal that is written for it. A ``Fraction``, a whole number and text such as
    ``"1/3600"`` are exact. Numbers of numpy are read as the floats and whole numbers that they are.

    :raises RequestError: naming ``name``, if the value is no finite number.
    """
    try:
        if isinstance(value, (str, Decimal)):
            return _from_text(str(value))
        if hasattr(value, "__index__") and not isinstance(value, bool):
            return Fraction(value.__index__())
        return value if isinstance(value, Fraction) else _from_text(repr(as_float(value)))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise RequestError(f"{name} must be finite numbers, not {shown(value)}.") from None


def on_lattice(translate: float, scale: Fraction) -> Fraction:
    """Where a pixel's edge lies, given rounded: on the lattice from 0, or a simple part of a pixel off it.

    If neither is a rounding away, it lies where the float says.
    """
    half = Fraction(math.ulp(translate)) / 2 / abs(scale)
    position = Fraction(translate) / scale
    whole = math.floor(position - half)
    numerator, parts = _simplest_between(position - half - whole, position + half - whole)
    found = (whole + Fraction(numerator, parts)) * scale
    simple = parts == 1 or (parts <= _MOST_PARTS and 2 * half * parts**2 < _CHANCE)
    return found if simple and float(found) == translate else exact("translate", translate)


def floor_on_lattice(position: Fraction) -> int:
    """The last pixel's edge at or before a position in pixels."""
    nearest = round(position)
    return nearest if abs(position - nearest) <= SNAP else math.floor(position)


def ceil_on_lattice(position: Fraction) -> int:
    """The first pixel's edge at or after a position in pixels."""
    return -floor_on_lattice(-position)


def _from_text(text: str) -> Fraction:
    if len(text) > _LONGEST:
        raise ValueError
    if "/" in text:
        return Fraction(text)
    rounded = float(text)  # tells whether the exponent is one that a Fraction can be made of in no time
    if not rounded or not math.isfinite(rounded):
        return Fraction(rounded)
    return _simple_fraction(rounded) or Fraction(text)


def _simple_fraction(value: float) -> Fraction | None:
    """The fraction with the smallest denominator that rounds to a float, if it is too simple to be an accident."""
    spacing, middle = Fraction(math.ulp(value)), abs(Fraction(value))
    numerator, denominator = _simplest_between(middle - spacing / 2, middle + spacing / 2)
    if denominator**2 * spacing > _CHANCE or numerator / denominator != abs(value):
        return None
    return Fraction(numerator if value > 0 else -numerator, denominator)


def _simplest_between(low: Fraction, high: Fraction) -> tuple[int, int]:
    """Of all fractions from a positive low to high the one with the smallest denominator."""
    return _simplest(*low.as_integer_ratio(), *high.as_integer_ratio())


def _simplest(low: int, low_parts: int, high: int, high_parts: int) -> tuple[int, int]:
    whole = -(-low // low_parts)
    if whole * high_parts <= high:
        return whole, 1
    whole -= 1  # what is left lies between 0 and 1, and is 1 / the simplest between the reciprocals
    parts, over = _simplest(high_parts, high - whole * high_parts, low_parts, low - whole * low_parts)
    return whole * parts + over, parts
