"""Projections, reprojecting and clipping."""

# ruff: noqa: A002, N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from dataclasses import replace
from typing import Any

from affine import Affine

from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Bounds, Extent, Footprint, Geometry, intersected
from airflow_provider_ee.emulator.evaluation.image import Band, Image, Pixels, Pointwise
from airflow_provider_ee.emulator.evaluation.projection import Grid, Projection, bounds_on_lattice, parse_crs
from airflow_provider_ee.emulator.evaluation.registry import algorithm
from airflow_provider_ee.emulator.evaluation.shapes import shape_of
from airflow_provider_ee.emulator.evaluation.sources import Inside, Reprojected
from airflow_provider_ee.emulator.evaluation.values import Feature

_CLIP_TO = "Image.clipToBoundsAndScale"


@algorithm("Projection")
def projection(crs: str, transform: list[float] | None = None, transformWkt: str | None = None) -> Projection:
    """A CRS with a transform from pixels to its coordinates."""
    if transformWkt is not None:
        raise EvaluationError("Projection: 'transformWkt' is not emulated; use 'transform'.")
    parse_crs(crs)
    return Projection(crs, _affine("Projection", transform) if transform is not None else Affine.identity())


@algorithm("Projection.atScale")
def at_scale(projection: Projection, meters: float) -> Projection:
    """The projection with pixels of another size."""
    return projection.at_scale(_positive("Projection.atScale", "meters", meters))


@algorithm("Projection.nominalScale")
def nominal_scale(proj: Projection) -> float:
    """The size of a pixel in metres."""
    return proj.nominal_scale


@algorithm("Image.projection")
def image_projection(image: Image) -> Projection:
    """The projection of all bands of the image."""
    return _projection_of("Image.projection", image)


@algorithm("Image.setDefaultProjection")
def set_default_projection(
    image: Image, crs: Projection, crsTransform: list[float] | None = None, scale: float | None = None
) -> Image:
    """The image with another projection of its own; its pixels are still computed on any grid."""
    projection = chosen_projection("Image.setDefaultProjection", crs, crsTransform, scale)
    return image.with_bands(lambda band: replace(band, projection=projection))


@algorithm("Image.reproject")
def reproject(
    image: Image, crs: Projection, crsTransform: list[float] | None = None, scale: float | None = None
) -> Image:
    """The image computed on the pixels of a projection."""
    projection = chosen_projection("Image.reproject", crs, crsTransform, scale)
    return image.with_bands(
        lambda band: replace(band, projection=projection, source=Reprojected(band.source, projection))
    )


@algorithm("Image.clip")
def clip(input: Image, geometry: Footprint | Feature | FeatureCollection) -> Image:
    """The image, masked where the centre of a pixel lies outside a geometry."""
    shape = shape_of(geometry)
    if isinstance(shape, Geometry) and not shape.has_area:
        raise EvaluationError(f"Image.clip: clipping to a {shape.kind} is not emulated; use a Polygon.")
    return input if shape is None else _clipped(input, shape)


@algorithm(_CLIP_TO)
def clip_to_bounds_and_scale(
    input: Image,
    geometry: Footprint | None = None,
    width: int | None = None,
    height: int | None = None,
    maxDimension: int | None = None,
    scale: float | None = None,
) -> Image:
    """The image clipped to the box of a geometry in its own projection, with pixels of another size."""
    _require_one_size(width, height, maxDimension, scale)
    own = _projection_of(_CLIP_TO, input)
    if width is None and maxDimension is None:
        lattice = own if scale is None else own.at_scale(_positive(_CLIP_TO, "scale", scale))
        region = geometry or input.footprint
        if region is None:
            return input.with_bands(lambda band: replace(band, projection=lattice))
        return _on_grid(input, bounds_on_lattice(_bounds(region, own), lattice))
    region = geometry or input.footprint
    if region is None:
        raise EvaluationError(f"{_CLIP_TO}: The image is unbounded; give 'geometry' with its dimensions.")
    return _on_grid(input, _grid_of_size(_bounds(region, own), own, width, height, maxDimension))


def _on_grid(image: Image, grid: Grid) -> Image:
    clipped = _clipped(image, Extent(grid))
    return clipped.with_bands(lambda band: replace(band, projection=grid.projection))


def _clipped(image: Image, footprint: Footprint) -> Image:
    inside = Inside(footprint)

    def mask_outside(pixels: Pixels, inside: Pixels) -> Pixels:
        return Pixels(pixels.values, pixels.mask & inside.values)

    def clip_band(band: Band) -> Band:
        return replace(
            band,
            source=Pointwise(mask_outside, band.source, inside),
            footprint=intersected((band.footprint, footprint)),
        )

    return image.with_bands(clip_band)


def _grid_of_size(
    bounds: Bounds, own: Projection, width: int | None, height: int | None, longest: int | None
) -> Grid:
    """Exactly as many pixels as wanted over ``bounds``, running in the direction of the projection's own."""
    left, bottom, right, top = bounds
    if own.transform.b or own.transform.d:
        raise EvaluationError(f"{_CLIP_TO}: dimensions in a rotated projection are not emulated; use 'scale'.")
    if right <= left or top <= bottom:
        raise EvaluationError(f"{_CLIP_TO}: 'geometry' must have an area when dimensions are given.")
    if longest is not None:
        side = max(right - left, top - bottom) / longest
        width, height = max(round((right - left) / side), 1), max(round((top - bottom) / side), 1)
    assert width is not None
    assert height is not None
    x_scale, y_scale = (right - left) / width, (top - bottom) / height
    transform = Affine(
        x_scale if own.transform.a > 0 else -x_scale,
        0.0,
        left if own.transform.a > 0 else right,
        0.0,
        y_scale if own.transform.e > 0 else -y_scale,
        bottom if own.transform.e > 0 else top,
    )
    return Grid(Projection(own.crs, transform), 0, 0, width, height)


def _require_one_size(width: int | None, height: int | None, longest: int | None, scale: float | None) -> None:
    if (width is None) != (height is None):
        raise EvaluationError(f"{_CLIP_TO}: 'width' and 'height' must be given together.")
    if sum(each is not None for each in (width, longest, scale)) > 1:
        raise EvaluationError(
            f"{_CLIP_TO}: Only one of 'width' with 'height', 'maxDimension' and 'scale' can be given."
        )
    for name, value in (("width", width), ("height", height), ("maxDimension", longest)):
        if value is not None:
            _positive(_CLIP_TO, name, value)


def _bounds(region: Footprint, projection: Projection) -> Bounds:
    bounds = region.bounds(projection.crs)
    if bounds is None:
        raise EvaluationError(f"{_CLIP_TO}: The image has no pixels.")
    return bounds


def _projection_of(function: str, image: Image) -> Projection:
    projection = image.projection
    if projection is None:
        raise EvaluationError(
            f"{function}: The image is a composite or a constant and has no projection of its own; "
            "give a CRS (with setDefaultProjection, reproject, or the crs of the export)."
        )
    return projection


def chosen_projection(
    function: str, projection: Projection, transform: list[float] | None, scale: float | None
) -> Projection:
    """``projection`` with another transform, or with pixels of another size."""
    if transform is not None and scale is not None:
        raise EvaluationError(f"{function}: Only one of 'crsTransform' and 'scale' can be given.")
    if transform is not None:
        return Projection(projection.crs, _affine(function, transform))
    return projection if scale is None else projection.at_scale(_positive(function, "scale", scale))


def _affine(function: str, transform: list[Any]) -> Affine:
    affine = Affine(*transform) if len(transform) == 6 else None
    if affine is None or affine.is_degenerate:
        raise EvaluationError(
            f"{function}: A transform must be six numbers, [xScale, xShear, xTranslation, yShear, yScale, "
            "yTranslation], with scales other than zero."
        )
    return affine


def _positive(function: str, name: str, value: float) -> float:
    if not value > 0:
        raise EvaluationError(f"{function}: '{name}' must be greater than zero, not {value}.")
    return value
