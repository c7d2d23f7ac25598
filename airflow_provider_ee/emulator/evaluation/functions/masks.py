"""Masks. The emulator knows pixels that are valid and pixels that are not, and no degrees between."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Footprint, united
from airflow_provider_ee.emulator.evaluation.image import Band, Image, Pixels, Pointwise, Source
from airflow_provider_ee.emulator.evaluation.pixel_type import BOOLEAN, convert, integer, union
from airflow_provider_ee.emulator.evaluation.registry import algorithm
from airflow_provider_ee.emulator.evaluation.sources import Constant, Inside


@algorithm("Image.updateMask")
def update_mask(image: Image, mask: Image) -> Image:
    """The image, masked where it was and where ``mask`` is zero or masked."""

    def masked(pixels: Pixels, mask: Pixels) -> Pixels:
        return Pixels(pixels.values, pixels.mask & _as_mask("Image.updateMask", mask))

    return _each_with(masked, "Image.updateMask", image, mask)


@algorithm("Image.selfMask")
def self_mask(image: Image) -> Image:
    """The image, masked where it is zero."""

    def masked(pixels: Pixels) -> Pixels:
        return Pixels(pixels.values, pixels.mask & _as_mask("Image.selfMask", pixels))

    return image.with_bands(lambda band: replace(band, source=Pointwise(masked, band.source)))


@algorithm("Image.mask")
def mask(image: Image, mask: Image | None = None) -> Image:
    """The mask of the image as 0 and 1; or the image with another mask."""
    if mask is None:
        return image.with_bands(
            lambda band: replace(band, type=BOOLEAN, source=Pointwise(_mask_values, band.source))
        )

    def remasked(pixels: Pixels, mask: Pixels) -> Pixels:
        values = np.where(pixels.mask, pixels.values, np.zeros((), pixels.values.dtype))
        return Pixels(values, _as_mask("Image.mask", mask))

    return _each_with(remasked, "Image.mask", image, mask)


@algorithm("Image.unmask")
def unmask(input: Image, value: Image | None = None, sameFootprint: bool = True) -> Image:
    """The image with the pixels of ``value`` where it is masked, inside its footprint or anywhere."""
    filling = value or Image((Band("constant", integer(0, 0), Constant(0, np.dtype("uint8"))),))

    def unmasked(band: Band, filler: Band) -> Band:
        pixel_type = union(band.type, filler.type)

        def fill(pixels: Pixels, other: Pixels, inside: Pixels) -> Pixels:
            values = np.where(pixels.mask, convert(pixels.values, pixel_type), convert(other.values, pixel_type))
            return Pixels(values, pixels.mask | (other.mask & inside.values))

        footprint = band.footprint if sameFootprint else united((band.footprint, filler.footprint))
        return replace(
            band,
            type=pixel_type,
            source=Pointwise(fill, band.source, filler.source, _inside(footprint)),
            footprint=footprint,
        )

    return _paired(unmasked, "Image.unmask", input, filling)


@algorithm("Image.where")
def where(input: Image, test: Image, value: Image) -> Image:
    """The image with the pixels of ``value`` where ``test`` is neither zero nor masked."""

    def replaced(band: Band, condition: Band, replacement: Band) -> Band:
        pixel_type = union(band.type, replacement.type)

        def choose(pixels: Pixels, test: Pixels, other: Pixels) -> Pixels:
            chosen = test.mask & other.mask & (test.values != 0)
            values = np.where(chosen, convert(other.values, pixel_type), convert(pixels.values, pixel_type))
            return Pixels(values, pixels.mask)

        return replace(
            band, type=pixel_type, source=Pointwise(choose, band.source, condition.source, replacement.source)
        )

    return _paired(replaced, "Image.where", input, test, value)


def _inside(footprint: Footprint | None) -> Source:
    return Constant(True, np.dtype(bool)) if footprint is None else Inside(footprint)


def _mask_values(pixels: Pixels) -> Pixels:
    return Pixels(pixels.mask.astype("uint8"), np.broadcast_to(True, pixels.mask.shape))


def _as_mask(function: str, pixels: Pixels) -> np.ndarray:
    values = pixels.values
    if values.dtype.kind in "fi" and (pixels.mask & (((values < 1) & (values != 0)) | np.isnan(values))).any():
        raise EvaluationError(
            f"{function}: Masks between 0 and 1, negative or NaN are not emulated; compare first (Image.gt)."
        )
    valid: np.ndarray = pixels.mask & (values != 0)
    return valid


def _each_with(function: Callable[[Pixels, Pixels], Pixels], name: str, image: Image, other: Image) -> Image:
    return _paired(
        lambda band, each: replace(band, source=Pointwise(function, band.source, each.source)), name, image, other
    )


def _paired(change: Callable[..., Band], name: str, image: Image, *others: Image) -> Image:
    """``image`` with each band changed by the band of each other image that goes with it."""
    for other in others:
        if len(other.bands) not in (1, len(image.bands)):
            raise EvaluationError(
                f"{name}: The other image must have one band or as many as the input: "
                f"found {len(other.bands)} for {len(image.bands)}."
            )
    bands = []
    for index, band in enumerate(image.bands):
        bands.append(change(band, *(other.bands[index if len(other.bands) > 1 else 0] for other in others)))
    return replace(image, bands=tuple(bands))
