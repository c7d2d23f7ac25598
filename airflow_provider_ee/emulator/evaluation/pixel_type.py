"""Pixel types: a precision and, for integers, the range of values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError


class Precision(IntEnum):
    """Precisions from the narrowest to the widest."""

    INT = 0
    FLOAT = 1
    DOUBLE = 2


@dataclass(frozen=True)
class PixelType:
    """What the pixels of a band can hold. ``low`` and ``high`` bound integers and mean nothing for the others."""

    precision: Precision
    low: int = 0
    high: int = 0

    @classmethod
    def of(cls, dtype: np.dtype | str) -> PixelType:
        """The type that holds every value of a numpy dtype."""
        dtype = np.dtype(dtype)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return integer(int(limits.min), int(limits.max))
        if dtype.kind == "f":
            return FLOAT if dtype.itemsize <= 4 else DOUBLE
        raise EvaluationError(f"Image.load: pixels of type {dtype} are not emulated; use integers or floats.")

    @property
    def dtype(self) -> np.dtype:
        """The smallest numpy dtype that holds every value of the type."""
        if self.precision is Precision.INT:
            return _smallest_integer_dtype(self.low, self.high)
        return np.dtype("float32" if self.precision is Precision.FLOAT else "float64")

    @property
    def export_name(self) -> str:
        """The name that the service gives the type when it speaks of exported files."""
        return {"uint8": "Byte", "uint16": "UInt16", "uint32": "UInt32"}.get(
            self.dtype.name, self.dtype.name.title()
        )


def _smallest_integer_dtype(low: int, high: int) -> np.dtype:
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"):
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return np.dtype(name)
    raise AssertionError(f"integer() lets no such range pass: {low} to {high}")


FLOAT = PixelType(Precision.FLOAT)
DOUBLE = PixelType(Precision.DOUBLE)
BOOLEAN = PixelType(Precision.INT, 0, 1)
_INT64 = np.iinfo("int64")


def integer(low: int, high: int) -> PixelType:
    """Integers from ``low`` to ``high``; doubles where 64 bits do not hold them."""
    if low < _INT64.min or high > _INT64.max:
        return DOUBLE
    return PixelType(Precision.INT, low, high)


NAMED = {
    **{name: PixelType.of(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")},
    "byte": PixelType.of("uint8"),
    "short": PixelType.of("int16"),
    "int": PixelType.of("int32"),
    "long": PixelType.of("int64"),
    "float": FLOAT,
    "double": DOUBLE,
}


def union(*types: PixelType) -> PixelType:
    """The widest precision among ``types``; the range that covers them where all are integers."""
    precision = max(each.precision for each in types)
    if precision is Precision.INT:
        return integer(min(each.low for each in types), max(each.high for each in types))
    return PixelType(precision)


def fractional(pixel_type: PixelType) -> PixelType:
    """The type of a quotient or a root: integers become floats, the others stay."""
    return FLOAT if pixel_type.precision is Precision.INT else pixel_type


def averaged(pixel_type: PixelType) -> PixelType:
    """The type of a mean or a median: integers become doubles, the others stay."""
    return DOUBLE if pixel_type.precision is Precision.INT else pixel_type


def _covers(wide: PixelType, narrow: PixelType) -> bool:
    return wide.low <= narrow.low and narrow.high <= wide.high


def convert(values: np.ndarray, pixel_type: PixelType) -> np.ndarray:
    """``values`` as pixels of ``pixel_type``: fractions cut off, values out of range moved to its nearest end."""
    dtype = pixel_type.dtype
    if values.dtype == dtype and pixel_type == PixelType.of(dtype):
        return values
    if pixel_type.precision is not Precision.INT:
        with np.errstate(over="ignore"):
            return values.astype(dtype, copy=False)
    if values.dtype.kind == "b":
        return values.astype(dtype)
    if values.dtype.kind != "f":
        in_range: np.ndarray = values
        if not _covers(pixel_type, PixelType.of(values.dtype)):
            in_range = np.clip(values.astype("int64"), pixel_type.low, pixel_type.high)
    else:
        # The largest 64-bit integers have no exact double: one rounded up would overflow to the other end.
        high = min(float(pixel_type.high), np.nextafter(2.0**63, 0.0))
        in_range = np.clip(np.nan_to_num(values, nan=0.0), pixel_type.low, high)
    return in_range.astype(dtype, copy=False)
