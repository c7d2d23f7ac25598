"""Tiles are exported one by one and fit together; the official client exports the very same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
import requests
from rasterio.merge import merge

from airflow_provider_ee.earthengine.expression import expression_of
from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.request import export_request
from airflow_provider_ee.earthengine.tiles import export_tiles
from airflow_provider_ee.emulator import EarthEngineEmulator

# Of the sample scene: its own pixels, and two grids that cross them anyhow.
UTM = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_698_020, 603_000, 4_700_020))
OFF_LATTICE = PixelGrid.from_bounds("EPSG:32719", "40/3", (600_100, 4_698_120, 602_900, 4_699_900), anchor=(5, 7))
DEGREES = PixelGrid.from_region((-67.658, -47.861, -67.628, -47.848), "EPSG:4326", "1/7200")


def ndvi() -> ee.Image:
    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2020-01-15", "2020-03-16")
    return scenes.median().normalizedDifference(["B8", "B4"]).rename("NDVI")


def run(emulator: EarthEngineEmulator, *exports: dict[str, Any]) -> None:
    """Submit exports as the operator would, and let the time pass that they take."""
    for export in exports:
        body = export_request("image", expression_of(ndvi(), "image"), export, default_description="").body()
        requests.post(f"{emulator.url}/v1/projects/test-project/image:export", data=body).raise_for_status()
    finish(emulator)


def finish(emulator: EarthEngineEmulator) -> None:
    for _ in range(20):
        requests.post(f"{emulator.url}/_emulator/clock", json={"advance_seconds": 60}).raise_for_status()
        states = [operation["metadata"]["state"] for operation in ee.data.listOperations()]
        if set(states) == {"SUCCEEDED"}:
            return
    raise AssertionError(states)


@pytest.mark.parametrize("grid", [UTM, OFF_LATTICE, DEGREES], ids=["utm", "off-lattice", "degrees"])
def test_twelve_tiles_are_the_export_in_one_piece(
    connected: EarthEngineEmulator, tmp_path: Path, grid: PixelGrid
) -> None:
    tiles = grid.tiles(-(-grid.width // 3), -(-grid.height // 4))
    assert len(tiles) == 12
    (whole,) = export_tiles([grid], "gs://bucket/whole/", "whole")
    run(connected, whole, *export_tiles(tiles, "gs://bucket/tiles/{name}", "tile-{name}"))

    folder = tmp_path / "output" / "gs" / "bucket"
    files = sorted((folder / "tiles").glob("*.tif"))
    assert [file.stem for file in files] == [tile.name for tile in tiles]
    mosaic, transform = merge(files)
    with rasterio.open(folder / "whole" / f"{grid.name}.tif") as image:
        assert tuple(image.transform)[:6] == tuple(grid.to_ee()["crsTransform"])
        assert transform.almost_equals(image.transform, 1e-9)
        assert (transform.c, transform.f) == (grid.translate_x, grid.translate_y)
        assert np.isfinite(image.read(1)).sum() > grid.pixel_count / 2
        assert mosaic.tobytes() == image.read().tobytes()
    for file, tile in zip(files, tiles, strict=True):
        with rasterio.open(file) as image:
            assert tuple(image.transform)[:6] == tuple(tile.to_ee()["crsTransform"])
            assert (image.width, image.height) == (tile.width, tile.height)


@pytest.mark.parametrize("grid", [UTM, OFF_LATTICE, DEGREES], ids=["utm", "off-lattice", "degrees"])
def test_the_client_exports_exactly_the_grid(
    connected: EarthEngineEmulator, tmp_path: Path, grid: PixelGrid
) -> None:
    tile = grid.tiles(100, 70)[3]
    for name, part in (("whole", grid), ("tile", tile)):
        task = ee.batch.Export.image.toCloudStorage(
            ndvi(), name, "bucket", f"theirs-{name}", **part.to_ee(), maxPixels=1e9
        )
        task.start()
    run(connected, *export_tiles([tile], "gs://bucket/ours-"))

    folder = tmp_path / "output" / "gs" / "bucket"
    for name, part in (("whole", grid), ("tile", tile)):
        with rasterio.open(folder / f"theirs-{name}.tif") as image:
            assert tuple(image.transform)[:6] == tuple(part.to_ee()["crsTransform"])
            assert (image.width, image.height) == (part.width, part.height)
            assert image.crs.to_string() == part.crs
    with (
        rasterio.open(folder / "theirs-tile.tif") as theirs,
        rasterio.open(folder / f"ours-{tile.name}.tif") as ours,
    ):
        np.testing.assert_array_equal(theirs.read(), ours.read())
