"""Composites equal numpy over three images that differ, are partly masked and do not lie alike."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from evaluation_support import CORNER, Workplace, geotiff, grid

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

WIDTH, HEIGHT = 13, 9
DAYS = ("2020-01-10", "2020-02-10", "2020-03-10")
GRID = grid(WIDTH, HEIGHT)


def milliseconds(day: str) -> int:
    return int(np.datetime64(day, "ms").astype("int64"))


@pytest.fixture
def stack(workplace: Workplace) -> np.ma.MaskedArray:
    """Three images of the bands B4 and B8 as numpy has them: image, band, row, column."""
    random = np.random.default_rng(3)
    values = random.integers(1, 60000, (3, 2, HEIGHT, WIDTH)).astype("uint16")
    values[random.random(values.shape) < 0.3] = 0
    # The second image covers less: from the third column and the second row on.
    values[1, :, :1, :] = values[1, :, :, :2] = 0
    # One pixel without any valid value, one with a single one.
    values[:, :, 4, 4] = 0
    values[:, :, 5, 5] = [[0, 0], [0, 0], [777, 777]]
    for index, day in enumerate(DAYS):
        column, row = (2, 1) if index == 1 else (0, 0)
        bands = {name: values[index, band, row:, column:] for band, name in enumerate(("B4", "B8"))}
        transform = CORNER * Affine.translation(column, row)
        properties = {"system:time_start": milliseconds(day), "cloud": [30, 10, 20][index]}
        workplace.add_image(f"S2/{day.replace('-', '')}", bands, transform, **properties)
    return np.ma.masked_equal(values, 0)


def composite(workplace: Workplace, image: ee.Image, nodata: float = -1) -> np.ma.MaskedArray:
    return workplace.pixels(image, grid=GRID, fileExportOptions=geotiff(noData={"floatValue": nodata}))


def assert_same(actual: np.ma.MaskedArray, expected: np.ma.MaskedArray) -> None:
    np.testing.assert_array_equal(np.ma.getmaskarray(actual), np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(actual.compressed(), expected.compressed())


def test_median_of_an_odd_number(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    actual = composite(workplace, ee.ImageCollection("S2").median())
    assert actual.dtype == "float64"
    assert_same(actual, np.ma.median(stack.astype("float64"), axis=0))


def test_median_of_an_even_number_is_the_mean_of_the_middle_two(
    workplace: Workplace, stack: np.ma.MaskedArray
) -> None:
    collection = ee.ImageCollection("S2").filterDate("2020-01-01", "2020-03-01")
    assert_same(composite(workplace, collection.median()), np.ma.median(stack[:2].astype("float64"), axis=0))


def test_mean(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    actual = composite(workplace, ee.ImageCollection("S2").mean())
    assert actual.dtype == "float64"
    assert_same(actual, stack.astype("float64").sum(axis=0) / stack.count(axis=0))


def test_median_of_floats_is_a_float(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    collection = ee.ImageCollection("S2").map(lambda image: image.toFloat())
    assert composite(workplace, collection.median()).dtype == "float32"


@pytest.mark.parametrize("name", ["min", "max"])
def test_extremes_keep_the_type(workplace: Workplace, stack: np.ma.MaskedArray, name: str) -> None:
    actual = composite(workplace, getattr(ee.ImageCollection("S2"), name)(), nodata=0)
    assert actual.dtype == "uint16"
    assert_same(actual, getattr(stack, name)(axis=0))


def test_count_of_valid_pixels(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    actual = composite(workplace, ee.ImageCollection("S2").count(), nodata=0)
    assert actual.dtype == "int32"
    assert_same(actual, np.ma.masked_equal(stack.count(axis=0), 0))


def test_sum(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    assert_same(composite(workplace, ee.ImageCollection("S2").sum()), stack.astype("float64").sum(axis=0))


def test_mosaic_has_the_last_image_on_top_for_each_band(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    expected = stack[0].copy()
    for image in stack[1:]:
        expected[~image.mask] = image[~image.mask]
    assert_same(composite(workplace, ee.ImageCollection("S2").mosaic(), nodata=0), expected)


def test_mosaic_follows_the_order_of_the_collection(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    by_cloud = ee.ImageCollection("S2").sort("cloud", False)
    expected = stack[0].copy()
    for image in stack[[2, 1]]:
        expected[~image.mask] = image[~image.mask]
    assert_same(composite(workplace, by_cloud.mosaic(), nodata=0), expected)


def test_first_is_the_first_by_id(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    assert_same(composite(workplace, ee.ImageCollection("S2").first(), nodata=0), stack[0])


def test_the_end_of_a_date_range_is_excluded(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    count = composite(workplace, ee.ImageCollection("S2").filterDate(DAYS[0], DAYS[2]).count(), nodata=0)
    assert_same(count, np.ma.masked_equal(stack[:2].count(axis=0), 0))
    last = ee.ImageCollection("S2").filterDate(DAYS[2], "2021")
    assert_same(composite(workplace, last.first(), nodata=0), stack[2])


def test_a_reducer_adds_its_name_to_those_of_the_bands(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    image = ee.ImageCollection("S2").reduce(ee.Reducer.median()).select(["B8_median", "B4_median"])
    assert_same(composite(workplace, image), np.ma.median(stack.astype("float64"), axis=0)[[1, 0]])


def test_a_mapped_function_is_applied_to_each_image(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    collection = ee.ImageCollection("S2").map(lambda image: image.select("B8").subtract(image.select("B4")))
    difference = stack[:, 1].astype("int64") - stack[:, 0].astype("int64")
    assert_same(composite(workplace, collection.max())[0], difference.max(axis=0))


def test_bands_are_matched_by_name(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    turned = ee.ImageCollection("S2").map(lambda image: image.select(["B8", "B4"]))
    merged = ee.ImageCollection("S2").merge(turned)
    assert_same(composite(workplace, merged.max(), nodata=0), stack.max(axis=0))


def test_images_with_other_bands_are_refused(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    collection = ee.ImageCollection([ee.Image("S2/20200110"), ee.Image("S2/20200210").select("B4")])
    with pytest.raises(EvaluationError, match="Expected a homogeneous image collection"):
        composite(workplace, collection.median())


def test_nothing_is_left_of_an_empty_collection(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    empty = ee.ImageCollection("S2").filterDate("1999", "2000")
    with pytest.raises(EvaluationError, match=r"Band pattern 'B4' did not match any bands. Available bands: \[\]"):
        composite(workplace, empty.median().select("B4"))
    with pytest.raises(EvaluationError, match=r"Image\.select: Parameter 'input' is required and may not be null"):
        composite(workplace, empty.first().select("B4"))


def test_a_composite_has_no_projection_of_its_own(workplace: Workplace, stack: np.ma.MaskedArray) -> None:
    with pytest.raises(EvaluationError, match="give the request a grid, or the export a crs and a scale"):
        workplace.export(ee.ImageCollection("S2").median())
