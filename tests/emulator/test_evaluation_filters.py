"""Filters, orders and dates."""

from __future__ import annotations

from typing import Any

import ee
import numpy as np
import pyproj
import pytest
from affine import Affine
from evaluation_support import CORNER, UTM, Workplace, call, graph, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate

DAY = 86_400_000
START = int(np.datetime64("2020-01-01", "ms").astype("int64"))
IMAGES: dict[str, dict[str, Any]] = {
    "a": {"system:time_start": START, "cloud": 5, "tile": "19GFG", "days": [1, 2]},
    "b": {"system:time_start": START + 31 * DAY, "cloud": 20, "tile": "19GEG", "days": [3]},
    "c": {"system:time_start": START + 60 * DAY, "tile": "18GFG"},
}


@pytest.fixture
def collection(workplace: Workplace) -> ee.ImageCollection:
    """Three images side by side, 100 m each, with the properties of IMAGES."""
    for index, (name, properties) in enumerate(IMAGES.items()):
        transform = CORNER * Affine.translation(10 * index, 0)
        workplace.add_image(f"c/{name}", {"B": np.ones((10, 10), "uint8")}, transform, **properties)
    return ee.ImageCollection("c")


def names(workplace: Workplace, collection: Any) -> str:
    images = evaluate(serialized(collection), workplace.catalog).elements
    return "".join(image.properties["system:index"] for image in images)


Filter = ee.Filter


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Filter.lt("cloud", 20), "a"),
        (lambda: Filter.lt("cloud", 21), "ab"),
        (lambda: Filter.gt("cloud", 5), "b"),
        # The client sends the negation of the opposite, which what has no value passes.
        (lambda: Filter.gte("cloud", 20), "bc"),
        (lambda: Filter.lte("cloud", 5), "ac"),
        (lambda: Filter.eq("tile", "19GFG"), "a"),
        (lambda: Filter.neq("tile", "19GFG"), "bc"),
        (lambda: Filter.And(Filter.lt("cloud", 50), Filter.eq("tile", "19GEG")), "b"),
        (lambda: Filter.Or(Filter.eq("cloud", 5), Filter.eq("tile", "18GFG")), "ac"),
        (lambda: Filter.eq("cloud", 5).Not(), "bc"),
        (lambda: Filter.notNull(["cloud", "tile"]), "ab"),
        (lambda: Filter.inList("tile", ["19GFG", "18GFG"]), "ac"),
        (lambda: Filter.listContains("days", 3), "b"),
        (lambda: Filter.rangeContains("cloud", 5, 19), "a"),
        (lambda: Filter.stringStartsWith("tile", "19"), "ab"),
        (lambda: Filter.stringEndsWith("tile", "FG"), "ac"),
        (lambda: Filter.stringContains("tile", "GE"), "b"),
        (lambda: Filter.date("2020-01-01", "2020-02-01"), "a"),
        (lambda: Filter.date("2020-01-01"), "a"),
        (lambda: Filter.date("2020-01-01T00:00:00.001", "2020-02-01T00:00:00.001"), "b"),
        (
            lambda: Filter.date(
                ee.Date("2020-01-31").advance(1, "day"), ee.Date("2020-01-31").advance(1, "month")
            ),
            "b",
        ),
        (lambda: Filter.date(ee.Date.fromYMD(2020, 2, 1), "2021"), "bc"),
        (lambda: Filter.date(ee.Date(START + 1), ee.Date(START + 31 * DAY + 1)), "b"),
        (lambda: Filter.calendarRange(2, 3, "month"), "bc"),
        (lambda: Filter.calendarRange(12, 1, "month"), "a"),
        (lambda: Filter.calendarRange(2020, None, "year"), "abc"),
    ],
)
def test_filters(workplace: Workplace, collection: ee.ImageCollection, make: Any, expected: str) -> None:
    assert names(workplace, collection.filter(make())) == expected


def in_degrees(easting: float, northing: float) -> tuple[float, float]:
    return pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(easting, northing)


def rectangle(west: float, east: float) -> ee.Geometry:
    return ee.Geometry.Rectangle([600000 + west, 4699920 - 50, 600000 + east, 4700020 - 50], UTM, False)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: rectangle(10, 20), "a"),
        (lambda: rectangle(50, 150), "ab"),
        (lambda: rectangle(-100, 500), "abc"),
        (lambda: rectangle(301, 500), ""),
        (lambda: ee.Geometry.Point([600250, 4699950], UTM), "c"),
        (lambda: ee.Geometry.Point([600250, 4699900], UTM), ""),
        (lambda: ee.Geometry.Point(list(in_degrees(600050, 4699970))), "a"),
        (lambda: ee.Geometry.LineString([[600150, 4700100], [600150, 4699000]], UTM, False), "b"),
        (lambda: ee.Geometry.BBox(-68, -48, -67, -47), "abc"),
        (lambda: ee.Geometry.Polygon([[[-68, -48], [-67, -48], [-67, -47], [-68, -47]]]), "abc"),
        (lambda: ee.Geometry.BBox(10, 50, 11, 51), ""),
        (lambda: ee.Feature(rectangle(50, 150)), "ab"),
        # A ring around the images, whose hole holds them.
        (
            lambda: ee.Geometry.Polygon(
                [
                    [[599000, 4699000], [602000, 4699000], [602000, 4701000], [599000, 4701000]],
                    [[599900, 4699800], [600400, 4699800], [600400, 4700100], [599900, 4700100]],
                ],
                UTM,
                False,
            ),
            "",
        ),
    ],
)
def test_bounds(workplace: Workplace, collection: ee.ImageCollection, make: Any, expected: str) -> None:
    assert names(workplace, collection.filterBounds(make())) == expected


def test_an_image_without_a_footprint_is_everywhere(workplace: Workplace) -> None:
    everywhere = ee.ImageCollection([ee.Image(1)]).filterBounds(ee.Geometry.Point([0, 0]))
    assert names(workplace, everywhere) == "0"


def test_orders_and_limits(workplace: Workplace, collection: ee.ImageCollection) -> None:
    assert names(workplace, collection.sort("tile")) == "cba"
    assert names(workplace, collection.sort("system:time_start", False)) == "cba"
    assert names(workplace, collection.limit(2)) == "ab"
    assert names(workplace, collection.limit(1, "tile")) == "c"
    with pytest.raises(EvaluationError, match="Not every element has the property 'cloud'"):
        names(workplace, collection.sort("cloud"))


def test_merging_and_joining_keep_the_order(workplace: Workplace, collection: ee.ImageCollection) -> None:
    merged = evaluate(serialized(collection.limit(1).merge(collection)), workplace.catalog).elements
    assert [image.properties["system:index"] for image in merged] == ["1_a", "2_a", "2_b", "2_c"]
    listed = ee.ImageCollection([collection.first(), ee.Image("c/b")])
    assert names(workplace, listed) == "01"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            call("DateRange", start="2020-02-01", end="2020-02-01"),
            "DateRange: The end (2020-02-01) must lie after",
        ),
        (call("Date", value="yesterday"), "Date: 'yesterday' is not a date; write it like 2020-01-31"),
        (call("Date", value="2020-13-01"), "Date: '2020-13-01' is not a date: month must be in 1..12."),
        (
            call("Date", value="2020-01-01", timeZone="Nowhere/Land"),
            "the time zone 'Nowhere/Land' is not known here",
        ),
        (
            call("Date.advance", date=call("Date", value=0), delta=1, unit="fortnight"),
            "Date.advance: 'fortnight' is no unit of time; use year, month, week, day, hour, minute or second.",
        ),
        (
            call("Filter.equals", leftField="a", rightField="b"),
            "Filter.equals: Give leftField with rightValue or rightField with leftValue; joins are not emulated.",
        ),
        (
            call("Filter.calendarRange", start=1, field="moon"),
            "Filter.calendarRange: 'field' must be one of year, month",
        ),
    ],
)
def test_what_is_no_date_and_no_filter(workplace: Workplace, node: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as failure:
        evaluate(graph(node), workplace.catalog)
    assert message in failure.value.message


def test_values_that_cannot_be_compared(workplace: Workplace, collection: ee.ImageCollection) -> None:
    with pytest.raises(EvaluationError, match=r"Filter\.lessThan: String and Integer cannot be compared"):
        names(workplace, collection.filter(ee.Filter.lt("tile", 3)))


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("1970-01-02", None, DAY),
        ("1970", None, 0),
        ("1970-01-01T01:02:03.5", None, 3_723_500),
        ("1970-01-01T01:00:00+01:00", None, 0),
        ("1970-01-01", "America/Argentina/Buenos_Aires", 3 * 3_600_000),
        ("1969-12-31T23:59:59.999Z", None, -1),
    ],
)
def test_dates(workplace: Workplace, text: str, zone: str | None, expected: int) -> None:
    assert evaluate(serialized(ee.Date(text, zone).millis()), workplace.catalog) == expected


@pytest.mark.parametrize(
    ("delta", "unit", "expected"),
    [
        (1, "month", "2020-02-29"),
        (-1, "months", "2019-12-31"),
        (1, "year", "2021-01-31"),
        (1.5, "day", "2020-02-01T12"),
        (1, "week", "2020-02-07"),
    ],
)
def test_advancing_a_date(workplace: Workplace, delta: float, unit: str, expected: str) -> None:
    millis = evaluate(serialized(ee.Date("2020-01-31").advance(delta, unit).millis()), workplace.catalog)
    assert np.datetime64(millis, "ms") == np.datetime64(expected)
