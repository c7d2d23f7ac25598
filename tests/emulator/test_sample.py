"""The sample catalog: real pixels, unchanged, and two scenes that say what they are."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import ee
import numpy as np
import pytest
import rasterio
from evaluation_support import CORNER, UTM, Workplace, geotiff, grid
from scipy.io import netcdf_file

from airflow_provider_ee.emulator.sample import (
    CLOUDY_SCENE,
    COLLECTION,
    DATA,
    REAL_SCENE,
    SMALLER_SCENE,
    write_sample,
)

BANDS = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir", "B11": "swir1", "B12": "swir2"}


def netcdf(band: str) -> np.ndarray:
    """The pixels as the source has them."""
    (folder,) = importlib.util.find_spec("xrspatial").submodule_search_locations
    path = Path(folder) / "datasets" / "sentinel-2" / f"{BANDS[band]}_band.nc"
    with netcdf_file(path, mmap=False) as dataset:
        return dataset.variables["__xarray_dataarray_variable__"].data.astype("float64")


@pytest.fixture
def sample(workplace: Workplace) -> Workplace:
    write_sample(workplace.assets)
    return workplace


def load_tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "make_sample_data.py"
    spec = importlib.util.spec_from_file_location("make_sample_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_scene_is_what_the_tool_makes(tmp_path: Path) -> None:
    load_tool().main(tmp_path)
    names = sorted(path.name for path in (tmp_path / COLLECTION).iterdir())
    assert names == sorted(path.name for path in (DATA / COLLECTION).iterdir())
    for name in names:
        made, committed = tmp_path / COLLECTION / name, DATA / COLLECTION / name
        if name.endswith(".json"):
            assert made.read_text() == committed.read_text()
            continue
        with rasterio.open(made) as one, rasterio.open(committed) as other:
            np.testing.assert_array_equal(one.read(), other.read())
            assert (one.crs, one.transform, one.nodata) == (other.crs, other.transform, other.nodata)


@pytest.mark.parametrize("band", BANDS)
def test_the_real_scene_has_the_pixels_of_its_source(band: str) -> None:
    with rasterio.open(DATA / COLLECTION / f"{REAL_SCENE}.{band}.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), netcdf(band))
        assert dataset.tags()["TIFFTAG_COPYRIGHT"] == "Contains modified Copernicus Sentinel data"
        assert dataset.crs.to_epsg() == 32719
        side = 20 if band in ("B11", "B12") else 10
        assert dataset.transform[:6] == (side, 0, 600000, 0, -side, 4700020)


def test_ndvi_of_the_real_scene_equals_numpy_pixel_for_pixel(sample: Workplace) -> None:
    image = ee.ImageCollection(COLLECTION).filterDate("2020-01-15", "2020-01-16").median()
    (path,) = sample.export(image.normalizedDifference(["B8", "B4"]), grid=grid(300, 200)).files
    nir, red = netcdf("B8"), netcdf("B4")
    with rasterio.open(path) as dataset:
        assert dataset.dtypes == ("float32",)
        assert dataset.descriptions == ("nd",)
        assert (dataset.crs.to_string(), dataset.transform) == (UTM, CORNER)
        np.testing.assert_array_equal(dataset.read(1), ((nir - red) / (nir + red)).astype("float32"))


def test_bands_of_20_m_are_read_on_a_grid_of_10_m(sample: Workplace) -> None:
    image = ee.Image(f"{COLLECTION}/{REAL_SCENE}").select("B11")
    expected = netcdf("B11")[:100, :150].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(sample.values(image, grid=grid(300, 200)), expected)


def test_three_scenes_a_month_apart_with_six_bands_each(sample: Workplace) -> None:
    images = sample.catalog.collection(COLLECTION).elements
    assert [image.properties["system:index"] for image in images] == [REAL_SCENE, SMALLER_SCENE, CLOUDY_SCENE]
    for image, day in zip(images, ("2020-01-15", "2020-02-14", "2020-03-15"), strict=True):
        assert image.band_names == list(BANDS)
        assert str(np.datetime64(image.properties["system:time_start"], "ms")).startswith(day)
        assert "Synthetic" in image.properties["note"]


def test_the_other_scenes_differ_and_are_partly_masked(sample: Workplace) -> None:
    real, smaller, cloudy = (
        sample.pixels(
            ee.Image(f"{COLLECTION}/{scene}").select("B8"),
            grid=grid(300, 200),
            fileExportOptions=geotiff(noData={"floatValue": 0}),
        )
        for scene in (REAL_SCENE, SMALLER_SCENE, CLOUDY_SCENE)
    )
    assert not np.ma.getmaskarray(real).any()
    assert 0.1 < np.ma.getmaskarray(cloudy).mean() < 0.5
    assert smaller.count() == 240 * 160
    np.testing.assert_array_equal(smaller.compressed(), real.data[0, 40:, 60:].ravel().astype("int64") * 9 // 10)
    np.testing.assert_array_equal(cloudy.compressed(), real.data[~cloudy.mask].astype("int64") * 11 // 10)


def test_the_catalog_names_its_source(sample: Workplace) -> None:
    assert "Contains modified Copernicus Sentinel data" in (sample.assets / "NOTICE.md").read_text()
    sidecar = json.loads((sample.assets / COLLECTION / f"{CLOUDY_SCENE}.json").read_text())
    assert "xarray-spatial 0.5.3" in sidecar["source"]
