"""The pixel grid of an export: from the request, and from the image where the request leaves it open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from affine import Affine

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.image import Image
from airflow_provider_ee.emulator.evaluation.projection import Grid, Projection, bounds_on_lattice, parse_crs

_DEFAULT_MAX_PIXELS = 100_000_000


def grid_of(request: Mapping[str, Any], image: Image) -> Grid:
    """The grid that the pixels are written on."""
    given = request.get("grid") or {}
    grid = _from_request(given, image) if given else _from_image(image)
    _require_few_pixels(number(request.get("maxPixels"), _DEFAULT_MAX_PIXELS), grid)
    return grid


def number(value: Any, default: int) -> int:
    """An integer of a request, which may be text and may be wrapped in an object."""
    if isinstance(value, Mapping):
        value = value.get("value")
    return default if value is None else int(value)


def _from_request(given: Mapping[str, Any], image: Image) -> Grid:
    crs = given.get("crsCode") or given.get("crsWkt")
    if "affineTransform" not in given:
        raise EvaluationError(
            "grid.affineTransform is missing; give it with crsCode or crsWkt, or leave the grid out."
        )
    transform = _affine(given["affineTransform"])
    if crs is None:
        crs = _projection_of(image).crs
    else:
        parse_crs(crs)
    lattice = Projection(crs, transform)
    if "dimensions" not in given:
        return _covering(image, lattice)
    width, height = (int(given["dimensions"].get(name, 0)) for name in ("width", "height"))
    if width <= 0 or height <= 0:
        raise EvaluationError(
            f"grid.dimensions must have a width and a height above zero, not {width} and {height}."
        )
    return Grid(lattice, 0, 0, width, height)


def _from_image(image: Image) -> Grid:
    if image.footprint is None:
        raise EvaluationError("Unable to export unbounded image.")
    return _covering(image, _projection_of(image))


def _covering(image: Image, lattice: Projection) -> Grid:
    if image.footprint is None:
        raise EvaluationError("Unable to export unbounded image.")
    bounds = image.footprint.bounds(lattice.crs)
    if bounds is None:
        raise EvaluationError("No valid (un-masked) pixels in export region.")
    return bounds_on_lattice(bounds, lattice)


def _projection_of(image: Image) -> Projection:
    projection = image.projection
    if projection is None:
        raise EvaluationError(
            "The image is a composite or a constant and has no projection of its own; give the request a grid, "
            "or the export a crs and a scale."
        )
    return projection


def _affine(given: Mapping[str, Any]) -> Affine:
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    transform = Affine(*(float(given.get(name, 0)) for name in names))
    if not all(map(math.isfinite, transform)):
        raise EvaluationError("grid.affineTransform must be made of finite numbers.")
    if transform.is_degenerate:
        raise EvaluationError("grid.affineTransform must have a scaleX and a scaleY other than zero.")
    return transform


def _require_few_pixels(limit: int, grid: Grid) -> None:
    pixels = grid.width * grid.height
    if pixels > limit:
        raise EvaluationError(
            f"Export too large: specified {pixels} pixels (max: {limit}). Specify higher maxPixels value if you "
            "intend to export a large area. (Error code: 3)"
        )
