"""Choosing, naming and joining bands; constants."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.functions.arithmetic import cast_band, computed_band, divided
from airflow_provider_ee.emulator.evaluation.image import Band, Image, Pixels, Pointwise
from airflow_provider_ee.emulator.evaluation.pixel_type import DOUBLE, FLOAT, NAMED, PixelType, integer
from airflow_provider_ee.emulator.evaluation.registry import algorithm
from airflow_provider_ee.emulator.evaluation.selectors import matching
from airflow_provider_ee.emulator.evaluation.sources import Constant


@algorithm("Image.select")
def select(input: Image, bandSelectors: list[Any], newNames: list[str] | None = None) -> Image:
    """The bands that the selectors (names, regular expressions, indices) match, in their order."""
    chosen = [band for selector in bandSelectors for band in _matching("Image.select", input, selector)]
    if newNames is None:
        return replace(input, bands=_with_unique_names(chosen))
    return replace(input, bands=_renamed("Image.select", chosen, newNames))


@algorithm("Image.rename")
def rename(input: Image, names: list[str]) -> Image:
    """The same bands under other names."""
    return replace(input, bands=_renamed("Image.rename", input.bands, names))


@algorithm("Image.addBands")
def add_bands(dstImg: Image, srcImg: Image, names: list[str] | None = None, overwrite: bool = False) -> Image:
    """The bands of the first image and those of the second."""
    added = srcImg.bands
    if names is not None:
        added = tuple(band for name in names for band in _matching("Image.addBands", srcImg, name))
    if not overwrite:
        return replace(dstImg, bands=_with_unique_names([*dstImg.bands, *added]))
    bands = {band.name: band for band in dstImg.bands}
    bands.update({band.name: band for band in added})
    return replace(dstImg, bands=tuple(bands.values()))


@algorithm("Image.cat")
def cat(images: list[Image]) -> Image:
    """All bands of all images, with the properties of the first."""
    if not images:
        return Image(())
    return replace(images[0], bands=_with_unique_names([band for image in images for band in image.bands]))


@algorithm("Image.bandNames")
def band_names(image: Image) -> list[str]:
    """The names of the bands."""
    return image.band_names


@algorithm("Image.constant")
def constant(value: Any) -> Image:
    """The same number everywhere, or a band for each of several numbers."""
    if isinstance(value, list):
        return Image(tuple(_constant_band(f"constant_{index}", each) for index, each in enumerate(value)))
    return Image((_constant_band("constant", value),))


@algorithm("Image.metadata")
def metadata(image: Image, property: str, name: str | None = None) -> Image:
    """A number among the properties, everywhere, as a double."""
    value = image.properties.get(property)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EvaluationError(f"Image.metadata: The property '{property}' of the image is not a number.")
    return Image((Band(name or property, DOUBLE, Constant(value, DOUBLE.dtype)),))


@algorithm("Image.cast")
def cast(image: Image, bandTypes: dict[str, Any], bandOrder: list[str] | None = None) -> Image:
    """The image with bands of other types; a band that it lacks is added, masked."""
    types = {name: _named_type(name, pixel_type) for name, pixel_type in bandTypes.items()}
    bands = {band.name: cast_band(band, types.get(band.name, band.type)) for band in image.bands}
    for name in sorted(types.keys() - bands.keys()):
        bands[name] = Band(name, types[name], Constant(0, types[name].dtype, valid=False))
    order = bandOrder or list(bands)
    if sorted(order) != sorted(bands):
        raise EvaluationError(f"Image.cast: bandOrder must name each band of the result once: {', '.join(bands)}.")
    return replace(image, bands=tuple(bands[name] for name in order))


@algorithm("Image.normalizedDifference")
def normalized_difference(input: Image, bandNames: list[str] | None = None) -> Image:
    """(first - second) / (first + second) as the band 'nd', masked where either is negative."""
    names = bandNames if bandNames is not None else input.band_names[:2]
    if len(names) != 2:
        raise EvaluationError(f"Image.normalizedDifference: two bands are needed, not {len(names)}.")
    first, second = (_matching("Image.normalizedDifference", input, name)[0] for name in names)
    quotient = computed_band("nd", FLOAT, lambda one, other: divided(one - other, one + other), first, second)
    return Image(
        (replace(quotient, source=Pointwise(_mask_negatives, quotient.source, first.source, second.source)),)
    )


def _mask_negatives(quotient: Pixels, first: Pixels, second: Pixels) -> Pixels:
    if first.values.dtype.kind == second.values.dtype.kind == "u":
        return quotient
    return Pixels(quotient.values, quotient.mask & ~((first.values < 0) | (second.values < 0)))


def _matching(function: str, image: Image, selector: Any) -> list[Band]:
    if isinstance(selector, bool) or not isinstance(selector, (str, int, float)):
        raise EvaluationError(f"{function}: A band is chosen by a name, a regular expression or an index.")
    if not isinstance(selector, str):
        if not 0 <= selector < len(image.bands):
            raise EvaluationError(
                f"{function}: There is no band with the index {selector}; the image has {len(image.bands)}."
            )
        return [image.bands[int(selector)]]
    chosen = [band for band in image.bands if band.name == selector]
    if not chosen:
        names = set(matching(f"{function}: Band pattern '{selector}'", selector, image.band_names))
        chosen = [band for band in image.bands if band.name in names]
    if not chosen:
        available = ", ".join(image.band_names)
        raise EvaluationError(
            f"{function}: Band pattern '{selector}' did not match any bands. Available bands: [{available}]"
        )
    return chosen


def _renamed(function: str, bands: Iterable[Band], names: list[str]) -> tuple[Band, ...]:
    bands = list(bands)
    if len(names) != len(bands):
        raise EvaluationError(
            f"{function}: The number of names ({len(names)}) must match the number of bands ({len(bands)})."
        )
    if len(set(names)) < len(names):
        raise EvaluationError(f"{function}: The names of bands must differ: {', '.join(names)}.")
    return tuple(replace(band, name=name) for band, name in zip(bands, names, strict=True))


def _with_unique_names(bands: list[Band]) -> tuple[Band, ...]:
    unique: dict[str, Band] = {}
    for band in bands:
        name, suffix = band.name, 0
        while name in unique:
            suffix += 1
            name = f"{band.name}_{suffix}"
        unique[name] = band if name == band.name else replace(band, name=name)
    return tuple(unique.values())


def _constant_band(name: str, value: Any) -> Band:
    pixel_type = _type_of_number(value)
    return Band(name, pixel_type, Constant(value, pixel_type.dtype))


def _type_of_number(value: Any) -> PixelType:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EvaluationError(
            "Image.constant: Parameter 'value' must be a number or a list of numbers; arrays are not emulated."
        )
    # JSON has one kind of number: 1 and 1.0 reach the service as the same.
    if abs(value) < math.inf and float(value).is_integer():
        return integer(int(value), int(value))
    return DOUBLE


def _named_type(band: str, name: Any) -> PixelType:
    if not isinstance(name, str) or name not in NAMED:
        raise EvaluationError(f"Image.cast: The type of band '{band}' must be one of {', '.join(NAMED)}.")
    return NAMED[name]
