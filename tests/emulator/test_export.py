"""Exports: grids, destinations, files, limits, and what the real client wraps around an image."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
from affine import Affine
from evaluation_support import CORNER, UTM, Workplace, geotiff, grid, serialized

from airflow_provider_ee.emulator.destination import destination_of
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.export import export_image

RANDOM = np.random.default_rng(1)
VALUES = RANDOM.integers(1, 60000, (40, 50)).astype("uint16")


@pytest.fixture
def scene(workplace: Workplace) -> ee.Image:
    """An image of 50 x 40 pixels of 10 m, its values in VALUES."""
    workplace.add_image("scene", {"B8": VALUES})
    return ee.Image("scene")


def as_the_client_exports(workplace: Workplace, image: ee.Image, **options: Any) -> tuple[np.ndarray, Affine, str]:
    """What ``ee.batch.Export.image.toCloudStorage`` with these options writes."""
    task = ee.batch.Export.image.toCloudStorage(image, "description", "bucket", "prefix", **options)
    (path,) = workplace.export(task.config["expression"]).files
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform, dataset.crs.to_string()


def fails(workplace: Workplace, image: Any, message: str, **request: Any) -> None:
    with pytest.raises(EvaluationError) as failure:
        workplace.export(image, **request)
    assert message in failure.value.message
    assert not list(workplace.output.rglob("*.*"))


# The grid


def test_without_a_grid_the_image_is_written_whole_in_its_own_projection(
    workplace: Workplace, scene: ee.Image
) -> None:
    exported = workplace.export(scene)
    assert (exported.width, exported.height, exported.pixels) == (50, 40, 2000)
    with rasterio.open(exported.files[0]) as dataset:
        assert (dataset.transform, dataset.crs.to_string()) == (CORNER, UTM)
        np.testing.assert_array_equal(dataset.read(1), VALUES)


def test_a_grid_may_reach_beyond_the_image(workplace: Workplace, scene: ee.Image) -> None:
    shifted = CORNER * Affine.translation(-3, 5)
    values = workplace.values(scene, grid=grid(20, 50, shifted))
    np.testing.assert_array_equal(values[:35, 3:], VALUES[5:, :17])
    assert (values[35:] == 0).all()
    assert (values[:, :3] == 0).all()


def test_a_grid_without_dimensions_covers_the_image(workplace: Workplace, scene: ee.Image) -> None:
    half = CORNER * Affine.translation(0.5, 0.5)
    request = {key: value for key, value in grid(1, 1, half).items() if key != "dimensions"}
    exported = workplace.export(scene, grid=request)
    assert (exported.width, exported.height) == (51, 41)
    with rasterio.open(exported.files[0]) as dataset:
        assert dataset.transform == half * Affine.translation(-1, -1)


def test_a_grid_may_leave_the_crs_to_the_image(workplace: Workplace, scene: ee.Image) -> None:
    request = {"affineTransform": grid(1, 1)["affineTransform"], "dimensions": {"width": 2, "height": 1}}
    np.testing.assert_array_equal(workplace.values(scene, grid=request), VALUES[:1, :2])


def test_a_grid_in_wkt(workplace: Workplace, scene: ee.Image) -> None:
    request = {**grid(50, 40), "crsWkt": rasterio.crs.CRS.from_string(UTM).to_wkt()}
    del request["crsCode"]
    np.testing.assert_array_equal(workplace.values(scene, grid=request), VALUES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"crsCode": "EPSG:99999999"},
            "Projection: The CRS of a map projection could not be parsed. (Error code: 3)",
        ),
        ({"affineTransform": {"scaleX": "Infinity", "scaleY": 1}}, "must be made of finite numbers."),
        ({"affineTransform": {"scaleX": 1, "scaleY": 1, "shearX": "NaN"}}, "must be made of finite numbers."),
        ({"affineTransform": {}}, "grid.affineTransform must have a scaleX and a scaleY other than zero."),
        ({"dimensions": {"width": 0, "height": 3}}, "grid.dimensions must have a width and a height above zero"),
        ({"affineTransform": None}, "grid.affineTransform is missing"),
    ],
)
def test_grids_that_are_none(workplace: Workplace, scene: ee.Image, change: dict[str, Any], message: str) -> None:
    request = {key: value for key, value in {**grid(2, 2), **change}.items() if value is not None}
    fails(workplace, scene, message, grid=request)


def test_unbounded_images_need_a_grid(workplace: Workplace) -> None:
    fails(workplace, ee.Image(1), "Unable to export unbounded image.")
    assert workplace.values(ee.Image(1), grid=grid(3, 2)).tolist() == [[1, 1, 1]] * 2


# As the real client asks for it


def test_crs_transform_and_dimensions_give_exactly_the_rectangle(workplace: Workplace, scene: ee.Image) -> None:
    values, transform, crs = as_the_client_exports(
        workplace, scene, crs=UTM, crsTransform=[10, 0, 600050, 0, -10, 4699980], dimensions="20x30"
    )
    assert (transform, crs) == (CORNER * Affine.translation(5, 4), UTM)
    np.testing.assert_array_equal(values, VALUES[4:34, 5:25])


def test_crs_scale_and_region(workplace: Workplace, scene: ee.Image) -> None:
    region = ee.Geometry.Rectangle([600003, 4699901, 600097, 4699999], UTM, False)
    values, transform, _ = as_the_client_exports(workplace, scene, crs=UTM, scale=10, region=region)
    # The lattice starts at the origin of the CRS: multiples of 10 m.
    assert transform == Affine(10, 0, 600000, 0, -10, 4700000)
    np.testing.assert_array_equal(values, VALUES[2:12, :10])


def test_scale_alone_keeps_the_origin_of_the_image(workplace: Workplace, scene: ee.Image) -> None:
    values, transform, _ = as_the_client_exports(workplace, scene, scale=20)
    assert transform == CORNER * Affine.scale(2)
    # The centre of a pixel of 20 m is the corner of four of 10 m: the one to the lower right is taken.
    np.testing.assert_array_equal(values, VALUES[1::2, 1::2])


def test_crs_transform_and_region(workplace: Workplace, scene: ee.Image) -> None:
    region = ee.Geometry.Rectangle([600100, 4699820, 600300, 4699920], UTM, False)
    values, transform, _ = as_the_client_exports(
        workplace, scene, crs=UTM, crsTransform=[10, 0, 0, 0, -10, 0], region=region
    )
    np.testing.assert_array_equal(values[values > 0].reshape(10, 20), VALUES[10:20, 10:30])
    assert transform == Affine(10, 0, 600100, 0, -10, 4699920)


def test_dimensions_and_region(workplace: Workplace, scene: ee.Image) -> None:
    region = ee.Geometry.Rectangle([600000, 4699620, 600500, 4700020], UTM, False)
    values, transform, _ = as_the_client_exports(workplace, scene, dimensions="25x10", region=region)
    assert values.shape == (10, 25)
    assert transform == CORNER * Affine.scale(2, 4)


def test_one_dimension_is_the_longer_side(workplace: Workplace, scene: ee.Image) -> None:
    values, transform, _ = as_the_client_exports(workplace, scene, dimensions=25)
    assert (values.shape, transform) == ((20, 25), CORNER * Affine.scale(2))


def test_a_composite_with_crs_and_scale(workplace: Workplace) -> None:
    workplace.add_image("c/a", {"B": VALUES})
    values, transform, crs = as_the_client_exports(workplace, ee.ImageCollection("c").mosaic(), crs=UTM, scale=20)
    assert (values.shape, transform, crs) == ((20, 25), Affine(20, 0, 600000, 0, -20, 4700020), UTM)


def test_a_composite_without_a_crs_has_no_scale(workplace: Workplace) -> None:
    workplace.add_image("c/a", {"B": VALUES})
    task = ee.batch.Export.image.toCloudStorage(
        ee.ImageCollection("c").mosaic(), "d", "bucket", "prefix", scale=20
    )
    fails(workplace, task.config["expression"], "has no projection of its own; give a CRS")


# Limits and types


def test_more_pixels_than_allowed(workplace: Workplace, scene: ee.Image) -> None:
    message = (
        "Export too large: specified 2000 pixels (max: 1999). Specify higher maxPixels value if you intend to "
        "export a large area. (Error code: 3)"
    )
    for limit in (1999, "1999", {"value": "1999"}):
        fails(workplace, scene, message, maxPixels=limit)
    assert workplace.export(scene, maxPixels="2000").pixels == 2000


def test_the_default_limit(workplace: Workplace, scene: ee.Image) -> None:
    fails(workplace, scene, "specified 100010000 pixels (max: 100000000)", grid=grid(10001, 10000))


def test_bands_of_different_types(workplace: Workplace, scene: ee.Image) -> None:
    message = "Exported bands must have compatible data types; found inconsistent types: UInt16 and Float32. (Error code: 3)"
    fails(workplace, scene.addBands(scene.divide(2).rename("half")), message)


def test_an_image_without_bands(workplace: Workplace, scene: ee.Image) -> None:
    fails(workplace, scene.select([]), "The image has no bands to export.", grid=grid(2, 2))


def test_nothing_but_masked_pixels(workplace: Workplace, scene: ee.Image) -> None:
    fails(workplace, scene.updateMask(0), "No valid (un-masked) pixels in export region.")


# Files


def test_masked_pixels_are_zero_or_nan_without_a_no_data_value(workplace: Workplace, scene: ee.Image) -> None:
    masked = scene.updateMask(scene.gt(30000))
    np.testing.assert_array_equal(workplace.values(masked), np.where(VALUES > 30000, VALUES, 0))
    np.testing.assert_array_equal(workplace.values(masked.toFloat()), np.where(VALUES > 30000, VALUES, np.nan))


def test_the_no_data_value(workplace: Workplace, scene: ee.Image) -> None:
    masked = scene.updateMask(scene.gt(30000)).toInt32()
    (path,) = workplace.export(masked, fileExportOptions=geotiff(noData={"floatValue": -9999})).files
    with rasterio.open(path) as dataset:
        assert dataset.nodata == -9999
        np.testing.assert_array_equal(dataset.read(1), np.where(VALUES > 30000, VALUES.astype("int32"), -9999))


def test_a_no_data_value_of_nan(workplace: Workplace, scene: ee.Image) -> None:
    options = geotiff(noData={"floatValue": "NaN"})
    (path,) = workplace.export(scene.toFloat(), fileExportOptions=options).files
    with rasterio.open(path) as dataset:
        assert math.isnan(dataset.nodata)


@pytest.mark.parametrize("value", [-1, 65536, 0.5, "NaN"])
def test_a_no_data_value_that_no_pixel_can_have(workplace: Workplace, scene: ee.Image, value: Any) -> None:
    options = geotiff(noData={"floatValue": value})
    fails(workplace, scene, "geoTiffOptions.noData:", fileExportOptions=options)


def test_files_are_tiled_and_compressed_and_name_their_bands(workplace: Workplace, scene: ee.Image) -> None:
    (path,) = workplace.export(scene.addBands(scene.rename("other"))).files
    with rasterio.open(path) as dataset:
        assert dataset.profile["tiled"]
        assert dataset.block_shapes == [(256, 256)] * 2
        assert dataset.compression.value == "DEFLATE"
        assert dataset.descriptions == ("B8", "other")


def test_a_cloud_optimized_file(workplace: Workplace, scene: ee.Image) -> None:
    (path,) = workplace.export(scene, fileExportOptions=geotiff(cloudOptimized=True)).files
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(dataset.read(1), VALUES)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.fixture
def large(workplace: Workplace) -> np.ndarray:
    """The values of an image "large" of 600 x 300 pixels whose right part is masked."""
    values = RANDOM.integers(1, 255, (300, 600)).astype("uint8")
    values[:, 512:] = 0
    workplace.add_image("large", {"B": values})
    return values


@pytest.mark.parametrize(
    ("destination", "first"),
    [
        (
            {"cloudStorageDestination": {"bucket": "b", "filenamePrefix": "f/x"}},
            "gs/b/f/x0000000000-0000000000.tif",
        ),
        ({"cloudStorageDestination": {"bucket": "b", "filenamePrefix": "f/"}}, "gs/b/f/0000000000-0000000000.tif"),
        ({"driveDestination": {"folder": "f", "filenamePrefix": "x"}}, "drive/f/x-0000000000-0000000000.tif"),
    ],
)
def test_tile_dimensions_split_an_image_into_files(
    workplace: Workplace, large: np.ndarray, destination: dict[str, Any], first: str
) -> None:
    options = {**geotiff(tileDimensions={"width": 256, "height": 256}), **destination}
    if "driveDestination" in destination:
        del options["cloudStorageDestination"]
    exported = workplace.export(ee.Image("large"), fileExportOptions=options)
    assert exported.files[0] == workplace.output / first
    assert [path.name[-25:] for path in exported.files] == [
        f"{row:010d}-{column:010d}.tif" for row in (0, 256) for column in (0, 256, 512)
    ]
    with rasterio.open(exported.files[4]) as dataset:
        assert dataset.transform == CORNER * Affine.translation(256, 256)
        np.testing.assert_array_equal(dataset.read(1), large[256:, 256:512])


def test_empty_files_may_be_skipped(workplace: Workplace, large: np.ndarray) -> None:
    options = geotiff(tileDimensions={"width": 256, "height": 512}, skipEmptyFiles=True)
    files = workplace.export(ee.Image("large"), fileExportOptions=options).files
    assert [path.name for path in files] == ["image0000000000-0000000000.tif", "image0000000000-0000000256.tif"]
    assert sorted(workplace.output.rglob("*.*")) == sorted(files)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fileFormat": "TF_RECORD_IMAGE"}, "The fileFormat TF_RECORD_IMAGE is not emulated; use GEO_TIFF."),
        ({"geoTiffOptions": {"metadataKeys": ["a"]}}, "geoTiffOptions.metadataKeys is not emulated"),
        (
            {"geoTiffOptions": {"tileDimensions": {"width": 100}}},
            "tileDimensions must be multiples of 256, not 100",
        ),
        ({"geoTiffOptions": {"noData": {"integerValue": 1}}}, "noData must be given as a floatValue"),
    ],
)
def test_options_that_are_refused(
    workplace: Workplace, scene: ee.Image, options: dict[str, Any], message: str
) -> None:
    fails(workplace, scene, message, fileExportOptions={**geotiff(), **options})


# Destinations


def cloud(bucket: Any, prefix: Any) -> dict[str, Any]:
    return {"fileExportOptions": {"cloudStorageDestination": {"bucket": bucket, "filenamePrefix": prefix}}}


def drive(prefix: Any, **options: Any) -> dict[str, Any]:
    return {"fileExportOptions": {"driveDestination": {"filenamePrefix": prefix, **options}}}


def asset(name: Any) -> dict[str, Any]:
    return {"assetExportOptions": {"earthEngineDestination": {"name": name}}}


@pytest.mark.parametrize(
    ("request_", "path", "uri"),
    [
        (cloud("b", "x"), "gs/b/x.tif", "https://console.developers.google.com/storage/browser/b/"),
        (cloud("b", "f/g/x"), "gs/b/f/g/x.tif", "https://console.developers.google.com/storage/browser/b/f/g/"),
        (drive("x"), "drive/x.tif", "https://drive.google.com/drive/my-drive"),
        (drive("x", folder="f"), "drive/f/x.tif", "https://drive.google.com/drive/search?q=title:f"),
        (
            drive("x/y", folder="f/g"),
            "drive/f%2Fg/x%2Fy.tif",
            "https://drive.google.com/drive/search?q=title:f%2Fg",
        ),
        (
            asset("projects/p/assets/f/x"),
            "assets/p/f/x.tif",
            "https://code.earthengine.google.com/?asset=projects/p/assets/f/x",
        ),
        (
            asset("users/me/x"),
            "assets/earthengine-legacy/users/me/x.tif",
            "https://code.earthengine.google.com/?asset=projects/earthengine-legacy/assets/users/me/x",
        ),
    ],
)
def test_where_exports_go(
    workplace: Workplace, scene: ee.Image, request_: dict[str, Any], path: str, uri: str
) -> None:
    if "fileExportOptions" in request_:
        request_ = {"fileExportOptions": {**request_["fileExportOptions"], "fileFormat": "GEO_TIFF"}}
    destination_of(request_, workplace.output)
    exported = workplace.export(scene, **request_)
    assert exported.files == (workplace.output / path,)
    assert exported.destination_uris == (uri,)
    assert exported.files[0].is_file()


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"fileExportOptions": {"fileFormat": "GEO_TIFF"}},
        {"assetExportOptions": {}},
        cloud("", "x"),
        cloud(None, "x"),
        cloud("..", "x"),
        cloud("a/b", "x"),
        cloud("b", ""),
        cloud("b", None),
        cloud("b", "../x"),
        cloud("b", "f/../../x"),
        cloud("b", "/etc/x"),
        cloud("b", "f//x"),
        cloud("b", "f\\x"),
        cloud("b", "x\0"),
        cloud("b", ".."),
        drive(""),
        drive(".."),
        drive("x", folder=".."),
        drive("x\\y"),
        asset(""),
        asset("x"),
        asset("projects/../assets/x"),
        asset("projects/p/assets/../x"),
        asset("projects/p/assets//x"),
        asset("projects/p/assets/a.b"),
        cloud("linked", "x"),
    ],
)
def test_destinations_that_are_refused(tmp_path: Path, request_: dict[str, Any]) -> None:
    output = tmp_path / "output"
    (output / "gs").mkdir(parents=True)
    (output / "gs" / "linked").symlink_to(tmp_path)
    with pytest.raises(EvaluationError):
        destination_of(request_, output)
    assert [path.name for path in output.rglob("*")] == ["gs", "linked"]


def test_an_asset_is_not_overwritten_unless_asked(workplace: Workplace, scene: ee.Image) -> None:
    request = asset("projects/p/assets/x")
    workplace.export(scene, **request)
    with pytest.raises(EvaluationError, match=r"Cannot overwrite asset 'projects/p/assets/x'\."):
        workplace.export(scene, **request)
    request["assetExportOptions"]["earthEngineDestination"]["overwrite"] = True
    workplace.export(scene, **request)


def test_a_file_replaces_the_one_before(workplace: Workplace, scene: ee.Image) -> None:
    for factor in (1, 2):
        values = workplace.values(scene.divide(factor).toUint16())
        np.testing.assert_array_equal(values, VALUES // factor)


# Progress and the end


def run(workplace: Workplace, report: Callable[[int, int], None]) -> None:
    request = {
        "expression": serialized(ee.Image("large")),
        "grid": grid(2100, 1100),
        "fileExportOptions": geotiff(),
    }
    export_image(request, catalog=workplace.catalog, output=workplace.output, report=report)


def test_progress_is_reported_after_each_tile(workplace: Workplace, large: np.ndarray) -> None:
    reports: list[tuple[int, int]] = []
    run(workplace, lambda done, total: reports.append((done, total)))
    assert reports == [(done, 6) for done in range(1, 7)]


def test_a_report_that_raises_ends_the_export_and_leaves_nothing(workplace: Workplace, large: np.ndarray) -> None:
    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        if done == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        run(workplace, cancel)
    assert [path for path in workplace.output.rglob("*") if path.is_file()] == []


def test_exports_run_in_threads_at_the_same_time(workplace: Workplace, large: np.ndarray) -> None:
    def export(number: int) -> np.ndarray:
        expression = serialized(ee.Image("large").add(number).toUint16())
        return workplace.values(expression, fileExportOptions=geotiff(f"image{number}"))

    with ThreadPoolExecutor(8) as threads:
        for number, values in enumerate(threads.map(export, range(16))):
            np.testing.assert_array_equal(values, np.where(large > 0, large.astype("uint16") + number, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="measures through /proc")
def test_memory_does_not_grow_with_the_export(workplace: Workplace) -> None:
    workplace.add_image("wide", {name: np.full((2500, 2500), 1000, "uint16") for name in ("B4", "B8")})
    request = {
        "expression": serialized(ee.Image("wide").normalizedDifference(["B8", "B4"])),
        "grid": grid(6000, 6000),
        "fileExportOptions": geotiff(),
    }
    script = """
import json, sys
from pathlib import Path
from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.export import export_image
catalog, output = Path(sys.argv[1]), Path(sys.argv[2])
export_image(json.load(sys.stdin), catalog=Catalog(catalog, output), output=output, report=lambda done, total: None)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    arguments = [sys.executable, "-c", script, workplace.assets, workplace.output]
    finished = subprocess.run(arguments, input=json.dumps(request), capture_output=True, text=True, check=True)
    # Twice 72 million bytes of input and 144 of output would not fit.
    assert int(finished.stdout) < 200 * 1024
