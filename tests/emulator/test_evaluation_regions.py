"""Pixels reduced over regions: the numbers that numpy gives on the same pixels."""

from __future__ import annotations

from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import CORNER, UTM, Workplace, call, graph, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate

RANDOM = np.random.default_rng(3)
B4 = RANDOM.integers(0, 60000, (40, 50)).astype("uint16")  # some are 0, which is no data
B8 = RANDOM.normal(size=(40, 50)).astype("float32")
B4[5:9, 5:9] = 0


@pytest.fixture
def scene(workplace: Workplace) -> ee.Image:
    """An image of 50 x 40 pixels of 10 m."""
    workplace.add_image("scene", {"B4": B4})
    return ee.Image("scene")


@pytest.fixture
def two_bands(workplace: Workplace) -> ee.Image:
    """An image of the bands B4 and B8."""
    workplace.add_image("two", {"B4": B4, "B8": B8}, nodata=None)
    return ee.Image("two")


def value_of(workplace: Workplace, value: Any) -> Any:
    return evaluate(value if isinstance(value, dict) else serialized(value), workplace.catalog)


def box(left: float, top: float, right: float, bottom: float) -> ee.Geometry:
    """A rectangle between pixels, counted from the corner of the image."""
    (west, north), (east, south) = CORNER * (left, top), CORNER * (right, bottom)
    return ee.Geometry.Rectangle([west, south, east, north], UTM, False)


def valid(values: np.ndarray) -> np.ndarray:
    return values[values > 0]


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("mean", lambda values: values.mean()),
        ("sum", lambda values: values.sum()),
        ("min", lambda values: values.min()),
        ("max", lambda values: values.max()),
        ("count", lambda values: values.size),
        ("median", lambda values: np.median(values)),
        ("first", lambda values: values[0]),
    ],
)
def test_a_region_is_reduced_to_what_numpy_makes_of_its_valid_pixels(
    workplace: Workplace, scene: ee.Image, reducer: str, expected: Any
) -> None:
    reduced = value_of(workplace, scene.reduceRegion(getattr(ee.Reducer, reducer)(), box(3, 4, 20, 30)))
    assert reduced == {"B4": pytest.approx(expected(valid(B4[4:30, 3:20])))}


def test_of_no_valid_pixels_there_is_a_sum_and_a_count_but_no_mean(workplace: Workplace, scene: ee.Image) -> None:
    statistics = ("mean", "sum", "count", "min", "median", "first")
    for region in (box(5, 5, 9, 9), box(1000, 1000, 1001, 1001)):
        reduced = [value_of(workplace, scene.reduceRegion(getattr(ee.Reducer, s)(), region)) for s in statistics]
        assert reduced == [{"B4": value} for value in (None, 0, 0, None, None, None)]


def test_a_pixel_belongs_to_a_region_that_holds_its_centre(workplace: Workplace, scene: ee.Image) -> None:
    half = box(10.4, 10.4, 12.6, 11.6)
    assert value_of(workplace, scene.reduceRegion(ee.Reducer.count(), half)) == {"B4": 6}
    assert value_of(workplace, scene.reduceRegion(ee.Reducer.count(), box(10.6, 10.6, 11.4, 11.4))) == {"B4": 0}


def test_a_point_is_the_pixel_that_it_lies_in(workplace: Workplace, scene: ee.Image) -> None:
    points = ee.Geometry.MultiPoint([*(CORNER * (10.9, 20.1)), *(CORNER * (30.5, 2.5))], UTM)
    reduced = value_of(workplace, scene.reduceRegion(ee.Reducer.sum(), points))
    assert reduced == {"B4": int(B4[20, 10]) + int(B4[2, 30])}


def test_outputs_are_called_by_bands_and_reducers(workplace: Workplace, two_bands: ee.Image) -> None:
    both = ee.Reducer.mean().combine(ee.Reducer.count(), "n_", True)
    renamed = ee.Reducer.mean().setOutputs(["average"])
    region = box(0, 0, 5, 5)
    names = {
        "dictionary": set(value_of(workplace, two_bands.reduceRegion(both, region))),
        "alone": set(value_of(workplace, two_bands.reduceRegion(renamed, region))),
    }
    assert names == {"dictionary": {"B4_mean", "B4_n_count", "B8_mean", "B8_n_count"}, "alone": {"B4", "B8"}}

    def columns(image: ee.Image, reducer: ee.Reducer) -> set[str]:
        collection = ee.FeatureCollection([ee.Feature(region, {"a": 1})])
        (feature,) = value_of(workplace, image.reduceRegions(collection, reducer)).elements
        return set(feature.properties) - {"system:index", "a"}

    assert columns(two_bands, both) == {"B4_mean", "B4_n_count", "B8_mean", "B8_n_count"}
    assert columns(two_bands, renamed) == {"B4", "B8"}
    assert columns(two_bands.select("B4"), both) == {"mean", "n_count"}
    assert columns(two_bands.select("B4"), renamed) == {"average"}


def test_integers_stay_integers_where_they_are_pixels(workplace: Workplace, two_bands: ee.Image) -> None:
    reduced = value_of(workplace, two_bands.reduceRegion(ee.Reducer.max(), box(0, 0, 5, 5)))
    assert (type(reduced["B4"]), type(reduced["B8"])) == (int, float)
    assert reduced == {"B4": B4[:5, :5].max(), "B8": B8[:5, :5].max()}


def test_scale_keeps_the_origin_and_crs_and_transform_replace_them(workplace: Workplace, scene: ee.Image) -> None:
    region = box(0, 0, 50, 40)

    def count(**arguments: Any) -> Any:
        image = scene.unmask()
        return value_of(workplace, image.reduceRegion(ee.Reducer.count(), region, **arguments))["B4"]

    assert count() == 2000
    assert count(scale=20) == 500
    assert count(crs=UTM, scale=50) == 80
    assert count(crs=UTM, crsTransform=[100, 0, 600000, 0, -100, 4700020]) == 20
    assert count(crsTransform=[100, 0, 600050, 0, -100, 4700020]) == 16


def test_a_composite_needs_a_scale_and_has_longitudes_and_latitudes(workplace: Workplace, scene: ee.Image) -> None:
    composite = ee.ImageCollection([scene, scene]).max()
    with pytest.raises(EvaluationError, match="The default WGS84 projection is invalid for aggregations"):
        value_of(workplace, composite.reduceRegion(ee.Reducer.mean(), box(0, 0, 5, 5)))
    reduced = value_of(workplace, composite.reduceRegion(ee.Reducer.max(), box(0, 0, 50, 40), 10))
    assert reduced["B4"] == B4.max()


def test_reduce_regions_keeps_the_features_and_reduces_each(workplace: Workplace, scene: ee.Image) -> None:
    features = [ee.Feature(box(0, 0, 5, 5), {"a": "x"}), ee.Feature(box(20, 20, 40, 30), {"a": "y"})]
    collection = ee.FeatureCollection([*features, ee.Feature(None, {"a": "nowhere"})])
    reduced = value_of(workplace, scene.reduceRegions(collection, ee.Reducer.mean(), 10))
    assert [feature.properties for feature in reduced.elements] == [
        {"a": "x", "system:index": "0", "mean": pytest.approx(valid(B4[:5, :5]).mean())},
        {"a": "y", "system:index": "1", "mean": pytest.approx(valid(B4[20:30, 20:40]).mean())},
        {"a": "nowhere", "system:index": "2", "mean": None},
    ]


def test_regions_larger_than_a_tile(workplace: Workplace) -> None:
    large = np.arange(1500 * 1100, dtype="uint32").reshape(1500, 1100) + 1
    workplace.add_image("large", {"B": large})
    region = box(0, 0, 1100, 1500)
    reducer = ee.Reducer.mean().combine(ee.Reducer.minMax(), "", True).combine(ee.Reducer.median(), "", True)
    assert value_of(workplace, ee.Image("large").reduceRegion(reducer, region)) == {
        "B_mean": large.mean(),
        "B_min": 1,
        "B_max": large.size,
        "B_median": (large.size + 1) / 2,
    }


def test_several_reducers_of_a_collection_make_a_band_each(workplace: Workplace, two_bands: ee.Image) -> None:
    composite = ee.ImageCollection([two_bands, two_bands.add(2)]).reduce(
        ee.Reducer.minMax().combine(ee.Reducer.mean().setOutputs(["average"]), "", True)
    )
    image = value_of(workplace, composite)
    assert image.band_names == [f"{band}_{name}" for band in ("B4", "B8") for name in ("min", "max", "average")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"geometry": call("GeometryConstructors.LineString", coordinates=[0, 0, 1, 1]), "scale": 1000},
            "The pixels of a LineString are not emulated; use a Polygon.",
        ),
        ({"maxPixels": 10}, "Too many pixels in the region. Found 2000, but maxPixels allows only 10."),
        ({"maxPixels": 10, "bestEffort": True}, "bestEffort is not emulated"),
        ({"scale": 1, "crsTransform": [1, 0, 0, 0, 1, 0]}, "Only one of 'crsTransform' and 'scale' can be given."),
        ({"scale": 0}, "'scale' must be greater than zero"),
        ({"image": call("Image.constant", value=1), "scale": 10}, "when aggregating over an unbounded image"),
        ({"scale": 1e-300}, "too many pixels from the origin"),
        ({"maxPixels": 1e13, "scale": 1e-3}, "pixels is not emulated; use a larger scale"),
        (
            {"reducer": call("Reducer.combine", reducer1=call("Reducer.mean"), reducer2=call("Reducer.mean"))},
            "share them",
        ),
        (
            {
                "reducer": call(
                    "Reducer.combine",
                    reducer1=call("Reducer.mean"),
                    reducer2=call("Reducer.mean"),
                    sharedInputs=True,
                )
            },
            "Both have an output 'mean'; give an outputPrefix.",
        ),
    ],
)
def test_what_cannot_be_reduced(
    workplace: Workplace, scene: ee.Image, arguments: dict[str, Any], message: str
) -> None:
    node = {"image": call("Image.load", id="scene"), "reducer": call("Reducer.mean"), **arguments}
    with pytest.raises(EvaluationError) as failure:
        value_of(workplace, graph(call("Image.reduceRegion", **node)))
    assert message in failure.value.message


@pytest.mark.parametrize(
    "region",
    [
        lambda: ee.Geometry.Polygon([[[177, -10], [182, -10], [182, -5], [177, -5]]]),
        lambda: ee.Geometry.Rectangle([177, -10, 182, -5]),
        lambda: ee.Geometry.Polygon([[[-183, -10], [-178, -10], [-178, -5], [-183, -5]]]),
    ],
)
def test_geodesic_edges_go_on_beyond_180(workplace: Workplace, region: Any) -> None:
    count = ee.Image(1).reduceRegion(ee.Reducer.count(), region(), 55660, "EPSG:4326")
    assert 95 <= value_of(workplace, count)["constant"] <= 110


@pytest.mark.parametrize(("first", "last"), [(177, 182), (182, 177), (-178, -183)])
def test_a_geodesic_line_goes_on_beyond_180(workplace: Workplace, first: int, last: int) -> None:
    box = value_of(workplace, ee.Geometry.LineString([[first, -10], [last, -5]]).bounds())
    west, south, east, north = box.bounds("EPSG:4326")
    assert (west, east) == pytest.approx((min(first, last), max(first, last)), abs=0.02)
    assert (south, north) == pytest.approx((-10, -5), abs=0.02)
