"""Reducing the pixels of regions to numbers.

Approximated: a pixel belongs to a region if its centre lies inside. The service does so too for unweighted
reducers (count, min, max, …); mean and sum it weights by the part of the pixel that is covered, which changes
the result along the edge of a region that does not follow the pixels.
"""

# ruff: noqa: N803 (the arguments have the names that the service gave them)
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import Assets, FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import WGS84, Footprint
from airflow_provider_ee.emulator.evaluation.functions.projections import chosen_projection
from airflow_provider_ee.emulator.evaluation.image import Files, Image
from airflow_provider_ee.emulator.evaluation.projection import Grid, Projection, bounds_on_lattice
from airflow_provider_ee.emulator.evaluation.reading import read, tiles
from airflow_provider_ee.emulator.evaluation.reducers import STATISTICS, Accumulator, Reducer
from airflow_provider_ee.emulator.evaluation.registry import algorithm, type_name
from airflow_provider_ee.emulator.evaluation.shapes import shape_of
from airflow_provider_ee.emulator.evaluation.values import Feature

_MOST_PIXELS = 1_000_000_000

_Outputs = Mapping[str, float | None]


@algorithm("Image.reduceRegion")
def reduce_region(
    image: Image,
    reducer: Reducer,
    geometry: Footprint | None = None,
    scale: float | None = None,
    crs: Projection | None = None,
    crsTransform: list[float] | None = None,
    bestEffort: bool = False,
    maxPixels: int = 10_000_000,
    tileScale: float = 1.0,
    *,
    assets: Assets,
) -> dict[str, Any]:
    """The outputs of a reducer for each band, over the pixels of a region."""
    function = "Image.reduceRegion"
    lattice = _lattice(function, image, scale, crs, crsTransform)
    region = geometry or image.bands[0].footprint
    if region is None:
        raise EvaluationError(
            f"{function}: Provide 'geometry' parameter when aggregating over an unbounded image."
        )
    grid = _grid(region, lattice)
    if grid is not None and grid.width * grid.height > maxPixels:
        if bestEffort:
            raise EvaluationError(f"{function}: bestEffort is not emulated for {_too_many(grid, maxPixels)}")
        raise EvaluationError(f"{function}: {_too_many(grid, maxPixels)}")
    with assets.files() as files:
        reduced = _reduced(image, reducer, region, grid, files)
    alone = len(reducer.outputs) == 1
    return {
        band if alone else f"{band}_{output}": value
        for band, outputs in reduced.items()
        for output, value in outputs.items()
    }


@algorithm("Image.reduceRegions")
def reduce_regions(
    image: Image,
    collection: FeatureCollection,
    reducer: Reducer,
    scale: float | None = None,
    crs: Projection | None = None,
    crsTransform: list[float] | None = None,
    tileScale: float = 1.0,
    maxPixelsPerRegion: int | None = None,
    *,
    assets: Assets,
) -> FeatureCollection:
    """The features with the outputs of a reducer over the pixels of each.

    Outputs are called by the reducer if the image has one band, by the bands if the reducer has one output, else
    by both.
    """
    function = "Image.reduceRegions"
    lattice = _lattice(function, image, scale, crs, crsTransform)
    features = []
    with assets.files() as files:
        for feature in collection.elements:
            if not isinstance(feature, Feature):
                raise EvaluationError(f"{function}: 'collection' holds a {type_name(type(feature))}; flatten it.")
            region = shape_of(feature)
            grid = None if region is None else _grid(region, lattice)
            if maxPixelsPerRegion is not None and grid and grid.width * grid.height > maxPixelsPerRegion:
                raise EvaluationError(f"{function}: {_too_many(grid, maxPixelsPerRegion)}")
            reduced = _reduced(image, reducer, region, grid, files)
            features.append(feature.having({**feature.properties, **_named(reduced)}))
    return collection.of(features)


def _named(reduced: Mapping[str, _Outputs]) -> dict[str, float | None]:
    if len(reduced) == 1:
        (outputs,) = reduced.values()
        return dict(outputs)
    return {
        band if len(outputs) == 1 else f"{band}_{output}": value
        for band, outputs in reduced.items()
        for output, value in outputs.items()
    }


def _lattice(
    function: str, image: Image, scale: float | None, crs: Projection | None, transform: list[float] | None
) -> Projection:
    """The pixels to work on: those of the first band, unless the arguments say otherwise."""
    if not image.bands:
        raise EvaluationError(f"{function}: The image has no bands.")
    default = Projection(WGS84)  # what composites and constants have
    projection = crs or image.bands[0].projection or default
    if scale is None and transform is None and projection == default:
        raise EvaluationError(
            f"{function}: The default WGS84 projection is invalid for aggregations. Specify a scale or crs & "
            "crs_transform."
        )
    return chosen_projection(function, projection, transform, scale)


def _grid(region: Footprint, lattice: Projection) -> Grid | None:
    """The pixels around a region; None of an empty one."""
    bounds = region.bounds(lattice.crs)
    if bounds is None:
        return None
    grid = bounds_on_lattice(bounds, lattice)
    if grid.width * grid.height > _MOST_PIXELS:
        raise EvaluationError(
            f"Reducing a region of {grid.width * grid.height} pixels is not emulated; use a larger scale."
        )
    return grid


def _too_many(grid: Grid, limit: int) -> str:
    return (
        f"Too many pixels in the region. Found {grid.width * grid.height}, but maxPixels allows only {limit}. "
        "Ensure that you are not aggregating at a higher resolution than you intended."
    )


def _reduced(
    image: Image, reducer: Reducer, region: Footprint | None, grid: Grid | None, files: Files
) -> dict[str, _Outputs]:
    """The outputs of the reducer by band, over the valid pixels in the region."""
    accumulators: dict[str, dict[str, Accumulator]] = {
        band.name: {output: STATISTICS[statistic]() for output, statistic in reducer.outputs.items()}
        for band in image.bands
    }
    if region is not None and grid is not None:
        sources = [band.source for band in image.bands]
        for tile in tiles(grid, sources):
            inside = region.covers(tile)
            if inside.any():
                for of_band, pixels in zip(accumulators.values(), read(sources, tile, files), strict=True):
                    values = pixels.values[inside & pixels.mask]
                    for accumulator in of_band.values() if values.size else ():
                        accumulator.add(values)
    return {
        band: {output: each.result() for output, each in of_band.items()} for band, of_band in accumulators.items()
    }
