"""Arithmetic, comparisons and casts, pixel by pixel."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import intersected
from airflow_provider_ee.emulator.evaluation.image import Band, Image, Pixels, Pointwise
from airflow_provider_ee.emulator.evaluation.pixel_type import (
    BOOLEAN,
    FLOAT,
    NAMED,
    PixelType,
    Precision,
    convert,
    fractional,
    integer,
    union,
)
from airflow_provider_ee.emulator.evaluation.registry import algorithm

Operation = Callable[..., np.ndarray]
TypeRule = Callable[..., PixelType]


def _range_of(operation: Callable[[int, int], int]) -> TypeRule:
    """The type of all that ``operation`` can make of two integers: they never overflow."""

    def rule(one: PixelType, other: PixelType) -> PixelType:
        if max(one.precision, other.precision) is not Precision.INT:
            return union(one, other)
        ends = [operation(mine, theirs) for mine in (one.low, one.high) for theirs in (other.low, other.high)]
        return integer(min(ends), max(ends))

    return rule


def _larger_range_of(choose: Callable[[int, int], int]) -> TypeRule:
    def rule(one: PixelType, other: PixelType) -> PixelType:
        joined = union(one, other)
        if joined.precision is not Precision.INT:
            return joined
        return integer(choose(one.low, other.low), choose(one.high, other.high))

    return rule


def _always(pixel_type: PixelType) -> TypeRule:
    return lambda *types: pixel_type


def _quotient(one: PixelType, other: PixelType) -> PixelType:
    return fractional(union(one, other))


def _absolute_type(pixel_type: PixelType) -> PixelType:
    if pixel_type.precision is not Precision.INT:
        return pixel_type
    ends = abs(pixel_type.low), abs(pixel_type.high)
    return integer(0 if pixel_type.low <= 0 <= pixel_type.high else min(ends), max(ends))


def divided(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The quotient, computed in double; 0 for a division by 0, as the service documents."""
    dividend, divisor = one.astype("float64"), other.astype("float64")
    quotient: np.ndarray = np.zeros_like(dividend)
    np.divide(dividend, divisor, out=quotient, where=divisor != 0)
    return quotient


def _remainder(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    remainder: np.ndarray = np.zeros(one.shape, np.result_type(one, other))
    np.fmod(one, other, out=remainder, where=other != 0)
    return remainder


def _power(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    power: np.ndarray = np.power(one.astype("float64"), other.astype("float64"))
    return power


_BINARY: dict[str, tuple[Operation, TypeRule]] = {
    "add": (np.add, _range_of(operator.add)),
    "subtract": (np.subtract, _range_of(operator.sub)),
    "multiply": (np.multiply, _range_of(operator.mul)),
    "divide": (divided, _quotient),
    "mod": (_remainder, union),
    "pow": (_power, _always(FLOAT)),
    "min": (np.minimum, _larger_range_of(min)),
    "max": (np.maximum, _larger_range_of(max)),
    "eq": (np.equal, _always(BOOLEAN)),
    "neq": (np.not_equal, _always(BOOLEAN)),
    "lt": (np.less, _always(BOOLEAN)),
    "lte": (np.less_equal, _always(BOOLEAN)),
    "gt": (np.greater, _always(BOOLEAN)),
    "gte": (np.greater_equal, _always(BOOLEAN)),
    "and": (np.logical_and, _always(BOOLEAN)),
    "or": (np.logical_or, _always(BOOLEAN)),
}

_UNARY: dict[str, tuple[Operation, TypeRule]] = {
    "abs": (np.abs, _absolute_type),
    "not": (np.logical_not, _always(BOOLEAN)),
    "floor": (np.floor, lambda pixel_type: pixel_type),
    "ceil": (np.ceil, lambda pixel_type: pixel_type),
    **{
        name: (function, fractional)
        for name, function in (
            ("sqrt", np.sqrt),
            ("exp", np.exp),
            ("log", np.log),
            ("log10", np.log10),
            ("sin", np.sin),
            ("cos", np.cos),
            ("tan", np.tan),
        )
    },
}


def _wide(pixel_type: PixelType) -> np.dtype:
    """What the pixels of a type are computed in: wide enough that only the final conversion rounds."""
    return np.dtype("int64" if pixel_type.precision is Precision.INT else "float64")


def matched_bands(name: str, one: Image, other: Image) -> list[tuple[Band, Band, str]]:
    """The pairs of bands that a binary operator works on, and the names of its results."""
    if len(one.bands) == 1 or len(other.bands) == 1:
        if len(other.bands) > 1:
            return [(one.bands[0], band, band.name) for band in other.bands]
        return [(band, each, band.name) for band in one.bands for each in other.bands]
    if len(one.bands) != len(other.bands):
        raise EvaluationError(
            f"{name}: The images must have the same number of bands, or one of them a single band; "
            f"found [{', '.join(one.band_names)}] and [{', '.join(other.band_names)}]."
        )
    if set(one.band_names) == set(other.band_names):
        by_name = {band.name: band for band in other.bands}
        return [(band, by_name[band.name], band.name) for band in one.bands]
    return [(band, each, band.name) for band, each in zip(one.bands, other.bands, strict=True)]


def computed_band(name: str, pixel_type: PixelType, operation: Operation, *bands: Band) -> Band:
    """A band computed from others: valid where all of them are, in the first projection that any of them has."""
    dtypes = [_wide(band.type) for band in bands]

    def compute(*inputs: Pixels) -> Pixels:
        operands = [each.values.astype(dtype, copy=False) for each, dtype in zip(inputs, dtypes, strict=True)]
        with np.errstate(all="ignore"):
            values = convert(operation(*operands), pixel_type)
        return Pixels(values, _all_valid(inputs))

    return Band(
        name,
        pixel_type,
        Pointwise(compute, *(band.source for band in bands)),
        next((band.projection for band in bands if band.projection is not None), None),
        intersected(band.footprint for band in bands),
    )


def _all_valid(inputs: tuple[Pixels, ...]) -> np.ndarray:
    mask = inputs[0].mask
    for each in inputs[1:]:
        mask = mask & each.mask
    return mask


def _binary(name: str, image1: Image, image2: Image) -> Image:
    operation, type_rule = _BINARY[name]
    return Image(
        tuple(
            computed_band(band_name, type_rule(one.type, other.type), operation, one, other)
            for one, other, band_name in matched_bands(f"Image.{name}", image1, image2)
        )
    )


def _unary(name: str, value: Image) -> Image:
    operation, type_rule = _UNARY[name]
    return value.with_bands(lambda band: computed_band(band.name, type_rule(band.type), operation, band))


def cast_band(band: Band, pixel_type: PixelType) -> Band:
    """The band with pixels of another type."""
    return computed_band(band.name, pixel_type, lambda values: values, band)


def _declare_binary(name: str) -> None:
    @algorithm(f"Image.{name}")
    def binary(image1: Image, image2: Image) -> Image:
        return _binary(name, image1, image2)


def _declare_unary(name: str) -> None:
    @algorithm(f"Image.{name}")
    def unary(value: Image) -> Image:
        return _unary(name, value)


def _declare_cast(type_name: str, pixel_type: PixelType) -> None:
    @algorithm(f"Image.{type_name}", f"Image.to{type_name.title()}")
    def cast_all(value: Image) -> Image:
        return value.with_bands(lambda band: cast_band(band, pixel_type))


for _name in _BINARY:
    _declare_binary(_name)
for _name in _UNARY:
    _declare_unary(_name)
for _name, _pixel_type in NAMED.items():
    _declare_cast(_name, _pixel_type)
