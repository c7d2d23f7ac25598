"""Runs an image export: evaluates the expression of a request and writes files or an asset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.destination import Destination, destination_of
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate_image
from airflow_provider_ee.emulator.evaluation.image import Files, Image
from airflow_provider_ee.emulator.evaluation.pixel_type import PixelType
from airflow_provider_ee.emulator.evaluation.projection import Grid
from airflow_provider_ee.emulator.evaluation.reading import BLOCK, read, tiles
from airflow_provider_ee.emulator.export_grid import grid_of
from airflow_provider_ee.emulator.geotiff import GeoTiff
from airflow_provider_ee.emulator.operations import Report
from airflow_provider_ee.emulator.output_files import written
from airflow_provider_ee.emulator.stored_json import dumps, storable


@dataclass(frozen=True)
class ExportedImage:
    """What an export has written."""

    files: tuple[Path, ...]
    destination_uris: tuple[str, ...]
    pixels: int
    width: int
    height: int


@dataclass(frozen=True)
class _Options:
    """How files are written."""

    no_data: float | None = None
    cloud_optimized: bool = False
    file_width: int | None = None
    file_height: int | None = None
    skip_empty_files: bool = False


def export_image(request: Mapping[str, Any], *, catalog: Catalog, output: Path, report: Report) -> ExportedImage:
    """Computes the image of a request and writes it.

    ``report`` is told how many tiles are done and of how many, after each; if it raises, nothing is left behind.
    """
    destination = destination_of(request, output)
    destination.require_free_asset()
    with catalog.files() as datasets, ExitStack() as unfinished:
        image = evaluate_image(request["expression"], catalog)
        pixel_type = _common_type(image)
        options = _options(request, pixel_type)
        grid = grid_of(request, image)
        # A float can be NaN where it is masked; an integer of an asset needs a mask beside it.
        keep_mask = bool(destination.asset) and options.no_data is None
        files = [
            unfinished.enter_context(
                GeoTiff(path, part, image.bands, no_data=options.no_data, keep_mask=keep_mask)
            )
            for path, part in _parts(destination, grid, options)
        ]
        _write(files, image, datasets, report)
        published = _publish(files, options, destination, image)
    return ExportedImage(published, (destination.uri,), grid.width * grid.height, grid.width, grid.height)


def _common_type(image: Image) -> PixelType:
    if not image.bands:
        raise EvaluationError("The image has no bands to export.")
    names = list(dict.fromkeys(band.type.export_name for band in image.bands))
    if len(names) > 1:
        raise EvaluationError(
            "Exported bands must have compatible data types; "
            f"found inconsistent types: {names[0]} and {names[1]}. (Error code: 3)"
        )
    return image.bands[0].type


def _options(request: Mapping[str, Any], pixel_type: PixelType) -> _Options:
    if "fileExportOptions" not in request:
        return _Options(no_data=math.nan if pixel_type.dtype.kind == "f" else None)
    options = request["fileExportOptions"]
    if options.get("fileFormat") != "GEO_TIFF":
        raise EvaluationError(f"The fileFormat {options.get('fileFormat')} is not emulated; use GEO_TIFF.")
    geotiff = options.get("geoTiffOptions") or {}
    if geotiff.get("metadataKeys"):
        raise EvaluationError("geoTiffOptions.metadataKeys is not emulated; leave it out.")
    width, height = _file_dimensions(geotiff.get("tileDimensions") or {})
    return _Options(
        _no_data(geotiff.get("noData"), pixel_type),
        geotiff.get("cloudOptimized") is True,
        width,
        height,
        geotiff.get("skipEmptyFiles") is True,
    )


def _file_dimensions(given: Mapping[str, Any]) -> tuple[int | None, int | None]:
    dimensions = tuple(int(given[name]) if name in given else None for name in ("width", "height"))
    for value in dimensions:
        if value is not None and (value <= 0 or value % BLOCK):
            raise EvaluationError(f"geoTiffOptions.tileDimensions must be multiples of {BLOCK}, not {value}.")
    return dimensions[0], dimensions[1]


def _no_data(given: Mapping[str, Any] | None, pixel_type: PixelType) -> float | None:
    if not given:
        return None
    if "floatValue" not in given:
        raise EvaluationError("geoTiffOptions.noData must be given as a floatValue.")
    value = float(given["floatValue"])
    dtype = pixel_type.dtype
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        if not value.is_integer() or not limits.min <= value <= limits.max:
            raise EvaluationError(
                f"geoTiffOptions.noData: {value} is no {pixel_type.export_name}; take another or cast the image."
            )
    return value


def _parts(destination: Destination, grid: Grid, options: _Options) -> list[tuple[Path, Grid]]:
    """The files of an export and what each of them covers."""
    width, height = options.file_width or grid.width, options.file_height or grid.height
    if width >= grid.width and height >= grid.height:
        return [(destination.file(), grid)]
    return [
        (destination.file(f"{row:010d}-{column:010d}"), grid.window(column, row, width, height))
        for row in range(0, grid.height, height)
        for column in range(0, grid.width, width)
    ]


def _write(files: Sequence[GeoTiff], image: Image, datasets: Files, report: Report) -> None:
    """Writes one file after the other, tile by tile."""
    sources = [band.source for band in image.bands]
    total = sum(len(tiles(file.grid, sources)) for file in files)
    done = 0
    for file in files:
        with file.writing():
            for tile in tiles(file.grid, sources):
                file.write(tile, read(sources, tile, datasets))
                done += 1
                report(done, total)


def _publish(
    files: Sequence[GeoTiff], options: _Options, destination: Destination, image: Image
) -> tuple[Path, ...]:
    if not any(file.valid_pixels for file in files):
        raise EvaluationError("No valid (un-masked) pixels in export region.")
    if options.skip_empty_files:
        files = [file for file in files if file.valid_pixels]
    if options.cloud_optimized:
        for file in files:
            file.make_cloud_optimized()
    destination.require_free_asset()
    if destination.asset:
        _write_properties(destination, image)
        destination.discard_asset(but=".tif")
    return tuple(file.publish() for file in files)


def _write_properties(destination: Destination, image: Image) -> None:
    derived = ("system:id", "system:index")
    properties = {name: value for name, value in image.properties.items() if name not in derived}
    with written(destination.file(suffix=".json")) as file:
        file.write(dumps(storable(properties), indent=2) + "\n")
